// Package testdb gives tests an empty database with tapline's tables: a file or, where the environment variable says so,
// a database on a real PostgreSQL server, so that one suite runs on both.
package testdb

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"tapline/internal/pgtest"
	"tapline/sqlstore"
)

// Variable is the environment variable that names the database on which suites run: "sqlite", which is the default, or
// "postgres".
const Variable = "TAPLINE_TEST_DB"

// New returns the file name or the URL of a new database. Packages whose tests call it run pgtest.Main.
func New(t testing.TB) string {
	t.Helper()
	switch kind := os.Getenv(Variable); kind {
	case "", "sqlite":
		return File(t)
	case "postgres":
		return Postgres(t)
	default:
		t.Fatalf("%s is %q; want sqlite or postgres", Variable, kind)
		return ""
	}
}

// File returns the name of a new SQLite database. It is a copy of one whose tables were made once: to make them takes five times
// as long as to open it.
func File(t testing.TB) string {
	t.Helper()
	image, err := template()
	if err != nil {
		t.Fatalf("making a database: %v", err)
	}
	name := filepath.Join(t.TempDir(), "tapline.db")
	if err := os.WriteFile(name, image, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// template is a file with empty tables.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "tapline-testdb")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "tapline.db")
	store, err := sqlstore.Open(context.Background(), name, sqlstore.Options{Environment: "test"})
	if err != nil {
		return nil, err
	}
	if err := store.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(name)
})

// Postgres returns the URL of a new database on the PostgreSQL server that the package's tests share.
func Postgres(t testing.TB) string {
	t.Helper()
	return pgtest.Database(t, "tables", func(url string) error {
		_, _, err := sqlstore.Migrate(t.Context(), url, sqlstore.Options{Environment: "test"})
		return err
	})
}
