package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// payer pays again and again. It is for one goroutine at a time.
type payer interface {
	// pay takes one payment to its end. due is when it should have begun: the zero time for now. errSpent means that no card
	// can pay any more.
	pay(due time.Time, r *record) error
}

var errSpent = errors.New("every card has asked for as many approvals as it may in an hour")

// record is what one payer saw.
type record struct {
	payments int
	failed   int
	first    error // of what failed
	spent    bool
	times    *times
}

// took notes how long a step took, from its beginning to its answer.
func (r *record) took(step string, began time.Time) {
	r.times.note(step, time.Since(began))
}

// stepWhole is the whole payment, from when it was due.
const stepWhole = "payment"

// tally is what all payers saw.
type tally struct {
	record
	elapsed time.Duration
	late    int // payments that were due and not begun when the time was over
}

// pace says how payments begin.
type pace struct {
	duration time.Duration
	rate     float64 // payments due in a second; 0 for each payer's next as soon as its last is done
}

// drive lets payers pay for a while. Who has begun a payment finishes it, when the time is over and when ctx is done, so
// that its outcome is known.
func drive(ctx context.Context, payers []payer, p pace) tally {
	records := make([]record, len(payers))
	t := tally{record: record{times: newTimes()}}
	began := time.Now()
	end := began.Add(p.duration)
	var scheduled atomic.Int64
	var all sync.WaitGroup
	for i, one := range payers {
		r := &records[i]
		r.times = t.times
		all.Go(func() {
			for ctx.Err() == nil && !r.spent {
				due, ok := p.next(ctx, &scheduled, began, end)
				if !ok {
					return
				}
				r.pay(one, due)
			}
		})
	}
	all.Wait()
	t.elapsed = time.Since(began)
	if p.rate > 0 && ctx.Err() == nil {
		t.late = max(0, int(p.rate*p.duration.Seconds())-int(scheduled.Load()))
	}
	for _, r := range records {
		t.add(r)
	}
	return t
}

// next waits until a payment is to begin. An open loop's payments are due at even distances, whatever became of those
// before: one that begins late because all payers were busy has waited since it was due, and that counts.
func (p pace) next(ctx context.Context, scheduled *atomic.Int64, began, end time.Time) (due time.Time, ok bool) {
	if p.rate <= 0 {
		return time.Time{}, time.Now().Before(end)
	}
	n := scheduled.Add(1) - 1
	due = began.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	if !due.Before(end) || time.Since(end) >= 0 {
		scheduled.Add(-1)
		return due, false
	}
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return due, false
		}
	}
	return due, true
}

func (r *record) pay(one payer, due time.Time) {
	began := due
	if due.IsZero() {
		began = time.Now()
	}
	err := one.pay(due, r)
	switch {
	case errors.Is(err, errSpent):
		r.spent = true
	case err != nil:
		r.failed++
		if r.first == nil {
			r.first = err
		}
	default:
		r.payments++
		r.took(stepWhole, began)
	}
}

// add adds the numbers of another; its times are not among them.
func (r *record) add(o record) {
	r.payments += o.payments
	r.failed += o.failed
	r.spent = r.spent || o.spent
	if r.first == nil {
		r.first = o.first
	}
}

// perSecond is the rate of payments.
func (t tally) perSecond() float64 {
	if t.elapsed <= 0 {
		return 0
	}
	return float64(t.payments) / t.elapsed.Seconds()
}
