// Package sqlstore keeps what the processor needs in an SQL database.
//
// How a row is stored is declared once, in tables.go and payments.go, as a table of columns; loading, inserting and
// changing rows are made from that, and what is listed in some order is plain SQL in read.go. The schema is one text
// for all databases (migrations/). What differs between databases is a dialect behind the interfaces database and
// session: how one statement is run for many rows, locks, error codes, waking others. SQLite is in sqlite.go,
// PostgreSQL in postgres.go.
package sqlstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"tapline/processor"
)

// Store is a processor.Store on an SQL database. Its methods are safe for several goroutines. Close it.
type Store struct {
	db      database
	sandbox bool
	ahead   atomic.Int64 // of a sandbox's clock, nanoseconds, as it was last read

	mu      sync.Mutex
	newest  int64         // number of the newest event known
	changed chan struct{} // closed when newest grows, or the store is closed
	looked  time.Time     // when the database was last asked for newest
	closed  bool

	stop      context.CancelFunc // of listening
	listening sync.WaitGroup
}

var _ processor.Store = (*Store)(nil)

// database is what a dialect offers: transactions.
type database interface {
	// update runs f in a read-write transaction and commits, unless f returns an error or panics, or ctx is done. It
	// returns the error of f as it is.
	update(ctx context.Context, f func(session) error) error
	// view runs f over one snapshot.
	view(ctx context.Context, f func(session) error) error
	// damage looks for what is wrong with the database itself, whatever is kept in it.
	damage(session) ([]Finding, error)
	// listen tells the number of the newest event when another process has committed it, until ctx is done; or returns at
	// once, if the database cannot tell.
	listen(ctx context.Context, newest func(int64))
	// close waits for transactions that are running.
	close() error
}

// session is a connection inside a database transaction, for one goroutine. What update gives out locks the rows that
// it selects by their columns until the transaction ends.
type session interface {
	// run runs a statement for each of a number of rows of arguments, which bind binds, and calls scan, unless it is
	// nil, with each row that comes out. Without scan it returns how many rows were inserted, updated or deleted.
	//
	// Errors: those of processor.Store, recognised by the database's codes; ctx's when that is done; else others.
	run(s *statement, rows int, bind func(row int, to binder), scan func(scanner)) (changed int, err error)
	// alone waits until no other transaction is alone by one of the same names, and keeps them out until this one ends.
	alone(names ...string) error
	// announce tells those who listen of the newest event, once the transaction is committed.
	announce(newest int64) error
	// scrub sees to it that nothing is left in the database's files, once the transaction is committed, of what it has overwritten.
	scrub() error
	// now is the time by the database's clock, which is the same for all who use it.
	now() (time.Time, error)
}

// pollEvery is how often Wait looks for events that other processes have committed.
const pollEvery = time.Second

var errClosed = errors.New("the store is closed")

func newStore(ctx context.Context, db database, environment string) (*Store, error) {
	s := &Store{db: db, sandbox: environment == Sandbox, changed: make(chan struct{})}
	newest, err := s.readNewest(ctx)
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	s.newest, s.looked = newest, time.Now()
	if s.sandbox {
		if _, _, err := s.SandboxTime(ctx); err != nil {
			return nil, errors.Join(err, db.close())
		}
	}
	listening, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.listening.Go(func() { db.listen(listening, s.wake) })
	return s, nil
}

// Close waits for running transactions and closes the database. Wait returns. What is called later gets an error.
func (s *Store) Close() error {
	s.mu.Lock()
	already := s.closed
	if !already {
		s.closed = true
		close(s.changed)
	}
	s.mu.Unlock()
	if already {
		return nil
	}
	s.stop()
	s.listening.Wait()
	return s.db.close()
}

// Update runs f in one read-write transaction; see processor.Store. When ctx ends before the commit, nothing has
// happened. When a Load or Save has failed, so has the transaction, whatever f returns.
func (s *Store) Update(ctx context.Context, f func(processor.Tx) error) error {
	var newest int64
	err := s.db.update(ctx, func(c session) error {
		t := &tx{rows: rows{session: s.in(c), writing: true}}
		defer t.end()
		if err := f(t); err != nil {
			return err
		}
		newest = t.newestEvent
		if newest > 0 && t.err == nil {
			t.err = c.announce(newest)
		}
		return t.err
	})
	if err == nil {
		s.wake(newest)
	}
	return err
}

// View runs f over one snapshot; see processor.Store.
func (s *Store) View(ctx context.Context, f func(processor.Reader) error) error {
	return s.db.view(ctx, func(c session) error {
		r := &reader{rows{session: s.in(c)}}
		defer r.end()
		return f(r)
	})
}

// Wait returns the number of the newest event as soon as it is greater than after, or when ctx is done; see
// processor.Store. Commits of this process wake it at once, and on PostgreSQL those of others, too; elsewhere, or when
// what tells of them is lost, they do within a second or so.
func (s *Store) Wait(ctx context.Context, after int64) (int64, error) {
	for {
		s.mu.Lock()
		newest, changed, closed := s.newest, s.changed, s.closed
		look := time.Until(s.looked.Add(pollEvery))
		if look <= 0 {
			s.looked = time.Now() // this one looks for all who wait
		}
		s.mu.Unlock()
		switch {
		case closed:
			return newest, errClosed
		case newest > after || ctx.Err() != nil:
			return newest, nil
		case look <= 0:
			if err := s.look(ctx); err != nil {
				return newest, err
			}
			continue
		}
		timer := time.NewTimer(look)
		select {
		case <-changed:
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// look asks the database for the newest event.
func (s *Store) look(ctx context.Context) error {
	newest, err := s.readNewest(ctx)
	if ctx.Err() != nil {
		return nil // Wait says so itself
	}
	if err == nil {
		s.wake(newest)
	}
	return err
}

func (s *Store) wake(newest int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if newest > s.newest && !s.closed {
		s.newest = newest
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

func (s *Store) readNewest(ctx context.Context) (newest int64, err error) {
	err = s.db.view(ctx, func(c session) error {
		newest, err = newestEvent(c)
		return err
	})
	return newest, err
}
