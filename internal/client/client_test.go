package client_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/internal/client"
)

// origin is where every client of these tests believes to be.
const origin = "https://pay.example"

// service answers requests in process, so that time can be faked around it.
type service struct {
	handle http.Handler
	broken func(*http.Request) error // tells that a request is lost on the way; nil for never

	mu   sync.Mutex
	seen []*http.Request
}

// RoundTrip answers a request.
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.seen = append(s.seen, r)
	s.mu.Unlock()
	if s.broken != nil {
		if err := s.broken(r); err != nil {
			return nil, err
		}
	}
	w := httptest.NewRecorder()
	s.handle.ServeHTTP(w, r)
	return w.Result(), nil
}

// basics answers what every client asks first. audience is what the service calls itself.
func basics(audience string) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/service", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, api.Service{Environment: "test", Audience: audience})
	})
	tokens := 0
	mux.HandleFunc("POST /v1/token", func(w http.ResponseWriter, _ *http.Request) {
		tokens++
		answer(w, 200, api.Token{AccessToken: fmt.Sprint("token", tokens), TokenType: "Bearer", ExpiresIn: 300})
	})
	return mux
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	if p, ok := v.(api.Problem); ok {
		w.Header().Set("Content-Type", api.ContentProblem)
		p.Status = status
		v = p
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func newConn(t *testing.T, s *service) *client.Conn {
	t.Helper()
	key, err := consent.NewDeviceKey()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := client.New(client.Config{URL: origin, HTTP: &http.Client{Transport: s}, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func freeze(c consent.Claims) any { return &consent.Freeze{Claims: c, Card: "card_1"} }

func TestOriginIsSchemeAndHostOnlyAndPlainHTTPStaysOnTheMachine(t *testing.T) {
	for _, c := range []struct {
		address  string
		insecure bool
		want     string
	}{
		{"https://pay.example", false, "https://pay.example"},
		{"https://PAY.example:443/", false, "https://pay.example"},
		{"https://pay.example:8443", false, "https://pay.example:8443"},
		{"http://127.0.0.1:8480", false, "http://127.0.0.1:8480"},
		{"http://[::1]:8480", false, "http://[::1]:8480"},
		{"http://localhost", false, "http://localhost"},
		{"http://pay.example", false, ""},
		{"http://127.0.0.1.example", false, ""},
		{"http://192.168.0.7", false, ""},
		{"http://pay.example", true, "http://pay.example"},
		{"https://pay.example/path", false, ""},
		{"https://me:secret@pay.example", false, ""},
		{"https://pay.example?x=1", false, ""},
		{"ftp://pay.example", true, ""},
		{"pay.example", true, ""},
		{"", true, ""},
	} {
		got, err := client.Origin(c.address, c.insecure)
		if got != c.want || (err == nil) != (c.want != "") || err != nil && !errors.Is(err, client.ErrURL) {
			t.Errorf("Origin(%q, %v) = %q, %v; want %q", c.address, c.insecure, got, err, c.want)
		}
	}
}

func TestServiceThatCallsItselfAnotherGetsNoSignature(t *testing.T) {
	for _, audience := range []string{
		"https://bank.example/test", "https://pay.example/live", "https://pay.example.evil.example/test",
		"https://pay.example", "http://pay.example/test", "",
	} {
		s := &service{handle: basics(audience)}
		conn := newConn(t, s)
		err := conn.Message("/v1/cards/card_1/freeze", consent.TypFreeze, "", freeze).Send(t.Context(), nil)
		readErr := conn.Read(t.Context(), "/v1/cards", nil, 0, nil)
		writeErr := conn.WriteAs(t.Context(), "secret", "/v1/admin/operators", "key", struct{}{}, nil)
		for _, err := range []error{err, readErr, writeErr} {
			if !errors.Is(err, client.ErrAudience) {
				t.Errorf("audience %q: got %v, want ErrAudience", audience, err)
			}
		}
		for _, r := range s.seen {
			if r.URL.Path != "/v1/service" || r.Header.Get("Authorization") != "" {
				t.Errorf("audience %q: sent %s %s", audience, r.Method, r.URL.Path)
			}
		}
	}
}

func TestAdminURLIsWhereRequestsGoAndNotWhatTheServiceIsCalled(t *testing.T) {
	for audience, want := range map[string]error{origin + "/test": nil, "http://127.0.0.1:8481/test": client.ErrAudience} {
		s := &service{handle: basics(audience)}
		conn, err := client.New(client.Config{
			URL: origin, AdminURL: "http://127.0.0.1:8481", HTTP: &http.Client{Transport: s}, Key: newConn(t, s).Key(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Service(t.Context()); !errors.Is(err, want) || conn.Origin() != origin {
			t.Errorf("audience %s: got %v, want %v", audience, err, want)
		}
		for _, r := range s.seen {
			if r.URL.Host != "127.0.0.1:8481" {
				t.Errorf("audience %s: asked %s", audience, r.URL)
			}
		}
	}
	_, err := client.New(client.Config{URL: origin, AdminURL: "http://admin.example"})
	if !errors.Is(err, client.ErrURL) {
		t.Errorf("plain http to another machine: got %v, want ErrURL", err)
	}
}

func TestRedirectIsRefused(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		mux := basics(origin + "/test")
		mux.HandleFunc("POST /v1/cards/card_1/freeze", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", status)
		})
		s := &service{handle: mux}
		err := newConn(t, s).Message("/v1/cards/card_1/freeze", consent.TypFreeze, "", freeze).Send(t.Context(), nil)
		if !errors.Is(err, client.ErrRedirect) {
			t.Errorf("%d: got %v, want ErrRedirect", status, err)
		}
		for _, r := range s.seen {
			if r.URL.Host != "pay.example" {
				t.Errorf("%d: followed to %s", status, r.URL)
			}
		}
	}
}

// attempts sends one write to a service that answers with what fail makes of the try, and returns the claims of each
// try, how long it took, and its error.
func attempts(t *testing.T, fail func(try int) (status int, p api.Problem, lost bool)) ([]consent.Claims, time.Duration, error) {
	t.Helper()
	var claims []consent.Claims
	mux := basics(origin + "/test")
	s := &service{handle: mux}
	conn := newConn(t, s)
	lost := false
	mux.HandleFunc("POST /v1/cards/card_1/freeze", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e, err := consent.Read(string(body), consent.TypFreeze)
		var m consent.Freeze
		if err == nil {
			err = e.Verify(conn.Key().Public(), origin+"/test", time.Now(), &m)
		}
		if err != nil || r.Header.Get("Content-Type") != api.ContentJWS {
			t.Errorf("try %d: %v, content type %s", len(claims)+1, err, r.Header.Get("Content-Type"))
		}
		claims = append(claims, m.Claims)
		status, p, isLost := fail(len(claims))
		if lost = isLost; status == 0 {
			answer(w, 200, api.Card{ID: "card_1"})
			return
		}
		if status == 502 {
			w.WriteHeader(502)
			_, _ = io.WriteString(w, "<h1>proxy</h1>")
			return
		}
		answer(w, status, p)
	})
	base := s.handle
	s.handle = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		base.ServeHTTP(w, r)
		if lost {
			panic(http.ErrAbortHandler)
		}
	})
	conn = withRecovery(t, s, conn)
	began := time.Now()
	var card api.Card
	err := conn.Message("/v1/cards/card_1/freeze", consent.TypFreeze, "", freeze).Send(t.Context(), &card)
	return claims, time.Since(began), err
}

// withRecovery turns a handler's panic into a lost connection.
func withRecovery(t *testing.T, s *service, conn *client.Conn) *client.Conn {
	t.Helper()
	transport := roundTrip(func(r *http.Request) (response *http.Response, err error) {
		defer func() {
			if recover() != nil {
				response, err = nil, errors.New("connection reset by peer")
			}
		}()
		return s.RoundTrip(r)
	})
	again, err := client.New(client.Config{URL: origin, HTTP: &http.Client{Transport: transport}, Key: conn.Key()})
	if err != nil {
		t.Fatal(err)
	}
	return again
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestUnansweredWriteIsSentAgainUnderItsOneID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		claims, took, err := attempts(t, func(try int) (int, api.Problem, bool) {
			switch try {
			case 1:
				return 0, api.Problem{}, true // done, and the answer lost
			case 2:
				return 409, api.Problem{Code: "in_progress", Retryable: true, RetryAfter: 1}, false
			case 3:
				return 502, api.Problem{}, false
			case 4:
				return 503, api.Problem{Code: "busy", RetryAfter: 2}, false
			case 5:
				return 429, api.Problem{Code: "too_many_streams"}, false
			}
			return 0, api.Problem{}, false
		})
		if err != nil || len(claims) != 6 {
			t.Fatalf("got %d tries, %v; want 6 and no error", len(claims), err)
		}
		for i, c := range claims {
			if c.ID != claims[0].ID {
				t.Errorf("try %d has jti %s, the first %s", i+1, c.ID, claims[0].ID)
			}
		}
		if took < 3*time.Second {
			t.Errorf("took %s: the service asked for pauses of 1 s and 2 s", took)
		}
	})
}

func TestRefusedWriteIsNotSentAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		status  int
		problem api.Problem
		tries   int
	}{
		{"wrong PIN", 403, api.Problem{Code: "wrong_pin"}, 1},
		{"conflict", 409, api.Problem{Code: "card_state"}, 1},
		{"long pause", 429, api.Problem{Code: "too_many_approvals", RetryAfter: 60, Retryable: true}, 1},
		{"signature refused", 401, api.Problem{Code: "stale"}, 1},
		{"always busy", 503, api.Problem{Code: "busy"}, 6},
	} {
		synctest.Test(t, func(t *testing.T) {
			claims, _, err := attempts(t, func(int) (int, api.Problem, bool) { return c.status, c.problem, false })
			p, ok := errors.AsType[*api.Problem](err)
			if !ok || p.Code != c.problem.Code || p.Status != c.status || len(claims) != c.tries {
				t.Errorf("%s: %d tries, %v; want %d", c.name, len(claims), err, c.tries)
			}
		})
	}
}

func TestWriteWithoutAnyAnswerIsToldAsSuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		claims, _, err := attempts(t, func(int) (int, api.Problem, bool) { return 0, api.Problem{}, true })
		if !errors.Is(err, client.ErrNoAnswer) || len(claims) != 6 {
			t.Errorf("%d tries, %v; want 6 and ErrNoAnswer", len(claims), err)
		}
	})
}

func TestOldMessageIsSignedAnewUnderTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := basics(origin + "/test")
		s := &service{handle: mux}
		conn := newConn(t, s)
		var claims []consent.Claims
		mux.HandleFunc("POST /v1/cards/card_1/freeze", func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			e, _ := consent.Read(string(body), consent.TypFreeze)
			var m consent.Freeze
			if err := e.Verify(conn.Key().Public(), origin+"/test", time.Now(), &m); err != nil {
				t.Error(err)
			}
			claims = append(claims, m.Claims)
			answer(w, 403, api.Problem{Code: "device_revoked"})
		})
		m := conn.Message("/v1/cards/card_1/freeze", consent.TypFreeze, "", freeze)
		for range 3 {
			if err := m.Send(t.Context(), nil); err == nil {
				t.Fatal("no error")
			}
			time.Sleep(4 * time.Minute)
		}
		if len(claims) != 3 || claims[0].ID != claims[2].ID || claims[2].IssuedAt-claims[0].IssuedAt != 480 {
			t.Errorf("got %+v", claims)
		}
	})
}

func TestTokenIsKeptUntilShortlyBeforeItsEndAndRenewedWhenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := basics(origin + "/test")
		s := &service{handle: mux}
		conn := newConn(t, s)
		var tokens []string
		refuse := ""
		mux.HandleFunc("GET /v1/cards", func(w http.ResponseWriter, r *http.Request) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			tokens = append(tokens, token)
			if token == refuse {
				answer(w, 401, api.Problem{Code: "token_expired"})
				return
			}
			answer(w, 200, api.Cards{})
		})
		read := func() {
			t.Helper()
			if err := conn.Read(t.Context(), "/v1/cards", url.Values{}, 0, &api.Cards{}); err != nil {
				t.Fatal(err)
			}
		}
		read()
		time.Sleep(239 * time.Second)
		read()
		time.Sleep(2 * time.Second) // 241 s of 300
		read()
		refuse = "token2"
		read()
		want := []string{"token1", "token1", "token2", "token2", "token3"}
		if diff := cmp.Diff(want, tokens); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestTokenRefusalIsAProblem(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/service", basics(origin+"/test").ServeHTTP)
	mux.HandleFunc("POST /v1/token", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 401, api.TokenError{Code: "invalid_client", Description: "unknown key"})
	})
	err := newConn(t, &service{handle: mux}).Read(t.Context(), "/v1/cards", nil, 0, nil)
	p, ok := errors.AsType[*api.Problem](err)
	if !ok || p.Code != "invalid_client" || p.Title != "unknown key" || p.Status != 401 {
		t.Errorf("got %v", err)
	}
}

