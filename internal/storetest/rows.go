package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"tapline/ledger"
	"tapline/order"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

func (s *suite) rowsComeBack() {
	c := everything()
	s.save(c)
	s.holds(everythingWants(), c.New)
	for _, p := range s.load(everythingWants()).Payments {
		if p.InstructedAt.Location() != time.UTC || !p.ApprovedAt.IsZero() && p.ApprovedAt.Location() != time.UTC {
			s.Errorf("times of payment %s are not in UTC", p.ID)
		}
	}
}

func (s *suite) changesComeBack() {
	c := everything()
	s.save(c)
	r := &c.New
	later := noon.Add(24 * time.Hour)
	// Every field that may change, of one row of each table.
	r.Accounts[1].DebitsPending, r.Accounts[1].CreditsPending = 1, 2
	r.Accounts[1].DebitsPosted, r.Accounts[1].CreditsPosted = 3, 100_004
	r.Accounts[1].Limits, r.Accounts[1].Turnover = ledger.Limits{}, ledger.Turnover{Day: later, DayCount: 4, DaySum: 5, MonthCount: 6, MonthSum: 7}
	r.Devices[0].Label, r.Devices[0].UsedAt, r.Devices[0].RevokedAt, r.Devices[0].Push = "Old", noon, later, processor.PushSubscription{}
	r.WakeUps[0].Until, r.WakeUps[0].NextAt, r.WakeUps[0].Attempts, r.WakeUps[0].Version = later, later, 0, 8
	r.Webhooks[0] = processor.Webhook{ID: "e1", Payee: "shop", URL: "https://new.example/", Types: []string{"x.y"}, Keys: []byte{9},
		State: processor.WebhookDisabled, Why: processor.WhyFailing, Told: 99, CreatedBy: r.Webhooks[0].CreatedBy, CreatedAt: noon}
	r.Deliveries[0].State, r.Deliveries[0].NextAt, r.Deliveries[0].Attempts, r.Deliveries[0].TriedAt = processor.DeliveryFailed, time.Time{}, 10, later
	r.Deliveries[0].Failure, r.Deliveries[0].Status, r.Deliveries[0].Answer, r.Deliveries[0].Millis = "status", 500, "oh — 哦", 14_999
	r.Mails[0].Address, r.Mails[0].Facts, r.Mails[0].State, r.Mails[0].NextAt = "", processor.MailFacts{}, processor.MailFailed, time.Time{}
	r.Mails[0].Attempts, r.Mails[0].TriedAt, r.Mails[0].Failure, r.Mails[0].Status = 3, later, "refused", 550
	r.MailChanges[0] = processor.MailChange{Account: "card1"}
	r.Payees[0].Name, r.Payees[0].Closed, r.Payees[0].Rehearsals = "New name", true, true
	r.Payees[0].Kind, r.Payees[0].Further = processor.Person, []processor.PayeeAccount{{Currency: "CNY", Account: "shop1", Until: later}, {Currency: "JPY", Account: "blank"}}
	r.Aliases[0].RemovedAt = later
	r.Tariffs[0] = processor.Tariff{TariffID: r.Tariffs[0].TariffID, Tariff: payment.Tariff{Points: 1, Fixed: 2, Least: 3, Most: 4, Bearer: payment.PayerBears},
		Removed: true, ChangedAt: later}
	r.APIKeys[0].RevokedAt, r.APIKeys[0].ExpiresAt, r.APIKeys[0].UsedAt, r.APIKeys[0].ReplacedBy = later, noon, later, "k9"
	r.Operators[0].Name = "Beth"
	r.TopUps[0].State, r.TopUps[0].DecidedBy, r.TopUps[0].DecidedAt = processor.TopUpRejected, "op", later
	frozen := processor.Card{ID: "c1", Key: r.Cards[0].Key, Last4: "0012", Account: "card1", Currency: "CNY", CreatedAt: noon,
		State: processor.CardFrozen, Label: "Blue", SUNVersion: r.Cards[0].SUNVersion, SUNCounter: 7,
		Mail:  processor.CardMail{Address: "other", Language: "en", Since: later},
		Rules: payment.Rules{Limits: ledger.Limits{DaySum: 9}, Night: payment.Night{From: 1, Until: 2, Zone: "UTC"}, KnownPayees: 3}}
	r.Cards[0] = frozen
	r.Cards[1].State, r.Cards[1].ReplacedBy = processor.CardClosed, "c3"
	r.Bindings[0].BoundAt, r.Bindings[0].RemovedAt = later, later
	r.Tries[0].Used, r.Tries[0].PausedUntil, r.Tries[0].Locked = 5, time.Time{}, true
	r.Passkeys[0].Counter, r.Passkeys[0].Label, r.Passkeys[0].UsedAt, r.Passkeys[0].RemovedAt = 0, "New", noon, later
	r.Cards[0].Passkeys = 0
	r.SignIns[0].Counter, r.SignIns[0].Label, r.SignIns[0].UsedAt, r.SignIns[0].RemovedAt = 0, "New", noon, later
	r.Operators[2].ConfirmedBy, r.Operators[2].ConfirmedAt, r.Operators[2].RemovedAt = "op2", later, later
	r.Payments[0] = stepped(r.Payments[0], payment.Authenticate, payment.Confirm)
	r.Keys[1].Digest, r.Keys[1].Status, r.Keys[1].Answer, r.Keys[1].At, r.Keys[1].KeepTill = "f", 409, []byte("sealed"), later, later
	r.Challenges[0].UsedAt = later
	r.Templates[0].Version, r.Templates[0].DisabledAt = 2, later
	r.Orders[0].State, r.Orders[0].Payment, r.Orders[0].Version, r.Orders[0].EndedAt = order.Paid, "p1", 7, later
	r.Payouts[0].State, r.Payouts[0].Version, r.Payouts[0].ConfirmedAt, r.Payouts[0].EndedAt = payout.Returned, 9, noon, later
	r.Payouts[0].ApprovedBy, r.Payouts[0].ReturnedBy = "operator:x", "operator:y"
	r.Payouts[2].State, r.Payouts[2].File, r.Payouts[2].SentAt = payout.Sent, "f2", later
	r.PayoutPlans[0] = processor.PayoutPlan{PlanID: r.PayoutPlans[0].PlanID, To: r.PayoutPlans[0].Change.To, Version: 4}
	s.save(processor.Changes{Changed: processor.Rows{
		Payouts: []payout.Payout{r.Payouts[0], r.Payouts[2]}, PayoutPlans: r.PayoutPlans[:1],
		Challenges: r.Challenges[:1], Accounts: r.Accounts[1:2], Devices: r.Devices[:1], Payees: r.Payees[:1], APIKeys: r.APIKeys[:1], Aliases: r.Aliases[:1], Tariffs: r.Tariffs[:1],
		Operators: []processor.Operator{r.Operators[0], r.Operators[2]}, SignIns: r.SignIns[:1], Cards: r.Cards[:2], Bindings: r.Bindings[:1], Tries: r.Tries[:1], Passkeys: r.Passkeys[:1],
		TopUps: r.TopUps[:1], Payments: r.Payments[:1], Orders: r.Orders[:1], Templates: r.Templates[:1], Keys: r.Keys[1:2], WakeUps: r.WakeUps[:1], Webhooks: r.Webhooks[:1], Deliveries: r.Deliveries[:1],
		Mails: r.Mails[:1], MailChanges: r.MailChanges[:1],
	}})
	s.holds(everythingWants(), c.New)
}

