package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tapline/processor"
)

// postgresConn is a place for a connection, with a transaction or without.
type postgresConn struct {
	conn     *pgconn.PgConn // nil before it is first needed
	locking  bool           // rows that are selected by their columns are locked
	prepared map[*statement]*postgresStatement
	since    time.Time // it is connected
	dial     *postgresDial
	warned   bool // the server has sent a warning

	ctx   context.Context // of the transaction
	began time.Time       // it has not had its number before
	xid   string          // its number, if it writes
	fault fault           // the first that a statement of the transaction has met
	args  postgresArgs
	row   postgresRow
}

// postgresStatement is a prepared statement.
type postgresStatement struct {
	*pgconn.StatementDescription
	arrays bool // it takes all rows of arguments at once, each column as an array
}

// Settings of every connection. A statement is planned once, for indexes: plans that depend on the tables' sizes would
// be made while these are empty, and kept while they grow. Locks that a node holds which has come to a halt are let go
// after some seconds. An administrator may have made commits weaker than the disk, or than the replicas' disks; then they
// are made durable again.
const postgresSettings = `
SET TIME ZONE 'UTC';
SET client_encoding = 'UTF8';
SET plan_cache_mode = 'force_generic_plan';
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
SET statement_timeout = '20s'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '5s';
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') <> 'remote_apply'`

// connect makes the connection.
func (c *postgresConn) connect(ctx context.Context, config *pgconn.Config) error {
	config, dial := config.Copy(), &postgresDial{}
	config.DialFunc = dial.dial
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { c.warned = c.warned || n.Code[:2] == "01" }
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err == nil {
		if err = conn.Exec(ctx, postgresSettings).Close(); err != nil {
			err = errors.Join(err, conn.Close(ctx))
		}
	}
	if err != nil {
		return c.failed("connect", oneLine{err})
	}
	c.conn, c.prepared, c.dial, c.since = conn, make(map[*statement]*postgresStatement), dial, time.Now()
	return nil
}

// oneLine is an error that tells of each host, in one line.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

func (e oneLine) Unwrap() error { return e.error }

func (c *postgresConn) begin(how string) error {
	c.began = time.Now()
	results, err := c.conn.Exec(c.ctx, how).ReadAll()
	if err != nil {
		return c.failed("begin", err)
	}
	if last := results[len(results)-1]; len(last.Rows) == 1 {
		c.xid = string(last.Rows[0][0])
	}
	return nil
}

// commit commits, unless the context is done. Once begun it is not interrupted: there is no half. Nor is the server asked
// to stop when it does not answer: it would stop waiting for its replicas, and show others what they do not have.
func (c *postgresConn) commit() error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if c.fault != fine {
		return errors.New("the database has rolled the transaction back")
	}
	c.warned = false
	c.dial.closed.Store(true)
	err := c.conn.Conn().SetReadDeadline(time.Now().Add(commitPatience))
	results, execErr := c.conn.Exec(context.WithoutCancel(c.ctx), "COMMIT").ReadAll()
	switch err = errors.Join(err, execErr); {
	case err != nil && c.conn.IsClosed():
		return fmt.Errorf("%w: %w", errUnanswered, err)
	case err != nil:
		err = c.failed("commit", err)
	case results[0].CommandTag.String() != "COMMIT":
		err = errors.New("the database has rolled the transaction back")
	case c.warned: // done here, and not known to be done by its replicas
		err = errUnanswered
	}
	c.dial.closed.Store(false)
	if c.conn.Conn().SetReadDeadline(time.Time{}) != nil {
		_ = c.conn.Conn().Close() // it is noticed when it is next used
	}
	return err
}

// rollBack ends the transaction if it has not ended yet. Should that fail, the connection is closed, and the server
// rolls it back.
func (c *postgresConn) rollBack() {
	defer func() { c.ctx = nil }()
	if c.conn.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), rollBackPatience)
	defer cancel()
	if !c.conn.IsBusy() {
		if c.conn.TxStatus() == idleStatus || c.conn.Exec(ctx, "ROLLBACK").Close() == nil {
			return
		}
	}
	_ = c.conn.Close(ctx) // a panic while rows were read, or worse
}

// idleStatus is what a connection says that is in no transaction:
// https://www.postgresql.org/docs/current/protocol-message-formats.html, ReadyForQuery
const idleStatus = 'I'

// run runs a prepared statement: once for all rows of arguments if its text is this dialect's, otherwise once for each.
func (c *postgresConn) run(s *statement, rows int, bind func(int, binder), scan func(scanner)) (changed int, err error) {
	if rows == 0 {
		return 0, nil
	}
	p, err := c.prepare(s)
	if err != nil {
		return 0, c.failed(s.what(), err)
	}
	at, step := 0, rows
	if !p.arrays {
		step = 1
	}
	for ; at < rows; at += step {
		c.args.begin(s.kinds, p.arrays, step)
		for i := range step {
			c.args.next = 0
			if bind != nil {
				bind(at+i, &c.args)
			}
		}
		if c.args.err != nil {
			return 0, c.failed(s.what(), c.args.err)
		}
		n, err := c.runOnce(p, scan)
		if err != nil {
			return 0, c.failed(s.what(), err)
		}
		changed += n
	}
	return changed, nil
}

