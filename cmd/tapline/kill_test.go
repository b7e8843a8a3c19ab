package main

import (
	"bufio"
	"bytes"
	stdcmp "cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"

	"tapline/operator"
	"tapline/payment"
)

// daemon is "tapline serve" in a process of its own, on an address and a database that outlive it.
type daemon struct {
	*testing.T
	address string
	db      string
	public  string   // the public URL; empty for that of the address
	dir     string   // where the process works; empty for that of the test
	within  []string // what runs the program in another place
	flags   []string

	process *os.Process
	log     *bytes.Buffer // to be read after exited
	exited  chan int      // gives the exit code, once
}

// unlimited are the settings of a service that a few cards pay at as fast as it can: by a tap of a number, without limits.
var unlimited = []string{"--policy", "tap", "--allow-identified-tap", "--tap-limit", "1000000", "--tap-daily-limit", "1000000000",
	"--identified-limit", "1000000", "--identified-daily-limit", "1000000000", "--no-rate-limits"}

// startDaemon starts a service with nothing in it.
func startDaemon(t *testing.T, flags ...string) *daemon {
	t.Helper()
	d := newDaemon(t, flags...)
	d.start()
	return d
}

// newDaemon is one that has yet to be started.
func newDaemon(t *testing.T, flags ...string) *daemon {
	t.Helper()
	d := &daemon{T: t, address: lastingAddress(t), db: filepath.Join(t.TempDir(), "tapline.db"), flags: flags}
	t.Cleanup(func() {
		if d.process != nil {
			d.kill()
		}
	})
	return d
}

// lastingAddress is an address where nobody listens, and that no outgoing connection takes while the service is away:
// below the ports that systems hand out.
func lastingAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		if l, err := net.Listen("tcp", address); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (d *daemon) url() string { return "http://" + d.address }

// command is the tapline program itself, which testscript.Main has put into the path, without settings from outside.
func (d *daemon) command(args ...string) *exec.Cmd {
	argv := append(append(slices.Clone(d.within), "tapline"), args...)
	cmd := exec.Command(argv[0], argv[1:]...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TAPLINE_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd
}

// start starts the process and waits until it is ready.
func (d *daemon) start() {
	d.Helper()
	cmd := d.command(append([]string{"serve", "--listen", d.address, "--public-url", stdcmp.Or(d.public, d.url()), "--db", d.db}, d.flags...)...)
	cmd.Dir = d.dir
	d.log, d.exited = &bytes.Buffer{}, make(chan int, 1)
	cmd.Stdout, cmd.Stderr = d.log, d.log
	if err := cmd.Start(); err != nil {
		d.Fatal(err)
	}
	d.process = cmd.Process
	exited := d.exited
	go func() {
		_ = cmd.Wait() // the exit code tells
		exited <- cmd.ProcessState.ExitCode()
	}()
	d.until("the service is ready", func() bool {
		select {
		case code := <-exited:
			d.process = nil
			d.Fatalf("the service ended with %d:\n%s", code, d.log)
		default:
		}
		answer, err := http.Get(d.url() + "/readyz")
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	})
}

// until waits for a thing.
func (d *daemon) until(what string, holds func() bool) {
	d.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-over:
			d.Fatalf("waited %v, and still not: %s", patience, what)
		}
	}
}

// kill ends the process without a warning.
func (d *daemon) kill() {
	d.Helper()
	if err := d.process.Kill(); err != nil {
		d.Fatal(err)
	}
	d.exitCode()
}

// exitCode waits for the process to end.
func (d *daemon) exitCode() int {
	d.Helper()
	d.process = nil
	select {
	case code := <-d.exited:
		return code
	case <-time.After(patience):
		d.Fatalf("the service has not ended after %v", patience)
		return 0
	}
}

// check proves the books, as an operator would.
func (d *daemon) check() {
	d.Helper()
	if out, err := d.command("check", "--db", d.db).CombinedOutput(); err != nil {
		d.Fatalf("tapline check: %v\n%s", err, out)
	}
}

// crash kills the service, and starts it again on what is left.
func (d *daemon) crash() {
	d.Helper()
	d.kill()
	d.check()
	d.start()
	d.check()
}

