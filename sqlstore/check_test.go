package sqlstore

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"tapline/internal/storetest"
	"tapline/ledger"
	"tapline/order"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

// sound makes a database whose books are right, and returns its path. It is closed.
func sound(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tapline.db")
	s, err := Open(t.Context(), path, Options{Environment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	saveBooks(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func saveBooks(t testing.TB, s *Store) {
	t.Helper()
	for _, c := range storetest.Books() {
		if err := s.Update(t.Context(), func(tx processor.Tx) error { return tx.Save(c) }); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFile(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.db")
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return to
}

// rawly runs SQL on a file as somebody would who means harm.
func rawly(t *testing.T, path, script string) error {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return sqlitex.ExecuteScript(conn, script, nil)
}

const disarm = `PRAGMA ignore_check_constraints = ON;
DROP TRIGGER entries_refuse_update; DROP TRIGGER entries_refuse_delete;
DROP TRIGGER postings_refuse_update; DROP TRIGGER postings_refuse_delete;
DROP TRIGGER refunds_refuse_update; DROP TRIGGER refunds_refuse_delete;
`

func findings(t *testing.T, path string) []Finding {
	t.Helper()
	s, err := Open(t.Context(), path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	found, err := s.Check(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCheckFindsNothingInSoundBooks(t *testing.T) {
	if found := findings(t, sound(t)); len(found) > 0 {
		t.Errorf("Check of sound books found %v", found)
	}
}

func TestCheckTellsItsSteps(t *testing.T) {
	s, err := Open(t.Context(), sound(t), Options{ReadOnly: true, Cache: 32})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	next, last := 0, 0
	if _, err := s.Check(t.Context(), func(step string, done, of int) {
		if step == "" || done != next || last > 0 && of != last {
			t.Errorf("told of %q, %d of %d, after %d of %d", step, done, of, next-1, last)
		}
		next, last = done+1, of
	}); err != nil {
		t.Fatal(err)
	}
	if next != last || last < len(rules) {
		t.Errorf("told of %d steps of %d", next, last)
	}
}

const (
	totals   = "an account's totals are what its entries sum to"
	zero     = "the balances of a currency sum to zero"
	moves    = "a payment's entries move its amount from its card account to its payee account, and its fee to the operator's"
	summed   = "what was refunded of a payment is what its refunds sum to, and no more than was settled"
	posted   = "a refund has one entry, which moves its amount from its payee account to the card account that paid"
	outs     = "a payout's entries are those of its state"
	outMoves = "a payout's entries move its amount from its account to issuance, and back if it was returned"
)

// damages are done to sound books. Their numbers: entries 1 and 2 are the top-ups of cards 1 and 2 with 1000.00; entry 3
// posts payment "direct"; every payment is 12.50 from card1 to shop1.
var damages = map[string]struct {
	damage string
	want   []string // rule and subject of what must be found
}{
	"balance of one account": {"UPDATE accounts SET credits_posted = credits_posted + 1 WHERE id = 'shop1'",
		[]string{zero + ": CNY", totals + ": shop1"}},
	"balances of two accounts": {`UPDATE accounts SET credits_posted = credits_posted + 1 WHERE id = 'shop1';
		UPDATE accounts SET debits_posted = debits_posted + 1 WHERE id = 'card1'`,
		[]string{totals + ": shop1", totals + ": card1"}},
	"pending total": {"UPDATE accounts SET debits_pending = 0 WHERE id = 'card1'",
		[]string{zero + ": CNY", totals + ": card1"}},
	"amount of a posting": {"UPDATE postings SET amount = 1 WHERE entry = 3",
		[]string{totals + ": card1", totals + ": shop1", moves + ": direct"}},
	"account of a posting": {"UPDATE postings SET credit = 'card2' WHERE entry = 3",
		[]string{totals + ": card2", totals + ": shop1", moves + ": direct"}},
	"currency of a posting": {"UPDATE postings SET currency = 'JPY' WHERE entry = 1",
		[]string{"an entry has postings, of its time and in its accounts' currency: topup1/post"}},
	"time of a posting": {"UPDATE postings SET at = at + 1 WHERE entry = 1",
		[]string{"an entry has postings, of its time and in its accounts' currency: topup1/post"}},
	"posting lost": {"DELETE FROM postings WHERE entry = 1",
		[]string{totals + ": card1", totals + ": issuance", "an entry has postings, of its time and in its accounts' currency: topup1/post"}},
	"post lost": {"DELETE FROM postings WHERE entry = 3; DELETE FROM entries WHERE number = 3",
		[]string{totals + ": card1", totals + ": shop1", "a settled payment has posted its money: direct"}},
	"fee that was not taken":          {"UPDATE payments SET fee = 30, fee_bearer = 'payer', fee_version = version WHERE id = 'direct'", []string{moves + ": direct"}},
	"fee taken from the payee's part": {"UPDATE payments SET fee = 30, fee_bearer = 'payee', fee_version = version WHERE id = 'direct'", []string{moves + ": direct"}},
	"fee gone astray": {`INSERT INTO accounts (id, kind, currency, debits_pending, credits_pending, debits_posted, credits_posted) VALUES ('fees-CNY', 'fees', 'CNY', 0, 0, 0, 0);
		INSERT INTO postings SELECT entry, 1, debit, 'fees-CNY', 30, currency, at FROM postings WHERE entry = 3`, []string{moves + ": direct", totals + ": fees-CNY"}},
	"fee of a top-up": {`INSERT INTO accounts (id, kind, currency, debits_pending, credits_pending, debits_posted, credits_posted) VALUES ('fees-CNY', 'fees', 'CNY', 0, 0, 0, 0);
		UPDATE postings SET debit = 'card2', credit = 'fees-CNY' WHERE entry = 1`, []string{"fees are of payments, or taken out by an adjustment: topup1/post"}},
	"settled by hand": {"UPDATE payments SET state = 'settled', ended_at = 1 WHERE id = 'waiting'",
		[]string{"a settled payment has posted its money: waiting", "the database is sound: file"}},
	"count of passkeys": {"UPDATE cards SET passkeys = 1 WHERE id = 'c1'", []string{"a card's passkeys are counted: c1"}},
	"unsettled by hand": {"UPDATE payments SET state = 'declined' WHERE id = 'direct'",
		[]string{"a payment that is not settled has posted nothing: direct"}},
	"amount of a payment": {"UPDATE payments SET amount = amount + 1 WHERE id = 'direct'",
		[]string{moves + ": direct"}},
	"made a rehearsal": {"UPDATE payments SET rehearsal = 1 WHERE id = 'declined'",
		[]string{"a rehearsal has no entries: declined"}},
	"settled made a rehearsal": {"UPDATE payments SET rehearsal = 1 WHERE id = 'direct'",
		[]string{"a rehearsal has no entries: direct", "a rehearsal is never settled, and nothing else is rehearsed: direct"}},
	"rehearsal settled by hand": {"UPDATE payments SET state = 'settled' WHERE id = 'rehearsed'",
		[]string{"a settled payment has posted its money: rehearsed", "a rehearsal is never settled, and nothing else is rehearsed: rehearsed"}},
	"rehearsal made a payment": {"UPDATE payments SET rehearsal = 0 WHERE id = 'rehearsed'",
		[]string{"a rehearsal is never settled, and nothing else is rehearsed: rehearsed"}},
	"open rehearsal made a payment": {"UPDATE payments SET rehearsal = 0 WHERE id = 'rehearsing'",
		[]string{"a payment that waits for approval, or may be undone, holds its money: rehearsing"}},
	"hold of a rehearsal": {"UPDATE entries SET reference = 'rehearsing', id = 'rehearsing/hold' WHERE id = 'held/hold'",
		[]string{"a rehearsal has no entries: rehearsing"}},
	"made a decoy": {"UPDATE payments SET card = NULL, card_account = NULL, associated = NULL WHERE id = 'declined'",
		[]string{"a decoy has no entries: declined"}},
	"undoable without its hold": {"UPDATE entries SET reference = 'gone', id = 'gone/hold' WHERE id = 'undoable/hold'",
		[]string{"a payment that waits for approval, or may be undone, holds its money: undoable"}},
	"undoable and posted": {"UPDATE entries SET reference = 'undoable', id = 'undoable/post' WHERE id = 'late/post'",
		[]string{"money is held for payouts, and for payments that wait for approval, or may be undone, only: undoable/hold", "a payment that is not settled has posted nothing: undoable"}},
	"undoable settled too early": {"UPDATE payments SET ended_at = undoable_at WHERE id = 'late'", []string{"the database is sound: file"}},
	"hold of no payment": {"UPDATE entries SET reference = 'gone', id = 'gone/hold' WHERE id = 'held/hold'",
		[]string{"money is held for payouts, and for payments that wait for approval, or may be undone, only: gone/hold", "a payment that waits for approval, or may be undone, holds its money: held"}},
	"hold outlives its payment": {"UPDATE payments SET state = 'declined', ended_at = 1 WHERE id = 'held'",
		[]string{"money is held for payouts, and for payments that wait for approval, or may be undone, only: held/hold"}},
	"hold taken back while it waits": {"UPDATE entries SET reference = 'held', id = 'held/release' WHERE id = 'declined/release'",
		[]string{"money is held for payouts, and for payments that wait for approval, or may be undone, only: held/hold", "money is held for payouts, and for payments that wait for approval, or may be undone, only: declined/hold"}},
	"taken back without a hold": {"UPDATE entries SET action = 'post' WHERE id = 'approved/hold'",
		[]string{"a hold is taken back or posted once, after it was made: approved/post", totals + ": card1"}},
	"taken back and posted": {"UPDATE entries SET reference = 'approved', id = 'approved/release' WHERE id = 'declined/release'",
		[]string{"a hold is taken back or posted once, after it was made: approved/release"}},
	"entry's name": {"UPDATE entries SET id = 'other' WHERE id = 'declined/hold'",
		[]string{"a payment's entry is named for what it does: other"}},
	"currency of an account": {"UPDATE accounts SET currency = 'JPY' WHERE id = 'card2'",
		[]string{zero + ": JPY", "a card and a payee have an account of their currency: c2"}},
	"second card of an account": {"UPDATE cards SET account = 'card1' WHERE id = 'c2'",
		[]string{"of an account's cards all but one are closed: card1"}},
	"replaced by one that does not know": {"UPDATE cards SET state = 'closed', replaced_by = 'c2' WHERE id = 'c1'",
		[]string{"a card and the one that replaced it name each other, and have one account: c1"}},
	"replacing one that does not know": {"UPDATE cards SET replaces = 'c1' WHERE id = 'c2'",
		[]string{"a card and the one that replaced it name each other, and have one account: c2"}},
	"replaced on another account": {"UPDATE cards SET state = 'closed', replaced_by = 'c2' WHERE id = 'c1'; UPDATE cards SET replaces = 'c1' WHERE id = 'c2'",
		[]string{"a card and the one that replaced it name each other, and have one account: c1"}},
	"replaced and alive": {"UPDATE cards SET replaced_by = 'c2' WHERE id = 'c1'", []string{"the database is sound: file"}},
	"refund lost":        {"DELETE FROM refunds", []string{summed + ": approved", "money goes from a payee back to a card by a refund only: refund/post"}},
	"refund not counted": {"UPDATE payments SET refunded = 0 WHERE id = 'approved'", []string{summed + ": approved"}},
	"refund of more": {"UPDATE payments SET refunded = 1251 WHERE id = 'approved'; UPDATE refunds SET amount = 1251, total = 1251",
		[]string{summed + ": approved", posted + ": refund", "the database is sound: file"}},
	"refunded by hand": {"UPDATE payments SET refunded = 5 WHERE id = 'direct'", []string{summed + ": direct"}},
	"refund of what is not settled": {"UPDATE refunds SET payment = 'declined'; UPDATE payments SET refunded = 0 WHERE id = 'approved'; " +
		"UPDATE payments SET refunded = 500 WHERE id = 'declined'", []string{summed + ": declined", "the database is sound: file"}},
	"refund without the one before": {"UPDATE refunds SET total = 600", []string{"each refund of a payment adds to the one before: refund"}},
	"refund without its entry": {"DELETE FROM postings WHERE entry IN (SELECT number FROM entries WHERE reference = 'refund'); DELETE FROM entries WHERE reference = 'refund'",
		[]string{posted + ": refund", totals + ": card1"}},
	"refund to another card": {"UPDATE postings SET credit = 'card2' WHERE entry IN (SELECT number FROM entries WHERE reference = 'refund')",
		[]string{posted + ": refund", totals + ": card2"}},
	"refund and entry to another card": {"UPDATE postings SET credit = 'card2' WHERE entry IN (SELECT number FROM entries WHERE reference = 'refund'); UPDATE refunds SET card_account = 'card2'",
		[]string{posted + ": refund"}},
	"refund posted twice": {"INSERT INTO entries SELECT number + 1000, 'refund/again', action, reference, at FROM entries WHERE reference = 'refund'",
		[]string{posted + ": refund"}},
	"paid order without its payment": {"UPDATE orders SET payment = 'gone' WHERE id = 'o1'",
		[]string{"a paid order has one settled payment, which names it: o1", "a settled payment that names an order has paid it: paying"}},
	"order paid by another's payment": {"UPDATE orders SET payment = 'direct' WHERE id = 'o1'",
		[]string{"a paid order has one settled payment, which names it: o1"}},
	"order opened by hand": {"UPDATE orders SET state = 'open', payment = NULL, ended_at = 0 WHERE id = 'o1'",
		[]string{"a settled payment that names an order has paid it: paying"}},
	"order paid by hand": {"UPDATE orders SET state = 'paid', ended_at = 1 WHERE id = 'o2'",
		[]string{"a paid order has one settled payment, which names it: o2",
			"an order is claimed by the one payment that names it, is open, and has been authenticated: claiming"}},
	"claim forgotten": {"UPDATE orders SET state = 'open', payment = NULL WHERE id = 'o2'",
		[]string{"an order is claimed by the one payment that names it, is open, and has been authenticated: claiming"}},
	"claimed by a payment that has ended": {"UPDATE orders SET payment = 'declined' WHERE id = 'o2'",
		[]string{"an order is claimed by the one payment that names it, is open, and has been authenticated: o2"}},
	"amount of an order": {"UPDATE orders SET amount = 5 WHERE id = 'o1'", []string{"a payment has payee, amount and texts of its order: paying"}},
	"text of an order": {"UPDATE orders SET description = 'another' WHERE id = 'o1'",
		[]string{"a payment has payee, amount and texts of its order: paying"}},
	"payout confirmed by hand": {"UPDATE payouts SET state = 'confirmed', confirmed_at = 1 WHERE id = 'out_sent'", []string{outs + ": out_sent"}},
	"payout forgotten": {"DELETE FROM payouts WHERE id = 'out_confirmed'", []string{"an account's money goes to issuance by a payout only: out_confirmed/post",
		"a file has as many payouts as it says, and their sum: f-out_confirmed"}},
	"payout of more":         {"UPDATE payouts SET amount = 31 WHERE id = 'out_sent'", []string{outMoves + ": out_sent", "a file has as many payouts as it says, and their sum: f-out_sent"}},
	"payout never set aside": {"UPDATE entries SET id = 'out_x/hold', reference = 'out_x' WHERE id = 'out_ready/hold'", []string{outs + ": out_ready", "money is held for payouts, and for payments that wait for approval, or may be undone, only: out_x/hold"}},
	"returned to another":    {"UPDATE postings SET credit = 'card2' WHERE entry IN (SELECT number FROM entries WHERE id = 'out_returned/return')", []string{outMoves + ": out_returned"}},
	"returned, not posted":   {"UPDATE entries SET id = 'out_returned/again' WHERE id = 'out_returned/return'", []string{outs + ": out_returned", outMoves + ": out_returned"}},
	"payout of a card's":     {"UPDATE payouts SET account = 'card1' WHERE id = 'out_back'", []string{"a payout is from its payee's account: out_back", outMoves + ": out_back"}},
	"payout in another file": {"UPDATE payouts SET file = 'f-out_back' WHERE id = 'out_sent'", []string{"a file has as many payouts as it says, and their sum: f-out_back"}},
	"numbers that come again": {"UPDATE counters SET last = 1 WHERE name = 'entries'",
		[]string{"numbers are handed out once: entries"}},
	"account gone":      {"DELETE FROM accounts WHERE id = 'card2'", []string{"what a row refers to is there: cards", zero + ": CNY"}},
	"impossible state":  {"UPDATE payments SET state = 'paid' WHERE id = 'direct'", []string{"the database is sound: file"}},
	"overdrawn account": {"UPDATE accounts SET debits_pending = 1000000 WHERE id = 'card1'", []string{"the database is sound: file"}},
}

func TestCheckFindsDamage(t *testing.T) {
	good := sound(t)
	for name, c := range damages {
		t.Run(name, func(t *testing.T) {
			path := copyFile(t, good)
			if err := rawly(t, path, disarm+c.damage+";"); err != nil {
				t.Fatal(err)
			}
			found := findings(t, path)
			for _, want := range c.want {
				if !has(found, want) {
					t.Errorf("after %q Check found\n%v\nwant %q among it", c.damage, found, want)
				}
			}
			for _, f := range found {
				if f.Rule == "" || f.Subject == "" || f.Detail == "" {
					t.Errorf("finding %+v says too little", f)
				}
			}
		})
	}
}

func has(found []Finding, want string) bool {
	for _, f := range found {
		if strings.HasPrefix(f.String(), want+":") {
			return true
		}
	}
	return false
}

func TestCheckReadsBesideAServiceThatWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tapline.db")
	s := openTest(t, path)
	saveBooks(t, s)
	if found := findings(t, path); len(found) > 0 {
		t.Errorf("Check beside a service found %v", found)
	}
	err := s.Update(t.Context(), func(tx processor.Tx) error {
		if found := findings(t, path); len(found) > 0 {
			t.Errorf("Check during an Update found %v", found)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCheckFindsABrokenFile(t *testing.T) {
	path := sound(t)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	junk := strings.Repeat("\xff", 4096)
	if _, err := f.WriteAt([]byte(junk), info.Size()/4096/2*4096); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path, Options{ReadOnly: true})
	if err != nil {
		return // refused already: as good
	}
	defer s.Close()
	found, err := s.Check(t.Context(), nil)
	if err == nil && len(found) == 0 {
		t.Error("Check of a broken file found nothing")
	}
}

func TestSchemaRefusesChangesOfWhatOnlyGrows(t *testing.T) {
	path := sound(t)
	if err := rawly(t, path, `INSERT INTO audit VALUES (1, 'op', 'x', '', '', 1);
		INSERT INTO evidence VALUES ('direct', 'first', 'laptop', 'x', 1);`); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{
		"UPDATE postings SET amount = amount + 1", "DELETE FROM postings", "UPDATE entries SET reference = ''",
		"DELETE FROM entries", "UPDATE refunds SET amount = amount - 1", "DELETE FROM refunds", "UPDATE evidence SET jws = 'y'", "DELETE FROM evidence", "UPDATE audit SET note = 'y'",
		"DELETE FROM audit",
	} {
		err := rawly(t, path, script+";")
		if sqlite.ErrCode(err) != sqlite.ResultConstraintTrigger {
			t.Errorf("%s: %v, want refused by a trigger", script, err)
		}
	}
}

func TestSchemaListsWhatTheRulesKnow(t *testing.T) {
	for _, list := range []struct {
		column string
		values []string
	}{
		{"state", texts(payment.States)}, {"state", texts(order.States)}, {"state", texts(processor.CardStates)}, {"action", texts(ledger.Actions)}, {"state", texts(payout.States)},
	} {
		text := strings.Join(strings.Fields(migration1+migration10), " ")
		if want := list.column + " IN ('" + strings.Join(list.values, "', '") + "')"; !strings.Contains(text, want) {
			t.Errorf("the schema does not say %s", want)
		}
	}
}

func texts[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

func TestFindingSaysRuleSubjectAndDetail(t *testing.T) {
	got := Finding{"books balance", "CNY", "1 too much"}.String()
	if diff := cmp.Diff("books balance: CNY: 1 too much", got); diff != "" {
		t.Error(diff)
	}
}
