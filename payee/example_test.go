package payee_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"testing"
	"time"

	"tapline/api"
	"tapline/internal/clienttest"
	"tapline/money"
	"tapline/payee"
	"tapline/webhook"
)

// The service that the examples talk to.
var service *clienttest.World

func TestMain(m *testing.M) {
	var err error
	if service, err = clienttest.Open(context.Background()); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	if err := service.Close(); err != nil {
		log.Fatal(err)
	}
	os.Exit(code)
}

func fifty() money.Amount { return money.Amount{Minor: 50, Currency: "CNY"} }

// An order is made, paid by somebody with a card, and a part of it given back.
func Example() {
	ctx := context.Background()
	shop := &payee.Client{URL: service.URL, APIKey: service.APIKey}

	order, err := shop.MakeOrder(ctx, api.NewOrder{Amount: money.Amount{Minor: 12_50, Currency: "CNY"}, Reference: "1042", Description: "Two books"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(order.State, order.Amount) // send the payer to order.URL

	if _, err := service.Pay(ctx, order.URL); err != nil { // a payer does this
		log.Fatal(err)
	}

	if order, err = shop.Order(ctx, order.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(order.State) // deliver now

	back := money.Amount{Minor: 2_50, Currency: "CNY"}
	refund, err := shop.Refund(ctx, api.NewRefund{Payment: order.Payment, Amount: &back, Reason: "a torn page"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(refund.Refunded, "of", refund.Whole)
	// Output:
	// open 12.50 CNY
	// paid
	// 2.50 CNY of 12.50 CNY
}

func ExampleClient_EachOrder() {
	ctx := context.Background()
	shop := &payee.Client{URL: service.URL, APIKey: service.APIKey}
	for range 5 {
		if _, err := shop.MakeOrder(ctx, api.NewOrder{Amount: fifty(), Reference: "stall"}); err != nil {
			log.Fatal(err)
		}
	}

	var sum int64
	for order, err := range shop.EachOrder(ctx, payee.Query{Reference: "stall", State: "open", Limit: 2}) { // pages of two
		if err != nil {
			log.Fatal(err)
		}
		sum += order.Amount.Minor
	}
	fmt.Println(sum)
	// Output: 250
}

// A refusal says what it is about by its code.
func ExampleClient_CancelOrder() {
	ctx := context.Background()
	shop := &payee.Client{URL: service.URL, APIKey: service.APIKey}
	order, err := shop.MakeOrder(ctx, api.NewOrder{Amount: fifty()})
	if err != nil {
		log.Fatal(err)
	}
	if order, err = shop.CancelOrder(ctx, order.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(order.State)

	_, err = shop.CancelOrder(ctx, order.ID)
	fmt.Println(errors.Is(err, api.CodeOrderClosed))
	if problem, ok := errors.AsType[*api.Problem](err); ok {
		fmt.Println(problem.Status, problem.Title)
	}
	// Output:
	// cancelled
	// true
	// 409 the order was paid or cancelled, or has expired
}

// The number of a sale is its idempotency key: who presses twice has one order, also when the program was started anew in between.
func ExampleWithIdempotencyKey() {
	ctx := context.Background()
	sale := payee.WithIdempotencyKey(ctx, "sale-2026-0007")
	shop := &payee.Client{URL: service.URL, APIKey: service.APIKey}
	first, err1 := shop.MakeOrder(sale, api.NewOrder{Amount: fifty()})
	second, err2 := shop.MakeOrder(sale, api.NewOrder{Amount: fifty()})
	fmt.Println(first.ID == second.ID, err1, err2)
	// Output: true <nil> <nil>
}

func ExampleClient_WaitForPayment() {
	ctx := context.Background()
	shop := &payee.Client{URL: service.URL, APIKey: service.APIKey}
	order, err := shop.MakeOrder(ctx, api.NewOrder{Amount: fifty()})
	if err != nil {
		log.Fatal(err)
	}
	paid, err := service.Pay(ctx, order.ID)
	if err != nil {
		log.Fatal(err)
	}
	seen, err := shop.WaitForPayment(ctx, paid.ID, 0, 10*time.Second) // what is newer than version 0 is answered at once
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := shop.Receipt(ctx, paid.ID)
	fmt.Println(seen.State, receipt.Receipt != "", err)
	// Output: settled true <nil>
}

// Events wake a program that cannot be reached by webhooks.
func ExampleClient_Events() {
	ctx := context.Background()
	shop := &payee.Client{URL: service.URL, APIKey: service.APIKey}
	start, err := shop.NextEvents(ctx, "", 0) // where to begin
	if err != nil {
		log.Fatal(err)
	}
	order, err := shop.MakeOrder(ctx, api.NewOrder{Amount: fifty()})
	if err != nil {
		log.Fatal(err)
	}
	enough := errors.New("enough")
	err = shop.Events(ctx, start.Next, func(e payee.Event) error {
		fmt.Println(e.Type, e.Subject == order.ID)
		return enough
	})
	fmt.Println(err)
	// Output:
	// order.open true
	// enough
}

func ExampleVerifyWebhook() {
	keys := webhook.NewKeys()                          // the service's
	secret, message := keys.Secret(), webhook.Message{ // whsec_…; the public key whpk_… will do, too
		ID: "whd_1", Time: time.Now(), Body: []byte(`{"type":"payment.settled","timestamp":"2026-01-01T00:00:00Z","data":{"id":"pay_1"}}`)}
	header, err := message.Header(keys)
	if err != nil {
		log.Fatal(err)
	}

	event, err := payee.VerifyWebhook(message.Body, header, secret)
	fmt.Println(event.Type, event.Data.ID, err) // ask the service for the payment
	_, err = payee.VerifyWebhook([]byte(`{"type":"payment.settled"}`), header, secret)
	fmt.Println(errors.Is(err, payee.ErrWebhookSignature))
	_, err = payee.VerifyWebhook(message.Body, http.Header{}, secret)
	fmt.Println(errors.Is(err, payee.ErrWebhookHeader))
	// Output:
	// payment.settled pay_1 <nil>
	// true
	// true
}
