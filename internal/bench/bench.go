// Package bench measures how many payments a service takes, and how long each step of them lasts, beside what the same
// machine does at best: see docs/bench.md. Everything is on this machine, bounded in time, and proved afterwards.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Stores that new databases are made in.
const (
	SQLite   = "sqlite"
	Postgres = "postgres" // a server of one's own, in a temporary folder, with PostgreSQL's own settings
)

// Config says what to measure.
type Config struct {
	Scenarios []string
	Duration  time.Duration // of each side in each run
	Warmup    time.Duration // before, and not counted
	Runs      int
	Clients   int
	Rate      float64   // payments that arrive in a second, in an open loop; 0 for a closed loop
	Part      float64   // of the closed loop's rate, at which steps are timed in an open loop as well; 0 for not at all
	Sweep     []float64 // likewise, for a plot
	Beside    []string  // Yardsticks
	Accounts  int
	Payees    int
	Payments  int // past ones

	Store        string // SQLite or Postgres, where a new database is made for each scenario
	DB           string // in place of one: a file, or the URL of a server
	Keys         string // folder of keys; "" beside a file, or in Dir
	PasswordFile string
	Dir          string // for what is made and thrown away
	Profile      string // file for a CPU profile of the service; "" for none

	Service *Service // a running one that is measured in place of one of its own; nil for none

	Process func(context.Context) (Process, error)                      // starts a Serve
	Command func(ctx context.Context, db, keys string) (Process, error) // starts tapline serve, which tells its URL first
	Said    func(Result)                                                // told of each result as soon as there is one
	Status  func(what string, done, of int)                             // told how far it is; of is 0 when that is not known

	server       *ownServer
	provedLater  bool // another scenario follows in the same database, after which that is proved
	pgbenchScale int
}

// Bounds of a measurement.
const (
	MaxDuration = 10 * time.Minute
	MaxRuns     = 100
	MaxClients  = 512
	MaxAccounts = 10_000_000
	MaxPayees   = 1_000_000
	MaxPayments = 100_000_000
	maxRate     = 1_000_000
)

// Check refuses what cannot be measured.
func (c Config) Check() error {
	for _, name := range c.Scenarios {
		if _, _, err := find(name); err != nil {
			return err
		}
	}
	for _, b := range []struct {
		what      string
		n, lo, hi int
	}{
		{"--duration, in milliseconds", int(c.Duration.Milliseconds()), 10, int(MaxDuration.Milliseconds())},
		{"--warmup, in milliseconds", int(c.Warmup.Milliseconds()), 0, int(MaxDuration.Milliseconds())},
		{"--runs", c.Runs, 1, MaxRuns}, {"--clients", c.Clients, 1, MaxClients},
		{"--accounts", c.Accounts, 4, MaxAccounts}, {"--payees", c.Payees, 1, MaxPayees}, {"--payments", c.Payments, 0, MaxPayments},
	} {
		if b.n < b.lo || b.n > b.hi {
			return fmt.Errorf("%s: want %d to %d", b.what, b.lo, b.hi)
		}
	}
	if c.Rate < 0 || c.Rate > maxRate || c.Part < 0 || c.Part > 3 {
		return fmt.Errorf("--rate: want payments per second, at most %d, or a part of the full rate, such as 70%%", maxRate)
	}
	if c.Service == nil && c.Accounts < 4*c.Clients {
		return fmt.Errorf("--accounts: want four for each of %d clients, of whom each has cards of its own", c.Clients)
	}
	if c.Store != SQLite && c.Store != Postgres {
		return errors.New("--store: want sqlite or postgres")
	}
	for _, name := range c.Beside {
		if !slices.Contains(Yardsticks, name) {
			return fmt.Errorf("--beside: want %s", strings.Join(Yardsticks, ", "))
		}
	}
	return nil
}

// ErrUnproved means that what was measured is wrong, however fast it was.
var ErrUnproved = errors.New("the payments do not add up")

// Run measures, one scenario after the other. What was measured before an error, or before ctx was done, is told all the
// same.
func Run(ctx context.Context, c Config) (all []Result, err error) {
	c.server = &ownServer{}
	defer func() { err = errors.Join(err, c.server.close()) }()
	for i, name := range c.Scenarios {
		if ctx.Err() != nil {
			return all, nil
		}
		c.provedLater = c.DB != "" && i < len(c.Scenarios)-1
		s, alone, err := find(name)
		if err != nil {
			return all, err
		}
		r, err := c.measure(ctx, s, alone)
		if err != nil && (ctx.Err() == nil || errors.Is(err, ErrUnproved)) {
			return all, fmt.Errorf("%s: %w", name, err)
		}
		if err == nil && r.Runs > 0 {
			for j := range all {
				all[j].Checked = r.Checked // if they are in one database, that of them all
			}
			all = append(all, r)
			c.Said(r)
		}
	}
	return all, nil
}

// measure measures one scenario.
func (c Config) measure(ctx context.Context, s Scenario, alone bool) (r Result, err error) {
	m := &meter{Config: c, Scenario: s, alone: alone, tallies: map[side][]tally{}, used: map[side][3]Usage{}}
	if m.Config.Dir, err = os.MkdirTemp(c.Dir, s.Name+"-"); err != nil {
		return r, err
	}
	m.later(func() error { return os.RemoveAll(m.Config.Dir) })
	defer func() { err = errors.Join(err, m.close()) }()
	if c.Service == nil {
		if m.site, err = m.newSite(ctx, c.plan(s)); err != nil {
			return r, err
		}
	}
	switch {
	case c.Service != nil:
		err = m.remote(ctx)
	case s.Name == coldStart:
		err = m.starts(ctx)
	default:
		err = m.pay(ctx)
	}
	if err != nil {
		return r, err
	}
	r = m.result()
	if r.Interrupted = ctx.Err() != nil; r.Interrupted {
		ctx = context.WithoutCancel(ctx) // what was measured until then is proved
	}
	return r, m.prove(ctx, &r)
}
