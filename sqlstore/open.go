package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Options say how to open a database.
type Options struct {
	// Environment is "live", "test" or Sandbox: what the database is for. A new database remembers it, and an old one must
	// be for the same. Only for reading it may be empty.
	Environment string
	// ReadOnly opens a database that must be there, beside whoever is writing it.
	ReadOnly bool
	// Readers is how many View at the same time; 0 means 4. On a server each has a connection, and there are three more.
	Readers int
	// Cache is how many MiB of an SQLite file each connection keeps in memory at most; 0 means 16 for the one that writes, and 8 for
	// those that read. Work that goes over all of a large database takes less time with more.
	Cache int
	// PasswordFile holds the password for a server. Nobody else may be able to read it.
	PasswordFile string
}

func (o Options) check() error {
	if o.Environment != "live" && o.Environment != "test" && o.Environment != Sandbox && !(o.ReadOnly && o.Environment == "") {
		return errors.New(`the environment is none of "live", "test" and "sandbox"`)
	}
	return nil
}

// Open opens the SQLite database in a file and makes it if there is none. Nobody else can open it for writing until it
// is closed. Or it opens the database on a PostgreSQL server that a URL names, see IsServer, and makes its tables if
// there are none; others can use it at the same time. The errors of Open say what to do about them.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if IsServer(path) {
		d, err := openPostgres(ctx, path, o, migrations, false)
		if err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
		return newStore(ctx, d, o.Environment)
	}
	d, err := openSQLite(ctx, path, o, migrations, false)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	s, err := newStore(ctx, d, o.Environment)
	if err != nil || o.ReadOnly {
		return s, err
	}
	if err := s.forgetAbandoned(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), s.Close())
	}
	return s, nil
}

// Exists reports whether there is a database already: a file, or tables on a server that a service has used; those that
// Migrate has only made do not count.
func Exists(ctx context.Context, path string, o Options) (bool, error) {
	if IsServer(path) {
		there, err := existsPostgres(ctx, path, o)
		if err != nil {
			return false, fmt.Errorf("database: %w", err)
		}
		return there, nil
	}
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist), nil
}

// Migrate brings a database to the schema of this program, in one transaction, and returns the versions before and
// after. On a server it also makes the tables, if there are none. Make a backup first: there is no way back.
func Migrate(ctx context.Context, path string, o Options) (from, to int, err error) {
	o.ReadOnly = false
	if IsServer(path) {
		if from, err = migratePostgres(ctx, path, o, migrations); err != nil {
			return 0, 0, fmt.Errorf("database: %w", err)
		}
		return from, len(migrations), nil
	}
	from, err = migrate(ctx, path, o, migrations)
	if err != nil {
		return 0, 0, fmt.Errorf("database %s: %w", path, err)
	}
	return from, len(migrations), nil
}

func migrate(ctx context.Context, path string, o Options, known []migration) (from int, err error) {
	if _, err := os.Stat(path); err != nil {
		return 0, missing(path, err)
	}
	d, err := openSQLite(ctx, path, o, known, true)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	var was meta
	err = d.update(ctx, func(s session) error {
		c := s.(*sqliteConn)
		var err error
		if was, err = readMeta(c); err != nil || was.schema >= len(known) {
			return err
		}
		return c.migrate(known, was.schema)
	})
	return was.schema, err
}

