package httpapi

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
	"tapline/sandbox"
	"tapline/sqlstore"
)

// openSandbox opens a sandbox in which the story goes on, with the shop.
func (x *people) openSandbox() *station {
	x.Helper()
	s := &station{TB: x.t, log: &lockedBuffer{}, clock: &testClock{now: time.Now()}}
	dir := x.t.TempDir()
	var err error
	s.keys, err = keyring.Create(filepath.Join(dir, "keys"))
	s.must(err)
	s.store, err = sqlstore.Open(x.t.Context(), filepath.Join(dir, "db"), sqlstore.Options{Environment: sqlstore.Sandbox})
	s.must(err)
	p := processor.New(processor.Config{Store: s.store, Keys: s.keys, Policy: payment.DefaultPolicy, Log: x.Service.Log})
	play := sandbox.New(sandbox.Config{Store: s.store, Processor: p, Keys: s.keys, URL: x.PublicURL, Log: x.Service.Log})
	s.Service = New(Config{
		Processor: p, Store: s.store, Keys: s.keys, Policy: payment.DefaultPolicy, PublicURL: x.PublicURL, Environment: "test", Version: x.Version,
		PINs:       consent.NewPINHasher(s.keys, consent.PINParams{Memory: 64, Passes: 1, Lanes: 1}, 2, 64),
		FirstToken: func() (string, bool) { return firstToken, true }, Log: x.Service.Log, Now: s.store.Clock, World: time.Now, Sandbox: play,
	})
	inner := Documented(x.t, s.Handler())
	play.Through(inner)
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { x.record(w, r, inner) })
	s.server = httptest.NewServer(s.handler)
	x.t.Cleanup(func() {
		s.Shutdown()
		s.server.Close()
		play.Close()
		p.Close()
		if err := s.store.Close(); err != nil {
			x.Error(err)
		}
	})
	s.operator = s.newKey()
	s.enrol(s.operator, firstToken, firstIdemKey).expect(201, "")
	var shop api.AdminPayee
	s.admin(s.token(s.operator), "/payees", api.NewPayee{Handle: handle, Name: "Book Shop", Currency: payeeCurrency}).into(201, &shop)
	s.apiKey = shop.APIKey
	return s
}

// What a sandbox tells of the world's time, and what begins with it.
var (
	worldTime = regexp.MustCompile(`"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"`)
	worldID   = regexp.MustCompile(`"pay_[-A-Za-z0-9_]{8}`)
)

// steady puts fixed times in the place of those that a sandbox's database tells.
func steady(body []byte) []byte {
	return worldID.ReplaceAll(worldTime.ReplaceAll(body, []byte(`"2026-03-02T09:00:00Z"`)), []byte(`"pay_-Omhkey_`))
}

// play is what the shop's developer does in a sandbox.
func (x *people) play() {
	x.Helper()
	s := x.openSandbox()
	x.steady = steady
	as := func(method, path string, in any) reply {
		body, header := "", []string{"Authorization", "Bearer " + s.apiKey}
		if in != nil {
			body, header = string(encode(in)), append(header, "Content-Type", "application/json")
		}
		return s.send(method, path, body, header...)
	}
	var card api.TestCard
	x.tell("makeTestCard", "In a sandbox the shop's developer makes a card that always pays")
	as("POST", "/v1/test/cards", api.NewTestCard{Behaviour: api.CardApproves}).into(201, &card)
	x.tell("listTestCards", "The test cards")
	as("GET", "/v1/test/cards", nil)
	var o api.PayeeOrder
	s.asked(s.apiKey, "/v1/orders", api.NewOrder{Amount: cnyOf(45_00), Reference: "T-1"}).into(201, &o)
	x.tell("makeTestPayment", "The card pays an order, from the tap to the second confirmation")
	as("POST", "/v1/test/payments", api.NewTestPayment{Order: o.ID, Card: card.ID})
	x.tell("getTestClock", "What time is it there?")
	as("GET", "/v1/test/clock", nil)
	x.tell("forwardTestClock", "An hour passes at once")
	as("POST", "/v1/test/clock", api.TestClockChange{By: 3600})
	x.settleUp()
	x.steady = nil
}
