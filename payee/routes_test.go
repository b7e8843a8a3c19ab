package payee_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tapline/api"
	"tapline/httpapi"
	"tapline/money"
	"tapline/payee"
)

// whole is a span with everything that there is to say of one.
var whole = payee.Span{From: time.Unix(1, 0), Until: time.Unix(2, 0), Oldest: true}

// calls is how each operation that a payee's API key may ask for is asked for with the client, with everything in the query that there is
// to ask for. Ids in the calls are "X".
var calls = map[string]func(context.Context, *payee.Client) error{
	"listAPIKeys":  func(ctx context.Context, c *payee.Client) error { return second(c.Keys(ctx)) },
	"makeAPIKey":   func(ctx context.Context, c *payee.Client) error { return second(c.MakeKey(ctx, api.NewAPIKey{})) },
	"rotateAPIKey": func(ctx context.Context, c *payee.Client) error { return second(c.RotateKey(ctx, "X", time.Hour)) },
	"revokeAPIKey": func(ctx context.Context, c *payee.Client) error { return second(c.RevokeKey(ctx, "X")) },
	"getSelf":      func(ctx context.Context, c *payee.Client) error { return second(c.Self(ctx)) },
	"setUndo":      func(ctx context.Context, c *payee.Client) error { return second(c.SetUndo(ctx, time.Minute)) },

	"listSignInPasskeys":  func(ctx context.Context, c *payee.Client) error { return second(c.Passkeys(ctx)) },
	"removeSignInPasskey": func(ctx context.Context, c *payee.Client) error { return second(c.RemovePasskey(ctx, "X")) },

	"makeOrder": func(ctx context.Context, c *payee.Client) error { return second(c.MakeOrder(ctx, api.NewOrder{})) },
	"listOrders": func(ctx context.Context, c *payee.Client) error {
		return first(c.EachOrder(ctx, payee.Query{State: "paid", Reference: "1042", Amount: money.Amount{Minor: 1, Currency: "CNY"}, Least: 1, Most: 2, Span: whole, Before: "9", Limit: 2}))
	},
	"getOrder":    func(ctx context.Context, c *payee.Client) error { return second(c.Order(ctx, "X")) },
	"cancelOrder": func(ctx context.Context, c *payee.Client) error { return second(c.CancelOrder(ctx, "X")) },

	"makeOrderTemplate": func(ctx context.Context, c *payee.Client) error {
		return second(c.MakeTemplate(ctx, api.NewOrderTemplate{}))
	},
	"listOrderTemplates":   func(ctx context.Context, c *payee.Client) error { return second(c.Templates(ctx)) },
	"getOrderTemplate":     func(ctx context.Context, c *payee.Client) error { return second(c.Template(ctx, "X")) },
	"disableOrderTemplate": func(ctx context.Context, c *payee.Client) error { return second(c.DisableTemplate(ctx, "X")) },

	"listPayments": func(ctx context.Context, c *payee.Client) error {
		return first(c.EachPayment(ctx, payee.PaymentQuery{State: "settled", Reference: "1042", Least: 1, Most: 2, Currency: "CNY", Span: whole, Before: "9", Limit: 2}))
	},
	"getPayment": func(ctx context.Context, c *payee.Client) error {
		return second(c.WaitForPayment(ctx, "X", 3, 5*time.Second))
	},
	"cancelPayment": func(ctx context.Context, c *payee.Client) error { return second(c.CancelPayment(ctx, "X")) },
	"getReceipt":    func(ctx context.Context, c *payee.Client) error { return second(c.Receipt(ctx, "X")) },

	"makeRefund": func(ctx context.Context, c *payee.Client) error { return second(c.Refund(ctx, api.NewRefund{})) },
	"listRefunds": func(ctx context.Context, c *payee.Client) error {
		return first(c.EachRefund(ctx, payee.RefundQuery{Payment: "X", Span: whole, Before: "9", Limit: 2}))
	},
	"getRefund": func(ctx context.Context, c *payee.Client) error { return second(c.MadeRefund(ctx, "X")) },
	"getOwnReport": func(ctx context.Context, c *payee.Client) error {
		return second(c.ReportFile(ctx, "csv", "CNY", time.Unix(1, 0), time.Unix(2, 0)))
	},

	"streamEvents": func(ctx context.Context, c *payee.Client) error { return c.Events(ctx, "7", nil) },
	"nextEvents":   func(ctx context.Context, c *payee.Client) error { return second(c.NextEvents(ctx, "7", time.Second)) },

	"makeWebhookEndpoint": func(ctx context.Context, c *payee.Client) error {
		return second(c.MakeWebhook(ctx, api.NewWebhookEndpoint{}))
	},
	"listWebhookEndpoints": func(ctx context.Context, c *payee.Client) error { return second(c.Webhooks(ctx)) },
	"getWebhookEndpoint":   func(ctx context.Context, c *payee.Client) error { return second(c.WebhookEndpoint(ctx, "X")) },
	"changeWebhookEndpoint": func(ctx context.Context, c *payee.Client) error {
		return second(c.ChangeWebhook(ctx, "X", api.WebhookChange{}))
	},
	"rotateWebhookSecret":   func(ctx context.Context, c *payee.Client) error { return second(c.RotateWebhook(ctx, "X", time.Hour)) },
	"removeWebhookEndpoint": func(ctx context.Context, c *payee.Client) error { return second(c.RemoveWebhook(ctx, "X")) },
	"testWebhookEndpoint":   func(ctx context.Context, c *payee.Client) error { return second(c.TestWebhook(ctx, "X")) },
	"listWebhookDeliveries": func(ctx context.Context, c *payee.Client) error {
		return first(c.EachDelivery(ctx, "X", payee.DeliveryQuery{State: "failed", Span: whole, Before: "9", Limit: 2}))
	},
	"replayWebhookDelivery": func(ctx context.Context, c *payee.Client) error { return second(c.Replay(ctx, "X")) },
	"replayFailedWebhooks": func(ctx context.Context, c *payee.Client) error {
		return second(c.ReplayFailed(ctx, "X", time.Unix(1, 0)))
	},
	"getTestClock": func(ctx context.Context, c *payee.Client) error { return second(c.TestClock(ctx)) },
	"forwardTestClock": func(ctx context.Context, c *payee.Client) error {
		return second(c.ForwardTestClock(ctx, api.TestClockChange{By: 1}))
	},
	"listTestCards": func(ctx context.Context, c *payee.Client) error { return second(c.TestCards(ctx)) },
	"makeTestCard": func(ctx context.Context, c *payee.Client) error {
		return second(c.MakeTestCard(ctx, api.NewTestCard{}))
	},
	"makeTestPayment": func(ctx context.Context, c *payee.Client) error {
		return second(c.MakeTestPayment(ctx, api.NewTestPayment{}))
	},
	"makePayout": func(ctx context.Context, c *payee.Client) error { return second(c.RequestPayout(ctx, api.NewPayout{})) },
	"getPayout":  func(ctx context.Context, c *payee.Client) error { return second(c.Payout(ctx, "X")) },
	"listPayouts": func(ctx context.Context, c *payee.Client) error {
		return first(c.EachPayout(ctx, payee.PayoutQuery{State: "sent", Currency: "CNY", Span: whole, Before: "9", Limit: 7}))
	},
	"listPayoutPlans": func(ctx context.Context, c *payee.Client) error { return second(c.PayoutPlans(ctx)) },

	"makeTestEvent": func(ctx context.Context, c *payee.Client) error { return second(c.MakeTestEvent(ctx, "order.paid")) },
}

