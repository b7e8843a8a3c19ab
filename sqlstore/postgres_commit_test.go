package sqlstore

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"tapline/internal/pgtest"
	"tapline/payment"
	"tapline/processor"
)

// cutting opens a store through a proxy that can cut it off. Its readers are connected.
func cutting(t *testing.T, server *pgtest.Server, database string) (*Store, *cutter) {
	t.Helper()
	t.Setenv("PGPASSWORD", pgtest.Password)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, server: server.Address()}
	done := make(chan bool)
	go func() { c.serve(); close(done) }()
	t.Cleanup(func() { l.Close(); <-done })
	s := openTest(t, "postgres://postgres@"+l.Addr().String()+"/"+database+"?sslmode=disable")
	if err := save(s, newDevice("before")); err != nil {
		t.Fatal(err)
	}
	readAll(t, s)
	return s, c
}

// readAll uses each of the connections that read.
func readAll(t *testing.T, s *Store) {
	t.Helper()
	for range cap(s.db.(*postgresDB).readers) {
		devicesOf(t, s, "before")
	}
}

// inDoubt reports whether an error says that a transaction may have been done.
func inDoubt(err error) bool {
	return errors.Is(err, processor.ErrUnavailable) && strings.Contains(err.Error(), "may have been done")
}

func TestCommitThatIsNotAnsweredIsLookedUp(t *testing.T) {
	s, c := cutting(t, pgtest.Shared(t), databaseOf(t, newDatabase(t)))
	c.arm(true)
	if err := save(s, newDevice("done")); err != nil {
		t.Errorf("Update whose commit was done but not answered = %v, want no error", err)
	}
	c.arm(false)
	if err := save(s, newDevice("undone")); !errors.Is(err, processor.ErrUnavailable) || inDoubt(err) {
		t.Errorf("Update whose commit never arrived = %v, want ErrUnavailable and no doubt", err)
	}
	if got := devicesOf(t, s, "done", "undone"); !slices.Equal(got, []payment.DeviceID{"done"}) {
		t.Errorf("devices: %v, want the one whose commit was done", got)
	}
}

// A server that crashes forgets the numbers of transactions of which nothing has reached its disk, and gives them to
// others. One that takes the place of another does, too.
func TestNumberThatIsGivenToAnotherTransactionProvesNothing(t *testing.T) {
	server := pgtest.Start(t)
	run := func(sql string) {
		if err := server.Run("postgres", sql); err != nil {
			t.Error(err)
		}
	}
	s, c := cutting(t, server, "postgres")
	run("CHECKPOINT")
	var number string
	given := make(chan bool)
	c.before = func() {
		defer close(given)
		if err := errors.Join(server.Kill(), server.Start()); err != nil {
			t.Error(err)
		}
		for range 20 {
			run("SELECT pg_current_xact_id()")
		}
	}
	c.arm(false)
	err := s.Update(t.Context(), func(in processor.Tx) error {
		number = in.(*tx).session.(*postgresConn).xid
		return in.Save(newDevice("lost"))
	})
	<-given
	if !inDoubt(err) {
		t.Errorf("Update whose server crashed before the commit = %v, want ErrUnavailable and doubt", err)
	}
	if got := devicesOf(t, s, "lost"); len(got) > 0 {
		t.Errorf("what was not committed is there: %v", got)
	}
	if got := server.Query(t, "postgres", "SELECT pg_xact_status('"+number+"')"); !slices.Equal(got, []string{"committed"}) {
		t.Errorf("the number was not given again, so nothing was tried: %v", got)
	}
}

// synchronous has a server wait for a replica that does not exist, or not.
func synchronous(t *testing.T, server *pgtest.Server, replica string) {
	t.Helper()
	err := errors.Join(server.Run("postgres", "ALTER SYSTEM SET synchronous_standby_names = '"+replica+"'"),
		server.Run("postgres", "SELECT pg_reload_conf()"))
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the setting holds", func() bool {
		return strings.Join(server.Query(t, "postgres", "SHOW synchronous_standby_names"), "") == replica
	})
}

const waitsForReplica = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'"

func TestCommitThatNoReplicaHasIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	s := openTest(t, server.URL("postgres"))
	if err := save(s, newDevice("before")); err != nil {
		t.Fatal(err)
	}
	readAll(t, s)
	synchronous(t, server, "nobody")
	began := time.Now()
	if err := save(s, newDevice("waiting")); !inDoubt(err) {
		t.Errorf("Update that no replica confirms = %v, want ErrUnavailable and doubt", err)
	}
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("it took %v", took)
	}
	if got := server.Query(t, "postgres", waitsForReplica); len(got) != 1 {
		t.Errorf("backends that wait for a replica: %v, want the one that nobody has stopped", got)
	}
	if got := devicesOf(t, s, "waiting"); len(got) > 0 {
		t.Errorf("others see what no replica has: %v", got)
	}
	synchronous(t, server, "")
	await(t, "the commit ends", func() bool { return len(devicesOf(t, s, "waiting")) == 1 })
	if err := save(s, newDevice("after")); err != nil {
		t.Errorf("Update once no replica is wanted: %v", err)
	}
}

// An administrator who stops a commit that waits makes the server answer as if it had been done, with a warning.
func TestCommitThatAnAdministratorStopsWaitingIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	for i, stop := range []string{"pg_cancel_backend", "pg_terminate_backend"} {
		s := openTest(t, server.URL("postgres"))
		if err := save(s, newDevice(payment.DeviceID(fmt.Sprint("before", i)))); err != nil {
			t.Fatal(err)
		}
		readAll(t, s)
		synchronous(t, server, "nobody")
		saved := make(chan error)
		go func() { saved <- save(s, newDevice(payment.DeviceID(fmt.Sprint("stopped", i)))) }()
		await(t, "the commit waits", func() bool { return len(server.Query(t, "postgres", waitsForReplica)) == 1 })
		if err := server.Run("postgres", "SELECT "+stop+"(pid) FROM ("+waitsForReplica+") AS w"); err != nil {
			t.Fatal(err)
		}
		if err := <-saved; !inDoubt(err) {
			t.Errorf("Update after %s = %v, want ErrUnavailable and doubt", stop, err)
		}
		synchronous(t, server, "")
		if err := save(s, newDevice(payment.DeviceID(fmt.Sprint("after", i)))); err != nil {
			t.Errorf("Update afterwards: %v", err)
		}
	}
}

// A confirmation of the commit is asked for by a witness, too: it is given as soon as replicas have it.
func TestCommitThatIsLateIsAcknowledged(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	s := openTest(t, server.URL("postgres"))
	if err := save(s, newDevice("before")); err != nil {
		t.Fatal(err)
	}
	readAll(t, s)
	synchronous(t, server, "nobody")
	saved := make(chan error)
	go func() { saved <- save(s, newDevice("late")) }()
	timer := time.NewTimer(commitPatience + 2*time.Second)
	defer timer.Stop()
	<-timer.C
	synchronous(t, server, "")
	if err := <-saved; err != nil {
		t.Errorf("Update whose commit was confirmed late = %v, want no error", err)
	}
}
