package device_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/internal/clienttest"
	"tapline/money"
)

// A payment on the cardholder's own phone, from the order to the receipt.
func Example() {
	ctx := context.Background()
	service, err := clienttest.Open(ctx) // with the payee books@shop, and a card that the phone is bound to
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	phone := &device.Client{URL: service.URL, Key: service.Phone.Key}

	payee, err := phone.Payee(ctx, "books@shop")
	if err != nil {
		log.Fatal(err)
	}
	order, err := phone.Order(money.Amount{Minor: 12_50, Currency: "CNY"}, payee, consent.Order{Number: "1042", Description: "Two books"})
	if err != nil {
		log.Fatal(err)
	}
	draft, err := order.Tap(clienttest.Account) // what a reader has read
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("send", order.Amount(), "to", payee.Name, "from", draft.CardAccount()) // ask the user

	payment, err := draft.Send(ctx)
	if err != nil {
		log.Fatal(err)
	}
	_, err = payment.Authenticate(ctx, "123") // is not sent
	fmt.Println(errors.Is(err, consent.ErrPIN))
	_, err = payment.Authenticate(ctx, "471111")
	if problem, ok := errors.AsType[*api.Problem](err); ok && errors.Is(err, api.CodeWrongPIN) {
		fmt.Println(problem.Title, "-", *problem.AttemptsLeft, "tries left")
	}
	if _, err := payment.Authenticate(ctx, clienttest.PIN); err != nil {
		log.Fatal(err)
	}
	statement, err := payment.Statement() // show it: this is what is confirmed
	if err != nil {
		log.Fatal(err)
	}
	view, err := payment.Confirm(ctx, statement)
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := payment.Receipt(ctx)
	fmt.Println(view.State, receipt.Receipt.Amount, err)
	for p, err := range phone.EachPayment(ctx, api.RoleInitiator, "settled") {
		fmt.Println(p.Order.Number, p.State, err)
	}
	refunds, err := phone.Refunds(ctx, payment.ID(), "")
	fmt.Println(len(refunds.Refunds), err)
	// Output:
	// send 12.50 CNY to Book Shop from •••• 0005
	// true
	// wrong PIN - 2 tries left
	// settled 12.50 CNY <nil>
	// 1042 settled <nil>
	// 0 <nil>
}
