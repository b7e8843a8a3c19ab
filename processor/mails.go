package processor

import (
	"time"

	"tapline/consent"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
)

// CardMail is where a card's holder is told by e-mail what happens. The zero value is nowhere.
type CardMail struct {
	Address  string // sealed for the card's account, with MailContext, in base64
	Language string // "en" or "zh"
	Since    time.Time
}

// MailContext is what an address is sealed with, so that boxes cannot be exchanged in the database. A card that replaces another has
// its address, which is why it names the account.
func MailContext(account ledger.AccountID) []byte {
	return []byte("mail address of " + string(account))
}

// CodeContext is what a mailed code is sealed with until it is sent.
func CodeContext(account ledger.AccountID) []byte { return []byte("mailed code of " + string(account)) }

// MailState is what became of an e-mail.
type MailState string

// States of an e-mail.
const (
	MailPending MailState = "pending" // it is to be sent, or sent again
	MailSent    MailState = "sent"    // the relay has taken it
	MailFailed  MailState = "failed"  // it was given up
)

// MailFacts is what an e-mail tells, as it was when it happened.
type MailFacts struct {
	CardLast4 string       `json:"card_last4"`
	CardLabel string       `json:"card_label,omitempty"`
	Payee     string       `json:"payee,omitempty"`
	Amount    money.Amount `json:"amount,omitzero"`
	Debit     bool         `json:"debit,omitempty"` // of an adjustment: the account was debited
	Code      string       `json:"code,omitempty"`  // sealed with CodeContext, in base64
}

// Mail is one e-mail to a card's holder, written in the transaction of what it tells.
type Mail struct {
	ID       string
	Account  ledger.AccountID
	Kind     string // the event's type, MailCode or MailMoved
	Subject  string // the payment's or card's id
	Language string
	Address  string // as in CardMail; empty once it is over, as are the facts
	Facts    MailFacts
	At       time.Time
	Until    time.Time // after which it is not sent

	State    MailState
	NextAt   time.Time // when it is to be sent, or sent again; zero unless it is pending
	Attempts int

	// Of the last attempt that came to an end.
	TriedAt time.Time
	Failure string
	Status  int // the relay's answer, RFC 5321 §4.2; 0 for none
}

// Kinds of e-mail that are no events.
const (
	MailCode  = "email.code"  // the code that confirms an address
	MailMoved = "email.moved" // to the address before: there is another one now, or none
)

// How long an e-mail is worth being sent, and how long whoever has claimed some has to send them before another may.
const (
	MailLife  = 3 * 24 * time.Hour
	MailLease = 2 * time.Minute
	MailsKept = 30 * 24 * time.Hour // since they were written: that they were sent, not what they said
)

// mail has a card's holder told by e-mail, if there is an address.
func (u *Unit) mail(c Card, kind, subject string, facts MailFacts) {
	if c.Mail.Address != "" {
		u.mailTo(c.Mail, c, kind, subject, facts, MailLife)
	}
}

func (u *Unit) mailTo(to CardMail, c Card, kind, subject string, facts MailFacts, life time.Duration) {
	facts.CardLast4, facts.CardLabel = c.Last4, c.Label
	id := "mail_" + consent.NewIDAt(u.Now) // a transaction that runs again writes another one in its place
	u.Mails.Put(id, Mail{ID: id, Account: c.Account, Kind: kind, Subject: subject, Language: to.Language, Address: to.Address, Facts: facts,
		At: u.Now, Until: u.Now.Add(life), State: MailPending, NextAt: u.Now})
}

// seen is a card that was loaded, by whichever of its keys.
func (u *Unit) seen(id payment.CardID) (Card, bool) {
	if c, ok := u.Cards.staged[id]; ok {
		return c, true
	}
	c, ok := u.Cards.rows[id]
	return c, ok
}

// mailPayment tells a card's holder of a debit: of all that is gone from the account, with a fee that the payer bears.
func (u *Unit) mailPayment(p payment.Payment) {
	if c, ok := u.seen(p.Card); ok {
		u.mail(c, "payment.settled", string(p.ID), MailFacts{Payee: p.PayeeName, Amount: p.Total()})
	}
}

// cardOn is the card of an account whose cards were wanted that holds what is on it: the one that no other replaces.
func (u *Unit) cardOn(account ledger.AccountID) (found Card, ok bool) {
	for _, id := range u.cardsOn[account] {
		if c, there := u.Cards.Get(id); there && c.ReplacedBy == "" {
			found, ok = c, true
		}
	}
	return found, ok
}

