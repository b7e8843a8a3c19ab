package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tapline/consent"
)

// How often Sweep looks for payments whose wait is over, and how many it ends in one batch.
const (
	sweepEvery = 500 * time.Millisecond
	sweepLimit = 256
)

// Sweep ends overdue payments and orders, and makes payouts that a schedule asks for, until ctx is done. It is safe on every node at
// once: each load ends what is overdue, ending twice is not possible, and a schedule moves on with the payout that it makes.
func (p *Processor) Sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := p.sweep(ctx); err != nil && ctx.Err() == nil {
				p.Log.Warn("overdue payments were not ended", "error", err)
			}
		}
	}
}

// EndOverdue ends what is overdue now, as Sweep does by itself a little later.
func (p *Processor) EndOverdue(ctx context.Context) error { return p.sweep(ctx) }

func (p *Processor) sweep(ctx context.Context) error {
	for {
		var due Wants
		err := p.Store.View(ctx, func(r Reader) (err error) {
			now, err := p.now(r)
			if err == nil {
				due, err = r.Due(now, sweepLimit)
			}
			return err
		})
		if err != nil || len(due.Payments)+len(due.Orders)+len(due.PayoutPlans) == 0 {
			return err
		}
		if err := p.end(ctx, due); err != nil {
			return err
		}
		if len(due.Payments) < sweepLimit && len(due.Orders) < sweepLimit && len(due.PayoutPlans) < sweepLimit {
			return nil
		}
	}
}

// end ends what is due. What fails keeps nothing else from its end: one payee's plan is not to stop everybody's payouts.
func (p *Processor) end(ctx context.Context, due Wants) (err error) {
	if len(due.Payments)+len(due.Orders) > 0 {
		_, err = p.Do(ctx, Request{Command: Touch{due.Payments, due.Orders}})
	}
	for _, plan := range due.PayoutPlans {
		if ctx.Err() != nil {
			break
		}
		scheduled := &PayScheduled{Plan: plan, ID: consent.NewPayoutID(), Alone: p.PayoutsAlone}
		if _, failed := p.Do(ctx, Request{Command: scheduled}); failed != nil {
			err = errors.Join(err, fmt.Errorf("payout plan of %s in %s: %w", plan.Payee, plan.Currency, failed))
		}
	}
	return err
}
