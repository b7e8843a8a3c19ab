package main

import (
	"context"
	"time"

	"tapline/api"
)

// undoable tells that the payment can be undone yet, and waits for its money to move. A long wait is not waited for: the payment
// settles by itself.
func (p *payer) undoable() (api.Payment, error) {
	view := p.payment.View()
	p.say("All was given that this payment needs. It can be undone until %s: tapline payment undo %s", when(*view.UndoUntil), view.ID)
	if err := p.step(step{Step: "undoable", Payment: &view, ExpiresIn: view.Next.ExpiresIn}); err != nil {
		return view, err
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.cmd.Wait)
	defer cancel()
	for view.EndedAt == nil {
		now, err := p.payment.Wait(ctx)
		if ctx.Err() != nil && p.ctx.Err() == nil {
			return view, nil
		}
		if err != nil {
			return view, err
		}
		view = now
	}
	return view, nil
}

// notYet tells that the money has not moved yet, and when it will.
func (p *payer) notYet(view api.Payment) error {
	if p.receipt != nil {
		p.say("There is no receipt yet. When it is settled: tapline receipt get %s --out FILE", view.ID)
	}
	if p.cmd.JSON {
		return nil
	}
	return p.print("confirmed %s to %s (%s), payment %s: its money moves at %s, unless it is undone", view.Amount, view.Payee.Name,
		view.Payee.Handle, view.ID, when(*view.UndoUntil))
}

// undoFor says how long something may be undone; nothing if it may not.
func undoFor(seconds int64) string {
	if seconds == 0 {
		return ""
	}
	return "for " + (time.Duration(seconds) * time.Second).String() + ", before its money moves"
}
