package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"tapline/processor"
)

// busyTimeout is how long a transaction waits for another process that is writing.
const busyTimeout = 5 * time.Second

// sqliteDB is a database in a file: one connection that writes, and some that read. In WAL mode readers and the writer
// do not wait for each other.
type sqliteDB struct {
	writer  chan *sqliteConn // holds the connection while nobody uses it; nil if the database is only read
	readers chan *sqliteConn
	closing chan struct{}
	lock    *os.File      // nil if the database is only read
	moving  *checkpointer // nil if the database is only read
}

// take waits for a connection that nobody uses.
func (d *sqliteDB) take(ctx context.Context, from chan *sqliteConn) (*sqliteConn, error) {
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

func (d *sqliteDB) update(ctx context.Context, f func(session) error) error {
	if d.writer == nil {
		return fmt.Errorf("%w: it was opened to be read only", processor.ErrUnavailable)
	}
	c, err := d.take(ctx, d.writer)
	if err != nil {
		return err
	}
	defer func() { d.writer <- c }()
	if err := c.beginWriting(ctx); err != nil {
		return err
	}
	defer c.rollBack()
	c.changed, c.scrubs = 0, false
	if err := f(c); err != nil {
		return err
	}
	if err := c.commit(); err != nil {
		return err
	}
	d.moving.note(c.changed)
	if c.scrubs {
		d.moving.empty(c, 0) // beginWriting waits
	}
	return nil
}

func (d *sqliteDB) view(ctx context.Context, f func(session) error) error {
	c, err := d.take(ctx, d.readers)
	if err != nil {
		return err
	}
	defer func() { d.readers <- c }()
	c.watch(ctx)
	defer c.rollBack()
	if err := c.exec(begin); err != nil {
		return err
	}
	return f(c)
}

// listen has nobody to listen to.
func (d *sqliteDB) listen(context.Context, func(int64)) {}

func (d *sqliteDB) close() error {
	close(d.closing)
	var errs []error
	if d.moving != nil {
		errs = append(errs, d.moving.close())
	}
	for range cap(d.readers) {
		errs = append(errs, (<-d.readers).conn.Close())
	}
	// The writer is the last to close, so it is the one that moves the write-ahead log into the database.
	if d.writer != nil {
		errs = append(errs, (<-d.writer).conn.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// sqliteConn is a connection, with a transaction or without.
type sqliteConn struct {
	conn     *sqlite.Conn
	prepared map[*statement]*sqlite.Stmt
	ctx      context.Context // of the transaction
	changed  int             // rows, in the transaction
	scrubs   bool            // the transaction erases
	args     sqliteArgs
	row      sqliteRow
}

var (
	begin          = plain("BEGIN")
	beginImmediate = plain("BEGIN IMMEDIATE")
	commit         = plain("COMMIT")
	rollback       = plain("ROLLBACK")
)

// watch makes statements stop when ctx is done.
func (c *sqliteConn) watch(ctx context.Context) {
	c.ctx = ctx
	c.conn.SetInterrupt(ctx.Done())
}

// beginWriting waits for the write lock. SQLite would wait in C, where ctx is not seen, so it waits here.
func (c *sqliteConn) beginWriting(ctx context.Context) error {
	c.watch(ctx)
	deadline, pause := time.Now().Add(busyTimeout), time.Millisecond
	for {
		err := c.exec(beginImmediate)
		if err == nil {
			return nil
		}
		if sqlite.ErrCode(err).ToPrimary() != sqlite.ResultBusy || time.Now().After(deadline) {
			c.rollBack()
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// commit commits, unless the context is done. Once begun it is not interrupted: there is no half.
func (c *sqliteConn) commit() error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if c.conn.AutocommitEnabled() {
		return errors.New("the database has rolled the transaction back")
	}
	c.conn.SetInterrupt(nil)
	return c.exec(commit)
}

// rollBack ends the transaction if it has not ended yet. Should that fail, nothing is committed either: the next
// transaction cannot begin, and says so.
func (c *sqliteConn) rollBack() {
	c.conn.SetInterrupt(nil)
	if !c.conn.AutocommitEnabled() {
		_ = c.exec(rollback)
	}
	c.ctx = nil
}

// alone has nothing to do: one transaction writes at a time.
func (c *sqliteConn) alone(...string) error { return nil }

// announce has nothing to do: nobody can listen.
func (c *sqliteConn) announce(int64) error { return nil }

// scrub has the log emptied. What is overwritten in the database is zeros, since the connection secures what it deletes.
func (c *sqliteConn) scrub() error {
	c.scrubs = true
	return nil
}

// now is this machine's time: the database has no other.
func (c *sqliteConn) now() (time.Time, error) { return time.Now(), nil }

func (c *sqliteConn) exec(s *statement) error {
	_, err := c.run(s, 1, nil, nil)
	return err
}

// run runs a prepared statement once for each row of arguments.
func (c *sqliteConn) run(s *statement, rows int, bind func(int, binder), scan func(scanner)) (changed int, err error) {
	stmt, err := c.prepare(s)
	if err != nil {
		return 0, c.failed(s, err)
	}
	c.args.stmt, c.row.stmt = stmt, stmt
	for i := range rows {
		if bind != nil {
			c.args.next, c.args.err = 0, nil
			if bind(i, &c.args); c.args.err != nil {
				return 0, c.failed(s, c.args.err)
			}
		}
		if err := c.runOnce(stmt, scan); err != nil {
			return 0, c.failed(s, err)
		}
		if scan == nil {
			changed += c.conn.Changes()
		}
	}
	c.changed += changed
	return changed, nil
}

func (c *sqliteConn) runOnce(stmt *sqlite.Stmt, scan func(scanner)) error {
	ended := false
	defer func() {
		if !ended { // scan panics
			_ = stmt.Reset()
		}
	}()
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			ended = true
			return errors.Join(err, stmt.Reset())
		}
		if scan != nil {
			scan(&c.row)
		}
	}
}

// prepare returns a statement ready to bind. A statement that failed has been reset by then.
func (c *sqliteConn) prepare(s *statement) (*sqlite.Stmt, error) {
	if stmt := c.prepared[s]; stmt != nil {
		return stmt, nil
	}
	stmt, err := c.conn.Prepare(sqliteText(s))
	if err == nil {
		c.prepared[s] = stmt
	}
	return stmt, err
}

// sqliteText is a statement for one row of arguments.
func sqliteText(s *statement) string {
	switch s.form {
	case insertRows:
		return "INSERT INTO " + s.table + " (" + strings.Join(s.columns, ", ") + ") VALUES (" +
			strings.Join(places(len(s.columns)), ", ") + ")"
	case updateRows:
		return "UPDATE " + s.table + " SET " + strings.Join(equals(s.columns, 0), ", ") +
			" WHERE " + strings.Join(equals(s.by, len(s.columns)), " AND ")
	case selectRows:
		text := "SELECT " + strings.Join(s.columns, ", ") + " FROM " + s.table +
			" WHERE " + strings.Join(equals(s.by, 0), " AND ")
		if s.also != "" {
			text += " AND " + s.also
		}
		return text
	}
	return strings.ReplaceAll(s.text, "$", "?")
}

func places(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = "?" + strconv.Itoa(i+1)
	}
	return out
}

func equals(columns []string, after int) []string {
	out := make([]string, len(columns))
	for i, name := range columns {
		out[i] = name + " = ?" + strconv.Itoa(after+i+1)
	}
	return out
}

// failed says what an error of a statement means. SQLite's codes: https://www.sqlite.org/rescode.html
func (c *sqliteConn) failed(s *statement, err error) error {
	if c.ctx != nil && c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	return sqliteError(s.what(), err)
}

func sqliteError(what string, err error) error {
	code := sqlite.ErrCode(err)
	switch code {
	case sqlite.ResultConstraintPrimaryKey, sqlite.ResultConstraintUnique, sqlite.ResultConstraintRowID:
		return fmt.Errorf("%w: %s: %w", processor.ErrConflict, what, err)
	}
	switch code.ToPrimary() {
	case sqlite.ResultFull, sqlite.ResultIOErr, sqlite.ResultReadOnly, sqlite.ResultBusy, sqlite.ResultCantOpen:
		return fmt.Errorf("%w: %s: %w", processor.ErrUnavailable, what, err)
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return fmt.Errorf("%w: %s: %w", errDamaged, what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

type sqliteArgs struct {
	stmt *sqlite.Stmt
	next int
	err  error
}

func (a *sqliteArgs) text(s string) {
	if !storable(s) {
		a.err = errText
	}
	a.next++
	a.stmt.BindText(a.next, s)
}

func (a *sqliteArgs) integer(n int64) { a.next++; a.stmt.BindInt64(a.next, n) }
func (a *sqliteArgs) bytes(b []byte)  { a.next++; a.stmt.BindBytes(a.next, b) }
func (a *sqliteArgs) null()           { a.next++; a.stmt.BindNull(a.next) }

type sqliteRow struct{ stmt *sqlite.Stmt }

func (r *sqliteRow) text(column int) string   { return r.stmt.ColumnText(column) }
func (r *sqliteRow) integer(column int) int64 { return r.stmt.ColumnInt64(column) }

func (r *sqliteRow) bytes(column int) []byte {
	n := r.stmt.ColumnLen(column)
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	r.stmt.ColumnBytes(column, b)
	return b
}

var (
	integrityCheck  = plain("PRAGMA integrity_check")
	foreignKeyCheck = plain("PRAGMA foreign_key_check")
)

// damage asks SQLite to check the file's structure, what each table demands of its rows, and every reference.
func (d *sqliteDB) damage(c session) (found []Finding, err error) {
	_, err = c.run(integrityCheck, 1, nil, func(from scanner) {
		if text := from.text(0); text != "ok" {
			found = append(found, Finding{"the database is sound", "file", text})
		}
	})
	if err != nil {
		return nil, err
	}
	_, err = c.run(foreignKeyCheck, 1, nil, func(from scanner) {
		// Rows of tables stored by key have no number.
		found = append(found, Finding{"what a row refers to is there", from.text(0),
			fmt.Sprintf("row %s refers to a row of %s that is not there", cmp.Or(from.text(1), "?"), from.text(2))})
	})
	return found, err
}
