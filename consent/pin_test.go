package consent

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/argon2"

	"tapline/keyring"
)

// cheap makes tests quick; the costs do not matter to them.
var cheap = PINParams{Memory: 64, Passes: 1, Lanes: 1}

func newRecord(t *testing.T, h *PINHasher, account string, pin PIN) PINRecord {
	t.Helper()
	r, err := h.New(t.Context(), account, pin)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOnlyTheRightPINOfTheRightAccountFits(t *testing.T) {
	keys := newKeyring(t)
	h := NewPINHasher(keys, cheap, 1, 1)
	good := newRecord(t, h, "acct_1", "8305")
	other := newRecord(t, h, "acct_1", "8305")
	if bytes.Equal(good.Sum, other.Sum) {
		t.Error("two records of one PIN are the same")
	}
	change := func(f func(r *PINRecord)) PINRecord {
		r := good
		r.Salt, r.Sum = bytes.Clone(r.Salt), bytes.Clone(r.Sum)
		f(&r)
		return r
	}
	for name, tc := range map[string]struct {
		account string
		pin     PIN
		record  PINRecord
		want    bool
	}{
		"right":               {"acct_1", "8305", good, true},
		"wrong":               {"acct_1", "8306", good, false},
		"longer":              {"acct_1", "83050", good, false},
		"empty":               {"acct_1", "", good, false},
		"of another account":  {"acct_2", "8305", good, false},
		"salt moved":          {"acct_1" + string(good.Salt), "8305", change(func(r *PINRecord) { r.Salt = []byte{} }), false},
		"other salt":          {"acct_1", "8305", change(func(r *PINRecord) { r.Salt[0]++ }), false},
		"other sum":           {"acct_1", "8305", change(func(r *PINRecord) { r.Sum[31]++ }), false},
		"sum cut":             {"acct_1", "8305", change(func(r *PINRecord) { r.Sum = r.Sum[:16] }), false},
		"other costs":         {"acct_1", "8305", change(func(r *PINRecord) { r.Memory++ }), false},
		"other passes":        {"acct_1", "8305", change(func(r *PINRecord) { r.Passes++ }), false},
		"decoy":               {"acct_1", "8305", PINRecord{}, false},
		"decoy, empty PIN":    {"acct_1", "", PINRecord{}, false},
		"decoy, stored":       {"acct_1", "8305", PINRecord{Salt: []byte{}, Sum: []byte{}}, false},
		"sum of another's":    {"acct_1", "8305", change(func(r *PINRecord) { r.Sum = other.Sum }), false},
		"record of another's": {"acct_1", "8305", other, true},
	} {
		got, err := h.Verify(t.Context(), tc.account, tc.pin, tc.record)
		if err != nil || got != tc.want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, tc.want)
		}
	}
	_, err := NewPINHasher(newKeyring(t), cheap, 1, 1).Verify(t.Context(), "acct_1", "8305", change(func(r *PINRecord) { r.Pepper = 2 }))
	if !errors.Is(err, keyring.ErrVersion) {
		t.Errorf("pepper that is gone: %v, want %v", err, keyring.ErrVersion)
	}
	if ok, err := NewPINHasher(newKeyring(t), cheap, 1, 1).Verify(t.Context(), "acct_1", "8305", good); ok || err != nil {
		t.Errorf("another pepper: %v, %v", ok, err)
	}
}