// countsComeBack saves cards in the transaction that loaded them, which knows what has changed: of one what payments count,
// of the other something else as well.
func (s *suite) countsComeBack() {
	c := everything()
	s.save(c)
	err := s.store.Update(s.Context(), func(tx processor.Tx) error {
		r, err := tx.Load(processor.Wants{Cards: []payment.CardID{"c1", "c2"}})
		if err != nil {
			return err
		}
		for i := range r.Cards {
			card := &r.Cards[i]
			card.Tapped = processor.DaySum{Day: noon.Add(24 * time.Hour), Minor: 17}
			card.Identified = processor.DaySum{Day: noon.Add(48 * time.Hour), Minor: 18}
			card.ApprovalsSince, card.Approvals = noon.Add(time.Hour), 4
			if card.SUNVersion > 0 {
				card.SUNCounter -= 9
			}
			if card.ID == "c2" {
				card.Label, card.Associated = "Red", "laptop"
			}
			c.New.Cards[slices.IndexFunc(c.New.Cards, func(other processor.Card) bool { return other.ID == card.ID })] = *card
		}
		return tx.Save(processor.Changes{Changed: processor.Rows{Cards: r.Cards}})
	})
	if err != nil {
		s.Fatal(err)
	}
	s.holds(everythingWants(), c.New)
}

