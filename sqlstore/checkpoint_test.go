package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zombiezen.com/go/sqlite"

	"tapline/processor"
)

// TestTheLogBeginsAnew writes without a pause, beside readers, many times what may be changed until the log is moved into the database,
// and sees that the log has not grown for all of it.
func TestTheLogBeginsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openTest(t, path)
	const batches, rows = 400, 50
	s.db.(*sqliteDB).moving.every = 10 * rows
	answer := make([]byte, 4000) // a row is a page, nearly
	reading, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	defer stop()
	for range 3 {
		readers.Go(func() {
			for reading.Err() == nil {
				_, _ = s.readNewest(reading)
				<-time.After(100 * time.Microsecond)
			}
		})
	}
	for n := range batches {
		var c processor.Changes
		for i := range rows {
			c.New.Keys = append(c.New.Keys, processor.Key{KeyID: processor.KeyID{Principal: "device:x", Key: fmt.Sprintf("%04d-%d", n, i)},
				Digest: "d", Status: 200, Answer: answer, At: time.Now()})
		}
		if err := s.Update(t.Context(), func(tx processor.Tx) error { return tx.Save(c) }); err != nil {
			t.Fatal(err)
		}
	}
	const written = batches * rows * 4096
	if log := fileSize(t, path+"-wal"); log > written/2 {
		t.Errorf("the log has %d bytes, of %d that were written", log, written)
	}
	stop()
	readers.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the log is still there after the database was closed: %v", err)
	}
}

func fileSize(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestWhoeverHasErasedWaitsForTheLockAsBefore has another program hold the write lock, after something was erased: a transaction that wants
// it still ends with its context.
func TestWhoeverHasErasedWaitsForTheLockAsBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openTest(t, path)
	if err := s.db.update(t.Context(), func(c session) error { return c.scrub() }); err != nil {
		t.Fatal(err)
	}
	other, err := openConn(path, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.exec(beginImmediate); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	limited, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.db.update(limited, func(session) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want %v", err, context.DeadlineExceeded)
	}
	if took := time.Since(began); took > busyTimeout/2 {
		t.Errorf("it took %v", took)
	}
	other.rollBack()
	if err := other.conn.Close(); err != nil {
		t.Error(err)
	}
}

// TestALogThatCannotBeMovedIsEmptiedLater has a disk fail once, while the log has what was erased.
func TestALogThatCannotBeMovedIsEmptiedLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	saveBooks(t, openTest(t, path))
	c, err := openConn(path, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		d := &sqliteDB{writer: make(chan *sqliteConn, 1), closing: make(chan struct{})}
		d.writer <- nil
		tries := 0
		err := c.conn.SetAuthorizer(sqlite.AuthorizeFunc(func(a sqlite.Action) sqlite.AuthResult {
			if a.Type() != sqlite.OpPragma {
				return sqlite.AuthResultOK
			}
			if tries++; tries == 1 {
				return sqlite.AuthResultDeny
			}
			return sqlite.AuthResultOK
		}))
		if err != nil {
			t.Fatal(err)
		}
		k := &checkpointer{conn: c, every: logRows, due: make(chan struct{}, 1)}
		k.full.Store(true)
		k.wake()
		k.working.Go(func() { k.run(d) })
		time.Sleep(3 * emptyAgain)
		synctest.Wait()
		if k.full.Load() {
			t.Error("nobody has tried again")
		}
		close(d.closing)
		k.working.Wait()
		if tries < 2 {
			t.Error("nothing has failed")
		}
	})
	if err := c.conn.Close(); err != nil {
		t.Error(err)
	}
}

// TestALogIsEmptyOnceItsDatabaseIsOpened finds a log beside the file, as after a power cut: what was erased may be in it.
func TestALogIsEmptyOnceItsDatabaseIsOpened(t *testing.T) {
	path, copied := filepath.Join(t.TempDir(), "test.db"), filepath.Join(t.TempDir(), "test.db")
	saveBooks(t, openTest(t, path))
	for _, suffix := range []string{"", "-wal"} {
		text, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if fileSize(t, copied+"-wal") == 0 {
		t.Fatal("there is no log")
	}
	s := openTest(t, copied)
	if size := fileSize(t, copied+"-wal"); size > 0 {
		t.Errorf("the log has %d bytes", size)
	}
	if found, err := s.Check(t.Context(), nil); err != nil || len(found) > 0 {
		t.Errorf("after it: %v, %v", found, err)
	}
}
