package payee_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"tapline/api"
	"tapline/payee"
)

// pages answers with a page of orders by what is asked for as before, and with a refusal where there is none.
type pages map[string]string

// RoundTrip answers.
func (p pages) RoundTrip(request *http.Request) (*http.Response, error) {
	status, kind, body := 200, "application/json", p[request.URL.Query().Get("before")]
	switch {
	case request.URL.Path == "/v1/service":
		body = `{"environment":"test","audience":"https://pay.example/test"}`
	case body == "":
		status, kind, body = 400, api.ContentProblem, `{"code":"invalid_field"}`
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body)), Request: request,
	}, nil
}

func TestListsEndWithTheLastPageOrAnError(t *testing.T) {
	for _, c := range []struct {
		name  string
		pages pages
		want  string
		err   error
	}{
		{"one page", pages{"": `{"orders":[{"id":"a"},{"id":"b"}]}`}, "a b", nil},
		{"none", pages{"": `{"orders":[]}`}, "", nil},
		{"several, one of them empty", pages{"": `{"orders":[{"id":"a"}],"next":"1"}`, "1": `{"orders":[],"next":"2"}`, "2": `{"orders":[{"id":"b"}]}`}, "a b", nil},
		{"a page that is refused", pages{"": `{"orders":[{"id":"a"}],"next":"1"}`}, "a", api.CodeInvalidField},
		{"a page that is followed by itself", pages{"": `{"orders":[{"id":"a"}],"next":"1"}`, "1": `{"orders":[{"id":"b"}],"next":"1"}`}, "a b", payee.ErrAnswer},
	} {
		client := &payee.Client{URL: "https://pay.example", APIKey: "tapline_test_x", HTTP: &http.Client{Transport: c.pages}}
		var got []string
		var last error
		for order, err := range client.EachOrder(t.Context(), payee.Query{}) {
			if last != nil {
				t.Fatalf("%s: it goes on after %v", c.name, last)
			}
			if last = err; err == nil {
				got = append(got, order.ID)
			}
			if len(got) > 5 {
				t.Fatalf("%s: it does not end", c.name)
			}
		}
		if strings.Join(got, " ") != c.want || !errors.Is(last, c.err) || (last == nil) != (c.err == nil) {
			t.Errorf("%s: %v, %v; want %s, %v", c.name, got, last, c.want, c.err)
		}
	}
}
