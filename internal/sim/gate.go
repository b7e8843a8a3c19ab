package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tapline/internal/simdisk"
	"tapline/payment"
	"tapline/processor"
)

// gate stands between the processor and its store. It holds a batch back until the run lets it go, makes the disk fail as
// the seed says, and takes note of what each transaction did, and whether it was committed.
type gate struct {
	*run
	processor.Store
}

// transaction is what one did: first it ended what was overdue, and then it ran commands.
type transaction struct {
	number  int
	now     time.Time
	expired []payment.ID
	settled []payment.ID      // nobody had undone them in time
	over    []payment.OrderID // orders that were overdue
	ran     []*executed
	saved   bool // came as far as to be committed
	wrote   bool
}

// executed is a command that ran in a transaction.
type executed struct {
	sent *sending
	got  string // what came of it
	done bool   // and it was not refused
	now  time.Time
	body string
}

var errLost = fmt.Errorf("%w: the connection was lost", processor.ErrUnavailable)

// Update runs a transaction.
func (g *gate) Update(ctx context.Context, f func(processor.Tx) error) error {
	if held := g.held; held != nil {
		<-held
	}
	plan := g.plan()
	g.disk.Fail(plan.Fault)
	t := &transaction{number: g.transactions}
	g.transactions++
	g.running = t
	err := g.Store.Update(ctx, func(tx processor.Tx) error {
		*t = transaction{number: t.number}
		return f(&spy{tx, g.run, t})
	})
	g.running = nil
	failed, dead := g.disk.Failed()
	g.disk.Fail(simdisk.Fault{})
	g.note("tx %d: %d ran, expired %v %v, settled %v, saved %v, %v: %v, failed %v, dead %v", t.number, len(t.ran), t.expired, t.over, t.settled, t.saved, plan, errText(err), failed, dead)
	if err != nil && !failed && !dead {
		g.Errorf("transaction %d failed, though nothing was wrong with the disk: %v", t.number, err)
	}
	switch {
	case err == nil:
		g.commit(t)
	case t.saved:
		g.doubtful = append(g.doubtful, t) // it may come back after a crash: decisions/0002-sqlstore.md
	}
	if err == nil && plan.lose {
		if plan.crash {
			g.disk.Kill()
		}
		return errLost
	}
	return err
}

// errText is an error as far as it is the same in each replay.
func errText(err error) string {
	switch {
	case err == nil:
		return "committed"
	case errors.Is(err, processor.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, processor.ErrConflict):
		return "conflict"
	}
	return "failed"
}

// View shows the service no schedules of payouts: see scheduled.
func (g *gate) View(ctx context.Context, f func(processor.Reader) error) error {
	return g.Store.View(ctx, func(from processor.Reader) error { return f(unscheduled{from}) })
}

// unscheduled is a reader that knows of no plan whose time has come.
type unscheduled struct{ processor.Reader }

// Due leaves plans out.
func (u unscheduled) Due(now time.Time, limit int) (processor.Wants, error) {
	w, err := u.Reader.Due(now, limit)
	w.PayoutPlans = nil
	return w, err
}

// plan is how one transaction goes wrong.
type plan struct {
	simdisk.Fault
	lose  bool // after the commit, before anybody is told
	crash bool // and then the process dies
}

// String says what is planned.
func (p plan) String() string {
	var out []string
	for _, one := range []struct {
		name string
		n    int
	}{{"io", p.IO}, {"read", p.Read}, {"statement", p.Statement}, {"crash", p.Crash}} {
		if one.n > 0 {
			out = append(out, fmt.Sprint(one.name, " ", one.n))
		}
	}
	if p.lose {
		out = append(out, fmt.Sprint("answers lost, crash ", p.crash))
	}
	return "plan [" + strings.Join(out, ", ") + "]"
}

func (g *gate) plan() (p plan) {
	if !g.faults {
		return p
	}
	switch n := g.rng.IntN(100); {
	case n < 85:
	case n < 89:
		p.IO, p.For, p.Full = 1+g.rng.IntN(40), 1+g.rng.IntN(3), g.rng.IntN(2) == 0
	case n < 90:
		p.Read = 1 + g.rng.IntN(4)
	case n < 95:
		p.Statement = 1 + g.rng.IntN(60)
	case n < 97:
		p.Crash = 1 + g.rng.IntN(50)
	case n < 98:
		p.lose, p.crash = true, true
	default:
		p.lose = true
	}
	return p
}

// spy sees what is saved.
type spy struct {
	processor.Tx
	*run
	t *transaction
}

// Save takes note of what was overdue.
func (s *spy) Save(c processor.Changes) error {
	s.t.now = s.now()
	for _, p := range c.Changed.Payments {
		if p.State == payment.Expired {
			s.t.expired = append(s.t.expired, p.ID)
		}
		if was := s.model.payments[string(p.ID)]; p.State.Complete() && !p.UndoableAt.IsZero() && was.state != string(p.State) {
			s.t.settled = append(s.t.settled, p.ID)
		}
	}
	for _, o := range c.Changed.Orders {
		if o.State == "expired" {
			s.t.over = append(s.t.over, o.ID)
		}
	}
	s.t.wrote = !empty(c)
	err := s.Tx.Save(c)
	s.t.saved = err == nil
	return err
}

func empty(c processor.Changes) bool {
	n := len(c.Entries) + len(c.Events)
	for _, r := range []processor.Rows{c.New, c.Changed} {
		n += len(r.Payments) + len(r.Cards) + len(r.Accounts) + len(r.Devices) + len(r.Bindings) + len(r.Tries) + len(r.TopUps) +
			len(r.Passkeys) + len(r.Payees) + len(r.Orders) + len(r.APIKeys) + len(r.Operators) + len(r.Keys) + len(r.Evidence) +
			len(r.Audit) + len(r.Challenges) + len(r.Payouts) + len(r.PayoutPlans)
	}
	return n == 0
}

// traced is a command that takes note of what comes of it.
type traced struct {
	processor.Command
	*run
	sent *sending
}

// Do does it. What it panics with is passed on.
func (c *traced) Do(u *processor.Unit) error {
	defer func() {
		if broken := recover(); broken != nil {
			if broken != any(processor.ErrNotWanted) { // alone it would be answered as a broken invariant, which fails the run, too
				c.Errorf("%s panics: %v", c.sent.name, broken)
			}
			panic(broken)
		}
	}()
	err := c.Command.Do(u)
	e := &executed{sent: c.sent, now: u.Now, done: err == nil}
	if err != nil {
		e.got = refused(err)
	} else {
		e.got = c.sent.result(c.Command)
	}
	e.body = fmt.Sprintf("%s at %d", e.got, u.Now.UnixMicro())
	c.sent.last = e
	c.running.ran = append(c.running.ran, e)
	return err
}

// recover finds out which of the transactions that nobody knows about the disk has kept.
func (r *run) recover() {
	known := r.model.clone()
	r.model.restarted()
	for _, t := range r.doubtful {
		also := known.clone()
		if wrong := also.do(t); len(wrong) > 0 {
			continue
		}
		also.restarted()
		if r.differs(also) == "" { // which looks for all that the other one knows, and for this transaction
			r.note("transaction %d has come back", t.number)
			r.stats.Revived++
			r.model = also
			break
		}
	}
	r.doubtful = nil
	r.compare("after a crash")
}

// restarted forgets the requests that were in progress.
func (m *model) restarted() {
	for id, k := range m.keys {
		if !k.done {
			delete(m.keys, id)
		}
	}
}
