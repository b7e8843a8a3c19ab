package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// IsServer reports whether a database is named by the URL of a server, such as postgres://tapline@db.example/tapline,
// and not by a file.
func IsServer(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// CheckURL reports what is wrong with the URL of a server, without repeating it. A password in it is wrong.
func CheckURL(database string) error {
	_, rest, _ := strings.Cut(database, "://")
	rest, text, _ := strings.Cut(rest, "?")
	hosts, _, _ := strings.Cut(rest, "/")
	user := ""
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user = rest[:at] // as far as anybody could take it for that
	} else if _, err := url.QueryUnescape(hosts); err != nil {
		return errNoURL
	}
	query, err := url.ParseQuery(text)
	switch {
	case strings.Contains(user, ":"), query.Has("password"), query.Has("sslpassword"):
		return errPassword
	case err != nil:
		return errNoURL
	}
	return nil
}

var errNoURL = errors.New("this is no URL; hint: write it like postgres://tapline@db.example/tapline")

// errPassword does not say more: what is wrong here may be shown to others.
var errPassword = errors.New("the URL holds a password, which others can read in the list of processes; " +
	"hint: put it in a file for --db-password-file, in ~/.pgpass, or in PGPASSWORD")

// postgresConfig reads a URL, and the environment variables and files that PostgreSQL's own programs read:
// https://www.postgresql.org/docs/current/libpq-connect.html. Other machines are only talked to by TLS with a
// certificate that names them, unless sslmode says otherwise.
func postgresConfig(database string, o Options) (*pgconn.Config, error) {
	if err := CheckURL(database); err != nil {
		return nil, err
	}
	config, err := pgconn.ParseConfig(database)
	if err != nil {
		return nil, err
	}
	_, text, has := strings.Cut(database, "?")
	query, err := url.ParseQuery(text)
	if err == nil && !query.Has("sslmode") && os.Getenv("PGSSLMODE") == "" && !onlyLocal(config) {
		separator := "?"
		if has {
			separator = "&"
		}
		if config, err = pgconn.ParseConfig(database + separator + "sslmode=verify-full"); err != nil {
			return nil, err
		}
	}
	if o.PasswordFile != "" {
		if config.Password, err = readPassword(o.PasswordFile); err != nil {
			return nil, err
		}
	}
	if config.ConnectTimeout == 0 || config.ConnectTimeout > time.Minute {
		config.ConnectTimeout = connectPatience
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "tapline"
	}
	if config.ValidateConnect == nil && !o.ReadOnly {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite // of several hosts, the primary one
	}
	// When a context ends, the server is asked to stop; the connection is kept.
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, CancelRequestDelay: cancelDelay, DeadlineDelay: haltPatience}
	}
	return config, nil
}

// cancelDelay is how long a statement may go on after its context has ended: most end by themselves.
const cancelDelay = 50 * time.Millisecond

// onlyLocal reports whether all hosts are this machine.
func onlyLocal(c *pgconn.Config) bool {
	hosts := []string{c.Host}
	for _, f := range c.Fallbacks {
		hosts = append(hosts, f.Host)
	}
	return !slices.ContainsFunc(hosts, func(host string) bool {
		ip := net.ParseIP(host)
		return !strings.HasPrefix(host, "/") && host != "localhost" && (ip == nil || !ip.IsLoopback())
	})
}

func readPassword(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", missing(file, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others; hint: chmod 600 %s", file, file)
	}
	text, err := os.ReadFile(file)
	return strings.TrimRight(string(text), "\r\n"), err
}

// openPostgres connects to a server and checks what the database is. With older it takes a schema that is to be migrated.
func openPostgres(ctx context.Context, database string, o Options, known []migration, older bool) (*postgresDB, error) {
	if o.Readers <= 0 {
		o.Readers = 4
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	config, err := postgresConfig(database, o)
	if err != nil {
		return nil, err
	}
	d := newPostgresDB(config, o)
	if err := d.identify(ctx, o, known, older); err != nil {
		return nil, errors.Join(openingFailed(err), d.close())
	}
	return d, nil
}

// openingFailed adds what to do about errors that a server's operator can put right.
func openingFailed(err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
			return fmt.Errorf("%w; hint: is the server running, and is the URL right? sslmode is verify-full for other machines", err)
		}
		return err
	}
	switch e.Code {
	case "28000", "28P01": // invalid_authorization_specification, invalid_password
		return fmt.Errorf("%w; hint: give the password with --db-password-file, in ~/.pgpass, or in PGPASSWORD", err)
	case "3D000": // invalid_catalog_name
		return fmt.Errorf("%w; hint: make the database first, see docs/operate.md", err)
	case "42501": // insufficient_privilege
		return fmt.Errorf(`%w; hint: run "tapline migrate" as the role that owns the tables, and let this role use them: see docs/operate.md`, err)
	}
	return err
}

var (
	errForeign = errors.New("this is a database, but not tapline's; hint: name another one")
	errEmpty   = errors.New(`this database is empty; hint: "tapline serve" or "tapline migrate" makes the tables`)
)

