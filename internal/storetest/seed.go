package storetest

import (
	"fmt"
	"time"

	"tapline/consent"
	"tapline/ledger"
	"tapline/money"
	"tapline/order"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func accountKey(a ledger.Account) string { return string(a.ID) }

func cny(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "CNY"} }

// world is what payments refer to: cards "c1" and "c2" with accounts "card1" and "card2" of 1000.00 each, their
// associated devices "phone1" and "phone2", a laptop, a payee "shop" with account "shop1", an operator "op".
func world() processor.Changes {
	top := func(i int) ledger.Entry {
		return ledger.Entry{ID: ledger.EntryID(fmt.Sprintf("topup%d/post", i)), Action: ledger.Post,
			Reference: fmt.Sprintf("topup%d", i), At: noon.Add(-time.Hour),
			Postings: []ledger.Posting{{Debit: "issuance", Credit: cardAccount(i), Amount: cny(100_000)}}}
	}
	return processor.Changes{
		New: processor.Rows{
			Accounts: []ledger.Account{
				{ID: "issuance", Kind: ledger.Issuance, Currency: "CNY", DebitsPosted: 200_000},
				{ID: "card1", Kind: ledger.CardAccount, Currency: "CNY", CreditsPosted: 100_000,
					Limits:   ledger.Limits{Payment: 1, DayCount: 2, DaySum: 3, MonthCount: 4, MonthSum: 5},
					Turnover: ledger.Turnover{Day: noon, DayCount: 1, DaySum: 2, MonthCount: 3, MonthSum: 4}},
				{ID: "card2", Kind: ledger.CardAccount, Currency: "CNY", CreditsPosted: 100_000},
				{ID: "shop1", Kind: ledger.PayeeAccount, Currency: "CNY"},
			},
			Devices:   []processor.Device{device("phone1"), device("phone2"), device("laptop")},
			Payees:    []processor.Payee{{Handle: "shop", Name: "书店 Books", Account: "shop1", Currency: "CNY", CreatedAt: noon}},
			Operators: []processor.Operator{{ID: "op", Name: "Ann", PublicKey: []byte(`{"kty":"EC"}`), CreatedAt: noon, ConfirmedAt: noon}},
			Cards:     []processor.Card{card(1), card(2)},
			Bindings:  []processor.Binding{{Card: "c1", Device: "phone1", BoundAt: noon}, {Card: "c2", Device: "phone2", BoundAt: noon}},
		},
		Entries: []ledger.Entry{top(1), top(2)},
	}
}

// worldWants names every row of world.
func worldWants() processor.Wants {
	return processor.Wants{
		Accounts:  []ledger.AccountID{"issuance", "card1", "card2", "shop1"},
		Devices:   []payment.DeviceID{"phone1", "phone2", "laptop"},
		Payees:    []payment.Handle{"shop"},
		Operators: []processor.OperatorID{"op"},
		Cards:     []payment.CardID{"c1", "c2"},
		Bindings:  []processor.BindingID{{Card: "c1", Device: "phone1"}, {Card: "c2", Device: "phone2"}},
	}
}

func cardAccount(i int) ledger.AccountID { return ledger.AccountID(fmt.Sprintf("card%d", i)) }

func device(id payment.DeviceID) processor.Device {
	return processor.Device{ID: id, PublicKey: []byte(`{"kty":"EC","crv":"P-256"}`), Label: "My " + string(id), CreatedAt: noon}
}

func card(i int) processor.Card {
	return processor.Card{
		ID: payment.CardID(fmt.Sprintf("c%d", i)), Key: processor.CardKey(fmt.Sprintf("1.key%d", i)), Last4: "0012",
		Label: "Red", Account: cardAccount(i), Currency: "CNY", State: processor.CardFrozen,
		Level: payment.LevelConfirm, Associated: payment.DeviceID(fmt.Sprintf("phone%d", i)),
		PIN: consent.PINRecord{Salt: []byte{0, 1, 2}, Sum: []byte{3, 0, 255}, Pepper: 2, Memory: 8192, Passes: 1, Lanes: 4},
		Code: processor.OneUseCode{Purpose: processor.CodeRebinds, MAC: "1.mac", NotBefore: noon,
			ExpiresAt: noon.Add(time.Hour)},
		Tapped:     processor.DaySum{Day: noon.Truncate(24 * time.Hour), Minor: 1200},
		Identified: processor.DaySum{Day: noon.Truncate(24 * time.Hour), Minor: 41_200}, SUNVersion: 2, SUNCounter: 16_777_215,
		ApprovalsSince: noon, Approvals: 2, Version: 3, FrozenByOperator: true, LostAt: noon.Add(-time.Minute), CreatedAt: noon,
	}
}

