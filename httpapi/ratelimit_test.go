package httpapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
)

var tick = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestABucketFillsUpAgain(t *testing.T) {
	b := newBuckets(60)
	for i := range 60 {
		if wait := b.take("a", tick); wait != 0 {
			t.Fatalf("%d: wait %v", i, wait)
		}
	}
	for after, want := range map[time.Duration]time.Duration{0: time.Second, 900 * time.Millisecond: time.Second} {
		if wait := b.take("a", tick.Add(after)); wait != want {
			t.Errorf("after %v: wait %v, want %v", after, wait, want)
		}
	}
	if b.take("b", tick) != 0 || b.take("a", tick.Add(time.Second)) != 0 || b.take("a", tick.Add(time.Second)) == 0 {
		t.Error("not one a second, each for itself")
	}
	b.charge("c", 100, tick) // 40 are owed
	if wait := b.take("c", tick); wait != 41*time.Second {
		t.Errorf("who owes 40 waits %v, want 41s", wait)
	}
	b.charge("c", 1e9, tick)
	if wait := b.take("c", tick); wait != 61*time.Second {
		t.Errorf("who owes all waits %v, want 61s", wait)
	}
	// What is forgotten was full.
	for i := range 10 {
		later := tick.Add(time.Duration(i+1) * 55 * time.Second)
		b.take("other", later)
		if got, want := b.take("c", later) == 0, i > 0; got != want {
			t.Errorf("after %v: may ask %v, want %v", later.Sub(tick), got, want)
		}
	}
	if n := newBuckets(0); n.take("a", tick) != 0 || len(n.young) != 0 {
		t.Error("no limit is one")
	}
	if b.take("a", tick.Add(-time.Hour)) != 0 {
		t.Error("a clock that is set back locks somebody out")
	}
}

func TestBucketsAreBounded(t *testing.T) {
	b := newBuckets(1)
	for minute := range 8 {
		now := tick.Add(time.Duration(minute) * time.Minute)
		for i := range maxBuckets + maxBuckets/2 {
			b.take(fmt.Sprint(minute/3, " ", i), now)
		}
		if n := len(b.young) + len(b.old); n > 4*maxBuckets {
			t.Fatalf("minute %d: %d buckets", minute, n)
		}
	}
	// Those that are too many share one: no more than ten of them get through.
	b, through := newBuckets(1), 0
	for i := range maxBuckets {
		b.take(fmt.Sprint("known ", i), tick)
	}
	for i := range 1000 {
		if b.take(fmt.Sprint("new ", i), tick) == 0 {
			through++
		}
	}
	if through != 10 {
		t.Errorf("%d of 1000 more got through, want 10", through)
	}
	if b.take("known 1", tick) == 0 || b.take("known 1", tick.Add(time.Minute)) != 0 {
		t.Error("who was known is no more")
	}
}

