package payee_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tapline/api"
	"tapline/payee"
)

// reply is what a service says to one try: a problem, nothing at all, or with neither an order.
type reply struct {
	problem *api.Problem
	lost    bool
}

func refusal(status int, code string, wait int) reply {
	return reply{problem: &api.Problem{Status: status, Code: code, RetryAfter: wait}}
}

// script answers one request after the other, the last one again and again.
type script struct {
	replies []reply
	keys    []string // the idempotency keys that came
	bodies  []string
}

// RoundTrip answers.
func (s *script) RoundTrip(request *http.Request) (*http.Response, error) {
	respond := func(status int, kind string, v any) (*http.Response, error) {
		text, err := json.Marshal(v)
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(string(text))), Request: request,
		}, err
	}
	if request.URL.Path == "/v1/service" {
		return respond(200, "application/json", api.Service{Environment: "test", Audience: "https://pay.example/test"})
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	s.keys, s.bodies = append(s.keys, request.Header.Get(api.IdempotencyHeader)), append(s.bodies, string(body))
	now := s.replies[min(len(s.keys), len(s.replies))-1]
	switch {
	case now.lost:
		return nil, errors.New("connection reset by peer")
	case now.problem != nil:
		return respond(now.problem.Status, api.ContentProblem, now.problem)
	}
	return respond(201, "application/json", api.PayeeOrder{ID: "ord_1"})
}

func TestAWriteIsRepeatedUnderItsOneKeyAndOnlyWhereThatMayHelp(t *testing.T) {
	done := reply{}
	for _, c := range []struct {
		name    string
		replies []reply
		tries   int
		least   time.Duration // that it takes
		most    time.Duration
		want    error
	}{
		{"answered", []reply{done}, 1, 0, 0, nil},
		{"no answer", []reply{{lost: true}, {lost: true}, done}, 3, 375 * time.Millisecond, time.Second, nil},
		{"never an answer", []reply{{lost: true}}, 6, 3 * time.Second, 10 * time.Second, payee.ErrNoAnswer},
		{"busy", []reply{refusal(503, "busy", 2), done}, 2, 2 * time.Second, 3 * time.Second, nil},
		{"always busy", []reply{refusal(503, "busy", 2)}, 6, 10 * time.Second, 15 * time.Second, api.CodeBusy},
		{"internal", []reply{refusal(500, "internal", 0), done}, 2, 125 * time.Millisecond, time.Second, nil},
		{"in progress", []reply{refusal(409, "in_progress", 1), done}, 2, time.Second, 2 * time.Second, nil},
		{"too many for a moment", []reply{refusal(429, "too_many_requests", 5), done}, 2, 5 * time.Second, 6 * time.Second, nil},
		{"too many for long", []reply{refusal(429, "too_many_requests", 60), done}, 1, 0, 0, api.CodeTooManyRequests},
		{"closed", []reply{refusal(409, "order_closed", 0), done}, 1, 0, 0, api.CodeOrderClosed},
		{"key reused", []reply{refusal(422, "idempotency_key_reused", 0), done}, 1, 0, 0, api.CodeIdempotencyKeyReused},
		{"malformed", []reply{refusal(400, "malformed", 0), done}, 1, 0, 0, api.CodeMalformed},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{replies: c.replies}
			client := &payee.Client{URL: "https://pay.example", APIKey: "tapline_test_x", HTTP: &http.Client{Transport: s}}
			began := time.Now()
			o, err := client.MakeOrder(t.Context(), api.NewOrder{Reference: "1042"})
			took := time.Since(began)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || (err == nil) != (o.ID == "ord_1") {
				t.Errorf("%s: %+v, %v; want %v", c.name, o, err, c.want)
			}
			if len(s.keys) != c.tries || took < c.least || took > c.most {
				t.Errorf("%s: %d tries in %v; want %d in %v to %v", c.name, len(s.keys), took, c.tries, c.least, c.most)
			}
			for i := range s.keys {
				if s.keys[i] != s.keys[0] || s.keys[i] == "" || s.bodies[i] != s.bodies[0] {
					t.Errorf("%s: try %d has key %q and body %s, the first one %q and %s", c.name, i+1, s.keys[i], s.bodies[i], s.keys[0], s.bodies[0])
				}
			}
		})
	}
}

func TestEachWriteHasAKeyOfItsOwnUnlessOneIsGiven(t *testing.T) {
	s := &script{replies: []reply{{}}}
	client := &payee.Client{URL: "https://pay.example", APIKey: "tapline_test_x", HTTP: &http.Client{Transport: s}}
	ctx := payee.WithIdempotencyKey(t.Context(), "sale-7")
	for _, bad := range []string{"", "é", "a b", "a\r\nX-Evil: 1", strings.Repeat("x", 129)} {
		if _, err := client.MakeOrder(payee.WithIdempotencyKey(ctx, bad), api.NewOrder{}); !errors.Is(err, payee.ErrIdempotencyKey) || len(s.keys) > 0 {
			t.Errorf("key %q: %v, and %q was sent", bad, err, s.keys)
		}
	}
	for range 2 {
		if _, err := client.MakeOrder(t.Context(), api.NewOrder{}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.MakeOrder(ctx, api.NewOrder{}); err != nil {
			t.Fatal(err)
		}
	}
	if s.keys[0] == s.keys[2] || s.keys[1] != "sale-7" || s.keys[3] != "sale-7" {
		t.Errorf("keys: %q", s.keys)
	}
}

func TestAWriteWithoutAKeyIsNotRepeatedOnceItMayHaveBeenDone(t *testing.T) {
	for _, c := range []struct {
		name    string
		replies []reply
		tries   int
		want    error
	}{
		{"no answer", []reply{{lost: true}, {}}, 1, payee.ErrNoAnswer},
		{"internal", []reply{refusal(500, "internal", 0), {}}, 1, api.CodeInternal},
		{"busy", []reply{refusal(503, "busy", 2), {}}, 2, nil},
		{"too many for a moment", []reply{refusal(429, "too_many_requests", 5), {}}, 2, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{replies: c.replies}
			client := &payee.Client{URL: "https://pay.example", APIKey: "tapline_test_x", HTTP: &http.Client{Transport: s}}
			_, err := client.ForwardTestClock(t.Context(), api.TestClockChange{By: 60})
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || len(s.keys) != c.tries || s.keys[0] != "" {
				t.Errorf("%s: %d tries under %q, and %v; want %d and %v", c.name, len(s.keys), s.keys[0], err, c.tries, c.want)
			}
		})
	}
}
