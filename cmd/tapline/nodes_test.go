package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/device"
	"tapline/internal/pgtest"
	"tapline/payment"
)

// proxy hands each request to the next of its nodes, and to the one after if that is not there.
type proxy struct {
	transport http.Transport
	next      atomic.Int64
	nodes     []*daemon
	answered  []atomic.Int64 // requests, by node
}

// startProxy starts a proxy without nodes, and tells its address.
func startProxy(t *testing.T) (p *proxy, address string) {
	t.Helper()
	p = &proxy{}
	server := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(*httputil.ProxyRequest) {}, Transport: p, ErrorHandler: badGateway})
	t.Cleanup(server.Close)
	return p, server.Listener.Addr().String()
}

// badGateway answers for a node that took a request and did not answer.
func badGateway(w http.ResponseWriter, _ *http.Request, _ error) {
	w.WriteHeader(http.StatusBadGateway)
}

// RoundTrip sends a request on. What a node may have got is sent to no other: who asked has to know.
func (p *proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	for range p.nodes {
		i := int(p.next.Add(1)) % len(p.nodes)
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, out.Body = "http", p.nodes[i].address, io.NopCloser(bytes.NewReader(body))
		response, err := p.transport.RoundTrip(out)
		if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" {
			continue
		}
		if err == nil {
			p.answered[i].Add(1)
		}
		return response, err
	}
	return nil, errors.New("no node is there")
}

// startThree starts three services on one PostgreSQL database behind a proxy.
func startThree(t *testing.T, db string, flags ...string) (*nodes, *proxy) {
	t.Helper()
	p, address := startProxy(t)
	c := startNodesAt(t, address, db, 3, flags...)
	p.nodes, p.answered = c.all, make([]atomic.Int64, len(c.all))
	c.furnish()
	return c, p
}

// counts is how often each thing happened.
type counts struct {
	mu sync.Mutex
	of map[string]int
}

func (c *counts) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[what]++
}

func (c *counts) expect(t *testing.T, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, c.of); diff != "" {
		t.Errorf("what came of it (-want +got):\n%s", diff)
	}
}

// atOnce does a thing a number of times on each node, all at the same moment, and counts what came of it.
func (c *nodes) atOnce(times int, do func(node *daemon, i int) string) *counts {
	out := &counts{}
	var ready, done sync.WaitGroup
	ready.Add(times * len(c.all))
	for k := range times * len(c.all) {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			out.add(do(c.all[k%len(c.all)], k))
		})
	}
	done.Wait()
	return out
}

// codeOf is the code of a problem, or the status and what a payment has come to.
func codeOf(status int, answer string, _ bool, err error) string {
	if err != nil {
		return err.Error()
	}
	for _, field := range []string{"code", "state"} {
		if _, rest, found := strings.Cut(answer, `"`+field+`":"`); found && (field == "code") == (status >= 400) {
			value, _, _ := strings.Cut(rest, `"`)
			return fmt.Sprint(status, " ", value)
		}
	}
	return fmt.Sprint(status, " ", answer)
}

// Limits of the services that the tests of several nodes share.
const (
	nodesTapLimit = 200_00
	nodesTapDaily = 1_500_00
)

func TestThreeNodesAreOneService(t *testing.T) {
	t.Parallel()
	c, p := startThree(t, pgtest.Database(t, "", nil), "--policy", "tap", "--allow-identified-tap", "--no-rate-limits",
		"--tap-limit", fmt.Sprint(nodesTapLimit), "--tap-daily-limit", fmt.Sprint(nodesTapDaily),
		"--identified-limit", "1000000", "--identified-daily-limit", "1000000000")
	for _, test := range []struct {
		name string
		run  func(*nodes, *testing.T)
	}{
		{"each request of a payment goes to the next node", func(c *nodes, t *testing.T) { c.nextNode(t, p) }},
		{"each step of a payment goes to any node", (*nodes).anyNode},
		{"one key has one effect and one answer", (*nodes).oneKey},
		{"one key of an operator has one effect and one answer", (*nodes).oneTopUp},
		{"a repeated PIN takes one try", (*nodes).onePIN},
		{"wrong PINs never exceed the limit of tries", (*nodes).wrongPINs},
		{"a card's message is used once", (*nodes).oneTap},
		{"taps stay within what a card may pay in a day", (*nodes).tapsOfADay},
		{"a card has few second confirmations", (*nodes).fewApprovals},
		{"devices hear of it in time", (*nodes).latency},
	} {
		if !t.Run(test.name, func(t *testing.T) { test.run(c.in(t), t) }) {
			return // the database is not what the next one expects
		}
	}
	c.check()
	if got := c.query("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); got[0] != "0" {
		t.Errorf("the nodes waited for one another %s times", got)
	}
}

