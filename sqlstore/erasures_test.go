package sqlstore

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tapline/consent"
	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

// TestNothingOfAHolderIsLeftInTheFiles reads the files while the database is open: what was erased is neither in the pages nor in the log.
func TestNothingOfAHolderIsLeftInTheFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tapline.db")
	s := openTest(t, path)
	save := func(c processor.Changes) {
		t.Helper()
		if err := s.Update(t.Context(), func(tx processor.Tx) error { return tx.Save(c) }); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	card := processor.Card{ID: "c", Key: "1.k", Label: "Zerlina's", Account: "a", Currency: "CNY", State: processor.CardClosed, Associated: "d", CreatedAt: now,
		PIN: consent.PINRecord{Salt: []byte("Zerlina-salt"), Sum: []byte("Zerlina-sum")}, Mail: processor.CardMail{Address: "Zerlina-sealed", Language: "en", Since: now}}
	save(processor.Changes{New: processor.Rows{
		Accounts:  []ledger.Account{{ID: "a", Kind: ledger.CardAccount, Currency: "CNY"}},
		Operators: []processor.Operator{{ID: "o", PublicKey: []byte("{}"), CreatedAt: now, ConfirmedAt: now}, {ID: "p", PublicKey: []byte("{}"), CreatedAt: now, ConfirmedAt: now}},
		Devices:   []processor.Device{{ID: "d", PublicKey: []byte("{}"), Label: "Zerlina's phone", CreatedAt: now}},
		Cards:     []processor.Card{card},
		Bindings:  []processor.Binding{{Card: "c", Device: "d", BoundAt: now}},
		Passkeys:  []processor.Passkey{{ID: "k", Card: "c", Device: "d", PublicKey: []byte{1}, Label: "Zerlina's face", CreatedAt: now}},
		Mails: []processor.Mail{{ID: "m", Account: "a", Kind: "x", Address: "Zerlina-sealed", Facts: processor.MailFacts{CardLabel: "Zerlina's"}, At: now, Until: now,
			State: processor.MailPending, NextAt: now}},
	}})
	for i := range 300 { // some more than a page has room for, and a row that moves about
		card.Label = fmt.Sprintf("Zerlina's %0*d", i%60, i)
		save(processor.Changes{Changed: processor.Rows{Cards: []processor.Card{card}}, New: processor.Rows{
			Notes: []processor.Note{{ID: fmt.Sprintf("n%d", i), Subject: "card:c", Text: "Zerlina called about " + fmt.Sprint(i), By: "o", At: now}}}})
	}
	left := func() (names []string) {
		files, err := filepath.Glob(path + "*")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(text, []byte("Zerlina")) {
				names = append(names, filepath.Base(name))
			}
		}
		return names
	}
	if len(left()) == 0 {
		t.Fatal("what is to be erased is nowhere")
	}
	save(processor.Changes{New: processor.Rows{Erasures: []processor.Erasure{{Account: "a", AskedBy: "o", AskedAt: now, ErasedBy: "p", ErasedAt: now}}}})
	if names := left(); len(names) > 0 {
		t.Errorf("something is left in %v", names)
	}
	if found, err := s.Check(t.Context(), nil); err != nil || len(found) > 0 {
		t.Errorf("after it: %v, %v", found, err)
	}
	var found processor.Rows
	if err := s.View(t.Context(), func(r processor.Reader) (err error) {
		found, err = r.Load(processor.Wants{Cards: []payment.CardID{"c"}, Notes: []string{"n7"}})
		return err
	}); err != nil || len(found.Cards) != 1 || found.Cards[0].Key != "1.k" || len(found.Notes) != 1 || found.Notes[0].By != "o" {
		t.Errorf("what stays is %+v, %v", found, err)
	}
}

// TestALogThatIsReadIsEmptiedLater has somebody read what is in the log while something is erased.
func TestALogThatIsReadIsEmptiedLater(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "tapline.db"))
	db := s.db.(*sqliteDB)
	scrub := func() {
		t.Helper()
		if err := db.update(t.Context(), func(c session) error { return c.scrub() }); err != nil {
			t.Fatal(err)
		}
	}
	saveBooks(t, s)
	if err := s.View(t.Context(), func(r processor.Reader) error {
		if _, err := r.Load(processor.Wants{Accounts: []ledger.AccountID{"x"}}); err != nil {
			return err
		}
		scrub()
		if !db.moving.full.Load() {
			t.Error("the log counts as empty while somebody reads it")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	scrub()
	if db.moving.full.Load() {
		t.Error("the log is not empty though nobody reads it")
	}
}