// identify makes an empty database one of tapline's, and checks that a full one is: of a schema that this program can
// use, and for the same environment.
func (d *postgresDB) identify(ctx context.Context, o Options, known []migration, older bool) error {
	pool := d.readers
	if !o.ReadOnly {
		pool = d.writers
	}
	c := <-pool
	defer func() { pool <- c }()
	if err := c.connect(ctx, d.config); err != nil {
		return err
	}
	c.ctx = ctx
	empty, err := c.empty()
	switch {
	case err != nil:
		return err
	case empty && o.ReadOnly:
		return errEmpty
	case empty:
		if err := d.create(ctx, c, o, known); err != nil {
			return err
		}
		c.ctx, d.created = ctx, true
	}
	m, err := readMeta(c)
	if err == nil {
		_, err = c.run(askChannel, 1, nil, func(from scanner) { d.channel = from.text(0) })
	}
	if err != nil {
		if c.fault == broken && !isPrivilege(err) {
			return errForeign
		}
		return err
	}
	return m.fits(o, len(known), older)
}

func isPrivilege(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "42501"
}

var countRelations = plain("SELECT count(*) FILTER (WHERE relname = 'meta'), count(*) FROM pg_class" +
	" WHERE relnamespace = to_regnamespace(current_schema()) AND relkind IN ('r', 'p', 'v', 'm', 'f')")

var askChannel = plain("SELECT " + channelName)

// empty reports whether there is nothing yet where tables would be made. If there are tables, but not tapline's, that is
// an error.
func (c *postgresConn) empty() (bool, error) {
	var metas, all int64
	_, err := c.run(countRelations, 1, nil, func(from scanner) { metas, all = from.integer(0), from.integer(1) })
	if err == nil && metas == 0 && all > 0 {
		err = errForeign
	}
	return all == 0, err
}

// create makes all tables, in one transaction, unless another node does so first.
func (d *postgresDB) create(ctx context.Context, c *postgresConn, o Options, known []migration) error {
	return d.changeSchema(ctx, c, func() error {
		if empty, err := c.empty(); err != nil || !empty {
			return err
		}
		if err := c.migrate(known, 0); err != nil {
			return err
		}
		return writeMeta(c, "environment", o.Environment)
	})
}

// changeSchema runs f in a transaction while no other node changes the schema.
func (d *postgresDB) changeSchema(ctx context.Context, c *postgresConn, f func() error) error {
	if err := d.begin(ctx, c, beginWritingPostgres); err != nil {
		return err
	}
	defer c.rollBack()
	if err := c.exec("SET LOCAL statement_timeout = 0"); err != nil {
		return err
	}
	if err := c.alone("schema"); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return c.commit()
}

// exec runs SQL without arguments: one statement or several.
func (c *postgresConn) exec(sql string) error {
	if err := c.conn.Exec(c.ctx, sql).Close(); err != nil {
		return c.failed(sql, err)
	}
	return nil
}

// migrate runs the migrations after a version of the schema.
func (c *postgresConn) migrate(known []migration, from int) error {
	for i, m := range known[from:] {
		if err := c.conn.Exec(c.ctx, m.script(postgresSchema)).Close(); err != nil {
			return c.failed(fmt.Sprintf("migration %d", from+i+1), err)
		}
	}
	if err := writeMeta(c, "schema", strconv.Itoa(len(known))); err != nil {
		return err
	}
	return writeMeta(c, "oldest", strconv.Itoa(known[len(known)-1].oldest))
}

var countUses = plain("SELECT (SELECT count(*) FROM meta WHERE name LIKE 'kept %') + (SELECT count(*) FROM (SELECT 1 FROM cards LIMIT 1) AS any_card)")

// existsPostgres reports whether there are tables that a service has used. Those that were only made have nothing in them.
func existsPostgres(ctx context.Context, database string, o Options) (bool, error) {
	o.ReadOnly = true
	config, err := postgresConfig(database, o)
	if err != nil {
		return false, err
	}
	c := &postgresConn{ctx: ctx}
	if err := c.connect(ctx, config); err != nil {
		return false, openingFailed(err)
	}
	uses := int64(0)
	empty, err := c.empty()
	if err == nil && !empty {
		_, err = c.run(countUses, 1, nil, func(from scanner) { uses = from.integer(0) })
	}
	return uses > 0, openingFailed(errors.Join(err, c.conn.Close(ctx)))
}

// migratePostgres makes the tables, if there are none, or brings them to the newest schema.
func migratePostgres(ctx context.Context, database string, o Options, known []migration) (from int, err error) {
	d, err := openPostgres(ctx, database, o, known, true)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	c := <-d.writers
	defer func() { d.writers <- c }()
	var was meta
	err = d.changeSchema(ctx, c, func() error {
		var err error
		if was, err = readMeta(c); err != nil || was.schema >= len(known) {
			return err
		}
		return c.migrate(known, was.schema)
	})
	if d.created {
		was.schema = 0
	}
	return was.schema, openingFailed(err)
}
