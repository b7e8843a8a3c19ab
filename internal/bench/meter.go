package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// meter measures one scenario.
type meter struct {
	Config
	Scenario
	*site          // in which is paid
	others []*site // as well, to compare
	alone  bool
	open   stack // what is closed at last
	lanes  stack // what is closed when all is paid

	tallies map[side][]tally
	used    map[side][3]Usage // while the sides were measured, by who
	paced   *Paced
	sweep   []Paced

	settledNow int64 // in a running service, by its payees' balances
	failed     int
	first      error
}

// Who uses what: a number in meter.used.
const (
	clients = iota
	services
	database
)

// stack is what is to be closed, the last first.
type stack []func() error

func (s *stack) later(f func() error) { *s = append(*s, f) }

func (s *stack) close() (err error) {
	for _, f := range slices.Backward(*s) {
		err = errors.Join(err, f())
	}
	*s = nil
	return err
}

func (m *meter) later(f func() error) { m.open.later(f) }

func (m *meter) close() error { return m.open.close() }

// sites are all databases in which is paid.
func (m *meter) sites() []*site { return append([]*site{m.site}, m.others...) }

// lane is one side with those who pay in it.
type lane struct {
	side   side
	payers []payer
	work   func(context.Context, time.Duration) (tally, error) // in place of payers
	peers  []*peer                                             // none in this process
	reset  func() error                                        // before each drive; nil for nothing to do
	site   *site                                               // nil if nothing is paid
}

// main is the side that the scenario is about.
func (m *meter) main() side {
	if m.alone {
		return sideFloor
	}
	return sideReal
}

// run lets all sides take turns: whatever else the machine does in the meantime then hits them alike. Each run begins
// with another one.
func (m *meter) run(ctx context.Context, lanes []lane) error {
	for _, l := range lanes {
		if m.Warmup > 0 && l.work == nil {
			if _, _, err := m.drive(ctx, l, "warming up "+string(l.side), pace{duration: m.Warmup, rate: m.Rate}); err != nil {
				return err
			}
		}
	}
	for r := range m.Runs {
		for i := range lanes {
			if ctx.Err() != nil {
				return nil
			}
			l := lanes[(r+i)%len(lanes)]
			what := fmt.Sprintf("%s, run %d of %d", l.side, r+1, m.Runs)
			t, used, err := m.drive(ctx, l, what, pace{duration: m.Duration, rate: m.Rate})
			if err != nil {
				return err
			}
			if t.payments == 0 && ctx.Err() == nil {
				return errors.Join(errors.New("nothing was paid; if cards have no approvals left, hint: more --accounts"), t.first)
			}
			m.tallies[l.side] = append(m.tallies[l.side], t)
			sum := m.used[l.side]
			for who := range sum {
				sum[who] = sum[who].plus(used[who])
			}
			m.used[l.side] = sum
		}
	}
	return nil
}

// drive lets one side pay, and returns what was used for it.
func (m *meter) drive(ctx context.Context, l lane, what string, p pace) (t tally, used [3]Usage, err error) {
	if l.reset != nil {
		if err := l.reset(); err != nil {
			return t, used, err
		}
	}
	done := m.watch(m.Name+": "+what, p.duration)
	defer done()
	before, err := m.looks(l)
	if err != nil {
		return t, used, err
	}
	if l.work != nil {
		t, err = l.work(ctx, p.duration)
	} else {
		t = drive(ctx, l.payers, p)
	}
	if err != nil {
		return t, used, err
	}
	after, err := m.looks(l)
	for who := range used {
		used[who] = after[who].since(before[who])
	}
	if l.site != nil {
		l.site.confirmed += t.payments
	}
	m.failed += t.failed
	if m.first == nil {
		m.first = t.first
	}
	return t, used, err
}

// looks is what was used until now.
func (m *meter) looks(l lane) (out [3]Usage, err error) {
	out[clients] = usage()
	out[database] = m.server.usage()
	for _, p := range l.peers {
		one, err := p.order("usage")
		if err != nil {
			return out, err
		}
		resident := out[services].Resident + one.Resident
		out[services] = out[services].plus(one)
		out[services].Resident = resident
	}
	return out, nil
}

// watch tells how far a drive is until it is done.
func (m *meter) watch(what string, d time.Duration) (done func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	began := time.Now()
	go func() {
		defer close(stopped)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			m.Status(what, int(min(time.Since(began), d).Milliseconds()), int(d.Milliseconds()))
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

// openPayers is how many may be paying at once in an open loop, so that nobody waits for a payer.
func (m *meter) openPayers() int {
	if m.flow.pins() || m.Service != nil {
		return m.Clients
	}
	return min(4*m.Clients, MaxClients, m.town.Accounts/4)
}

// open loops: the steps at parts of the full rate.
func (m *meter) loops(ctx context.Context, l lane) (err error) {
	if m.Part > 0 {
		if m.paced, err = m.loop(ctx, l, m.Part); err != nil {
			return err
		}
	}
	for _, part := range m.Sweep {
		p, err := m.loop(ctx, l, part)
		if err != nil {
			return err
		}
		if p != nil {
			m.sweep = append(m.sweep, *p)
		}
	}
	return nil
}

// loop is one open loop; nil if it was interrupted.
func (m *meter) loop(ctx context.Context, l lane, part float64) (*Paced, error) {
	if len(m.tallies[l.side]) == 0 {
		return nil, nil
	}
	rate := part * spreadOf(rates(m.tallies[l.side])).Median
	t, _, err := m.drive(ctx, l, fmt.Sprintf("open loop at %.0f/s", rate), pace{duration: m.Duration, rate: rate})
	if ctx.Err() != nil || err != nil {
		return nil, err
	}
	return &Paced{Rate: rate, Part: part, Done: t.payments, PerSecond: t.perSecond(), Late: t.late, Steps: t.times.table()}, nil
}