func (s *suite) termsStay() {
	s.save(world())
	p := openPayment("p1")
	s.save(processor.Changes{New: processor.Rows{Payments: []payment.Payment{p}}})
	q := stepped(p, payment.Authenticate)
	want := q
	q.OrderHash, q.PayBy = "x", noon
	q.Amount, q.CardAccount, q.PayeeAccount, q.Rehearsal = cny(999_99), "card2", "card2", true
	s.save(processor.Changes{Changed: processor.Rows{Payments: []payment.Payment{q}}})
	s.holds(processor.Wants{Payments: []payment.ID{"p1"}}, processor.Rows{Payments: []payment.Payment{want}})
}

func (s *suite) timesAreCut() {
	d := device("phone")
	d.CreatedAt = time.Date(2026, 3, 1, 20, 0, 0, 1_999, time.FixedZone("CST", 8*3600))
	s.save(processor.Changes{New: processor.Rows{Devices: []processor.Device{d}}})
	d.CreatedAt = time.Date(2026, 3, 1, 12, 0, 0, 1_000, time.UTC)
	got := s.load(processor.Wants{Devices: []payment.DeviceID{"phone"}})
	s.equal("device", got.Devices, []processor.Device{d})
	if len(got.Devices) == 1 && got.Devices[0].CreatedAt.Location() != time.UTC {
		s.Errorf("the time came back in %v, want UTC", got.Devices[0].CreatedAt.Location())
	}
}

func (s *suite) strangeText() {
	for _, text := range []string{"a\x00b", "\x00", "\xff", "a\xc3"} {
		labelled, named := device("phone"), device(payment.DeviceID(text))
		labelled.Label = text
		for _, d := range []processor.Device{labelled, named} {
			s.refused(fmt.Sprintf("%+q", text), processor.Changes{New: processor.Rows{Devices: []processor.Device{d}}})
		}
		s.holds(processor.Wants{Devices: []payment.DeviceID{"phone", payment.DeviceID(text)},
			Bindings: []processor.BindingID{{Card: "c1", Device: payment.DeviceID(text)}}}, processor.Rows{})
		s.view(func(r processor.Reader) error {
			payments, err := r.Payments(processor.PaymentQuery{Payee: "shop", BeforeID: payment.ID(text), Before: noon, Limit: 1})
			entries, entriesErr := r.Entries(ledger.AccountID(text), noon, noon, 1)
			listed, listedErr := r.List(processor.ListQuery{Table: "cards", After: text, Limit: 1})
			s.equal("what is listed by text that cannot be kept", []any{payments, entries, listed},
				[]any{[]payment.Payment(nil), []ledger.Entry(nil), processor.Rows{}})
			return errors.Join(err, entriesErr, listedErr)
		})
	}
}

