// Package httpapi is the service over HTTP: what docs/api.md promises.
//
// A handler decodes, calls the processor once, and encodes. Every route is a line of a table (routes.go), from which
// the OpenAPI document is made as well; every error becomes a problem by one table (problem.go). Who may see what of a
// payment is decided in view.go and nowhere else.
//
// A new operation gets its line in the table, and its place in the story of story_test.go: x.tell("makeOrder", "what happens"),
// and the request. go test ./httpapi -run TestExamples -update writes down what was sent and answered, in examples; the document
// shows that.
package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tapline/card/oda"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/history"
	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
	"tapline/sandbox"
)

// Config is what a Service needs.
type Config struct {
	Processor *processor.Processor
	Store     processor.Store
	Keys      *keyring.Keyring
	PINs      *consent.PINHasher
	Policy    payment.Policy

	// PublicURL is the origin by which clients reach the service, such as https://pay.example. With Environment, "live"
	// or "test", it makes the audience of everything that is signed.
	PublicURL   string
	Environment string
	Version     string
	// Epoch names the database's epoch, see sqlstore.Store.Epoch: tokens of another one are void.
	Epoch string

	// History seals what is new and has the heads of it; nil leaves them out.
	History *history.Sealer

	// FirstToken returns the token that enrols the first operator; false when there is none. Nil for none.
	FirstToken func() (token string, ok bool)
	// CodeDigits is the length of approval codes, 2 or 6; 0 for 2.
	CodeDigits int
	// SeparateAdmin leaves /v1/admin and /metrics out of Handler: AdminHandler is served on an address of its own.
	SeparateAdmin bool
	// Mails says that somebody sends e-mail. Otherwise no address is taken.
	Mails bool

	// Pages adds further pages to Handler, such as those of package webui; nil for none.
	Pages func(*http.ServeMux)

	// SkimStep is by how much the counter of a card that proves itself may rise between two taps that are used before
	// somebody is suspected of reading it in between; 0 for no alarm.
	SkimStep int64

	// FourEyesAbove is the most, in minor units, that one operator may put on an account alone; above it another operator has
	// to confirm. 0 for no limit.
	FourEyesAbove int64
	// BankAccountDelay is how long a new bank account of a payee waits before anything is paid out to it.
	BankAccountDelay time.Duration

	// InFlight is how many requests are worked on at once, besides those of operators and those that wait for PINs; 0 for
	// DefaultInFlight. Some more wait for a short time, and all others are told to come again.
	InFlight int

	// Limits are how often devices and addresses may ask for what strangers could wear out or search through.
	Limits Limits

	// WebhooksHere lets webhooks be sent to this machine by plain http, in the test environment.
	WebhooksHere bool

	// Authorities are the keys that payment cards are verified with; nil for none, and then their taps are never authentic.
	Authorities *oda.Authorities
	// TerminalCountry is what payment cards are told of the place of the tap: ISO 3166-1 numeric; 0 for 156, China.
	TerminalCountry uint16

	Metrics *Metrics         // nil for a new one; see NewMetrics
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: slog.Default

	// Sandbox is what makes the service a sandbox; nil for none. World is the time in the world, by which signatures, tokens
	// and rates are judged where Now is that of a test clock; nil for Now.
	Sandbox *sandbox.Sandbox
	World   func() time.Time
}

// Service answers requests. Shut it down.
type Service struct {
	Config
	audience  string
	party     consent.RelyingParty
	masters   []sun.Master  // newest first
	pins      chan struct{} // a place for each request that may check or make PINs; see places
	devices   deviceKeys
	used      usedAssertions
	keyUses   *keyUses
	limiters  *limiters
	admission admission
	watch     *watcher
	streams   waiting
	polls     waiting
	schemas   huma.Registry // not changed after New
	openapi   func() []byte

	closeOnce sync.Once
	closing   chan struct{} // closed when the service shuts down
}

// New makes a service. It panics if the configuration has no processor, store, keys, PINs, address or environment, or
// codes of another length, or if the address is no origin: that is for the caller to have checked.
func New(c Config) *Service {
	if c.Processor == nil || c.Store == nil || c.Keys == nil || c.PINs == nil {
		panic("httpapi: New without a processor, store, keys or PIN hasher")
	}
	if c.PublicURL == "" || c.Environment != "live" && c.Environment != "test" || c.Sandbox != nil && c.Environment != "test" {
		panic("httpapi: New without an address or environment")
	}
	if c.CodeDigits == 0 {
		c.CodeDigits = 2
	}
	if c.CodeDigits != 2 && c.CodeDigits != 6 {
		panic("httpapi: New with approval codes of another length than 2 or 6")
	}
	if c.TerminalCountry == 0 {
		c.TerminalCountry = defaultCountry
	}
	if c.InFlight == 0 {
		c.InFlight = DefaultInFlight
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.World == nil {
		c.World = c.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics()
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	party, err := consent.RelyingPartyOf(c.PublicURL)
	if err != nil {
		panic("httpapi: New with an address that is no origin")
	}
	s := &Service{
		Config:    c,
		audience:  consent.Audience(c.PublicURL, c.Environment),
		party:     party,
		masters:   sunMasters(c.Keys),
		pins:      make(chan struct{}, c.PINs.Places()),
		streams:   waiting{maxOne: maxStreamsOne},
		polls:     waiting{maxOne: maxPollsOne},
		closing:   make(chan struct{}),
		limiters:  newLimiters(c.Limits),
		admission: newAdmission(c.InFlight, c.PINs.Places()),
	}
	s.schemas = newSchemas()
	s.openapi = sync.OnceValue(s.document().text)
	s.watch = newWatcher(c.Store, c.Log)
	s.keyUses = newKeyUses(c.Processor, c.Log)
	c.Metrics.measure(s)
	return s
}

// Handler serves everything, but not what AdminHandler serves where that is separate.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		if (!r.admin || !s.SeparateAdmin) && (!r.sandbox || s.Sandbox != nil) {
			mux.HandleFunc(r.method+" "+r.path, s.serve(r))
		}
	}
	s.addPages(mux)
	if s.Pages != nil {
		s.Pages(mux)
	}
	if !s.SeparateAdmin {
		mux.Handle("GET /metrics", s.Metrics)
	}
	return s.wrap(mux)
}

// AdminHandler serves /v1/admin, POST /v1/token and passkeys for operators, the events, health and metrics: for a listener of its
// own.
func (s *Service) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		if r.admin || r.path == "/v1/token" || r.path == "/v1/service" || r.path == "/v1/events" || r.path == "/v1/events/next" || strings.HasPrefix(r.path, "/v1/sign-in-") {
			mux.HandleFunc(r.method+" "+r.path, s.serve(r))
		}
	}
	s.addHealth(mux)
	mux.Handle("GET /metrics", s.Metrics)
	return s.wrap(mux)
}

// Shutdown wakes every waiting poll, ends every event stream, and says at /readyz that no more should come. Call it
// before shutting the server down, so that this need not wait for them. It returns when nothing of the service's own
// runs any more.
func (s *Service) Shutdown() {
	s.closeOnce.Do(func() { close(s.closing) })
	s.watch.close()
	s.keyUses.close()
}

// now is the time by which payments are judged and all that is kept, in UTC and as precise as the database keeps it.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// world is the time in the world: that of whoever signs and of every token, which no test clock changes.
func (s *Service) world() time.Time { return s.World().UTC().Truncate(time.Microsecond) }
