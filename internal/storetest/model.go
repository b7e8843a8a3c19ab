package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
)

// model is what a store of tries, keys and devices should hold.
type model struct {
	devices map[payment.DeviceID]processor.Device
	keys    map[processor.KeyID]processor.Key
	tries   map[processor.TriesID]processor.Tries
}

func (m model) clone() model {
	return model{maps.Clone(m.devices), maps.Clone(m.keys), maps.Clone(m.tries)}
}

// likeAMap runs random batches on a store and on maps, and compares all rows after each.
func (s *suite) likeAMap() {
	run := 0
	rapid.Check(s.T, func(t *rapid.T) {
		run++ // the store lives on, so each run has ids of its own
		m := model{map[payment.DeviceID]processor.Device{}, map[processor.KeyID]processor.Key{}, map[processor.TriesID]processor.Tries{}}
		for range rapid.IntRange(1, 8).Draw(t, "batches") {
			next, changes := m.clone(), processor.Changes{}
			conflict := false
			for range rapid.IntRange(0, 6).Draw(t, "rows") {
				conflict = next.draw(t, run, &changes) || conflict
			}
			undo := rapid.Bool().Draw(t, "undo")
			err := s.store.Update(s.Context(), func(tx processor.Tx) error {
				if err := tx.Save(changes); err != nil {
					return err
				}
				if undo {
					return errChanged
				}
				return nil
			})
			switch {
			case conflict && !errors.Is(err, processor.ErrConflict):
				t.Fatalf("Update with a new row that is there = %v, want ErrConflict", err)
			case !conflict && undo && !errors.Is(err, errChanged), !conflict && !undo && err != nil:
				t.Fatalf("Update = %v, undone %v", err, undo)
			case err == nil:
				m = next
			}
			s.compare(t, run, m)
		}
	})
}

// text is what every store keeps.
var text = rapid.String().Filter(func(s string) bool { return !strings.ContainsRune(s, 0) })

// letters is how many ids of each kind a run has: few, so that they meet.
const letters = 4

func id(run, i int) string { return fmt.Sprintf("r%d-%d", run, i) }

// draw adds a new or a changed row to the changes and to the model. It reports whether a new one was there before.
func (m model) draw(t *rapid.T, run int, c *processor.Changes) (conflict bool) {
	name := id(run, rapid.IntRange(0, letters-1).Draw(t, "id"))
	at := time.UnixMicro(rapid.Int64Range(0, 1<<50).Draw(t, "time")).UTC()
	if at.UnixMicro() == 0 {
		at = time.Time{}
	}
	changed := rapid.Bool().Draw(t, "changed")
	switch rapid.SampledFrom([]string{"device", "key", "tries"}).Draw(t, "table") {
	case "device":
		d := processor.Device{ID: payment.DeviceID(name), Label: text.Draw(t, "label"), RevokedAt: at}
		return put(m.devices, func(d processor.Device) payment.DeviceID { return d.ID }, d, changed, &c.New.Devices, &c.Changed.Devices)
	case "key":
		k := processor.Key{KeyID: processor.KeyID{Principal: "device:x", Key: name}, Digest: text.Draw(t, "digest"),
			Status: rapid.IntRange(0, 599).Draw(t, "status"), At: at}
		if b := rapid.SliceOf(rapid.Byte()).Draw(t, "answer"); len(b) > 0 {
			k.Answer = b
		}
		return put(m.keys, func(k processor.Key) processor.KeyID { return k.KeyID }, k, changed, &c.New.Keys, &c.Changed.Keys)
	default:
		n := processor.Tries{TriesID: processor.TriesID{Card: processor.CardKey(name), By: processor.Owner},
			Tries: consent.Tries{Used: rapid.IntRange(0, 9).Draw(t, "used"), PausedUntil: at, Locked: rapid.Bool().Draw(t, "locked")}}
		return put(m.tries, func(n processor.Tries) processor.TriesID { return n.TriesID }, n, changed, &c.New.Tries, &c.Changed.Tries)
	}
}

// put adds a row as changed if that is wanted and it is there, otherwise as new. What is new in this batch cannot be
// loaded before, so it is not changed by it. A row is changed once.
func put[K comparable, V any](rows map[K]V, key func(V) K, v V, changed bool, created, updated *[]V) (conflict bool) {
	k := key(v)
	_, there := rows[k]
	rows[k] = v
	if there && changed && len(*created) == 0 {
		*updated = append(slices.DeleteFunc(*updated, func(before V) bool { return key(before) == k }), v)
		return false
	}
	*created = append(*created, v)
	return there
}

func (s *suite) compare(t *rapid.T, run int, m model) {
	var w processor.Wants
	for i := range letters {
		w.Devices = append(w.Devices, payment.DeviceID(id(run, i)))
		w.Keys = append(w.Keys, processor.KeyID{Principal: "device:x", Key: id(run, i)})
		w.Tries = append(w.Tries, processor.TriesID{Card: processor.CardKey(id(run, i)), By: processor.Owner})
	}
	want := sorted(processor.Rows{Devices: slices.Collect(maps.Values(m.devices)),
		Keys: slices.Collect(maps.Values(m.keys)), Tries: slices.Collect(maps.Values(m.tries))})
	err := s.store.View(s.Context(), func(r processor.Reader) error {
		got, err := r.Load(w)
		if diff := diff(want, sorted(got)); diff != "" {
			t.Fatalf("rows (-want +got):\n%s", diff)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
