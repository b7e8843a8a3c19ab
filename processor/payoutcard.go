package processor

import (
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/payout"
)

// PayOutCard sets all that is left on the account of a closed card aside, to be paid out to its holder: to a bank account that an
// operator has seen proof of, or in cash. It is refused while the card may pay, while another card is on its account, and while
// something of it is held.
type PayOutCard struct {
	Operated
	Card  payment.CardID
	To    payout.BankAccount
	ID    payout.ID
	Alone int64 // as in MakePayout

	Made payout.Payout // result
}

// Wants names the card, its account and the other side.
func (c *PayOutCard) Wants(u *Unit, w *Wants) {
	c.want(w)
	wantCard(u, w, c.Card)
	w.Payouts = append(w.Payouts, c.ID)
	if card, ok := u.Cards.rows[c.Card]; ok {
		w.Accounts = append(w.Accounts, card.Account, issuance(card.Currency))
	}
}

// Do makes the payout. The card's devices and the operators are told.
func (c *PayOutCard) Do(u *Unit) error {
	if err := c.record(u, "card.pay_out", string(c.Card)); err != nil {
		return err
	}
	card, ok := u.Cards.Get(c.Card)
	switch {
	case !ok:
		return ErrUnknownCard
	case card.State != CardClosed || card.ReplacedBy != "":
		return ErrCardState // what is there is the next card's
	}
	account, _ := u.Accounts.Get(card.Account)
	minor := account.Available()
	if account.Kind != ledger.CardAccount || account.DebitsPending > 0 || minor <= 0 || minor > money.MaxMinor {
		return ErrAccountBalance
	}
	p, err := u.makePayout(payout.Payout{ID: c.ID, Account: card.Account, Amount: money.Amount{Minor: minor, Currency: card.Currency}, To: c.To,
		AskedBy: string(OperatorPrincipal(c.By)), Note: c.Note}, c.Alone)
	if err != nil {
		return err
	}
	u.tellCard("paid_out", card)
	c.Made = p
	return nil
}
