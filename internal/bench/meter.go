package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"time"

	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
	"tapline/sqlstore"
)

// meter measures one scenario.
type meter struct {
	Config
	Scenario
	*site
	alone bool

	tallies map[side][]tally
	client  map[side]Usage // while the sides were measured
	server  map[side]Usage
	open    *tally // at the given rate
	atRate  float64

	settledNow int64 // in a running service, by its payees' balances
	confirmed  int   // payments, warming up included
	failed     int
	first      error
}

// lane is one side with those who pay in it.
type lane struct {
	side   side
	payers []payer
	peer   *peer        // nil in this process
	reset  func() error // before each drive; nil for nothing to do
}

// run lets all sides take turns: whatever else the machine does in the meantime then hits them alike. Each run begins
// with another one.
func (m *meter) run(ctx context.Context, lanes []lane) error {
	for _, l := range lanes {
		if m.Warmup > 0 {
			if _, _, err := m.drive(ctx, l, "warming up "+string(l.side), pace{duration: m.Warmup}); err != nil {
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
			t, used, err := m.drive(ctx, l, what, pace{duration: m.Duration})
			if err != nil {
				return err
			}
			if t.payments == 0 && ctx.Err() == nil {
				return errors.Join(errors.New("nothing was paid"), t.first)
			}
			m.tallies[l.side] = append(m.tallies[l.side], t)
			m.client[l.side] = m.client[l.side].plus(used[0])
			m.server[l.side] = m.server[l.side].plus(used[1])
		}
	}
	return nil
}

// main is the side that the scenario is about.
func (m *meter) main() side {
	if m.alone {
		return sideFloor
	}
	return sideReal
}

// drive lets one side pay, and returns what clients and service have used.
func (m *meter) drive(ctx context.Context, l lane, what string, p pace) (t tally, used [2]Usage, err error) {
	if l.reset != nil {
		if err := l.reset(); err != nil {
			return t, used, err
		}
	}
	done := m.watch(m.Name+": "+what, p.duration)
	before, err := m.looks(l)
	if err != nil {
		done()
		return t, used, err
	}
	t = drive(ctx, l.payers, p)
	after, err := m.looks(l)
	for i := range used {
		used[i] = after[i].since(before[i])
	}
	if l.side == sideReal || l.side == sideMany {
		m.confirmed += t.payments
	}
	m.failed += t.failed
	if m.first == nil {
		m.first = t.first
	}
	done()
	return t, used, err
}

// looks is what clients and service have used until now.
func (m *meter) looks(l lane) (out [2]Usage, err error) {
	out[0] = usage()
	if l.peer != nil {
		out[1], err = l.peer.order("usage")
	}
	return out, err
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
	if m.flow.pins() {
		return m.Clients
	}
	return min(4*m.Clients, MaxClients, m.town.Accounts/2)
}

// paced times the steps at a part of the full rate.
func (m *meter) paced(ctx context.Context, l lane) error {
	if m.Rate == 0 || ctx.Err() != nil || len(m.tallies[l.side]) == 0 {
		return nil
	}
	m.atRate = m.Rate * spreadOf(rates(m.tallies[l.side])).Median
	what := fmt.Sprintf("open loop at %.0f/s", m.atRate)
	t, _, err := m.drive(ctx, l, what, pace{duration: m.Duration, rate: m.atRate})
	m.open = &t
	return err
}

// engine measures a processor in this process.
func (m *meter) engine(ctx context.Context) (err error) {
	store, err := sqlstore.Open(ctx, m.db, sqlstore.Options{Environment: "test", PasswordFile: m.PasswordFile})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	policy := payment.DefaultPolicy
	if policy.Level, err = payment.ParseLevel(m.level); err != nil {
		return err
	}
	policy.TapDailyLimit = one.Minor * tapsADay
	p := processor.New(processor.Config{Store: store, Keys: m.keys, Policy: policy, Log: slog.New(slog.DiscardHandler)})
	defer p.Close()
	stop, err := profile(m.Profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	keys, err := m.town.deviceKeys()
	if err != nil {
		return err
	}
	e := engine{Town: m.town, Processor: p, flow: m.flow, keys: m.keys, version: newMaster(m.keys).Version(), counters: m.counters}
	for _, k := range keys {
		e.devices = append(e.devices, payment.DeviceID(k.ID()))
	}
	reset := func() error {
		if !m.flow.approves() {
			return nil
		}
		return forget(ctx, store, m.town, m.town.Accounts/2)
	}
	calling := func(payees, callers int) []payer {
		one := e
		one.payees = payees
		return one.callers(callers)
	}
	var lanes []lane
	for _, s := range m.sides(false) {
		n := m.payees(m.Scenario)
		if s == sideMany {
			n = m.many
		}
		lanes = append(lanes, lane{side: s, payers: calling(n, m.Clients), reset: reset})
	}
	if err := m.run(ctx, lanes); err != nil {
		return err
	}
	return m.paced(ctx, lane{side: sideReal, payers: calling(m.payees(m.Scenario), m.openPayers()), reset: reset})
}

// tapsADay is how often a card may pay by a tap alone in a day, in the services that are measured.
const tapsADay = 1_000_000_000

// http measures a service over HTTP.
func (m *meter) http(ctx context.Context) (err error) {
	service, err := startPeer(ctx, m.Process, Spec{
		DB: m.db, Password: m.PasswordFile, Keys: m.keysDir, Level: m.level, PINQueue: max(64, m.Clients), Town: m.town, Profile: m.Profile,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.stop()) }()
	devices, err := m.town.deviceKeys()
	if err != nil {
		return err
	}
	real := m.crowd(service.url, devices, m.counters, m.payees(m.Scenario))
	defer real.http.CloseIdleConnections()
	answers, err := m.sample(real)
	if err != nil {
		return err
	}
	var reset func() error
	if m.flow.approves() {
		reset = func() error { _, err := service.order("reset"); return err }
	}
	var lanes []lane
	for _, s := range m.sides(m.alone) {
		switch s {
		case sideReal:
			lanes = append(lanes, lane{side: s, payers: real.payers(m.Clients), peer: service, reset: reset})
		case sideMany:
			many := *real
			many.payees = m.many
			lanes = append(lanes, lane{side: s, payers: many.payers(m.Clients), peer: service})
		case sideHash:
			payers, err := hashers(ctx, m.keys, runtime.GOMAXPROCS(0))
			if err != nil {
				return err
			}
			lanes = append(lanes, lane{side: s, payers: payers})
		case sideFloor:
			floor, err := startPeer(ctx, m.Process, Spec{Floor: true, Keys: m.keysDir, Town: m.town, Answers: answers})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, floor.stop()) }()
			c := m.crowd(floor.url, devices, make([]uint32, len(m.counters)), m.payees(m.Scenario))
			defer c.http.CloseIdleConnections()
			lanes = append(lanes, lane{side: s, payers: c.payers(m.Clients), peer: floor})
		}
	}
	if err := m.run(ctx, lanes); err != nil {
		return err
	}
	return m.paced(ctx, lane{side: sideReal, payers: real.payers(m.openPayers()), peer: service, reset: reset})
}

