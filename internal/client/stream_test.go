package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/internal/client"
)

// streams answers requests for events with what write writes into the stream, one function for each connection.
func streams(t *testing.T, write ...func(io.Writer)) (*client.Conn, *[]string) {
	t.Helper()
	s := &service{handle: basics(origin + "/test")}
	var asked []string
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/v1/events" {
			return s.RoundTrip(r)
		}
		asked = append(asked, r.Header.Get("Authorization")+" after "+r.Header.Get("Last-Event-ID"))
		if len(write) == 0 {
			return nil, errors.New("connection refused")
		}
		reader, writer := io.Pipe()
		go func(write func(io.Writer)) { write(writer); writer.Close() }(write[0])
		write = write[1:]
		context.AfterFunc(r.Context(), func() { writer.CloseWithError(context.Cause(r.Context())) })
		header := http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}}
		return &http.Response{StatusCode: 200, Header: header, Body: reader, Request: r}, nil
	})
	conn, err := client.New(client.Config{URL: origin, HTTP: &http.Client{Transport: transport}, Key: newConn(t, s).Key()})
	if err != nil {
		t.Fatal(err)
	}
	return conn, &asked
}

var errEnough = errors.New("enough")

func TestStreamResumesAfterTheLastEventWithAFreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, asked := streams(t,
			func(w io.Writer) {
				io.WriteString(w, ": hello\r\nid: 7\nevent: payment.settled\ndata: {\"a\":\ndata: 1}\n\nid: 8\ndata: cut")
			},
			func(w io.Writer) { // silent for good: the heartbeat is missing
				io.WriteString(w, ": alive\n\n")
				time.Sleep(time.Minute)
			},
			func(w io.Writer) { io.WriteString(w, "event: reset\ndata:\n\nid:9\ndata: x\n\n") },
		)
		var got []string
		err := conn.Stream(t.Context(), "/v1/events", "5", func(e client.Event) error {
			got = append(got, fmt.Sprintf("%s %s %q", e.Type, e.ID, e.Data))
			if e.ID == "9" {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) {
			t.Errorf("got %v, want what the handler returned", err)
		}
		time.Sleep(time.Minute) // the silent one ends, too
		want := []string{
			`open 5 ""`, `payment.settled 7 "{\"a\":\n1}"`, `open 7 ""`, `open 7 ""`, `reset 7 ""`, ` 9 "x"`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got)\n%s", diff)
		}
		wantAsked := []string{"Bearer token1 after 5", "Bearer token1 after 7", "Bearer token1 after 7"}
		if diff := cmp.Diff(wantAsked, *asked); diff != "" {
			t.Errorf("requests (-want +got)\n%s", diff)
		}
	})
}

func TestStreamThatBreaksAfterTheTokensEndGetsANewToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, asked := streams(t,
			func(w io.Writer) {
				for range 20 { // 300 s
					time.Sleep(15 * time.Second)
					io.WriteString(w, ": heartbeat\n\n")
				}
			},
			func(w io.Writer) { io.WriteString(w, "data: x\n\n") })
		err := conn.Stream(t.Context(), "/v1/events", "", func(e client.Event) error {
			if e.Type == "" {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) || len(*asked) != 2 || (*asked)[1] != "Bearer token2 after " {
			t.Errorf("got %v after %q", err, *asked)
		}
	})
}

func TestStreamComesBackWithPausesThatGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, asked := streams(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := conn.Stream(ctx, "/v1/events", "", func(client.Event) error { return nil })
		if !errors.Is(err, context.DeadlineExceeded) || len(*asked) < 10 || len(*asked) > 40 {
			t.Errorf("got %v after %d tries in a minute", err, len(*asked))
		}
	})
}

func TestStreamEndsWhenItIsRefused(t *testing.T) {
	mux := basics(origin + "/test")
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 403, api.Problem{Code: "device_revoked"})
	})
	err := newConn(t, &service{handle: mux}).Stream(t.Context(), "/v1/events", "", func(client.Event) error { return nil })
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != "device_revoked" {
		t.Errorf("got %v", err)
	}
}
