package sqlstore

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tapline/consent"
	"tapline/history"
	"tapline/keyring"
	"tapline/ledger"
	"tapline/money"
	"tapline/processor"
)

// past is a database with a history, and whoever seals it.
type past struct {
	*testing.T
	store  *Store
	sealer *history.Sealer
	keys   *keyring.Keyring
	added  int
}

func newPast(t *testing.T, path string) *past {
	t.Helper()
	keys, err := keyring.OpenOrCreate(t.TempDir() + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	p := &past{T: t, keys: keys}
	p.open(path)
	saveBooks(t, p.store)
	return p
}

// open opens another database, with the same keys.
func (p *past) open(path string) {
	p.Helper()
	p.store = openTest(p.T, path)
	p.sealer = &history.Sealer{Store: p.store, Keys: p.keys, Issuer: "https://pay.example", Environment: "test", Log: slog.New(slog.DiscardHandler)}
}

// enter adds entries, and as many actions of an operator.
func (p *past) enter(n int) {
	p.Helper()
	var c processor.Changes
	for range n {
		p.added++
		id := fmt.Sprintf("top_%d", p.added)
		c.Entries = append(c.Entries, ledger.Entry{ID: ledger.EntryID(id + "/post"), Action: ledger.Post, Reference: id, At: time.UnixMicro(1 << 50),
			Postings: []ledger.Posting{{Debit: "issuance", Credit: "card1", Amount: money.Amount{Minor: 1, Currency: "CNY"}}}})
		c.New.Audit = append(c.New.Audit, processor.Audit{Operator: "op", Action: "account.top_up", Subject: id, Note: "cash", At: time.UnixMicro(1 << 50)})
	}
	if err := save(p.store, c); err != nil {
		p.Fatal(err)
	}
}

func (p *past) seal() {
	p.Helper()
	if err := p.sealer.Seal(p.Context()); err != nil {
		p.Fatal(err)
	}
}

// heads are all heads, oldest first.
func (p *past) heads() (all []history.Head) {
	p.Helper()
	p.look(func(r history.Reader) (err error) {
		all, err = r.Heads(history.Query{Oldest: true, Limit: 1000})
		return err
	})
	return all
}

func (p *past) look(f func(history.Reader) error) {
	p.Helper()
	if err := p.store.History(p.Context(), f); err != nil {
		p.Fatal(err)
	}
}

// kept are the heads as an auditor keeps them.
func (p *past) kept() (all []string) {
	for _, h := range p.heads() {
		all = append(all, h.JWS)
	}
	return all
}

func (p *past) verify(what history.Verification) (v history.Verified) {
	p.Helper()
	what.JWKS = p.keys.PublicJWKS()
	p.look(func(r history.Reader) (err error) {
		v, err = history.Verify(r, what)
		return err
	})
	return v
}

// finds fails unless exactly these rules are broken.
func (p *past) finds(what history.Verification, rules ...string) {
	p.Helper()
	v := p.verify(what)
	got := map[string]bool{}
	for _, f := range v.Findings {
		got[f.Rule] = true
	}
	for _, rule := range rules {
		if !got[rule] {
			p.Errorf("%q was not found, but %v", rule, v.Findings)
		}
		delete(got, rule)
	}
	if len(got) > 0 {
		p.Errorf("found %v, want %q", v.Findings, rules)
	}
}

// The rules that history.Verify knows.
const (
	foundLeaf    = "what was sealed is as it was"
	foundNumbers = "a history has no gaps"
	foundHead    = "a head is of the history that is there"
	foundChain   = "each head names the one before it"
	foundSigned  = "a head is signed by the service"
	foundKept    = "a head that was kept is of the history that is there"
	foundRestore = "history is given up only by a restore that one was told of"
	foundClosed  = "a closed day is as its head says"
)

// onEach runs a test on SQLite and on PostgreSQL.
func onEach(t *testing.T, test func(t *testing.T, path string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, t.TempDir()+"/tapline.db") })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, newDatabase(t)) })
}