func TestWhereARequestComesFrom(t *testing.T) {
	l := newLimiters(Limits{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}})
	for name, tc := range map[string]struct {
		peer, want string
		said       []string
	}{
		"a peer":                       {"203.0.113.7:5", "203.0.113.7", nil},
		"a peer that lies":             {"203.0.113.7:5", "203.0.113.7", []string{"198.51.100.1"}},
		"a proxy":                      {"10.0.0.1:5", "198.51.100.1", []string{"198.51.100.1"}},
		"two proxies":                  {"10.0.0.1:5", "198.51.100.1", []string{"198.51.100.1, 10.2.2.2"}},
		"who lies to a proxy":          {"10.0.0.1:5", "198.51.100.1", []string{"192.0.2.9, 198.51.100.1"}},
		"who names a proxy to a proxy": {"10.0.0.1:5", "198.51.100.1", []string{"10.9.9.9", "198.51.100.1"}},
		"a proxy that says nothing":    {"10.0.0.1:5", "10.0.0.1", nil},
		"a proxy that says nonsense":   {"10.0.0.1:5", "10.0.0.1", []string{"unknown"}},
		"nonsense before what is said": {"10.0.0.1:5", "198.51.100.1", []string{"unknown,198.51.100.1"}},
		"IPv6, its network":            {"[2001:db8:1:2:3:4:5:6]:5", "2001:db8:1:2::/64", nil},
		"its neighbour":                {"[2001:db8:1:2:ffff::1]:5", "2001:db8:1:2::/64", nil},
		"IPv4 within IPv6":             {"[::ffff:203.0.113.7]:5", "203.0.113.7", nil},
		"an IPv6 proxy":                {"[fd00::1]:5", "2001:db8::/64", []string{"2001:db8::7"}},
		"no network":                   {"@", "", []string{"198.51.100.1"}},
	} {
		r := &http.Request{RemoteAddr: tc.peer, Header: http.Header{}}
		for _, hop := range tc.said {
			r.Header.Add("X-Forwarded-For", hop)
		}
		if got := l.from(r); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// limited is a service behind a proxy of the same machine.
func limited(t *testing.T, l Limits) *station {
	l.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	return openStation(t, func(c *Config) { c.Limits = l })
}

// refusedAfter sends until it is refused, and wants that to be after n times and to be told for how long.
func (s *station) refusedAfter(n int, send func() reply) reply {
	s.Helper()
	for i := range n {
		if r := send(); r.status == 429 {
			s.Fatalf("refused after %d of %d: %s", i, n, r.body)
		}
	}
	r := send()
	r.expect(429, "too_many_requests")
	if after, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || after < 1 || after != r.problem().RetryAfter || !r.problem().Retryable {
		s.Errorf("Retry-After %q, problem %s", r.header.Get("Retry-After"), r.body)
	}
	return r
}

func TestHandlesCannotBeEnumerated(t *testing.T) {
	s := limited(t, Limits{Lookups: Rates{Device: 10, Address: 40}})
	lookUp := func(token, handle, from string) func() reply {
		return func() reply {
			return s.send("GET", "/v1/payees/"+handle, "", "Authorization", "Bearer "+token, "X-Forwarded-For", from)
		}
	}
	kiosk, phone := s.token(s.kiosk), s.token(s.phone)
	s.refusedAfter(10, lookUp(kiosk, handle, "192.0.2.1"))
	lookUp(kiosk, handle, "192.0.2.2")().expect(429, "too_many_requests") // from wherever
	lookUp(phone, handle, "192.0.2.1")().expect(200, "")
	s.clock.add(6 * time.Second)
	lookUp(kiosk, handle, "192.0.2.1")().expect(200, "")
	s.clock.add(2 * time.Minute)
	s.refusedAfter(2, lookUp(kiosk, "guess@shop", "192.0.2.1")).expect(429, "too_many_requests")
	s.clock.add(2 * time.Minute)

	// Devices cost nothing, so that their address counts.
	misses := 0
	for i := range 30 {
		fresh := s.newKey()
		s.signed(fresh, "/v1/devices", consent.TypDevice, &consent.DeviceRegistration{Claims: s.claims(), Label: "device"}).expect(201, "")
		if lookUp(s.token(fresh), fmt.Sprintf("guess%d@shop", i), "192.0.2.9")().status == 404 {
			misses++
		}
	}
	if misses != 40/missCosts {
		t.Errorf("%d handles were tried from one address, want %d", misses, 40/missCosts)
	}
	lookUp(phone, handle, "192.0.2.1")().expect(200, "")
}

// TestPaymentsAreNoWayToGuessHandles: an instruction tells as much of a handle as a look-up, and there may be many more of those.
func TestPaymentsAreNoWayToGuessHandles(t *testing.T) {
	s := limited(t, Limits{Lookups: Rates{Device: 10, Address: 40}, Instructions: Rates{Device: 60, Address: 600}})
	pay := func(handle string) func() reply {
		return func() reply {
			m := s.instruction(s.kiosk, cardNumber)
			m.Payee = handle
			return s.send("POST", "/v1/payments", s.jws(s.kiosk, consent.TypInstruction, m), "Content-Type", api.ContentJWS)
		}
	}
	for range 20 {
		pay(handle)().expect(201, "") // who misses nothing is not limited
	}
	s.refusedAfter(2, pay("guess@shop"))
	pay(handle)().expect(429, "too_many_requests") // or the answer would tell
	s.get("/v1/payees/"+handle, s.token(s.kiosk)).expect(429, "too_many_requests")
	s.clock.add(2 * time.Minute)
	pay(handle)().expect(201, "")
}

// TestAnUnknownAndAClosedPayeeAnswerAlike, but for the trace.
func TestAnUnknownAndAClosedPayeeAnswerAlike(t *testing.T) {
	s := openStation(t)
	s.closePayee("shut@shop")
	token := s.token(s.kiosk)
	answers := map[string]string{}
	for _, h := range []string{"shut@shop", "none@shop"} {
		r := s.get("/v1/payees/"+h, token).expect(404, "unknown_payee")
		answers["look-up of "+h] = strings.ReplaceAll(r.body, r.problem().TraceID, "")
		m := s.instruction(s.kiosk, cardNumber)
		m.Payee = h
		r = s.signed(s.kiosk, "/v1/payments", consent.TypInstruction, m).expect(404, "unknown_payee")
		answers["payment to "+h] = strings.ReplaceAll(r.body, r.problem().TraceID, "")
	}
	for _, what := range []string{"look-up of ", "payment to "} {
		if answers[what+"shut@shop"] != answers[what+"none@shop"] {
			t.Errorf("%sa closed payee: %s\nan unknown one: %s", what, answers[what+"shut@shop"], answers[what+"none@shop"])
		}
	}
}

func TestInstructionsAndRegistrationsAreLimited(t *testing.T) {
	s := limited(t, Limits{Instructions: Rates{Device: 3, Address: 5}, Devices: Rates{Address: 4}})
	from := func(key *consent.DeviceKey, address string) func() reply {
		return func() reply {
			body := s.jws(key, consent.TypInstruction, s.instruction(s.kiosk, cardNumber))
			return s.send("POST", "/v1/payments", body, "Content-Type", api.ContentJWS, "X-Forwarded-For", address)
		}
	}
	// Somebody else's signature is not the kiosk's, and takes nothing from it.
	for range 4 {
		forged := s.jws(s.kiosk, consent.TypInstruction, s.instruction(s.kiosk, cardNumber))
		forged = forged[:len(forged)-8] + "AAAAAAAA"
		s.send("POST", "/v1/payments", forged, "Content-Type", api.ContentJWS, "X-Forwarded-For", "192.0.2.66").expect(401, "bad_signature")
	}
	s.refusedAfter(3, from(s.kiosk, "192.0.2.1"))
	s.clock.add(2 * time.Minute)
	from(s.kiosk, "192.0.2.1")().expect(201, "")
	register := func(address string) func() reply {
		return func() reply {
			body := s.jws(s.newKey(), consent.TypDevice, &consent.DeviceRegistration{Claims: s.claims(), Label: "device"})
			return s.send("POST", "/v1/devices", body, "Content-Type", api.ContentJWS, "X-Forwarded-For", address)
		}
	}
	s.refusedAfter(4, register("192.0.2.1"))
	register("192.0.2.2")().expect(201, "")
	if strings.Contains(s.log.String(), "192.0.2.") {
		t.Error("the log tells addresses")
	}
}

// TestWithoutLimitsNobodyIsRefused: the zero value is for tests and measurements.
func TestWithoutLimitsNobodyIsRefused(t *testing.T) {
	s := openStation(t)
	token := s.token(s.kiosk)
	for range 200 {
		s.get("/v1/payees/none@shop", token).expect(404, "unknown_payee")
	}
}