// binaryFormat asks for all values in binary format.
var binaryFormat = []int16{1}

func (c *postgresConn) runOnce(p *postgresStatement, scan func(scanner)) (changed int, err error) {
	result := c.conn.ExecStatement(c.ctx, p.StatementDescription, c.args.values(), binaryFormat, binaryFormat)
	for result.NextRow() {
		if scan != nil {
			c.row.values = result.Values()
			scan(&c.row)
		}
	}
	tag, err := result.Close()
	return int(tag.RowsAffected()), err
}

func (c *postgresConn) prepare(s *statement) (*postgresStatement, error) {
	if p := c.prepared[s]; p != nil {
		return p, nil
	}
	text, arrays := postgresText(s, c.locking)
	types := make([]uint32, len(s.kinds))
	for i, k := range s.kinds {
		types[i] = postgresTypes[k].scalar
		if arrays {
			types[i] = postgresTypes[k].array
		}
	}
	d, err := c.conn.Prepare(c.ctx, "s"+strconv.Itoa(len(c.prepared)), text, types)
	if err != nil {
		return nil, err
	}
	p := &postgresStatement{d, arrays}
	c.prepared[s] = p
	return p, nil
}

var (
	lockNames = &statement{text: "SELECT pg_advisory_xact_lock(n) FROM unnest($1::bigint[]) AS n", kinds: []kind{isInteger}, arrays: true}
	// Whoever listens is told once the transaction has committed.
	notify  = plain("SELECT pg_notify("+channelName+", $1)", isText)
	askTime = plain("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
)

// channelName is where a transaction that has saved events tells the number of the newest. Another schema of the same
// database may hold another service's tables, so it is named for the table of the numbers.
const channelName = "'tapline_events_' || 'counters'::regclass::oid"

func (c *postgresConn) alone(names ...string) error {
	locks := make([]int64, len(names))
	for i, name := range names {
		locks[i] = advisoryLock(name)
	}
	slices.Sort(locks)
	_, err := c.run(lockNames, len(locks), func(i int, to binder) { to.integer(locks[i]) }, nil)
	return err
}

// scrub has nothing to do: the server's VACUUM comes by itself.
func (c *postgresConn) scrub() error { return nil }

func (c *postgresConn) announce(newest int64) error {
	_, err := c.run(notify, 1, func(_ int, to binder) { to.text(strconv.FormatInt(newest, 10)) }, nil)
	return err
}

func (c *postgresConn) now() (now time.Time, err error) {
	_, err = c.run(askTime, 1, nil, func(from scanner) { now = fromMicros(from.integer(0)) })
	return now, err
}

// failed says what an error means, and takes note of what it does to the transaction.
func (c *postgresConn) failed(what string, err error) error {
	f := faultOf(err)
	if c.fault == fine {
		c.fault = f
	}
	if c.conn != nil && f == readOnlyServer {
		// Another server has become the primary one: look for it anew.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), rollBackPatience)
		defer cancel()
		_ = c.conn.Close(ctx)
	}
	if c.ctx != nil && c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	return postgresError(what, err)
}

// fault is what an error does to its transaction.
type fault int

const (
	fine           fault = iota
	givenUp              // for the sake of another one: it may be run again
	conflict             // a row that should be new is there: it may be run again, and will see the row
	unavailable          // the server, or what it needs, is not there now
	readOnlyServer       // likewise: it follows another, or its operator has forbidden writing
	broken               // a rule, or a mistake of ours
)

// faultOf recognises errors by their SQLSTATE: https://www.postgresql.org/docs/15/errcodes-appendix.html. What has none
// did not come from the server, so the connection to it is to blame.
func faultOf(err error) fault {
	if errors.Is(err, errText) {
		return broken
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return unavailable
	}
	switch e.Code {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return givenUp
	case "23505": // unique_violation
		return conflict
	case "25006": // read_only_sql_transaction
		return readOnlyServer
	case "55P03", "25P03", "58030": // lock_not_available, idle_in_transaction_session_timeout, io_error
		return unavailable
	}
	switch e.Code[:2] {
	case "08", "53", "57": // connection exception, insufficient resources, operator intervention
		return unavailable
	}
	return broken
}

// postgresError is an error of the server as processor.Store tells it. The server's detail is left out: it quotes rows.
func postgresError(what string, err error) error {
	switch faultOf(err) {
	case conflict:
		return fmt.Errorf("%w: %s: %w", processor.ErrConflict, what, err)
	case givenUp, unavailable, readOnlyServer:
		return fmt.Errorf("%w: %s: %w", processor.ErrUnavailable, what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
