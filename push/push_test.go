package push

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/internal/egress"
	"tapline/internal/testenv"
	"tapline/keyring"
	"tapline/push/pushtest"
)

func raw(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEncryptionIsThatOfTheStandard is the example of RFC 8291 §5, whose values Appendix A has.
func TestEncryptionIsThatOfTheStandard(t *testing.T) {
	own, err := ecdh.P256().NewPrivateKey(raw(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	s := Subscription{
		Key:  raw(t, "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
		Auth: raw(t, "BTBZMqHH6r4Tts7J_aSIgg"),
	}
	got, err := s.encryptWith(own, raw(t, "DGv6ra1nlYgDCS1FRnbzlw"), []byte("When I grow up, I want to be a watermelon"), 0)
	want := "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95b" +
		"Qpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if text := base64.RawURLEncoding.EncodeToString(got); err != nil || text != want {
		t.Errorf("%v\n got %s\nwant %s", err, text, want)
	}
}

// TestOthersReadIt has http_ece, which many push libraries stand on, read what is sent.
func TestOthersReadIt(t *testing.T) {
	const library = "../webui/testdata/npm/node_modules/http_ece"
	node, err := exec.LookPath("node")
	_, missing := os.Stat(library)
	testenv.Require(t, "npm", err == nil && missing == nil, "install Node.js and run scripts/install-test-deps")
	browser := pushtest.New(t).Subscribe("")
	s := Subscription{Endpoint: browser.Endpoint(), Key: browser.Key(), Auth: browser.Auth()}
	for _, text := range []string{"", "x", `{"wake":"approve"}`, strings.Repeat("long ", 700)} {
		body, err := s.encrypt([]byte(text), padding)
		if err != nil {
			t.Fatal(err)
		}
		script := `const ece = require(process.argv[1]), { createECDH } = require('crypto');
			const key = createECDH('prime256v1'); key.setPrivateKey(Buffer.from(process.argv[2], 'base64url'));
			const text = ece.decrypt(Buffer.from(process.argv[4], 'base64url'), { version: 'aes128gcm', privateKey: key, authSecret: process.argv[3] });
			process.stdout.write(text);`
		where, err := filepath.Abs(library)
		if err != nil {
			t.Fatal(err)
		}
		enc := base64.RawURLEncoding.EncodeToString
		command := exec.CommandContext(t.Context(), node, "-e", script, where, enc(browser.Private()), enc(browser.Auth()), enc(body))
		var told bytes.Buffer
		command.Stderr = &told
		got, err := command.Output()
		if err != nil || string(got) != text {
			t.Errorf("%d bytes: %v, read as %.60q\n%s", len(text), err, got, &told)
		}
	}
}

// post is a sender, a push service and a browser that it may wake.
type post struct {
	*Sender
	service *pushtest.Service
	browser *pushtest.Browser
	to      Subscription
}

func open(t *testing.T) *post {
	t.Helper()
	keys, err := keyring.Create(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := PublicKey(keys, 1)
	if err != nil {
		t.Fatal(err)
	}
	p := &post{service: pushtest.New(t)}
	p.browser = p.service.Subscribe(key)
	p.to = Subscription{Endpoint: p.browser.Endpoint(), Key: p.browser.Key(), Auth: p.browser.Auth(), Version: 1}
	p.Sender = &Sender{Keys: keys, Subject: "mailto:ops@pay.example", Now: time.Now,
		Client: egress.NewClient(egress.Options{Private: true, Roots: p.service.Roots()})}
	return p
}

var wake = Message{Payload: []byte(`{"wake":"approve"}`), TTL: 179*time.Second + 999*time.Millisecond, Urgency: High, Topic: "approve"}

func TestBrowserIsToldBySomebodyWhoProvesWhoItIs(t *testing.T) {
	p := open(t)
	if err := p.to.Check(); err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), p.to, wake); err != nil {
		t.Fatal(err)
	}
	want := []pushtest.Message{{Payload: `{"wake":"approve"}`, TTL: 179, Urgency: "high", Topic: "approve", Subject: "mailto:ops@pay.example"}}
	if diff := cmp.Diff(want, p.browser.Got()); diff != "" {
		t.Error(diff)
	}
}

func TestLengthTellsNothing(t *testing.T) {
	p := open(t)
	short, err := p.to.encrypt([]byte("a"), padding)
	if err != nil {
		t.Fatal(err)
	}
	long, err := p.to.encrypt(bytes.Repeat([]byte("a"), padding), padding)
	if err != nil || len(short) != len(long) {
		t.Errorf("%v: bodies of %d and %d bytes", err, len(short), len(long))
	}
	if _, err := p.to.encrypt(make([]byte, MaxPayload+1), 0); !errors.Is(err, ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	if body, err := p.to.encrypt(make([]byte, MaxPayload), 0); err != nil || len(body) != recordSize {
		t.Errorf("as long as can be: %v, %d bytes", err, len(body))
	}
}

func TestOldKeyServesWhatWasSubscribedToIt(t *testing.T) {
	p := open(t)
	p.to.Version = 2
	if err := p.Send(t.Context(), p.to, wake); !errors.Is(err, keyring.ErrVersion) {
		t.Errorf("with a key that there is not: %v", err)
	}
	key, err := PublicKey(p.Keys, 1)
	if v, ok := VersionOf(p.Keys, key); err != nil || v != 1 || !ok {
		t.Errorf("%v: version %d, %v", err, v, ok)
	}
	if _, ok := VersionOf(p.Keys, key[1:]+"A"); ok {
		t.Error("a stranger's key is called the service's")
	}
}

func TestWhatBecomesOfAMessage(t *testing.T) {
	for status, want := range map[int]error{
		200: nil, 201: nil, 202: nil, 301: ErrRefused, 307: ErrRefused, 400: ErrRefused, 401: ErrRefused, 403: ErrRefused, 404: ErrGone, 410: ErrGone,
		413: ErrRefused, 429: ErrLater, 500: ErrLater, 503: ErrLater,
	} {
		p := open(t)
		p.browser.Answer(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Location", "https://127.0.0.1:1/")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			return true
		})
		err := p.Send(t.Context(), p.to, wake)
		if !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", status, err, want)
		}
		if delay, ok := errors.AsType[*Delay](err); ok != (want == ErrLater) || ok && delay.After != 7*time.Second {
			t.Errorf("%d: asks to wait %+v", status, delay)
		}
		if err != nil && strings.Contains(err.Error(), "/push/") {
			t.Errorf("%d: the error names the endpoint: %v", status, err)
		}
	}
}

func TestUnreachableServiceIsLaterAndNotNamed(t *testing.T) {
	p := open(t)
	p.to.Endpoint = "https://127.0.0.1:1/push/SECRET"
	if err := p.Send(t.Context(), p.to, wake); !errors.Is(err, ErrLater) || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("nobody listens: %v", err)
	}
	came := make(chan struct{})
	p.browser.Answer(func(_ http.ResponseWriter, r *http.Request) bool { close(came); <-r.Context().Done(); return true })
	p.to.Endpoint = p.browser.Endpoint()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Send(ctx, p.to, wake) }()
	<-came
	cancel()
	if err := <-done; !errors.Is(err, ErrLater) || strings.Contains(err.Error(), p.browser.Endpoint()) {
		t.Errorf("a service that never answers: %v", err)
	}
}

