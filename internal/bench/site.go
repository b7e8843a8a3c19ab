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
	"tapline/processor"
	"tapline/sqlstore"
)

// site is a database with a town in it.
type site struct {
	db        string
	keysDir   string
	keys      *keyring.Keyring
	town      Town
	counters  []uint32
	before    int64 // payments that were settled
	size      int64 // bytes of the file, as it was then
	confirmed int   // payments since then, warming up included
}

// newSite fills a database: the one that was named, or for want of that a new one.
func (m *meter) newSite(ctx context.Context, plan Town) (*site, error) {
	db, keys := m.DB, m.Keys
	if db != "" && keys == "" {
		keys = strings.TrimSuffix(db, filepath.Ext(db)) + "-keys"
		if sqlstore.IsServer(db) {
			keys = filepath.Join(m.Dir, "keys")
		}
	}
	if db == "" {
		return m.emptySite(ctx, plan)
	}
	return m.fillSite(ctx, db, keys, plan)
}

// fillCache is how many MiB of a database are kept in memory at most while it is filled, and while it is proved. The service that
// is measured is opened with its own.
const fillCache = 2048

// emptySite fills a new database, which is gone when the meter is closed.
func (m *meter) emptySite(ctx context.Context, plan Town) (*site, error) {
	dir, err := os.MkdirTemp(m.Dir, "site-")
	if err != nil {
		return nil, err
	}
	db := filepath.Join(dir, "tapline.db")
	if m.Store == Postgres {
		var name string
		if name, db, err = m.server.database(m.Status); err != nil {
			return nil, err
		}
		m.later(func() error { return m.server.drop(name) })
	}
	return m.fillSite(ctx, db, filepath.Join(dir, "keys"), plan)
}

func (m *meter) fillSite(ctx context.Context, db, keysDir string, plan Town) (at *site, err error) {
	at = &site{db: db, keysDir: keysDir}
	options := sqlstore.Options{Environment: "test", PasswordFile: m.PasswordFile, Cache: fillCache}
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
	defer func() {
		err = errors.Join(err, store.Close())
		if at != nil {
			at.size = m.sizeOf(at.db)
		}
	}()
	at.town, err = Fill(ctx, store, at.keys, plan, func(what string, done, of int) { m.Status("making "+what, done, of) })
	if err != nil {
		return nil, err
	}
	if at.town.Payees < m.payees() || at.town.Accounts < 4*m.Clients || m.flow.pins() && at.town.PINs < m.Clients {
		return nil, errors.New("the database was filled with fewer people than that; hint: begin with an empty one")
	}
	if at.counters, err = counters(ctx, store, at.town); err != nil {
		return nil, err
	}
	at.before, err = settled(ctx, store, at.town)
	return at, err
}

// sizeOf is how large a closed database is, in bytes; 0 where that is not known.
func (m *meter) sizeOf(db string) int64 {
	if sqlstore.IsServer(db) {
		return m.server.size(db)
	}
	info, err := os.Stat(db)
	if err != nil {
		return 0
	}
	return info.Size()
}

// PINs that are hashed when a database is filled, a few milliseconds each: enough for the approvals of some seconds.
const (
	pinCards     = 512
	approveCards = 2048
)

// approvalsPerSecond is more than was seen of any machine. A card has only so many approvals an hour.
const approvalsPerSecond = 2000

// plan is the town that a scenario needs. In a database that is kept there is what any scenario needs.
func (c Config) plan(s Scenario) Town {
	pins := 0
	switch {
	case c.DB != "" || s.flow == flowApprove:
		pins = max(approveCards, c.Clients)
	case s.flow.pins():
		pins = max(pinCards, c.Clients)
	}
	accounts := c.Accounts
	if s.flow == flowEngineApprove {
		paid := approvalsPerSecond * int((c.Warmup+time.Duration(c.Runs)*c.Duration).Seconds()+1)
		accounts = min(max(accounts, 2*paid/processor.HourlyApprovals), MaxAccounts) // every other one has no passkey, and pays
	}
	if s.Name == coldStart && c.Payments == 0 {
		accounts = 4 * c.Clients // nobody looks at them
	}
	return NewTown(accounts, max(c.payeesOf(s), s.many), pins, c.Payments)
}

// payees is how many are paid in the scenario itself.
func (m *meter) payees() int { return m.payeesOf(m.Scenario) }

func (c Config) payeesOf(s Scenario) int {
	if s.many > 0 || s.nodes > 0 {
		return 1
	}
	return c.Payees
}

// prove checks the books of every database that was paid in, and that what was confirmed to clients is what was settled. Those of a
// database in which the next scenario goes on are checked after the last: of millions of payments that takes many minutes. When ctx is
// done the books are left unchecked, and the result says so.
func (m *meter) prove(ctx context.Context, r *Result) error {
	if m.Service != nil {
		r.Confirmed, r.Settled = int64(m.site.confirmed), m.settledNow
		return r.compare()
	}
	r.goesOn = m.provedLater && !r.Interrupted
	for _, at := range m.sites() {
		if at != m.site || !r.goesOn {
			if err := m.check(ctx, at); err != nil {
				return err
			}
		}
		if err := m.proveSite(context.WithoutCancel(ctx), at, r); err != nil {
			return err
		}
	}
	r.Checked = !r.goesOn && ctx.Err() == nil
	if now := m.sizeOf(m.site.db); now > 0 {
		r.DatabaseBytes = now
		r.Grown = float64(now-m.site.size) / float64(max(m.site.confirmed, 1))
	}
	return nil
}

// check checks the books of a database, unless ctx is done before the end.
func (m *meter) check(ctx context.Context, at *site) (err error) {
	store, err := sqlstore.Open(context.WithoutCancel(ctx), at.db, sqlstore.Options{ReadOnly: true, PasswordFile: m.PasswordFile, Cache: fillCache})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	found, err := store.Check(ctx, func(step string, done, of int) { m.Status(m.Name+": checking: "+step, done, of) })
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil && len(found) > 0:
		err = fmt.Errorf("%w: the books are wrong: %v", ErrUnproved, found)
	}
	return err
}

// proveSite compares what was confirmed to clients with what is settled.
func (m *meter) proveSite(ctx context.Context, at *site, r *Result) (err error) {
	store, err := sqlstore.Open(ctx, at.db, sqlstore.Options{ReadOnly: true, PasswordFile: m.PasswordFile})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	after, err := settled(ctx, store, at.town)
	if err != nil {
		return err
	}
	one := Result{Confirmed: int64(at.confirmed), Settled: after - at.before}
	if at == m.site {
		r.Confirmed, r.Settled = one.Confirmed, one.Settled
	}
	return one.compare()
}

// compare holds when what was confirmed to clients is what is settled.
func (r *Result) compare() error {
	if r.Settled != r.Confirmed {
		return fmt.Errorf("%w: %d payments were confirmed to clients, and %d are settled", ErrUnproved, r.Confirmed, r.Settled)
	}
	return nil
}
