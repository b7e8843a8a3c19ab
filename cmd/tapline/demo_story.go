package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
)

// demoWait bounds how long the story waits for an event.
const demoWait = 10 * time.Second

// payFromPhone is the payment that needs no second confirmation.
func (d *demo) payFromPhone() error {
	d.title("Payment 1: 12.50 CNY for two books, from the phone itself")
	began := time.Now()
	p, err := d.confirmed(d.phone, 12_50, consent.Order{Number: "1042", Description: "Two books"})
	if err != nil {
		return err
	}
	d.note("", "the associated device itself paid, so no second confirmation is needed")
	return d.receipt(p, began)
}

// payFromLaptop is the payment that the phone approves, with the code that the laptop shows.
func (d *demo) payFromLaptop() error {
	d.title("Payment 2: 30.00 CNY for a lamp, from the borrowed laptop")
	began := time.Now()
	p, err := d.confirmed(d.laptop, 30_00, consent.Order{Number: "1043", Description: "Desk lamp"})
	if err != nil {
		return err
	}
	code := p.View().Code
	d.note("laptop", "shows the code   %s   and waits", strings.Join(strings.Split(code, ""), " "))
	asked, err := d.asked()
	if err != nil {
		return err
	}
	err = d.step("approve", func() (string, error) {
		after, err := asked.Approve(d.ctx, consent.Code(code))
		return "second statement, signed, with the code its user typed ──► service: " + after.State + "\n" +
			"one entry: card account debited, payee account credited", err
	})
	if err != nil {
		return err
	}
	err = d.step("laptop", func() (string, error) {
		after, err := p.Wait(d.ctx)
		return "hears of it: " + after.State, err
	})
	if err != nil {
		return err
	}
	return d.receipt(p, began)
}

// payDeclined is the payment that the phone's user does not want.
func (d *demo) payDeclined() error {
	d.title("Payment 3: 45.00 CNY from the laptop, which the phone's user declines")
	_, err := d.confirmed(d.laptop, 45_00, consent.Order{Description: "Headphones"})
	if err != nil {
		return err
	}
	asked, err := d.asked()
	if err != nil {
		return err
	}
	if err := d.money("held"); err != nil {
		return err
	}
	err = d.step("decline", func() (string, error) {
		after, err := asked.Decline(d.ctx)
		return "\"decline\", signed ──► service: " + after.State + ", the hold is released", err
	})
	if err != nil {
		return err
	}
	return d.money("released")
}

