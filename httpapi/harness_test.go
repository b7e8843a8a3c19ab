package httpapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/internal/testdb"
	"tapline/keyring"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
	"tapline/sqlstore"
)

// Secrets of the tests: none of them may ever be seen in a log line, metric or refusal.
const (
	cardNumber    consent.AccountNumber = "6200123412341234"
	otherNumber   consent.AccountNumber = "6200999988887777"
	rightPIN      consent.PIN           = "907412658031"
	wrongPIN      consent.PIN           = "515253990142"
	firstToken                          = "first-start-token-of-tests"
	handle                              = "books@shop"
	firstIdemKey                        = "key-of-the-first-operator"
	testOrigin                          = "http://pay.example"
	payeeCurrency money.Currency        = "CNY"
)

// station is a service with one operator, payee, card, phone (the card's associated device) and kiosk.
type station struct {
	testing.TB
	*Service
	server   *httptest.Server // nil without a network
	handler  http.Handler
	log      *lockedBuffer
	keys     *keyring.Keyring
	store    *sqlstore.Store
	clock    *testClock
	operator *consent.DeviceKey
	phone    *consent.DeviceKey
	kiosk    *consent.DeviceKey
	apiKey   string
	card     api.Card
	code     string // that activated it
}

type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *testClock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

// lockedBuffer is a log that a test may read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.buf.String() }

// openStation opens a furnished service.
func openStation(t *testing.T, change ...func(*Config)) *station {
	t.Helper()
	s := openEmpty(t, change...)
	s.furnish()
	return s
}

// openEmpty opens a service that nobody has used, behind a server.
func openEmpty(t *testing.T, change ...func(*Config)) *station {
	t.Helper()
	s := openUnserved(t, change...)
	s.server = httptest.NewServer(s.handler)
	t.Cleanup(func() {
		s.Shutdown()
		s.server.Close()
	})
	return s
}

