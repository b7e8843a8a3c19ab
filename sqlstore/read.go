package sqlstore

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// reader is a processor.Reader.
type reader struct{ rows }

var errNoLimit = errors.New("a list needs a limit of at least 1")

// list is the table's columns as SQL names them.
func (t *table[R]) list() string { return strings.Join(names(t.columns), ", ") }

// paymentsWhere lists payments of which one of some conditions on $1 is true; no payment fulfils two.
func paymentsWhere(conditions ...string) inTime {
	return bothWays("instructed_at", "$6", func(span, order string) *statement {
		parts := make([]string, len(conditions))
		for i, condition := range conditions {
			parts[i] = "SELECT " + payments.list() + " FROM payments WHERE " + condition + " AND " + span + " AND ($4 = '' OR state = $4)"
		}
		return plain(strings.Join(parts, " UNION ALL ")+order+" LIMIT $5", isText, isInteger, isText, isText, isInteger, isInteger)
	})
}

// devicesOfCard are all that were ever the associated device of card $1, and so of its payments.
const devicesOfCard = "(SELECT device FROM card_devices WHERE card = $1)"

var (
	paymentsByInitiator = paymentsWhere("initiator = $1")
	paymentsByApprover  = paymentsWhere("associated = $1 AND associated <> initiator")
	paymentsByPayee     = paymentsWhere("payee_handle = $1")
	paymentsByCard      = paymentsWhere("card = $1 AND initiator = associated AND initiator IN "+devicesOfCard,
		"card = $1 AND associated <> initiator AND associated IN "+devicesOfCard)
	allPayments = paymentsWhere("'' = $1")
)

// Payments lists by the time of instruction; see processor.Reader.
func (r *reader) Payments(q processor.PaymentQuery) ([]payment.Payment, error) {
	by, selector := selectorOf(q)
	if by.newest == nil {
		return nil, errors.New("payments are listed by exactly one of initiator, approver, payee and card, or all of them")
	}
	if q.Limit < 1 {
		return nil, errNoLimit
	}
	e := edgesOf(q.From, q.Before, string(q.BeforeID), string(q.AfterID), q.Oldest)
	if !storable(selector) || !storable(e.id) || !storable(string(q.State)) {
		return nil, nil // there is nothing by such text
	}
	found := collect(&r.rows, payments, by.way(q.Oldest), func(to binder) {
		to.text(selector)
		to.integer(e.at)
		to.text(e.id)
		to.text(string(q.State))
		to.integer(int64(q.Limit))
		to.integer(e.far)
	})
	return found, r.err
}

// selectorOf is what lists by what a query names, and that; nothing unless it names exactly one thing.
func selectorOf(q processor.PaymentQuery) (s inTime, selector string) {
	given := 0
	for _, by := range []struct {
		id string
		s  inTime
	}{
		{string(q.Initiator), paymentsByInitiator}, {string(q.Approver), paymentsByApprover}, {string(q.Payee), paymentsByPayee},
		{string(q.Card), paymentsByCard},
	} {
		if by.id != "" {
			given++
			s, selector = by.s, by.id
		}
	}
	if q.All {
		given++
		s = allPayments
	}
	if given != 1 {
		return inTime{}, ""
	}
	return s, selector
}

var due = plain("SELECT id FROM payments WHERE ended_at = 0 AND deadline <= $1 ORDER BY deadline, id LIMIT $2",
	isInteger, isInteger)

var dueWakeUps = plain("SELECT device, kind FROM wake_ups WHERE next_at > 0 AND next_at <= $1 ORDER BY next_at, device, kind LIMIT $2",
	isInteger, isInteger)

// Due names what is overdue; see processor.Reader.
func (r *reader) Due(now time.Time, limit int) (w processor.Wants, err error) {
	if limit < 1 {
		return w, errNoLimit
	}
	bind := func(to binder) {
		to.integer(micros(now))
		to.integer(int64(limit))
	}
	r.query(due, bind, func(from scanner) { w.Payments = append(w.Payments, payment.ID(from.text(0))) })
	r.query(dueOrders, bind, func(from scanner) { w.Orders = append(w.Orders, payment.OrderID(from.text(0))) })
	r.query(dueMails, bind, func(from scanner) { w.Mails = append(w.Mails, from.text(0)) })
	r.query(dueWakeUps, bind, func(from scanner) {
		w.WakeUps = append(w.WakeUps, processor.WakeID{Device: payment.DeviceID(from.text(0)), Kind: processor.WakeKind(from.text(1))})
	})
	r.query(duePlans, bind, func(from scanner) {
		w.PayoutPlans = append(w.PayoutPlans, processor.PlanID{Payee: payment.Handle(from.text(0)), Currency: money.Currency(from.text(1))})
	})
	return w, r.err
}