// openPayment is a payment with card 1 from the laptop that waits for authentication.
func openPayment(id payment.ID) payment.Payment {
	return payment.Payment{
		Terms: payment.Terms{
			ID: id, Amount: cny(1250), PayeeHandle: "shop", PayeeName: "书店 Books", PayeeAccount: "shop1",
			Card: "c1", CardAccount: "card1", CardLast4: "0012", CardLabel: "Red", CardKey: "1.key1",
			OrderNumber: "A-17", OrderDescription: "Tea — \"green\"\x01\U0001F375", Initiator: "laptop", InitiatorLabel: "My laptop",
			Associated: "phone1", Level: payment.LevelApprove, Assurance: payment.Identified, Nonce: "n-" + string(id),
		},
		State: payment.AuthenticationRequired, Version: 1, InstructedAt: noon,
		Deadline: noon.Add(payment.AuthenticationWait), ExpiresAt: noon.Add(payment.WholeLife),
	}
}

// decoy is a payment with a card that nobody has issued.
func decoy(id payment.ID) payment.Payment {
	p := openPayment(id)
	p.Card, p.CardAccount, p.Associated, p.CardKey = "", "", "", "1.unknown"
	return p
}

// rehearsal is a payment that moves no money.
func rehearsal(id payment.ID) payment.Payment {
	p := openPayment(id)
	p.Rehearsal = true
	return p
}

// undo makes a payment one that may be undone for a minute.
func undo(p payment.Payment) payment.Payment {
	p.Undo = time.Minute
	return p
}

// addFees adds tariffs, the account of fees, and payments that have one.
func addFees(r *processor.Rows) {
	r.Accounts = append(r.Accounts, ledger.Account{ID: "fees-CNY", Kind: ledger.Fees, Currency: "CNY"})
	r.Payments = append(r.Payments, stepped(charged(openPayment("p21"), payment.PayerBears), payment.Authenticate, payment.Cancel),
		stepped(charged(decoy("p22"), payment.PayeeBears), payment.Expire))
	r.Tariffs = []processor.Tariff{
		{TariffID: processor.TariffID{Currency: "CNY"}, Tariff: payment.Tariff{Points: 150, Fixed: 30, Least: 50, Most: 900, Bearer: payment.PayeeBears}, ChangedAt: noon},
		{TariffID: processor.TariffID{Payee: "shop", Currency: "CNY"}, Tariff: payment.Tariff{Bearer: payment.PayerBears}, Removed: true, ChangedAt: noon}}
}

// charged gives a payment a fee.
func charged(p payment.Payment, by payment.Bearer) payment.Payment {
	p.Fee = payment.Fee{Minor: 30, Bearer: by}
	return p
}