// recorder is a transport that remembers the last write and its answer, and the token of the last read.
type recorder struct {
	mu     sync.Mutex
	bearer string
	write  *http.Request
	body   []byte
	status int
	answer []byte
}

// RoundTrip sends a request.
func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.Body != nil {
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
		request = request.Clone(request.Context())
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil || request.URL.Path == "/v1/token" {
		return response, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if request.Method != http.MethodPost {
		r.bearer = request.Header.Get("Authorization")
		return response, nil
	}
	answer, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	r.write, r.body, r.status, r.answer = request, body, response.StatusCode, answer
	return response, nil
}

// purchase is all that belongs to one payment, from the first operator on.
type purchase struct {
	*daemon
	ctx      context.Context
	recorder *recorder
	operator *operator.Client
	phone    *device.Client
	kiosk    *device.Client
	issued   api.CardCode
	card     api.Card
	payment  *device.Payment
}

const (
	killCard     consent.AccountNumber = "6200000000000005"
	killPIN      consent.PIN           = "470916"
	killWrongPIN consent.PIN           = "470917"
)

func newPurchase(d *daemon) *purchase {
	d.Helper()
	p := &purchase{daemon: d, ctx: d.Context(), recorder: &recorder{}}
	client := &http.Client{Transport: p.recorder}
	p.operator = &operator.Client{URL: d.url(), HTTP: client, Key: p.newKey()}
	p.phone = &device.Client{URL: d.url(), HTTP: client, Key: p.newKey()}
	p.kiosk = &device.Client{URL: d.url(), HTTP: client, Key: p.newKey()}
	return p
}

func (d *daemon) newKey() *consent.DeviceKey {
	d.Helper()
	key, err := consent.NewDeviceKey()
	if err != nil {
		d.Fatal(err)
	}
	return key
}

// stage is one step of the purchase. state is what the payment is in afterwards, "" while there is none.
type stage struct {
	name  string
	do    func() error
	state payment.State
}

func (p *purchase) stages() []stage { return append(p.preparing(), p.paying()...) }

func (p *purchase) preparing() []stage {
	return []stage{
		{name: "enrol the first operator", do: func() error {
			token, err := os.ReadFile(strings.TrimSuffix(p.db, ".db") + ".first-token")
			if err != nil {
				return err
			}
			_, err = p.operator.EnrolFirst(p.ctx, string(token), "Olga")
			return err
		}},
		{name: "add a payee", do: func() error {
			_, err := p.operator.AddPayee(p.ctx, api.NewPayee{Handle: "books@shop", Name: "Book Shop", Currency: "CNY"})
			return err
		}},
		{name: "issue a card", do: func() (err error) {
			p.issued, err = p.operator.IssueCard(p.ctx, api.NewCard{AccountNumber: string(killCard), Label: "Campus card", Currency: "CNY"})
			return err
		}},
		{name: "top up", do: func() error {
			_, err := p.operator.TopUp(p.ctx, p.issued.Card.Account, api.NewTopUp{Amount: yuan(100_00)})
			return err
		}},
		{name: "register the phone", do: func() error { _, err := p.phone.Register(p.ctx, "phone"); return err }},
		{name: "register the kiosk", do: func() error { _, err := p.kiosk.Register(p.ctx, "kiosk"); return err }},
		{name: "activate", do: func() (err error) {
			p.card, err = p.phone.Activate(p.ctx, consent.Code(p.issued.Code), killCard, killPIN)
			return err
		}},
	}
}

func (p *purchase) paying() []stage {
	return []stage{
		{"send", p.send, payment.AuthenticationRequired},
		{"a wrong PIN", func() error {
			_, err := p.payment.Authenticate(p.ctx, killWrongPIN)
			return refusedAs(err, "wrong_pin")
		}, payment.AuthenticationRequired},
		{"the right PIN", func() error {
			_, err := p.payment.Authenticate(p.ctx, killPIN)
			return err
		}, payment.ConfirmationRequired},
		{"confirm", func() error {
			s, err := p.payment.Statement()
			if err != nil {
				return err
			}
			_, err = p.payment.Confirm(p.ctx, s)
			return err
		}, payment.ApprovalRequired},
		{"a wrong code", func() error {
			code := p.payment.View().Code
			wrong := strings.Repeat("0", len(code))
			if code == wrong {
				wrong = strings.Repeat("1", len(code))
			}
			return refusedAs(p.approve(wrong), "wrong_code")
		}, payment.ApprovalRequired},
		{"approve", func() error { return p.approve(p.payment.View().Code) }, payment.Settled},
	}
}

func (p *purchase) send() (err error) {
	p.payment, err = p.begin(killCard, 12_50, consent.Order{Number: "1042"})
	return err
}

// begin pays from the kiosk with a card number, as far as the instruction.
func (p *purchase) begin(number consent.AccountNumber, minor int64, terms consent.Order) (*device.Payment, error) {
	payee, err := p.kiosk.Payee(p.ctx, "books@shop")
	if err != nil {
		return nil, err
	}
	order, err := p.kiosk.Order(yuan(minor), payee, terms)
	if err != nil {
		return nil, err
	}
	draft, err := order.Tap(number)
	if err != nil {
		return nil, err
	}
	return draft.Send(p.ctx)
}

func (p *purchase) approve(code string) error {
	a, err := p.phone.Approval(p.ctx, p.payment.ID())
	if err != nil {
		return err
	}
	_, err = a.Approve(p.ctx, consent.Code(code))
	return err
}

// refusedAs is nil if an error is the problem that was expected.
func refusedAs(err error, code string) error {
	if problem, ok := errors.AsType[*api.Problem](err); ok && problem.Code == code {
		return nil
	}
	return fmt.Errorf("want the problem %s, got %w", code, err)
}

// seen is all that operator and devices can read, as text.
func (p *purchase) seen() string {
	p.Helper()
	var out strings.Builder
	show := func(name string, v any, err error) {
		text, encodeErr := json.Marshal(v)
		if encodeErr != nil {
			p.Fatal(encodeErr)
		}
		fmt.Fprintf(&out, "%s: %s %v\n", name, text, err)
	}
	read := func(name string, from func(context.Context) (any, error)) {
		v, err := from(p.ctx)
		show(name, v, err)
	}
	read("operators", func(ctx context.Context) (any, error) { return p.operator.Operators(ctx) })
	read("payees", func(ctx context.Context) (any, error) { return p.operator.Payees(ctx) })
	read("cards", func(ctx context.Context) (any, error) { return p.operator.Cards(ctx) })
	read("accounts", func(ctx context.Context) (any, error) { return p.operator.Accounts(ctx) })
	read("audit", func(ctx context.Context) (any, error) { return p.operator.Audit(ctx, "") })
	read("phone's cards", func(ctx context.Context) (any, error) { return p.phone.Cards(ctx) })
	read("phone's payments", func(ctx context.Context) (any, error) { return p.phone.Payments(ctx, api.RoleApprover, "", "", 0) })
	read("kiosk's payments", func(ctx context.Context) (any, error) { return p.kiosk.Payments(ctx, api.RoleInitiator, "", "", 0) })
	if p.payment != nil {
		read("the payment", func(ctx context.Context) (any, error) { return p.payment.Refresh(ctx) })
	}
	return regexp.MustCompile(`"expires_in":\d+`).ReplaceAllString(out.String(), `"expires_in":0`)
}

// repeat sends the last write again, byte for byte, and wants the answer that was given before the crash.
func (p *purchase) repeat(name string) {
	p.Helper()
	r := p.recorder
	request := r.write.Clone(p.ctx)
	request.Body = io.NopCloser(bytes.NewReader(r.body))
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		p.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatal(err)
	}
	if name == "enrol the first operator" { // the token that enrols the first one does nothing any more
		if response.StatusCode != http.StatusUnauthorized {
			p.Errorf("%s again: %d %s", name, response.StatusCode, answer)
		}
		return
	}
	if response.StatusCode != r.status || !bytes.Equal(answer, r.answer) || response.Header.Get(api.ReplayedHeader) != "true" {
		p.Errorf("%s again: %d %s (replayed: %q)\nbefore the crash: %d %s",
			name, response.StatusCode, answer, response.Header.Get(api.ReplayedHeader), r.status, r.answer)
	}
}

