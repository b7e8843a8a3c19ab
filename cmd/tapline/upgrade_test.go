package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"tapline/internal/pgtest"
)

var makeFixture = flag.String("make-upgrade-fixture", "", "version of the newest schema, to make a fixture of in place of the test")

// upgrades is where the fixtures of former schemas are: a file for each store, with what the service and the people had on
// their machines, and with the database as SQL.
const upgrades = "testdata/upgrade"

// TestUpgrade takes databases that former schemas have made to the newest one. What happened before is still there, what was
// open ends, and the card still pays.
func TestUpgrade(t *testing.T) {
	if *makeFixture != "" {
		makeWorlds(t, filepath.Join(upgrades, "schema"+*makeFixture))
		return // what is open in it has to become old first
	}
	fixtures, err := filepath.Glob(upgrades + "/schema*/*.txtar")
	if err != nil || len(fixtures) < 2 {
		t.Fatalf("fixtures %q: %v", fixtures, err)
	}
	for _, fixture := range fixtures {
		t.Run(strings.TrimPrefix(fixture, upgrades+"/"), func(t *testing.T) { upgrade(t, fixture) })
	}
}

func upgrade(t *testing.T, fixture string) {
	t.Helper()
	world, err := txtar.ParseFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	if world.Comment, err = os.ReadFile(filepath.Join(upgrades, "pay.txt")); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sql := slices.IndexFunc(world.Files, func(f txtar.File) bool { return f.Name == "books.sql" })
	dump := filepath.Join(dir, "books.sql")
	err = errors.Join(os.WriteFile(filepath.Join(dir, "pay.txtar"), txtar.Format(world), 0o600), os.WriteFile(dump, world.Files[sql].Data, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(dir, "books.db")
	if filepath.Base(fixture) == "postgres.txtar" {
		db = pgtest.Database(t, "", nil)
		runTool(t, pgtest.Program(t, "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-d", db, "-f", dump)
	} else {
		loadSQLite(t, db, world.Files[sql].Data)
	}
	schema := strings.TrimPrefix(filepath.Base(filepath.Dir(fixture)), "schema")
	runScripts(t, dir, map[string]string{"DB": db, "SCHEMA": schema})
}

// makeWorlds makes the fixtures of a schema, which has to be the newest one.
func makeWorlds(t *testing.T, dir string) {
	t.Helper()
	file, address := filepath.Join(t.TempDir(), "books.db"), pgtest.Database(t, "", nil)
	for name, db := range map[string]string{"sqlite": file, "postgres": address} {
		token, dump := strings.TrimSuffix(file, ".db")+".first-token", func() []byte { return dumpSQLite(t, db) }
		if name == "postgres" {
			token, dump = "tapline.first-token", func() []byte {
				text := runTool(t, pgtest.Program(t, "pg_dump"), "--inserts", "--no-owner", "--no-privileges", "-d", db)
				return regexp.MustCompile(`(?m)^(\\.*|--.*|)\n`).ReplaceAll(text, nil)
			}
		}
		p := scripts(t, filepath.Join(upgrades, "make"), map[string]string{"DB": db, "TOKEN": token})
		p.WorkdirRoot = t.TempDir()
		if !t.Run("make "+name, func(t *testing.T) { testscript.Run(t, p) }) {
			t.FailNow()
		}
		world := gather(t, filepath.Join(p.WorkdirRoot, "script-make"))
		world.Files = append(world.Files, txtar.File{Name: "books.sql", Data: dump()})
		err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name+".txtar"), txtar.Format(world), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// gather is what the service and the people have on their machines.
func gather(t *testing.T, from string) *txtar.Archive {
	t.Helper()
	world := &txtar.Archive{Comment: []byte("Made by make/make.txtar. The keys are of this fixture alone.\n")}
	for _, pattern := range []string{"keys/*", "settings/tapline/*", "borrowed.pem", "*.json", "pin", "paid.receipt"} {
		found, err := filepath.Glob(filepath.Join(from, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range found {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			world.Files = append(world.Files, txtar.File{Name: strings.TrimPrefix(path, from+"/"), Data: content})
		}
	}
	return world
}

func runTool(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	var problems bytes.Buffer
	c := exec.CommandContext(t.Context(), program, args...)
	c.Stderr = &problems
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, &problems)
	}
	return out
}

// dumpSQLite is a database as the SQL that makes it again.
func dumpSQLite(t *testing.T, file string) []byte {
	t.Helper()
	var out bytes.Buffer
	conn, err := sqlite.OpenConn(file, sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	query := func(sql string, row func(*sqlite.Stmt)) {
		err := sqlitex.ExecuteTransient(conn, sql, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error { row(s); return nil }})
		if err != nil {
			t.Fatal(err)
		}
	}
	query("PRAGMA application_id", func(s *sqlite.Stmt) { fmt.Fprintf(&out, "PRAGMA application_id = %d;\n", s.ColumnInt(0)) })
	const made = "FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
	query("SELECT sql "+made+" AND type = 'table'", func(s *sqlite.Stmt) { fmt.Fprintf(&out, "%s;\n", s.ColumnText(0)) })
	var selects []string
	query("SELECT s.name, group_concat('quote(' || c.name || ')', ' || '','' || ') FROM sqlite_schema AS s,"+
		" pragma_table_info(s.name) AS c WHERE s.type = 'table' GROUP BY s.name", func(s *sqlite.Stmt) {
		selects = append(selects, fmt.Sprintf("SELECT 'INSERT INTO %s VALUES (' || %s || ');' FROM %[1]s", s.ColumnText(0), s.ColumnText(1)))
	})
	for _, sql := range selects {
		query(sql, func(s *sqlite.Stmt) { fmt.Fprintln(&out, s.ColumnText(0)) })
	}
	query("SELECT sql "+made+" AND type <> 'table'", func(s *sqlite.Stmt) { fmt.Fprintf(&out, "%s;\n", s.ColumnText(0)) })
	return out.Bytes()
}

// loadSQLite makes a database that was dumped.
func loadSQLite(t *testing.T, file string, dump []byte) {
	t.Helper()
	conn, err := sqlite.OpenConn(file, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sqlitex.ExecuteScript(conn, string(dump), nil), conn.Close(), os.Chmod(file, 0o600)); err != nil {
		t.Fatal(err)
	}
}
