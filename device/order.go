package device

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"tapline/api"
	"tapline/consent"
	"tapline/internal/client"
	"tapline/money"
	"tapline/order"
	"tapline/payment"
)

// Order is what the user is about to pay for. It is on this device only: nothing of it has been sent.
type Order struct {
	client *Client
	amount money.Amount
	payee  api.Payee
	order  consent.Order
	terms  order.Terms // of an order that the payee has made: order has its id

	rehearsal bool
}

// ErrNoRehearsals means that the service, or the payee, takes no rehearsals. Nothing was sent.
var ErrNoRehearsals = errors.New("no rehearsals are taken there")

// Order makes an order to a payee as Client.Payee returned it. Nothing is sent. The error says which fact cannot be:
// an amount that cannot be paid, a payee who takes another currency, a text that cannot be shown.
func (c *Client) Order(amount money.Amount, payee api.Payee, terms consent.Order) (Order, error) {
	if !amount.Valid() {
		return Order{}, fmt.Errorf("%w: it must be more than nothing, in a known currency", money.ErrAmount)
	}
	if err := consent.CheckHandle(payee.Handle); err != nil {
		return Order{}, err
	}
	if payee.Currency != "" && payee.Currency != amount.Currency {
		return Order{}, fmt.Errorf("%w: %s takes %s", money.ErrMismatch, payee.Handle, takes(payee))
	}
	clean, err := terms.Clean()
	if err != nil {
		return Order{}, err
	}
	if clean.ID != "" {
		return Order{}, fmt.Errorf("%w: order.id; see Client.Pay", consent.ErrInvalid)
	}
	o := Order{client: c, amount: amount, payee: payee, order: clean}
	return o, o.checkFee()
}

// checkFee takes no tariff that tells no fee, nor one that makes the total one that cannot be paid.
func (o Order) checkFee() error {
	if o.payee.Fee != nil && !o.tariff().Valid() {
		return fmt.Errorf("%w: the payee's fee", ErrAnswer)
	}
	if !o.Total().Valid() {
		return fmt.Errorf("%w: with its fee", money.ErrTooLarge)
	}
	return nil
}

// takes are the currencies in which a payee is paid.
func takes(payee api.Payee) string {
	if len(payee.Currencies) == 0 {
		return string(payee.Currency)
	}
	var all []string
	for _, c := range payee.Currencies {
		all = append(all, string(c))
	}
	return strings.Join(all, ", ")
}

// Rehearse makes a rehearsal of the order: a payment that goes through every step and moves no money. ErrNoRehearsals if
// the payee, as it was looked up, takes none.
func (o Order) Rehearse() (Order, error) {
	if !o.payee.Rehearsals {
		return Order{}, fmt.Errorf("%w: %s", ErrNoRehearsals, o.payee.Handle)
	}
	o.rehearsal = true
	return o, nil
}

// Rehearsal reports whether no money is to move.
func (o Order) Rehearsal() bool { return o.rehearsal }

// Amount is how much.
func (o Order) Amount() money.Amount { return o.amount }

// Fee is what the user pays besides the amount, by the payee's tariff as it was looked up; zero for nothing.
func (o Order) Fee() money.Amount {
	minor := o.tariff().Of(o.amount.Minor).Minor
	if minor == 0 {
		return money.Amount{}
	}
	return money.Amount{Minor: minor, Currency: o.amount.Currency}
}

// tariff is the payee's as it was looked up, where it concerns who pays.
func (o Order) tariff() payment.Tariff {
	f := o.payee.Fee
	if f == nil {
		return payment.Tariff{}
	}
	return payment.Tariff{Points: f.BasisPoints, Fixed: f.Fixed, Least: f.Least, Most: f.Most, Bearer: payment.PayerBears}
}

// Total is what the user pays: amount and fee.
func (o Order) Total() money.Amount {
	return money.Amount{Minor: o.amount.Minor + o.Fee().Minor, Currency: o.amount.Currency}
}

// Payee is who gets it, as it was looked up.
func (o Order) Payee() api.Payee { return o.payee }

// Terms are the order's number and description, as they will be sent.
func (o Order) Terms() consent.Order { return o.order }