// TestThiefCannotMakeTheServiceTalkToItself names addresses that only the service's own network has.
func TestThiefCannotMakeTheServiceTalkToItself(t *testing.T) {
	p := open(t)
	p.Client = egress.NewClient(egress.Options{Roots: p.service.Roots()})
	err := p.Send(t.Context(), p.to, wake)
	if !errors.Is(err, ErrLater) || !errors.Is(err, egress.ErrForbidden) || p.service.Requests() != 0 {
		t.Errorf("%v, and %d requests", err, p.service.Requests())
	}
}

func TestSubscriptionsAreChecked(t *testing.T) {
	good := open(t).to
	for name, change := range map[string]func(*Subscription){
		"http":             func(s *Subscription) { s.Endpoint = "http://push.example/x" },
		"no host":          func(s *Subscription) { s.Endpoint = "https:///x" },
		"only a port":      func(s *Subscription) { s.Endpoint = "https://:443/x" },
		"a password":       func(s *Subscription) { s.Endpoint = "https://a:b@push.example/x" },
		"a fragment":       func(s *Subscription) { s.Endpoint = "https://push.example/x#y" },
		"no address":       func(s *Subscription) { s.Endpoint = "push" },
		"a file":           func(s *Subscription) { s.Endpoint = "file:///etc/passwd" },
		"control bytes":    func(s *Subscription) { s.Endpoint = "https://push.example/\r\nHost: x" },
		"nothing":          func(s *Subscription) { s.Endpoint = "" },
		"too long":         func(s *Subscription) { s.Endpoint = "https://push.example/" + strings.Repeat("x", MaxEndpoint) },
		"short key":        func(s *Subscription) { s.Key = s.Key[:64] },
		"compressed point": func(s *Subscription) { s.Key = append([]byte{2}, s.Key[1:33]...) },
		"not on the curve": func(s *Subscription) { s.Key = append([]byte{4}, make([]byte, 64)...) },
		"short secret":     func(s *Subscription) { s.Auth = s.Auth[:15] },
		"long secret":      func(s *Subscription) { s.Auth = append(bytes.Clone(s.Auth), 0) },
	} {
		s := Subscription{good.Endpoint, bytes.Clone(good.Key), bytes.Clone(good.Auth), 1}
		change(&s)
		if err := s.Check(); !errors.Is(err, ErrSubscription) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "-5": 0, "30": 30 * time.Second, "999999999999": maxDelay, "9999999999999999999999": 0, "soon": 0,
		"Sun, 01 Mar 2026 12:00:05 GMT": 5 * time.Second, "Sun, 01 Mar 2026 11:00:00 GMT": 0, "Sun, 01 Mar 2027 12:00:00 GMT": maxDelay,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
