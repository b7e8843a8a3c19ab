package sqlstore

import (
	"context"
	"fmt"
	"slices"
)

// Finding is something that is wrong.
type Finding struct {
	Rule    string `json:"rule"`    // what should hold
	Subject string `json:"subject"` // the id of what breaks it
	Detail  string `json:"detail"`  // how
}

// String is the finding in one line.
func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Rule, f.Subject, f.Detail) }

// findingsPerRule bounds what Check tells of each rule.
const findingsPerRule = 100

// Check proves the books and returns what is wrong with them, and with the database: nothing if all is well. It reads
// one snapshot, so it works while a service runs; it reads every row, so it takes its time: told, unless it is nil, is told
// what is checked next, and how many steps of how many are done. An error means that it could not look.
func (s *Store) Check(ctx context.Context, told func(step string, done, of int)) ([]Finding, error) {
	var found []Finding
	if told == nil {
		told = func(string, int, int) {}
	}
	err := s.db.view(ctx, func(c session) (err error) {
		found, err = s.check(c, told)
		return err
	})
	return found, err
}

func (s *Store) check(c session, told func(step string, done, of int)) ([]Finding, error) {
	all := slices.Concat(rules, payoutRules, closedRules)
	steps := len(all) + 2
	told("the database is sound", 0, steps)
	found, err := s.db.damage(c)
	if err != nil {
		return nil, err
	}
	for i, r := range all {
		told(r.name, i+1, steps)
		n := len(found)
		_, err := c.run(r.breaches, 1, func(_ int, to binder) { to.integer(findingsPerRule) }, func(from scanner) {
			found = append(found, Finding{r.name, from.text(0), from.text(1)})
		})
		if err != nil {
			return found, fmt.Errorf("rule %q: %w", r.name, err)
		}
		if len(found)-n == findingsPerRule {
			found = append(found, Finding{r.name, "more", "only the first are shown"})
		}
	}
	told("the history was not rewritten", steps-1, steps)
	past, err := s.checkHistory(c)
	return append(found, past...), err
}

// rule is something that always holds between rows.
type rule struct {
	name     string
	breaches *statement // at most $1: what breaks the rule, and how
}

func newRule(name, query string) rule { return rule{name, plain(query+" LIMIT $1", isInteger)} }

// sums are the four totals of each account as its entries make them, which is what ledger.Apply does to an account.
const sums = `
WITH sides AS (
  SELECT p.debit AS account, e.action AS action, p.amount AS debit, 0 AS credit
  FROM postings p JOIN entries e ON e.number = p.entry
  UNION ALL
  SELECT p.credit, e.action, 0, p.amount
  FROM postings p JOIN entries e ON e.number = p.entry
), sums AS (
  SELECT account,
    SUM(CASE action WHEN 'hold' THEN debit WHEN 'post' THEN 0 ELSE -debit END) AS debits_pending,
    SUM(CASE action WHEN 'hold' THEN credit WHEN 'post' THEN 0 ELSE -credit END) AS credits_pending,
    SUM(CASE WHEN action IN ('post', 'post_hold') THEN debit ELSE 0 END) AS debits_posted,
    SUM(CASE WHEN action IN ('post', 'post_hold') THEN credit ELSE 0 END) AS credits_posted
  FROM sides GROUP BY account
)`

// four is four totals as text.
func four(prefix, none string) string {
	one := func(name string) string { return "CAST(COALESCE(" + prefix + name + ", " + none + ") AS TEXT)" }
	return "'debits ' || " + one("debits_pending") + " || ' pending, ' || " + one("debits_posted") +
		" || ' posted; credits ' || " + one("credits_pending") + " || ' pending, ' || " + one("credits_posted") + " || ' posted'"
}