// run does a stage.
func (p *purchase) run(s stage) {
	p.Helper()
	if err := s.do(); err != nil {
		p.Fatalf("%s: %v", s.name, err)
	}
	if s.state == "" {
		return
	}
	if view, err := p.payment.Refresh(p.ctx); err != nil || view.State != string(s.state) {
		p.Fatalf("after %s the payment is %q (%v), want %s", s.name, view.State, err, s.state)
	}
}

// TestAPaymentSurvivesACrashBetweenAnyTwoSteps kills the service with SIGKILL after each step in turn.
func TestAPaymentSurvivesACrashBetweenAnyTwoSteps(t *testing.T) {
	count := len((&purchase{}).stages())
	for gap := range count + 1 {
		name := "before all"
		if gap > 0 {
			name = "after " + (&purchase{}).stages()[gap-1].name
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPurchase(startDaemon(t))
			stages := p.stages()
			for _, s := range stages[:gap] {
				p.run(s)
			}
			before := p.seen()
			p.crash()
			if diff := cmp.Diff(before, p.seen()); diff != "" {
				t.Errorf("the crash changed what can be read (-before +after):\n%s", diff)
			}
			if gap > 0 {
				p.repeat(stages[gap-1].name)
				if diff := cmp.Diff(before, p.seen()); diff != "" {
					t.Errorf("the repeated write changed what can be read (-before +after):\n%s", diff)
				}
			}
			for _, s := range stages[gap:] {
				p.run(s)
			}
			p.settled()
			p.check()
		})
	}
}