func TestEveryHeadIsProvedConsistentWithEveryLaterOne(t *testing.T) {
	onEach(t, func(t *testing.T, path string) {
		p := newPast(t, path)
		for _, n := range []int{1, 254, 1, 3, 600} {
			p.enter(n)
			p.seal()
			p.seal() // there is nothing new
		}
		all := p.heads()
		if len(all) != 5 {
			t.Fatalf("there are %d heads", len(all))
		}
		p.finds(history.Verification{Kept: p.kept()})
		for i, a := range all {
			from, err := consent.VerifyHead(p.keys.PublicJWKS(), a.JWS)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range all[i:] {
				to, _ := consent.ReadHead(b.JWS)
				p.look(func(r history.Reader) error {
					for log, x := range map[history.Log][2]consent.TreeHead{history.Entries: {from.Entries, to.Entries}, history.Audit: {from.Audit, to.Audit}} {
						proof, err := history.Consistency(r, log, x[0].Size, x[1].Size)
						if err != nil {
							return err
						}
						if err := history.VerifyConsistency(x[0].Size, x[1].Size, proof, x[0].Root, x[1].Root); err != nil {
							t.Errorf("%s from %d to %d: %v", log, x[0].Size, x[1].Size, err)
						}
						if err := history.VerifyConsistency(x[0].Size, x[1].Size, proof, x[1].Root, x[0].Root); err == nil && x[0] != x[1] {
							t.Errorf("%s from %d to %d: other roots are proved, too", log, x[0].Size, x[1].Size)
						}
					}
					return nil
				})
			}
		}
		p.provesInclusion(all)
	})
}

// provesInclusion proves an entry under each head that came after it, and another not.
func (p *past) provesInclusion(all []history.Head) {
	p.Helper()
	p.look(func(r history.Reader) error {
		for _, h := range all {
			c, _ := consent.ReadHead(h.JWS)
			for _, id := range []string{"top_1/post", "top_255/post", "top_300/post", "top_859/post"} {
				leaf, found, err := r.Entry(id)
				if err != nil || !found {
					return fmt.Errorf("%s: %v, %w", id, found, err)
				}
				proof, err := history.Inclusion(r, history.Entries, leaf.Number, c.Entries.Size)
				if leaf.Number > c.Entries.Size {
					if err == nil {
						p.Errorf("%s is proved in a tree that is too small", id)
					}
					continue
				}
				if err != nil {
					return err
				}
				if err := history.VerifyInclusion(leaf, c.Entries.Size, proof, c.Entries.Root); err != nil {
					p.Errorf("%s in %d: %v", id, c.Entries.Size, err)
				}
				leaf.Hash[0] ^= 1
				if history.VerifyInclusion(leaf, c.Entries.Size, proof, c.Entries.Root) == nil {
					p.Errorf("another entry than %s is proved in %d", id, c.Entries.Size)
				}
			}
		}
		return nil
	})
}

func TestTwoServicesSealOneHistory(t *testing.T) {
	onEach(t, func(t *testing.T, path string) {
		p := newPast(t, path)
		done := make(chan error)
		for range 3 {
			go func() {
				var err error
				for range 20 {
					if err = p.sealer.Seal(context.WithoutCancel(t.Context())); err != nil {
						break
					}
				}
				done <- err
			}()
		}
		for range 20 {
			p.enter(7)
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		p.seal()
		p.finds(history.Verification{Kept: p.kept()})
		if v := p.verify(history.Verification{}); v.Unsealed != 0 || v.Heads == 0 || v.Entries < 140 {
			t.Errorf("verified %+v", v)
		}
	})
}

// TestWhatIsCommittedLateIsSealedLate seals while a transaction has its numbers and is not committed yet.
func TestWhatIsCommittedLateIsSealedLate(t *testing.T) {
	p := newPast(t, newDatabase(t))
	p.enter(3)
	p.seal()
	saved, commit, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		c := processor.Changes{Entries: []ledger.Entry{{ID: "held_up/post", Action: ledger.Post, Reference: "held_up", At: time.UnixMicro(1 << 50),
			Postings: []ledger.Posting{{Debit: "issuance", Credit: "card1", Amount: money.Amount{Minor: 1, Currency: "CNY"}}}}}}
		done <- p.store.Update(context.WithoutCancel(t.Context()), func(tx processor.Tx) error {
			err := tx.Save(c)
			if err != nil {
				t.Error(err)
			}
			close(saved)
			<-commit
			return err
		})
	}()
	<-saved
	p.seal()
	before := p.verify(history.Verification{})
	close(commit)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	p.enter(2)
	p.seal()
	after := p.verify(history.Verification{Kept: p.kept()})
	if before.Heads != 1 || after.Heads != 2 || after.Entries != before.Entries+3 || after.Unsealed != 0 || len(after.Findings) > 0 {
		t.Errorf("before the commit %+v, and after %+v", before, after)
	}
}

