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
	"time"

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