// settled wants the payment to be settled, once, with a receipt.
func (p *purchase) settled() {
	p.Helper()
	if _, err := p.payment.Receipt(p.ctx); err != nil {
		p.Errorf("receipt: %v", err)
	}
	accounts, err := p.operator.Accounts(p.ctx)
	if err != nil {
		p.Fatal(err)
	}
	got := map[string]int64{}
	for _, a := range accounts {
		got[a.Kind] = a.Balance
		if a.DebitsPending != 0 || a.CreditsPending != 0 {
			p.Errorf("account %s holds %d and awaits %d", a.ID, a.DebitsPending, a.CreditsPending)
		}
	}
	if diff := cmp.Diff(map[string]int64{"card": 87_50, "payee": 12_50, "issuance": -100_00}, got); diff != "" {
		p.Errorf("balances (-want +got):\n%s", diff)
	}
}

// hammer is a client that pays with its own card as fast as it can, from its associated device.
type hammer struct {
	*daemon
	client  *device.Client
	number  consent.AccountNumber
	account string
	acked   []sentPayment // 201 came back
	open    []sentPayment // sent, and nothing came back
}

// sentPayment is an instruction as it was sent, and its answer.
type sentPayment struct {
	id              consent.PaymentID
	compact, answer string
	at              time.Time // when it was answered
}

const (
	hammers     = 16
	hammerMinor = 100
	hammerMoney = 1_000_000_00
)

// TestNoAcknowledgedPaymentIsLostOrMadeTwice kills the service with SIGKILL while clients hammer it.
func TestNoAcknowledgedPaymentIsLostOrMadeTwice(t *testing.T) {
	d := startDaemon(t, unlimited...)
	p := newPurchase(d)
	for _, s := range p.preparing()[:2] {
		p.run(s)
	}
	all := make([]*hammer, hammers)
	for i := range all {
		all[i] = p.newHammer(i)
	}
	for round := range 3 {
		var striking, recounting sync.WaitGroup
		for _, h := range all {
			striking.Go(h.strike)
		}
		<-time.After(time.Duration(600+200*round) * time.Millisecond) // in the middle of it, whatever it is
		d.kill()
		striking.Wait()
		d.check()
		d.start()
		d.check()
		for _, h := range all {
			recounting.Go(h.recount)
		}
		recounting.Wait()
		if made := p.balanced(all); made < len(all) {
			p.Errorf("only %d payments were made", made)
		}
		d.check()
	}
}

// newHammer makes a client with a device, a card and money.
func (p *purchase) newHammer(i int) *hammer {
	p.Helper()
	return p.newHammerOf(i, hammerMoney)
}

