package storetest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

// manyPayments saves world and ten payments, of which each two are of one time, and returns the payments newest first
// as the store lists them.
func (s *suite) manyPayments() []payment.Payment {
	s.save(world())
	var ps []payment.Payment
	for i := range 10 {
		p := openPayment(payment.ID(fmt.Sprintf("p%02d", i)))
		p.InstructedAt = noon.Add(time.Duration(i/2) * time.Microsecond)
		if i%3 == 0 {
			p.Card, p.CardAccount, p.Associated, p.Initiator = "c2", "card2", "phone2", "phone1"
			p = stepped(p, payment.Authenticate, payment.Cancel)
		}
		if i == 4 {
			p.Initiator = p.Associated
		}
		ps = append([]payment.Payment{p}, ps...)
	}
	s.save(processor.Changes{New: processor.Rows{Payments: ps}})
	return ps
}

func (s *suite) paymentsListed() {
	all := s.manyPayments()
	pick := func(limit int, take func(payment.Payment) bool) (out []payment.Payment) {
		for _, p := range all {
			if take(p) && len(out) < limit {
				out = append(out, p)
			}
		}
		return out
	}
	for what, c := range map[string]struct {
		query processor.PaymentQuery
		want  []payment.Payment
	}{
		"payee":              {processor.PaymentQuery{Payee: "shop", Limit: 100}, all},
		"payee, 3":           {processor.PaymentQuery{Payee: "shop", Limit: 3}, all[:3]},
		"initiator":          {processor.PaymentQuery{Initiator: "phone1", Limit: 100}, pick(100, func(p payment.Payment) bool { return p.Initiator == "phone1" })},
		"approver":           {processor.PaymentQuery{Approver: "phone1", Limit: 4}, pick(4, func(p payment.Payment) bool { return p.Associated == "phone1" && p.Initiator != "phone1" })},
		"payee and state":    {processor.PaymentQuery{Payee: "shop", State: payment.Cancelled, Limit: 3}, pick(3, func(p payment.Payment) bool { return p.State == payment.Cancelled })},
		"payee, other state": {processor.PaymentQuery{Payee: "shop", State: payment.Settled, Limit: 3}, nil},
		"before":             {processor.PaymentQuery{Payee: "shop", Before: noon.Add(2 * time.Microsecond), Limit: 100}, all[6:]},
		"before all":         {processor.PaymentQuery{Payee: "shop", Before: noon, Limit: 100}, nil},
		"before an id": {processor.PaymentQuery{Payee: "shop", Before: noon.Add(2 * time.Microsecond), BeforeID: "p05", Limit: 100},
			all[5:]},
		"card":     {processor.PaymentQuery{Card: "c1", Limit: 5}, pick(5, func(p payment.Payment) bool { return p.Card == "c1" })},
		"all":      {processor.PaymentQuery{All: true, Limit: 100}, all},
		"all from": {processor.PaymentQuery{All: true, From: noon.Add(2 * time.Microsecond), Limit: 100}, all[:6]},
		"all within": {processor.PaymentQuery{All: true, From: noon.Add(time.Microsecond), Before: noon.Add(2 * time.Microsecond), Limit: 100},
			all[6:8]},
		"all, oldest first": {processor.PaymentQuery{All: true, Oldest: true, Limit: 100}, reversed(all)},
		"oldest first, from an id": {processor.PaymentQuery{Payee: "shop", Oldest: true, From: all[5].InstructedAt, AfterID: all[5].ID, Limit: 3},
			reversed(all[:5])[:3]},
		"oldest first, until": {processor.PaymentQuery{All: true, Oldest: true, Before: noon.Add(2 * time.Microsecond), Limit: 2}, reversed(all[6:])[:2]},
		"card, oldest first":  {processor.PaymentQuery{Card: "c1", Oldest: true, Limit: 100}, reversed(pick(100, func(p payment.Payment) bool { return p.Card == "c1" }))},
		"another card":        {processor.PaymentQuery{Card: "c3", Limit: 100}, nil},
		"another payee":       {processor.PaymentQuery{Payee: "none", Limit: 100}, nil},
	} {
		s.view(func(r processor.Reader) error {
			got, err := r.Payments(c.query)
			s.equal("payments by "+what, got, c.want)
			return err
		})
	}
	for _, q := range []processor.PaymentQuery{{Limit: 1}, {Payee: "shop", Initiator: "laptop", Limit: 1},
		{Approver: "phone1", Initiator: "laptop", Limit: 1}, {Card: "c1", Payee: "shop", Limit: 1}, {All: true, Card: "c1", Limit: 1}} {
		s.view(func(r processor.Reader) error {
			if got, err := r.Payments(q); err == nil {
				s.Errorf("Payments(%+v) = %d payments, want an error: exactly one selector", q, len(got))
			}
			return nil
		})
	}
}