// timeGoesOn fails unless transactions tell the time, and that at the moment when they are asked.
func (s *suite) timeGoesOn() {
	var told []time.Time
	ask := func(ask func() (time.Time, error)) error {
		for range 3 {
			now, err := ask()
			if err != nil {
				return err
			}
			told = append(told, now)
			began := time.Now()
			for time.Since(began) < time.Millisecond {
				runtime.Gosched()
			}
		}
		return nil
	}
	began := time.Now()
	s.view(func(r processor.Reader) error { return ask(r.Now) })
	if err := s.store.Update(s.Context(), func(tx processor.Tx) error { return ask(tx.Now) }); err != nil {
		s.Error(err)
	}
	// A database on another machine may have another time.
	const most = time.Minute
	for i, now := range told {
		if off := now.Sub(began); off < -most || off > most {
			s.Errorf("the time is said to be %v, and is %v", now, began)
		}
		if i > 0 && !now.After(told[i-1]) {
			s.Errorf("the time %v is not after %v, which was told before", now, told[i-1])
		}
	}
}

func (s *suite) absentRows() {
	w := everythingWants()
	w.ChallengesOf = []payment.DeviceID{"phone1"}
	w.OpenOf, w.BoundTo, w.CardKeys, w.AnyOf = []payment.CardID{"c1"}, []payment.CardID{"c1"}, []processor.CardKey{"1.key1"}, true
	s.holds(w, processor.Rows{})
	s.save(world())
	s.holds(processor.Wants{Devices: []payment.DeviceID{"none", "laptop", ""}},
		processor.Rows{Devices: []processor.Device{device("laptop")}})
	s.holds(processor.Wants{}, processor.Rows{})
}

func (s *suite) rowsComeOnce() {
	c := world()
	c.New.Payments = []payment.Payment{openPayment("p1")}
	s.save(c)
	s.holds(processor.Wants{
		Payments:  []payment.ID{"p1", "p1"},
		OpenOf:    []payment.CardID{"c1", "c1"},
		Cards:     []payment.CardID{"c1", "c1"},
		CardKeys:  []processor.CardKey{"1.key1", "1.key1"},
		Accounts:  []ledger.AccountID{"shop1", "card1", "shop1"},
		Bindings:  []processor.BindingID{{Card: "c1", Device: "phone1"}, {Card: "c1", Device: "phone1"}},
		BoundTo:   []payment.CardID{"c1", "c1"},
		Operators: []processor.OperatorID{"op", "op"},
		AnyOf:     true,
	}, processor.Rows{
		Payments: c.New.Payments, Cards: c.New.Cards[:1], Bindings: c.New.Bindings[:1], Operators: c.New.Operators,
		Accounts: []ledger.Account{c.New.Accounts[1], c.New.Accounts[3]},
	})
}