// in are the same nodes, in a test within the test.
func (c *nodes) in(t *testing.T) *nodes {
	front := *c.purchase.daemon
	front.T = t
	return &nodes{purchase: newPurchase(&front).as(c.purchase), all: c.all, began: c.began, token: c.token}
}

// as makes the people of a purchase the same as those of another.
func (p *purchase) as(other *purchase) *purchase {
	p.operator.Key, p.phone.Key, p.kiosk.Key = other.operator.Key, other.phone.Key, other.kiosk.Key
	return p
}

func (c *nodes) nextNode(t *testing.T, p *proxy) {
	for _, s := range c.stages()[2:] { // the payee is there
		c.run(s)
	}
	c.settled()
	for i := range p.answered {
		if n := p.answered[i].Load(); n < 5 {
			t.Errorf("node %d has answered %d requests only", i, n)
		}
	}
}

// anyNode pays with each of the ways in which instruction, PIN, first and second confirmation can go to three nodes.
func (c *nodes) anyNode(t *testing.T) {
	const perCard = 5 // second confirmations in an hour
	ways := 81
	var all sync.WaitGroup
	for from := 0; from < ways; from += perCard {
		h := c.newHammer(10 + from/perCard)
		all.Go(func() {
			for way := from; way < min(from+perCard, ways); way++ {
				if err := c.payBy(h, [4]int{way % 3, way / 3 % 3, way / 9 % 3, way / 27 % 3}); err != nil {
					t.Errorf("%d: %v", way, err)
				}
			}
		})
	}
	all.Wait()
}

// payBy pays with a card from the kiosk, each step through one of the nodes.
func (c *nodes) payBy(h *hammer, to [4]int) error {
	at := 0
	client := c.by(func() int { return to[at] })
	p := &purchase{daemon: c.purchase.daemon, ctx: c.ctx, kiosk: &device.Client{URL: c.url(), Key: c.kiosk.Key, HTTP: client},
		phone: &device.Client{URL: c.url(), Key: h.client.Key, HTTP: client}}
	var err error
	if p.payment, err = p.begin(h.number, 1_00, consent.Order{}); err != nil {
		return err
	}
	stages := p.paying()
	for i, s := range []stage{stages[2], stages[3], stages[5]} { // the PIN, the first confirmation, the second
		at = i + 1
		if err := s.do(); err != nil {
			return fmt.Errorf("%s at node %d: %w", s.name, to[at], err)
		}
	}
	if view, err := p.payment.Refresh(p.ctx); err != nil || view.State != string(payment.Settled) {
		return fmt.Errorf("the payment is %s, %w", view.State, err)
	}
	return nil
}

func (c *nodes) oneKey(t *testing.T) {
	h := c.newHammer(30)
	for range 10 {
		sent := h.sign()
		var fresh atomic.Int64
		got := c.atOnce(2, func(node *daemon, _ int) string {
			status, answer, again, err := h.postTo(node.url()+"/v1/payments", sent.compact)
			if err == nil && !again {
				fresh.Add(1)
			}
			sent.answer = answer
			return fmt.Sprint(status, " ", answer, err)
		})
		if n := fresh.Load(); len(got.of) != 1 || n != 1 {
			t.Fatalf("one key had %d effects, and the answers were %v", n, got.of)
		}
		h.acked = append(h.acked, sent)
	}
	h.recount()
	c.has(h, hammerMoney-10*hammerMinor)
}

