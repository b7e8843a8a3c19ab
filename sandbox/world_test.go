package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/httpapi"
	"tapline/internal/egress"
	"tapline/internal/pgtest"
	"tapline/keyring"
	"tapline/ledger"
	"tapline/money"
	"tapline/notice"
	"tapline/operator"
	"tapline/payee"
	"tapline/payment"
	"tapline/processor"
	"tapline/sandbox"
	"tapline/sqlstore"
	"tapline/webhook"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const firstToken = "first-start-token-of-tests"

// node is a service on a database, with a network.
type node struct {
	testing.TB
	store   *sqlstore.Store
	server  *httptest.Server
	service *httpapi.Service
}

// place is where nodes are: a database, keys, and the address by which they are known.
type place struct {
	database, environment, keys string
}

func newPlace(t *testing.T, environment string) place {
	dir := t.TempDir()
	return place{filepath.Join(dir, "tapline.db"), environment, filepath.Join(dir, "keys")}
}

// open opens a node. Limits are those of all payees.
func (p place) open(t *testing.T, limits ledger.Limits) *node {
	t.Helper()
	keys, err := keyring.OpenOrCreate(p.keys)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), p.database, sqlstore.Options{Environment: p.environment})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{TB: t, store: store, server: httptest.NewUnstartedServer(nil)}
	origin := "http://" + n.server.Listener.Addr().String()
	log := slog.New(slog.DiscardHandler)
	pr := processor.New(processor.Config{
		Store: store, Keys: keys, Policy: payment.DefaultPolicy, Limits: processor.Limits{Payees: limits}, Log: log,
	})
	courier := notice.NewCourier(keys, &webhook.Poster{
		Client: egress.NewClient(egress.Options{}), Refused: egress.ErrForbidden, Local: egress.NewClient(egress.Options{Here: true}),
	}, log)
	courier.Processor = pr
	c := httpapi.Config{
		Processor: pr, Store: store, Keys: keys, Policy: payment.DefaultPolicy, PublicURL: origin, Environment: p.environment,
		PINs:       consent.NewPINHasher(keys, consent.PINParams{Memory: 64, Passes: 1, Lanes: 1}, 2, 64),
		FirstToken: func() (string, bool) { return firstToken, true }, Log: log, WebhooksHere: true,
	}
	if store.IsSandbox() {
		courier.Now = time.Now
		c.Environment, c.Now, c.World = "test", store.Clock, time.Now
		c.Sandbox = sandbox.New(sandbox.Config{Store: store, Processor: pr, Keys: keys, URL: origin, OnForward: courier.Kick, Log: log})
	}
	n.service = httpapi.New(c)
	n.server.Config.Handler = n.service.Handler()
	if c.Sandbox != nil {
		c.Sandbox.Through(n.server.Config.Handler)
	}
	n.server.Start()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { courier.Run(ctx) })
	running.Go(func() { pr.Sweep(ctx) })
	t.Cleanup(func() {
		n.service.Shutdown()
		n.server.Close()
		if c.Sandbox != nil {
			c.Sandbox.Close()
		}
		stop()
		running.Wait()
		pr.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// furnish adds an operator and a payee, and returns both.
func (n *node) furnish() (*operator.Client, *payee.Client) {
	n.Helper()
	key, err := consent.NewDeviceKey()
	n.must(err)
	boss := &operator.Client{URL: n.server.URL, Key: key}
	_, err = boss.EnrolFirst(n.Context(), firstToken, "Olga")
	n.must(err)
	return boss, n.payee(boss, "books@shop")
}

func (n *node) payee(boss *operator.Client, handle string) *payee.Client {
	n.Helper()
	made, err := boss.AddPayee(n.Context(), api.NewPayee{Handle: handle, Name: "Shop", Currency: "CNY"})
	n.must(err)
	return &payee.Client{URL: n.server.URL, APIKey: made.APIKey}
}

func (n *node) must(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

// sandboxed is a furnished sandbox with its payee.
func sandboxed(t *testing.T) (*node, *operator.Client, *payee.Client) {
	n := newPlace(t, sqlstore.Sandbox).open(t, ledger.Limits{})
	boss, shop := n.furnish()
	return n, boss, shop
}

var price = money.Amount{Minor: 1250, Currency: "CNY"}

// order makes an order.
func (n *node) order(shop *payee.Client) string {
	n.Helper()
	o, err := shop.MakeOrder(n.Context(), api.NewOrder{Amount: price})
	n.must(err)
	return o.ID
}

// pay has a new card pay a new order.
func (n *node) pay(shop *payee.Client, behaviour string) api.TestPayment {
	n.Helper()
	paid, err := shop.MakeTestPayment(n.Context(), api.NewTestPayment{Order: n.order(shop), Behaviour: behaviour})
	n.must(err)
	return paid
}

// forward puts the clock forward.
func (n *node) forward(shop *payee.Client, d time.Duration) api.TestClock {
	n.Helper()
	c, err := shop.ForwardTestClock(n.Context(), api.TestClockChange{By: int64(d / time.Second)})
	n.must(err)
	return c
}

// state is a payment's state, as the payee sees it.
func (n *node) state(shop *payee.Client, id string) string {
	n.Helper()
	p, err := shop.Payment(n.Context(), id)
	n.must(err)
	return p.State
}

// until waits for something that happens by itself.
func (n *node) until(what string, holds func() bool) {
	n.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			n.Fatalf("%s: not within 30 s", what)
		}
	}
}

// refused wants an error to be a problem with a code.
func refused(t *testing.T, err error, code string) {
	t.Helper()
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != code {
		t.Errorf("got %v, want the problem %s", err, code)
	}
}

// status is the status of a request with a token and a body.
func (n *node) status(method, path, token, body string) int {
	n.Helper()
	r, err := http.NewRequestWithContext(n.Context(), method, n.server.URL+path, strings.NewReader(body))
	n.must(err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	n.must(err)
	n.must(answer.Body.Close())
	return answer.StatusCode
}

// post is the answer to a request with a token and a body.
func (n *node) post(path, token, body string) string {
	n.Helper()
	r, err := http.NewRequestWithContext(n.Context(), "POST", n.server.URL+path, strings.NewReader(body))
	n.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	n.must(err)
	text, err := io.ReadAll(answer.Body)
	n.must(errors.Join(err, answer.Body.Close()))
	return string(text)
}

// deviceToken is a token of a new device, as pages get one.
func (n *node) deviceToken() string {
	n.Helper()
	key, err := consent.NewDeviceKey()
	n.must(err)
	_, err = (&device.Client{URL: n.server.URL, Key: key}).Register(n.Context(), "page")
	n.must(err)
	audience := consent.Audience(n.server.URL, "test")
	assertion, err := consent.Sign(key, consent.TypAssertion, consent.NewTokenAssertion(key.ID(), audience, time.Now()))
	n.must(err)
	answer, err := http.PostForm(n.server.URL+"/v1/token", url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
	n.must(err)
	var token api.Token
	n.must(errors.Join(json.NewDecoder(answer.Body).Decode(&token), answer.Body.Close()))
	return token.AccessToken
}

// accountOf is the account behind a card.
func accountOf(n *node, boss *operator.Client, card string) string {
	n.Helper()
	c, err := boss.Card(n.Context(), consent.CardID(card))
	n.must(err)
	return c.Account
}