// openUnserved opens a service without a network, so that it can be used where time is faked.
func openUnserved(t testing.TB, change ...func(*Config)) *station {
	t.Helper()
	s := &station{TB: t, log: &lockedBuffer{}, clock: &testClock{now: time.Now().UTC().Truncate(time.Microsecond)}}
	dir := t.TempDir()
	var err error
	s.keys, err = keyring.Create(filepath.Join(dir, "keys"))
	s.must(err)
	s.store, err = sqlstore.Open(t.Context(), testdb.File(t), sqlstore.Options{Environment: "test"})
	s.must(err)
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	metrics := NewMetrics()
	p := processor.New(processor.Config{
		Store: s.store, Keys: s.keys, Policy: payment.DefaultPolicy, Now: s.clock.Now, Log: log, OnBatch: metrics.OnBatch,
	})
	c := Config{
		Processor: p, Store: s.store, Keys: s.keys, Policy: payment.DefaultPolicy, PublicURL: testOrigin, Environment: "test",
		PINs:       consent.NewPINHasher(s.keys, consent.PINParams{Memory: 64, Passes: 1, Lanes: 1}, 2, 64),
		FirstToken: func() (string, bool) { return firstToken, true },
		Metrics:    metrics, Now: s.clock.Now, Log: log,
	}
	for _, f := range change {
		f(&c)
	}
	s.Service = New(c)
	s.handler = Documented(t, s.Handler())
	t.Cleanup(func() {
		s.Shutdown()
		p.Close()
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *station) furnish() {
	s.Helper()
	s.operator, s.phone, s.kiosk = s.newKey(), s.newKey(), s.newKey()
	s.enrol(s.operator, firstToken, firstIdemKey).expect(201, "")
	token := s.token(s.operator)
	var payee api.AdminPayee
	s.admin(token, "/payees", api.NewPayee{Handle: handle, Name: "Book Shop", Currency: payeeCurrency}).into(201, &payee)
	s.apiKey = payee.APIKey
	for _, key := range []*consent.DeviceKey{s.phone, s.kiosk} {
		s.signed(key, "/v1/devices", consent.TypDevice, &consent.DeviceRegistration{Claims: s.claims(), Label: "device"}).expect(201, "")
	}
	issued := s.issue(cardNumber)
	s.code = issued.Code
	s.admin(token, "/accounts/"+issued.Card.Account+"/top-ups",
		api.NewTopUp{Amount: money.Amount{Minor: 100_00, Currency: payeeCurrency}}).expect(201, "")
	s.activate(s.phone, issued.Code, cardNumber, rightPIN).into(200, &s.card)
}

func (s *station) issue(number consent.AccountNumber) (issued api.CardCode) {
	s.Helper()
	s.admin(s.token(s.operator), "/cards",
		api.NewCard{AccountNumber: string(number), Label: "Campus card", Currency: payeeCurrency}).into(201, &issued)
	return issued
}

func (s *station) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *station) newKey() *consent.DeviceKey {
	key, err := consent.NewDeviceKey()
	s.must(err)
	return key
}

func (s *station) claims() consent.Claims { return consent.NewClaims(s.audience, s.clock.Now()) }

// reply is what the service answered.
type reply struct {
	*station
	status int
	header http.Header
	body   string
}

// expect wants a status and, for a refusal, a problem code.
func (r reply) expect(status int, code string) reply {
	r.Helper()
	var p api.Problem
	if status >= 400 {
		r.must(json.Unmarshal([]byte(r.body), &p))
	}
	if r.status != status || p.Code != code {
		r.Fatalf("answered %d %s, want %d %q", r.status, r.body, status, code)
	}
	return r
}

func (r reply) into(status int, v any) {
	r.Helper()
	r.expect(status, "")
	r.must(json.Unmarshal([]byte(r.body), v))
}

func (r reply) problem() (p api.Problem) {
	r.Helper()
	r.must(json.Unmarshal([]byte(r.body), &p))
	return p
}

// send sends a request; header is names and values by turns.
func (s *station) send(method, path, body string, header ...string) reply {
	s.Helper()
	return s.sendCtx(s.Context(), method, path, body, header...)
}

func (s *station) sendCtx(ctx context.Context, method, path, body string, header ...string) reply {
	s.Helper()
	r, err := http.NewRequestWithContext(ctx, method, s.origin()+path, strings.NewReader(body))
	s.must(err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	if s.server == nil {
		w := httptest.NewRecorder()
		r.RequestURI = path
		s.handler.ServeHTTP(w, r)
		return reply{s, w.Code, w.Header(), w.Body.String()}
	}
	answer, err := s.server.Client().Transport.RoundTrip(r)
	if ctx.Err() != nil {
		return reply{station: s}
	}
	s.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	s.must(err)
	return reply{s, answer.StatusCode, answer.Header, string(text)}
}

func (s *station) origin() string {
	if s.server == nil {
		return testOrigin
	}
	return s.server.URL
}

func (s *station) jws(key *consent.DeviceKey, typ consent.Typ, m any) string {
	s.Helper()
	text, err := consent.Sign(key, typ, m)
	s.must(err)
	return text
}

func (s *station) signed(key *consent.DeviceKey, path string, typ consent.Typ, m any) reply {
	s.Helper()
	return s.send("POST", path, s.jws(key, typ, m), "Content-Type", api.ContentJWS)
}

func (s *station) get(path, token string) reply {
	s.Helper()
	return s.send("GET", path, "", "Authorization", "Bearer "+token)
}

// admin sends an operator's write under a fresh idempotency key.
func (s *station) admin(token, path string, in any) reply {
	s.Helper()
	return s.send("POST", "/v1/admin"+path, string(encode(in)), "Authorization", "Bearer "+token,
		"Content-Type", "application/json", api.IdempotencyHeader, consent.NewID())
}

func (s *station) enrol(key *consent.DeviceKey, token, idem string) reply {
	s.Helper()
	return s.send("POST", "/v1/admin/operators", string(encode(api.NewOperator{Name: "Olga", PublicKey: key.Public().JWK()})),
		"Authorization", "Bearer "+token, "Content-Type", "application/json", api.IdempotencyHeader, idem)
}

func (s *station) tokenForm(key *consent.DeviceKey) url.Values {
	s.Helper()
	return url.Values{
		"grant_type": {grantType}, "client_assertion_type": {assertionType},
		"client_assertion": {s.jws(key, consent.TypAssertion, consent.NewTokenAssertion(key.ID(), s.audience, s.clock.Now()))},
	}
}

const formType = "application/x-www-form-urlencoded"

func (s *station) token(key *consent.DeviceKey) string {
	s.Helper()
	var t api.Token
	s.send("POST", "/v1/token", s.tokenForm(key).Encode(), "Content-Type", formType).into(200, &t)
	return t.AccessToken
}

func (s *station) activate(key *consent.DeviceKey, code string, number consent.AccountNumber, pin consent.PIN) reply {
	s.Helper()
	return s.signed(key, "/v1/cards/activate", consent.TypActivation, &consent.Activation{
		Claims: s.claims(), Code: consent.Code(code), Tap: consent.Tap{Account: number}, PIN: pin,
	})
}

// instruction is a valid one, of 12.50.
func (s *station) instruction(key *consent.DeviceKey, number consent.AccountNumber) *consent.Instruction {
	m := &consent.Instruction{
		Claims: s.claims(), Device: key.ID(), Amount: money.Amount{Minor: 1250, Currency: payeeCurrency}, Payee: handle,
		Tap: consent.Tap{Account: number}, Order: consent.Order{Number: "1042", Description: "Two books"},
	}
	m.ID = string(consent.NewPaymentID())
	return m
}

func (s *station) instruct(key *consent.DeviceKey, number consent.AccountNumber) (p api.Payment) {
	s.Helper()
	s.signed(key, "/v1/payments", consent.TypInstruction, s.instruction(key, number)).into(201, &p)
	return p
}

func (s *station) authenticate(key *consent.DeviceKey, id string, pin consent.PIN) reply {
	s.Helper()
	return s.signed(key, "/v1/payments/"+id+"/authentication", consent.TypAuthentication,
		&consent.Authentication{Claims: s.claims(), Payment: consent.PaymentID(id), PIN: pin})
}

func (s *station) confirm(key *consent.DeviceKey, p api.Payment) reply {
	s.Helper()
	return s.signed(key, "/v1/payments/"+p.ID+"/confirmation", consent.TypConfirmation, &consent.Decision{
		Claims: s.claims(), Payment: consent.PaymentID(p.ID), Decision: consent.Approve, Statement: p.Statement,
	})
}

func (s *station) approve(p api.Payment, code string) reply {
	s.Helper()
	return s.signed(s.phone, "/v1/payments/"+p.ID+"/approval", consent.TypApproval, &consent.Decision{
		Claims: s.claims(), Payment: consent.PaymentID(p.ID), Decision: consent.Approve, Statement: p.Statement, Code: consent.Code(code),
	})
}

func (s *station) cancelBy(key *consent.DeviceKey, id string) reply {
	s.Helper()
	return s.signed(key, "/v1/payments/"+id+"/cancel", consent.TypCancellation,
		&consent.Cancellation{Claims: s.claims(), Payment: consent.PaymentID(id)})
}

// confirmed is a payment from the kiosk that waits for the phone's approval, as the kiosk sees it.
func (s *station) confirmed() (p api.Payment) {
	s.Helper()
	p = s.instruct(s.kiosk, cardNumber)
	s.authenticate(s.kiosk, p.ID, rightPIN).into(200, &p)
	s.confirm(s.kiosk, p).into(200, &p)
	return p
}

// settled is a payment from the kiosk that the phone has approved.
func (s *station) settled() (p api.Payment) {
	s.Helper()
	first := s.confirmed()
	var second api.Payment
	s.get("/v1/payments/"+first.ID, s.token(s.phone)).into(200, &second)
	s.approve(second, first.Code).into(200, &p)
	return p
}

// unsigned is a JWS with a header of one's own and no signature.
func unsigned(header string, claims any) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(header)) + "." + enc(encode(claims)) + "."
}

// panicking is a mux whose one route meets a broken invariant.
func panicking() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /broken", func(http.ResponseWriter, *http.Request) { panic("SECRET of the invariant") })
	return mux
}
