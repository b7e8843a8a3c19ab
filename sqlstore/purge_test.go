package sqlstore

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/consent"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

func TestPurgeForgetsWhatNobodyNeeds(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "tapline.db"))
	saveBooks(t, s)
	now := time.Now().UTC()
	later := now.Add(TriesKept + time.Hour) // when Purge runs: tries are dated by the clock
	key := func(id string, keepTill time.Time) processor.Key {
		return processor.Key{KeyID: processor.KeyID{Principal: "device:laptop", Key: id}, At: now, KeepTill: keepTill}
	}
	count := func(card processor.CardKey, tries consent.Tries) processor.Tries {
		return processor.Tries{TriesID: processor.TriesID{Card: card, By: processor.Owner}, Tries: tries}
	}
	event := func(subject string, at time.Time) processor.Event {
		return processor.Event{Type: "x", Subject: subject, To: []processor.Principal{"p", "q"}, At: at}
	}
	apiKey := func(id string, revoked, ends time.Time) processor.APIKey {
		return processor.APIKey{ID: id, MAC: id, Payee: "shop", CreatedAt: now, RevokedAt: revoked, ExpiresAt: ends}
	}
	challenge := func(id consent.ChallengeID, expires time.Time) processor.TapChallenge {
		return processor.TapChallenge{ChallengeID: processor.ChallengeID{Device: "laptop", ID: id}, Number: make([]byte, 4),
			Amount: money.Amount{Minor: 1, Currency: "CNY"}, ExpiresAt: expires}
	}
	err := s.Update(t.Context(), func(tx processor.Tx) error {
		return tx.Save(processor.Changes{
			New: processor.Rows{
				Keys:       []processor.Key{key("old", later), key("young", later.Add(1000)), key("waiting", now), key("direct", now)},
				Challenges: []processor.TapChallenge{challenge("old", later), challenge("open", later.Add(1000))},
				APIKeys: []processor.APIKey{apiKey("revoked", later.Add(-processor.APIKeysKept), time.Time{}), apiKey("ended", time.Time{}, later.Add(-processor.APIKeysKept)),
					apiKey("just revoked", later.Add(1000-processor.APIKeysKept), time.Time{}), apiKey("lasting", time.Time{}, time.Time{}), apiKey("ending", time.Time{}, later)},
				Tries: []processor.Tries{count("idle", consent.Tries{Used: 2}), count("locked", consent.Tries{Locked: true}), count("paused", consent.Tries{PausedUntil: later.Add(time.Hour)})},
			},
			Events: []processor.Event{event("old", later.Add(-EventsKept-1000)), event("young", later.Add(-EventsKept))},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for {
		n, err := s.Purge(t.Context(), later)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	left := leftAfterPurge(t, s)
	want := []string{"API key ending", "API key just revoked", "API key lasting", "challenge open", "event young", "key waiting", "key young", "tries locked", "tries paused"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("left after Purge (-want +got):\n%s", diff)
	}
	if n := countRecipients(t, s); n != 2 {
		t.Errorf("recipients left after Purge: %d; want the 2 of one event", n)
	}
	if found, err := s.Check(t.Context(), nil); len(found) > 0 || err != nil {
		t.Errorf("Check after Purge: %v, %v", found, err)
	}
}

// leftAfterPurge names what is left of the rows that TestPurgeForgetsWhatNobodyNeeds saves, and of older ones.
func leftAfterPurge(t *testing.T, s *Store) (left []string) {
	wants := processor.Wants{ChallengesOf: []payment.DeviceID{"laptop"}, APIKeysOf: []payment.Handle{"shop"}}
	for _, id := range []string{"direct", "old", "waiting", "young"} {
		wants.Keys = append(wants.Keys, processor.KeyID{Principal: "device:laptop", Key: id})
	}
	for _, card := range []processor.CardKey{"idle", "locked", "paused"} {
		wants.Tries = append(wants.Tries, processor.TriesID{Card: card, By: processor.Owner})
	}
	err := s.View(t.Context(), func(r processor.Reader) error {
		rows, err := r.Load(wants)
		if err != nil {
			return err
		}
		for _, c := range rows.Challenges {
			left = append(left, "challenge "+string(c.ID))
		}
		for _, k := range rows.APIKeys {
			left = append(left, "API key "+k.ID)
		}
		for _, k := range rows.Keys {
			left = append(left, "key "+k.Key)
		}
		for _, n := range rows.Tries {
			left = append(left, "tries "+string(n.Card))
		}
		events, next, err := r.Events(0, 100, "p", "q", "payee:shop")
		for _, e := range events {
			left = append(left, "event "+e.Subject)
		}
		if next == 0 {
			t.Error("after Purge the last event has number 0")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(left)
	return left
}

func countRecipients(t *testing.T, s *Store) (n int64) {
	err := s.db.view(t.Context(), func(c session) error {
		_, err := c.run(plain("SELECT count(*) FROM event_recipients"), 1, nil, func(from scanner) { n = from.integer(0) })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPurgeDoesALimitedPartAtOnce(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "tapline.db"))
	var c processor.Changes
	for i := range purgedAtOnce + 7 {
		c.New.Keys = append(c.New.Keys, processor.Key{KeyID: processor.KeyID{Principal: "p", Key: fmt.Sprint(i)}})
		c.Events = append(c.Events, processor.Event{Type: "x", To: []processor.Principal{"p"}})
	}
	if err := s.Update(t.Context(), func(tx processor.Tx) error { return tx.Save(c) }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{2 * purgedAtOnce, 14, 0} {
		if n, err := s.Purge(t.Context(), time.Now()); n != want || err != nil {
			t.Errorf("Purge = %d, %v; want %d", n, err, want)
		}
	}
}