// Tap adds the card account that the device has read. Nothing is sent.
func (o Order) Tap(account consent.AccountNumber) (*Draft, error) {
	if err := account.Check(); err != nil {
		return nil, err
	}
	return &Draft{Order: o, account: account, id: consent.NewPaymentID()}, nil
}

// TapSUN adds the message that a card which proves itself wrote into its URL at this tap: the URL, or its fragment alone.
// It makes one payment: after a refusal the card has to be tapped again. Nothing is sent.
func (o Order) TapSUN(message consent.SUNMessage) (*Draft, error) {
	if err := message.Check(); err != nil {
		return nil, err
	}
	return &Draft{Order: o, sun: message, id: consent.NewPaymentID()}, nil
}

// TapEMV adds what reader and payment card said to each other with a challenge of Client.TapChallenge for this order's
// Total, and the card account that the device has read in it. Nothing is sent.
func (o Order) TapEMV(emv consent.EMVTap, account consent.AccountNumber) (*Draft, error) {
	if err := account.Check(); err != nil {
		return nil, err
	}
	if err := (consent.Tap{EMV: &emv}).Validate(); err != nil {
		return nil, err
	}
	return &Draft{Order: o, account: account, emv: &emv, id: consent.NewPaymentID()}, nil
}

// Draft is an instruction that is ready to be sent, and on this device only until Send. It may be used by several
// goroutines.
type Draft struct {
	Order
	account consent.AccountNumber // or sun
	sun     consent.SUNMessage
	emv     *consent.EMVTap // sent in place of account
	id      consent.PaymentID

	lock    sync.Mutex
	message *client.Message
}

// ID is the id that the payment will have.
func (d *Draft) ID() consent.PaymentID { return d.id }

// CardAccount is the masked card account, as the user should be shown it before Send; empty for a card that proves
// itself, of which only the service knows the account.
func (d *Draft) CardAccount() string {
	if d.sun != "" {
		return ""
	}
	return d.account.Masked()
}

func (d *Draft) tap() consent.Tap {
	if d.emv != nil {
		return consent.Tap{EMV: d.emv}
	}
	return consent.Tap{Account: d.account, SUN: d.sun}
}

// Send sends the instruction: call it when the user says send, and not before. Called again, after ErrNoAnswer say, it
// names the same payment, which is made once. A rehearsal is sent only to a service that says it knows rehearsals:
// ErrNoRehearsals otherwise.
func (d *Draft) Send(ctx context.Context) (*Payment, error) {
	conn, err := d.client.connect()
	if err != nil {
		return nil, err
	}
	if conn.Key() == nil {
		return nil, ErrNoKey
	}
	if err := d.checkRehearsal(ctx, conn); err != nil {
		return nil, err
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	if d.message == nil {
		d.message = conn.Message("/v1/payments", consent.TypInstruction, string(d.id), func(c consent.Claims) any {
			return &consent.Instruction{
				Claims: c, Device: conn.Key().ID(), Amount: d.amount, Payee: d.payee.Handle,
				Tap: d.tap(), Order: d.named(), Rehearsal: d.rehearsal, Fee: d.Fee().Minor,
			}
		})
	}
	p := &Payment{client: d.client, id: d.id, asked: asked{
		amount: d.amount, payee: d.payee, order: d.order, hash: d.hash(), account: d.CardAccount(), device: conn.Key().ID(),
		rehearsal: d.rehearsal, fee: d.Fee(),
	}}
	var view api.Payment
	if err := d.message.Send(ctx, &view); err != nil {
		return nil, err
	}
	if d.sun != "" { // this device could not know it; from here on it stays the same
		p.asked.account = view.CardAccount
	}
	return p, p.take(view)
}

// checkRehearsal asks the service whether it knows rehearsals. One that does not, and overlooks what it does not know,
// would take a rehearsal for a payment.
func (d *Draft) checkRehearsal(ctx context.Context, conn *client.Conn) error {
	if !d.rehearsal {
		return nil
	}
	service, err := conn.Service(ctx)
	if err != nil {
		return err
	}
	if !service.Rehearsals {
		return fmt.Errorf("%w: %s", ErrNoRehearsals, service.Audience)
	}
	return nil
}