// reversed is a list the other way round.
func reversed[T any](list []T) []T {
	out := slices.Clone(list)
	slices.Reverse(out)
	return out
}

func (s *suite) paymentsInPages() {
	all := s.manyPayments()
	for limit := 1; limit <= len(all)+1; limit++ {
		var got []payment.Payment
		q := processor.PaymentQuery{Payee: "shop", Limit: limit}
		for {
			var page []payment.Payment
			s.view(func(r processor.Reader) (err error) {
				page, err = r.Payments(q)
				return err
			})
			if len(page) > limit {
				s.Fatalf("a page of %d has %d payments", limit, len(page))
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			last := page[len(page)-1]
			q.Before, q.BeforeID = last.InstructedAt, last.ID
		}
		s.equal(fmt.Sprintf("payments in pages of %d", limit), got, all)
	}
}

func (s *suite) duePayments() {
	s.save(world())
	var ps []payment.Payment
	for i, after := range []time.Duration{3, 1, 2, 1} {
		p := openPayment(payment.ID(fmt.Sprintf("p%d", i)))
		p.Deadline = noon.Add(after * time.Second)
		ps = append(ps, p)
	}
	ended := stepped(openPayment("p9"), payment.Cancel)
	ended.Deadline = noon
	s.save(processor.Changes{New: processor.Rows{Payments: append(ps, ended)}})
	for _, c := range []struct {
		now   time.Time
		limit int
		want  []payment.ID
	}{
		{noon.Add(time.Second - 1), 10, nil},
		{noon.Add(time.Second), 10, []payment.ID{"p1", "p3"}},
		{noon.Add(time.Hour), 3, []payment.ID{"p1", "p3", "p2"}},
		{noon.Add(time.Hour), 10, []payment.ID{"p1", "p3", "p2", "p0"}},
	} {
		s.view(func(r processor.Reader) error {
			got, err := r.Due(c.now, c.limit)
			s.equal(fmt.Sprintf("due at %v", c.now), got.Payments, c.want)
			return err
		})
	}
}

func event(subject string, to ...processor.Principal) processor.Event {
	return processor.Event{Type: "payment.changed", Subject: subject, State: "settled", Version: 3, To: to, At: noon}
}

// told returns what Events lists, without numbers, after checking that these rise.
func (s *suite) told(after int64, limit int, to ...processor.Principal) (subjects []string, next int64) {
	s.Helper()
	s.view(func(r processor.Reader) error {
		events, n, err := r.Events(after, limit, to...)
		next = n
		for _, e := range events {
			if e.Seq <= after {
				s.Errorf("event %s has number %d, want more than %d", e.Subject, e.Seq, after)
			}
			after = e.Seq
			subjects = append(subjects, e.Subject)
		}
		return err
	})
	return subjects, next
}

func (s *suite) eventsInOrder() {
	for i := range 5 {
		s.save(processor.Changes{Events: []processor.Event{event(fmt.Sprint(i, "a"), "p"), event(fmt.Sprint(i, "b"), "p")}})
	}
	got, next := s.told(0, 100, "p")
	s.equal("events", got, []string{"0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b"})
	if again, same := s.told(next, 100, "p"); again != nil || same != next {
		s.Errorf("Events after the last = %v, %d; want none, %d", again, same, next)
	}
	var pages []string
	for after := int64(0); ; {
		got, next := s.told(after, 3, "p")
		if len(got) == 0 {
			break
		}
		pages, after = append(pages, got...), next
	}
	s.equal("events in pages of 3", pages, got)
	s.view(func(r processor.Reader) error {
		events, _, err := r.Events(0, 1, "p")
		want := event("0a", "p")
		if len(events) == 1 {
			want.Seq = events[0].Seq
		}
		s.equal("event", events, []processor.Event{want})
		return err
	})
}

func (s *suite) eventsForPrincipals() {
	s.save(processor.Changes{Events: []processor.Event{
		event("1", "a", "b"), event("2", "b"), event("3", "a"), event("4", "c", "a", "c"), event("5"), event("6", "c")}})
	all, newest := s.told(0, 10, "a", "b", "c")
	s.equal("events for a, b and c", all, []string{"1", "2", "3", "4", "6"})
	for what, c := range map[string]struct {
		limit int
		to    []processor.Principal
		want  []string
		last  bool // whether next is the newest event's number
	}{
		"a":           {10, []processor.Principal{"a"}, []string{"1", "3", "4"}, true},
		"a and b":     {10, []processor.Principal{"a", "b"}, []string{"1", "2", "3", "4"}, true},
		"a and b, 2":  {2, []processor.Principal{"a", "b"}, []string{"1", "2"}, false},
		"nobody":      {10, []processor.Principal{"d"}, nil, true},
		"no one":      {10, nil, nil, true},
		"a and a":     {10, []processor.Principal{"a", "a"}, []string{"1", "3", "4"}, true},
		"c, exactly":  {2, []processor.Principal{"c"}, []string{"4", "6"}, true},
		"a, no limit": {1000, []processor.Principal{"a"}, []string{"1", "3", "4"}, true},
	} {
		got, next := s.told(0, c.limit, c.to...)
		s.equal("events for "+what, got, c.want)
		if (next == newest) != c.last {
			s.Errorf("events for %s: next = %d, the newest is %d", what, next, newest)
		}
	}
}

func (s *suite) waitWakes() {
	start, err := s.store.Wait(s.soon(), -1)
	if err != nil || start != 0 {
		s.Fatalf("Wait(-1) with no event = %d, %v; want 0 at once", start, err)
	}
	woken := make(chan int64)
	for range 3 {
		go func() {
			n, err := s.store.Wait(s.soon(), start)
			if err != nil {
				s.Error(err)
			}
			woken <- n
		}()
	}
	s.save(processor.Changes{Events: []processor.Event{event("1", "p"), event("2", "p")}})
	_, next := s.told(0, 10, "p")
	for range 3 {
		if n := <-woken; n != next {
			s.Errorf("Wait(%d) = %d, want %d", start, n, next)
		}
	}
	if n, err := s.store.Wait(s.soon(), start); n != next || err != nil {
		s.Errorf("Wait(%d) after the event = %d, %v; want %d at once", start, n, err, next)
	}
}

func (s *suite) waitEnds() {
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Millisecond)
	defer cancel()
	if n, err := s.store.Wait(ctx, 0); n != 0 || err != nil {
		s.Errorf("Wait whose context ends = %d, %v; want 0 without error", n, err)
	}
	if n, err := s.store.Wait(ctx, 0); n != 0 || err != nil {
		s.Errorf("Wait whose context has ended = %d, %v; want 0 without error", n, err)
	}
}

