package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/internal/pgtest"
	"tapline/payment"
	"tapline/processor"
)

// await waits for something to become true.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	over := time.After(time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// deaf makes a store stop looking for events by itself, so that only a notification tells it.
func deaf(s *Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = time.Now().Add(time.Hour)
}

func oneEvent(subject string) processor.Changes {
	return processor.Changes{Events: []processor.Event{{Type: "x", Subject: subject, To: []processor.Principal{"p"}}}}
}

func TestNotificationsWakeOtherNodes(t *testing.T) {
	address := newDatabase(t)
	writer, reader := openTest(t, address), openTest(t, address)
	deaf(reader)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for after := range int64(3) {
		woken := make(chan int64)
		go func() {
			n, err := reader.Wait(ctx, after)
			if err != nil {
				t.Error(err)
			}
			woken <- n
		}()
		if err := save(writer, oneEvent("e")); err != nil {
			t.Fatal(err)
		}
		if n := <-woken; n != after+1 {
			t.Fatalf("Wait(%d) on another node = %d, want %d", after, n, after+1)
		}
	}
}

func TestListeningIsTakenUpAgainAndMissesNothing(t *testing.T) {
	address := newDatabase(t)
	writer, reader := openTest(t, address), openTest(t, address)
	server, name := pgtest.Shared(t), databaseOf(t, address)
	listeners := "SELECT pid FROM pg_stat_activity WHERE datname = '" + name + "' AND state = 'idle' AND query LIKE '%''events'''"
	await(t, "two nodes listen", func() bool { return len(server.Query(t, "postgres", listeners)) == 2 })
	deaf(reader)
	if err := server.Run("postgres", "SELECT pg_terminate_backend(pid) FROM ("+listeners+") AS l"); err != nil {
		t.Fatal(err)
	}
	if err := save(writer, oneEvent("missed")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for after := range int64(2) {
		if n, err := reader.Wait(ctx, after); n != after+1 || err != nil {
			t.Fatalf("Wait(%d) after the listening connection was lost = %d, %v", after, n, err)
		}
		if err := save(writer, oneEvent("told")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnectionKilledInMidBatchLeavesNothing(t *testing.T) {
	address := newDatabase(t)
	s, server := openTest(t, address), pgtest.Shared(t)
	for _, after := range []bool{false, true} {
		err := s.Update(t.Context(), func(tx processor.Tx) error {
			kill := func() {
				pid := s.backend(t, tx)
				if err := server.Run("postgres", fmt.Sprintf("SELECT pg_terminate_backend(%d, 10000)", pid)); err != nil {
					t.Error(err)
				}
			}
			if !after {
				kill()
			}
			if err := tx.Save(newDevice("half")); err != nil {
				return err
			}
			if after {
				kill()
			}
			return nil
		})
		if !errors.Is(err, processor.ErrUnavailable) || strings.Contains(err.Error(), "may have been done") {
			t.Errorf("Update whose connection was killed, after Save %v, = %v; want ErrUnavailable and no doubt", after, err)
		}
		if got := devicesOf(t, s, "half"); len(got) > 0 {
			t.Errorf("half of a batch is there: %v", got)
		}
	}
	if err := save(s, newDevice("whole")); err != nil {
		t.Errorf("Update after the connection was killed: %v", err)
	}
}

// backend is the process of the server that a transaction talks to.
func (s *Store) backend(t *testing.T, in processor.Tx) uint32 {
	t.Helper()
	return in.(*tx).session.(*postgresConn).conn.PID()
}

func TestServerComesBack(t *testing.T) {
	server := pgtest.Start(t)
	s := openTest(t, server.URL("postgres"))
	if err := save(s, newDevice("before")); err != nil {
		t.Fatal(err)
	}
	for i, stop := range []func() error{server.Stop, server.Kill} {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if err := save(s, newDevice("lost")); !errors.Is(err, processor.ErrUnavailable) {
			t.Errorf("Update without a server = %v, want ErrUnavailable", err)
		}
		err := s.View(t.Context(), func(processor.Reader) error { return nil })
		if !errors.Is(err, processor.ErrUnavailable) {
			t.Errorf("View without a server = %v, want ErrUnavailable", err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		// Not even the first that comes is told of it.
		id := payment.DeviceID(fmt.Sprint("after", i))
		if err := save(s, newDevice(id)); err != nil {
			t.Errorf("Update once the server is back: %v", err)
		}
		if got := devicesOf(t, s, "before", "lost", id); !slices.Equal(got, []payment.DeviceID{id, "before"}) && !slices.Equal(got, []payment.DeviceID{"before", id}) {
			t.Errorf("devices after the server came back: %v", got)
		}
	}
}

// cutter is a proxy to a server that cuts a connection off at its next COMMIT.
type cutter struct {
	net.Listener
	server string

	mu      sync.Mutex
	forward bool // the server gets the COMMIT
	armed   bool
	before  func() // is called before the connection is cut off
}

func (c *cutter) serve() {
	for {
		client, err := c.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.server)
		if err != nil {
			client.Close()
			continue
		}
		answers := make(chan bool)
		go func() { _, _ = io.Copy(client, server); client.Close(); close(answers) }()
		go func() {
			c.copy(server, client)
			server.Close()
			<-answers
		}()
	}
}

// copy passes on what a client says until it is cut off.
func (c *cutter) copy(server, client net.Conn) {
	text := make([]byte, 1<<16)
	for {
		n, err := client.Read(text)
		if err != nil {
			return
		}
		c.mu.Lock()
		cut := c.armed && bytes.Contains(text[:n], []byte("COMMIT\x00"))
		forward := c.forward
		if cut {
			c.armed = false
		}
		c.mu.Unlock()
		if cut && c.before != nil {
			c.before()
		}
		if cut {
			client.Close() // it will not hear the answer
		}
		if !cut || forward {
			_, _ = server.Write(text[:n])
		}
		if cut {
			if forward {
				_, _ = io.Copy(io.Discard, server.(*net.TCPConn)) // until the server is done
			}
			return
		}
	}
}

func (c *cutter) arm(forward bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed, c.forward = true, forward
}

func TestDeadlockIsRunAgain(t *testing.T) {
	address := newDatabase(t)
	nodes := []*Store{openTest(t, address), openTest(t, address)}
	both := []processor.TriesID{{Card: "a", By: "x"}, {Card: "b", By: "x"}}
	if err := save(nodes[0], processor.Changes{New: processor.Rows{Tries: []processor.Tries{{TriesID: both[0]}, {TriesID: both[1]}}}}); err != nil {
		t.Fatal(err)
	}
	var met, done sync.WaitGroup
	met.Add(2)
	runs := make([]int, 2)
	for i, s := range nodes {
		done.Go(func() {
			err := s.Update(t.Context(), func(tx processor.Tx) error {
				runs[i]++
				first, err := tx.Load(processor.Wants{Tries: both[i : i+1]})
				if err != nil {
					return err
				}
				if runs[i] == 1 {
					met.Done()
					met.Wait() // each has locked what the other will want
				}
				second, err := tx.Load(processor.Wants{Tries: both[1-i : 2-i]})
				if err != nil {
					return err
				}
				rows := append(first.Tries, second.Tries...)
				for j := range rows {
					rows[j].Used++
				}
				return tx.Save(processor.Changes{Changed: processor.Rows{Tries: rows}})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if runs[0]+runs[1] != 3 {
		t.Errorf("two transactions, of which one had to be run again, ran %v times", runs)
	}
	err := nodes[0].View(t.Context(), func(r processor.Reader) error {
		rows, err := r.Load(processor.Wants{Tries: both})
		for _, n := range rows.Tries {
			if n.Used != 2 {
				t.Errorf("two transactions each counted one more: %+v", n)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRowThatAnotherNodeHasJustMadeIsSeen(t *testing.T) {
	address := newDatabase(t)
	first, second := openTest(t, address), openTest(t, address)
	wants := processor.Wants{Devices: []payment.DeviceID{"d"}}
	runs, found := 0, 0
	err := second.Update(t.Context(), func(tx processor.Tx) error {
		runs++
		rows, err := tx.Load(wants)
		found = len(rows.Devices)
		if err != nil || found > 0 {
			return err
		}
		if err := save(first, newDevice("d")); err != nil {
			t.Error(err)
		}
		return tx.Save(newDevice("d"))
	})
	if err != nil || runs != 2 || found != 1 {
		t.Errorf("Update beside another that makes the same row: %v, run %d times, found %d; want to find it in the second", err, runs, found)
	}
}

func TestLoadedRowsStayAsTheyAre(t *testing.T) {
	address := newDatabase(t)
	first, second := openTest(t, address), openTest(t, address)
	if err := save(first, newDevice("d")); err != nil {
		t.Fatal(err)
	}
	wants := processor.Wants{Devices: []payment.DeviceID{"d"}}
	changed := make(chan error)
	err := first.Update(t.Context(), func(tx processor.Tx) error {
		if _, err := tx.Load(wants); err != nil {
			return err
		}
		go func() {
			c := newDevice("d")
			c.New, c.Changed = processor.Rows{}, c.New
			c.Changed.Devices[0].RevokedAt = time.Now()
			changed <- save(second, c)
		}()
		waiting := "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '" + databaseOf(t, address) + "'"
		await(t, "the other node waits", func() bool { return len(pgtest.Shared(t).Query(t, "postgres", waiting)) == 1 })
		rows, err := tx.Load(wants)
		if len(rows.Devices) != 1 || !rows.Devices[0].RevokedAt.IsZero() {
			t.Errorf("a row that was loaded changed before the end: %+v", rows.Devices)
		}
		return err
	})
	if err := errors.Join(err, <-changed); err != nil {
		t.Error(err)
	}
}