func (m *meter) crowd(url string, devices []*consent.DeviceKey, counters []uint32, payees int) *crowd {
	return &crowd{
		Town: m.town, flow: m.flow, payees: payees, url: url, audience: consent.Audience(url, "test"), master: newMaster(m.keys),
		http:    newHTTP(),
		devices: devices, counters: counters,
	}
}

func newHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: MaxClients, MaxConnsPerHost: MaxClients}}
}

// sample makes one payment and returns what was answered to each step.
func (m *meter) sample(c *crowd) (map[string][]byte, error) {
	first := *c
	first.samples = map[string][]byte{}
	r := record{steps: map[string][]time.Duration{}}
	if err := first.payers(1)[0].pay(time.Time{}, &r); err != nil {
		return nil, fmt.Errorf("the first payment: %w", err)
	}
	m.confirmed++
	return first.samples, sampled(m.flow, first.samples)
}

// prove checks the books, and that what was confirmed to clients is what was settled.
func (m *meter) prove(ctx context.Context, r *Result) (err error) {
	r.Confirmed = int64(m.confirmed)
	if m.Service != nil {
		r.Settled = m.settledNow
		return r.compare()
	}
	m.Status(m.Name+": checking the books", 0, 0)
	store, err := sqlstore.Open(ctx, m.db, sqlstore.Options{ReadOnly: true, PasswordFile: m.PasswordFile})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	found, err := store.Check(ctx)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("%w: the books are wrong: %v", ErrUnproved, found)
	}
	after, err := settled(ctx, store, m.town)
	if err != nil {
		return err
	}
	r.Settled, r.Checked = after-m.before, true
	if !sqlstore.IsServer(m.db) {
		for _, part := range []string{"", "-wal"} {
			if info, err := os.Stat(m.db + part); err == nil {
				r.DatabaseBytes += info.Size()
			}
		}
	}
	return r.compare()
}

// compare holds when what was confirmed to clients is what is settled.
func (r *Result) compare() error {
	if r.Settled != r.Confirmed {
		return fmt.Errorf("%w: %d payments were confirmed to clients, and %d are settled", ErrUnproved, r.Confirmed, r.Settled)
	}
	return nil
}