func (s *suite) entriesOfAccount() {
	s.save(world())
	pay := func(debit, credit ledger.AccountID) ledger.Posting {
		return ledger.Posting{Debit: debit, Credit: credit, Amount: cny(1)}
	}
	e := []ledger.Entry{
		entry("e0", noon, pay("card1", "shop1")),
		entry("e1", noon.Add(1*time.Second), pay("shop1", "card1"), pay("card1", "shop1"), pay("issuance", "card1")),
		entry("e2", noon.Add(2*time.Second), pay("card2", "shop1")),
		entry("e3", noon.Add(3*time.Second), pay("shop1", "card1")),
	}
	e[0].Action, e[2].Action = ledger.Hold, ledger.Release
	s.save(processor.Changes{Entries: e})
	day := noon.Add(24 * time.Hour)
	for _, c := range []struct {
		account     ledger.AccountID
		from, until time.Time
		limit       int
		want        []ledger.Entry
	}{
		{"shop1", noon, day, 10, e},
		{"card1", noon, day, 10, []ledger.Entry{e[0], e[1], e[3]}},
		{"card1", noon, day, 2, []ledger.Entry{e[0], e[1]}},
		{"card2", noon, day, 10, []ledger.Entry{e[2]}},
		{"shop1", noon.Add(time.Second), noon.Add(3 * time.Second), 10, e[1:3]},
		{"shop1", noon.Add(time.Second), noon.Add(3 * time.Second), 1, e[1:2]},
		{"shop1", day, noon, 10, nil},
		{"none", noon, day, 10, nil},
		{"issuance", noon, day, 1, e[1:2]},
	} {
		s.view(func(r processor.Reader) error {
			got, err := r.Entries(c.account, c.from, c.until, c.limit)
			s.equal(fmt.Sprintf("Entries(%s, %v, %v, %d)", c.account, c.from, c.until, c.limit), got, c.want)
			return err
		})
	}
}