func (s *suite) rowsByOtherColumns() {
	c := everything()
	second := openPayment("p7")
	second.Card, second.CardAccount, second.Associated = "c2", "card2", "phone2"
	second = stepped(second, payment.Authenticate)
	c.New.Payments = append(c.New.Payments, second, stepped(openPayment("p8"), payment.Authenticate, payment.Confirm))
	tapped := undo(openPayment("p11"))
	tapped.Level, tapped.Initiator, tapped.State, tapped.UndoableAt, tapped.Deadline = payment.LevelTap, "phone1", payment.Undoable, noon, noon.Add(time.Minute)
	c.New.Payments = append(c.New.Payments, tapped)
	c.New.Bindings = append(c.New.Bindings, processor.Binding{Card: "c1", Device: "lost", BoundAt: noon})
	s.save(c)
	last := len(c.New.Payments)
	s.holds(processor.Wants{OpenOf: []payment.CardID{"c1"}},
		processor.Rows{Payments: c.New.Payments[last-2 : last]}) // and not those that nobody has authenticated
	s.holds(processor.Wants{OpenOf: []payment.CardID{"c2", "c3", ""}}, processor.Rows{Payments: []payment.Payment{second}})
	s.holds(processor.Wants{BoundTo: []payment.CardID{"c1"}},
		processor.Rows{Bindings: []processor.Binding{c.New.Bindings[0], c.New.Bindings[2]}})
	s.holds(processor.Wants{CardsOf: []payment.DeviceID{"lost", "none"}}, processor.Rows{Bindings: c.New.Bindings[2:]})
	s.holds(processor.Wants{CardKeys: []processor.CardKey{"1.key3", "1.none"}}, processor.Rows{Cards: c.New.Cards[2:]})
	s.holds(processor.Wants{ChallengesOf: []payment.DeviceID{"phone1", "none"}},
		processor.Rows{Challenges: []processor.TapChallenge{c.New.Challenges[0], c.New.Challenges[2]}})
	s.holds(processor.Wants{APIKeysOf: []payment.Handle{"shop", "shut"}, APIKeys: []string{"1.aaa"}}, processor.Rows{APIKeys: c.New.APIKeys})
	s.holds(processor.Wants{Paid: []processor.PaidID{{Card: "issuance", Payee: "card1"}, {Card: "card1", Payee: "issuance"}, {}}},
		processor.Rows{Paid: []processor.Paid{{PaidID: processor.PaidID{Card: "issuance", Payee: "card1"}, At: noon.Add(-time.Hour)}}})
	s.holds(processor.Wants{AliasesOf: []payment.Handle{"shop", "none"}}, processor.Rows{Aliases: c.New.Aliases})
	s.holds(processor.Wants{PasskeysOf: []payment.CardID{"c1", "c2"}}, processor.Rows{Passkeys: c.New.Passkeys})
	s.holds(processor.Wants{PasskeysOf: []payment.CardID{"c1"}, Passkeys: []string{"key1"}}, processor.Rows{Passkeys: c.New.Passkeys})
	s.holds(processor.Wants{AnyOf: true}, processor.Rows{Operators: c.New.Operators[:2]})
	s.holds(processor.Wants{SignInsOf: []processor.SignInOwner{{Operator: "op"}, {Operator: "none"}}, SignIns: []string{"in1"}},
		processor.Rows{SignIns: []processor.SignIn{c.New.SignIns[0], c.New.SignIns[2]}})
	s.holds(processor.Wants{SignInsOf: []processor.SignInOwner{{Operator: "op"}, {APIKey: "1.aaa"}}}, processor.Rows{SignIns: c.New.SignIns})
}

