package processor

import (
	"crypto/subtle"
	"slices"
	"time"

	"tapline/consent"
	"tapline/ledger"
	"tapline/payment"
)

// MailChange is an address that waits until somebody types the code which was mailed to it. Without an address none waits.
type MailChange struct {
	Account   ledger.AccountID
	Address   string // as in CardMail
	Language  string
	Code      string // the MAC of the code
	ExpiresAt time.Time
}

// How mailed codes live, and how many are mailed: for one card account, and to one address, whoever asks.
const (
	EmailCodeLife  = time.Hour
	EmailCodeTries = 5
	codesFade      = 24 * time.Hour // so often a count of codes falls by one
)

var (
	codesOfAccount = consent.TryLimits{Pause: 3, PauseFor: time.Hour, Longest: 24 * time.Hour}
	codesToAddress = consent.TryLimits{Pause: 5, PauseFor: time.Hour, Longest: 24 * time.Hour}
	emailCodeTries = consent.TryLimits{Pause: EmailCodeTries, Lock: EmailCodeTries}
)

// NewEmail is an address for a card's holder, with the code that is mailed to it.
type NewEmail struct {
	Address  string // as in CardMail
	AddressK string // stands for the address: a keyed digest of it
	Language string
	Code     string // sealed, as in MailFacts
	CodeMAC  string
}

// codesOf names the count of codes that were mailed for an account.
func codesOf(account ledger.AccountID) TriesID {
	return TriesID{Card: CardKey("mail." + string(account)), By: "codes"}
}

// codesTo names the count of codes that were mailed to an address.
func codesTo(address string) TriesID {
	return TriesID{Card: CardKey("mail-to." + address), By: "codes"}
}

// triesAt names the count of tries at a mailed code.
func triesAt(change MailChange) TriesID {
	return TriesID{Card: CardKey("code." + change.Code), By: "email"}
}

// want names what an address for a card touches.
func (n NewEmail) want(u *Unit, w *Wants, card payment.CardID) {
	if c, ok := u.Cards.rows[card]; ok {
		w.MailChanges = append(w.MailChanges, c.Account)
		w.Tries = append(w.Tries, codesOf(c.Account), codesTo(n.AddressK))
	}
}

// ask has a code mailed to an address, unless too many were. The address before stays until the code is typed.
func (n NewEmail) ask(u *Unit, c Card) (tooMany bool) {
	for _, count := range []struct {
		id     TriesID
		limits consent.TryLimits
	}{{codesOf(c.Account), codesOfAccount}, {codesTo(n.AddressK), codesToAddress}} {
		row, _ := u.Tries.Get(count.id)
		after, err := row.Fade(codesFade, u.Now).Reserve(count.limits, u.Now)
		if err != nil {
			return true
		}
		defer func() {
			if !tooMany {
				u.Tries.Put(count.id, Tries{count.id, after.Dated(u.Now)})
			}
		}()
	}
	u.MailChanges.Put(c.Account, MailChange{Account: c.Account, Address: n.Address, Language: n.Language, Code: n.CodeMAC,
		ExpiresAt: u.Now.Add(EmailCodeLife)})
	u.mailTo(CardMail{Address: n.Address, Language: n.Language}, c, MailCode, string(c.ID), MailFacts{Code: n.Code}, EmailCodeLife)
	return false
}

// AskEmail has a code mailed to a new address of a card's holder, by the associated device and with the PIN: whoever holds only the
// phone must not be able to have its holder told nothing.
type AskEmail struct {
	cardTry
	New NewEmail

	TooMany bool // result: too many codes were mailed; the PIN was right
	Change  MailChange
}

// NewAskEmail finishes the check of a PIN that ReserveTry began.
func NewAskEmail(begun *ReserveTry, right bool, address NewEmail) *AskEmail {
	return &AskEmail{cardTry: finishing(begun, right), New: address}
}

// Wants names the card, the change and the counts of codes.
func (c *AskEmail) Wants(u *Unit, w *Wants) {
	c.cardTry.Wants(u, w)
	c.New.want(u, w, c.Card)
}

// Do has the code mailed if the PIN was right.
func (c *AskEmail) Do(u *Unit) error {
	c.TooMany = false
	if goOn, err := c.finish(u); err != nil || !goOn {
		return err
	}
	c.TooMany = c.New.ask(u, c.After)
	c.Change, _ = u.MailChanges.Get(c.After.Account)
	return nil
}

// AskEmailFor is AskEmail by an operator. The code is mailed all the same, so that nobody is told of a stranger's card by mistake.
type AskEmailFor struct {
	Operated
	Card payment.CardID
	New  NewEmail

	After  Card // results
	Change MailChange
}

// Wants names the card, the change and the counts of codes.
func (c *AskEmailFor) Wants(u *Unit, w *Wants) {
	c.want(w)
	wantCard(u, w, c.Card)
	c.New.want(u, w, c.Card)
}

// Do has the code mailed.
func (c *AskEmailFor) Do(u *Unit) error {
	if err := c.record(u, "card.email", string(c.Card)); err != nil {
		return err
	}
	card, ok := u.Cards.Get(c.Card)
	switch {
	case !ok:
		return ErrUnknownCard
	case card.State == CardClosed:
		return ErrCardState
	case c.New.ask(u, card):
		return ErrTooManyCodes
	}
	c.After = card
	c.Change, _ = u.MailChanges.Get(card.Account)
	return nil
}