// everything is world and at least one row of each of the other tables, with zero and other times.
func everything() processor.Changes {
	c := world()
	c.New.Devices = append(c.New.Devices, processor.Device{ID: "lost", PublicKey: []byte("{}"), CreatedAt: noon, RevokedAt: noon})
	c.New.Accounts = append(c.New.Accounts, ledger.Account{ID: "blank", Kind: ledger.CardAccount, Currency: "JPY"})
	c.New.Cards = append(c.New.Cards, processor.Card{ID: "c3", Key: "1.key3", Account: "blank", Currency: "JPY",
		State: processor.CardIssued, Replaces: "c2", Code: processor.OneUseCode{Purpose: processor.CodeReplaces}})
	c.New.Aliases = []processor.Alias{{Alias: "books", Payee: "shop", CreatedAt: noon}}
	c.New.APIKeys = []processor.APIKey{{ID: "k1", MAC: "1.aaa", Payee: "shop", CreatedAt: noon},
		{ID: "k2", MAC: "1.bbb", Payee: "shop", Name: "till", Scopes: []processor.Scope{"orders", "read"}, Hint: "tapline_test_x7Kd…",
			CreatedBy: "key:k1", CreatedAt: noon, ExpiresAt: noon.Add(2 * time.Hour), RevokedAt: noon.Add(time.Hour), UsedAt: noon, ReplacedBy: "k3"}}
	c.New.Payees = append(c.New.Payees, processor.Payee{Handle: "shut", Account: "shop1", Currency: "CNY", Closed: true,
		Rehearsals: true, Undo: payment.MaxUndo})
	c.New.Tries = []processor.Tries{
		{TriesID: processor.TriesID{Card: "1.key1", By: processor.Owner}, Tries: consent.Tries{Used: 2, PausedUntil: noon}},
		{TriesID: processor.TriesID{Card: "1.unknown", By: processor.Strangers}, Tries: consent.Tries{Used: 5, Locked: true}}}
	c.New.Operators = append(c.New.Operators,
		processor.Operator{ID: "op2", Name: "Bob", PublicKey: []byte("{}"), CreatedAt: noon, EnrolledBy: "op", ConfirmedAt: noon},
		processor.Operator{ID: "op3", Name: "Cem", PublicKey: []byte("{}"), CreatedAt: noon, EnrolledBy: "op"},
		processor.Operator{ID: "op4", Name: "Dan", PublicKey: []byte("{}"), CreatedAt: noon, EnrolledBy: "op", ConfirmedBy: "op2", ConfirmedAt: noon,
			RemovedAt: noon.Add(time.Hour)})
	c.New.SignIns = []processor.SignIn{
		{ID: "in1", Owner: processor.SignInOwner{Operator: "op"}, PublicKey: []byte{1, 0, 2}, Counter: 1<<32 - 1, Synced: true, Label: "Key",
			CreatedAt: noon, UsedAt: noon.Add(time.Minute)},
		{ID: "in2", Owner: processor.SignInOwner{APIKey: "1.aaa"}, PublicKey: []byte{3}, CreatedAt: noon},
		{ID: "in3", Owner: processor.SignInOwner{Operator: "op"}, PublicKey: []byte{3}, CreatedAt: noon, RemovedAt: noon}}
	c.New.TopUps = []processor.HeldTopUp{heldTopUp("t1"), heldTopUp("t2"), heldTopUp("t3")}
	c.New.TopUps[1].State, c.New.TopUps[1].DecidedBy, c.New.TopUps[1].DecidedAt = processor.TopUpConfirmed, "op2", noon
	c.New.ClosedDays = []processor.ClosedDay{closedDay("2026-01-01", "", 0, 3), closedDay("2026-01-05", "2026-01-01", 3, 3)}
	c.New.Passkeys = []processor.Passkey{
		{ID: "key1", Card: "c1", Device: "phone1", PublicKey: []byte{1, 0, 2}, Counter: 1<<32 - 1, Synced: true, Label: "Face",
			CreatedAt: noon, UsedAt: noon.Add(time.Minute)},
		{ID: "key2", Card: "c1", Device: "phone1", PublicKey: []byte{3}, Label: "Old", CreatedAt: noon, RemovedAt: noon}}
	c.New.Cards[0].Passkeys = 1
	c.New.Templates = []order.Template{template("t1"), template("t2")}
	c.New.Templates[1] = order.Template{ID: "t2", Payee: "shop", Currency: "CNY", Least: 100, Most: 50_000, Life: time.Minute,
		Version: 2, CreatedAt: noon, DisabledAt: noon.Add(time.Hour)}
	c.New.Orders = []order.Order{placed("o1"), placed("o2")}
	c.New.Orders[0].Template = "t1"
	c.New.Orders[1] = order.Order{Terms: order.Terms{ID: "o2", Payee: "shop", Amount: cny(1)}, State: order.Paid, Payment: "p3",
		Version: 3, CreatedAt: noon, ExpiresAt: noon.Add(time.Minute), EndedAt: noon.Add(time.Second)}
	c.New.Payments = []payment.Payment{openPayment("p1"), decoy("p2"),
		stepped(ordered(openPayment("p3"), c.New.Orders[1]), payment.Authenticate, payment.Confirm, payment.MistypeCode, payment.Approve),
		stepped(openPayment("p4"), payment.Authenticate, payment.Confirm, payment.Disown),
		stepped(openPayment("p5"), payment.Expire), stepped(openPayment("p6"), payment.Authenticate, payment.Cancel),
		stepped(rehearsal("p9"), payment.Authenticate, payment.Confirm, payment.Approve),
		stepped(undo(openPayment("p10")), payment.Authenticate, payment.Confirm, payment.Approve, payment.Cancel)}
	addFees(&c.New)
	c.New.Payments[2].Refunded = 750
	c.New.Refunds = []payment.Refund{refundOf("p3", "r1", 500, 500), refundOf("p3", "r2", 250, 750)}
	c.New.Keys = []processor.Key{
		{KeyID: processor.KeyID{Principal: "device:laptop", Key: "p1"}, Digest: "d", Status: 201, Answer: []byte{0, 9}, At: noon,
			KeepTill: noon.Add(time.Hour)},
		{KeyID: processor.KeyID{Principal: "payee:shop", Key: "p1"}, Digest: "e", At: noon, KeepTill: noon}}
	c.New.Challenges = []processor.TapChallenge{challenge("phone1", "t1"), challenge("laptop", "t1"), challenge("phone1", "t2")}
	c.New.Challenges[2].UsedAt = noon
	c.New.Devices[0].Push = processor.PushSubscription{Endpoint: "https://push.example/1", Key: make([]byte, 65), Auth: make([]byte, 16), Version: 255,
		Debits: true, Since: noon}
	c.New.Webhooks = []processor.Webhook{webhook("e1"), webhook("e2"), webhook("e3")}
	c.New.Webhooks[0].OldKeys, c.New.Webhooks[0].OldUntil, c.New.Webhooks[0].FailingSince = []byte{3, 0}, noon.Add(time.Hour), noon
	c.New.Webhooks[1].State, c.New.Webhooks[1].Why, c.New.Webhooks[1].Types = processor.WebhookDisabled, processor.WhyGone, []string{"payment.*", "api_key.made"}
	c.New.Webhooks[2].State, c.New.Webhooks[2].Keys, c.New.Webhooks[2].RemovedAt = processor.WebhookRemoved, nil, noon.Add(time.Hour)
	c.New.Deliveries = []processor.Delivery{delivery("d1", "e1", 7), delivery("d2", "e1", 8), delivery("d3", "e2", 7), delivery("d4", "e2", 0)}
	seedNotices(&c)
	c.New.Evidence = []processor.Evidence{
		{Payment: "p3", Role: "instruction", Device: "laptop", JWS: "a.b.c", At: noon},
		{Payment: "p3", Role: "first", Device: "laptop", JWS: "d.e.f", At: noon.Add(time.Second)},
		{Payment: "p2", Role: "instruction", Device: "laptop", JWS: "g.h.i", At: noon}}
	return addPayouts(c)
}

