package simdisk_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"tapline/internal/simdisk"
	"tapline/payment"
	"tapline/processor"
	"tapline/sqlstore"
)

// world is a store on a simulated disk.
type world struct {
	*testing.T
	disk  *simdisk.Disk
	path  string
	store *sqlstore.Store
}

func open(t *testing.T, seed uint64) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{T: t, disk: simdisk.New(dir, rand.New(rand.NewPCG(seed, 0))), path: filepath.Join(dir, "tapline.db")}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
		w.disk.Remove()
	})
	w.open()
	return w
}

func (w *world) open() {
	w.Helper()
	var err error
	if w.store, err = sqlstore.Open(w.Context(), w.path, sqlstore.Options{Environment: "test", Readers: 1}); err != nil {
		w.Fatal(err)
	}
}

// crash cuts the power and starts again.
func (w *world) crash() {
	w.Helper()
	w.disk.Kill()
	_ = w.store.Close() // on a disk that is gone
	w.disk.Revive()
	w.open()
}

func device(n int) payment.DeviceID { return payment.DeviceID(fmt.Sprintf("device-%d", n)) }

// register adds a device.
func (w *world) register(n int) error {
	d := processor.Device{ID: device(n), PublicKey: []byte("{}"), CreatedAt: time.Unix(1, 0).UTC()}
	return w.store.Update(w.Context(), func(tx processor.Tx) error {
		return tx.Save(processor.Changes{New: processor.Rows{Devices: []processor.Device{d}}})
	})
}

// there reports whether a device is there.
func (w *world) there(n int) bool {
	w.Helper()
	var rows processor.Rows
	err := w.store.View(w.Context(), func(r processor.Reader) (err error) {
		rows, err = r.Load(processor.Wants{Devices: []payment.DeviceID{device(n)}})
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return len(rows.Devices) == 1
}

func TestWhatWasCommittedSurvivesAPowerCut(t *testing.T) {
	for seed := range uint64(20) {
		w := open(t, seed)
		for n := range 10 {
			if err := w.register(n); err != nil {
				t.Fatal(err)
			}
			w.crash()
			for before := range n + 1 {
				if !w.there(before) {
					t.Fatalf("seed %d: device %d was committed and is gone after %d power cuts", seed, before, n+1)
				}
			}
		}
	}
}

func TestACommitThatFailsIsNotThere(t *testing.T) {
	for op := 1; op < 12; op++ {
		for _, full := range []bool{false, true} {
			w := open(t, 1)
			w.disk.Fail(simdisk.Fault{IO: op, Full: full})
			err := w.register(0)
			if failed, _ := w.disk.Failed(); failed != (err != nil) {
				t.Errorf("operation %d failed: %v, and the commit: %v", op, failed, err)
			}
			if err != nil && !errors.Is(err, processor.ErrUnavailable) {
				t.Errorf("operation %d: %v, want %v", op, err, processor.ErrUnavailable)
			}
			w.disk.Fail(simdisk.Fault{})
			if there := w.there(0); there != (err == nil) {
				t.Errorf("operation %d: %v, and it is there: %v", op, err, there)
			}
			if err := w.register(1); err != nil {
				t.Errorf("after operation %d failed: %v", op, err)
			}
		}
	}
}

// A crash in the middle of a commit leaves all of it or nothing, and a sound database.
func TestACrashInACommitLeavesAllOrNothing(t *testing.T) {
	kept, lost := 0, 0
	for op := 1; op < 16; op++ {
		for seed := range uint64(8) {
			w := open(t, seed)
			w.disk.Fail(simdisk.Fault{Crash: op})
			err := w.register(0)
			_, dead := w.disk.Failed()
			w.crash()
			switch there := w.there(0); {
			case !dead && err != nil:
				t.Errorf("operation %d: %v without a crash", op, err)
			case !dead && !there:
				t.Errorf("operation %d: committed, and gone", op)
			case there:
				kept++
			default:
				lost++
			}
			if found, err := w.store.Check(t.Context(), nil); err != nil || len(found) > 0 {
				t.Errorf("operation %d: the database is not sound: %v %v", op, found, err)
			}
		}
	}
	if kept == 0 || lost == 0 {
		t.Errorf("%d commits were kept and %d were lost: the crashes test nothing", kept, lost)
	}
}

func TestEveryStatementCanFail(t *testing.T) {
	failed := 0
	for n := 1; n < 20; n++ {
		w := open(t, 1)
		w.disk.Fail(simdisk.Fault{Statement: n})
		err := w.register(0)
		if err != nil {
			failed++
		}
		w.disk.Fail(simdisk.Fault{})
		if there := w.there(0); there != (err == nil) {
			t.Errorf("statement %d: %v, and it is there: %v", n, err, there)
		}
	}
	if failed == 0 {
		t.Error("no statement was interrupted")
	}
}
