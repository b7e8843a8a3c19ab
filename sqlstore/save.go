package sqlstore

import (
	"errors"
	"fmt"
	"time"

	"tapline/payment"
	"tapline/processor"
)

// tx is a processor.Tx. After the first error it does nothing more: the transaction will be rolled back.
type tx struct {
	rows
	newestEvent int64 // of those saved; 0 if there were none
}

// Save writes a batch's changes, in the order of foreign keys. Numbers are taken last, since who takes them keeps all
// others from doing so until the transaction ends.
func (t *tx) Save(c processor.Changes) error {
	if len(c.Changed.Evidence)+len(c.Changed.Audit)+len(c.Changed.Refunds)+len(c.Changed.PayoutFiles) > 0 && t.err == nil {
		t.err = errors.New("evidence, audit records, refunds and files of payouts never change")
	}
	store(t, accounts, c.New.Accounts, c.Changed.Accounts)
	store(t, devices, c.New.Devices, c.Changed.Devices)
	store(t, payees, c.New.Payees, c.Changed.Payees)
	store(t, aliases, c.New.Aliases, c.Changed.Aliases)
	store(t, tariffs, c.New.Tariffs, c.Changed.Tariffs)
	store(t, apiKeys, c.New.APIKeys, c.Changed.APIKeys)
	store(t, operators, c.New.Operators, c.Changed.Operators)
	store(t, signIns, c.New.SignIns, c.Changed.SignIns)
	store(t, topUps, c.New.TopUps, c.Changed.TopUps)
	insert(t, cards, c.New.Cards)
	t.updateCards(c.Changed.Cards)
	store(t, bindings, c.New.Bindings, c.Changed.Bindings)
	store(t, challenges, c.New.Challenges, c.Changed.Challenges)
	store(t, wakeUps, c.New.WakeUps, c.Changed.WakeUps)
	store(t, webhooks, c.New.Webhooks, c.Changed.Webhooks)
	store(t, deliveries, c.New.Deliveries, c.Changed.Deliveries)
	store(t, mails, c.New.Mails, c.Changed.Mails)
	store(t, notes, c.New.Notes, c.Changed.Notes)
	store(t, mailChanges, c.New.MailChanges, c.Changed.MailChanges)
	store(t, erasures, c.New.Erasures, c.Changed.Erasures)
	store(t, passkeys, c.New.Passkeys, c.Changed.Passkeys)
	store(t, tries, dated(c.New.Tries), dated(c.Changed.Tries))
	store(t, templates, c.New.Templates, c.Changed.Templates)
	insert(t, orders, c.New.Orders)
	store(t, payments, c.New.Payments, c.Changed.Payments)
	update(t, orders, orders.update, c.Changed.Orders)
	insert(t, refunds, c.New.Refunds)
	insert(t, payoutFiles, c.New.PayoutFiles)
	store(t, payouts, c.New.Payouts, c.Changed.Payouts)
	store(t, payoutPlans, c.New.PayoutPlans, c.Changed.PayoutPlans)
	store(t, keys, c.New.Keys, c.Changed.Keys)
	insert(t, evidence, c.New.Evidence)
	t.eraseHolders(c.New.Erasures, c.Changed.Erasures)
	t.saveClosedDays(c.New.ClosedDays)
	t.saveEntries(c)
	t.saveEvents(c.Events)
	t.saveAudit(c.New.Audit)
	return t.err
}

func store[R any](t *tx, table *table[R], created, changed []R) {
	insert(t, table, created)
	update(t, table, table.update, changed)
}

func insert[R any](t *tx, table *table[R], created []R) {
	if t.err != nil || len(created) == 0 {
		return
	}
	_, t.err = t.run(table.insert, len(created), func(row int, to binder) {
		for i := range table.columns {
			table.columns[i].bind(to, &created[row])
		}
	}, nil)
}

// updateCards writes of cards that nothing but payments have changed only what those count.
func (t *tx) updateCards(changed []processor.Card) {
	before := make(map[payment.CardID]*processor.Card, len(t.cards))
	for i := range t.cards {
		before[t.cards[i].ID] = &t.cards[i]
	}
	var counted, others []processor.Card
	for _, c := range changed {
		if was := before[c.ID]; was != nil && cards.sameButOften(was, &c) {
			counted = append(counted, c)
		} else {
			others = append(others, c)
		}
	}
	update(t, cards, cards.often, counted)
	update(t, cards, cards.update, others)
}

func update[R any](t *tx, table *table[R], how *change[R], changed []R) {
	if t.err != nil || len(changed) == 0 {
		return
	}
	var n int
	n, t.err = t.run(how.statement, len(changed), func(row int, to binder) {
		for i := range how.columns {
			how.columns[i].bind(to, &changed[row])
		}
		for i := range table.key {
			table.key[i].bind(to, &changed[row])
		}
	}, nil)
	if t.err == nil && n != len(changed) {
		t.err = fmt.Errorf("%d of %d changed rows of %s are not there", len(changed)-n, len(changed), table.name)
	}
}

func dated(counts []processor.Tries) []datedTries {
	if len(counts) == 0 {
		return nil
	}
	now, out := time.Now(), make([]datedTries, len(counts))
	for i, t := range counts {
		out[i] = datedTries{t, now}
	}
	return out
}

func (t *tx) saveEntries(c processor.Changes) {
	if len(c.Entries) == 0 {
		return
	}
	first := t.numbers("entries", len(c.Entries))
	heads, lines := make([]numberedEntry, len(c.Entries)), make([]line, 0, len(c.Entries))
	for i, e := range c.Entries {
		number := first + int64(i)
		heads[i] = numberedEntry{e, number}
		for j, p := range e.Postings {
			lines = append(lines, line{Posting: p, entry: number, line: j, at: e.At})
		}
	}
	insert(t, entries, heads)
	insert(t, postings, lines)
}

func (t *tx) saveEvents(told []processor.Event) {
	if len(told) == 0 {
		return
	}
	first := t.numbers("events", len(told))
	numbered, to := make([]processor.Event, len(told)), make([]recipient, 0, 3*len(told))
	for i, e := range told {
		e.Seq = first + int64(i)
		numbered[i] = e
		for j, p := range e.To {
			if !contains(e.To[:j], p) {
				to = append(to, recipient{p, e.Seq})
			}
		}
	}
	insert(t, events, numbered)
	insert(t, recipients, to)
	t.newestEvent = first + int64(len(told)) - 1
}

func contains(list []processor.Principal, p processor.Principal) bool {
	for _, x := range list {
		if x == p {
			return true
		}
	}
	return false
}

func (t *tx) saveAudit(records []processor.Audit) {
	if len(records) == 0 {
		return
	}
	first := t.numbers("audit", len(records))
	numbered := make([]processor.Audit, len(records))
	for i, a := range records {
		a.Seq = first + int64(i)
		numbered[i] = a
	}
	insert(t, audit, numbered)
}

var takeNumbers = plain("UPDATE counters SET last = last + $1 WHERE name = $2 RETURNING last", isInteger, isText)

// numbers hands out n numbers of a counter and returns the first. The counter's row stays locked until the
// transaction ends, so numbers rise in the order of commits.
func (t *tx) numbers(counter string, n int) (first int64) {
	if t.err != nil {
		return 0
	}
	_, t.err = t.run(takeNumbers, 1, func(_ int, to binder) {
		to.integer(int64(n))
		to.text(counter)
	}, func(from scanner) { first = from.integer(0) - int64(n) + 1 })
	if t.err == nil && first <= 0 {
		t.err = fmt.Errorf("there is no counter of %s", counter)
	}
	return first
}