func (s *suite) entriesOfOneTime() {
	s.save(world())
	var all []ledger.Entry
	for i := range 12 {
		all = append(all, entry(ledger.EntryID(fmt.Sprint("e", i)), noon.Add(time.Duration(i/5)*time.Microsecond),
			ledger.Posting{Debit: "card1", Credit: "shop1", Amount: cny(1)}))
	}
	s.save(processor.Changes{Entries: all})
	for limit := 1; limit < 14; limit++ {
		var got []ledger.Entry
		from := noon
		for {
			var page []ledger.Entry
			s.view(func(r processor.Reader) (err error) {
				page, err = r.Entries("shop1", from, noon.Add(time.Hour), limit)
				return err
			})
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			from = page[len(page)-1].At.Add(time.Microsecond)
		}
		s.equal(fmt.Sprintf("entries, %d at a time", limit), got, all)
	}
}

func (s *suite) listsForOperators() {
	c := everything()
	for i := range 4 {
		c.New.Audit = append(c.New.Audit, processor.Audit{Operator: "op", Action: "freeze", Subject: fmt.Sprint("c", i), Note: "n", At: noon})
	}
	const told = processor.OperatorsPrincipal
	c.Events = append(c.Events, event("1", told), event("2", "a"), event("3", "a", told), event("4", told))
	s.save(c)
	sort := sorted(c.New)
	for table, want := range map[string]processor.Rows{
		"accounts": {Accounts: sort.Accounts}, "cards": {Cards: sort.Cards}, "devices": {Devices: sort.Devices},
		"operators": {Operators: sort.Operators}, "payees": {Payees: sort.Payees},
		"top_ups":      {TopUps: []processor.HeldTopUp{sort.TopUps[0], sort.TopUps[2]}},
		"payout_files": {PayoutFiles: sort.PayoutFiles},
		"closed_days":  {ClosedDays: []processor.ClosedDay{sort.ClosedDays[1], sort.ClosedDays[0]}},
		"events":       {Events: []processor.Event{event("4", told), event("3", "a", told), event("1", told)}},
		"audit":        {Audit: []processor.Audit{c.New.Audit[3], c.New.Audit[2], c.New.Audit[1], c.New.Audit[0]}},
	} {
		for limit := 1; limit < 7; limit++ {
			got := s.listed(table, limit)
			for i := range got.Audit {
				got.Audit[i].Seq = 0
			}
			for i := range got.Events {
				got.Events[i].Seq = 0
			}
			s.equal(fmt.Sprintf("list of %s, %d at a time", table, limit), got, want)
		}
	}
	s.view(func(r processor.Reader) error {
		if _, err := r.List(processor.ListQuery{Table: "payments; DROP TABLE payments", Limit: 1}); err == nil {
			s.Error("a list of an unknown table gave no error")
		}
		return nil
	})
}

