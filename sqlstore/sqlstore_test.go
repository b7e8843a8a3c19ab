package sqlstore

import (
	"path/filepath"
	"testing"

	"tapline/internal/storetest"
	"tapline/processor"
)

func TestSQLiteKeepsWhatAStorePromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) processor.Store { return openTest(t, filepath.Join(t.TempDir(), "tapline.db")) })
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