// wantHolder names the cards of an account, and who is told what happens to it.
func (u *Unit) wantHolder(w *Wants, account ledger.AccountID) {
	w.CardsOn = append(w.CardsOn, account)
	for _, id := range u.cardsOn[account] {
		w.wantTold(u, id)
	}
}

// nobodysDevice is the id of no device, and of none that a decoy has wanted before: so a card's devices are looked for as often as
// those of none.
const nobodysDevice payment.DeviceID = "-"

// wantTold names who is told what happens to a card, whether there is one or not.
func (w *Wants) wantTold(u *Unit, id payment.CardID) {
	w.BoundTo = append(w.BoundTo, id)
	if u.asked.boundTo[id] {
		w.wakeable(nobodysDevice)
		w.wakeable(u.BoundTo(id)...)
	}
}

// tellHolder tells the devices of an account's card, and its holder by e-mail, what an operator did with the account. Whose cards
// were not wanted, or has none, nobody is told of.
func (u *Unit) tellHolder(account ledger.AccountID, what string, kind WakeKind, facts MailFacts) {
	c, ok := u.cardOn(account)
	if !ok {
		return
	}
	var to []Principal
	for _, d := range u.BoundTo(c.ID) {
		to = append(to, DevicePrincipal(d))
		u.wake(d, kind, u.Now.Add(noticeLife))
	}
	u.Tell(Event{Type: "card." + what, Subject: string(c.ID), State: string(c.State), To: to})
	u.mail(c, "card."+what, string(c.ID), facts)
}

// mails is how many of the batch's e-mails are to be sent.
func (u *Unit) mails() (n int) {
	for _, id := range u.Mails.dirty {
		if at := u.Mails.rows[id].NextAt; !at.IsZero() && !at.After(u.Now) {
			n++
		}
	}
	return n
}

// ClaimMails takes e-mails that are due, to send them within MailLease. Of all who claim one at the same time one gets it.
type ClaimMails struct {
	IDs []string

	Claimed []Mail // results
	Now     time.Time
}

// Wants names the e-mails.
func (c *ClaimMails) Wants(_ *Unit, w *Wants) { w.Mails = append(w.Mails, c.IDs...) }

// Do claims those that are still due. One that is not worth sending any more is given up.
func (c *ClaimMails) Do(u *Unit) error {
	c.Claimed, c.Now = nil, u.Now
	for _, id := range c.IDs {
		m, ok := u.Mails.Get(id)
		if !ok || m.State != MailPending || m.NextAt.After(u.Now) {
			continue
		}
		if !m.Until.After(u.Now) {
			u.Mails.Put(id, m.over(MailFailed))
			continue
		}
		m.NextAt, m.Attempts = u.Now.Add(MailLease), m.Attempts+1
		u.Mails.Put(id, m)
		c.Claimed = append(c.Claimed, m)
	}
	return nil
}

// over is an e-mail that is not sent again. What it said, and to whom, is forgotten.
func (m Mail) over(state MailState) Mail {
	m.State, m.NextAt, m.Address, m.Facts = state, time.Time{}, "", MailFacts{}
	return m
}

// MailResult is what became of an e-mail that was claimed.
type MailResult struct {
	Mail        Mail
	Interrupted bool   // it was not sent to the end, and is to be sent by whoever runs next
	Failure     string // empty if it was taken
	Status      int
	Again       time.Duration // when to try once more; 0 for never
}

// FinishMails says what became of e-mails that were claimed.
type FinishMails struct{ Results []MailResult }

// Wants names the e-mails.
func (c *FinishMails) Wants(_ *Unit, w *Wants) {
	for _, r := range c.Results {
		w.Mails = append(w.Mails, r.Mail.ID)
	}
}

// Do ends the e-mails or puts them off, unless somebody else has claimed them meanwhile, or they were erased.
func (c *FinishMails) Do(u *Unit) error {
	for _, r := range c.Results {
		m, ok := u.Mails.Get(r.Mail.ID)
		if !ok || m.State != MailPending || m.Attempts != r.Mail.Attempts || !m.NextAt.Equal(r.Mail.NextAt) {
			continue
		}
		if r.Interrupted {
			m.NextAt, m.Attempts = u.Now, m.Attempts-1
			u.Mails.Put(m.ID, m)
			continue
		}
		m.TriedAt, m.Failure, m.Status = u.Now, r.Failure, r.Status
		switch again := u.Now.Add(r.Again); {
		case r.Failure == "":
			m = m.over(MailSent)
		case r.Again > 0 && again.Before(m.Until):
			m.NextAt = again
		default:
			m = m.over(MailFailed)
		}
		u.Mails.Put(m.ID, m)
	}
	return nil
}
