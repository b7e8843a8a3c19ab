package pgtest

import (
	"os"
	"slices"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestDatabasesAreCopiesOfTheirOwn(t *testing.T) {
	prepared := 0
	fill := func(string) error {
		prepared++
		return shared.server.Run("template_1", "CREATE TABLE songs (name text); INSERT INTO songs VALUES ('b'), ('B'), ('a')")
	}
	one, two := Database(t, "songs", fill), Database(t, "songs", fill)
	if one == two || prepared != 1 {
		t.Errorf("databases %s and %s, prepared %d times; want two, prepared once", one, two, prepared)
	}
	s := Shared(t)
	if err := s.Run("test_1", "DELETE FROM songs"); err != nil {
		t.Error(err)
	}
	if got := s.Query(t, "test_2", "SELECT name FROM songs ORDER BY name"); !slices.Equal(got, []string{"a", "b", "B"}) {
		t.Errorf("songs of the other database in the server's order: %v, want a, b, B", got)
	}
	if got := s.Query(t, "postgres", "SHOW fsync"); !slices.Equal(got, []string{"on"}) {
		t.Errorf("fsync is %v, want it on as it is for everybody", got)
	}
	if got := s.Query(t, "test_1", "SELECT name FROM songs"); got != nil {
		t.Errorf("no rows are %v, want nil", got)
	}
}

func TestServerKeepsItsDataAndPort(t *testing.T) {
	s := Start(t)
	url := s.URL("postgres")
	if err := s.Run("postgres", "CREATE TABLE songs (name text)"); err != nil {
		t.Fatal(err)
	}
	for _, stop := range []func() error{s.Stop, s.Kill} {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if err := s.Run("postgres", "SELECT 1"); err == nil {
			t.Error("a server that was stopped answers")
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		if err := s.Run("postgres", "SELECT * FROM songs"); err != nil || s.URL("postgres") != url {
			t.Errorf("after a restart: %v, URL %s, was %s", err, s.URL("postgres"), url)
		}
	}
}
