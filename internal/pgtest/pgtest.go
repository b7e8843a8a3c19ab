// Package pgtest gives tests real PostgreSQL servers (internal/pgserver): one per test binary with a database per test,
// or one that a test may stop and start as it likes. They end with the tests.
package pgtest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"tapline/internal/pgserver"
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

// Server is a PostgreSQL server with its data.
type Server struct{ *pgserver.Server }

func create() (*Server, error) {
	s, err := pgserver.New(Password)
	if err != nil {
		return nil, err
	}
	return &Server{s}, nil
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
	return s.Close()
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
			if err := errors.Join(s.CreateDatabase(name, "template0"), prepare(s.URL(name))); err != nil {
				t.Fatalf("preparing a database: %v", err)
			}
			shared.templates[template] = name
		}
		from = shared.templates[template]
	}
	shared.databases++
	name := "test_" + strconv.Itoa(shared.databases)
	if err := s.CreateDatabase(name, from); err != nil {
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
		if err := s.Close(); err != nil {
			t.Errorf("stopping PostgreSQL: %v", err)
		}
	})
	return s
}

func require(t testing.TB) {
	t.Helper()
	err := pgserver.Available()
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	testenv.Require(t, Part, err == nil, reason)
}

// Program is the path of one of PostgreSQL's programs, such as pgbench.
func Program(t testing.TB, name string) string {
	t.Helper()
	require(t)
	path, err := pgserver.Program(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Query runs SQL and returns the rows that come out, their columns separated by "|".
func (s *Server) Query(t testing.TB, database, sql string) []string {
	t.Helper()
	out, err := s.Server.Query(database, sql)
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