// newHammerOf makes a client with a device, a card and some money, or none.
func (p *purchase) newHammerOf(i int, minor int64) *hammer {
	p.Helper()
	h := &hammer{
		daemon: p.daemon, client: &device.Client{URL: p.url(), Key: p.newKey()},
		number: consent.AccountNumber(fmt.Sprintf("62000000000001%02d", i)),
	}
	issued, err := p.operator.IssueCard(p.ctx, api.NewCard{AccountNumber: string(h.number), Label: "Card", Currency: "CNY"})
	if err == nil {
		h.account = issued.Card.Account
		if minor > 0 {
			_, err = p.operator.TopUp(p.ctx, h.account, api.NewTopUp{Amount: yuan(minor)})
		}
	}
	if err == nil {
		_, err = h.client.Register(p.ctx, "hammer")
	}
	if err == nil {
		_, err = h.client.Activate(p.ctx, consent.Code(issued.Code), h.number, killPIN)
	}
	if err != nil {
		p.Fatal(err)
	}
	return h
}

// strike pays until the service is gone.
func (h *hammer) strike() {
	for h.pay() {
	}
}

// sign makes a payment, to be sent.
func (h *hammer) sign() sentPayment { return h.signFor(hammerMinor, consent.Tap{Account: h.number}) }

// signFor makes a payment of an amount with a tap.
func (h *hammer) signFor(minor int64, tap consent.Tap) sentPayment {
	m := &consent.Instruction{
		Claims: consent.NewClaims(consent.Audience(h.url(), "test"), time.Now()), Device: h.client.ID(),
		Amount: yuan(minor), Payee: "books@shop", Tap: tap,
	}
	m.ID = string(consent.NewPaymentID())
	compact, err := consent.Sign(h.client.Key, consent.TypInstruction, m)
	if err != nil {
		h.Error(err)
	}
	return sentPayment{id: m.Payment(), compact: compact}
}

// pay pays once, and reports whether that was acknowledged.
func (h *hammer) pay() bool {
	sent := h.sign()
	status, answer, _, err := h.post(sent.compact)
	if err != nil {
		h.open = append(h.open, sent)
		return false
	}
	if status != http.StatusCreated {
		h.Errorf("a payment: %d %s", status, answer)
		return false
	}
	sent.answer, sent.at = answer, time.Now()
	h.acked = append(h.acked, sent)
	return true
}

// post sends an instruction once.
func (h *hammer) post(compact string) (status int, answer string, replayed bool, err error) {
	return h.postTo(h.url()+"/v1/payments", compact)
}

// postTo sends a signed message once.
func (d *daemon) postTo(url, compact string) (status int, answer string, replayed bool, err error) {
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(compact))
	if err != nil {
		return 0, "", false, err
	}
	request.GetBody = nil // never sent again behind our back
	request.Header.Set("Content-Type", api.ContentJWS)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0, "", false, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), response.Header.Get(api.ReplayedHeader) == "true", err
}

// payments are the states of all payments of the client that the service knows.
func (h *hammer) payments() map[string]string {
	there := map[string]string{}
	for before := ""; ; {
		page, err := h.client.Payments(h.Context(), api.RoleInitiator, "", before, 200)
		if err != nil {
			h.Error(err)
			return there
		}
		for _, view := range page.Payments {
			there[view.ID] = view.State
		}
		if page.Next == "" {
			return there
		}
		before = page.Next
	}
}

// recount wants every payment that was acknowledged to be there, and the last ones and the open ones to be made once
// if they are sent again.
func (h *hammer) recount() {
	there := h.payments()
	for _, sent := range h.acked {
		if there[string(sent.id)] != string(payment.Settled) {
			h.Errorf("%s was acknowledged and is %q", sent.id, there[string(sent.id)])
		}
	}
	for _, sent := range h.acked[max(0, len(h.acked)-3):] {
		status, answer, replayed, err := h.post(sent.compact)
		if err != nil || status != http.StatusCreated || answer != sent.answer || !replayed {
			h.Errorf("%s again: %d %s (replayed: %v) %v\nthe first time: %s", sent.id, status, answer, replayed, err, sent.answer)
		}
	}
	for _, sent := range h.open {
		status, answer, replayed, err := h.post(sent.compact)
		if _, done := there[string(sent.id)]; err != nil || status != http.StatusCreated || done != replayed {
			h.Errorf("%s, which had no answer: %d %s (there: %v, replayed: %v) %v", sent.id, status, answer, done, replayed, err)
		}
		sent.answer = answer
		h.acked = append(h.acked, sent)
		there[string(sent.id)] = string(payment.Settled)
	}
	h.open = nil
	if len(there) != len(h.acked) {
		h.Errorf("there are %d payments, %d were sent", len(there), len(h.acked))
	}
}