func heldTopUp(id string) processor.HeldTopUp {
	return processor.HeldTopUp{ID: id, Adjusts: "card2", Debit: true, Account: "card1", Amount: cny(500_000), State: processor.TopUpPending, RequestedBy: "op",
		Note: "cash — 现金", RequestedAt: noon, ExpiresAt: noon.Add(time.Hour)}
}

func refundOf(p payment.ID, id payment.RefundID, minor, total int64) payment.Refund {
	return payment.Refund{ID: id, Payment: p, Amount: cny(minor), Total: total, Payee: "shop", PayeeAccount: "shop1", CardAccount: "card1",
		Reason: "sold out — 缺货", APIKey: "k1", At: noon.Add(time.Duration(total) * time.Microsecond)}
}

func wakeUp(device payment.DeviceID, kind processor.WakeKind) processor.WakeUp {
	return processor.WakeUp{WakeID: processor.WakeID{Device: device, Kind: kind}, Until: noon.Add(time.Minute), NextAt: noon, Attempts: 2, Version: 7}
}

func seedNotices(c *processor.Changes) {
	c.New.WakeUps = []processor.WakeUp{wakeUp("phone1", processor.WakeApprove), wakeUp("phone1", processor.WakeAlarm), wakeUp("phone2", processor.WakeDebit)}
	c.New.WakeUps[1].NextAt = time.Time{}
	c.New.Mails = []processor.Mail{mailOf("m1"), mailOf("m2")}
	c.New.Mails[1].State, c.New.Mails[1].NextAt, c.New.Mails[1].Address, c.New.Mails[1].Facts = processor.MailSent, time.Time{}, "", processor.MailFacts{}
	c.New.Notes = []processor.Note{{ID: "n1", Subject: "card:c1", Text: "called — 来电", By: "op", At: noon}}
	c.New.Erasures = []processor.Erasure{{Account: "card2", AskedBy: "op", AskedAt: noon}}
	c.New.MailChanges = []processor.MailChange{{Account: "card1", Address: "sealed", Language: "zh", Code: "1.mac", ExpiresAt: noon}, {Account: "card2"}}
}

