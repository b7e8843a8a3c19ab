package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	lib "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

func refuses(t *testing.T, path string, o Options, want string) {
	t.Helper()
	s, err := Open(t.Context(), path, o)
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "; hint: ") {
		t.Errorf("Open(%s, %+v) = %v, want an error with %q and a hint", path, o, err, want)
	}
}

func TestReopeningKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tapline.db")
	load := func(s *Store) (found processor.Rows) {
		err := s.View(t.Context(), func(r processor.Reader) (err error) {
			found, err = r.Load(processor.Wants{Payments: []payment.ID{"direct", "held", "decoy"}, Accounts: []ledger.AccountID{"card1"}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	s, err := Open(t.Context(), path, Options{Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	saveBooks(t, s)
	want := load(s)
	newest, err := s.Wait(t.Context(), 0)
	if err != nil || newest == 0 || len(want.Payments) != 3 {
		t.Fatalf("Wait = %d, %v with %d payments", newest, err, len(want.Payments))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, path)
	if diff := cmp.Diff(want, load(s)); diff != "" {
		t.Errorf("after reopening (-want +got):\n%s", diff)
	}
	if n, err := s.Wait(t.Context(), newest-1); n != newest || err != nil {
		t.Errorf("after reopening Wait = %d, %v; want %d", n, err, newest)
	}
}

func TestFilesAreTheirOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tapline.db")
	saveBooks(t, openTest(t, path))
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != 4 {
		t.Fatalf("files %v, %v; want database, lock, log and its index", files, err)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v; want 0600", name, info.Mode(), err)
		}
	}
}

func TestOpenSettlesDurably(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "tapline.db"))
	for setting, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1",
		"trusted_schema": "0"} {
		var got string
		err := s.db.update(t.Context(), func(c session) error {
			_, err := c.run(plain("PRAGMA "+setting), 1, nil, func(from scanner) { got = from.text(0) })
			return err
		})
		if err != nil || got != want {
			t.Errorf("PRAGMA %s = %q, %v; want %s", setting, got, err, want)
		}
	}
}

// Before 3.51.3 a commit beside a connection that moves the log, as the checkpointer does, could lose what was committed:
// https://www.sqlite.org/wal.html#the_wal_reset_bug
func TestSQLiteMovesItsLogBesideCommits(t *testing.T) {
	if lib.SQLITE_VERSION_NUMBER < 3_051_003 {
		t.Errorf("SQLite %s may lose commits while its log is moved beside them; want 3.51.3 at least", lib.SQLITE_VERSION)
	}
}

func TestOneServiceWritesAtATime(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "tapline.db"), filepath.Join(dir, "link.db")
	s, err := Open(t.Context(), path, Options{Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	refuses(t, path, Options{Environment: "test"}, "another tapline has it open")
	refuses(t, link, Options{Environment: "test"}, "another tapline has it open")
	if _, _, err := Migrate(t.Context(), path, Options{Environment: "test"}); err == nil {
		t.Error("Migrate of a database that is open gave no error")
	}
	reader, err := Open(t.Context(), path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	err = reader.Update(t.Context(), func(processor.Tx) error { t.Error("Update ran"); return nil })
	if !errors.Is(err, processor.ErrUnavailable) {
		t.Errorf("Update of a store that is only read = %v, want ErrUnavailable", err)
	}
	if err := errors.Join(reader.Close(), s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	openTest(t, path) // once it is closed, the next may
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	test := Options{Environment: "test"}
	refuses(t, filepath.Join(dir, "none", "tapline.db"), test, "there is no folder")
	refuses(t, filepath.Join(dir, "none.db"), Options{ReadOnly: true}, "there is no such file")
	refuses(t, dir, test, "this is no file")
	refuses(t, dir, Options{ReadOnly: true}, "this is no file")
	refuses(t, "", test, "no such file")
	refuses(t, ":memory:", test, "no such file")
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, text, test, "no SQLite database")
	refuses(t, text, Options{ReadOnly: true}, "no SQLite database")
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refuses(t, empty, Options{ReadOnly: true}, "not tapline's")
	openTest(t, empty)

	foreign := filepath.Join(dir, "foreign.db")
	conn, err := sqlite.OpenConn(foreign, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sqlitex.ExecuteScript(conn, "CREATE TABLE songs (name TEXT);", nil), conn.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, foreign, test, "not tapline's")
	if after, err := os.ReadFile(foreign); err != nil || string(after) != string(before) {
		t.Errorf("somebody else's database was changed: %v", err)
	}
	for _, o := range []Options{{}, {Environment: "prod"}} {
		if _, err := Open(t.Context(), filepath.Join(dir, "x.db"), o); err == nil {
			t.Errorf("Open with %+v gave no error", o)
		}
	}
}

func TestEnvironmentsDoNotMix(t *testing.T) {
	path := sound(t)
	refuses(t, path, Options{Environment: "live"}, "it is for the test environment")
	refuses(t, path, Options{Environment: "live", ReadOnly: true}, "it is for the test environment")
}

func TestNewerSchemaIsRefusedUnlessItSaysOtherwise(t *testing.T) {
	path := sound(t)
	test := Options{Environment: "test"}
	// The next release's schema, on which this program still runs.
	newer := fmt.Sprint(len(migrations) + 1)
	if err := rawly(t, path, "UPDATE meta SET value = '"+newer+"' WHERE name = 'schema';"); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path, test)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := rawly(t, path, "UPDATE meta SET value = '"+newer+"' WHERE name = 'oldest';"); err != nil {
		t.Fatal(err)
	}
	refuses(t, path, test, "made by a newer tapline")
	refuses(t, path, Options{ReadOnly: true}, "made by a newer tapline")
	if _, _, err := Migrate(t.Context(), path, test); err == nil || !strings.Contains(err.Error(), "made by a newer tapline") {
		t.Errorf("Migrate of a newer schema = %v, want refused", err)
	}
}

func TestMigrateGoesForwardOnce(t *testing.T) {
	path, test := sound(t), Options{Environment: "test"}
	known := len(migrations)
	next := append(migrations[:known:known], migration{"-- one more\nCREATE TABLE songs (name TEXT NOT NULL) BY ARRIVAL;\n", 1})
	if _, err := openSQLite(t.Context(), path, test, next, false); err == nil || !strings.Contains(err.Error(), `hint: make a backup, then run "tapline migrate"`) {
		t.Errorf("opening an older schema = %v, want a hint to migrate", err)
	}
	broken := append(next[:known:known], migration{"CREATE TABLE songs (name TEXT NOT NULL) BY ARRIVAL;\nCREATE TABLE cards (x TEXT) BY KEY;\n", 1})
	if _, err := migrate(t.Context(), path, test, broken); err == nil {
		t.Error("a migration that fails gave no error")
	}
	for i, want := range []int{known, known + 1} {
		if from, err := migrate(t.Context(), path, test, next); from != want || err != nil {
			t.Errorf("Migrate, time %d: from %d, %v; want from %d", i+1, from, err, want)
		}
	}
	d, err := openSQLite(t.Context(), path, test, next, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
	openTest(t, path) // the program before still runs on it
	if from, to, err := Migrate(t.Context(), filepath.Join(t.TempDir(), "none.db"), test); err == nil {
		t.Errorf("Migrate of no file: from %d to %d, want an error", from, to)
	}
}

func TestErrorsAreToldByTheirCode(t *testing.T) {
	for _, c := range []struct {
		code                  sqlite.ResultCode
		conflict, unavailable bool
	}{
		{sqlite.ResultConstraintPrimaryKey, true, false}, {sqlite.ResultConstraintUnique, true, false},
		{sqlite.ResultConstraintRowID, true, false},
		{sqlite.ResultFull, false, true}, {sqlite.ResultIOErr, false, true}, {sqlite.ResultIOErrFsync, false, true},
		{sqlite.ResultReadOnly, false, true}, {sqlite.ResultReadOnlyDBMoved, false, true}, {sqlite.ResultBusy, false, true},
		{sqlite.ResultBusySnapshot, false, true}, {sqlite.ResultCantOpen, false, true},
		{sqlite.ResultConstraintCheck, false, false}, {sqlite.ResultConstraintForeignKey, false, false},
		{sqlite.ResultConstraintTrigger, false, false}, {sqlite.ResultConstraintNotNull, false, false},
		{sqlite.ResultCorrupt, false, false}, {sqlite.ResultError, false, false},
	} {
		err := sqliteError("insert into x", fmt.Errorf("UNIQUE constraint failed, disk full: %w", c.code.ToError()))
		if errors.Is(err, processor.ErrConflict) != c.conflict || errors.Is(err, processor.ErrUnavailable) != c.unavailable ||
			sqlite.ErrCode(err) != c.code {
			t.Errorf("%v became %v", c.code, err)
		}
	}
}

func TestFullAndReadOnlyFilesAreUnavailable(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"full":      {"PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000"},
		"read only": {"PRAGMA query_only = ON", "PRAGMA query_only = OFF"},
	} {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, filepath.Join(t.TempDir(), "tapline.db"))
			set := func(pragma string) {
				c := <-s.db.(*sqliteDB).writer
				defer func() { s.db.(*sqliteDB).writer <- c }()
				if err := c.exec(plain(pragma)); err != nil {
					t.Fatal(err)
				}
			}
			save := func(tx processor.Tx) error {
				return tx.Save(processor.Changes{New: processor.Rows{Devices: []processor.Device{
					{ID: "d", PublicKey: make([]byte, 100_000)}}}})
			}
			set(c.before)
			if err := s.Update(t.Context(), save); !errors.Is(err, processor.ErrUnavailable) {
				t.Errorf("Update of a file that is %s = %v, want ErrUnavailable", name, err)
			}
			set(c.after)
			if err := s.Update(t.Context(), save); err != nil {
				t.Errorf("Update once that is over: %v", err)
			}
		})
	}
}

func TestUpdateWaitsForAnotherWriterButNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tapline.db")
		s := openTest(t, path)
		other, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		other.SetBusyTimeout(0)
		run := func(sql string) {
			if err := sqlitex.ExecuteTransient(other, sql, nil); err != nil {
				t.Fatal(err)
			}
		}
		nothing := func(processor.Tx) error { return nil }
		run("BEGIN IMMEDIATE")
		if err := s.Update(t.Context(), nothing); !errors.Is(err, processor.ErrUnavailable) {
			t.Errorf("Update while another process writes on and on = %v, want ErrUnavailable", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Update(ctx, nothing); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Update whose context ends while another process writes = %v, want its error", err)
		}
		done := make(chan error)
		go func() { done <- s.Update(t.Context(), nothing) }()
		time.Sleep(time.Second)
		run("COMMIT")
		if err := <-done; err != nil {
			t.Errorf("Update once the other process has written: %v", err)
		}
	})
}

func TestWaitSeesOtherProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tapline.db")
	s := openTest(t, path)
	other, err := Open(t.Context(), path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	woken := make(chan int64)
	go func() {
		n, err := other.Wait(t.Context(), 0)
		if err != nil {
			t.Error(err)
		}
		woken <- n
	}()
	event := processor.Event{Type: "x", To: []processor.Principal{"p"}}
	err = s.Update(t.Context(), func(tx processor.Tx) error { return tx.Save(processor.Changes{Events: []processor.Event{event}}) })
	if err != nil {
		t.Fatal(err)
	}
	if n := <-woken; n != 1 {
		t.Errorf("Wait of another process = %d, want 1", n)
	}
}

