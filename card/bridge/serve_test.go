package bridge_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"tapline/card/bridge"
)

// listen serves a desk on a free port until the test ends, or stop is called.
func listen(t *testing.T, origins ...string) (d desk, url string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d = newDesk(t, listener.Addr().String(), origins...)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx, listener) }()
	ended := false
	stop = func() {
		cancel()
		if !ended {
			ended = true
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return d, "http://" + listener.Addr().String(), stop
}

// post waits for a tap as the shop's page does.
func (d desk) post(ctx context.Context, url string) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/tap", strings.NewReader(`{}`))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Origin", shop)
	r.Header.Set("Authorization", "Bearer "+d.Token)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return response.StatusCode, string(raw), err
}

func TestAPageThatGoesAwayLeavesTheReaderFree(t *testing.T) {
	d, url, _ := listen(t)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, _, err := d.post(ctx, url)
		left <- err
	}()
	<-d.begun
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the page that left: %v", err)
	}
	if err := <-d.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the reader was let go with %v, want the end of the page", err)
	}
	go func() { d.taps <- virtual }()
	for {
		status, body, err := d.post(t.Context(), url)
		if status == http.StatusConflict { // the handler is about to return
			continue
		}
		if status != http.StatusOK || err != nil || !strings.Contains(body, number) {
			t.Errorf("the next page: got %d %s, %v, want the tap", status, body, err)
		}
		break
	}
}

func TestTheEndOfTaplineLetsPagesGo(t *testing.T) {
	d, url, stop := listen(t)
	answered := make(chan int, 1)
	go func() {
		status, _, _ := d.post(t.Context(), url)
		answered <- status
	}()
	<-d.begun
	began := time.Now()
	stop()
	if status := <-answered; status != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503", status)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s to end", took)
	}
}

func TestATapThatComesAfterThePageIsForgotten(t *testing.T) {
	d, url, stop := listen(t)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _, _ = d.post(ctx, url)
	}()
	<-d.begun
	d.taps <- func(ctx context.Context) (bridge.Tap, error) { // a reader that notices the end too late
		leave()
		<-ctx.Done()
		return virtual(t.Context())
	}
	<-left
	if err := <-d.ended; err != nil {
		t.Fatal(err)
	}
	stop()
	if got := d.told.String(); strings.Contains(got, "was read") || strings.Contains(got, "0005") || !strings.Contains(got, "does not wait any more") {
		t.Errorf("the person was told:\n%s", got)
	}
}

func TestSlowAndEndlessRequestsAreCutOff(t *testing.T) {
	d, url, _ := listen(t)
	here := strings.TrimPrefix(url, "http://")
	head := "POST /v1/tap HTTP/1.1\r\nHost: " + here + "\r\nContent-Length: 100\r\nContent-Type: application/json\r\nOrigin: "
	for name, c := range map[string]struct{ request, want string }{
		"endless header":       {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 20<<10), "HTTP/1.1 431 "},
		"slow body":            {head + shop + "\r\nAuthorization: Bearer " + d.Token + "\r\n\r\n{", "HTTP/1.1 413 "},
		"slow body, no token":  {head + shop + "\r\n\r\n{", "HTTP/1.1 401 "},
		"slow body, elsewhere": {head + "https://evil.example\r\n\r\n{", "HTTP/1.1 403 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", here)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, err = io.WriteString(conn, c.request)
			if err := errors.Join(err, conn.SetReadDeadline(time.Now().Add(20*time.Second))); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn) // to the end of the connection
			if !strings.HasPrefix(string(answer), c.want) || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %q, %v, want %q and the end", answer, err, c.want)
			}
		})
	}
}
