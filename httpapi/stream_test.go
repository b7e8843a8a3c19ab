package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
)

// listener is a client of an event stream without a network.
type listener struct {
	header http.Header
	status int
	mu     sync.Mutex
	text   strings.Builder
	done   chan struct{}
	fail   error // of every write from now on
}

func (l *listener) Header() http.Header { return l.header }

func (l *listener) WriteHeader(status int) { l.status = status }

func (l *listener) Flush() {}

func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return 0, l.fail
	}
	return l.text.Write(p)
}

// read is what came since the last read.
func (l *listener) read() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// ended reports whether the stream is over.
func (l *listener) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// listen opens a stream.
func (s *station) listen(ctx context.Context, token, lastID string) *listener {
	s.Helper()
	l := &listener{header: http.Header{}, done: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, "GET", "/v1/events", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	go func() {
		defer close(l.done)
		s.handler.ServeHTTP(l, r)
	}()
	return l
}

// types are the types of the events in a piece of a stream.
func types(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "event: "); ok {
			out = append(out, name)
		}
	}
	return out
}

// lastID is the last id in a piece of a stream.
func lastID(text string) (id string) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "id: "); ok {
			id = value
		}
	}
	return id
}

// furnished opens a furnished station without a network, for a test whose time is faked.
func furnished(t *testing.T) *station {
	t.Helper()
	s := openUnserved(t)
	s.furnish()
	return s
}

func TestStreamsTellEveryoneTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := furnished(t)
		ctx, cancel := context.WithCancel(s.Context())
		defer cancel()
		kiosk, phone := s.listen(ctx, s.token(s.kiosk), ""), s.listen(ctx, s.token(s.phone), "")
		payee, operator := s.listen(ctx, s.apiKey, ""), s.listen(ctx, s.token(s.operator), "")
		time.Sleep(time.Second)
		synctest.Wait()
		for _, l := range []*listener{kiosk, phone, payee, operator} {
			if text := l.read(); !strings.HasPrefix(text, "retry: ") || lastID(text) == "" || l.header.Get("Content-Type") != "text/event-stream" {
				s.Errorf("a stream begins with %q, %v", text, l.header)
			}
		}
		s.settled()
		s.signed(s.phone, "/v1/cards/"+s.card.ID+"/freeze", consent.TypFreeze, &consent.Freeze{Claims: s.claims(), Card: consent.CardID(s.card.ID)}).expect(200, "")
		time.Sleep(time.Second)
		synctest.Wait()
		got := map[string][]string{"kiosk": types(kiosk.read()), "phone": types(phone.read()), "payee": types(payee.read()), "operator": types(operator.read())}
		want := map[string][]string{
			"kiosk":    {"payment.authentication_required", "payment.confirmation_required", "payment.approval_required", "payment.settled"},
			"phone":    {"payment.approval_required", "payment.settled", "card.frozen"},
			"payee":    {"payment.approval_required", "payment.settled"},
			"operator": {"card.frozen"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			s.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestStreamsGoOnAfterTheLastEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := furnished(t)
		ctx, cancel := context.WithCancel(s.Context())
		first := s.listen(ctx, s.token(s.kiosk), "")
		time.Sleep(time.Second)
		p := s.instruct(s.kiosk, cardNumber)
		time.Sleep(time.Second)
		synctest.Wait()
		id := lastID(first.read())
		cancel()
		<-first.done
		s.authenticate(s.kiosk, p.ID, rightPIN).expect(200, "")

		ctx, cancel = context.WithCancel(s.Context())
		defer cancel()
		second := s.listen(ctx, s.token(s.kiosk), id)
		time.Sleep(time.Second)
		synctest.Wait()
		text := second.read()
		if diff := cmp.Diff([]string{"payment.confirmation_required"}, types(text)); diff != "" {
			s.Errorf("after event %s (-want +got):\n%s", id, diff)
		}
		_, data, _ := strings.Cut(text, "data: ")
		data, _, _ = strings.Cut(data, "\n")
		var e api.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil || e.Subject != p.ID || e.Version != 2 || e.State != "confirmation_required" {
			s.Errorf("event %q", data)
		}
		// Numbers that were never handed out: the database is another one, or somebody invents them.
		for _, id := range []string{"99999999", "0"} {
			third := s.listen(ctx, s.token(s.kiosk), id)
			time.Sleep(time.Second)
			synctest.Wait()
			if got := types(third.read()); (id == "99999999") != (fmt.Sprint(got) == "[reset]") {
				s.Errorf("after event %s: %v", id, got)
			}
		}
		bad := s.listen(ctx, s.token(s.kiosk), "x")
		<-bad.done
		if bad.status != 400 {
			s.Errorf("after event x: %d", bad.status)
		}
	})
}

func TestQuietStreamsBeatAndEndWithTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := furnished(t)
		l := s.listen(s.Context(), s.token(s.kiosk), "")
		time.Sleep(4*heartbeat + time.Second)
		synctest.Wait()
		if text := l.read(); strings.Count(text, ": still here\n") != 4 || l.ended() {
			s.Errorf("after a minute: %q, ended: %v", text, l.ended())
		}
		time.Sleep(consent.TokenLife)
		synctest.Wait()
		if !l.ended() {
			s.Error("the stream outlives its token")
		}
	})
}

func TestSlowClientsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := furnished(t)
		l := s.listen(s.Context(), s.token(s.kiosk), "")
		time.Sleep(time.Second)
		l.mu.Lock()
		l.fail = context.DeadlineExceeded
		l.mu.Unlock()
		s.instruct(s.kiosk, cardNumber)
		time.Sleep(time.Second)
		synctest.Wait()
		if !l.ended() || s.streams.count() != 0 {
			s.Errorf("ended: %v, %d streams are counted", l.ended(), s.streams.count())
		}
	})
}

func TestOneCallerOpensSoManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := furnished(t)
		token := s.token(s.kiosk)
		for range maxStreamsOne {
			s.listen(s.Context(), token, "")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		more := s.listen(s.Context(), token, "")
		<-more.done
		if more.status != http.StatusTooManyRequests || more.header.Get("Retry-After") == "" {
			s.Errorf("one more: %d", more.status)
		}
	})
}

func TestShutdownEndsStreamsAndWakesPolls(t *testing.T) {
	s := openStation(t)
	p := s.instruct(s.kiosk, cardNumber)
	token := s.token(s.kiosk)
	var polls sync.WaitGroup
	answers := make(chan reply, 8)
	for range 8 {
		polls.Go(func() { answers <- s.get("/v1/payments/"+p.ID+"?wait=25&after=1", token) })
	}
	stream := s.listen(t.Context(), token, "")
	waitFor(t, func() bool { return s.watch.polls() == 8 && s.streams.count() == 1 })
	s.send("GET", "/readyz", "").ready(200)
	s.Shutdown()
	polls.Wait()
	<-stream.done
	for range 8 {
		var view api.Payment
		if (<-answers).into(200, &view); view.Version != 1 {
			t.Errorf("view %+v", view)
		}
	}
	s.send("GET", "/readyz", "").ready(503)
	if got := s.send("GET", "/healthz", ""); got.status != 200 {
		t.Errorf("healthz %d", got.status)
	}
}

func (r reply) ready(status int) {
	r.Helper()
	if r.status != status {
		r.Fatalf("readyz answered %d %s, want %d", r.status, r.body, status)
	}
}

// waitFor waits for something to become true.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	over := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatal("waited in vain")
		}
	}
}

func TestPollsWakeAtTheNextChange(t *testing.T) {
	s := openStation(t)
	p := s.instruct(s.kiosk, cardNumber)
	other := s.instruct(s.kiosk, cardNumber)
	token := s.token(s.kiosk)
	answers := make(chan reply, 2)
	for _, id := range []string{p.ID, other.ID} {
		go func() { answers <- s.get("/v1/payments/"+id+"?wait=25&after=1", token) }()
	}
	waitFor(t, func() bool { return s.watch.polls() == 2 })
	began := time.Now()
	s.authenticate(s.kiosk, p.ID, rightPIN).expect(200, "")
	var view api.Payment
	(<-answers).into(200, &view)
	if view.ID != p.ID || view.Version != 2 || view.State != "confirmation_required" || view.Statement == "" {
		t.Errorf("view %+v", view)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("woken after %v", took)
	}
	if s.watch.polls() != 1 {
		t.Error("the other poll was woken, too")
	}
	s.Shutdown()
	<-answers
	s.get("/v1/payments/"+p.ID+"?wait=26", token).expect(400, "invalid_field")
	s.get("/v1/payments/"+p.ID+"?wait=25", token).into(200, &view) // without after, what is there is new
}

func TestPollsSeePaymentsExpireOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openUnserved(t, func(c *Config) { c.Now = time.Now })
		s.Processor.Close()
		// The clock of a bubble moves by itself; the processor has to read the same.
		s.Service.Processor = processor.New(processor.Config{Store: s.store, Keys: s.keys, Policy: payment.DefaultPolicy, Now: time.Now, Log: s.Service.Log})
		defer s.Service.Processor.Close()
		s.clock.now = time.Now()
		s.furnish()
		p := s.instruct(s.kiosk, cardNumber)
		time.Sleep(payment.AuthenticationWait - 5*time.Second)
		s.clock.now = time.Now()
		var view api.Payment
		began := time.Now()
		s.get("/v1/payments/"+p.ID+"?wait=25&after=1", s.token(s.kiosk)).into(200, &view)
		if took := time.Since(began); view.State != "expired" || view.Reason != "timed_out" || took < 5*time.Second || took > 6*time.Second {
			t.Errorf("after %v: %+v", took, view)
		}
		s.Shutdown()
	})
}

func TestAPINCheckGoesOnWithoutItsClient(t *testing.T) {
	s := openStation(t, func(c *Config) {
		c.PINs = consent.NewPINHasher(c.Keys, consent.PINParams{Memory: 32 << 10, Passes: 4, Lanes: 1}, 1, 8)
	})
	p := s.instruct(s.kiosk, cardNumber)
	path := "/v1/payments/" + p.ID + "/authentication"
	m := &consent.Authentication{Claims: s.claims(), Payment: consent.PaymentID(p.ID), PIN: rightPIN}
	body := s.jws(s.kiosk, consent.TypAuthentication, m)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		s.sendCtx(ctx, "POST", path, body, "Content-Type", api.ContentJWS)
	}()
	waitFor(t, func() bool { return s.PINs.Running() > 0 })
	cancel()
	<-gone
	waitFor(t, func() bool { return len(s.pins) == 0 })
	r := s.send("POST", path, body, "Content-Type", api.ContentJWS).expect(200, "")
	if r.header.Get(api.ReplayedHeader) != "true" {
		t.Error("the PIN was checked twice")
	}
}

func TestOneCallerWaitsInSoManyPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := furnished(t)
		path, token := "/v1/payments/"+s.instruct(s.kiosk, cardNumber).ID, s.token(s.kiosk)
		var polls sync.WaitGroup
		for range maxPollsOne {
			polls.Go(func() { s.get(path+"?wait=25&after=1", token).expect(200, "") })
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r := s.get(path+"?wait=25&after=1", token).expect(429, "too_many_streams"); r.header.Get("Retry-After") == "" {
			s.Errorf("one more: %v", r.header)
		}
		s.get(path, token).expect(200, "") // as it is
		s.get("/v1/payments/"+s.settled().ID+"?wait=25", s.token(s.phone)).expect(200, "")
		s.Shutdown()
		polls.Wait()
		if n := s.polls.count(); n != 0 {
			s.Errorf("%d polls are still counted", n)
		}
	})
}

func TestARevokedCallersStreamEndsAtTheNextHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := furnished(t)
		kiosk, phone, payee := s.listen(s.Context(), s.token(s.kiosk), ""), s.listen(s.Context(), s.token(s.phone), ""), s.listen(s.Context(), s.apiKey, "")
		time.Sleep(time.Second)
		s.admin(s.token(s.operator), "/devices/"+string(s.kiosk.ID())+"/revoke", api.Noted{}).expect(200, "")
		var self api.Self
		s.get("/v1/payee", s.apiKey).into(200, &self)
		s.admin(s.token(s.operator), "/payees/"+handle+"/api-keys/"+self.APIKey.ID+"/revoke", api.Noted{}).expect(200, "")
		time.Sleep(heartbeat)
		synctest.Wait()
		if diff := cmp.Diff([]bool{true, false, true}, []bool{kiosk.ended(), phone.ended(), payee.ended()}); diff != "" {
			s.Errorf("revoked kiosk, phone, revoked payee: ended (-want +got):\n%s", diff)
		}
	})
}