// has wants an account to have so much, and to hold nothing.
func (c *nodes) has(h *hammer, minor int64) {
	c.Helper()
	a, err := c.operator.Account(c.ctx, h.account)
	if err != nil || a.Balance != minor || a.DebitsPending != 0 {
		c.Errorf("the account has %d and holds %d, %v; want %d", a.Balance, a.DebitsPending, err, minor)
	}
}

func (c *nodes) oneTopUp(t *testing.T) {
	h := c.newHammerOf(31, 0)
	for i := range 5 {
		key := consent.NewID()
		got := c.atOnce(2, func(node *daemon, _ int) string {
			request, err := http.NewRequestWithContext(c.ctx, http.MethodPost, node.url()+"/v1/admin/accounts/"+h.account+"/top-ups",
				strings.NewReader(`{"amount":{"minor":100,"currency":"CNY"}}`))
			if err != nil {
				return err.Error()
			}
			request.Header.Set("Authorization", c.token)
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set(api.IdempotencyHeader, key)
			return fmt.Sprint(answerTo(request))
		})
		if len(got.of) != 1 {
			t.Errorf("one key was answered %v", got.of)
		}
		c.has(h, int64(i+1)*100)
	}
}

// unproved is a payment that waits for its payer's PIN, which is sent by the device that began it.
type unproved struct {
	*purchase
	id consent.PaymentID
}

// send sends a PIN to a node, again and again while it is looked at already.
func (u unproved) send(node *daemon, m pinMessage) (code, answer string) {
	for {
		status, answer, again, err := u.postTo(node.url()+m.path, m.compact)
		if code := codeOf(status, answer, again, err); code != "409 in_progress" {
			return code, answer
		}
	}
}

// needsPIN makes a payment with a card, by its associated device, that needs no more than a PIN.
func (c *nodes) needsPIN(h *hammer) unproved {
	c.Helper()
	sent := h.signFor(nodesTapLimit+1, consent.Tap{Account: h.number})
	if got := codeOf(h.postTo(c.url()+"/v1/payments", sent.compact)); got != "201 authentication_required" {
		c.Fatalf("the payment: %s", got)
	}
	p := *c.purchase
	p.kiosk = h.client
	return unproved{&p, sent.id}
}

func (c *nodes) onePIN(t *testing.T) {
	u := c.needsPIN(c.newHammer(32))
	m := u.pinMessage(u.id, killWrongPIN)
	answers := &counts{}
	got := c.atOnce(3, func(node *daemon, _ int) string {
		code, answer := u.send(node, m)
		answers.add(answer)
		return code
	})
	got.expect(t, map[string]int{"403 wrong_pin": 9})
	for answer := range answers.of {
		if left := fmt.Sprintf(`"attempts_left":%d`, consent.OwnTries.Pause-1); len(answers.of) != 1 || !strings.Contains(answer, left) {
			t.Errorf("it was answered %s, want all alike, with %s", answer, left)
		}
	}
}

// tried is what a wrong PIN came to: it was looked at, or was not because there were too many on the card or the payment.
func tried(code string) string {
	switch code {
	case "403 wrong_pin":
		return "wrong"
	case "403 authentication_paused", "409 ended":
		return "refused"
	}
	return code
}

func (c *nodes) wrongPINs(t *testing.T) {
	h := c.newHammer(33)
	var own []unproved
	for range 3 {
		own = append(own, c.needsPIN(h))
	}
	got := c.atOnce(10, func(node *daemon, i int) string {
		u := own[i%len(own)]
		code, _ := u.send(node, u.pinMessage(u.id, killWrongPIN))
		return tried(code)
	})
	got.expect(t, map[string]int{"wrong": consent.OwnTries.Pause, "refused": 30 - consent.OwnTries.Pause})
	another := c.needsPIN(h)
	if got, _ := another.send(c.all[1], another.pinMessage(another.id, killPIN)); got != "403 authentication_paused" {
		t.Errorf("the right PIN after as many wrong ones: %s", got)
	}
	stranger := unproved{c.purchase, c.sendAs(c.newHammer(34).number)}
	got = c.atOnce(10, func(node *daemon, _ int) string {
		code, _ := stranger.send(node, stranger.pinMessage(stranger.id, killWrongPIN))
		return tried(code)
	})
	got.expect(t, map[string]int{"wrong": consent.StrangerTries.Pause, "refused": 30 - consent.StrangerTries.Pause})
}