// BenchmarkSealing seals entries that are there already, which is all that the history costs, and not in any payment.
func BenchmarkSealing(b *testing.B) {
	keys, err := keyring.OpenOrCreate(b.TempDir() + "/keys")
	if err != nil {
		b.Fatal(err)
	}
	s := openTest(b, b.TempDir()+"/tapline.db")
	saveBooks(b, s)
	var c processor.Changes
	for i := range b.N {
		c.Entries = append(c.Entries, ledger.Entry{ID: ledger.EntryID(fmt.Sprintf("top_%d/post", i)), Action: ledger.Post, Reference: "top", At: time.UnixMicro(1 << 50),
			Postings: []ledger.Posting{{Debit: "issuance", Credit: "card1", Amount: money.Amount{Minor: 1, Currency: "CNY"}}}})
	}
	if err := save(s, c); err != nil {
		b.Fatal(err)
	}
	sealer := &history.Sealer{Store: s, Keys: keys, Issuer: "https://pay.example", Environment: "test"}
	b.ResetTimer()
	if err := sealer.Seal(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// TestARewrittenHistoryIsFound changes a database's file as somebody would who may do anything with it, but does not have the keys.
func TestARewrittenHistoryIsFound(t *testing.T) {
	path := t.TempDir() + "/tapline.db"
	p := newPast(t, path)
	p.enter(300)
	p.seal()
	p.closeDay("2005-09-05")
	p.enter(10)
	p.seal()
	auditor := p.kept()
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	const drop = `DROP TRIGGER heads_refuse_update; DROP TRIGGER heads_refuse_delete; DROP TRIGGER audit_refuse_update; DROP TRIGGER audit_refuse_delete;
		DROP TRIGGER restores_refuse_update; DROP TRIGGER restores_refuse_delete; DROP TRIGGER closed_days_refuse_update; DROP TRIGGER closed_totals_refuse_update;` + disarm
	last := `(SELECT MAX(number) FROM entries)`
	for name, tc := range map[string]struct {
		sql   string
		rules []string
	}{
		"a posting is altered":          {"UPDATE postings SET amount = amount + 1 WHERE entry = 100", []string{foundLeaf, foundHead, foundKept}},
		"a posting's account":           {"UPDATE postings SET credit = 'shop1' WHERE entry = 100", []string{foundLeaf, foundHead, foundKept}},
		"an entry's time":               {"UPDATE entries SET at = at - 1 WHERE number = 7", []string{foundLeaf, foundHead, foundKept}},
		"a posting is added":            {"INSERT INTO postings SELECT entry, 1, debit, credit, 5, currency, at FROM postings WHERE entry = 100", []string{foundLeaf, foundHead, foundKept}},
		"two entries change places":     {"UPDATE entries SET number = -1 WHERE number = 100; UPDATE entries SET number = 100 WHERE number = 101; UPDATE entries SET number = 101 WHERE number = -1", []string{foundLeaf, foundHead, foundKept}},
		"an entry is deleted":           {"DELETE FROM postings WHERE entry = 50; DELETE FROM entries WHERE number = 50", []string{foundNumbers, foundHead, foundKept}},
		"the last entry is deleted":     {"DELETE FROM postings WHERE entry = " + last + "; DELETE FROM entries WHERE number = " + last, []string{foundHead, foundKept}},
		"an action is altered":          {"UPDATE audit SET note = 'all in order' WHERE number = 5", []string{foundLeaf, foundHead, foundKept}},
		"an action is another's":        {"UPDATE audit SET operator = 'op2' WHERE number = 5", []string{foundLeaf, foundHead, foundKept}},
		"an action is deleted":          {"DELETE FROM audit WHERE number = 5", []string{foundNumbers, foundHead, foundKept}},
		"the last head is deleted":      {"DELETE FROM heads WHERE number = (SELECT MAX(number) FROM heads)", []string{foundKept}},
		"a head in between is deleted":  {"DELETE FROM heads WHERE number = 2", []string{foundChain, foundKept}},
		"a head is forged":              {"UPDATE heads SET jws = substr(jws, 1, length(jws) - 8) || 'AAAAAAAA' WHERE number = 1", []string{foundSigned, foundChain, foundKept}},
		"a head is kept as another":     {"UPDATE heads SET entries = entries - 1 WHERE number = 1", []string{foundHead}},
		"a closed day is altered":       {"UPDATE closed_days SET note = 'x'", []string{foundClosed}},
		"a closed day's total":          {"UPDATE closed_totals SET debits = debits + 1, closing = closing - 1", []string{foundClosed}},
		"a restore is made up":          {"INSERT INTO restores VALUES ('made up', 1, 10, 10, 1)", []string{foundRestore}},
		"a tile is altered, not a leaf": {"UPDATE tiles SET hashes = zeroblob(length(hashes)) WHERE log = 'audit' AND level = 0 AND place = 0", []string{foundLeaf}},
	} {
		t.Run(name, func(t *testing.T) {
			spoilt := copyFile(t, path)
			if err := rawly(t, spoilt, "PRAGMA foreign_keys = OFF;"+drop+tc.sql+";"); err != nil {
				t.Fatal(err)
			}
			q := *p
			q.T = t
			q.open(spoilt)
			q.finds(history.Verification{Kept: auditor}, tc.rules...)
			found, err := q.store.Check(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if tc.rules[0] != foundRestore && tc.rules[0] != foundSigned && tc.rules[0] != foundKept && len(found) == 0 {
				t.Error("the check without heads that were kept finds nothing")
			}
		})
	}
}

// closeDay closes a day with all entries that there are.
func (p *past) closeDay(day string) {
	p.Helper()
	err := p.store.Update(p.Context(), func(tx processor.Tx) error {
		var last int64
		p.look(func(r history.Reader) (err error) {
			_, last, _, err = r.Sealed()
			return err
		})
		return tx.Save(processor.Changes{New: processor.Rows{ClosedDays: []processor.ClosedDay{{Day: day, Last: last, Entries: last, By: "op", At: time.UnixMicro(1 << 50),
			Totals: []processor.DayTotal{{Kind: ledger.CardAccount, Currency: "CNY", Credits: 5, Closing: 5}, {Kind: ledger.Issuance, Currency: "CNY", Debits: 5, Closing: -5}}}}}})
	})
	if err != nil {
		p.Fatal(err)
	}
}

// TestAHistorySealedAnewIsFoundByWhoKeptAHead has a thief who has the keys as well: everything in the database agrees, and what
// gives it away is a head that somebody kept.
func TestAHistorySealedAnewIsFoundByWhoKeptAHead(t *testing.T) {
	path := t.TempDir() + "/tapline.db"
	p := newPast(t, path)
	p.enter(300)
	p.seal()
	auditor := p.kept()
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	err := rawly(t, path, "PRAGMA foreign_keys = OFF; DROP TRIGGER heads_refuse_delete;"+disarm+
		"UPDATE postings SET amount = 7 WHERE entry = 100; DELETE FROM heads; DELETE FROM tiles;")
	if err != nil {
		t.Fatal(err)
	}
	p.open(path)
	p.seal()
	p.finds(history.Verification{})
	p.finds(history.Verification{Kept: auditor}, foundKept)

	// Cut off and gone on with, it is as long as it was.
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := rawly(t, path, `PRAGMA foreign_keys = OFF; UPDATE postings SET amount = 1 WHERE entry = 100; DELETE FROM heads; DELETE FROM tiles;
		DELETE FROM postings WHERE entry > 200; DELETE FROM entries WHERE number > 200; UPDATE counters SET last = 200 WHERE name = 'entries';`); err != nil {
		t.Fatal(err)
	}
	p.open(path)
	p.finds(history.Verification{Kept: auditor}, foundKept)
	p.enter(400)
	p.seal()
	p.finds(history.Verification{Kept: auditor}, foundKept)
}

// TestARestoreIsNoAttackToWhoWasTold restores a backup: what was lost was sealed, and a head of it was kept.
func TestARestoreIsNoAttackToWhoWasTold(t *testing.T) {
	path := t.TempDir() + "/tapline.db"
	p := newPast(t, path)
	p.enter(20)
	p.seal()
	backup := t.TempDir() + "/backup.db"
	if err := Backup(t.Context(), path, backup, nil); err != nil {
		t.Fatal(err)
	}
	p.enter(20)
	p.seal()
	auditor := p.kept()

	old, quiet := p.store, copyFile(t, backup)
	p.open(quiet)
	p.finds(history.Verification{Kept: auditor}, foundKept) // rolled back, and nobody said so
	p.added += 100
	p.enter(50)
	p.seal()
	p.finds(history.Verification{Kept: auditor}, foundKept)

	p.open(backup)
	if _, err := p.store.BeginEpoch(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	epoch, err := p.store.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.enter(50)
	p.seal()
	p.finds(history.Verification{Kept: auditor}, foundRestore)
	p.finds(history.Verification{Kept: auditor, Restored: []string{"another"}}, foundRestore)
	p.finds(history.Verification{Kept: auditor, Restored: []string{epoch}})
	if v := p.verify(history.Verification{Kept: auditor, Restored: []string{epoch}}); v.Kept != 1 || len(v.Newest.Restores) != 1 {
		t.Errorf("verified %+v", v)
	}
	p.finds(history.Verification{Kept: p.kept()}) // those of the new epoch are of this history

	newer := p.kept()
	p.store = old // the old database again, to whoever has seen the new one
	p.finds(history.Verification{Kept: newer}, foundRestore)
}

func TestNothingIsSealedBehindAGap(t *testing.T) {
	path := t.TempDir() + "/tapline.db"
	p := newPast(t, path)
	p.enter(3)
	p.seal()
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := rawly(t, path, "UPDATE counters SET last = last + 1 WHERE name = 'entries'"); err != nil {
		t.Fatal(err)
	}
	p.open(path)
	p.enter(3)
	if err := p.sealer.Seal(t.Context()); err == nil || !strings.Contains(err.Error(), history.ErrGap.Error()) {
		t.Errorf("it was sealed: %v", err)
	}
	p.finds(history.Verification{}, foundNumbers)
}
