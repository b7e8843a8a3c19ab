package notice_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/internal/egress"
	"tapline/internal/testdb"
	"tapline/notice"
	"tapline/payment"
	. "tapline/processor"
	"tapline/webhook"
)

// came is a message that a receiver got.
type came struct {
	id, body string
	at       time.Time
	header   http.Header
}

// shop is a program of the payee that receives webhooks.
type shop struct {
	*node
	endpoint string
	keys     webhook.Keys
	url      string
	answer   func(r *http.Request) int // nil: 204

	mu       sync.Mutex
	messages []came
}

// receiver starts a program and an endpoint for it.
func (n *node) receiver(id string, answer func(r *http.Request) int, types ...string) *shop {
	n.Helper()
	s := &shop{node: n, endpoint: id, keys: webhook.NewKeys(), answer: answer}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.messages = append(s.messages, came{r.Header.Get("webhook-id"), string(body), time.Now(), r.Header})
		s.mu.Unlock()
		status := 204
		if s.answer != nil {
			status = s.answer(r)
		}
		w.WriteHeader(status)
	}))
	n.Cleanup(server.CloseClientConnections)
	n.Cleanup(func() { go server.Close() }) // one that hangs does not end
	s.url = server.URL
	n.must(&MakeWebhook{WebhookWork: n.work(), Endpoint: Webhook{ID: id, URL: s.url, Types: types,
		Keys: n.town.keys.Seal(WebhookContext(id), s.keys[:]), Told: n.newest()}})
	return s
}

func (n *node) work() WebhookWork { return WebhookWork{Payee: payee, With: "hooks"} }

func (n *node) newest() (newest int64) {
	n.Helper()
	n.view(func(r Reader) (err error) { _, newest, err = r.Events(1<<62, 1, "x"); return err })
	return newest
}

func (n *node) view(f func(Reader) error) {
	n.Helper()
	if err := n.store.View(n.Context(), f); err != nil {
		n.Fatal(err)
	}
}

// withKey makes the API key that the tests' commands name.
func (n *node) withKey() *node {
	n.Helper()
	n.must(&MakeAPIKey{KeyWork: KeyWork{Operated: Operated{By: chief}, Payee: payee},
		Key: APIKey{ID: "key_hooks", MAC: "hooks", Payee: payee, Name: "hooks", Scopes: []Scope{ScopeWebhooks}}})
	return n
}

// deliver lets the node's courier run until stop is called, or the test ends.
func (n *node) deliver() (stop func()) {
	c := notice.NewCourier(n.town.keys, &webhook.Poster{Client: egress.NewClient(egress.Options{}), Local: egress.NewClient(egress.Options{Here: true}),
		Refused: egress.ErrForbidden}, n.Log)
	c.Processor = n.Processor
	n.courier = c
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	once := sync.OnceFunc(func() { cancel(); <-done })
	n.Cleanup(once)
	return once
}

// settled is a payment that was approved: of which the payee is told twice.
func (n *node) settled() payment.Payment {
	n.Helper()
	p := n.pay(kiosk)
	n.approve(p)
	return p
}

// got waits until as many messages came, and then fails if more did.
func (s *shop) got(want int) []came {
	s.Helper()
	s.until(fmt.Sprintf("%d messages at %s", want, s.endpoint), func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.messages) >= want })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.messages) != want {
		s.Fatalf("%d messages came to %s, want %d", len(s.messages), s.endpoint, want)
	}
	return slices.Clone(s.messages)
}

// until waits for something.
func (n *node) until(what string, holds func() bool) {
	n.Helper()
	limit := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-limit:
			n.Fatalf("waited in vain for %s; the log:\n%s%s", what, n.log, n.dump())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *shop) sent() (found []Delivery) {
	s.Helper()
	s.view(func(r Reader) (err error) {
		found, err = r.Sent(DeliveryQuery{Endpoint: s.endpoint, Limit: 1000})
		return err
	})
	return found
}

// over waits until nothing is to be sent any more.
func (s *shop) over() {
	s.Helper()
	s.until("the end of all deliveries", func() bool {
		return !slices.ContainsFunc(s.sent(), func(d Delivery) bool { return d.State == DeliveryPending })
	})
}

func (s *shop) row() (e Webhook) {
	s.Helper()
	s.view(func(r Reader) error {
		rows, err := r.Load(Wants{Webhooks: []string{s.endpoint}})
		if err == nil {
			e = rows.Webhooks[0]
		}
		return err
	})
	return e
}

