package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tapline/api"
	"tapline/consent"
)

func TestAnEntranceLetsFewInAndFewWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEntrance(2)
		enter := func() func() {
			leave, err := e.enter(t.Context())
			if err != nil {
				t.Error(err)
				return func() {}
			}
			return leave
		}
		one, two := enter(), enter()
		began := time.Now()
		var mu sync.Mutex
		var turns []int
		refused := 0
		for i := range 2 * waitersFor {
			go func() {
				_, err := e.enter(context.Background())
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					turns = append(turns, i)
				} else if refused++; time.Since(began) != admissionWait {
					t.Errorf("refused after %v", time.Since(began))
				}
			}()
			synctest.Wait()
		}
		if _, err := e.enter(t.Context()); err == nil || time.Since(began) != 0 {
			t.Errorf("one too many waited for %v, %v", time.Since(began), err)
		}
		one()
		one() // again, which does nothing
		synctest.Wait()
		two()
		synctest.Wait()
		if fmt.Sprint(turns) != "[0 1]" {
			t.Errorf("let in: %v; want who waited longest", turns)
		}
		time.Sleep(admissionWait)
		synctest.Wait()
		if refused != 2*waitersFor-2 || e.waiting.Load() != 0 {
			t.Errorf("%d were refused, and %d wait", refused, e.waiting.Load())
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := e.enter(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("who has gone: %v", err)
		}
	})
}

// fill takes all places of an entrance until the test ends.
func (s *station) fill(e *entrance) {
	for range cap(e.places) {
		leave, err := e.enter(context.Background())
		s.must(err)
		s.Cleanup(leave)
	}
}

func TestWhoComesWhenTheServiceIsFullIsToldToComeAgain(t *testing.T) {
	s := openStation(t, func(c *Config) { c.InFlight = 8 })
	begun := s.instruct(s.phone, cardNumber)
	s.fill(s.admission.begin)
	path := "/v1/payments"
	message := s.jws(s.phone, consent.TypInstruction, s.instruction(s.phone, cardNumber))
	began := time.Now()
	r := s.send("POST", path, message, "Content-Type", "application/jose")
	p := r.expect(503, "busy").problem()
	seconds, err := strconv.Atoi(r.header.Get("Retry-After"))
	if err != nil || seconds < 1 || seconds > 3 || p.RetryAfter != seconds || !p.Retryable {
		t.Errorf("Retry-After %q, %+v", r.header.Get("Retry-After"), p)
	}
	if took := time.Since(began); took < admissionWait || took > 20*admissionWait {
		t.Errorf("refused after %v", took)
	}
	// Whoever has begun goes on, operators have places of their own, and so has whoever asks whether all is well.
	s.authenticate(s.phone, begun.ID, rightPIN).expect(200, "")
	s.fill(s.admission.goOn)
	s.get("/healthz", "").expect(200, "")
	s.get("/readyz", "").expect(200, "")
	if r := s.get("/v1/admin/cards", "none"); r.status != 401 {
		t.Errorf("an operator: %d", r.status)
	}
	s.get("/v1/service", "").expect(503, "busy")
}

// TestASlowBodyTakesNoPlace sends many bodies that never end.
func TestASlowBodyTakesNoPlace(t *testing.T) {
	s := openStation(t, func(c *Config) { c.InFlight = 8 })
	for range 40 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.server.URL, "http://"))
		s.must(err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, "POST /v1/payments HTTP/1.1\r\nHost: pay.example\r\nContent-Type: application/jose\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
		s.must(err)
		if got, err := io.ReadAtLeast(conn, make([]byte, 12), 12); err != nil || got != 12 { // 100 Continue: the body is waited for
			t.Fatal(got, err)
		}
	}
	if n := s.admission.inside() + s.admission.outside(); n != 0 {
		t.Errorf("%d are let in, or wait for it, before they have said what they want", n)
	}
	s.instruct(s.phone, cardNumber)
}

func TestWhoWaitsForNewsTakesNoPlace(t *testing.T) {
	s := openStation(t, func(c *Config) { c.InFlight = 8 })
	p := s.instruct(s.phone, cardNumber)
	token := s.token(s.phone)
	var newest api.Events
	s.get("/v1/events/next", token).into(200, &newest)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 10 {
		for _, path := range []string{"/v1/events", "/v1/events/next?wait=25&after=" + newest.Next, fmt.Sprintf("/v1/payments/%s?wait=25&after=%d", p.ID, p.Version)} {
			all.Go(func() {
				r, err := http.NewRequestWithContext(ctx, "GET", s.server.URL+path, nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+token)
				if answer, err := http.DefaultTransport.RoundTrip(r); err == nil {
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
			})
		}
	}
	for began := time.Now(); s.streams.count() < 10 || s.polls.count() < 20 || s.watch.polls() < 10 || s.admission.inside() > 0; {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("%d streams, %d polls; %d take a place", s.streams.count(), s.polls.count(), s.admission.inside())
		}
		<-time.After(time.Millisecond)
	}
	cancel()
	all.Wait()
}
