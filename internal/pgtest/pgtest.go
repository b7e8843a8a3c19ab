// Package pgtest starts real PostgreSQL servers for tests: one per test binary with a database per test, or one that a
// test may stop and start as it likes. A server runs as an unprivileged user, with PostgreSQL's own settings, in a
// folder of its own, on a unix socket and on a free port of loopback, and ends with the tests.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"tapline/internal/testenv"
)

// Part is the name of PostgreSQL for testenv.
const Part = "postgres"

// Password is that of the role "postgres" and of every role that Role makes. Over the unix socket nobody asks for it.
const Password = "only for tests"

var shared struct {
	sync.Mutex
	server    *Server
	err       error
	templates map[string]string // of a name given to Database, the database
	databases int
}

// Main runs a package's tests and then stops the server that they shared, if there was one. It returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
func Main(m interface{ Run() int }) int {
	code := m.Run()
	if err := StopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	return code
}

// StopShared stops the server that tests shared, if there is one. Main does so, too.
func StopShared() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return nil
	}
	s := shared.server
	shared.server, shared.templates = nil, nil
	return s.close()
}

// Shared returns the server that this binary's tests share, and starts it if it does not run yet.
func Shared(t testing.TB) *Server {
	t.Helper()
	require(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = create()
		shared.templates = map[string]string{}
	}
	if shared.err != nil {
		t.Fatalf("starting PostgreSQL: %v", shared.err)
	}
	return shared.server
}

// Database makes a new database on the shared server and returns its URL. It is a copy of one that prepare filled; those
// of the same template are prepared once. With an empty template it is empty. It is gone with the server.
func Database(t testing.TB, template string, prepare func(url string) error) string {
	t.Helper()
	s := Shared(t)
	shared.Lock()
	defer shared.Unlock()
	from := "template0"
	if template != "" {
		if shared.templates[template] == "" {
			name := "template_" + strconv.Itoa(len(shared.templates)+1)
			if err := errors.Join(s.createDatabase(name, "template0"), prepare(s.URL(name))); err != nil {
				t.Fatalf("preparing a database: %v", err)
			}
			shared.templates[template] = name
		}
		from = shared.templates[template]
	}
	shared.databases++
	name := "test_" + strconv.Itoa(shared.databases)
	if err := s.createDatabase(name, from); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}

// Start starts a server for one test alone, which ends with it.
func Start(t testing.TB) *Server {
	t.Helper()
	require(t)
	s, err := create()
	if err != nil {
		t.Fatalf("starting PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Errorf("stopping PostgreSQL: %v", err)
		}
	})
	return s
}

func require(t testing.TB) {
	t.Helper()
	_, err := programs()
	reason := "there is no initdb and postgres; hint: apt-get install postgresql"
	if err == nil {
		_, err = unprivileged()
		reason = "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as"
	}
	testenv.Require(t, Part, err == nil, reason)
}

// programs finds the folder of PostgreSQL's programs: on PATH, or where Debian puts them, the newest version first.
func programs() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(found); err == nil {
			return filepath.Dir(real), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.Join(exec.ErrNotFound, err)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// Program is the path of one of PostgreSQL's programs, such as pgbench.
func Program(t testing.TB, name string) string {
	t.Helper()
	require(t)
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// URL names a database of the server for the role "postgres", by the unix socket.
func (s *Server) URL(database string) string { return s.url("postgres", "", database) }

// TCP names a database of the server by its address, for a role that will be asked for its password.
func (s *Server) TCP(role, database string) string { return s.url(role, s.Address(), database) }

// Address is where the server listens on loopback.
func (s *Server) Address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

func (s *Server) url(role, host, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Host: host, Path: "/" + database}
	if host == "" {
		u.RawQuery = url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}}.Encode()
	}
	return u.String()
}

func (s *Server) createDatabase(name, template string) error {
	return s.Run("postgres", "CREATE DATABASE "+name+" TEMPLATE "+template)
}

// Run runs SQL on one of the server's databases as the role "postgres".
func (s *Server) Run(database, sql string) error {
	_, err := s.psql(database, sql)
	return err
}

// Query runs SQL and returns the rows that come out, their columns separated by "|".
func (s *Server) Query(t testing.TB, database, sql string) []string {
	t.Helper()
	out, err := s.psql(database, sql)
	if err != nil {
		t.Fatal(err)
	}
	if out == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(out, "\n"), "\n")
}

// Dump is every row of a database of the shared server, by table: each column as name=value.
func Dump(t testing.TB, address string) map[string][]string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	s, database := Shared(t), strings.TrimPrefix(u.Path, "/")
	tables := map[string][]string{}
	var all []string
	for _, name := range s.Query(t, database, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'") {
		tables[name] = nil
		all = append(all, "SELECT '"+name+" ' || (SELECT string_agg(key || '=' || COALESCE(value, ''), ' ')"+
			" FROM json_each_text(to_json(t))) FROM "+name+" AS t")
	}
	if len(all) == 0 {
		return tables
	}
	for _, row := range s.Query(t, database, strings.Join(all, " UNION ALL ")) {
		name, text, _ := strings.Cut(row, " ")
		tables[name] = append(tables[name], text)
	}
	for _, rows := range tables {
		slices.Sort(rows)
	}
	return tables
}

func (s *Server) psql(database, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.programs, "psql"), "--no-psqlrc", "--quiet", "--no-align", "--tuples-only",
		"--set=ON_ERROR_STOP=1", "--command="+sql, s.URL(database))
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, problems.String())
	}
	return string(out), nil
}