// ConfirmEmail takes the address to which a code was mailed, by the card's associated device or an operator who was told the code.
// A wrong code takes one of its tries, whoever types it.
type ConfirmEmail struct {
	Operated
	Card     payment.CardID
	Device   payment.DeviceID // empty for an operator
	CodeMACs []string         // of the code, under each code key

	After   Card // results
	Refused bool
}

// Wants names the card and the change.
func (c *ConfirmEmail) Wants(u *Unit, w *Wants) {
	if c.Device != "" {
		w.Devices = append(w.Devices, c.Device)
	} else {
		c.want(w)
	}
	wantCard(u, w, c.Card)
	card, ok := u.Cards.rows[c.Card]
	if !ok {
		return
	}
	w.MailChanges = append(w.MailChanges, card.Account)
	w.Tries = append(w.Tries, codesOf(card.Account))
	if change, ok := u.MailChanges.rows[card.Account]; ok {
		w.Tries = append(w.Tries, triesAt(change))
	}
}

// Do takes the address if the code is right, and tells the one before.
func (c *ConfirmEmail) Do(u *Unit) error {
	c.Refused = true
	card, err := u.mailed(c.Operated, c.Card, c.Device, "card.email.confirm")
	if err != nil {
		return err
	}
	c.After = card
	change, ok := u.MailChanges.Get(card.Account)
	if !ok || change.Address == "" || !u.Now.Before(change.ExpiresAt) || !u.Tries.asked[triesAt(change)] {
		return nil
	}
	row, _ := u.Tries.Get(triesAt(change))
	after, err := row.Reserve(emailCodeTries, u.Now)
	if err != nil {
		return nil
	}
	if !slices.ContainsFunc(c.CodeMACs, func(mac string) bool {
		return subtle.ConstantTimeCompare([]byte(mac), []byte(change.Code)) == 1
	}) {
		u.Tries.Put(triesAt(change), Tries{triesAt(change), after})
		return nil
	}
	c.Refused = false
	// Only this code is given back: those to strangers go on counting, or an address of one's own would clear the way for more.
	codes, _ := u.Tries.Get(codesOf(card.Account))
	left := codes.Fade(codesFade, u.Now).Succeed(codesOfAccount, false).Dated(u.Now)
	u.Tries.Put(codesOf(card.Account), Tries{codesOf(card.Account), left})
	before := card.Mail
	card.Mail = CardMail{Address: change.Address, Language: change.Language, Since: u.Now}
	c.After = u.moveMail(card, before, "email_changed")
	return nil
}

// RemoveEmail forgets a card's address, by its associated device with the PIN, or by an operator.
type RemoveEmail struct {
	cardTry
	Operated
	byOperator bool
}

// NewRemoveEmail finishes the check of a PIN that ReserveTry began.
func NewRemoveEmail(begun *ReserveTry, right bool) *RemoveEmail {
	return &RemoveEmail{cardTry: finishing(begun, right)}
}

// NewRemoveEmailFor is the command of an operator.
func NewRemoveEmailFor(by Operated, card payment.CardID) *RemoveEmail {
	return &RemoveEmail{cardTry: cardTry{Card: card}, Operated: by, byOperator: true}
}

// Wants names the card and the change.
func (c *RemoveEmail) Wants(u *Unit, w *Wants) {
	if c.byOperator {
		c.Operated.want(w)
	}
	c.cardTry.Wants(u, w)
	if card, ok := u.Cards.rows[c.Card]; ok {
		w.MailChanges = append(w.MailChanges, card.Account)
	}
}

// Do forgets the address, and tells it so.
func (c *RemoveEmail) Do(u *Unit) (err error) {
	if c.byOperator {
		if c.After, err = u.mailed(c.Operated, c.Card, "", "card.email.remove"); err != nil {
			return err
		}
	} else if goOn, err := c.finish(u); err != nil || !goOn {
		return err
	}
	card, before := c.After, c.After.Mail
	card.Mail = CardMail{}
	c.After = u.moveMail(card, before, "email_removed")
	return nil
}

// mailed is the card whose address is to be changed, by its associated device or an operator.
func (u *Unit) mailed(by Operated, id payment.CardID, device payment.DeviceID, action string) (card Card, err error) {
	if device != "" {
		if card, err = u.associatedCard(id, device); err != nil {
			return card, err
		}
	} else {
		if err := by.record(u, action, string(id)); err != nil {
			return card, err
		}
		var ok bool
		if card, ok = u.Cards.Get(id); !ok {
			return card, ErrUnknownCard
		}
	}
	if card.State == CardClosed {
		return card, ErrCardState
	}
	return card, nil
}

// moveMail stages a card with another address or none, and tells of it, the address before as well. None waits any more.
func (u *Unit) moveMail(card Card, before CardMail, what string) Card {
	if change, ok := u.MailChanges.Get(card.Account); ok && change.Address != "" {
		u.MailChanges.Put(card.Account, MailChange{Account: card.Account})
	}
	u.Cards.Put(card.ID, card)
	u.tellCard(what, card)
	if before.Address != "" {
		u.mailTo(before, card, MailMoved, string(card.ID), MailFacts{}, MailLife)
	}
	return card
}
