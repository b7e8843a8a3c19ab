package storetest

import (
	"time"

	"tapline/ledger"
	"tapline/order"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

// Books are the changes of a short life, whose books are right: two cards are topped up, and then payment "direct" is
// settled at once, "approved" after a hold, "declined" and "expired" after theirs, "held" waits for its approval,
// "waiting" for authentication, "decoy" for nothing. "rehearsed" is a rehearsal that went all the way, "rehearsing" waits for
// its approval, "dropped" was declined there: none of them has entries. "undoable" may be undone, "undone"
// was, and "late" was settled when it could not be any more. Refund "refund" gives 5.00 of "approved" back. There is a payout of each
// way to go, such as "out_confirmed". Order "o1" was paid by "paying", and "claiming" claims "o2", which it is about to pay.
func Books() []processor.Changes {
	b := books{accounts: map[ledger.AccountID]ledger.Account{}, settled: map[payment.ID]payment.Payment{}}
	c := world()
	for _, a := range c.New.Accounts {
		b.accounts[a.ID] = a
	}
	b.all = append(b.all, c)
	own := openPayment("direct")
	own.Initiator = "phone1"
	b.live(own, payment.Authenticate, payment.Confirm)
	b.live(openPayment("approved"), payment.Authenticate, payment.Confirm, payment.Approve)
	b.live(openPayment("declined"), payment.Authenticate, payment.Confirm, payment.Disown)
	b.live(openPayment("expired"), payment.Authenticate, payment.Confirm, payment.Expire)
	b.live(openPayment("held"), payment.Authenticate, payment.Confirm)
	b.live(openPayment("waiting"))
	b.live(decoy("decoy"), payment.Expire)
	b.live(rehearsal("rehearsed"), payment.Authenticate, payment.Confirm, payment.Approve)
	b.live(rehearsal("rehearsing"), payment.Authenticate, payment.Confirm)
	b.live(rehearsal("dropped"), payment.Authenticate, payment.Confirm, payment.Disown)
	b.live(undo(openPayment("undoable")), payment.Authenticate, payment.Confirm, payment.Approve)
	b.live(undo(openPayment("undone")), payment.Authenticate, payment.Confirm, payment.Approve, payment.Cancel)
	b.live(undo(openPayment("late")), payment.Authenticate, payment.Confirm, payment.Approve, payment.Settle)
	b.refund("approved", "refund", 500)
	b.issuance()
	b.payout("out_ready", 10, payout.Approve)
	b.payout("out_cancelled", 20, payout.Cancel)
	b.payout("out_sent", 30, payout.Send)
	b.payout("out_confirmed", 40, payout.Send, payout.Confirm)
	b.payout("out_back", 50, payout.Send, payout.Return)
	b.payout("out_returned", 60, payout.Send, payout.Confirm, payout.Return)
	paid, claimed := placed("o1"), placed("o2")
	b.all = append(b.all, processor.Changes{New: processor.Rows{Orders: []order.Order{paid, claimed}}})
	b.live(ordered(openPayment("paying"), paid), payment.Authenticate, payment.Confirm, payment.Approve)
	b.live(ordered(openPayment("claiming"), claimed), payment.Authenticate, payment.Confirm)
	paid.State, paid.Payment, paid.EndedAt, claimed.State, claimed.Payment = order.Paid, "paying", noon, order.Claimed, "claiming"
	b.all = append(b.all, processor.Changes{Changed: processor.Rows{Orders: []order.Order{paid, claimed}}})
	return b.all
}

type books struct {
	accounts map[ledger.AccountID]ledger.Account
	settled  map[payment.ID]payment.Payment
	all      []processor.Changes
}

// live takes a payment through commands, a change each.
func (b *books) live(p payment.Payment, verbs ...payment.Verb) {
	b.all = append(b.all, processor.Changes{New: processor.Rows{Payments: []payment.Payment{p}}})
	for _, v := range verbs {
		var o payment.Outcome
		o, p = step(p, v)
		c := processor.Changes{Changed: processor.Rows{Payments: []payment.Payment{p}}}
		if o.Entry != nil {
			b.enter(&c, *o.Entry)
		}
		c.Events = []processor.Event{{Type: "payment", Subject: string(p.ID), State: string(p.State), Version: p.Version,
			To: []processor.Principal{processor.DevicePrincipal(p.Initiator), "payee:shop"}, At: noon}}
		b.all = append(b.all, c)
	}
	if p.State == payment.Settled {
		b.settled[p.ID] = p
	}
}

// refund gives something of a settled payment back.
func (b *books) refund(of payment.ID, id payment.RefundID, minor int64) {
	p, r, entry, err := b.settled[of].Refund(payment.Refund{ID: id, PayeeAccount: "shop1", Amount: cny(minor)}, noon.Add(time.Minute))
	if err != nil {
		panic(err)
	}
	b.settled[of] = p
	c := processor.Changes{New: processor.Rows{Refunds: []payment.Refund{r}}, Changed: processor.Rows{Payments: []payment.Payment{p}}}
	b.enter(&c, entry)
	b.all = append(b.all, c)
}

// issuance makes the account that payouts go to.
func (b *books) issuance() {
	a := ledger.Account{ID: payout.Issuance("CNY"), Kind: ledger.Issuance, Currency: "CNY"}
	b.accounts[a.ID] = a
	b.all = append(b.all, processor.Changes{New: processor.Rows{Accounts: []ledger.Account{a}}})
}

// enter applies an entry and adds it to a change.
func (b *books) enter(c *processor.Changes, e ledger.Entry) {
	changed, err := ledger.Apply(func(id ledger.AccountID) (ledger.Account, bool) {
		a, ok := b.accounts[id]
		return a, ok
	}, e)
	if err != nil {
		panic(err)
	}
	for _, a := range changed {
		b.accounts[a.ID] = a
	}
	c.Changed.Accounts, c.Entries = changed, []ledger.Entry{e}
}

// stepped is p after commands, a second apart. They have to be possible.
func stepped(p payment.Payment, verbs ...payment.Verb) payment.Payment {
	for _, v := range verbs {
		_, p = step(p, v)
	}
	return p
}

func step(p payment.Payment, v payment.Verb) (payment.Outcome, payment.Payment) {
	at, c := p.InstructedAt.Add(time.Duration(p.Version)*time.Second), payment.Command{Verb: v}
	switch v {
	case payment.Authenticate, payment.Confirm:
		c.By = p.Initiator
	case payment.Approve, payment.MistypeCode, payment.Disown:
		c.By = p.Associated
	case payment.Cancel:
		c.Reason = payment.ByPayer
	case payment.Expire, payment.Settle:
		at = p.Deadline
	}
	if v == payment.Confirm || v == payment.Approve {
		c.Digest = "digest of " + string(v)
	}
	o, err := payment.Step(p, c, at)
	if err != nil {
		panic(err)
	}
	return o, o.Payment
}