func TestInterruptedWriteSaysThatItsOutcomeIsUnknown(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	mux := basics(origin + "/test")
	mux.HandleFunc("POST /v1/cards/card_1/freeze", func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		answer(w, 503, api.Problem{Code: "busy"})
	})
	err := newConn(t, &service{handle: mux}).Message("/v1/cards/card_1/freeze", consent.TypFreeze, "", freeze).Send(ctx, nil)
	if !errors.Is(err, client.ErrNoAnswer) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want ErrNoAnswer and context.Canceled", err)
	}
}

func TestWriteThatNeverLeftIsToldFromOneThatMayHave(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	cut := errors.New("connection reset")
	untrusted := &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
	is := func(path string) func(*http.Request, int) bool {
		return func(r *http.Request, _ int) bool { return r.URL.Path == path }
	}
	for _, c := range []struct {
		name  string
		fails func(r *http.Request, nth int) bool
		first error // of the requests that fail, and of those after it:
		then  error
		want  error
	}{
		{"nobody listens", func(*http.Request, int) bool { return true }, refused, refused, client.ErrNotSent},
		{"untrusted", func(*http.Request, int) bool { return true }, untrusted, untrusted, client.ErrNotSent},
		{"cut before the write", is("/v1/service"), cut, cut, client.ErrNotSent},
		{"cut during the write", is("/v1/cards/card_1/freeze"), cut, refused, client.ErrNoAnswer},
		{"nobody listens any more", is("/v1/cards/card_1/freeze"), refused, refused, client.ErrNotSent},
		{"the write's last try is cut", is("/v1/cards/card_1/freeze"), refused, cut, client.ErrNoAnswer},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, failed := &service{handle: basics(origin + "/test")}, 0
			s.broken = func(r *http.Request) error {
				if !c.fails(r, failed) {
					return nil
				}
				if failed++; failed == 1 {
					return c.first
				}
				return c.then
			}
			conn := newConn(t, s)
			err := conn.Message("/v1/cards/card_1/freeze", consent.TypFreeze, "", freeze).Send(t.Context(), nil)
			if len(s.seen) > 7 {
				t.Errorf("%s: %d requests", c.name, len(s.seen))
			}
			if c.name == "cut before the write" {
				writeErr := conn.Write(t.Context(), "/v1/admin/operators", "key", struct{}{}, nil)
				if !errors.Is(writeErr, client.ErrNotSent) || errors.Is(writeErr, client.ErrNoAnswer) {
					t.Errorf("%s: an operator's write: got %v", c.name, writeErr)
				}
			}
			other := map[error]error{client.ErrNotSent: client.ErrNoAnswer, client.ErrNoAnswer: client.ErrNotSent}[c.want]
			if !errors.Is(err, c.want) || errors.Is(err, other) {
				t.Errorf("%s: got %v, want %v", c.name, err, c.want)
			}
			if _, kept := errors.AsType[*tls.CertificateVerificationError](err); kept != (c.first == untrusted) {
				t.Errorf("%s: got %v, which hides why", c.name, err)
			}
		})
	}
}