func TestCloseEndsWhatWaits(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "tapline.db"), Options{Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	inside, done := make(chan bool), make(chan error, 2)
	go func() {
		done <- s.Update(t.Context(), func(tx processor.Tx) error {
			inside <- true
			<-inside
			return tx.Save(processor.Changes{Events: []processor.Event{{Type: "last"}}})
		})
	}()
	<-inside
	go func() {
		_, err := s.Wait(context.WithoutCancel(t.Context()), 7)
		done <- err
	}()
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	if err := <-done; !errors.Is(err, errClosed) {
		t.Errorf("Wait of a store that is closed = %v, want %v", err, errClosed)
	}
	inside <- true
	if err := errors.Join(<-done, <-closed); err != nil {
		t.Errorf("an Update that was running, and Close: %v", err)
	}
	if err := s.Update(t.Context(), func(processor.Tx) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("Update after Close = %v, want %v", err, errClosed)
	}
	if err := s.View(t.Context(), func(processor.Reader) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("View after Close = %v, want %v", err, errClosed)
	}
}

// Each page of a new database that is used is the root of a table or index: whichever is damaged, opening finds it.
func TestADamagedDatabaseDoesNotOpen(t *testing.T) {
	limit := quickCheckTime
	quickCheckTime = time.Minute // on a busy machine it sees all of the file, too
	t.Cleanup(func() { quickCheckTime = limit })
	sound := filepath.Join(t.TempDir(), "sound.db")
	closed(t, sound)
	image, err := os.ReadFile(sound)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	if len(image) < 20*page {
		t.Fatalf("the database has %d pages", len(image)/page)
	}
	for n := page; n < len(image); n += page {
		damaged := filepath.Join(t.TempDir(), "damaged.db")
		text := slices.Clone(image)
		copy(text[n:], bytes.Repeat([]byte{0xa5}, 64))
		if err := os.WriteFile(damaged, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), damaged, Options{Environment: "test"})
		if err == nil { // a page that nothing uses
			if found, err := s.Check(t.Context(), nil); err != nil || len(found) > 0 {
				t.Errorf("with page %d damaged it opens: %v %v", n/page+1, found, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		} else if !strings.Contains(err.Error(), "the database file is damaged") || !strings.Contains(err.Error(), `hint: copy it`) ||
			!strings.Contains(err.Error(), `"tapline restore"`) {
			t.Errorf("page %d: %v", n/page+1, err)
		}
	}
}

// closed makes a database and closes it.
func closed(t *testing.T, path string) {
	t.Helper()
	s, err := Open(t.Context(), path, Options{Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