// types are the types of messages, and the state of what they are about.
func types(messages []came) (out []string) {
	for _, m := range messages {
		_, after, _ := strings.Cut(m.body, `"type":"`)
		typ, _, _ := strings.Cut(after, `"`)
		out = append(out, typ)
	}
	return out
}

func TestEventsComeInOrderSignedAndOnce(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().withKey()
	s := n.receiver("whe_1", nil, "payment.*")
	everything, settlements := n.receiver("whe_2", nil), n.receiver("whe_3", nil, "payment.settled")
	n.deliver()
	p := n.settled()
	messages := s.got(2)
	want := []string{"payment.approval_required", "payment.settled"}
	if diff := cmp.Diff(want, types(messages)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	ids := map[string]bool{}
	for _, m := range messages {
		ids[m.id] = true
		if err := webhook.Verify(s.keys.Secret(), m.header, []byte(m.body), time.Now()); err != nil {
			t.Errorf("%s: %v", m.body, err)
		}
		if err := webhook.Verify(s.keys.PublicKey(), m.header, []byte(m.body), time.Now()); err != nil {
			t.Errorf("%s: %v", m.body, err)
		}
		if !strings.Contains(m.body, `"id":"`+string(p.ID)+`"`) || strings.Contains(m.body, "0003") || strings.Contains(m.body, "1250") {
			t.Errorf("the message %s, want the payment's id, and neither card nor amount", m.body)
		}
	}
	if len(ids) != 2 {
		t.Errorf("ids %v, want two", ids)
	}
	settlements.got(1)
	// That it and the third were made, and the payment.
	everything.got(4)
	s.over()
	for _, d := range s.sent() {
		if d.State != DeliveryTaken || d.Status != 204 || d.Attempts != 1 || d.TriedAt.IsZero() {
			t.Errorf("kept as %+v", d)
		}
	}
	if log := n.log.String(); strings.Contains(log, s.keys.Secret()[6:]) || strings.Contains(log, "webhook-signature") {
		t.Errorf("the log tells secrets: %s", log)
	}
}

// TestWhatACrashLeavesIsSent has a node end after the commit and before sending, and another one while it sends.
func TestWhatACrashLeavesIsSent(t *testing.T) {
	w := found(t, testdb.New(t))
	first := w.open("a").furnish().withKey()
	s := first.receiver("whe_1", nil, "payment.settled")
	first.settled()
	first.shut() // nothing was taken yet: the events are all there is

	second := w.open("b")
	stop := second.deliver()
	s.node = second
	id := s.got(1)[0].id
	s.over()
	stop()

	// The next message is claimed by a node that dies with it.
	second.settled()
	second.shut()
	third := w.open("c")
	var e Webhook
	third.view(func(r Reader) error {
		rows, err := r.Load(Wants{Webhooks: []string{"whe_1"}})
		e = rows.Webhooks[0]
		return err
	})
	newest := third.newest()
	third.must(&TakeEvents{Endpoint: "whe_1", From: e.Told, Told: newest, Deliveries: []Delivery{{ID: "whd_dead", Number: newest, Type: "payment.settled", Subject: "p", At: time.Now()}}})
	claim := &ClaimDeliveries{IDs: []string{"whd_dead"}, Endpoints: []string{"whe_1"}}
	third.must(claim)
	if len(claim.Claimed) != 1 {
		t.Fatalf("claimed %v", claim.Claimed)
	}
	third.shut()

	last := w.open("d")
	s.node = last
	last.deliver()
	last.wait(WebhookLease - 2*time.Second)
	last.courier.Kick()
	if len(s.got(1)) != 1 {
		t.Error("sent while another node has it")
	}
	last.wait(3 * time.Second)
	last.courier.Kick()
	if got := s.got(2)[1].id; got != "whd_dead" || got == id {
		t.Errorf("after the lease %q was sent", got)
	}
	// What the dead node would say now counts no more.
	last.must(&FinishDelivery{Claimed: claim.Claimed[0], Failure: "status"})
	s.over()
	if d := s.sent()[0]; d.State != DeliveryTaken || d.Attempts != 2 {
		t.Errorf("kept as %+v", d)
	}
}

func TestTwoNodesSendEachMessageOnce(t *testing.T) {
	w := found(t, testdb.Postgres(t))
	a := w.open("a").furnish().withKey()
	b := w.open("b")
	s := a.receiver("whe_1", nil, "payment.*")
	a.deliver()
	b.deliver()
	for i := range 6 {
		subject := fmt.Sprintf("%s%d", TestSubject, i)
		a.must(&Trigger{WebhookWork: a.work(), Type: "payment.approval_required", Subject: subject, State: "approval_required"})
		b.must(&Trigger{WebhookWork: b.work(), Type: "payment.settled", Subject: subject, State: "settled"})
	}
	ids := map[string]bool{}
	last := map[string]string{}
	order := []string{"payment.approval_required", "payment.settled"}
	messages := s.got(12)
	for i, typ := range types(messages) {
		ids[messages[i].id] = true
		_, rest, _ := strings.Cut(messages[i].body, `"id":"`)
		subject, _, _ := strings.Cut(rest, `"`)
		if at := slices.Index(order, last[subject]); slices.Index(order, typ) != at+1 {
			t.Errorf("of %s came %s after %q", subject, typ, last[subject])
		}
		last[subject] = typ
	}
	if len(ids) != 12 {
		t.Errorf("%d messages, want 12", len(ids))
	}
	s.over()
}

// TestASlowEndpointDelaysNoOther has as many endpoints that never answer as a payee may have, but one.
func TestASlowEndpointDelaysNoOther(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().withKey()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	hang := func(*http.Request) int { <-release; return 200 }
	slow := n.receiver("whe_0", hang, "payment.*")
	quick := n.receiver("whe_1", nil, "payment.*")
	stop := n.deliver()
	began := time.Now()
	for i := range 12 {
		n.must(&Trigger{WebhookWork: n.work(), Type: "payment.settled", Subject: fmt.Sprintf("%s%d", TestSubject, i), State: "settled"})
	}
	quick.got(12)
	if took := time.Since(began); took > webhook.AnswerLimit {
		t.Errorf("the quick one got its messages after %v", took)
	}
	slow.mu.Lock()
	under := len(slow.messages)
	slow.mu.Unlock()
	if under > 4 {
		t.Errorf("%d messages at once to one endpoint, want 4 at most", under)
	}
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Error("the courier does not end while an endpoint hangs")
	}
	for _, d := range slow.sent() {
		if d.Attempts != 0 || d.State != DeliveryPending {
			t.Errorf("after the service's end: %+v; want what was interrupted to count for nothing", d)
		}
	}
}

