package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/httpapi"
	"tapline/internal/pgtest"
	"tapline/internal/testdb"
	"tapline/keyring"
	"tapline/money"
	"tapline/operator"
	"tapline/payment"
	"tapline/processor"
	"tapline/sqlstore"
)

// The claims_*_test.go files hold every claim of the flow as a test by name: over real HTTP, with real signatures,
// against real SQLite; with TAPLINE_TEST_DB=postgres against real PostgreSQL.

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// clock is a clock that a test sets, for the service and its clients.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) Advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

// world is a service with an operator, a payee, a card of 100.00 bound to its phone, and a kiosk.
type world struct {
	t        testing.TB
	ctx      context.Context
	url      string
	dir      string // of the keys
	db       string // the database's file or URL
	clock    *clock
	store    *sqlstore.Store
	keys     *keyring.Keyring
	wire     *wire // counts and shows what clients send
	operator *operator.Client
	phone    *device.Client
	kiosk    *device.Client
	card     api.Card
	shop     api.AdminPayee

	processor *processor.Processor
}

const (
	cardNumber    consent.AccountNumber = "6200000000000005"
	unknownNumber consent.AccountNumber = "6222020000000000011"
	rightPIN      consent.PIN           = "470916358204"
	wrongPIN      consent.PIN           = "470917358204"
	firstToken                          = "tfo_for_tests"
)

// setting changes a world before it opens.
type setting func(*processor.Config, *httpapi.Config)

func withPolicy(p payment.Policy) setting {
	return func(_ *processor.Config, h *httpapi.Config) { h.Policy = p }
}

func atLevel(l payment.Level) setting {
	p := payment.DefaultPolicy
	p.Level = l
	return withPolicy(p)
}

func openWorld(t testing.TB, settings ...setting) *world {
	t.Helper()
	w := bareWorld(t, settings...)
	w.furnish()
	return w
}

// bareWorld is a service that nobody has used.
func bareWorld(t testing.TB, settings ...setting) *world {
	t.Helper()
	dir := t.TempDir()
	keys, err := keyring.OpenOrCreate(filepath.Join(dir, "keys"))
	w := &world{t: t, ctx: t.Context(), dir: dir, keys: keys, clock: &clock{now: time.Now().UTC().Truncate(time.Microsecond)}}
	w.must(err)
	w.db = testdb.New(t)
	w.store, err = sqlstore.Open(w.ctx, w.db, sqlstore.Options{Environment: "test"})
	w.must(err)
	server := httptest.NewUnstartedServer(nil)
	w.url = "http://" + server.Listener.Addr().String()
	log := slog.New(slog.DiscardHandler)
	metrics := httpapi.NewMetrics()
	pc := processor.Config{Store: w.store, Keys: keys, Now: w.clock.Now, Log: log, OnBatch: metrics.OnBatch}
	hc := httpapi.Config{
		Store: w.store, Keys: keys, Policy: payment.DefaultPolicy, PublicURL: w.url, Environment: "test", Epoch: testEpoch, Version: "test",
		PINs:       consent.NewPINHasher(keys, consent.PINParams{Memory: 64, Passes: 1, Lanes: 1}, 2, 200),
		FirstToken: func() (string, bool) { return firstToken, true },
		Metrics:    metrics, Now: w.clock.Now, Log: log,
	}
	for _, set := range settings {
		set(&pc, &hc)
	}
	hc.Processor = processor.New(pc)
	w.processor = hc.Processor
	service := httpapi.New(hc)
	server.Config.Handler = httpapi.Documented(t, service.Handler())
	server.Start()
	t.Cleanup(func() {
		service.Shutdown()
		server.Close()
		hc.Processor.Close()
		w.checkBooks()
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.wire = &wire{}
	return w
}

// furnish makes what a payment needs.
func (w *world) furnish() {
	w.t.Helper()
	w.operator = &operator.Client{URL: w.url, Key: w.newKey(), Now: w.clock.Now}
	_, err := w.operator.EnrolFirst(w.ctx, firstToken, "Olga")
	w.must(err)
	w.shop, err = w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "books@shop", Name: "Book Shop", Currency: "CNY"})
	w.must(err)
	w.phone, w.kiosk = w.newDevice("phone"), w.newDevice("kiosk")
	issued := w.issue(cardNumber)
	_, err = w.operator.TopUp(w.ctx, issued.Card.Account, api.NewTopUp{Amount: cny(100_00)})
	w.must(err)
	w.card, err = w.phone.Activate(w.ctx, consent.Code(issued.Code), cardNumber, rightPIN)
	w.must(err)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) newKey() *consent.DeviceKey {
	key, err := consent.NewDeviceKey()
	w.must(err)
	return key
}

