package sqlstore

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tapline/internal/pgtest"
	"tapline/payment"
	"tapline/processor"
)

// counter is a proxy to a server that counts the statements that go through it.
type counter struct {
	net.Listener
	server   string
	executed atomic.Int64 // statements: https://www.postgresql.org/docs/current/protocol-message-formats.html, Execute and Query
	parsed   atomic.Int64 // of which were prepared: Parse
}

func startCounter(t *testing.T, server string) *counter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{Listener: l, server: server}
	done := make(chan bool)
	go func() {
		defer close(done)
		for {
			client, err := c.Accept()
			if err != nil {
				return
			}
			go c.pass(client)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return c
}

func (c *counter) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(client, server); client.Close() }()
	for kind := 0; ; kind = 1 { // the first message has no kind
		head := make([]byte, kind+4)
		if _, err := io.ReadFull(client, head); err != nil {
			return
		}
		if kind == 1 && (head[0] == 'E' || head[0] == 'Q') {
			c.executed.Add(1)
		}
		if kind == 1 && head[0] == 'P' {
			c.parsed.Add(1)
		}
		body := make([]byte, binary.BigEndian.Uint32(head[kind:])-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		if _, err := server.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// TestABatchCostsAsManyStatementsAsItHasTables counts what goes over the wire for batches of some rows and of many: to
// load them, to make them and to change them.
func TestABatchCostsAsManyStatementsAsItHasTables(t *testing.T) {
	server := pgtest.Shared(t)
	t.Setenv("PGPASSWORD", pgtest.Password)
	c := startCounter(t, server.Address())
	s := openTest(t, "postgres://postgres@"+c.Addr().String()+"/"+databaseOf(t, newDatabase(t))+"?sslmode=disable")
	batch := func(name string, n int) (statements, prepared int64) {
		t.Helper()
		rows, wants := processor.Rows{}, processor.Wants{}
		var events []processor.Event
		for i := range n {
			id := fmt.Sprintf("%s%05d", name, i)
			rows.Devices = append(rows.Devices, processor.Device{ID: payment.DeviceID(id), PublicKey: []byte("{}")})
			rows.Tries = append(rows.Tries, processor.Tries{TriesID: processor.TriesID{Card: processor.CardKey(id), By: "x"}})
			rows.Keys = append(rows.Keys, processor.Key{KeyID: processor.KeyID{Principal: "device:x", Key: id}, Digest: "d", At: time.Now()})
			events = append(events, processor.Event{Type: "x", Subject: id, To: []processor.Principal{"p"}})
			wants.Devices = append(wants.Devices, payment.DeviceID(id))
			wants.Tries = append(wants.Tries, rows.Tries[i].TriesID)
			wants.Keys = append(wants.Keys, rows.Keys[i].KeyID)
		}
		before, parsed := c.executed.Load(), c.parsed.Load()
		for _, save := range []func(found processor.Rows) processor.Changes{
			func(processor.Rows) processor.Changes { return processor.Changes{New: rows, Events: events} },
			func(found processor.Rows) processor.Changes {
				return processor.Changes{Changed: processor.Rows{Tries: found.Tries, Keys: found.Keys}, Events: events}
			},
		} {
			err := s.Update(t.Context(), func(tx processor.Tx) error {
				found, err := tx.Load(wants)
				if err != nil {
					return err
				}
				return tx.Save(save(found))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return c.executed.Load() - before, c.parsed.Load() - parsed
	}
	for range postgresWriters { // each connection has its statements prepared
		batch(fmt.Sprint("warm", c.parsed.Load()), 1)
	}
	least, _ := batch("first", 1) // who listens looks once for what it has missed, some time after its connection is there
	one, prepared := batch("one", 1)
	one = min(one, least)
	many, preparedAgain := batch("many", 400)
	if one != many {
		t.Errorf("batches of 1 row of each table take %d statements, of 400 rows %d", one, many)
	}
	// Twice: begin, three tables to load, the numbers of events, events and whom they are for, to tell of them, and commit;
	// and three tables to make, two to change.
	if limit := int64(2*(1+3+1+2+1+1) + 3 + 2); many > limit {
		t.Errorf("two batches of 400 rows of each table take %d statements, want %d at most", many, limit)
	}
	if prepared != 0 || preparedAgain != 0 {
		t.Errorf("statements that had been prepared were prepared again: %d and %d", prepared, preparedAgain)
	}
	t.Logf("two batches take %d statements", many)
}

// TestRowsAreLockedInTheOrderOfTheirKeys looks at every statement that locks.
func TestRowsAreLockedInTheOrderOfTheirKeys(t *testing.T) {
	locking := 0
	for name, s := range oftenRun() {
		if s.form != selectRows || s.lock == unlocked {
			continue
		}
		locking++
		text, arrays := postgresText(s, true)
		want := " ORDER BY t." + s.key[0]
		if !arrays || !containsInOrder(text, want, " FOR ", " OF t") {
			t.Errorf("%s: %s; want all rows at once, locked in the order of their keys", name, text)
		}
	}
	if locking < 5 {
		t.Errorf("%d statements lock", locking)
	}
}

func containsInOrder(text string, parts ...string) bool {
	for _, part := range parts {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return true
}

// TestConnectionsHaveTheirSettings looks at what bounds statements, and at commits that an administrator has made weaker.
func TestConnectionsHaveTheirSettings(t *testing.T) {
	address := newDatabase(t)
	for set, want := range map[string]string{"off": "on", "local": "on", "remote_write": "on", "on": "on", "remote_apply": "remote_apply"} {
		name := databaseOf(t, address)
		if err := pgtest.Shared(t).Run("postgres", "ALTER DATABASE "+name+" SET synchronous_commit = "+set); err != nil {
			t.Fatal(err)
		}
		s := openTest(t, address)
		err := s.db.update(t.Context(), func(in session) error {
			rows, err := in.(*postgresConn).texts("SELECT current_setting('synchronous_commit') || ' ' || current_setting('statement_timeout')" +
				" || ' ' || current_setting('lock_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout')")
			if err == nil && (len(rows) != 1 || rows[0][0] != want+" 20s 10s 5s") {
				t.Errorf("with synchronous_commit %s a connection has %v, want %s 20s 10s 5s", set, rows, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
