package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tapline/processor"
)

// postgresDB is a database on a PostgreSQL server, which any number of processes share. Connections are made when they
// are first needed, and again after they were lost. Whoever has one never asks for a second.
type postgresDB struct {
	config  *pgconn.Config
	writers chan *postgresConn // hold connections while nobody uses them; nil if the database is only read
	readers chan *postgresConn
	closing chan struct{}
	channel string // of notifications
	created bool   // there were no tables before
}

// Bounds of what is done again.
const (
	postgresWriters  = 2                      // the processor's batch, and Purge or the like beside it
	deadlockRetries  = 8                      // of a transaction that the database gave up in favour of another
	conflictRetries  = 2                      // of one that met a row which somebody else had just made
	retryPause       = 2 * time.Millisecond   // before the first retry; doubles with each
	outcomePatience  = 10 * time.Second       // for asking what became of a commit that was not answered
	outcomePause     = 100 * time.Millisecond // between asking
	beginPatience    = 3 * time.Second        // for the first answer on a connection that was not used for a while
	batchPatience    = 12 * time.Second       // for a transaction that somebody waits for; more than lock_timeout
	haltPatience     = 2 * time.Second        // for the end of what the server was asked to stop
	witnessPatience  = 2 * time.Second        // for the answer of one who is asked
	commitPatience   = 5 * time.Second        // for the answer to a commit, which may wait for replicas
	connectPatience  = 5 * time.Second        // unless the URL says otherwise
	rollBackPatience = 5 * time.Second
)

func newPostgresDB(config *pgconn.Config, o Options) *postgresDB {
	d := &postgresDB{config: config, readers: make(chan *postgresConn, o.Readers), closing: make(chan struct{})}
	for range o.Readers {
		d.readers <- &postgresConn{}
	}
	if !o.ReadOnly {
		d.writers = make(chan *postgresConn, postgresWriters)
		for range postgresWriters {
			d.writers <- &postgresConn{locking: true}
		}
	}
	return d
}

