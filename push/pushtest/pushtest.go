// Package pushtest is a push service for tests (RFC 8030), with the browsers that it wakes: it checks who sends (RFC 8292)
// and reads what they are sent (RFC 8291), with code of its own.
package pushtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/hkdf"
)

// Message is what a browser was told.
type Message struct {
	Payload string
	TTL     int // seconds
	Urgency string
	Topic   string
	Subject string // whom the sender names
}

// Service is a push service. Its methods are safe for several goroutines.
type Service struct {
	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex
	browsers map[string]*Browser // by path
	arrived  chan struct{}       // closed and replaced at every request
	requests int
}

// Browser is one subscription.
type Browser struct {
	service *Service
	path    string
	key     *ecdh.PrivateKey
	auth    []byte
	server  string // the key that it was given of whoever may send

	got    []Message
	answer func(w http.ResponseWriter, r *http.Request) bool // instead of taking the message; nil for taking it
}

// New starts a push service that ends with the test.
func New(t testing.TB) *Service {
	t.Helper()
	s := &Service{t: t, browsers: map[string]*Browser{}, arrived: make(chan struct{})}
	s.server = httptest.NewTLSServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.server.Close)
	return s
}

// Roots are whom to believe that this is the push service.
func (s *Service) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.server.Certificate())
	return pool
}

// Certificate is the push service's own.
func (s *Service) Certificate() *x509.Certificate { return s.server.Certificate() }

// Subscribe makes a browser for a sender with a public key, in base64url.
func (s *Service) Subscribe(sender string) *Browser {
	s.t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	b := &Browser{service: s, path: "/push/" + rand.Text(), key: key, auth: make([]byte, 16), server: sender}
	rand.Read(b.auth)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.browsers[b.path] = b
	return b
}

// Endpoint is where the browser is woken.
func (b *Browser) Endpoint() string { return b.service.server.URL + b.path }

// Key is the browser's public key.
func (b *Browser) Key() []byte { return b.key.PublicKey().Bytes() }

// Private is the browser's private key.
func (b *Browser) Private() []byte { return b.key.Bytes() }

// Auth is what browser and sender both know.
func (b *Browser) Auth() []byte { return b.auth }

// Answer lets something else happen to the messages of a browser than taking them; it reports whether it has answered.
func (b *Browser) Answer(with func(w http.ResponseWriter, r *http.Request) bool) {
	b.service.mu.Lock()
	defer b.service.mu.Unlock()
	b.answer = with
}

// Got are the messages that arrived.
func (b *Browser) Got() []Message {
	b.service.mu.Lock()
	defer b.service.mu.Unlock()
	return slices.Clone(b.got)
}

// Requests is how many requests arrived, whatever came of them.
func (s *Service) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// Wait waits until a browser got n messages.
func (b *Browser) Wait(n int) []Message {
	b.service.t.Helper()
	return b.service.until(func() bool { return len(b.got) >= n }, func() []Message { return b.got })
}

// WaitRequests waits until n requests arrived.
func (s *Service) WaitRequests(n int) {
	s.t.Helper()
	s.until(func() bool { return s.requests >= n }, func() []Message { return nil })
}

func (s *Service) until(enough func() bool, take func() []Message) []Message {
	s.t.Helper()
	patience := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		done, got, arrived := enough(), slices.Clone(take()), s.arrived
		s.mu.Unlock()
		if done {
			return got
		}
		select {
		case <-arrived:
		case <-patience:
			s.t.Fatalf("the push service waits in vain; it got %d requests", s.Requests())
		}
	}
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	s.mu.Lock()
	s.requests++
	b := s.browsers[r.URL.Path]
	var instead func(http.ResponseWriter, *http.Request) bool
	if b != nil {
		instead = b.answer
	}
	s.mu.Unlock()
	defer s.tell()
	if b == nil {
		w.WriteHeader(http.StatusGone)
		return
	}
	if instead != nil && instead(w, r) {
		return
	}
	m, err := b.read(r, body)
	if err != nil {
		s.t.Errorf("push service: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	b.got = append(b.got, m)
	s.mu.Unlock()
	w.WriteHeader(http.StatusCreated)
}

func (s *Service) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.arrived)
	s.arrived = make(chan struct{})
}

// read takes a request apart as RFC 8030 §5 has it.
func (b *Browser) read(r *http.Request, body []byte) (m Message, err error) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Encoding") != "aes128gcm" || r.Header.Get("Cookie") != "" {
		return m, fmt.Errorf("%s with coding %q", r.Method, r.Header.Get("Content-Encoding"))
	}
	if m.TTL, err = strconv.Atoi(r.Header.Get("TTL")); err != nil {
		return m, err
	}
	m.Urgency, m.Topic = r.Header.Get("Urgency"), r.Header.Get("Topic")
	if len(m.Topic) > 32 {
		return m, fmt.Errorf("topic %q", m.Topic)
	}
	if m.Subject, err = b.sender(r.Header.Get("Authorization"), "https://"+r.Host); err != nil {
		return m, err
	}
	text, err := b.decrypt(body)
	m.Payload = string(text)
	return m, err
}

// sender checks the proof of RFC 8292 and returns the subject.
func (b *Browser) sender(header, audience string) (string, error) {
	fields, ok := strings.CutPrefix(header, "vapid ")
	if !ok {
		return "", errors.New("no vapid authorization")
	}
	given := map[string]string{}
	for _, field := range strings.Split(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		given[name] = value
	}
	if given["k"] != b.server {
		return "", errors.New("another sender than the one subscribed to")
	}
	point, err := base64.RawURLEncoding.Strict().DecodeString(given["k"])
	if err != nil {
		return "", err
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return "", err
	}
	signed, err := jose.ParseSignedCompact(given["t"], []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", err
	}
	payload, err := signed.Verify(key)
	if err != nil {
		return "", err
	}
	var claims struct {
		Aud, Sub string
		Exp      int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", err
	}
	left := time.Until(time.Unix(claims.Exp, 0))
	if claims.Aud != audience || left < -time.Hour || left > 24*time.Hour {
		return "", fmt.Errorf("a token for %s, for %v more", claims.Aud, left)
	}
	return claims.Sub, nil
}

// decrypt reads a body of one record (RFC 8188 §2, RFC 8291 §3).
func (b *Browser) decrypt(body []byte) ([]byte, error) {
	if len(body) < 86+17 || binary.BigEndian.Uint32(body[16:]) < uint32(len(body)-86) || body[20] != 65 {
		return nil, fmt.Errorf("a body of %d bytes", len(body))
	}
	salt, point, record := body[:16], body[21:86], body[86:]
	sender, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, err
	}
	shared, err := b.key.ECDH(sender)
	if err != nil {
		return nil, err
	}
	expand := func(secret, salt []byte, info string, n int) []byte {
		out := make([]byte, n)
		_, _ = io.ReadFull(hkdf.New(sha256.New, secret, salt, []byte(info)), out) // there is more of it
		return out
	}
	ikm := expand(shared, b.auth, "WebPush: info\x00"+string(b.Key())+string(point), 32)
	block, err := aes.NewCipher(expand(ikm, salt, "Content-Encoding: aes128gcm\x00", 16))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	text, err := aead.Open(nil, expand(ikm, salt, "Content-Encoding: nonce\x00", 12), record, nil)
	if err != nil {
		return nil, err
	}
	text = []byte(strings.TrimRight(string(text), "\x00"))
	if len(text) == 0 || text[len(text)-1] != 2 {
		return nil, errors.New("not the last record")
	}
	return text[:len(text)-1], nil
}
