// Package bench measures how many payments a service takes, and how long each step of them lasts, beside what the same
// machine does at best: see docs/bench.md. Everything is on this machine, bounded in time, and proved afterwards.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tapline/keyring"
	"tapline/sqlstore"
)

// NewDatabase is the DB of a Config that measures each scenario on a new SQLite database of its own.
const NewDatabase = "sqlite"

// Config says what to measure.
type Config struct {
	Scenarios []string
	Duration  time.Duration // of each side in each run
	Warmup    time.Duration // before, and not counted
	Runs      int
	Clients   int
	Rate      float64 // of the full rate, at which steps are timed in an open loop as well; 0 for not at all
	Accounts  int
	Payees    int
	Payments  int // past ones

	DB           string // NewDatabase, a file, or the URL of a server
	Keys         string // folder of keys; "" beside a file, or in Dir
	PasswordFile string
	Dir          string // for what is made and thrown away
	Profile      string // file for a CPU profile of the service; "" for none

	Service *Service // a running one that is measured in place of one of its own; nil for none

	Process func(context.Context) (Process, error) // starts a Serve
	Said    func(Result)                           // told of each result as soon as there is one
	Status  func(what string, done, of int)        // told how far it is; of is 0 when that is not known
}

// Bounds of a measurement.
const (
	MaxDuration = 10 * time.Minute
	MaxRuns     = 100
	MaxClients  = 512
	MaxAccounts = 10_000_000
	MaxPayees   = 1_000_000
	MaxPayments = 100_000_000
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
	if c.Rate < 0 || c.Rate > 3 {
		return errors.New("--rate: want a part of the full rate, such as 0.7; at most 3")
	}
	if c.Service == nil && c.Accounts < 2*c.Clients {
		return fmt.Errorf("--accounts: want two for each of %d clients, of whom each has cards of its own", c.Clients)
	}
	return nil
}

// ErrUnproved means that what was measured is wrong, however fast it was.
var ErrUnproved = errors.New("the payments do not add up")

// Run measures, one scenario after the other. What was measured before an error, or before ctx was done, is told all the
// same.
func Run(ctx context.Context, c Config) ([]Result, error) {
	var all []Result
	for _, name := range c.Scenarios {
		if ctx.Err() != nil {
			return all, nil
		}
		s, alone, err := find(name)
		if err != nil {
			return all, err
		}
		r, err := c.measure(ctx, s, alone)
		if err != nil && (ctx.Err() == nil || errors.Is(err, ErrUnproved)) {
			return all, fmt.Errorf("%s: %w", name, err)
		}
		if err == nil && r.Runs > 0 {
			all = append(all, r)
			c.Said(r)
		}
	}
	return all, nil
}

// site is a database with a town in it.
type site struct {
	db       string
	keysDir  string
	keys     *keyring.Keyring
	town     Town
	counters []uint32
	before   int64 // payments that were settled
}

// measure measures one scenario on a database.
func (c Config) measure(ctx context.Context, s Scenario, alone bool) (r Result, err error) {
	dir := c.Dir
	if c.DB == NewDatabase {
		if dir, err = os.MkdirTemp(c.Dir, s.Name+"-"); err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	var at *site
	if c.Service == nil {
		if at, err = c.prepare(ctx, s, dir); err != nil {
			return r, err
		}
	}
	m := &meter{Config: c, Scenario: s, site: at, alone: alone, tallies: map[side][]tally{}, client: map[side]Usage{}, server: map[side]Usage{}}
	switch {
	case c.Service != nil:
		err = m.remote(ctx)
	case s.flow.engine():
		err = m.engine(ctx)
	default:
		err = m.http(ctx)
	}
	if err != nil {
		return r, err
	}
	r = m.result()
	r.Interrupted = ctx.Err() != nil
	return r, m.prove(context.WithoutCancel(ctx), &r)
}

// prepare opens the database and fills it.
func (c Config) prepare(ctx context.Context, s Scenario, dir string) (at *site, err error) {
	at = &site{}
	at.db, at.keysDir = c.places(dir)
	options := sqlstore.Options{Environment: "test", PasswordFile: c.PasswordFile}
	there, err := sqlstore.Exists(ctx, at.db, options)
	if err != nil {
		return nil, err
	}
	open := keyring.OpenOrCreate
	if there && !sqlstore.IsServer(at.db) {
		open = keyring.Open
	}
	if at.keys, err = open(at.keysDir); err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(ctx, at.db, options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	at.town, err = Fill(ctx, store, at.keys, c.plan(s), func(what string, done, of int) { c.Status("making "+what, done, of) })
	if err != nil {
		return nil, err
	}
	if at.town.Payees < c.payees(s) || at.town.Accounts < 2*c.Clients || s.flow.pins() && at.town.PINs < c.Clients {
		return nil, errors.New("the database was filled with fewer people than that; hint: begin with an empty one")
	}
	if at.counters, err = counters(ctx, store, at.town); err != nil {
		return nil, err
	}
	at.before, err = settled(ctx, store, at.town)
	return at, err
}

// PINs that are hashed when a database is filled, a few milliseconds each: enough for the approvals of some seconds.
const (
	pinCards     = 512
	approveCards = 2048
)

// plan is the town that a scenario needs. In a database that is kept there is what any scenario needs.
func (c Config) plan(s Scenario) Town {
	pins := 0
	switch {
	case c.DB != NewDatabase || s.flow == flowApprove:
		pins = max(approveCards, c.Clients)
	case s.flow == flowPIN:
		pins = max(pinCards, c.Clients)
	}
	return NewTown(c.Accounts, max(c.payees(s), s.many), pins, c.Payments)
}

// payees is how many are paid in the scenario itself.
func (c Config) payees(s Scenario) int {
	if s.many > 0 {
		return 1
	}
	return c.Payees
}

func (c Config) places(dir string) (db, keys string) {
	db, keys = c.DB, c.Keys
	if db == NewDatabase {
		db = filepath.Join(dir, "tapline.db")
	}
	switch {
	case keys != "":
	case sqlstore.IsServer(db):
		keys = filepath.Join(dir, "keys")
	default:
		keys = strings.TrimSuffix(db, filepath.Ext(db)) + "-keys"
	}
	return db, keys
}
