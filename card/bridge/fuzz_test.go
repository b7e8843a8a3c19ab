package bridge_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"tapline/card/bridge"
)

// still is a reader that nobody taps. It counts who waits.
type still int

func (s *still) Tap(context.Context, bridge.Request) (bridge.Tap, error) {
	*s++
	return bridge.Tap{}, bridge.ErrNoTap
}

func (s *still) Readers(context.Context) ([]bridge.Status, error) { return nil, nil }

func FuzzRequestsGetToTheReaderOnlyByEveryGate(f *testing.F) {
	f.Add("POST", "/v1/tap", address, shop, "Bearer T", "application/json", `{"wait":3}`)
	f.Add("POST", "/v1/tap", address, shop, "Bearer T", "application/json", `{"challenge":{"id":"x","unpredictable_number":"01020304","amount_authorised":"000000000001","transaction_currency":"0156","terminal_country":"0156","expires_in":1}}`)
	f.Add("OPTIONS", "/v1/tap", "localhost:4711", "null", "", "text/plain", "")
	f.Add("GET", "/v1/reader", "evil.example:4711", "https://shop.example.evil.example", "bearer T", "", "{}")
	f.Fuzz(func(t *testing.T, method, path, host, origin, token, kind, body string) {
		var reader still
		b, err := bridge.New(bridge.Config{Origins: []string{shop}, Address: address, Token: "T", Reader: &reader, Say: func(string) {}})
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{
			Method: method, URL: &url.URL{Path: path}, Host: host, Body: http.NoBody,
			Header: http.Header{"Origin": {origin}, "Authorization": {token}, "Content-Type": {kind}},
		}
		if body != "" {
			r.Body = httptest.NewRequest("POST", "/", strings.NewReader(body)).Body
		}
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		known := origin == shop && (host == address || host == "localhost:4711")
		if allowed := w.Header().Get("Access-Control-Allow-Origin"); known != (allowed == shop) || !known && allowed != "" {
			t.Errorf("host %q, origin %q: allowed %q", host, origin, allowed)
		}
		may := known && token == "Bearer T" && method == "POST" && path == "/v1/tap" && strings.HasPrefix(strings.ToLower(strings.TrimSpace(kind)), "application/json")
		if reader > 0 && !may || (reader > 0) != (w.Code == http.StatusNoContent && method != "OPTIONS") {
			t.Errorf("%s %q of %q at %q with %q, %q, %q: %d waits, %d", method, path, origin, host, token, kind, body, reader, w.Code)
		}
	})
}