// unusedAccounts fails unless the list has the accounts that ledger.Account.LastPaid says.
func (s *suite) unusedAccounts() {
	c := world()
	c.New.Cards[0].CreatedAt, c.New.Cards[1].CreatedAt = noon.AddDate(-2, 0, 0), noon.AddDate(-2, 0, 0)
	day := time.Date(2026, 3, 17, 0, 0, 0, 0, time.UTC)
	for i, t := range []ledger.Turnover{
		{}, {Day: day}, {Day: day, DayCount: 1, DaySum: 7, MonthCount: 1, MonthSum: 7},
		{Day: day, MonthCount: 1, MonthSum: 7}, {Day: day, DayCount: 1, DaySum: 3, MonthCount: 2, MonthSum: 10},
	} {
		for _, held := range []int64{0, 3, 7, 10} {
			c.New.Accounts = append(c.New.Accounts,
				ledger.Account{ID: ledger.AccountID(fmt.Sprintf("c-%d-%d", i, held)), Kind: ledger.CardAccount, Currency: "CNY",
					CreditsPosted: 100, DebitsPending: held, Turnover: t},
				ledger.Account{ID: ledger.AccountID(fmt.Sprintf("p-%d-%d", i, held)), Kind: ledger.PayeeAccount, Currency: "CNY",
					CreditsPosted: 100, CreditsPending: held, DebitsPending: 10 - held, Turnover: t})
		}
	}
	s.save(c)
	month := time.Date(day.Year(), day.Month(), 1, 0, 0, 0, 0, time.UTC)
	for _, since := range []time.Time{
		day.AddDate(-1, 0, 0), month.Add(-time.Microsecond), month, month.Add(time.Microsecond), day.Add(-time.Microsecond), day, noon, day.AddDate(0, 2, 0),
	} {
		var got, want []ledger.AccountID
		s.view(func(r processor.Reader) error {
			rows, err := r.List(processor.ListQuery{Table: "accounts", Limit: 200, UnusedSince: since})
			for _, a := range rows.Accounts {
				got = append(got, a.ID)
			}
			return err
		})
		for _, a := range sorted(c.New).Accounts {
			if a.Kind != ledger.Issuance && !a.LastPaid().After(since) {
				want = append(want, a.ID)
			}
		}
		s.equal(fmt.Sprint("accounts unused since ", since), got, want)
	}
	s.view(func(r processor.Reader) error {
		rows, err := r.List(processor.ListQuery{Table: "accounts", Limit: 200, UnusedSince: noon.AddDate(-2, 0, 0).Add(-time.Microsecond)})
		for _, a := range rows.Accounts {
			if a.ID == "card1" || a.ID == "card2" {
				s.Errorf("%s is listed, and its card was issued later", a.ID)
			}
		}
		return err
	})
}

// listed reads a whole list in pages.
func (s *suite) listed(table string, limit int) (all processor.Rows) {
	q := processor.ListQuery{Table: table, Limit: limit}
	for {
		var page processor.Rows
		s.view(func(r processor.Reader) (err error) {
			page, err = r.List(q)
			return err
		})
		all.Accounts, all.Audit = append(all.Accounts, page.Accounts...), append(all.Audit, page.Audit...)
		all.Cards, all.Devices = append(all.Cards, page.Cards...), append(all.Devices, page.Devices...)
		all.TopUps, all.PayoutFiles = append(all.TopUps, page.TopUps...), append(all.PayoutFiles, page.PayoutFiles...)
		all.Events, all.ClosedDays = append(all.Events, page.Events...), append(all.ClosedDays, page.ClosedDays...)
		all.Operators, all.Payees = append(all.Operators, page.Operators...), append(all.Payees, page.Payees...)
		switch {
		case len(page.Accounts) > 0:
			q.After = string(page.Accounts[len(page.Accounts)-1].ID)
		case len(page.Audit) > 0:
			q.After = strconv.FormatInt(page.Audit[len(page.Audit)-1].Seq, 10)
		case len(page.ClosedDays) > 0:
			q.After = page.ClosedDays[len(page.ClosedDays)-1].Day
		case len(page.TopUps) > 0:
			q.After = page.TopUps[len(page.TopUps)-1].ID
		case len(page.PayoutFiles) > 0:
			q.After = string(page.PayoutFiles[len(page.PayoutFiles)-1].ID)
		case len(page.Events) > 0:
			q.After = strconv.FormatInt(page.Events[len(page.Events)-1].Seq, 10)
		case len(page.Cards) > 0:
			q.After = string(page.Cards[len(page.Cards)-1].ID)
		case len(page.Devices) > 0:
			q.After = string(page.Devices[len(page.Devices)-1].ID)
		case len(page.Operators) > 0:
			q.After = string(page.Operators[len(page.Operators)-1].ID)
		case len(page.Payees) > 0:
			q.After = string(page.Payees[len(page.Payees)-1].Handle)
		default:
			return all
		}
	}
}

func (s *suite) listsNeedLimit() {
	s.view(func(r processor.Reader) error {
		for what, list := range map[string]func() error{
			"Payments": func() error { _, err := r.Payments(processor.PaymentQuery{Payee: "shop"}); return err },
			"Orders":   func() error { _, err := r.Orders(processor.OrderQuery{Payee: "shop"}); return err },
			"Due":      func() error { _, err := r.Due(noon, 0); return err },
			"Events":   func() error { _, _, err := r.Events(0, -1, "a"); return err },
			"Entries":  func() error { _, err := r.Entries("shop1", noon, noon, 0); return err },
			"List":     func() error { _, err := r.List(processor.ListQuery{Table: "cards"}); return err },
		} {
			if list() == nil {
				s.Errorf("%s without a limit gave no error", what)
			}
		}
		return nil
	})
}
