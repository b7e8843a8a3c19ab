package processor

import (
	"context"
	"math"
	"time"

	"tapline/payment"
)

// interrupt cancels open payments, whoever they belong to.
type interrupt struct {
	Payments []payment.ID
	Reason   payment.Reason
}

// Wants names the payments.
func (c interrupt) Wants(_ *Unit, w *Wants) { w.Payments = append(w.Payments, c.Payments...) }

// Do cancels those that are still open.
func (c interrupt) Do(u *Unit) error {
	for _, id := range c.Payments {
		p, ok := u.Payments.Get(id)
		if !ok || p.State.Final() {
			continue
		}
		if _, err := u.Do(p, payment.Command{Verb: payment.Cancel, Reason: c.Reason}); err != nil {
			return err
		}
	}
	return nil
}

// CancelAll cancels every open payment, for a reason, and releases what they hold. It is for a database that nobody
// else works on, such as one that was restored. It returns how many it cancelled.
func (p *Processor) CancelAll(ctx context.Context, reason payment.Reason) (n int, err error) {
	everything := time.UnixMicro(math.MaxInt64 / 2)
	for {
		var open Wants
		err := p.Store.View(ctx, func(r Reader) (err error) {
			open, err = r.Due(everything, sweepLimit)
			return err
		})
		if err != nil || len(open.Payments) == 0 {
			return n, err
		}
		if _, err := p.Do(ctx, Request{Command: interrupt{open.Payments, reason}}); err != nil {
			return n, err
		}
		n += len(open.Payments)
	}
}
