package storetest

import (
	"errors"
	"fmt"
	"time"

	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

// refused fails unless a change is refused with an error that is neither ErrConflict nor ErrUnavailable: what breaks a
// rule is nobody's bad luck.
func (s *suite) refused(what string, c processor.Changes) {
	s.Helper()
	err := s.trySave(c)
	if err == nil || errors.Is(err, processor.ErrConflict) || errors.Is(err, processor.ErrUnavailable) {
		s.Errorf("%s: Save = %v, want an error that is neither ErrConflict nor ErrUnavailable", what, err)
	}
}

func (s *suite) overdrafts() {
	s.save(world())
	for _, a := range []ledger.Account{
		{ID: "card1", Kind: ledger.CardAccount, Currency: "CNY", CreditsPosted: 100, DebitsPosted: 101},
		{ID: "card1", Kind: ledger.CardAccount, Currency: "CNY", CreditsPosted: 100, DebitsPosted: 60, DebitsPending: 41},
		{ID: "shop1", Kind: ledger.PayeeAccount, Currency: "CNY", DebitsPosted: 1, CreditsPending: 5},
		{ID: "shop1", Kind: ledger.PayeeAccount, Currency: "CNY", CreditsPending: -1},
		{ID: "shop1", Kind: ledger.PayeeAccount, Currency: "CNY", CreditsPosted: ledger.MaxTotal + 1},
	} {
		s.refused(fmt.Sprintf("%+v", a), processor.Changes{Changed: processor.Rows{Accounts: []ledger.Account{a}}})
	}
	s.holds(worldWants(), world().New)
	s.save(processor.Changes{Changed: processor.Rows{Accounts: []ledger.Account{
		{ID: "card1", Kind: ledger.CardAccount, Currency: "CNY", CreditsPosted: 100, DebitsPosted: 60, DebitsPending: 40},
		{ID: "issuance", Kind: ledger.Issuance, Currency: "CNY", DebitsPosted: ledger.MaxTotal}}}})
}

func (s *suite) references() {
	s.save(world())
	change := func(f func(*payment.Payment)) processor.Changes {
		p := openPayment("p1")
		f(&p)
		return processor.Changes{New: processor.Rows{Payments: []payment.Payment{p}}}
	}
	strange := card(3)
	strange.Account = "none"
	instead, alive, itself := card(3), card(1), card(1)
	instead.Account, instead.Associated, instead.Replaces = "card1", "phone1", "none"
	alive.ReplacedBy = "c2"
	itself.State, itself.ReplacedBy = processor.CardClosed, "c1"
	unbound := card(3)
	unbound.Account, unbound.Associated = "card1", "none"
	alone := heldTopUp("t1") // confirmed by the one who asked for it
	alone.State, alone.DecidedBy, alone.DecidedAt = processor.TopUpConfirmed, "op", noon
	nobody := heldTopUp("t1")
	nobody.RequestedBy = "none"
	unclosed, unbalanced := closedDay("2026-01-01", "", 0, 0), closedDay("2026-01-01", "", 0, 0)
	unclosed.By, unbalanced.Totals[0].Closing = "none", 1
	second := processor.Operator{ID: "op2", CreatedAt: noon, EnrolledBy: "op", ConfirmedBy: "op", ConfirmedAt: noon}
	uncalled := processor.Operator{ID: "op2", CreatedAt: noon}
	signIn := func(o processor.SignInOwner) processor.Changes {
		return processor.Changes{New: processor.Rows{SignIns: []processor.SignIn{{ID: "in9", Owner: o, CreatedAt: noon}}}}
	}
	for what, c := range map[string]processor.Changes{
		"operator confirmed by one":     {New: processor.Rows{Operators: []processor.Operator{second}}},
		"operator whom nobody enrolled": {New: processor.Rows{Operators: []processor.Operator{uncalled}}},
		"sign-in's operator":            signIn(processor.SignInOwner{Operator: "none"}),
		"sign-in's API key":             signIn(processor.SignInOwner{APIKey: "none"}),
		"sign-in of nobody":             signIn(processor.SignInOwner{}),
		"sign-in of two":                signIn(processor.SignInOwner{Operator: "op", APIKey: "1.aaa"}),
		"top-up by one operator":        {New: processor.Rows{TopUps: []processor.HeldTopUp{alone}}},
		"closed day's operator":         {New: processor.Rows{ClosedDays: []processor.ClosedDay{unclosed}}},
		"closed day's totals":           {New: processor.Rows{ClosedDays: []processor.ClosedDay{unbalanced}}},
		"closed day before":             {New: processor.Rows{ClosedDays: []processor.ClosedDay{closedDay("2026-01-01", "2026-01-02", 0, 0)}}},
		"top-up's operator":             {New: processor.Rows{TopUps: []processor.HeldTopUp{nobody}}},
		"payment's card":                change(func(p *payment.Payment) { p.Card = "none" }),
		"payment's card account":        change(func(p *payment.Payment) { p.CardAccount = "none" }),
		"payment's payee":               change(func(p *payment.Payment) { p.PayeeHandle = "none" }),
		"payment's payee account":       change(func(p *payment.Payment) { p.PayeeAccount = "none" }),
		"payment's initiator":           change(func(p *payment.Payment) { p.Initiator = "none" }),
		"payment's associated device":   change(func(p *payment.Payment) { p.Associated = "none" }),
		"payee's account":               {New: processor.Rows{Payees: []processor.Payee{{Handle: "x", Account: "none", Currency: "CNY"}}}},
		"alias's payee":                 {New: processor.Rows{Aliases: []processor.Alias{{Alias: "x", Payee: "none"}}}},
		"alias of itself":               {New: processor.Rows{Aliases: []processor.Alias{{Alias: "shop", Payee: "shop"}}}},
		"API key's payee":               {New: processor.Rows{APIKeys: []processor.APIKey{{ID: "x", MAC: "x", Payee: "none"}}}},
		"card's account":                {New: processor.Rows{Cards: []processor.Card{strange}}},
		"card's associated device":      {New: processor.Rows{Cards: []processor.Card{unbound}}},
		"card that is replaced":         {New: processor.Rows{Cards: []processor.Card{instead}}},
		"replaced card that is active":  {Changed: processor.Rows{Cards: []processor.Card{alive}}},
		"card replaced by itself":       {Changed: processor.Rows{Cards: []processor.Card{itself}}},
		"binding's card":                {New: processor.Rows{Bindings: []processor.Binding{{Card: "none", Device: "laptop"}}}},
		"binding's device":              {New: processor.Rows{Bindings: []processor.Binding{{Card: "c1", Device: "none"}}}},
		"wake-up's device":              {New: processor.Rows{WakeUps: []processor.WakeUp{wakeUp("none", processor.WakeApprove)}}},
		"webhook's payee":               {New: processor.Rows{Webhooks: []processor.Webhook{{ID: "x", Payee: "none", URL: "https://x.example", Keys: []byte{1}, State: "enabled", CreatedAt: noon}}}},
		"delivery's endpoint":           {New: processor.Rows{Deliveries: []processor.Delivery{delivery("d9", "none", 1)}}},
		"tap challenge's device":        {New: processor.Rows{Challenges: []processor.TapChallenge{challenge("none", "t1")}}},
		"evidence's payment":            {New: processor.Rows{Evidence: []processor.Evidence{{Payment: "none", Role: "first", Device: "laptop", JWS: "x", At: noon}}}},
		"audit record's operator":       {New: processor.Rows{Audit: []processor.Audit{{Operator: "none", Action: "x", At: noon}}}},
		"posting's account":             {Entries: []ledger.Entry{entry("x", noon, ledger.Posting{Debit: "card1", Credit: "none", Amount: cny(1)})}},
		"posting with the same on both": {Entries: []ledger.Entry{entry("x", noon, ledger.Posting{Debit: "card1", Credit: "card1", Amount: cny(1)})}},
		"posting of nothing":            {Entries: []ledger.Entry{entry("x", noon, ledger.Posting{Debit: "card1", Credit: "shop1", Amount: cny(0)})}},
		"posting in no currency":        {Entries: []ledger.Entry{entry("x", noon, ledger.Posting{Debit: "card1", Credit: "shop1", Amount: payment.Payment{}.Amount})}},
	} {
		s.refused(what, c)
	}
	s.holds(worldWants(), world().New)
}

func entry(id ledger.EntryID, at time.Time, postings ...ledger.Posting) ledger.Entry {
	return ledger.Entry{ID: id, Action: ledger.Post, Reference: "test", Postings: postings, At: at}
}

func (s *suite) impossiblePayments() {
	s.save(world())
	settled := stepped(openPayment("p1"), payment.Authenticate, payment.Confirm, payment.Approve)
	rehearsed := stepped(rehearsal("p1"), payment.Authenticate, payment.Confirm, payment.Approve)
	held := stepped(openPayment("p1"), payment.Authenticate, payment.Confirm)
	for what, change := range map[string]func() payment.Payment{
		"decoy settled": func() payment.Payment {
			p := settled
			p.Card, p.CardAccount, p.Associated = "", "", ""
			return p
		},
		"decoy confirmed": func() payment.Payment {
			p := decoy("p1")
			p.State, p.AuthenticatedAt = payment.ConfirmationRequired, noon
			return p
		},
		"card without account":             func() payment.Payment { p := openPayment("p1"); p.CardAccount = ""; return p },
		"card without associated device":   func() payment.Payment { p := openPayment("p1"); p.Associated = ""; return p },
		"unknown state":                    func() payment.Payment { p := openPayment("p1"); p.State = "paid"; return p },
		"no state":                         func() payment.Payment { p := openPayment("p1"); p.State = ""; return p },
		"settled but not ended":            func() payment.Payment { p := settled; p.EndedAt = time.Time{}; return p },
		"open but ended":                   func() payment.Payment { p := openPayment("p1"); p.EndedAt = noon; return p },
		"open without deadline":            func() payment.Payment { p := openPayment("p1"); p.Deadline = time.Time{}; return p },
		"held without confirmation":        func() payment.Payment { p := held; p.ConfirmedAt = time.Time{}; return p },
		"settled without authentication":   func() payment.Payment { p := settled; p.AuthenticatedAt = time.Time{}; return p },
		"settled without confirmation":     func() payment.Payment { p := settled; p.ConfirmedAt = time.Time{}; return p },
		"settled without approval":         func() payment.Payment { p := settled; p.ApprovedAt = time.Time{}; return p },
		"settled for a reason":             func() payment.Payment { p := settled; p.Reason = payment.NotMe; return p },
		"rehearsal settled":                func() payment.Payment { p := rehearsed; p.State = payment.Settled; return p },
		"payment rehearsed":                func() payment.Payment { p := settled; p.State = payment.Rehearsed; return p },
		"rehearsed but not ended":          func() payment.Payment { p := rehearsed; p.EndedAt = time.Time{}; return p },
		"rehearsed without authentication": func() payment.Payment { p := rehearsed; p.AuthenticatedAt = time.Time{}; return p },
		"rehearsed without confirmation":   func() payment.Payment { p := rehearsed; p.ConfirmedAt = time.Time{}; return p },
		"rehearsed without approval":       func() payment.Payment { p := rehearsed; p.ApprovedAt = time.Time{}; return p },
		"rehearsed for a reason":           func() payment.Payment { p := rehearsed; p.Reason = payment.NotMe; return p },
		"decoy rehearsed": func() payment.Payment {
			p := rehearsed
			p.Card, p.CardAccount, p.Associated = "", "", ""
			return p
		},
		"no amount":    func() payment.Payment { p := openPayment("p1"); p.Amount.Minor = 0; return p },
		"no currency":  func() payment.Payment { p := openPayment("p1"); p.Amount.Currency = ""; return p },
		"no level":     func() payment.Payment { p := openPayment("p1"); p.Level = 0; return p },
		"no assurance": func() payment.Payment { p := openPayment("p1"); p.Assurance = ""; return p },
		"no version":   func() payment.Payment { p := openPayment("p1"); p.Version = 0; return p },
	} {
		s.refused(what, processor.Changes{New: processor.Rows{Payments: []payment.Payment{change()}}})
	}
	s.save(processor.Changes{New: processor.Rows{Payments: []payment.Payment{settled}}})
	rehearsed.ID = "p2"
	s.save(processor.Changes{New: processor.Rows{Payments: []payment.Payment{rehearsed}}})
}

// impossibleUndoing tries payments that could be undone for another time than they may, or without all they need.
func (s *suite) impossibleUndoing() {
	s.save(world())
	settled := stepped(openPayment("p1"), payment.Authenticate, payment.Confirm, payment.Approve)
	undoable := stepped(undo(openPayment("p1")), payment.Authenticate, payment.Confirm, payment.Approve)
	for what, change := range map[string]func() payment.Payment{
		"undoable for longer than is allowed": func() payment.Payment { p := openPayment("p1"); p.Undo = payment.MaxUndo + time.Second; return p },
		"undoable though it never is":         func() payment.Payment { p := undoable; p.Undo = 0; return p },
		"undoable for less than its time":     func() payment.Payment { p := undoable; p.Deadline = p.Deadline.Add(-1000); return p },
		"undoable without a time":             func() payment.Payment { p := undoable; p.UndoableAt = time.Time{}; return p },
		"undoable without approval":           func() payment.Payment { p := undoable; p.ApprovedAt = time.Time{}; return p },
		"undoable but ended":                  func() payment.Payment { p := undoable; p.EndedAt = noon; return p },
		"undoable decoy": func() payment.Payment {
			p := undoable
			p.Card, p.CardAccount, p.Associated = "", "", ""
			return p
		},
		"settled while it can be undone": func() payment.Payment {
			p := stepped(undoable, payment.Settle)
			p.EndedAt = p.EndedAt.Add(-1000)
			return p
		},
		"settled though it never was undoable": func() payment.Payment { p := settled; p.Undo = time.Minute; return p },
	} {
		s.refused(what, processor.Changes{New: processor.Rows{Payments: []payment.Payment{change()}}})
	}
	s.save(processor.Changes{New: processor.Rows{Payments: []payment.Payment{stepped(undoable, payment.Settle)}}})
}

// impossibleCards tries cards that would pay though they were lost or stopped, and wrong counts of their passkeys.
func (s *suite) impossibleCards() {
	s.save(world())
	stopped := s.load(processor.Wants{Cards: []payment.CardID{"c1"}}).Cards[0]
	for what, change := range map[string]func(*processor.Card){
		"active though lost":      func(c *processor.Card) { c.State, c.FrozenByOperator = processor.CardActive, false },
		"active though stopped":   func(c *processor.Card) { c.State, c.LostAt = processor.CardActive, time.Time{} },
		"new and lost":            func(c *processor.Card) { c.State, c.FrozenByOperator = processor.CardIssued, false },
		"alive though replaced":   func(c *processor.Card) { c.ReplacedBy = "c2" },
		"replaced by itself":      func(c *processor.Card) { c.State, c.ReplacedBy = processor.CardClosed, c.ID },
		"less than no passkeys":   func(c *processor.Card) { c.Passkeys = -1 },
		"a counter past its end":  func(c *processor.Card) { c.SUNCounter = 1 << 24 },
		"in no state":             func(c *processor.Card) { c.State = "" },
		"a level that is unknown": func(c *processor.Card) { c.Level = 5 },
	} {
		c := stopped
		change(&c)
		s.refused(what, processor.Changes{Changed: processor.Rows{Cards: []processor.Card{c}}})
	}
	stopped.State, stopped.FrozenByOperator, stopped.LostAt = processor.CardActive, false, time.Time{}
	s.save(processor.Changes{Changed: processor.Rows{Cards: []processor.Card{stopped}}})
}

func (s *suite) evidenceStays() {
	c := everything()
	s.save(c)
	s.refused("changed evidence", processor.Changes{Changed: processor.Rows{Evidence: c.New.Evidence[:1]}})
	s.refused("changed refund", processor.Changes{Changed: processor.Rows{Refunds: c.New.Refunds[:1]}})
	s.refused("changed audit record", processor.Changes{Changed: processor.Rows{
		Audit: []processor.Audit{{Seq: 1, Operator: "op", Action: "x", At: noon}}}})
	s.holds(everythingWants(), c.New)
}
