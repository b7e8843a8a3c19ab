package sqlstore

import (
	"os"
	"path/filepath"
	"testing"

	"tapline/internal/pgtest"
	"tapline/internal/storetest"
	"tapline/processor"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func TestSQLiteKeepsWhatAStorePromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) processor.Store { return openTest(t, filepath.Join(t.TempDir(), "tapline.db")) })
}

func TestPostgreSQLKeepsWhatAStorePromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) processor.Store { return openTest(t, newDatabase(t)) })
}

// newDatabase makes a database with empty tables on the server that these tests share, and returns its URL.
func newDatabase(t testing.TB) string {
	t.Helper()
	return pgtest.Database(t, "tables", func(url string) error {
		_, _, err := Migrate(t.Context(), url, Options{Environment: "test"})
		return err
	})
}

func openTest(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
