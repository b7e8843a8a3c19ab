package sqlstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/internal/pgtest"
	"tapline/processor"
)

// emptyDatabase makes a database without tables and returns its URL.
func emptyDatabase(t testing.TB) string { return pgtest.Database(t, "", nil) }

func TestPostgreSQLOpenSaysWhatIsWrong(t *testing.T) {
	server, test := pgtest.Shared(t), Options{Environment: "test"}
	t.Setenv("PGPASSFILE", filepath.Join(t.TempDir(), "none"))
	empty, foreign, ours := emptyDatabase(t), emptyDatabase(t), newDatabase(t)
	songs, stranger := emptyDatabase(t), "CREATE TABLE meta (song text)"
	if err := errors.Join(server.Run(databaseOf(t, foreign), "CREATE TABLE songs (name text)"), server.Run(databaseOf(t, songs), stranger)); err != nil {
		t.Fatal(err)
	}
	refuses(t, server.URL("none"), test, "does not exist")
	refuses(t, server.TCP("postgres", "postgres"), test, "password")
	refuses(t, "postgres:///tapline?host=/nowhere", test, "failed to connect")
	refuses(t, "postgres://%zz", test, "this is no URL")
	refuses(t, empty, Options{ReadOnly: true}, "this database is empty")
	refuses(t, foreign, test, "not tapline's")
	refuses(t, foreign, Options{ReadOnly: true}, "not tapline's")
	refuses(t, songs, test, "not tapline's")
	refuses(t, ours, Options{Environment: "live"}, "it is for the test environment")
	if err := server.Run(databaseOf(t, ours), "UPDATE meta SET value = '1000' WHERE name = 'oldest'"); err != nil {
		t.Fatal(err)
	}
	refuses(t, ours, test, "made by a newer tapline")
	if got := server.Query(t, databaseOf(t, foreign), "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"); len(got) != 1 {
		t.Errorf("somebody else's database was changed: %v", got)
	}
	if _, err := Open(t.Context(), empty, Options{}); err == nil {
		t.Error("Open without an environment gave no error")
	}
}

func TestPasswordsInURLsAreRefusedAndNotRepeated(t *testing.T) {
	for _, address := range []string{"postgres://tapline:hunter2@db.example/tapline", "postgresql://db.example/tapline?password=hunter2",
		"postgres://tapline:hunter2@db.example:port/tapline", "postgres://db.example/tapline?sslpassword=hunter2",
		"postgres://tapline:hunter2%zz@db.example/tapline", "postgres://tapline:hunter2/x@db.example/tapline", "postgres://a@b?password=hunter2&x=%zz"} {
		_, openErr := Open(t.Context(), address, Options{Environment: "test"})
		_, _, migrateErr := Migrate(t.Context(), address, Options{Environment: "test"})
		_, existsErr := Exists(t.Context(), address, Options{})
		for _, err := range []error{CheckURL(address), openErr, migrateErr, existsErr} {
			if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "hint: ") {
				t.Errorf("%s: %v; want a hint, and no password", address, err)
			}
		}
	}
}

func TestPasswordsComeFromFilesAndTheEnvironment(t *testing.T) {
	server, address := pgtest.Shared(t), newDatabase(t)
	over := server.TCP("postgres", databaseOf(t, address))
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	right, wrong := write("right", pgtest.Password+"\n", 0o600), write("wrong", "hunter2", 0o600)
	open := func(o Options) error {
		o.Environment = "test"
		s, err := Open(t.Context(), over, o)
		if err != nil {
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), pgtest.Password) {
				t.Errorf("an error repeats a password: %v", err)
			}
			return err
		}
		return s.Close()
	}
	t.Setenv("PGPASSFILE", filepath.Join(dir, "none"))
	if err := open(Options{PasswordFile: right}); err != nil {
		t.Errorf("with the password in a file: %v", err)
	}
	for what, file := range map[string]string{"a wrong password": wrong, "no such file": filepath.Join(dir, "none"),
		"a file that others can read": write("open", pgtest.Password, 0o644)} {
		if err := open(Options{PasswordFile: file}); err == nil || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("with %s: %v, want refused with a hint", what, err)
		}
	}
	t.Setenv("PGPASSFILE", write("pgpass", "127.0.0.1:*:*:postgres:"+pgtest.Password+"\n", 0o600))
	if err := open(Options{}); err != nil {
		t.Errorf("with the password in PGPASSFILE: %v", err)
	}
	t.Setenv("PGPASSFILE", filepath.Join(dir, "none"))
	t.Setenv("PGPASSWORD", pgtest.Password)
	if err := open(Options{}); err != nil {
		t.Errorf("with the password in PGPASSWORD: %v", err)
	}
}

func TestOtherMachinesAreTalkedToByTLSOnly(t *testing.T) {
	for address, want := range map[string]bool{
		"postgres://db.example/tapline":                   true,
		"postgres://192.0.2.1,localhost/tapline":          true,
		"postgres:///tapline?host=db.example":             true,
		"postgres://db.example/tapline?sslmode=disable":   false,
		"postgres://localhost/tapline":                    false,
		"postgres://127.0.0.1:1,[::1]:2/tapline":          false,
		"postgres://127.0.0.1:1,db.example:2/tapline":     true,
		"postgres:///tapline?host=/var/run/postgresql":    false,
		"postgres://db.example/tapline?sslmode=verify-ca": true,
	} {
		config, err := postgresConfig(address, Options{})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		secure := config.TLSConfig != nil
		for _, f := range config.Fallbacks {
			secure = secure && f.TLSConfig != nil
		}
		if secure != want {
			t.Errorf("%s: TLS and nothing else is %v, want %v", address, secure, want)
		}
	}
}

