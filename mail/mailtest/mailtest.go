// Package mailtest is a mail relay for tests.
package mailtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Letter is an e-mail that the relay has taken.
type Letter struct {
	From, To string // of the envelope
	Raw      string
	TLS      bool
}

// Header is the letter's header.
func (l Letter) Header() mail.Header {
	m, err := mail.ReadMessage(strings.NewReader(l.Raw))
	if err != nil {
		return nil
	}
	return m.Header
}

// Relay takes mail on this machine.
type Relay struct {
	t       testing.TB
	scheme  string
	address string
	config  *tls.Config
	roots   *x509.CertPool

	mu       sync.Mutex
	user     string // empty: nobody has to prove anything
	password string
	answer   func(step, about string) error
	letters  []Letter
	server   *smtp.Server
	listener net.Listener
	stopped  chan struct{}
}

// New starts a relay of one of the kinds smtps, smtp+starttls and smtp.
func New(t testing.TB, scheme string) *Relay {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate
	web.Close()
	r := &Relay{t: t, scheme: scheme, address: "127.0.0.1:0", roots: x509.NewCertPool()}
	r.config = &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}
	r.roots.AddCert(web.Certificate())
	r.Start()
	t.Cleanup(r.Stop)
	return r
}

// URL is where the relay is.
func (r *Relay) URL() string { return r.scheme + "://" + r.address }

// Roots are those by which the relay's certificate is verified.
func (r *Relay) Roots() *x509.CertPool { return r.roots }

// Demand has the relay ask for user and password.
func (r *Relay) Demand(user, password string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.user, r.password = user, password
}

// Answer has f say what the relay answers at the steps mail, rcpt and data; nil takes all.
func (r *Relay) Answer(f func(step, about string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// Refusal is an answer of a relay.
func Refusal(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
}

// Letters are those that were taken.
func (r *Relay) Letters() []Letter {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.letters)
}

// Start starts the relay again where it was.
func (r *Relay) Start() {
	r.t.Helper()
	listener, err := net.Listen("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.address = listener.Addr().String()
	if r.scheme == "smtps" {
		listener = tls.NewListener(listener, r.config)
	}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{relay: r, conn: c}, nil }))
	s.Domain, s.ReadTimeout, s.WriteTimeout = "relay.example", time.Minute, time.Minute
	s.AllowInsecureAuth = r.scheme == "smtp"
	s.ErrorLog = quiet{}
	if r.scheme == "smtp+starttls" {
		s.TLSConfig = r.config
	}
	done := make(chan struct{})
	r.mu.Lock()
	r.server, r.listener, r.stopped = s, listener, done
	r.mu.Unlock()
	go func() {
		defer close(done)
		_ = s.Serve(listener)
	}()
}

// Stop ends the relay and what it has under way.
func (r *Relay) Stop() {
	r.mu.Lock()
	server, listener, stopped := r.server, r.listener, r.stopped
	r.mu.Unlock()
	_ = listener.Close() // the server may not know it yet
	_ = server.Close()
	<-stopped
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// session is one connection.
type session struct {
	relay  *Relay
	conn   *smtp.Conn
	proved bool
	letter Letter
}

func (s *session) ask(step, about string) error {
	s.relay.mu.Lock()
	answer, demanded := s.relay.answer, s.relay.user != ""
	s.relay.mu.Unlock()
	if demanded && !s.proved {
		return smtp.ErrAuthRequired
	}
	if answer == nil {
		return nil
	}
	return answer(step, about)
}

// AuthMechanisms lists how to prove who one is.
func (s *session) AuthMechanisms() []string {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	if s.relay.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth begins such a proof.
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.relay.mu.Lock()
		defer s.relay.mu.Unlock()
		if user != s.relay.user || password != s.relay.password {
			return errors.New("wrong user or password")
		}
		s.proved = true
		return nil
	}), nil
}

// Reset forgets the letter under way.
func (s *session) Reset() { s.letter = Letter{} }

// Logout ends the connection.
func (s *session) Logout() error { return nil }

// Mail begins a letter.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.letter = Letter{From: from}
	return s.ask("mail", from)
}

// Rcpt says for whom it is.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.letter.To = to
	return s.ask("rcpt", to)
}

// Data takes it.
func (s *session) Data(from io.Reader) error {
	raw, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	if err := s.ask("data", string(raw)); err != nil {
		return err
	}
	_, s.letter.TLS = s.conn.TLSConnectionState()
	s.letter.Raw = string(raw)
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.relay.letters = append(s.relay.letters, s.letter)
	return nil
}
