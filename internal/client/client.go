// Package client is what all clients of the service have in common: one origin and no other, tokens that are renewed,
// and writes that are sent until they are answered, each under one idempotency key.
package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"tapline/api"
	"tapline/consent"
)

var (
	// ErrURL means an address that the client will not talk to.
	ErrURL = errors.New("the service's address cannot be used")
	// ErrAudience means that the service claims to be another one. Nothing was signed for it.
	ErrAudience = errors.New("the service claims to be another one")
	// ErrRedirect means that the service answered with a redirect, which is not followed.
	ErrRedirect = errors.New("the service redirects elsewhere, which is refused")
	// ErrNoAnswer means that a request was sent, perhaps more than once, and no answer came: it may or may not have
	// been done. Reading tells which; the same write sent again is done once.
	ErrNoAnswer = errors.New("the service did not answer")
	// ErrNotSent means that the service could not be reached, or is not to be trusted with the request: it has not been
	// done. It is not ErrNoAnswer.
	ErrNotSent = errors.New("the service cannot be reached")
	// ErrAnswer means an answer that is not what the API promises.
	ErrAnswer = errors.New("the service's answer cannot be understood")
	// ErrNoKey means that something was to be signed without a key.
	ErrNoKey = errors.New("no key to sign with")
)

// Config says whom to talk to, and as whom.
type Config struct {
	URL      string             // the service's origin, such as https://pay.example
	AdminURL string             // the origin that requests are sent to, if it is another; the service is URL all the same
	HTTP     *http.Client       // nil for one with the standard library's transport; redirects are refused in any case
	Key      *consent.DeviceKey // may be nil for what needs no signature
	Now      func() time.Time   // nil for time.Now
	Insecure bool               // allow plain http to other machines
}

// Conn talks to one service for one key. It may be used by several goroutines.
type Conn struct {
	origin string // what the service is called
	sendTo string // where it is reached
	http   http.Client
	key    *consent.DeviceKey
	now    func() time.Time

	serviceLock sync.Mutex
	service     *api.Service

	tokenLock  sync.Mutex
	token      string
	tokenUntil time.Time
}

// New checks the address. It sends nothing.
func New(cfg Config) (*Conn, error) {
	origin, err := Origin(cfg.URL, cfg.Insecure)
	if err != nil {
		return nil, err
	}
	c := &Conn{origin: origin, sendTo: origin, key: cfg.Key, now: cfg.Now}
	if cfg.AdminURL != "" {
		if c.sendTo, err = Origin(cfg.AdminURL, cfg.Insecure); err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.AdminURL, err)
		}
	}
	if cfg.HTTP != nil {
		c.http = *cfg.HTTP
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// Origin is the service's origin.
func (c *Conn) Origin() string { return c.origin }

// Key is the key that signs; nil if there is none.
func (c *Conn) Key() *consent.DeviceKey { return c.key }

// Service asks once what the service is called. ErrAudience unless its audience begins with the origin that was meant:
// a service that lies about its name must not get signatures that are good for the one it names.
func (c *Conn) Service(ctx context.Context) (api.Service, error) {
	c.serviceLock.Lock()
	defer c.serviceLock.Unlock()
	if c.service != nil {
		return *c.service, nil
	}
	var s api.Service
	if err := c.do(ctx, call{method: http.MethodGet, path: "/v1/service", out: &s}); err != nil {
		return api.Service{}, err
	}
	switch {
	case s.Environment != "live" && s.Environment != "test":
		return api.Service{}, fmt.Errorf("%w: environment %q", ErrAnswer, s.Environment)
	case s.Audience != consent.Audience(c.origin, s.Environment):
		return api.Service{}, fmt.Errorf("%w: it calls itself %q, and was expected to be %s", ErrAudience, s.Audience, c.origin)
	}
	c.service = &s
	return s, nil
}

// Get reads what is public.
func (c *Conn) Get(ctx context.Context, path string, out any) error {
	return c.do(ctx, call{method: http.MethodGet, path: path, out: out})
}

// Read reads with a token. wait is how long the service may keep the request before it answers.
func (c *Conn) Read(ctx context.Context, path string, query url.Values, wait time.Duration, out any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.do(ctx, call{method: http.MethodGet, path: path, auth: c.bearer, out: out, timeout: wait + answerTimeout})
}

// ReadAs is Read with another token than the key's own, such as a payee's API key.
func (c *Conn) ReadAs(ctx context.Context, token, path string, query url.Values, wait time.Duration, out any) error {
	if _, err := c.Service(ctx); err != nil { // the token is for the service that was asked
		return overall(false, err)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	auth := func(context.Context, bool) (string, error) { return token, nil }
	return c.do(ctx, call{method: http.MethodGet, path: path, auth: auth, out: out, timeout: wait + answerTimeout})
}