// without are operations that an API key may ask for and the client does not, and why.
var without = map[string]string{
	"registerSignInPasskey": "only a browser can make a passkey, and registers it there (webui/files/till/passkeys.js)",
}

// unasked are parameters that the client does not ask with, and why.
var unasked = map[string]string{
	"listPayments role": "an API key has one role",
	"getPayment expand": "WholePayment asks with it, and does not wait",
}

func second[T any](_ T, err error) error { return err }

// first asks for the first of what is to be listed.
func first[T any](seq func(func(T, error) bool)) (err error) {
	seq(func(_ T, e error) bool { err = e; return false })
	return err
}

// operation is what the document tells of one.
type operation struct {
	ID         string                `json:"operationId"`
	Security   []map[string][]string `json:"security"`
	Parameters []struct {
		Name string `json:"name"`
		In   string `json:"in"`
	} `json:"parameters"`

	method, path string
}

// operations are those of the OpenAPI document that take an API key.
func operations(t *testing.T) (found []operation) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(httpapi.Document("https://pay.example", "test"), &document); err != nil {
		t.Fatal(err)
	}
	for path, methods := range document.Paths {
		for method, op := range methods {
			if slices.ContainsFunc(op.Security, func(s map[string][]string) bool { return s["payee_key"] != nil }) {
				op.method, op.path = strings.ToUpper(method), path
				found = append(found, op)
			}
		}
	}
	if len(found) < 30 {
		t.Fatalf("%d operations take an API key: does this test still find them?", len(found))
	}
	return found
}