func TestPINFormulaIsTheDocumentedOne(t *testing.T) {
	keys := newKeyring(t)
	r := newRecord(t, NewPINHasher(keys, cheap, 1, 1), "acct_1", "8305")
	hash := argon2.IDKey([]byte("8305"), r.Salt, 1, 64, 1, 32)
	want := PINRecord{
		Salt: r.Salt, Sum: keys.MAC(keyring.Pepper, []byte("acct_1"), r.Salt, hash).Sum, Pepper: 1, Memory: 64, Passes: 1, Lanes: 1,
	}
	if diff := cmp.Diff(want, r); diff != "" || len(r.Salt) != 16 {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestTrivialPINsAreNotSet(t *testing.T) {
	h := NewPINHasher(newKeyring(t), cheap, 1, 1)
	for pin, want := range map[PIN]*Error{"1234": ErrPINWeak, "0000": ErrPINWeak, "123": ErrPIN, "": ErrPIN} {
		_, err := h.New(t.Context(), "acct_1", pin)
		wantError(t, string(pin), err, want)
	}
}

func TestRecordsWithAbsurdCostsAreNotComputed(t *testing.T) {
	h := NewPINHasher(newKeyring(t), cheap, 1, 1)
	for _, params := range []PINParams{{1 << 31, 1, 1}, {64, 1 << 20, 1}, {64, 1, 255}, {64, 0, 1}, {64, 1, 0}, {7, 1, 1}} {
		r := newRecord(t, h, "acct_1", "8305")
		r.Memory, r.Passes, r.Lanes = params.Memory, params.Passes, params.Lanes
		if ok, err := h.Verify(t.Context(), "acct_1", "8305", r); ok || err == nil {
			t.Errorf("%+v: %v, %v", params, ok, err)
		}
	}
}

func TestOldRecordsStillFitAndAreOutdated(t *testing.T) {
	before, after := rotated(t)
	r := newRecord(t, NewPINHasher(before, cheap, 1, 1), "acct_1", "8305")
	for name, tc := range map[string]struct {
		keys     *keyring.Keyring
		params   PINParams
		outdated bool
	}{
		"the same":     {before, cheap, false},
		"new pepper":   {after, cheap, true},
		"higher costs": {before, PINParams{128, 2, 1}, true},
	} {
		h := NewPINHasher(tc.keys, tc.params, 1, 1)
		if ok, err := h.Verify(t.Context(), "acct_1", "8305", r); !ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		if got := h.Outdated(r); got != tc.outdated {
			t.Errorf("%s: outdated %v, want %v", name, got, tc.outdated)
		}
		if h.Outdated(PINRecord{}) {
			t.Errorf("%s: a decoy is outdated", name)
		}
	}
}

func TestQueueIsBoundedAndCancellingFreesAPlace(t *testing.T) {
	keys := newKeyring(t)
	synctest.Test(t, func(t *testing.T) {
		h := NewPINHasher(keys, cheap, 1, 2)
		h.slots <- struct{}{} // a hash is running
		results := make(chan error, 3)
		wait := func(ctx context.Context) {
			go func() {
				_, err := h.Verify(ctx, "acct_1", "8305", PINRecord{})
				results <- err
			}()
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		wait(ctx)
		wait(t.Context())
		if got := h.Waiting(); got != 2 {
			t.Errorf("%d waiting, want 2", got)
		}
		_, err := h.Verify(t.Context(), "acct_1", "8305", PINRecord{})
		wantError(t, "beyond the queue", err, ErrBusy)
		_, err = h.New(t.Context(), "acct_1", "8305")
		wantError(t, "new PIN beyond the queue", err, ErrBusy)

		cancel()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled while waiting: %v", err)
		}
		wait(t.Context()) // has its place
		if got := h.Waiting(); got != 2 {
			t.Errorf("%d waiting after one left and one came, want 2", got)
		}
		<-h.slots // the hash is done
		for range 2 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if h.Waiting() != 0 || h.Running() != 0 {
			t.Errorf("%d waiting and %d running at the end", h.Waiting(), h.Running())
		}
		if _, err := h.Verify(ctx, "acct_1", "8305", PINRecord{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before: %v", err)
		}
	})
}

func TestManyCallersShareFewWorkers(t *testing.T) {
	h := NewPINHasher(newKeyring(t), cheap, 2, 100)
	r := newRecord(t, h, "acct_1", "8305")
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if ok, err := h.Verify(t.Context(), "acct_1", "8305", r); !ok || err != nil {
				t.Errorf("%v, %v", ok, err)
			}
			if n := h.Running(); n > 2 {
				t.Errorf("%d running, want 2 at most", n)
			}
		})
	}
	group.Wait()
}

func BenchmarkPIN(b *testing.B) {
	h := NewPINHasher(newKeyring(b), DefaultPINParams, 1, 0)
	for b.Loop() {
		if _, err := h.Verify(b.Context(), "acct_1", "8305", PINRecord{}); err != nil {
			b.Fatal(err)
		}
	}
}