// newDevice is a registered device whose traffic goes over the world's wire.
func (w *world) newDevice(label string) *device.Client {
	w.t.Helper()
	d := &device.Client{URL: w.url, Key: w.newKey(), Now: w.clock.Now, HTTP: &http.Client{Transport: w.wire}}
	_, err := d.Register(w.ctx, label)
	w.must(err)
	return d
}

func (w *world) issue(number consent.AccountNumber) api.CardCode {
	w.t.Helper()
	issued, err := w.operator.IssueCard(w.ctx, api.NewCard{AccountNumber: string(number), Label: "Campus card", Currency: "CNY"})
	w.must(err)
	return issued
}

func cny(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }

// draft is a payment just before Send.
func (w *world) draft(from *device.Client, number consent.AccountNumber, minor int64) *device.Draft {
	w.t.Helper()
	payee, err := from.Payee(w.ctx, "books@shop")
	w.must(err)
	order, err := from.Order(cny(minor), payee, consent.Order{Number: "1042", Description: "Two books"})
	w.must(err)
	draft, err := order.Tap(number)
	w.must(err)
	return draft
}

// sent is a payment after Send.
func (w *world) sent(from *device.Client, number consent.AccountNumber, minor int64) *device.Payment {
	w.t.Helper()
	p, err := w.draft(from, number, minor).Send(w.ctx)
	w.must(err)
	return p
}

// authenticated is a payment that waits for the first confirmation.
func (w *world) authenticated(from *device.Client, minor int64) *device.Payment {
	w.t.Helper()
	p := w.sent(from, cardNumber, minor)
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	return p
}

// confirmed is a payment after the first confirmation.
func (w *world) confirmed(from *device.Client, minor int64) *device.Payment {
	w.t.Helper()
	p := w.authenticated(from, minor)
	s, err := p.Statement()
	w.must(err)
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
	return p
}

func (w *world) approval(p *device.Payment) *device.Approval {
	w.t.Helper()
	a, err := w.phone.Approval(w.ctx, p.ID())
	w.must(err)
	return a
}

func wrongCode(right string) consent.Code {
	if strings.Trim(right, "0") == "" {
		return consent.Code(strings.Repeat("1", len(right)))
	}
	return consent.Code(strings.Repeat("0", len(right)))
}

// refresh is the payment's state as its initiator sees it.
func (w *world) state(p *device.Payment) string {
	w.t.Helper()
	view, err := p.Refresh(w.ctx)
	w.must(err)
	return view.State
}

func (w *world) expectState(p *device.Payment, want payment.State) {
	w.t.Helper()
	if got := w.state(p); got != string(want) {
		w.t.Errorf("the payment is %s, want %s", got, want)
	}
}

// expectMoney compares the card's balance, what of it is held, and the payee's balance.
func (w *world) expectMoney(balance, held, payee int64) {
	w.t.Helper()
	card, err := w.operator.Account(w.ctx, w.card.Account)
	w.must(err)
	shop, err := w.operator.Account(w.ctx, w.shop.Account)
	w.must(err)
	if diff := cmp.Diff([]int64{balance, held, payee}, []int64{card.Balance, card.DebitsPending, shop.Balance}); diff != "" {
		w.t.Errorf("card balance, held, payee balance (-want +got):\n%s", diff)
	}
}

func (w *world) checkBooks() {
	findings, err := w.store.Check(context.Background(), nil)
	if err != nil {
		w.t.Error(err)
	}
	for _, f := range findings {
		w.t.Errorf("the books are wrong: %v", f)
	}
}

