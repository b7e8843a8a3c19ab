package processor

import (
	"slices"
	"strings"
	"time"

	"tapline/ledger"
	"tapline/payment"
)

// NoteSubject is what a note is about: "card:", "account:", "payee:" or "payment:" and an id.
type NoteSubject string

// NoteKinds lists what notes can be about.
var NoteKinds = []string{"card", "account", "payee", "payment"}

// MaxNotes is how many notes there may be about one subject.
const MaxNotes = 500

// Note is what an operator has written for other operators. Nobody changes one.
type Note struct {
	ID      string
	Subject NoteSubject
	Text    string
	By      OperatorID
	At      time.Time
}

// WriteNote adds a note. The audit log says that, and not what it says: nothing there could ever be erased.
type WriteNote struct {
	Operated
	Note Note // with id, subject and text

	Written Note // result
}

// Wants names the subject, and what is written about it.
func (c *WriteNote) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.Notes = append(w.Notes, c.Note.ID)
	w.NotesOf = append(w.NotesOf, c.Note.Subject)
	switch kind, id, _ := strings.Cut(string(c.Note.Subject), ":"); kind {
	case "card":
		w.Cards = append(w.Cards, payment.CardID(id))
	case "account":
		w.Accounts = append(w.Accounts, ledger.AccountID(id))
	case "payee":
		w.Payees = append(w.Payees, payment.Handle(id))
	case "payment":
		w.Payments = append(w.Payments, payment.ID(id))
	}
}

// Do adds the note.
func (c *WriteNote) Do(u *Unit) error {
	if err := c.record(u, "note.write", string(c.Note.Subject)); err != nil {
		return err
	}
	kind, id, _ := strings.Cut(string(c.Note.Subject), ":")
	there, missing := false, ErrUnknownCard
	switch kind {
	case "card":
		_, there = u.Cards.Get(payment.CardID(id))
	case "account":
		_, there = u.Accounts.Get(ledger.AccountID(id))
		missing = ErrUnknownAccount
	case "payee":
		_, there = u.Payees.Get(payment.Handle(id))
		missing = ErrUnknownPayee
	case "payment":
		_, there = u.Payments.Get(payment.ID(id))
		missing = ErrUnknownPayment
	}
	switch {
	case !there:
		return missing
	case u.notesAbout(c.Note.Subject) >= MaxNotes:
		return ErrTooManyNotes
	}
	c.Written = Note{ID: c.Note.ID, Subject: c.Note.Subject, Text: c.Note.Text, By: c.By, At: u.Now}
	u.Notes.Put(c.Note.ID, c.Written)
	return nil
}

func (u *Unit) notesAbout(subject NoteSubject) (n int) {
	for _, note := range u.Notes.rows {
		if note.Subject == subject {
			n++
		}
	}
	return n
}

// ExportCard takes note that an operator hands out all that is kept about a card's holder, and tells the holder.
type ExportCard struct {
	Operated
	Card payment.CardID

	Account ledger.AccountID // result
}

// Wants names the card, and who is told.
func (c *ExportCard) Wants(u *Unit, w *Wants) {
	c.want(w)
	w.Cards = append(w.Cards, c.Card)
	if card, ok := u.Cards.rows[c.Card]; ok {
		u.wantHolder(w, card.Account)
	}
}

// Do records it.
func (c *ExportCard) Do(u *Unit) error {
	if err := c.record(u, "card.export", string(c.Card)); err != nil {
		return err
	}
	card, ok := u.Cards.Get(c.Card)
	if !ok {
		return ErrUnknownCard
	}
	c.Account = card.Account
	u.tellHolder(card.Account, "exported", WakeAlarm, MailFacts{})
	return nil
}

// CheckNoteSubject reports whether a text can be what a note is about.
func CheckNoteSubject(s NoteSubject) bool {
	kind, id, ok := strings.Cut(string(s), ":")
	return ok && id != "" && len(s) <= 200 && slices.Contains(NoteKinds, kind)
}
