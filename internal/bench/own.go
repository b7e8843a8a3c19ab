package bench

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"tapline/internal/pgserver"
)

// ownServer is a PostgreSQL server of one's own, with PostgreSQL's own settings, which is started once it is needed.
type ownServer struct {
	*pgserver.Server
	made int
	tpcb string // the database of pgbench; "" for none yet
}

// ErrNoServer means that there is no PostgreSQL to start here.
var ErrNoServer = errors.New("no PostgreSQL server can be started here")

func (o *ownServer) start(status func(string, int, int)) error {
	if o.Server != nil {
		return nil
	}
	if err := pgserver.Available(); err != nil {
		return fmt.Errorf("%w: %w; or name a database with --db", ErrNoServer, err)
	}
	status("starting PostgreSQL", 0, 0)
	s, err := pgserver.New(rand.Text())
	if err == nil {
		o.Server = s
	}
	return err
}

// database makes an empty database.
func (o *ownServer) database(status func(string, int, int)) (name, db string, err error) {
	if err := o.start(status); err != nil {
		return "", "", err
	}
	o.made++
	name = "bench_" + strconv.Itoa(o.made)
	return name, o.URL(name), o.CreateDatabase(name, "template0")
}

func (o *ownServer) drop(name string) error {
	return o.Run("postgres", "DROP DATABASE "+name+" WITH (FORCE)")
}

// size is how large a database is, in bytes; 0 if it is not of this server.
func (o *ownServer) size(db string) int64 {
	u, err := url.Parse(db)
	if o.Server == nil || err != nil || db != o.URL(strings.TrimPrefix(u.Path, "/")) {
		return 0
	}
	text, err := o.Query("postgres", "SELECT pg_database_size('"+strings.TrimPrefix(u.Path, "/")+"')")
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(text), 10, 64) // zero, if it says something else
	return n
}

// usage is what the server's processes have used until now; nothing where there is no server.
func (o *ownServer) usage() Usage {
	if o.Server == nil {
		return Usage{}
	}
	return treeUsage(o.PID())
}

func (o *ownServer) close() error {
	if o.Server == nil {
		return nil
	}
	return o.Close()
}