// balanced wants the books to show every acknowledged payment once, and tells how many they are.
func (p *purchase) balanced(all []*hammer) int {
	p.Helper()
	accounts, err := p.operator.Accounts(p.ctx)
	if err != nil {
		p.Fatal(err)
	}
	got, want, sum := map[string]int64{}, map[string]int64{}, int64(0)
	for _, a := range accounts {
		if a.Kind != "issuance" {
			got[a.ID] = a.Balance
		}
		if a.Kind == "payee" {
			got["payee"] = a.Balance
			delete(got, a.ID)
		}
	}
	for _, h := range all {
		want[h.account] = hammerMoney - hammerMinor*int64(len(h.acked))
		sum += hammerMinor * int64(len(h.acked))
	}
	want["payee"] = sum
	if diff := cmp.Diff(want, got); diff != "" {
		p.Errorf("balances (-want +got):\n%s", diff)
	}
	p.Logf("%d payments so far", sum/hammerMinor)
	return int(sum / hammerMinor)
}

// TestRequestsInFlightFinishWhenTheServiceIsToldToStop sends SIGTERM while a PIN is on its way, a poll waits and a
// stream is open.
func TestRequestsInFlightFinishWhenTheServiceIsToldToStop(t *testing.T) {
	p := newPurchase(startDaemon(t))
	for _, s := range p.stages()[:8] {
		p.run(s)
	}
	typed := p.beginPIN()
	polled, streamed := make(chan answered, 1), make(chan answered, 1)
	version := p.payment.View().Version
	go func() { polled <- p.read(fmt.Sprintf("/v1/payments/%s?wait=25&after=%d", p.payment.ID(), version)) }()
	go func() { streamed <- p.read("/v1/events") }()
	p.until("a poll waits and a stream is open", func() bool {
		text := p.read("/metrics").body
		return strings.Contains(text, "\ntapline_polls_waiting 1\n") && strings.Contains(text, "\ntapline_event_streams 1\n")
	})
	began := time.Now()
	if err := p.process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.until("nobody is let in any more", func() bool {
		conn, err := net.Dial("tcp", p.address)
		return err != nil || conn.Close() != nil
	})
	if a := typed(); a.status != http.StatusOK || !strings.Contains(a.body, `"state":"confirmation_required"`) {
		t.Errorf("the PIN in flight: %d %s", a.status, a.body)
	}
	if a := <-polled; a.status != http.StatusOK || !strings.Contains(a.body, string(p.payment.ID())) {
		t.Errorf("the waiting poll: %d %s", a.status, a.body)
	}
	if a := <-streamed; a.status != http.StatusOK || a.err != nil {
		t.Errorf("the open stream: %d, ended with %v", a.status, a.err)
	}
	log := p.log
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d\n%s", code, log)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v to stop: it waited for those who wait", took)
	}
	p.check()
	p.start()
	if view, err := p.payment.Refresh(p.ctx); err != nil || view.State != string(payment.ConfirmationRequired) {
		t.Errorf("afterwards the payment is %q, %v", view.State, err)
	}
}

// answered is what a request came to.
type answered struct {
	status int
	body   string
	err    error
}

// read asks for a path with the token of the last read, to the end of the answer.
func (p *purchase) read(path string) answered {
	request, err := http.NewRequestWithContext(p.ctx, http.MethodGet, p.url()+path, nil)
	if err != nil {
		return answered{err: err}
	}
	request.Header.Set("Authorization", p.recorder.bearer)
	return answerTo(request)
}