// rules in the order in which they are checked. Ids of a payment's entries are those that payment.Step gives them.
var rules = []rule{
	newRule("the balances of a currency sum to zero", `
		SELECT currency, 'posted credits less debits are ' || CAST(SUM(credits_posted - debits_posted) AS TEXT) ||
			', pending ones ' || CAST(SUM(credits_pending - debits_pending) AS TEXT)
		FROM accounts GROUP BY currency
		HAVING SUM(credits_posted - debits_posted) <> 0 OR SUM(credits_pending - debits_pending) <> 0`),
	newRule("an account's totals are what its entries sum to", sums+`
		SELECT a.id, 'it has `+"' || "+four("a.", "0")+" || '"+`, but its entries sum to ' || `+four("s.", "0")+`
		FROM accounts a LEFT JOIN sums s ON s.account = a.id
		WHERE a.debits_pending <> COALESCE(s.debits_pending, 0) OR a.credits_pending <> COALESCE(s.credits_pending, 0)
			OR a.debits_posted <> COALESCE(s.debits_posted, 0) OR a.credits_posted <> COALESCE(s.credits_posted, 0)`),
	newRule("an entry has postings, of its time and in its accounts' currency", `
		SELECT e.id, CASE WHEN p.entry IS NULL THEN 'it has no postings' WHEN p.at <> e.at THEN 'a posting has another time'
			ELSE 'a posting in ' || p.currency || ' is between ' || d.id || ' in ' || d.currency || ' and ' || c.id ||
				' in ' || c.currency END
		FROM entries e LEFT JOIN postings p ON p.entry = e.number
		LEFT JOIN accounts d ON d.id = p.debit LEFT JOIN accounts c ON c.id = p.credit
		WHERE p.entry IS NULL OR p.at <> e.at OR p.currency <> d.currency OR p.currency <> c.currency`),
	newRule("a card and a payee have an account of their currency", `
		SELECT x.id, 'it is in ' || x.currency || ' and its account ' || a.id || ' in ' || a.currency FROM
			(SELECT id, account, currency FROM cards UNION ALL SELECT handle, account, currency FROM payees) AS x
		JOIN accounts a ON a.id = x.account WHERE a.currency <> x.currency`),
	newRule("a card's passkeys are counted", `
		SELECT c.id, 'it has ' || CAST(c.passkeys AS TEXT) || ' passkeys, but there are ' || CAST(COUNT(k.id) AS TEXT)
		FROM cards c LEFT JOIN passkeys k ON k.card = c.id AND k.removed_at = 0
		GROUP BY c.id, c.passkeys HAVING COUNT(k.id) <> c.passkeys`),
	newRule("of an account's cards all but one are closed", `
		SELECT account, CAST(COUNT(*) AS TEXT) || ' of its cards are not closed' FROM cards WHERE state <> 'closed'
		GROUP BY account HAVING COUNT(*) > 1`),
	newRule("a card and the one that replaced it name each other, and have one account", `
		SELECT o.id, 'it was replaced by ' || o.replaced_by || ', which is in ' || COALESCE(n.account, 'no account') ||
			' and replaces ' || COALESCE(n.replaces, 'none')
		FROM cards o LEFT JOIN cards n ON n.id = o.replaced_by
		WHERE o.replaced_by IS NOT NULL AND (n.id IS NULL OR n.replaces IS NULL OR n.replaces <> o.id OR n.account <> o.account)
		UNION ALL
		SELECT n.id, 'it replaces ' || n.replaces || ', which was replaced by ' || COALESCE(o.replaced_by, 'none')
		FROM cards n LEFT JOIN cards o ON o.id = n.replaces
		WHERE n.replaces IS NOT NULL AND (o.id IS NULL OR o.replaced_by IS NULL OR o.replaced_by <> n.id)`),
	newRule("a settled payment has posted its money", `
		SELECT p.id, 'there is no entry ' || p.id || '/post that posts it' FROM payments p
		LEFT JOIN entries e ON e.id = p.id || '/post' AND e.reference = p.id AND e.action IN ('post', 'post_hold')
		WHERE p.state = 'settled' AND e.id IS NULL`),
	newRule("a payment that is not settled has posted nothing", `
		SELECT p.id, 'it is ' || p.state || ', but there is entry ' || e.id FROM entries e
		JOIN payments p ON p.id = e.reference
		WHERE e.action IN ('post', 'post_hold') AND p.state <> 'settled'`),
	newRule("a rehearsal has no entries", `
		SELECT p.id, 'it is ' || p.state || ', but there is entry ' || e.id FROM entries e
		JOIN payments p ON p.id = e.reference
		WHERE p.rehearsal = 1 OR p.state = 'rehearsed'`),
	newRule("a rehearsal is never settled, and nothing else is rehearsed", `
		SELECT id, 'it is ' || state || CASE rehearsal WHEN 1 THEN ', but a rehearsal' ELSE ', but no rehearsal' END
		FROM payments WHERE (state = 'settled' AND rehearsal = 1) OR (state = 'rehearsed' AND rehearsal = 0)`),
	newRule("a decoy has no entries", `
		SELECT p.id, 'there is entry ' || e.id FROM entries e JOIN payments p ON p.id = e.reference
		WHERE p.card IS NULL`),
	newRule("a payment's entries move its amount from its card account to its payee account, and its fee to the operator's", `
		SELECT id, 'entry ' || entry || ' moves ' || CAST(paid AS TEXT) || ' to the payee, ' || CAST(taken AS TEXT) || ' as a fee and ' ||
			CAST(astray AS TEXT) || ' otherwise, of ' || CAST(amount AS TEXT) || ' with a fee of ' || CAST(fee AS TEXT) || ' borne by the ' ||
			CASE fee_bearer WHEN '' THEN 'nobody' ELSE fee_bearer END
		FROM (
			SELECT p.id, e.id AS entry, p.amount, p.fee, p.fee_bearer, COUNT(*) AS lines,
				SUM(CASE WHEN l.debit = p.card_account AND l.currency = p.currency AND l.credit = p.payee_account THEN l.amount ELSE 0 END) AS paid,
				SUM(CASE WHEN l.debit = p.card_account AND l.currency = p.currency AND l.credit = 'fees-' || p.currency THEN l.amount ELSE 0 END) AS taken,
				SUM(CASE WHEN l.debit = p.card_account AND l.currency = p.currency AND l.credit IN (p.payee_account, 'fees-' || p.currency) THEN 0 ELSE l.amount END) AS astray
			FROM entries e JOIN payments p ON p.id = e.reference JOIN postings l ON l.entry = e.number
			WHERE p.card IS NOT NULL GROUP BY p.id, e.id, p.amount, p.fee, p.fee_bearer
		) AS moved
		WHERE paid <> amount - CASE fee_bearer WHEN 'payee' THEN fee ELSE 0 END OR taken <> fee OR astray <> 0
			OR lines <> CASE WHEN fee = 0 OR (fee_bearer = 'payee' AND fee = amount) THEN 1 ELSE 2 END`),
	newRule("fees are of payments, or taken out by an adjustment", `
		SELECT e.id, 'it moves ' || CAST(l.amount AS TEXT) || ' from ' || l.debit || ' to ' || l.credit || ', for ' || e.reference
		FROM postings l JOIN accounts f ON f.kind = 'fees' AND (f.id = l.debit OR f.id = l.credit) JOIN entries e ON e.number = l.entry
		LEFT JOIN payments p ON p.id = e.reference AND f.id = l.credit AND f.id = 'fees-' || p.currency
		LEFT JOIN accounts o ON o.id IN (l.debit, l.credit) AND o.kind = 'issuance'
		WHERE p.id IS NULL AND o.id IS NULL`),
	newRule("a payment that waits for approval, or may be undone, holds its money", `
		SELECT p.id, 'there is no entry ' || p.id || '/hold that holds it' FROM payments p
		LEFT JOIN entries e ON e.id = p.id || '/hold' AND e.reference = p.id AND e.action = 'hold'
		WHERE p.ended_at = 0 AND p.state IN ('approval_required', 'undoable') AND p.rehearsal = 0 AND e.id IS NULL`),
	newRule("money is held for payouts, and for payments that wait for approval, or may be undone, only", `
		SELECT h.id, CASE WHEN p.id IS NULL THEN 'there is no payment ' || h.reference
			WHEN p.state IN ('approval_required', 'undoable') THEN 'the payment is ' || p.state || ', but there is entry ' || e.id
			ELSE 'the payment is ' || p.state || ', but the hold was neither posted nor released' END
		FROM entries h LEFT JOIN payments p ON p.id = h.reference LEFT JOIN payouts o ON o.id = h.reference
		LEFT JOIN entries e ON e.id IN (h.reference || '/post', h.reference || '/release')
			AND e.action IN ('post_hold', 'release')
		WHERE h.action = 'hold' AND o.id IS NULL AND (p.id IS NULL OR (p.state IN ('approval_required', 'undoable')) = (e.id IS NOT NULL))`),
	newRule("a hold is taken back or posted once, after it was made", `
		SELECT e.id, CASE WHEN h.id IS NULL THEN 'there is no entry ' || e.reference || '/hold before it'
			ELSE 'there is entry ' || b.id || ', too' END
		FROM entries e
		LEFT JOIN entries h ON h.id = e.reference || '/hold' AND h.action = 'hold' AND h.number < e.number
		LEFT JOIN entries b ON b.id = e.reference || '/post' AND e.action = 'release'
		WHERE e.action IN ('post_hold', 'release') AND (h.id IS NULL OR b.id IS NOT NULL)`),
	newRule("a payment's entry is named for what it does", `
		SELECT e.id, 'it is the ' || e.action || ' of payment ' || p.id FROM entries e JOIN payments p ON p.id = e.reference
		WHERE e.id <> p.id || CASE e.action WHEN 'hold' THEN '/hold' WHEN 'release' THEN '/release' ELSE '/post' END`),
	newRule("what was refunded of a payment is what its refunds sum to, and no more than was settled", `
		SELECT p.id, 'it is ' || p.state || ' with ' || CAST(p.amount AS TEXT) || ', of which ' || CAST(p.refunded AS TEXT) ||
			' were refunded, but its refunds sum to ' || CAST(COALESCE(SUM(r.amount), 0) AS TEXT)
		FROM payments p LEFT JOIN refunds r ON r.payment = p.id
		WHERE p.refunded <> 0 OR r.id IS NOT NULL GROUP BY p.id, p.state, p.amount, p.refunded
		HAVING COALESCE(SUM(r.amount), 0) <> p.refunded OR p.refunded > p.amount OR p.state <> 'settled'`),
	newRule("each refund of a payment adds to the one before", `
		SELECT r.id, 'it makes ' || CAST(r.total AS TEXT) || ' with ' || CAST(r.amount AS TEXT) || ', but there is no refund before it that does'
		FROM refunds r LEFT JOIN refunds b ON b.payment = r.payment AND b.total = r.total - r.amount
		WHERE r.total <> r.amount AND b.id IS NULL`),
	newRule("a refund has one entry, which moves its amount from its payee account to the card account that paid", `
		SELECT r.id, CASE WHEN e.id IS NULL THEN 'there is no entry ' || r.id || '/post that posts it'
			ELSE 'entry ' || e.id || ' moves ' || COALESCE(CAST(l.amount AS TEXT) || ' ' || l.currency || ' from ' || l.debit || ' to ' || l.credit, 'nothing') END
		FROM refunds r JOIN payments p ON p.id = r.payment
		LEFT JOIN entries e ON e.id = r.id || '/post' AND e.reference = r.id AND e.action = 'post' AND e.at = r.at
		LEFT JOIN postings l ON l.entry = e.number
		WHERE l.entry IS NULL OR l.line <> 0 OR l.amount <> r.amount OR l.currency <> r.currency OR l.debit <> r.payee_account
			OR l.credit <> r.card_account OR p.card_account IS NULL OR r.card_account <> p.card_account OR r.currency <> p.currency
			OR r.payee <> p.payee_handle
		UNION ALL
		SELECT r.id, 'there is entry ' || e.id || ', too' FROM entries e JOIN refunds r ON r.id = e.reference WHERE e.id <> r.id || '/post'`),
	newRule("money goes from a payee back to a card by a refund only", `
		SELECT e.id, 'it moves ' || CAST(l.amount AS TEXT) || ' from ' || l.debit || ' to ' || l.credit || ', but there is no refund ' || e.reference
		FROM postings l JOIN accounts d ON d.id = l.debit AND d.kind = 'payee' JOIN accounts c ON c.id = l.credit AND c.kind = 'card'
		JOIN entries e ON e.number = l.entry LEFT JOIN refunds r ON r.id = e.reference
		WHERE r.id IS NULL`),
	newRule("a paid order has one settled payment, which names it", `
		SELECT o.id, 'it was paid by ' || COALESCE(o.payment, 'no payment') || ', which is ' || COALESCE(p.state, 'not there') ||
			CASE WHEN p.order_id IS NULL OR p.order_id <> o.id THEN ' and does not name it' ELSE '' END
		FROM orders o LEFT JOIN payments p ON p.id = o.payment
		WHERE o.state = 'paid' AND (p.id IS NULL OR p.state <> 'settled' OR p.order_id IS NULL OR p.order_id <> o.id)`),
	newRule("a settled payment that names an order has paid it", `
		SELECT p.id, 'it names ' || p.order_id || ', which is ' || COALESCE(o.state, 'not there') || ', paid by ' ||
			COALESCE(o.payment, 'none')
		FROM payments p LEFT JOIN orders o ON o.id = p.order_id
		WHERE p.state = 'settled' AND p.order_id IS NOT NULL AND (o.id IS NULL OR o.state <> 'paid' OR o.payment IS NULL OR o.payment <> p.id)`),
	newRule("an order is claimed by the one payment that names it, is open, and has been authenticated", `
		SELECT o.id, 'it is claimed by ' || COALESCE(o.payment, 'no payment') || ', which is ' || COALESCE(p.state, 'not there')
		FROM orders o LEFT JOIN payments p ON p.id = o.payment
		WHERE o.state = 'claimed' AND (p.id IS NULL OR p.ended_at > 0 OR (p.authenticated_at = 0 AND p.undoable_at = 0) OR p.order_id IS NULL OR p.order_id <> o.id)
		UNION ALL
		SELECT p.id, 'it is ' || p.state || ', but does not claim ' || p.order_id || ', which is ' || COALESCE(o.state, 'not there')
		FROM payments p LEFT JOIN orders o ON o.id = p.order_id
		WHERE p.ended_at = 0 AND (p.authenticated_at > 0 OR p.undoable_at > 0) AND p.order_id IS NOT NULL
			AND (o.id IS NULL OR o.state <> 'claimed' OR o.payment IS NULL OR o.payment <> p.id)`),
	newRule("a payment has payee, amount and texts of its order", `
		SELECT p.id, 'it is ' || CAST(p.amount AS TEXT) || ' ' || p.currency || ' to ' || p.payee_handle || ', its order ' || o.id ||
			' ' || CAST(o.amount AS TEXT) || ' ' || o.currency || ' to ' || o.payee
		FROM payments p JOIN orders o ON o.id = p.order_id
		WHERE p.amount <> o.amount OR p.currency <> o.currency OR p.payee_handle <> o.payee OR p.order_number <> o.reference
			OR p.order_description <> o.description OR p.pay_by <> o.expires_at`),
	newRule("numbers are handed out once", `
		SELECT c.name, 'the last number is said to be ' || CAST(c.last AS TEXT) || ', but there is ' || CAST(n.most AS TEXT)
		FROM counters c JOIN (SELECT 'entries' AS name, MAX(number) AS most FROM entries
			UNION ALL SELECT 'events', MAX(number) FROM events UNION ALL SELECT 'audit', MAX(number) FROM audit) AS n
		ON n.name = c.name WHERE n.most > c.last`),
}