// openSQLite opens the file and checks what it is. With older it takes a schema that is to be migrated.
func openSQLite(ctx context.Context, path string, o Options, known []migration, older bool) (_ *sqliteDB, err error) {
	if o.Readers <= 0 {
		o.Readers = 4
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	if path, err = locate(path, o.ReadOnly); err != nil {
		return nil, err
	}
	defer func() { err = damagedHint(err) }()
	d := &sqliteDB{readers: make(chan *sqliteConn, o.Readers), closing: make(chan struct{})}
	var opened []*sqliteConn
	defer func() {
		if err != nil {
			for _, c := range opened {
				err = errors.Join(err, c.conn.Close())
			}
			if d.lock != nil {
				err = errors.Join(err, d.lock.Close())
			}
		}
	}()
	if !o.ReadOnly {
		if d.lock, err = lockFile(path + ".lock"); err != nil {
			return nil, err
		}
	}
	first, err := openConn(path, o.ReadOnly, o.Cache)
	if err != nil {
		return nil, err
	}
	opened = append(opened, first)
	if err := first.identify(ctx, o, known, older); err != nil {
		return nil, err
	}
	if !o.ReadOnly {
		if err := first.quickCheck(ctx); err != nil {
			return nil, err
		}
	}
	if o.ReadOnly {
		d.readers <- first
	} else {
		first.conn.SetBusyTimeout(0) // beginWriting waits
		d.writer = make(chan *sqliteConn, 1)
		d.writer <- first
		mover, err := openConn(path, false, 0)
		if err != nil {
			return nil, err
		}
		opened = append(opened, mover)
		mover.conn.SetBusyTimeout(restartWait)
		d.moving = &checkpointer{conn: mover, every: logRows, due: make(chan struct{}, 1)}
		d.moving.empty(first, 0) // who stopped without closing may have left there what was erased
	}
	for len(d.readers) < cap(d.readers) {
		c, err := openConn(path, true, o.Cache)
		if err != nil {
			return nil, err
		}
		opened = append(opened, c)
		d.readers <- c
	}
	if d.moving != nil {
		d.moving.working.Go(func() { d.moving.run(d) })
	}
	return d, nil
}

// locate checks the path, makes the file if it may, readable by its owner alone, and returns its real path, so that a
// link to it meets the same lock. SQLite gives the files it puts beside it the same mode.
func locate(path string, readOnly bool) (string, error) {
	if path == "" || path == ":memory:" {
		return "", errors.New("there is no such file; hint: name a file, such as tapline.db")
	}
	if !readOnly {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return "", missing(path, err)
		}
		if err := f.Close(); err != nil {
			return "", err
		}
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", missing(path, err)
	}
	if info, err := os.Stat(real); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(errNoFile, err)
	}
	return real, nil
}

var errNoFile = errors.New("this is no file; hint: name a file, such as tapline.db")

var errLocked = errors.New("another tapline has it open; hint: stop that one first")

// missing explains why a file cannot be opened.
func missing(path string, err error) error {
	dir := filepath.Dir(path)
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return errNoFile
	}
	switch _, noDir := os.Stat(dir); {
	case errors.Is(noDir, fs.ErrNotExist):
		return fmt.Errorf("there is no folder %s; hint: make it with mkdir -p %s", dir, dir)
	case errors.Is(err, fs.ErrNotExist):
		return errors.New(`there is no such file; hint: "tapline serve" makes one`)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; hint: run as the user that owns %s", err, dir)
	}
	return err
}

func openConn(path string, readOnly bool, cache int) (*sqliteConn, error) {
	// Connections that only read are no read-only ones, which SQLite lets forget what CHECKs a table has: integrity_check
	// would find nothing wrong. They are still opened where the file cannot be written.
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, sqliteError("open", err)
	}
	c := &sqliteConn{conn: conn, prepared: make(map[*statement]*sqlite.Stmt)}
	conn.SetBusyTimeout(busyTimeout)
	settings := []string{"foreign_keys = ON", "synchronous = FULL", "trusted_schema = OFF"}
	if readOnly {
		settings, cache = append(settings, "query_only = ON"), cmp.Or(cache, 8)
	} else {
		// 16 MiB of pages: decisions/0002. The log is moved by a checkpointer. What is deleted is overwritten: decisions/0041.
		settings, cache = append(settings, "wal_autocheckpoint = 0", "secure_delete = ON"), cmp.Or(cache, 16)
	}
	settings = append(settings, fmt.Sprintf("cache_size = %d", -cache<<10)) // in KiB: https://www.sqlite.org/pragma.html#pragma_cache_size
	for _, setting := range settings {
		if err == nil {
			err = c.exec(plain("PRAGMA " + setting))
		}
	}
	if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultNotADB {
		err = errors.New("this file is no SQLite database; hint: name another file")
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// errDamaged means that what is in the file cannot be.
var errDamaged = errors.New("the database file is damaged")

func damagedHint(err error) error {
	if !errors.Is(err, errDamaged) {
		return err
	}
	return fmt.Errorf(`%w; hint: copy it and the files beside it to a safe place, then restore the last backup with "tapline restore"`, err)
}

// quickCheckTime is how long opening may look for damage. It is enough for all of a small file; of a large one it is the part
// that SQLite looks at first. "tapline check" looks at all of any. Tests have more of it.
var quickCheckTime = 300 * time.Millisecond

var quickCheck = plain("PRAGMA quick_check(1)")

// quickCheck looks for damage to the file's structure, as long as there is time.
func (c *sqliteConn) quickCheck(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, quickCheckTime)
	defer cancel()
	c.watch(limited)
	defer c.rollBack()
	found := ""
	_, err := c.run(quickCheck, 1, nil, func(from scanner) {
		if text := from.text(0); text != "ok" {
			found = text
		}
	})
	switch {
	case found != "":
		return fmt.Errorf("%w: %s", errDamaged, strings.Join(strings.Fields(found), " "))
	case limited.Err() != nil:
		return ctx.Err()
	}
	return err
}

