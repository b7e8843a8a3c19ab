package processor

import (
	"time"

	"tapline/payment"
)

// SetUndo sets how long payments to a payee may be undone before their money moves, by the payee. Those that were instructed
// before go on as they began.
type SetUndo struct {
	By   payment.Handle
	Undo time.Duration // in whole seconds, at most payment.MaxUndo; 0 for not at all

	After Payee // result
}

// Wants names the payee.
func (c *SetUndo) Wants(_ *Unit, w *Wants) { w.Payees = append(w.Payees, c.By) }

// Do takes note of what the payee wants, and tells its programs.
func (c *SetUndo) Do(u *Unit) error {
	payee, ok := u.Payees.Get(c.By)
	if !ok {
		return ErrUnknownPayee
	}
	payee.Undo = c.Undo
	u.Payees.Put(c.By, payee)
	u.Tell(Event{Type: "payee.changed", Subject: string(c.By), To: []Principal{PayeePrincipal(c.By)}})
	c.After = payee
	return nil
}