// What docs/operate.md gives the role of a service.
const leastRights = `
CREATE ROLE tapline_owner LOGIN;
CREATE ROLE tapline LOGIN;
ALTER SCHEMA public OWNER TO tapline_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE tapline_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tapline;`

func TestServiceNeedsNoMoreThanToUseTheTables(t *testing.T) {
	server, address := pgtest.Shared(t), emptyDatabase(t)
	if err := server.Run(databaseOf(t, address), leastRights); err != nil {
		t.Fatal(err)
	}
	as := func(role string) string { return strings.Replace(address, "postgres@", role+"@", 1) }
	refuses(t, as("tapline"), Options{Environment: "test"}, "permission denied")
	for _, want := range []int{0, len(migrations)} {
		if from, to, err := Migrate(t.Context(), as("tapline_owner"), Options{Environment: "test"}); from != want || to != len(migrations) || err != nil {
			t.Fatalf("Migrate as the owner: from %d to %d, %v; want from %d", from, to, err, want)
		}
	}
	s := openTest(t, as("tapline"))
	saveBooks(t, s)
	if _, err := s.Purge(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
	if kept, err := s.Remember(t.Context(), "a", "b"); kept != "b" || err != nil {
		t.Errorf("Remember = %s, %v", kept, err)
	}
	if there, err := Exists(t.Context(), as("tapline"), Options{}); !there || err != nil {
		t.Errorf("Exists of what keeps something = %v, %v", there, err)
	}
	if found, err := s.Check(t.Context(), nil); len(found) > 0 || err != nil {
		t.Errorf("Check = %v, %v", found, err)
	}
	err := s.db.update(t.Context(), func(in session) error {
		return in.(*postgresConn).exec("ALTER TABLE postings DISABLE TRIGGER ALL")
	})
	if err == nil {
		t.Error("a service may switch off the rules of its tables")
	}
}

func TestNodesThatStartTogetherMakeTheTablesOnce(t *testing.T) {
	address := emptyDatabase(t)
	if there, err := Exists(t.Context(), address, Options{}); there || err != nil {
		t.Errorf("Exists of an empty database = %v, %v", there, err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			s, err := Open(t.Context(), address, Options{Environment: "test"})
			if err == nil {
				err = s.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if there, err := Exists(t.Context(), address, Options{}); there || err != nil {
		t.Errorf("Exists of tables that nobody has used = %v, %v", there, err)
	}
	s := openTest(t, address)
	saveBooks(t, s)
	if there, err := Exists(t.Context(), address, Options{}); !there || err != nil {
		t.Errorf("Exists = %v, %v", there, err)
	}
}

func TestPostgreSQLMigrateGoesForwardOnce(t *testing.T) {
	address, test := newDatabase(t), Options{Environment: "test"}
	next := append(migrations[:len(migrations):len(migrations)], migration{"CREATE TABLE songs (name TEXT NOT NULL) BY ARRIVAL;\n", 1})
	if _, err := openPostgres(t.Context(), address, test, next, false); err == nil || !strings.Contains(err.Error(), `then run "tapline migrate"`) {
		t.Errorf("opening an older schema = %v, want a hint to migrate", err)
	}
	broken := append(next[:len(migrations):len(migrations)], migration{"CREATE TABLE songs (name TEXT); CREATE TABLE cards (x TEXT);\n", 1})
	if _, err := migratePostgres(t.Context(), address, test, broken); err == nil {
		t.Error("a migration that fails gave no error")
	}
	for i, want := range []int{len(migrations), len(next)} {
		if from, err := migratePostgres(t.Context(), address, test, next); from != want || err != nil {
			t.Errorf("Migrate, time %d: from %d, %v; want from %d", i+1, from, err, want)
		}
	}
	openTest(t, address) // the program before still runs on it
}

func TestPostgreSQLThatIsOnlyReadIsNotWritten(t *testing.T) {
	address := newDatabase(t)
	openTest(t, address)
	s, err := Open(t.Context(), address, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := save(s, newDevice("d")); !errors.Is(err, processor.ErrUnavailable) {
		t.Errorf("Update of a store that is only read = %v, want ErrUnavailable", err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if err := s.View(t.Context(), func(processor.Reader) error { return nil }); !errors.Is(err, errClosed) {
		t.Errorf("View after Close = %v, want %v", err, errClosed)
	}
}

// A server that takes no writing, as one that follows another does.
func TestServerThatCannotBeWrittenIsNotOpenedForWriting(t *testing.T) {
	server := pgtest.Start(t)
	s := openTest(t, server.URL("postgres"))
	set := func(value string) {
		if err := errors.Join(server.Run("postgres", "ALTER SYSTEM SET default_transaction_read_only = "+value),
			server.Run("postgres", "SELECT pg_reload_conf()")); err != nil {
			t.Fatal(err)
		}
	}
	set("on")
	await(t, "the server only follows", func() bool {
		return server.Query(t, "postgres", "SHOW default_transaction_read_only")[0] == "on"
	})
	if _, err := Open(t.Context(), server.URL("postgres"), Options{Environment: "test"}); err == nil {
		t.Error("a server that cannot be written to was opened for writing")
	}
	set("off")
	await(t, "the server leads", func() bool {
		return server.Query(t, "postgres", "SHOW default_transaction_read_only")[0] == "off"
	})
	if err := save(s, newDevice("d")); err != nil {
		t.Error(err)
	}
}