// expectProblem wants a refusal with a code, and returns it.
func expectProblem(t testing.TB, err error, code string) *api.Problem {
	t.Helper()
	var p *api.Problem
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want the problem %s", err, code)
	}
	if p.Code != code {
		t.Fatalf("got the problem %s (%d), want %s", p.Code, p.Status, code)
	}
	return p
}

// wire is a transport that remembers what went over it, and can lose answers.
type wire struct {
	mu    sync.Mutex
	sent  []exchange
	loses int // how many answers to lose from now on: the service has done its work, the client hears nothing
}

// exchange is a request and its answer.
type exchange struct {
	Method, Path string
	Header       http.Header
	Request      string
	Status       int
	Answer       string
	AnswerHeader http.Header
}

var errLost = errors.New("the answer was lost")

// RoundTrip sends a request and takes note of it.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	e := exchange{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone()}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		e.Request = string(body)
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	e.Status, e.AnswerHeader = answer.StatusCode, answer.Header.Clone()
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream") {
		body, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			return nil, err
		}
		e.Answer = string(body)
		answer.Body = io.NopCloser(bytes.NewReader(body))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, e)
	if w.loses > 0 && r.Method == http.MethodPost && r.URL.Path != "/v1/token" {
		w.loses--
		return nil, errLost
	}
	return answer, nil
}

// since returns what went over the wire after the first n exchanges.
func (w *wire) since(n int) []exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]exchange(nil), w.sent[n:]...)
}

func (w *wire) count() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.sent) }

// post sends a body as it is and returns the answer.
func (w *world) post(path, contentType, body string, header ...string) exchange {
	w.t.Helper()
	return w.send(http.MethodPost, path, contentType, body, header...)
}

// get asks with a bearer token, or without any if it is empty.
func (w *world) get(path, token string) exchange {
	w.t.Helper()
	if token == "" {
		return w.send(http.MethodGet, path, "", "")
	}
	return w.send(http.MethodGet, path, "", "", "Authorization", "Bearer "+token)
}

func (w *world) send(method, path, contentType, body string, header ...string) exchange {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.ctx, method, w.url+path, strings.NewReader(body))
	w.must(err)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	w.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	w.must(err)
	return exchange{Method: method, Path: path, Request: body, Status: answer.StatusCode, Answer: string(text), AnswerHeader: answer.Header}
}

func (e exchange) problem(t testing.TB) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal([]byte(e.Answer), &p); err != nil {
		t.Fatalf("%s %s answered %d, not a problem: %s", e.Method, e.Path, e.Status, e.Answer)
	}
	return p
}

// token is a fresh bearer token of a device's or an operator's key.
func (w *world) token(key *consent.DeviceKey) string {
	w.t.Helper()
	assertion, err := consent.Sign(key, consent.TypAssertion, ptr(consent.NewTokenAssertion(key.ID(), w.audience(), w.clock.Now())))
	w.must(err)
	e := w.post("/v1/token", "application/x-www-form-urlencoded",
		"grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion="+assertion)
	var token api.Token
	w.must(json.Unmarshal([]byte(e.Answer), &token))
	if token.AccessToken == "" {
		w.t.Fatalf("no token: %d %s", e.Status, e.Answer)
	}
	return token.AccessToken
}

func (w *world) audience() string { return consent.Audience(w.url, "test") }

// testEpoch is that of a database that was restored once.
const testEpoch = "ANEPOCH"

// tokenAudience is the audience of tokens.
func (w *world) tokenAudience() string { return w.audience() + " " + testEpoch }

func ptr[T any](v T) *T { return &v }

// signed signs a message with a key, as an attacker who has that key could.
func (w *world) signed(key *consent.DeviceKey, typ consent.Typ, m any) string {
	w.t.Helper()
	compact, err := consent.Sign(key, typ, m)
	w.must(err)
	return compact
}

// claims are fresh claims for this service.
func (w *world) claims() consent.Claims { return consent.NewClaims(w.audience(), w.clock.Now()) }