// beginPIN sends a right PIN up to the body, which the service has begun to wait for. The function that it returns
// sends the body.
func (p *purchase) beginPIN() (finish func() answered) {
	p.Helper()
	m := p.pinMessage(p.payment.ID(), killPIN)
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = conn.Close() }) // the answer was read, or the test failed
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		p.Fatal(err)
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		m.path, p.address, api.ContentJWS, len(m.compact))
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		p.Fatalf("the service does not wait for the body: %q, %v", line, err)
	}
	if _, err := answers.ReadString('\n'); err != nil {
		p.Fatal(err)
	}
	return func() answered {
		if _, err := io.WriteString(conn, m.compact); err != nil {
			return answered{err: err}
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			return answered{err: err}
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return answered{response.StatusCode, string(body), err}
	}
}

// TestACrashWhilePINsAreCheckedCostsATryAndNothingElse kills the service between the two transactions of PIN checks.
func TestACrashWhilePINsAreCheckedCostsATryAndNothingElse(t *testing.T) {
	t.Parallel()
	p := newPurchase(startDaemon(t, "--pin-queue", "300", "--no-rate-limits"))
	for _, s := range p.stages()[:8] {
		p.run(s)
	}
	messages := []pinMessage{p.pinMessage(p.payment.ID(), killPIN)}
	for i := range 200 {
		messages = append(messages, p.pinMessage(p.sendAs(consent.AccountNumber(fmt.Sprintf("6200000000099%03d", i))), killWrongPIN))
	}
	before := make([]answered, len(messages))
	var typing sync.WaitGroup
	for i, m := range messages {
		typing.Go(func() { before[i] = p.submit(m) })
	}
	waiting := regexp.MustCompile(`\ntapline_pin_hashes_waiting [1-9]\d\d\n`)
	p.until("a hundred PINs wait to be hashed", func() bool { return waiting.MatchString(p.read("/metrics").body) })
	p.kill()
	typing.Wait()
	p.check()
	p.start()
	p.check()
	interrupted := 0
	for i, m := range messages {
		a := p.submit(m)
		if i == 0 && a.status != http.StatusOK || i > 0 && !strings.Contains(a.body, `"code":"wrong_pin"`) {
			t.Errorf("PIN %d, sent again: %d %s", i, a.status, a.body)
		}
		if before[i].err == nil && a.body != before[i].body {
			t.Errorf("PIN %d, sent again: %s\nthe first time: %s", i, a.body, before[i].body)
		}
		if before[i].err != nil && strings.Contains(a.body, `"retry_after"`) {
			interrupted++ // it is this card's second try, and the second brings a pause
		}
	}
	t.Logf("%d of %d checks were interrupted", interrupted, len(messages))
	if interrupted == 0 {
		t.Error("the crash interrupted nothing")
	}
	if _, err := p.payment.Refresh(p.ctx); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.stages()[10:] {
		p.run(s)
	}
	p.settled()
	p.check()
}

// pinMessage is a signed PIN for a payment.
type pinMessage struct{ path, compact string }

func (p *purchase) pinMessage(id consent.PaymentID, pin consent.PIN) pinMessage {
	p.Helper()
	compact, err := consent.Sign(p.kiosk.Key, consent.TypAuthentication, &consent.Authentication{
		Claims: consent.NewClaims(consent.Audience(p.url(), "test"), time.Now()), Payment: id, PIN: pin,
	})
	if err != nil {
		p.Fatal(err)
	}
	return pinMessage{"/v1/payments/" + string(id) + "/authentication", compact}
}

// sendAs makes a payment with any card number.
func (p *purchase) sendAs(number consent.AccountNumber) consent.PaymentID {
	p.Helper()
	sent, err := p.begin(number, 100, consent.Order{})
	if err != nil {
		p.Fatal(err)
	}
	return sent.ID()
}

// submit sends a signed PIN once.
func (p *purchase) submit(m pinMessage) answered {
	request, err := http.NewRequestWithContext(p.ctx, http.MethodPost, p.url()+m.path, strings.NewReader(m.compact))
	if err != nil {
		return answered{err: err}
	}
	request.Header.Set("Content-Type", api.ContentJWS)
	return answerTo(request)
}

// answerTo sends a request once and reads the answer.
func answerTo(request *http.Request) answered {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return answered{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answered{response.StatusCode, string(body), err}
}