// TestWhatFailsIsTriedAgainForThreeDays follows one message through all its attempts, on a clock that is put forward.
func TestWhatFailsIsTriedAgainForThreeDays(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().withKey()
	var well atomic.Bool
	s := n.receiver("whe_1", func(*http.Request) int {
		if well.Load() {
			return 204
		}
		return 500
	}, "payment.settled")
	n.deliver()
	n.settled()
	total, tried := time.Duration(0), time.Time{}
	for attempt := 1; attempt <= 10; attempt++ {
		messages := s.got(attempt)
		s.until("the end of the attempt", func() bool {
			found := s.sent()
			return len(found) == 1 && found[0].Attempts == attempt && !found[0].TriedAt.Equal(tried)
		})
		tried = s.sent()[0].TriedAt
		if d := s.sent()[0]; d.Failure != "status" || (attempt == 10) != (d.State == DeliveryFailed) {
			t.Errorf("after attempt %d: %+v", attempt, d)
		}
		if messages[attempt-1].id != messages[0].id || messages[attempt-1].body != messages[0].body {
			t.Errorf("attempt %d sends %v, want the same as the first", attempt, messages[attempt-1])
		}
		pause := WebhookPause(attempt)
		if d := s.sent()[0]; attempt < 10 {
			if got := d.NextAt.Sub(d.TriedAt); got < pause || got > pause+pause/10 {
				t.Errorf("after attempt %d the next is in %v, want %v and at most a tenth more", attempt, got, pause)
			}
		}
		total += pause
		n.wait(pause + pause/10 + time.Second)
		n.courier.Kick()
	}
	if total != 75*time.Hour+35*time.Minute+5*time.Second {
		t.Errorf("tried for %v", total)
	}
	if e := s.row(); e.State != WebhookDisabled || e.Why != WhyFailing {
		t.Errorf("an endpoint that took nothing for so long is %s (%s)", e.State, e.Why)
	}
	n.toldOperators("webhook_endpoint.disabled", "whe_1")

	// Enabled again it gets what it has missed, and what failed if that is asked for.
	n.settled()
	well.Store(true)
	enabled := true
	n.must(&ChangeWebhook{WebhookWork: n.work(), ID: "whe_1", Enabled: &enabled})
	s.got(11)
	n.must(&Replay{WebhookWork: n.work(), IDs: []string{s.got(11)[0].id}})
	n.courier.Kick()
	if m := s.got(12); m[11].id != m[0].id || m[11].body != m[0].body {
		t.Errorf("replayed %v, want %v", m[11], m[0])
	}
	s.over()
	if e := s.row(); !e.FailingSince.IsZero() {
		t.Errorf("it is failing since %v, though it took the last", e.FailingSince)
	}
}