// confirmed takes a payment from the order to the first confirmation.
func (d *demo) confirmed(from *device.Client, fen int64, terms consent.Order) (*device.Payment, error) {
	var order device.Order
	var draft *device.Draft
	var p *device.Payment
	steps := []struct {
		topic string
		do    func() (string, error)
	}{
		{"order", func() (string, error) {
			payee, err := from.Payee(d.ctx, "books@shop")
			if err != nil {
				return "", err
			}
			order, err = from.Order(yuan(fen), payee, terms)
			return fmt.Sprintf("%s to books@shop; the service says: that is %s, account %s", yuan(fen), payee.Name, payee.Account), err
		}},
		{"tap", func() (string, error) {
			reading, err := d.tapper.tap(d.ctx)
			if err != nil {
				return "", err
			}
			draft, err = order.Tap(accountOf(reading))
			return describeReading(reading) + "\nso far nothing but \"books@shop\" has left the device", err
		}},
		{"send", func() (text string, err error) {
			p, err = draft.Send(d.ctx)
			if err != nil {
				return "", err
			}
			return "instruction, signed ──► service: payee account found; next: " + p.View().Next.Action +
				"\nit carries amount, payee handle, card account and device id", nil
		}},
		{"PIN", func() (string, error) {
			after, err := p.Authenticate(d.ctx, demoPIN)
			return "authentication ──► service: right; next: " + after.Next.Action, err
		}},
		{"confirm", func() (string, error) {
			s, err := p.Statement()
			if err != nil {
				return "", err
			}
			after, err := p.Confirm(d.ctx, s)
			return fmt.Sprintf("statement, signed byte for byte ──► service: %s\n%s", after.State, fourFacts(s)), err
		}},
	}
	for _, s := range steps {
		if err := d.step(s.topic, s.do); err != nil {
			return nil, err
		}
		if s.topic == "tap" {
			if err := d.tapper.lift(d.ctx); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// fourFacts is what a person confirms.
func fourFacts(s consent.Statement) string {
	return fmt.Sprintf("card account %s · amount %s · payee %s · payee account %s",
		s.CardAccount, s.AmountText, s.PayeeHandle, s.PayeeAccount)
}

// asked is the phone's side: it hears of the payment by its event stream and fetches its own statement.
func (d *demo) asked() (asked *device.Approval, err error) {
	err = d.step("phone", func() (string, error) {
		id, err := d.rings()
		if err != nil {
			return "", err
		}
		if asked, err = d.phone.Approval(d.ctx, id); err != nil {
			return "", err
		}
		return fmt.Sprintf("is asked: %q wants to pay\n%s", asked.View.DeviceLabel, fourFacts(asked.Statement)), nil
	})
	return asked, err
}

// listen opens the phone's event stream.
func (d *demo) listen() {
	d.bell = make(chan consent.PaymentID, 1)
	ctx, cancel := context.WithCancel(d.ctx)
	done := make(chan struct{})
	d.silence = func() { cancel(); <-done }
	go func() {
		defer close(done)
		// It ends with the story; a stream that broke for good shows as a bell that does not ring.
		_ = d.phone.Events(ctx, "", func(e device.Event) error {
			if e.Type == "payment.approval_required" {
				d.bell <- consent.PaymentID(e.Subject)
			}
			return nil
		})
	}()
}

// rings waits until the phone's event stream tells of a payment to approve.
func (d *demo) rings() (consent.PaymentID, error) {
	select {
	case id := <-d.bell:
		return id, nil
	case <-time.After(demoWait):
		return "", errors.New("the phone's event stream told of no payment to approve")
	case <-d.ctx.Done():
		return "", d.ctx.Err()
	}
}

func (d *demo) receipt(p *device.Payment, began time.Time) error {
	err := d.step("receipt", func() (string, error) {
		r, err := p.Receipt(d.ctx)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("signed by the service, verified with its public key\nfrom instruction to settlement: %d ms, PIN check %d ms of it",
			r.Stages.Total, r.Stages.Authentication), nil
	})
	d.note("", "from order to receipt: %s, with no person thinking", millis(time.Since(began)))
	return err
}

// money tells what the card account has and what of it is held.
func (d *demo) money(when string) error {
	a, err := d.operator.Account(d.ctx, d.account)
	if err != nil {
		return err
	}
	d.note(when, "card account: balance %s, held %s, available %s", minor(a, a.Balance), minor(a, a.DebitsPending), minor(a, a.Available))
	return nil
}

// finish compares the balances with what they were, and proves the books.
func (d *demo) finish() error {
	d.title("Balances")
	card, err := d.operator.Account(d.ctx, d.account)
	if err != nil {
		return err
	}
	shop, err := d.operator.Account(d.ctx, d.shop.Account)
	if err != nil {
		return err
	}
	for _, line := range []struct {
		who, before string
		a           api.Account
	}{{"card", "100.00", card}, {"Book Shop", "0.00", shop}} {
		d.note(line.who, "before %8s CNY   after %8s CNY", line.before, minor(line.a, line.a.Balance))
	}
	return d.step("check", func() (string, error) {
		findings, err := d.service.store.Check(d.ctx, nil)
		if err != nil {
			return "", err
		}
		if len(findings) > 0 {
			return "", errors.New("the books are wrong: " + fmt.Sprint(findings))
		}
		return "the books are right: sums are zero, totals equal postings, nothing is held", nil
	})
}

// minor is a count of an account's minor units as decimal text.
func minor(a api.Account, units int64) string { return money.FormatMinor(units, a.Currency) }