// recorder keeps the last request but those for the service's name.
type recorder struct{ last *http.Request }

// RoundTrip refuses what it has kept, so that nothing is asked for twice.
func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	status, kind, body := 418, api.ContentProblem, `{"code":"not_now"}`
	if request.URL.Path == "/v1/service" {
		status, kind, body = 200, "application/json", `{"environment":"test","audience":"https://pay.example/test"}`
	} else {
		r.last = request
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body)), Request: request,
	}, nil
}

// TestEveryOperationOfAPayeeHasAMethod compares the client with the OpenAPI document.
func TestEveryOperationOfAPayeeHasAMethod(t *testing.T) {
	known := map[string]bool{}
	for _, op := range operations(t) {
		known[op.ID] = true
		call, reason := calls[op.ID], without[op.ID]
		if call == nil && reason == "" {
			t.Errorf("%s %s (%s) takes an API key, and package payee has no method for it: add one to payee/*.go and a line to calls in "+
				"payee/routes_test.go; or, if no program of a payee could want it, say why in without. The client in clients/js gets its "+
				"method with: make clients", op.method, op.path, op.ID)
		}
		if call != nil {
			asks(t, op, call)
		}
	}
	for id := range calls {
		if !known[id] || without[id] != "" {
			t.Errorf("payee/routes_test.go calls %s, which no API key may ask for, or which is listed as being without a method", id)
		}
	}
	for id := range without {
		if !known[id] {
			t.Errorf("payee/routes_test.go is without %s, which is no operation with an API key: take the line out", id)
		}
	}
}

// asks sees that a call of the client asks for an operation, as the document has it.
func asks(t *testing.T, op operation, call func(context.Context, *payee.Client) error) {
	t.Helper()
	r := &recorder{}
	c := &payee.Client{URL: "https://pay.example", APIKey: " tapline_test_x ", HTTP: &http.Client{Transport: r}}
	err := call(t.Context(), c)
	if r.last == nil {
		t.Errorf("%s: nothing was asked for: %v", op.ID, err)
		return
	}
	var want []string
	path, headers := op.path, map[string]bool{}
	for _, p := range op.Parameters {
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", "X")
		case p.In == "query" && unasked[op.ID+" "+p.Name] == "":
			want = append(want, p.Name)
		case p.In == "header":
			headers[p.Name] = true
		}
	}
	for _, name := range []string{api.IdempotencyHeader, "Last-Event-ID"} {
		if sent := r.last.Header.Get(name) != ""; sent != headers[name] {
			t.Errorf("%s: the client sends the header %s: %t; the document has it: %t", op.ID, name, sent, headers[name])
		}
	}
	var asked []string
	for name := range r.last.URL.Query() {
		asked = append(asked, name)
	}
	slices.Sort(want)
	slices.Sort(asked)
	if got := r.last.Method + " " + r.last.URL.Path; got != op.method+" "+path {
		t.Errorf("%s: the client asks for %s, and it is %s %s", op.ID, got, op.method, path)
	}
	if !slices.Equal(want, asked) {
		t.Errorf("%s: the client asks with %q in the query, and there is %q: let its Query have the others, or say in unasked of "+
			"payee/routes_test.go why not", op.ID, asked, want)
	}
	if r.last.Header.Get("Authorization") != "Bearer tapline_test_x" {
		t.Errorf("%s: without the API key", op.ID)
	}
	if problem := api.CodeNotNow; err == nil || !isCode(err, problem) {
		t.Errorf("%s: a refusal is %v, want %s", op.ID, err, problem)
	}
}