func mailOf(id string) processor.Mail {
	return processor.Mail{ID: id, Account: "card1", Kind: "payment.settled", Subject: "p3", Language: "zh", Address: "sealed",
		Facts: processor.MailFacts{CardLast4: "0012", CardLabel: "蓝", Payee: "Shop — 店", Amount: cny(1250), Debit: true, Code: "box"},
		At:    noon, Until: noon.Add(time.Hour), State: processor.MailPending, NextAt: noon, Attempts: 2, TriedAt: noon, Failure: "later", Status: 450}
}

func challenge(device payment.DeviceID, id consent.ChallengeID) processor.TapChallenge {
	return processor.TapChallenge{ChallengeID: processor.ChallengeID{Device: device, ID: id}, Number: []byte{0, 1, 2, 255},
		Amount: cny(1250), ExpiresAt: noon.Add(time.Minute)}
}

// everythingWants names every row of everything.
func everythingWants() processor.Wants {
	w := worldWants()
	w.Devices = append(w.Devices, "lost")
	w.Accounts = append(w.Accounts, "blank", "fees-CNY")
	w.Tariffs = []processor.TariffID{{Currency: "CNY"}, {Payee: "shop", Currency: "CNY"}}
	w.Cards = append(w.Cards, "c3")
	w.Aliases = []payment.Handle{"books"}
	w.APIKeys = []string{"1.aaa", "1.bbb"}
	w.Payees = append(w.Payees, "shut")
	w.Tries = []processor.TriesID{{Card: "1.key1", By: processor.Owner}, {Card: "1.unknown", By: processor.Strangers}}
	w.Passkeys = []string{"key1", "key2"}
	w.Operators = append(w.Operators, "op2", "op3", "op4")
	w.SignIns = []string{"in1", "in2", "in3"}
	w.TopUps = []string{"t1", "t2", "t3"}
	w.ClosedAfter = []string{"", "2026-01-01", "2026-01-05"}
	w.Orders = []payment.OrderID{"o1", "o2"}
	w.Templates = []order.TemplateID{"t1", "t2"}
	w.Refunds = []payment.RefundID{"r1", "r2"}
	w.Payments = []payment.ID{"p1", "p2", "p3", "p4", "p5", "p6", "p9", "p10", "p21", "p22"}
	w.Keys = []processor.KeyID{{Principal: "device:laptop", Key: "p1"}, {Principal: "payee:shop", Key: "p1"}}
	w.Challenges = []processor.ChallengeID{{Device: "phone1", ID: "t1"}, {Device: "laptop", ID: "t1"}, {Device: "phone1", ID: "t2"}}
	w.WakeUps = []processor.WakeID{{Device: "phone1", Kind: "approve"}, {Device: "phone1", Kind: "card"}, {Device: "phone2", Kind: "debit"}}
	w.Webhooks, w.Deliveries = []string{"e1", "e2", "e3"}, []string{"d1", "d2", "d3", "d4"}
	w.Notes, w.NotesOf = []string{"n1"}, []processor.NoteSubject{"card:c1"}
	w.Erasures = []ledger.AccountID{"card1", "card2"}
	w.Mails, w.MailChanges = []string{"m1", "m2"}, []ledger.AccountID{"card1", "card2"}
	w.Payouts, w.PayoutFiles = []payout.ID{"out_1", "out_2", "out_3"}, []payout.FileID{"f1", "f2"}
	w.PayoutPlans = []processor.PlanID{{Payee: "shop", Currency: "CNY"}, {Payee: "shut", Currency: "CNY"}}
	w.Evidence = []payment.ID{"p3", "p2", "p1"}
	return w
}
