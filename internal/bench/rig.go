package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
	"tapline/sqlstore"
)

// rig is services, or a processor, on a site, with those who can pay there.
type rig struct {
	site   *site
	peers  []*peer  // none: a processor in this process
	crowds []*crowd // at each of the peers
	engine *engine
	reset  func() error
}

// lane lets clients pay so many payees, each at one of the peers.
func (r rig) lane(s side, payees, n int) lane {
	out := lane{side: s, peers: r.peers, reset: r.reset, site: r.site}
	for i := range n {
		if r.engine != nil {
			out.payers = append(out.payers, r.engine.payer(payees, i, n))
			continue
		}
		c := *r.crowds[i%len(r.crowds)]
		c.payees = payees
		out.payers = append(out.payers, c.payer(i, n))
	}
	return out
}

// pay measures a scenario in which is paid.
func (m *meter) pay(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, m.lanes.close()) }()
	if m.nodes > 0 && !sqlstore.IsServer(m.db) {
		return errors.New("several services need one database on a server; hint: --store postgres")
	}
	real, err := m.rig(ctx, m.site, max(m.nodes, 1), m.Profile)
	if err != nil {
		return err
	}
	var lanes []lane
	for _, s := range m.turns() {
		l, err := m.lane(ctx, s, real)
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		lanes = append(lanes, l)
	}
	if err := m.run(ctx, lanes); err != nil {
		return err
	}
	return m.loops(ctx, real.lane(sideReal, m.payees(), m.openPayers()))
}

// turns are the sides that take turns: at a given rate there is nothing to compare.
func (m *meter) turns() []side {
	if m.Rate > 0 {
		return []side{m.main()}
	}
	var beside []side
	for _, name := range m.Beside {
		beside = append(beside, side(name))
	}
	return append(beside, m.sides(m.alone)...)
}

func (m *meter) lane(ctx context.Context, s side, real rig) (lane, error) {
	switch s {
	case sideFloor:
		return m.floorLane(ctx, real.crowds[0])
	case sideHash:
		payers, err := hashers(ctx, m.keys, runtime.GOMAXPROCS(0))
		return lane{side: s, payers: payers}, err
	case sideMany:
		return real.lane(s, m.many, m.Clients), nil
	case sideOne:
		one := real
		one.peers, one.crowds = real.peers[:1], real.crowds[:1]
		return one.lane(s, m.payees(), m.Clients), nil
	case sideSmall:
		small, err := m.emptySite(ctx, NewTown(min(smallAccounts, m.Accounts), m.payees(), 0, 0))
		if err != nil {
			return lane{}, err
		}
		m.others = append(m.others, small)
		r, err := m.rig(ctx, small, 1, "")
		return r.lane(s, m.payees(), m.Clients), err
	case sidePgbench:
		return m.pgbenchLane(ctx)
	case sideAppend:
		return m.appendLane()
	default:
		clients := m.Clients
		if m.Rate > 0 {
			clients = m.openPayers()
		}
		return real.lane(s, m.payees(), clients), nil
	}
}

// rig opens services, or a processor.
func (m *meter) rig(ctx context.Context, at *site, nodes int, profile string) (r rig, err error) {
	if m.flow.engine() {
		return m.openEngine(ctx, at, profile)
	}
	r.site = at
	devices, err := at.town.deviceKeys()
	if err != nil {
		return r, err
	}
	for range nodes {
		p, err := m.peer(ctx, Spec{
			DB: at.db, Password: m.PasswordFile, Keys: at.keysDir, Level: m.level, PINQueue: max(64, m.Clients), Town: at.town, Profile: profile,
		})
		if err != nil {
			return r, err
		}
		r.peers = append(r.peers, p)
		r.crowds = append(r.crowds, m.crowd(p.url, at, devices, at.counters))
	}
	if m.flow.approves() {
		r.reset = func() error { _, err := r.peers[0].order("reset"); return err }
	}
	return r, nil
}

// peer starts a process that serves until all is paid.
func (m *meter) peer(ctx context.Context, s Spec) (*peer, error) {
	p, err := startPeer(ctx, m.Process, s)
	if err == nil {
		m.lanes.later(p.stop)
	}
	return p, err
}

func (m *meter) crowd(url string, at *site, devices []*consent.DeviceKey, counters []uint32) *crowd {
	c := &crowd{
		Town: at.town, flow: m.flow, payees: m.payees(), url: url, audience: consent.Audience(url, "test"), master: newMaster(at.keys),
		http: newHTTP(), devices: devices, counters: counters, reads: m.flow == flowMixed,
	}
	m.lanes.later(func() error { c.http.CloseIdleConnections(); return nil })
	return c
}

func newHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: MaxClients, MaxConnsPerHost: MaxClients}}
}

func (m *meter) floorLane(ctx context.Context, real *crowd) (lane, error) {
	answers, err := m.sample(real)
	if err != nil {
		return lane{}, err
	}
	floor, err := m.peer(ctx, Spec{Floor: true, Keys: m.keysDir, Town: m.town, Answers: answers})
	if err != nil {
		return lane{}, err
	}
	r := rig{peers: []*peer{floor}}
	r.crowds = []*crowd{m.crowd(floor.url, m.site, real.devices, make([]uint32, len(m.counters)))}
	return r.lane(sideFloor, m.payees(), m.Clients), nil
}

// sample makes one payment of each flow and returns what was answered to each step.
func (m *meter) sample(c *crowd) (map[string][]byte, error) {
	answers := map[string][]byte{}
	for _, f := range m.flow.parts() {
		one := *c
		one.flow, one.samples = f, answers
		r := record{times: newTimes()}
		if err := one.payer(0, 1).pay(time.Time{}, &r); err != nil {
			return nil, fmt.Errorf("the first payment: %w", err)
		}
		m.confirmed++
	}
	return answers, nil
}

// tapsADay is how often a card may pay by a tap alone in a day, in the services that are measured.
const tapsADay = 1_000_000_000

// openEngine opens a processor in this process.
func (m *meter) openEngine(ctx context.Context, at *site, to string) (r rig, err error) {
	store, err := sqlstore.Open(ctx, at.db, sqlstore.Options{Environment: "test", PasswordFile: m.PasswordFile})
	if err != nil {
		return r, err
	}
	m.lanes.later(store.Close)
	policy := payment.DefaultPolicy
	if policy.Level, err = payment.ParseLevel(m.level); err != nil {
		return r, err
	}
	policy.TapDailyLimit = one.Minor * tapsADay
	p := processor.New(processor.Config{Store: store, Keys: at.keys, Policy: policy, Log: slog.New(slog.DiscardHandler)})
	m.lanes.later(func() error { p.Close(); return nil })
	keys, err := at.town.deviceKeys()
	if err != nil {
		return r, err
	}
	stop, err := profile(to)
	if err != nil {
		return r, err
	}
	m.lanes.later(stop)
	e := &engine{Town: at.town, Processor: p, flow: m.flow, keys: at.keys, version: newMaster(at.keys).Version(), counters: at.counters}
	for _, k := range keys {
		e.devices = append(e.devices, payment.DeviceID(k.ID()))
	}
	r = rig{site: at, engine: e}
	if m.flow.approves() {
		r.reset = func() error { return forget(ctx, store, at.town, at.town.Accounts/2) }
	}
	return r, nil
}