// take waits for a connection that nobody uses.
func (d *postgresDB) take(ctx context.Context, from chan *postgresConn) (*postgresConn, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	select {
	case <-d.closing: // even if there is a connection left
		return nil, errClosed
	default:
	}
	select {
	case c := <-from:
		return c, nil
	case <-d.closing:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// begin begins a transaction, on a new connection if there is none or it was lost while nobody used it.
func (d *postgresDB) begin(ctx context.Context, c *postgresConn, how string) error {
	c.ctx, c.fault = ctx, fine
	if c.conn != nil && !c.conn.IsClosed() {
		// A server that has come to a halt would let it wait as long as the transaction may last.
		err := c.conn.Conn().SetReadDeadline(time.Now().Add(beginPatience))
		if err == nil {
			err = c.begin(how)
		}
		if err == nil {
			err = c.conn.Conn().SetReadDeadline(time.Time{})
		}
		if err == nil || !c.conn.IsClosed() || ctx.Err() != nil {
			return err
		}
		c.fault = fine
	}
	if err := c.connect(ctx, d.config); err != nil {
		return err
	}
	return c.begin(how)
}

const (
	// The rows that a batch wants are locked one by one, so it sees them as they are and no snapshot is needed:
	// decisions/0002. Its number is known before it commits, to ask what became of it.
	beginWritingPostgres = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_current_xact_id()"
	beginReadingPostgres = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
)

// update runs f again when the database has given the transaction up for the sake of another, or when a row that f
// makes was made by somebody else after f had looked: then f will see it.
func (d *postgresDB) update(ctx context.Context, f func(session) error) error {
	if d.writers == nil {
		return fmt.Errorf("%w: it was opened to be read only", processor.ErrUnavailable)
	}
	deadlocks, conflicts := 0, 0
	for {
		fault, err := d.updateOnce(ctx, f)
		switch {
		case fault == givenUp && deadlocks < deadlockRetries:
			deadlocks++
		case fault == conflict && conflicts < conflictRetries:
			conflicts++
		default:
			return err
		}
		pause := retryPause << (deadlocks + conflicts)
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// updateOnce gives a transaction up before its time where somebody waits for it: locks are waited for no longer than that,
// so the server has come to a halt, and another one may have taken its place.
func (d *postgresDB) updateOnce(ctx context.Context, f func(session) error) (fault, error) {
	if _, waits := ctx.Deadline(); !waits {
		return d.updateWithin(ctx, f)
	}
	limited, cancel := context.WithTimeout(ctx, batchPatience)
	defer cancel()
	fault, err := d.updateWithin(limited, f)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: it took more than %v: %w", processor.ErrUnavailable, batchPatience, err)
	}
	return fault, err
}

func (d *postgresDB) updateWithin(ctx context.Context, f func(session) error) (fault, error) {
	c, err := d.take(ctx, d.writers)
	if err != nil {
		return fine, err
	}
	defer func() { d.writers <- c }()
	if err := d.begin(ctx, c, beginWritingPostgres); err != nil {
		return c.fault, err
	}
	defer c.rollBack()
	if err := f(c); err != nil {
		return c.fault, err
	}
	err = c.commit()
	if errors.Is(err, errUnanswered) {
		err = d.outcome(ctx, c, err)
	}
	return c.fault, err
}

// errUnanswered says that the connection was lost while it committed, or that the server has not said in time, or not
// without a warning, that it has.
var errUnanswered = errors.New("the commit was not answered")

// outcome asks what became of a commit that was not answered. While that cannot be known it is told as not available:
// the caller asks again with the same idempotency key.
func (d *postgresDB) outcome(ctx context.Context, c *postgresConn, lost error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomePatience)
	defer cancel()
	tick := time.NewTicker(outcomePause)
	defer tick.Stop()
	for {
		status, err := d.xactStatus(ctx, c)
		switch {
		case status == "committed":
			return nil
		case status == "aborted":
			return fmt.Errorf("%w: %w", processor.ErrUnavailable, lost)
		case err != nil:
			return fmt.Errorf("%w: it may have been done: %w: %w", processor.ErrUnavailable, lost, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: it may have been done: %w", processor.ErrUnavailable, lost)
		}
	}
}

// errNoWitness says that nobody is left who knows what became of a transaction.
var errNoWitness = errors.New("the server has restarted or is another one")

// xactStatus is "committed", "aborted" or "in progress". It asks on a connection that is older than the transaction and
// has lived since. A server that has crashed, or one that has taken the place of another, may have given the same number
// to another transaction; but then no connection has lived so long.
func (d *postgresDB) xactStatus(ctx context.Context, of *postgresConn) (status string, err error) {
	for range cap(d.readers) {
		c, err := d.take(ctx, d.readers)
		if err != nil {
			return "", err
		}
		if c.conn != nil && !c.conn.IsClosed() && c.since.Before(of.began) {
			status, err = c.statusOf(ctx, of.xid)
		}
		d.readers <- c
		switch {
		case status != "" && err == nil:
			return status, nil
		case errors.Is(err, context.DeadlineExceeded):
			return "", err // the others would not be told either
		}
	}
	return "", errNoWitness
}

// statusOf asks for the status of a transaction. Committed it is only when it is wherever commits have to be: what this
// server has may not have reached its replicas, which hold all that comes before what they have confirmed.
func (c *postgresConn) statusOf(ctx context.Context, xid string) (status string, err error) {
	ctx, cancel := context.WithTimeout(ctx, witnessPatience)
	defer cancel()
	result := c.conn.ExecParams(ctx, "SELECT pg_xact_status($1::xid8)", [][]byte{[]byte(xid)}, nil, nil, nil)
	for result.NextRow() {
		status = string(result.Values()[0])
	}
	if _, err := result.Close(); err != nil || status != "committed" {
		return status, err
	}
	c.warned = false
	err = c.conn.Exec(ctx, "SELECT pg_logical_emit_message(true, 'tapline', '')").Close()
	if err = errors.Join(err, ctx.Err()); err == nil && c.warned {
		err = errUnanswered
	}
	return status, err
}

func (d *postgresDB) view(ctx context.Context, f func(session) error) error {
	c, err := d.take(ctx, d.readers)
	if err != nil {
		return err
	}
	defer func() { d.readers <- c }()
	if err := d.begin(ctx, c, beginReadingPostgres); err != nil {
		return err
	}
	defer c.rollBack()
	return f(c)
}

func (d *postgresDB) close() error {
	close(d.closing)
	ctx, cancel := context.WithTimeout(context.Background(), connectPatience)
	defer cancel()
	for _, pool := range []chan *postgresConn{d.readers, d.writers} {
		for range cap(pool) {
			// A connection that was lost has nothing left to close.
			if c := <-pool; c.conn != nil {
				_ = c.conn.Close(ctx)
			}
		}
	}
	return nil
}
