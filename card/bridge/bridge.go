// Package bridge lets the web page of a named origin wait for a tap on this computer's card reader, and no other page. It
// is an HTTP handler for a loopback address. docs/reader.md is its protocol, SECURITY.md the attacks it withstands.
package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tapline/card"
	"tapline/consent"
)

// MaxWait is how long one request waits for a tap at most. A page that still wants one asks again.
const MaxWait = 25 * time.Second

// ErrNoTap means that nobody tapped a card in the time given.
var ErrNoTap = errors.New("no card was tapped")

// ErrOrigin means that a text is not an origin as browsers send it.
var ErrOrigin = errors.New("want an origin such as https://shop.example: https, or http on this machine, in small letters, without a path and a default port")

// Reader waits for cards. Its methods may be called by several goroutines, Tap by one at a time.
type Reader interface {
	// Tap waits for a card and reads it. When nobody has tapped one after request.Wait, the error is ErrNoTap; a card that
	// is being read by then is read to the end. Of a card that cannot be read it is an error of package card. The end of
	// ctx ends it at once and leaves the reader free for others.
	Tap(ctx context.Context, request Request) (Tap, error)
	// Readers lists what is plugged in.
	Readers(ctx context.Context) ([]Status, error)
}

// Status is a card reader at one moment.
type Status struct {
	Name string `json:"name"`
	Card bool   `json:"card"` // one is in it, or on it
}

// Tap is what a page learns from a card that was tapped for it: what it hands on to the service, and what it may show.
type Tap struct {
	Scheme    card.Scheme    `json:"scheme"`
	Label     string         `json:"label,omitempty"`
	Last4     string         `json:"last4,omitempty"`
	Assurance card.Assurance `json:"assurance"` // as far as a reader can tell; the service judges proofs
	Tap       consent.Tap    `json:"tap"`       // the same field of an instruction
}

// Config is what a Bridge needs to know.
type Config struct {
	Origins []string // whose pages may wait, such as https://shop.example
	Address string   // where it listens, 127.0.0.1:PORT
	Token   string   // of NewToken
	Version string   // of tapline, for pages
	Reader  Reader
	Say     func(string) // tells the person at this computer what goes on, never a number or a token; one call at a time
}

// NewToken makes a token of 130 random bits.
func NewToken() string { return rand.Text() }

// Bridge is the handler. Make it with New.
type Bridge struct {
	Config
	hosts   []string // by which a browser reaches it
	slot    chan struct{}
	waiter  string // origin that was told to be waiting; who holds the slot may touch it
	guesses guesses
	voice   voice
}

// New checks the origins and makes a Bridge. The error is ErrOrigin.
func New(c Config) (*Bridge, error) {
	for _, origin := range c.Origins {
		if err := CheckOrigin(origin); err != nil {
			return nil, err
		}
	}
	_, port, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, err
	}
	b := &Bridge{Config: c, slot: make(chan struct{}, 1)}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		b.hosts = append(b.hosts, net.JoinHostPort(host, port))
	}
	return b, nil
}

// CheckOrigin returns ErrOrigin unless a browser sends exactly this text for pages of this origin (RFC 6454 §6.2). Pages
// that came in the clear from elsewhere are none: anybody on the way could have written them.
func CheckOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || origin != u.Scheme+"://"+u.Host || u.Hostname() == "" {
		return fmt.Errorf("%w, not %q", ErrOrigin, origin)
	}
	ours := slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
	odd := strings.ContainsFunc(origin, func(r rune) bool { return r <= ' ' || r > '~' || r >= 'A' && r <= 'Z' || r == '*' })
	defaultPort := u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80"
	if odd || defaultPort || strings.HasSuffix(u.Host, ":") || u.Scheme != "https" && (u.Scheme != "http" || !ours) {
		return fmt.Errorf("%w, not %q", ErrOrigin, origin)
	}
	return nil
}

// Limits of a connection. A body has bodyLimit of time and maxBody of space.
const (
	headerLimit = 3 * time.Second
	bodyLimit   = 3 * time.Second
	readLimit   = 20 * time.Second // a card, once it is there
	idleLimit   = time.Minute
	closeLimit  = 3 * time.Second
	maxHeader   = 8 << 10
	maxBody     = 4 << 10
)

// Serve answers on the listener until ctx ends, which lets waiting pages go.
func (b *Bridge) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: b, ReadHeaderTimeout: headerLimit, WriteTimeout: MaxWait + readLimit, IdleTimeout: idleLimit,
		MaxHeaderBytes: maxHeader,
		BaseContext:    func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	err := server.Shutdown(limit)
	if err != nil {
		err = errors.Join(err, server.Close())
	}
	if closed := <-failed; !errors.Is(closed, http.ErrServerClosed) {
		err = errors.Join(err, closed)
	}
	return err
}
