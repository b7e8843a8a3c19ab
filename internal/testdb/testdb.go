// Package testdb gives tests an empty database with tapline's tables: a file or, where the environment variable says so,
// a database on a real PostgreSQL server, so that one suite runs on both.
package testdb

import (
	"os"
	"path/filepath"
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
		return filepath.Join(t.TempDir(), "tapline.db")
	case "postgres":
		return Postgres(t)
	default:
		t.Fatalf("%s is %q; want sqlite or postgres", Variable, kind)
		return ""
	}
}

// Postgres returns the URL of a new database on the PostgreSQL server that the package's tests share.
func Postgres(t testing.TB) string {
	t.Helper()
	return pgtest.Database(t, "tables", func(url string) error {
		_, _, err := sqlstore.Migrate(t.Context(), url, sqlstore.Options{Environment: "test"})
		return err
	})
}
