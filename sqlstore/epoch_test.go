package sqlstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"tapline/payment"
	"tapline/processor"
)

func loadCards(t *testing.T, s *Store, ids ...payment.CardID) (cards []processor.Card) {
	t.Helper()
	err := s.View(t.Context(), func(r processor.Reader) error {
		rows, err := r.Load(processor.Wants{Cards: ids})
		cards = rows.Cards
		return err
	})
	if err != nil || len(cards) != len(ids) {
		t.Fatalf("%d cards of %d, %v", len(cards), len(ids), err)
	}
	return cards
}

func proving(id payment.CardID, like processor.Card, counter int64) processor.Card {
	like.ID, like.Key = id, processor.CardKey("key of "+string(id))
	like.SUNVersion, like.SUNCounter = 1, counter
	return like
}

func newest(t *testing.T, s *Store) int64 {
	t.Helper()
	n, err := s.readNewest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func testEpoch(t *testing.T, s *Store) {
	saveBooks(t, s)
	var like processor.Card
	err := s.View(t.Context(), func(r processor.Reader) error {
		rows, err := r.List(processor.ListQuery{Table: "cards", Limit: 1})
		like = rows.Cards[0]
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	plain := proving("plain", like, 0)
	plain.SUNVersion = 0
	added := processor.Changes{New: processor.Rows{Cards: []processor.Card{proving("tapped", like, 7), proving("worn", like, maxCounter-1), plain}}}
	if err := s.Update(t.Context(), func(tx processor.Tx) error { return tx.Save(added) }); err != nil {
		t.Fatal(err)
	}
	if epoch, err := s.Epoch(t.Context()); epoch != "" || err != nil {
		t.Errorf("a database that was never restored has the epoch %q, %v", epoch, err)
	}
	before := newest(t, s)
	if _, err := s.BeginEpoch(t.Context(), 20); err != nil {
		t.Fatal(err)
	}
	for i, c := range loadCards(t, s, "plain", "tapped", "worn") {
		want := map[payment.CardID]int64{"plain": 0, "tapped": 27, "worn": maxCounter}[c.ID]
		if c.SUNCounter != want {
			t.Errorf("%d: card %s has counter %d, want %d", i, c.ID, c.SUNCounter, want)
		}
	}
	if got := newest(t, s); got != before+eventGap {
		t.Errorf("events go on after %d, want %d", got, before+eventGap)
	}
	first, err := s.Epoch(t.Context())
	if err != nil || first == "" {
		t.Fatalf("epoch %q, %v", first, err)
	}
	if _, err := s.BeginEpoch(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if second, err := s.Epoch(t.Context()); err != nil || second == first {
		t.Errorf("the second epoch is called %q as the first one, %v", second, err)
	}
}

func TestEpochOnSQLite(t *testing.T) {
	testEpoch(t, openTest(t, filepath.Join(t.TempDir(), "tapline.db")))
}

func TestEpochOnPostgreSQL(t *testing.T) { testEpoch(t, openTest(t, newDatabase(t))) }

func TestLostIsWhatTheBackupHasNot(t *testing.T) {
	path := sound(t)
	empty := openTest(t, filepath.Join(t.TempDir(), "empty.db"))
	none, err := empty.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := openTest(t, path)
	all, err := s.Mark(t.Context())
	if err != nil || all.Entries == 0 {
		t.Fatalf("%+v, %v", all, err)
	}
	if lost, err := s.LostAfter(t.Context(), all, 10); err != nil || len(lost) > 0 {
		t.Errorf("nothing is lost: %+v, %v", lost, err)
	}
	all.Entries--
	if lost, err := s.LostAfter(t.Context(), all, 10); err != nil || len(lost) != 1 || lost[0].What != "entry" || lost[0].At == 0 {
		t.Errorf("the last entry is lost: %+v, %v", lost, err)
	}
	if lost, err := s.LostAfter(t.Context(), none, 2); err != nil || len(lost) < 2 {
		t.Errorf("all is lost: %+v, %v", lost, err)
	}
}

func TestBackupLeavesNothingBehindWhenItFails(t *testing.T) {
	path := sound(t)
	folder := t.TempDir()
	there := filepath.Join(folder, "there")
	if err := os.WriteFile(there, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Backup(t.Context(), path, there, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if err := Backup(t.Context(), there, filepath.Join(folder, "copy"), nil); err == nil {
		t.Error("of a file that is no database: no error")
	}
	if err := Backup(t.Context(), "postgres://db.example/tapline", filepath.Join(folder, "copy"), nil); err == nil {
		t.Error("of a server: no error")
	}
	if err := Backup(t.Context(), path, filepath.Join(folder, "no", "folder"), nil); err == nil {
		t.Error("into no folder: no error")
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
