package webui_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/httpapi"
	"tapline/internal/testdb"
	"tapline/keyring"
	"tapline/operator"
	"tapline/payment"
	"tapline/processor"
	"tapline/sqlstore"
	"tapline/webui"
)

// pin is the cardholder's.
const pin = "470916"

// world is a service with its pages, an operator, a payee and a card that proves itself, which nobody has activated.
type world struct {
	*testing.T
	ctx      context.Context
	url      string
	server   *httptest.Server
	operator *operator.Client
	shop     api.AdminPayee
	issued   api.CardCode

	mu   sync.Mutex
	tag  *cardtest.SUN
	taps []string // all that the card has written
	sent []string // method and path of every request to /v1
	late time.Duration

	other map[string]func(string) string // changes of files, by path
	dark  bool                           // every connection breaks
	cut   func()                         // cuts those that are open

	written atomic.Int64 // bytes to browsers, with their headers
}

// replace serves a file changed, as a new release would.
func (w *world) replace(path string, change func(string) string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.other = map[string]func(string) string{path: change}
}

// unplugged breaks every connection, or no more. Workers of pages notice that, other than a browser that plays offline.
func (w *world) unplugged(is bool) {
	w.mu.Lock()
	w.dark = is
	w.mu.Unlock()
	if is {
		w.cut()
	}
}

// serve answers as the service does, but for what a test has changed.
func (w *world) serve(service http.Handler, out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	change, dark := w.other[r.URL.Path], w.dark
	w.mu.Unlock()
	switch {
	case dark:
		panic(http.ErrAbortHandler)
	case change == nil:
		service.ServeHTTP(out, r)
		return
	}
	r.Header.Del("Accept-Encoding")
	r.Header.Del("If-None-Match")
	kept := httptest.NewRecorder()
	service.ServeHTTP(kept, r)
	out.Header().Set("Content-Type", kept.Header().Get("Content-Type"))
	if _, err := io.WriteString(out, change(kept.Body.String())); err != nil {
		w.Log(err)
	}
}

// openWorld is a world for a test that runs beside others.
func openWorld(t *testing.T, change ...func(*httpapi.Config)) *world {
	t.Helper()
	t.Parallel()
	return quietWorld(t, change...)
}

// quietWorld is a world for a test that measures, beside which no other runs.
func quietWorld(t *testing.T, change ...func(*httpapi.Config)) *world {
	t.Helper()
	w := bareWorld(t, change...)
	w.furnish()
	return w
}

// bareWorld is a service that nobody has used.
func bareWorld(t *testing.T, change ...func(*httpapi.Config)) *world {
	t.Helper()
	w := &world{T: t, ctx: t.Context()}
	dir := t.TempDir()
	keys, err := keyring.OpenOrCreate(filepath.Join(dir, "keys"))
	w.must(err)
	store, err := sqlstore.Open(w.ctx, testdb.File(t), sqlstore.Options{Environment: "test"})
	w.must(err)
	server := httptest.NewUnstartedServer(nil)
	w.server = server
	server.Listener = counted{server.Listener, &w.written}
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	w.must(err)
	w.url = "http://localhost:" + port // by name: browsers make passkeys for names only
	log := slog.New(slog.DiscardHandler)
	p := processor.New(processor.Config{Store: store, Keys: keys, Now: w.now, Log: log})
	c := httpapi.Config{
		Processor: p, Store: store, Keys: keys, Policy: payment.DefaultPolicy, PublicURL: w.url, Environment: "test", Version: "test",
		PINs:       consent.NewPINHasher(keys, consent.PINParams{Memory: 64, Passes: 1, Lanes: 1}, 2, 200),
		FirstToken: func() (string, bool) { return "tfo_for_tests", true }, Now: w.now, Log: log,
		Pages: func(mux *http.ServeMux) { webui.Handle(mux); w.addCards(mux) },
	}
	for _, f := range change {
		f(&c)
	}
	service := httpapi.New(c)
	handler := service.Handler()
	server.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			w.sent = append(w.sent, r.Method+" "+r.URL.Path)
		}
		w.mu.Unlock()
		w.serve(handler, out, r)
	})
	server.Start()
	w.cut = server.CloseClientConnections
	t.Cleanup(func() {
		service.Shutdown()
		server.Close()
		p.Close()
		findings, err := store.Check(context.Background(), nil)
		if err != nil || len(findings) > 0 {
			t.Errorf("the books: %v, %v", findings, err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// counted counts what is written to the connections of a listener.
type counted struct {
	net.Listener
	written *atomic.Int64
}

// Accept is a connection whose writes are counted.
func (l counted) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return countedConn{conn, l.written}, err
}

type countedConn struct {
	net.Conn
	written *atomic.Int64
}

// Write counts.
func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n))
	return n, err
}

// now is the service's clock, which a test may set ahead.
func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.late)
}

// wait lets time pass, for the service.
func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late += d
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) furnish() {
	w.Helper()
	key, err := consent.NewDeviceKey()
	w.must(err)
	w.operator = &operator.Client{URL: w.url, Key: key}
	_, err = w.operator.EnrolFirst(w.ctx, "tfo_for_tests", "Olga")
	w.must(err)
	w.shop, err = w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "books@shop", Name: "Book Shop", Currency: "CNY"})
	w.must(err)
	const uid = "04C1D2E3F40580"
	w.issued, err = w.operator.IssueCard(w.ctx, api.NewCard{SUN: &api.NewSUN{UID: uid}, Label: "City card", Currency: "CNY"})
	w.must(err)
	_, err = w.operator.TopUp(w.ctx, w.issued.Card.Account, api.NewTopUp{Amount: cny(200_00)})
	w.must(err)
	id, err := sun.ParseUID(uid)
	w.must(err)
	meta, err := sun.ParseKey(w.issued.SUN.MetaKey)
	w.must(err)
	file, err := sun.ParseKey(w.issued.SUN.FileKey)
	w.must(err)
	w.tag = &cardtest.SUN{UID: id, Meta: meta, File: file}
}

// tap is what the card writes into its address at one more tap.
func (w *world) tap() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taps = append(w.taps, w.tag.Tap())
	return w.taps[len(w.taps)-1]
}

// addCards lets pages tap the card as in a demo.
func (w *world) addCards(mux *http.ServeMux) {
	answer := func(out http.ResponseWriter, v any) {
		out.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(out).Encode(v); err != nil {
			w.Log(err)
		}
	}
	mux.HandleFunc("GET /demo/cards", func(out http.ResponseWriter, _ *http.Request) {
		answer(out, map[string]any{"cards": []map[string]string{{"id": w.issued.Card.ID, "label": "City card"}}})
	})
	mux.HandleFunc("POST /demo/cards/{id}/taps", func(out http.ResponseWriter, _ *http.Request) {
		answer(out, map[string]any{"tap": map[string]string{"sun": w.tap()}})
	})
}

// requests are those that were sent to /v1 since the last call, tokens apart.
func (w *world) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var sent []string
	for _, r := range w.sent {
		if r != "POST /v1/token" {
			sent = append(sent, r)
		}
	}
	w.sent = nil
	return sent
}

func (w *world) balance(account string) int64 {
	w.Helper()
	a, err := w.operator.Account(w.ctx, account)
	w.must(err)
	return a.Balance
}
