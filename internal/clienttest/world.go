// Package clienttest is what clients are tried against: a service with a payee and a cardholder, in this process or as the program
// that users run.
package clienttest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/httpapi"
	"tapline/keyring"
	"tapline/money"
	"tapline/operator"
	"tapline/payment"
	"tapline/processor"
	"tapline/sqlstore"
)

// The cardholder's card, with a published test number, and PIN.
const (
	Account = consent.AccountNumber("6200000000000005")
	PIN     = consent.PIN("470916")
)

// World is a service in this process, of the test environment, with the payee books@shop and a cardholder with 200.00 CNY.
type World struct {
	URL    string
	APIKey string         // the payee's first: it may do all but manage keys and webhooks
	Phone  *device.Client // the card's associated device
	Card   api.Card

	close []func() error
}

// Open starts a service. Close it.
func Open(ctx context.Context) (*World, error) {
	w := &World{}
	if err := w.serve(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if err := w.furnish(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Close ends the service and forgets all of it.
func (w *World) Close() (err error) {
	for i := len(w.close) - 1; i >= 0; i-- {
		err = errors.Join(err, w.close[i]())
	}
	w.close = nil
	return err
}

func (w *World) atClose(f func()) { w.close = append(w.close, func() error { f(); return nil }) }

// firstToken enrols the operator.
const firstToken = "tfo_for_examples"

func (w *World) serve(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "tapline-clienttest")
	if err != nil {
		return err
	}
	w.close = append(w.close, func() error { return os.RemoveAll(dir) })
	keys, err := keyring.OpenOrCreate(filepath.Join(dir, "keys"))
	if err != nil {
		return err
	}
	store, err := sqlstore.Open(ctx, filepath.Join(dir, "tapline.db"), sqlstore.Options{Environment: "test"})
	if err != nil {
		return err
	}
	w.close = append(w.close, store.Close)
	log := slog.New(slog.DiscardHandler)
	p := processor.New(processor.Config{Store: store, Keys: keys, Now: time.Now, Log: log})
	w.atClose(p.Close)
	server := httptest.NewUnstartedServer(nil)
	w.URL = "http://" + server.Listener.Addr().String()
	service := httpapi.New(httpapi.Config{
		Processor: p, Store: store, Keys: keys, Policy: payment.DefaultPolicy, PublicURL: w.URL, Environment: "test", Version: "test", Log: log,
		PINs:       consent.NewPINHasher(keys, consent.PINParams{Memory: 64, Passes: 1, Lanes: 1}, 2, 200),
		FirstToken: func() (string, bool) { return firstToken, true },
	})
	server.Config.Handler = service.Handler()
	server.Start()
	w.atClose(server.Close)
	w.atClose(service.Shutdown)
	return nil
}

// furnish makes what a payment needs.
func (w *World) furnish(ctx context.Context) error {
	olga, err1 := consent.NewDeviceKey()
	phone, err2 := consent.NewDeviceKey()
	if err := cmp.Or(err1, err2); err != nil {
		return err
	}
	o := &operator.Client{URL: w.URL, Key: olga}
	if _, err := o.EnrolFirst(ctx, firstToken, "Olga"); err != nil {
		return err
	}
	shop, err := o.AddPayee(ctx, api.NewPayee{Handle: "books@shop", Name: "Book Shop", Currency: "CNY"})
	if err != nil {
		return err
	}
	w.APIKey = shop.APIKey
	issued, err := o.IssueCard(ctx, api.NewCard{AccountNumber: string(Account), Label: "Campus card", Currency: "CNY"})
	if err != nil {
		return err
	}
	_, err = o.TopUp(ctx, issued.Card.Account, api.NewTopUp{Amount: money.Amount{Minor: 200_00, Currency: "CNY"}})
	if err != nil {
		return err
	}
	w.Phone = &device.Client{URL: w.URL, Key: phone}
	if _, err := w.Phone.Register(ctx, "My phone"); err != nil {
		return err
	}
	w.Card, err = w.Phone.Activate(ctx, consent.Code(issued.Code), Account, PIN)
	return err
}

// Pay pays an order with the card on the cardholder's phone: it may be the order's id or its URL.
func (w *World) Pay(ctx context.Context, orderURL string) (api.Payment, error) {
	placed, err := w.Phone.PlacedOrder(ctx, payment.OrderID(path.Base(orderURL)))
	if err != nil {
		return api.Payment{}, err
	}
	order, err := w.Phone.Pay(placed)
	if err != nil {
		return api.Payment{}, err
	}
	draft, err := order.Tap(Account)
	if err != nil {
		return api.Payment{}, err
	}
	sent, err := draft.Send(ctx)
	if err != nil {
		return api.Payment{}, err
	}
	if _, err = sent.Authenticate(ctx, PIN); err != nil {
		return api.Payment{}, err
	}
	statement, err := sent.Statement()
	if err != nil {
		return api.Payment{}, err
	}
	view, err := sent.Confirm(ctx, statement)
	if err == nil && view.State != "settled" {
		err = fmt.Errorf("the payment is %s", view.State)
	}
	return view, err
}