func (c *nodes) oneTap(t *testing.T) {
	h := &hammer{daemon: c.purchase.daemon, client: &device.Client{URL: c.url(), Key: c.newKey()}}
	tag := cardtest.SUN{UID: sun.UID{4, 1, 2, 3, 4, 5, 6}}
	issued, err := c.operator.IssueCard(c.ctx, api.NewCard{SUN: &api.NewSUN{UID: tag.UID.String()}, Label: "Card", Currency: "CNY"})
	if err == nil {
		tag.Meta, err = sun.ParseKey(issued.SUN.MetaKey)
	}
	if err == nil {
		tag.File, err = sun.ParseKey(issued.SUN.FileKey)
	}
	if err == nil {
		_, err = c.operator.TopUp(c.ctx, issued.Card.Account, api.NewTopUp{Amount: yuan(100_00)})
	}
	if err == nil {
		_, err = h.client.Register(c.ctx, "phone")
	}
	tap := func() consent.Tap { return consent.Tap{SUN: consent.SUNMessage(c.url() + "/t#" + tag.Tap())} }
	if err == nil {
		_, err = h.client.ActivateTap(c.ctx, consent.Code(issued.Code), tap(), killPIN)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.account = issued.Card.Account
	for range 10 {
		used := tap()
		got := c.atOnce(2, func(node *daemon, _ int) string {
			return codeOf(h.postTo(node.url()+"/v1/payments", h.signFor(hammerMinor, used).compact))
		})
		got.expect(t, map[string]int{"201 settled": 1, "409 tap_used": 5})
	}
	c.has(h, 100_00-10*hammerMinor)
}

func (c *nodes) tapsOfADay(t *testing.T) {
	h := c.newHammer(35)
	got := c.atOnce(10, func(node *daemon, _ int) string {
		sent := h.signFor(nodesTapLimit/2, consent.Tap{Account: h.number})
		return codeOf(h.postTo(node.url()+"/v1/payments", sent.compact))
	})
	const fit = nodesTapDaily / (nodesTapLimit / 2)
	got.expect(t, map[string]int{"201 settled": fit, "201 authentication_required": 30 - fit})
	c.has(h, hammerMoney-nodesTapDaily)
}

// fewApprovals lets payments of one card come to their second confirmation, all at once.
func (c *nodes) fewApprovals(t *testing.T) {
	h := c.newHammer(36)
	c.kiosk.HTTP = c.through()
	confirm := func(p *device.Payment) string {
		s, err := p.Statement()
		if err != nil {
			return err.Error()
		}
		view, err := p.Confirm(c.ctx, s)
		if problem, ok := errors.AsType[*api.Problem](err); ok {
			return problem.Code
		}
		return view.State
	}
	var waiting []*device.Payment
	for range 9 {
		p, err := c.begin(h.number, 1_00, consent.Order{})
		if err == nil {
			_, err = p.Authenticate(c.ctx, killPIN)
		}
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, p)
	}
	got := c.atOnce(3, func(_ *daemon, i int) string { return confirm(waiting[i]) })
	got.expect(t, map[string]int{"approval_required": 3, "too_many_approvals": 6})
	var refused []*device.Payment
	for _, p := range waiting {
		if p.View().State != string(payment.ApprovalRequired) {
			refused = append(refused, p)
			continue
		}
		a, err := h.client.Approval(c.ctx, p.ID())
		if err == nil {
			_, err = a.Approve(c.ctx, consent.Code(p.View().Code))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got = c.atOnce(2, func(_ *daemon, i int) string { return confirm(refused[i]) })
	got.expect(t, map[string]int{"approval_required": 2, "too_many_approvals": 4})
	if states := slices.Sorted(maps.Keys(h.payments())); len(states) > 0 {
		t.Errorf("the associated device began %v", states)
	}
}
