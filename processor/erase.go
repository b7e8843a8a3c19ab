package processor

import (
	"errors"
	"time"

	"tapline/ledger"
	"tapline/payment"
)

// ErasureLife is how long an erasure waits for a second operator.
const ErasureLife = 24 * time.Hour

// Erasure is that of what is personal of the holder of a card account: one operator asks for it, and another confirms. Each
// account has the newest only; the audit log has all.
type Erasure struct {
	Account  ledger.AccountID
	AskedBy  OperatorID
	AskedAt  time.Time
	ErasedBy OperatorID // empty until it is done
	ErasedAt time.Time
}

// Expires is when it can be confirmed no more.
func (e Erasure) Expires() time.Time { return e.AskedAt.Add(ErasureLife) }

// Errors of erasures.
var (
	ErrErasureCard    = errors.New("a card of the account is not closed")
	ErrErasureBalance = errors.New("there is money on the account, or some of it is held")
	ErrErasurePayment = errors.New("a payment of the card is open")
	ErrNoErasure      = errors.New("nobody has asked to erase this, or its time is over")
)

// EraseHolder asks to erase what is personal of the holder of a card and of all cards on its account, or does it, by another
// operator than the one who has asked. It is refused while anything is open. There is no way back.
type EraseHolder struct {
	Operated
	Card    payment.CardID
	Confirm bool

	After Erasure // result
}

// Wants names the cards, their account and what is open of them.
func (c *EraseHolder) Wants(u *Unit, w *Wants) {
	c.want(w)
	w.Cards = append(w.Cards, c.Card)
	card, ok := u.Cards.rows[c.Card]
	if !ok {
		return
	}
	w.Accounts = append(w.Accounts, card.Account)
	w.Erasures = append(w.Erasures, card.Account)
	w.CardsOn = append(w.CardsOn, card.Account)
	w.OpenOf = append(w.OpenOf, u.cardsOn[card.Account]...)
}

// Do asks, or erases. What is erased, and what stays, is in docs/privacy.md.
func (c *EraseHolder) Do(u *Unit) error {
	action := map[bool]string{false: "card.erase.request", true: "card.erase.confirm"}[c.Confirm]
	if err := c.record(u, action, string(c.Card)); err != nil {
		return err
	}
	card, ok := u.Cards.Get(c.Card)
	if !ok {
		return ErrUnknownCard
	}
	if err := u.open(card.Account); err != nil {
		return err
	}
	e, asked := u.Erasures.Get(card.Account)
	switch {
	case !c.Confirm:
		e = Erasure{Account: card.Account, AskedBy: c.By, AskedAt: u.Now}
	case !asked || !e.ErasedAt.IsZero() || !u.Now.Before(e.Expires()):
		return ErrNoErasure
	case e.AskedBy == c.By:
		return ErrSameOperator
	default:
		e.ErasedBy, e.ErasedAt = c.By, u.Now
	}
	u.Erasures.Put(e.Account, e)
	c.After = e
	return nil
}

// open says what is open of an account and its cards, if anything is.
func (u *Unit) open(account ledger.AccountID) error {
	for _, id := range u.cardsOn[account] {
		if card, _ := u.Cards.Get(id); card.State != CardClosed {
			return ErrErasureCard
		}
		if len(u.OpenOf(id)) > 0 {
			return ErrErasurePayment
		}
	}
	if a, _ := u.Accounts.Get(account); a.DebitsPending != 0 || a.CreditsPending != 0 || a.DebitsPosted != a.CreditsPosted {
		return ErrErasureBalance
	}
	return nil
}