// query runs a statement once.
func (r *rows) query(s *statement, bind func(binder), scan func(scanner)) {
	if r.err == nil {
		_, r.err = r.run(s, 1, func(_ int, to binder) { bind(to) }, scan)
	}
}

var lastNumber = plain("SELECT last FROM counters WHERE name = $1", isText)

func newestEvent(c session) (newest int64, err error) {
	_, err = c.run(lastNumber, 1, func(_ int, to binder) { to.text("events") },
		func(from scanner) { newest = from.integer(0) })
	return newest, err
}

var eventsFor = plain("SELECT "+events.list()+" FROM events WHERE number IN"+
	" (SELECT event FROM event_recipients WHERE principal = $1 AND event > $2 ORDER BY event LIMIT $3)",
	isText, isInteger, isInteger)

// Events lists what some principals are told; see processor.Reader.
func (r *reader) Events(after int64, limit int, to ...processor.Principal) ([]processor.Event, int64, error) {
	if limit < 1 {
		return nil, 0, errNoLimit
	}
	var found []processor.Event
	for _, p := range to {
		found = append(found, collect(&r.rows, events, eventsFor, func(to binder) {
			to.text(string(p))
			to.integer(after)
			to.integer(int64(limit))
		})...)
	}
	var next int64
	if r.err == nil {
		next, r.err = newestEvent(r.session)
	}
	if r.err != nil {
		return nil, 0, r.err
	}
	slices.SortFunc(found, func(a, b processor.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	found = slices.CompactFunc(found, func(a, b processor.Event) bool { return a.Seq == b.Seq })
	if len(found) >= limit {
		found = found[:limit]
		next = found[limit-1].Seq
	}
	return found, next, nil
}

// numbersOf selects the entries of account $1 from $2 until before $3.
const numbersOf = "SELECT at, entry FROM postings WHERE debit = $1 AND at >= $2 AND at < $3" +
	" UNION SELECT at, entry FROM postings WHERE credit = $1 AND at >= $2 AND at < $3"

var (
	// Of each side no more than $4 can be among the first $4 of both.
	timeOfLast = plain("SELECT at FROM"+
		" (SELECT * FROM (SELECT DISTINCT at, entry FROM postings WHERE debit = $1 AND at >= $2 AND at < $3"+
		" ORDER BY at, entry LIMIT $4) AS debits UNION"+
		" SELECT * FROM (SELECT DISTINCT at, entry FROM postings WHERE credit = $1 AND at >= $2 AND at < $3"+
		" ORDER BY at, entry LIMIT $4) AS credits) AS both_sides"+
		" ORDER BY at, entry LIMIT 1 OFFSET $4 - 1", isText, isInteger, isInteger, isInteger)
	linesOf = plain("SELECT e.number, e.id, e.action, e.reference, e.at, p.debit, p.credit, p.amount, p.currency"+
		" FROM ("+numbersOf+") AS n JOIN entries e ON e.number = n.entry JOIN postings p ON p.entry = e.number"+
		" ORDER BY e.at, e.number, p.line", isText, isInteger, isInteger)
)

// Entries lists what happened to an account; see processor.Reader.
func (r *reader) Entries(account ledger.AccountID, from, until time.Time, limit int) ([]ledger.Entry, error) {
	if limit < 1 {
		return nil, errNoLimit
	}
	if !storable(string(account)) {
		return nil, nil // there is no such account
	}
	begin, end := micros(from), micros(until)
	span := func(to binder) {
		to.text(string(account))
		to.integer(begin)
		to.integer(end)
	}
	r.query(timeOfLast, func(to binder) {
		span(to)
		to.integer(int64(limit))
	}, func(row scanner) { end = row.integer(0) + 1 })
	var found []ledger.Entry
	last := int64(-1)
	r.query(linesOf, span, func(row scanner) {
		if number := row.integer(0); number != last {
			last = number
			found = append(found, ledger.Entry{ID: ledger.EntryID(row.text(1)), Action: ledger.Action(row.text(2)),
				Reference: row.text(3), At: fromMicros(row.integer(4))})
		}
		e := &found[len(found)-1]
		e.Postings = append(e.Postings, ledger.Posting{
			Debit: ledger.AccountID(row.text(5)), Credit: ledger.AccountID(row.text(6)),
			Amount: money.Amount{Minor: row.integer(7), Currency: money.Currency(row.text(8))},
		})
	})
	return found, r.err
}

func inOrder[R any](t *table[R]) *statement {
	id := t.columns[0].name
	return plain("SELECT "+t.list()+" FROM "+t.name+" WHERE "+id+" > $1 ORDER BY "+id+" LIMIT $2", isText, isInteger)
}

var (
	accountsInOrder = inOrder(accounts)
	// unusedAccounts has the rule of ledger.Account.LastPaid. A day is of a month that began by $3 if it is before $4, when the next begins.
	unusedAccounts = plain("SELECT "+accounts.list()+" FROM accounts WHERE id > $1 AND kind IN ('card', 'payee') AND CASE"+
		" WHEN day_sum > CASE kind WHEN 'payee' THEN credits_pending ELSE debits_pending END THEN turnover_day <= $3"+
		" WHEN month_sum > CASE kind WHEN 'payee' THEN credits_pending ELSE debits_pending END THEN turnover_day < $4 ELSE 1 = 1 END"+
		" AND NOT EXISTS (SELECT 1 FROM cards WHERE cards.account = accounts.id AND created_at > $3) ORDER BY id LIMIT $2",
		isText, isInteger, isInteger, isInteger)
	cardsInOrder     = inOrder(cards)
	devicesInOrder   = inOrder(devices)
	operatorsInOrder = inOrder(operators)
	payeesInOrder    = inOrder(payees)
	filesInOrder     = inOrder(payoutFiles)
	pendingTopUps    = plain("SELECT "+topUps.list()+" FROM top_ups WHERE state = 'pending' AND id > $1 ORDER BY id LIMIT $2", isText, isInteger)
	tariffsInOrder   = plain("SELECT "+tariffs.list()+" FROM tariffs WHERE removed = 0 AND payee || ' ' || currency > $1"+
		" ORDER BY payee || ' ' || currency LIMIT $2", isText, isInteger)
	auditInOrder = plain("SELECT "+audit.list()+" FROM audit WHERE number < $1 ORDER BY number DESC LIMIT $2",
		isInteger, isInteger)
	eventsOfOperators = plain("SELECT "+events.list()+" FROM events WHERE number IN (SELECT event FROM event_recipients"+
		" WHERE principal = $3 AND event < $1 ORDER BY event DESC LIMIT $2) ORDER BY number DESC", isInteger, isInteger, isText)
)

// List is for operators; see processor.Reader.
func (r *reader) List(q processor.ListQuery) (found processor.Rows, err error) {
	if q.Limit < 1 {
		return found, errNoLimit
	}
	if !storable(q.After) {
		return found, nil // no page ends there
	}
	before, numbered := int64(math.MaxInt64), q.Table == "audit" || q.Table == "events"
	if numbered && q.After != "" {
		if before, err = strconv.ParseInt(q.After, 10, 64); err != nil {
			return found, errors.New("audit records and events are listed after a number")
		}
	}
	bind := func(to binder) {
		if numbered {
			to.integer(before)
		} else {
			to.text(q.After)
		}
		to.integer(int64(q.Limit))
	}
	switch q.Table {
	case "accounts":
		if q.UnusedSince.IsZero() {
			found.Accounts = collect(&r.rows, accounts, accountsInOrder, bind)
			break
		}
		found.Accounts = collect(&r.rows, accounts, unusedAccounts, func(to binder) {
			bind(to)
			since := q.UnusedSince.UTC()
			to.integer(micros(since))
			to.integer(micros(time.Date(since.Year(), since.Month()+1, 1, 0, 0, 0, 0, time.UTC)))
		})
	case "audit":
		found.Audit = collect(&r.rows, audit, auditInOrder, bind)
	case "cards":
		found.Cards = collect(&r.rows, cards, cardsInOrder, bind)
	case "events":
		found.Events = collect(&r.rows, events, eventsOfOperators, func(to binder) {
			bind(to)
			to.text(string(processor.OperatorsPrincipal))
		})
	case "devices":
		found.Devices = collect(&r.rows, devices, devicesInOrder, bind)
	case "operators":
		found.Operators = collect(&r.rows, operators, operatorsInOrder, bind)
	case "tariffs":
		found.Tariffs = collect(&r.rows, tariffs, tariffsInOrder, bind)
	case "top_ups":
		found.TopUps = collect(&r.rows, topUps, pendingTopUps, bind)
	case "payout_files":
		found.PayoutFiles = collect(&r.rows, payoutFiles, filesInOrder, bind)
	case "closed_days":
		found.ClosedDays = r.withTotals(collect(&r.rows, closedDays, daysInOrder, bind))
	case "payees":
		found.Payees = collect(&r.rows, payees, payeesInOrder, bind)
	default:
		return found, fmt.Errorf("there is no list of %q", q.Table)
	}
	return found, r.err
}