func (s *suite) newRowIsThere() {
	c := everything()
	s.save(c)
	r := c.New
	again := r.Cards[0]
	again.ID = "c9" // another card with the same number
	instead := r.Cards[2]
	instead.ID, instead.Key = "c9", "1.key9" // a second card in the place of one
	sameID, samePlace := r.APIKeys[0], r.APIKeys[1]
	sameID.MAC, samePlace.MAC, samePlace.ID = "1.ccc", "1.ddd", "k4"
	for name, twice := range map[string]processor.Changes{
		"account":            {New: processor.Rows{Accounts: r.Accounts[:1]}},
		"device":             {New: processor.Rows{Devices: r.Devices[:1]}},
		"payee":              {New: processor.Rows{Payees: r.Payees[:1]}},
		"API key":            {New: processor.Rows{APIKeys: r.APIKeys[:1]}},
		"API key's id":       {New: processor.Rows{APIKeys: []processor.APIKey{sameID}}},
		"API key's place":    {New: processor.Rows{APIKeys: []processor.APIKey{samePlace}}},
		"alias":              {New: processor.Rows{Aliases: r.Aliases[:1]}},
		"operator":           {New: processor.Rows{Operators: r.Operators[:1]}},
		"card":               {New: processor.Rows{Cards: r.Cards[:1]}},
		"card number":        {New: processor.Rows{Cards: []processor.Card{again}}},
		"card's place":       {New: processor.Rows{Cards: []processor.Card{instead}}},
		"binding":            {New: processor.Rows{Bindings: r.Bindings[:1]}},
		"tries":              {New: processor.Rows{Tries: r.Tries[1:]}},
		"closed day":         {New: processor.Rows{ClosedDays: r.ClosedDays[:1]}},
		"closed day's place": {New: processor.Rows{ClosedDays: []processor.ClosedDay{closedDay("2026-01-02", "2026-01-01", 3, 3)}}},
		"top-up":             {New: processor.Rows{TopUps: r.TopUps[1:2]}},
		"passkey":            {New: processor.Rows{Passkeys: r.Passkeys[1:]}},
		"sign-in":            {New: processor.Rows{SignIns: r.SignIns[1:2]}},
		"order template":     {New: processor.Rows{Templates: r.Templates[1:]}},
		"order":              {New: processor.Rows{Orders: r.Orders[1:]}},
		"payment":            {New: processor.Rows{Payments: r.Payments[2:3]}},
		"refund":             {New: processor.Rows{Refunds: r.Refunds[:1]}},
		"refund's place":     {New: processor.Rows{Refunds: []payment.Refund{refundOf("p3", "r9", 1, 750)}}},
		"key":                {New: processor.Rows{Keys: r.Keys[:1]}},
		"payout":             {New: processor.Rows{Payouts: r.Payouts[2:]}},
		"payout file":        {New: processor.Rows{PayoutFiles: r.PayoutFiles[:1]}},
		"payout plan":        {New: processor.Rows{PayoutPlans: r.PayoutPlans[:1]}},
		"wake-up":            {New: processor.Rows{WakeUps: r.WakeUps[2:]}},
		"e-mail":             {New: processor.Rows{Mails: r.Mails[1:]}},
		"erasure":            {New: processor.Rows{Erasures: r.Erasures}},
		"note":               {New: processor.Rows{Notes: r.Notes}},
		"webhook endpoint":   {New: processor.Rows{Webhooks: r.Webhooks[:1]}},
		"webhook delivery":   {New: processor.Rows{Deliveries: r.Deliveries[3:]}},
		"event told twice":   {New: processor.Rows{Deliveries: []processor.Delivery{delivery("d9", "e1", 7)}}},
		"tap challenge":      {New: processor.Rows{Challenges: r.Challenges[1:2]}},
		"evidence":           {New: processor.Rows{Evidence: r.Evidence[:1]}},
		"entry":              {Entries: c.Entries[:1]},
		"two in one change":  {New: processor.Rows{Devices: []processor.Device{device("twin"), device("twin")}}},
	} {
		twice.New.Devices = append([]processor.Device{device("other")}, twice.New.Devices...)
		if err := s.trySave(twice); !errors.Is(err, processor.ErrConflict) || errors.Is(err, processor.ErrUnavailable) {
			s.Errorf("%s: Save = %v, want ErrConflict", name, err)
		}
		s.holds(processor.Wants{Devices: []payment.DeviceID{"other"}}, processor.Rows{})
	}
	s.holds(everythingWants(), r)
}

func (s *suite) changedRowIsNotThere() {
	s.save(world())
	for name, c := range map[string]processor.Rows{
		"device":  {Devices: []processor.Device{device("laptop"), device("none")}},
		"payment": {Payments: []payment.Payment{openPayment("none")}},
		"tries":   {Tries: []processor.Tries{{TriesID: processor.TriesID{Card: "none", By: processor.Owner}}}},
	} {
		err := s.trySave(processor.Changes{Changed: c})
		if err == nil || errors.Is(err, processor.ErrConflict) || errors.Is(err, processor.ErrUnavailable) {
			s.Errorf("%s: Save of a changed row that is not there = %v, want another error", name, err)
		}
	}
}
