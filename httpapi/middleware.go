package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"runtime/debug"
	"strings"
	"time"
)

// TraceHeader carries the id under which the service logs a request.
const TraceHeader = "Trace-Id"

// writeLimit is how long a client may take for what is written to it.
const writeLimit = 10 * time.Second

type traceKey struct{}

func traceOf(ctx context.Context) string {
	trace, _ := ctx.Value(traceKey{}).(string)
	return trace
}

// traceparent is the header of W3C Trace Context §3.2, version 00.
var traceparent = regexp.MustCompile(`^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$`)

// newTrace takes the caller's trace id over, or makes one.
func newTrace(h http.Header) string {
	if m := traceparent.FindStringSubmatch(h.Get("Traceparent")); m != nil && strings.Trim(m[1], "0") != "" {
		return m[1]
	}
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// recorded is a response writer that remembers what was answered.
type recorded struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader notes the status.
func (s *recorded) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *recorded) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	n, err := s.ResponseWriter.Write(b)
	s.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (s *recorded) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// wrap adds what every request has: a trace id, the headers that keep browsers strict, one line in the log, one
// measurement, and an answer whatever happens.
func (s *Service) wrap(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		trace := newTrace(r.Header)
		r = r.WithContext(context.WithValue(r.Context(), traceKey{}, trace))
		out := &recorded{ResponseWriter: w}
		s.setHeaders(out.Header(), r.URL.Path, trace)
		defer func() {
			if broken := recover(); broken != nil {
				s.recovered(out, r, trace, broken)
			}
			route := r.Pattern
			if route == "" {
				route = "none"
			}
			took := time.Since(began)
			s.Metrics.answered(route, out.status, took)
			s.Log.Info("request", "method", knownMethod(r.Method), "route", route, "status", out.status,
				"ms", float64(took.Microseconds())/1000, "bytes", out.bytes, "trace_id", trace)
		}()
		s.dispatch(mux, out, r, trace)
	})
}

// knownMethod is a method that may be logged: a stranger's own word may be anything.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// recovered answers for a handler that met a broken invariant. http.ErrAbortHandler is the standard library's way to
// cut a connection, and goes on.
func (s *Service) recovered(w *recorded, r *http.Request, trace string, broken any) {
	if broken == http.ErrAbortHandler {
		panic(broken)
	}
	s.Log.Error("request panicked", "route", r.Pattern, "trace_id", trace, "panic", fmt.Sprint(broken), "stack", string(debug.Stack()))
	if w.status == 0 {
		writeProblem(w, s.problem(&refusal{code: "internal"}, trace))
	}
}

// dispatch serves a request, and answers in our own words where the mux would use its: 404, 405, and addresses that it
// would redirect.
func (s *Service) dispatch(mux *http.ServeMux, w http.ResponseWriter, r *http.Request, trace string) {
	handler, pattern := mux.Handler(r)
	switch {
	case len(r.URL.Path) > 512 || r.URL.Path != path.Clean(r.URL.Path):
		writeProblem(w, s.problem(&refusal{code: "not_found"}, trace))
	case pattern != "":
		mux.ServeHTTP(w, r)
	default:
		probe := &headerOnly{header: http.Header{}}
		handler.ServeHTTP(probe, r)
		code := "not_found"
		if probe.status == http.StatusMethodNotAllowed {
			code = "method_not_allowed"
			w.Header().Set("Allow", probe.header.Get("Allow"))
		}
		writeProblem(w, s.problem(&refusal{code: code}, trace))
	}
}

// headerOnly is a response writer that keeps status and headers.
type headerOnly struct {
	header http.Header
	status int
}

// Header is what is kept.
func (h *headerOnly) Header() http.Header { return h.header }

// WriteHeader keeps the status.
func (h *headerOnly) WriteHeader(status int) { h.status = status }

func (h *headerOnly) Write(b []byte) (int, error) { return len(b), nil }

// contentPolicy lets a page load from here only, and be in nobody's frame.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// permissions takes from pages what none of them uses. Those of package webui ask for more.
const permissions = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"

func (s *Service) setHeaders(h http.Header, path, trace string) {
	h.Set(TraceHeader, trace)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Permissions-Policy", permissions)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if strings.HasPrefix(path, "/v1/") {
		h.Set("Cache-Control", "no-store")
	}
	if strings.HasPrefix(s.PublicURL, "https://") {
		h.Set("Strict-Transport-Security", "max-age=31536000") // RFC 6797 §6.1
	}
}

// allow gives a client that much time to be answered, whatever the server's own limit.
func (c *call) allow(d time.Duration) {
	// A writer that knows no deadlines, as in tests, needs none.
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(d))
}