// applicationID marks SQLite files as tapline's: "tapl", https://www.sqlite.org/fileformat2.html#application_id
const applicationID = 0x7461706c

// identify makes an empty file a database of tapline's, and checks that a full one is: of a schema that this program
// can use, and for the same environment.
func (c *sqliteConn) identify(ctx context.Context, o Options, known []migration, older bool) error {
	id, tables, err := c.fileKind()
	if err != nil {
		return err
	}
	if id != applicationID && (tables > 0 || o.ReadOnly) {
		return errors.New("this is a database, but not tapline's; hint: name another file")
	}
	if !o.ReadOnly {
		if err := c.exec(switchToWAL); err != nil {
			return err
		}
	}
	if id != applicationID {
		if err := c.create(ctx, o, known); err != nil {
			return err
		}
	}
	m, err := readMeta(c)
	if err != nil {
		return err
	}
	return m.fits(o, len(known), older)
}

var (
	readApplicationID = plain("PRAGMA application_id")
	countTables       = plain("SELECT count(*) FROM sqlite_schema")
	switchToWAL       = plain("PRAGMA journal_mode = WAL")
)

func (c *sqliteConn) fileKind() (id, tables int64, err error) {
	_, err = c.run(readApplicationID, 1, nil, func(from scanner) { id = from.integer(0) })
	if err == nil {
		_, err = c.run(countTables, 1, nil, func(from scanner) { tables = from.integer(0) })
	}
	return id, tables, err
}

// create makes all tables, in one transaction.
func (c *sqliteConn) create(ctx context.Context, o Options, known []migration) error {
	if err := c.beginWriting(ctx); err != nil {
		return err
	}
	defer c.rollBack()
	if err := c.migrate(known, 0); err != nil {
		return err
	}
	if err := writeMeta(c, "environment", o.Environment); err != nil {
		return err
	}
	if err := c.exec(plain("PRAGMA application_id = " + strconv.Itoa(applicationID))); err != nil {
		return err
	}
	return c.commit()
}

// migrate runs the migrations after a version of the schema.
func (c *sqliteConn) migrate(known []migration, from int) error {
	for i, m := range known[from:] {
		if err := sqlitex.ExecuteScript(c.conn, m.script(sqliteTypes), nil); err != nil {
			return sqliteError(fmt.Sprintf("migration %d", from+i+1), err)
		}
	}
	if err := writeMeta(c, "schema", strconv.Itoa(len(known))); err != nil {
		return err
	}
	return writeMeta(c, "oldest", strconv.Itoa(known[len(known)-1].oldest))
}

var sqliteTypes = types{
	integer: "INTEGER", bytes: "BLOB", text: "TEXT", byKey: "STRICT, WITHOUT ROWID", byArrival: "STRICT",
	appendOnly: func(table string) string {
		var text string
		for _, verb := range []string{"UPDATE", "DELETE"} {
			text += fmt.Sprintf("CREATE TRIGGER %s_refuse_%s BEFORE %s ON %s BEGIN SELECT RAISE(ABORT, '%s never change'); END;",
				table, strings.ToLower(verb), verb, table, table)
		}
		return text
	},
	// SQLite cannot change a CHECK but by a change of the schema's text, which is its own advice for what changes nothing of how rows
	// are kept: https://www.sqlite.org/lang_altertable.html#otheralter.
	allow: func(table, column, values, more string) string {
		list := strings.Split(values, ",")
		last := column + " = " + strings.TrimSpace(list[len(list)-1])
		literal := func(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
		return fmt.Sprintf("PRAGMA writable_schema = ON;UPDATE sqlite_schema SET sql = replace(sql, %s, %s) WHERE type = 'table' AND name = '%s';"+
			"PRAGMA writable_schema = RESET;", literal(last+")"), literal(last+" OR "+column+" = "+more+")"), table)
	},
	// For IN with more than two values, SQLite makes a temporary table each time it looks, which takes longer than to
	// insert the row.
	oneOf: func(column string, values []string) string {
		equal := make([]string, len(values))
		for i, value := range values {
			equal[i] = column + " = " + strings.TrimSpace(value)
		}
		return strings.Join(equal, " OR ")
	},
}
