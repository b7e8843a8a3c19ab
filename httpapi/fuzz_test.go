package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"tapline/api"
)

// FuzzRequests sends anything to every kind of route: whatever comes, nothing breaks.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "/v1/payments", "", api.ContentJWS, "a.b.c")
	f.Add("POST", "/v1/devices", "", api.ContentJWS, "eyJhbGciOiJFUzI1NiJ9.e30.AA")
	f.Add("POST", "/v1/token", "", formType, "grant_type=client_credentials&client_assertion_type="+url.QueryEscape(assertionType)+"&client_assertion=x")
	f.Add("POST", "/v1/admin/operators", "Bearer "+firstToken, "application/json", `{"name":"x","public_key":{"kty":"EC"}}`)
	f.Add("GET", "/v1/payments/pay_x?wait=1&after=2", "Bearer tapline_test_x", "", "")
	f.Add("GET", "/v1/admin/accounts/x/report?from=2026-01-01T00:00:00Z", "Bearer x", "", "")
	f.Add("HEAD", "/v1/events", "Bearer x", "", "")
	f.Add("GET", "/docs/../docs", "", "", "")
	s := openUnserved(f)
	f.Fuzz(func(t *testing.T, method, target, auth, kind, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || !strings.HasPrefix(target, "/") || strings.ContainsAny(method+target, " \r\n\t\x00") || method == "" {
			return
		}
		r := &http.Request{
			Method: method, URL: u, RequestURI: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "pay.example",
			Header: http.Header{"Authorization": {auth}, "Content-Type": {kind}, api.IdempotencyHeader: {"k"}},
			Body:   readCloser{strings.NewReader(body)}, ContentLength: int64(len(body)),
		}
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r.WithContext(t.Context()))
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s %s: %d %s\n%s", method, target, w.Code, w.Body, s.log)
		}
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func FuzzCursor(f *testing.F) {
	f.Add("1760000000000000.pay_AAAAAAAAAAAAAAAAAAAAAA")
	f.Add(".")
	f.Add("9223372036854775807.pay_AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		at, id, err := parseCursor(text)
		if err != nil {
			return
		}
		again, sameID, err := parseCursor(cursor(at, id))
		if err != nil || !again.Equal(at) || sameID != id {
			t.Errorf("%q reads as %v %q, and that as %v %q, %v", text, at, id, again, sameID, err)
		}
	})
}

func FuzzBearer(f *testing.F) {
	f.Add("Bearer abc.def")
	f.Add("bearer  x")
	f.Add("Basic eA==")
	f.Fuzz(func(t *testing.T, value string) {
		token, given, err := bearer(http.Header{"Authorization": {value}})
		if !given || err == nil && (!bearerForm.MatchString(token) || !strings.HasSuffix(value, " "+token)) {
			t.Errorf("%q: token %q, %v, %v", value, token, given, err)
		}
	})
}