func (n *node) toldOperators(typ, subject string) {
	n.Helper()
	var told []Event
	n.view(func(r Reader) (err error) { told, _, err = r.Events(0, 1000, OperatorsPrincipal); return err })
	if !slices.ContainsFunc(told, func(e Event) bool {
		return e.Type == typ && e.Subject == subject && slices.Contains(e.To, PayeePrincipal(payee))
	}) {
		n.Errorf("operators and payee were told %v, and not %s of %s", told, typ, subject)
	}
}

func TestAnEndpointThatIsGoneIsDisabledAtOnce(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().withKey()
	s := n.receiver("whe_1", func(*http.Request) int { return 410 }, "payment.settled")
	n.deliver()
	n.settled()
	s.got(1)
	s.until("its end", func() bool { return s.row().State == WebhookDisabled })
	if e := s.row(); e.Why != WhyGone {
		t.Errorf("disabled because %q", e.Why)
	}
	if d := s.sent()[0]; d.State != DeliveryFailed {
		t.Errorf("kept as %+v", d)
	}
	n.toldOperators("webhook_endpoint.disabled", "whe_1")
	n.settled()
	n.settled()
	s.got(1)
}

// TestWhatFailsHoldsOnlyItsOwnSubjectBack fails the first message about the first payment.
func TestWhatFailsHoldsOnlyItsOwnSubjectBack(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().withKey()
	var asked atomic.Int32
	s := n.receiver("whe_1", func(*http.Request) int {
		if asked.Add(1) == 1 {
			return 503
		}
		return 200
	}, "payment.*")
	n.deliver()
	held := n.settled()
	s.until("the first failure", func() bool {
		return slices.ContainsFunc(s.sent(), func(d Delivery) bool { return d.Failure == "status" })
	})
	n.settled()
	for _, m := range s.got(3)[1:] {
		if strings.Contains(m.body, string(held.ID)) {
			t.Errorf("%s came before what is ahead of it", m.body)
		}
	}
	n.wait(6 * time.Second)
	n.courier.Kick()
	if diff := cmp.Diff([]string{"payment.approval_required", "payment.settled"}, types(s.got(5)[3:])); diff != "" {
		t.Errorf("then (-want +got):\n%s", diff)
	}
}

func TestOldKeysSignUntilTheOverlapIsOver(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().withKey()
	s := n.receiver("whe_1", nil, "payment.settled")
	young := webhook.NewKeys()
	n.must(&RotateWebhook{WebhookWork: n.work(), ID: "whe_1", Keys: n.town.keys.Seal(WebhookContext("whe_1"), young[:]), Overlap: time.Hour})
	n.deliver()
	n.settled()
	n.verifies(s.got(1)[0], map[string]bool{s.keys.Secret(): true, s.keys.PublicKey(): true, young.Secret(): true, young.PublicKey(): true})
	n.wait(time.Hour)
	n.settled()
	n.verifies(s.got(2)[1], map[string]bool{s.keys.Secret(): false, s.keys.PublicKey(): false, young.Secret(): true, young.PublicKey(): true})
}

// verifies wants a message to be verified by some keys and not by others.
func (n *node) verifies(m came, want map[string]bool) {
	n.Helper()
	for key, good := range want {
		if err := webhook.Verify(key, m.header, []byte(m.body), n.now()); (err == nil) != good {
			n.Errorf("Verify by %.8s… = %v, want good %v", key, err, good)
		}
	}
}

// dump is all that there is to send, for a test that has failed.
func (n *node) dump() (out string) {
	n.view(func(r Reader) error {
		rows, err := r.Load(Wants{WebhooksOf: []payment.Handle{payee}})
		for _, e := range rows.Webhooks {
			sent, _ := r.Sent(DeliveryQuery{Endpoint: e.ID, Limit: 50})
			out += fmt.Sprintf("%s told %d\n", e.ID, e.Told)
			for _, d := range sent {
				out += fmt.Sprintf("  %d %s %s %s %v %s\n", d.Number, d.Type, d.Subject, d.State, d.NextAt, d.Failure)
			}
		}
		return err
	})
	return out
}
