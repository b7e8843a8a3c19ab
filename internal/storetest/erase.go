package storetest

import (
	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

// holderErased erases what is personal of a holder: nothing of others, and none of the books.
func (s *suite) holderErased() {
	c := everything()
	own := stepped(openPayment("p30"), payment.Expire)
	own.Initiator, own.InitiatorLabel = "phone1", "My phone1"
	others := stepped(openPayment("p31"), payment.Expire)
	others.Card, others.CardAccount, others.Associated = "c2", "card2", "phone2"
	c.New.Payments = append(c.New.Payments, own, others)
	// The second phone was the first card's once, and is another holder's now.
	c.New.Bindings = append(c.New.Bindings, processor.Binding{Card: "c1", Device: "phone2", BoundAt: noon, RemovedAt: noon})
	c.New.Notes = append(c.New.Notes,
		processor.Note{ID: "n2", Subject: "account:card1", Text: "x", By: "op", At: noon},
		processor.Note{ID: "n3", Subject: "payment:p3", Text: "x", By: "op", At: noon},
		processor.Note{ID: "n4", Subject: "payment:p31", Text: "of another", By: "op", At: noon},
		processor.Note{ID: "n5", Subject: "card:c2", Text: "of another", By: "op", At: noon})
	c.New.Mails = append(c.New.Mails, mailOf("m3"))
	c.New.Mails[2].Account = "card2"
	c.New.Cards[0].Mail = processor.CardMail{Address: "sealed", Language: "zh", Since: noon}
	s.save(c)
	done := processor.Erasure{Account: "card1", AskedBy: "op", AskedAt: noon, ErasedBy: "op2", ErasedAt: noon}
	s.save(processor.Changes{New: processor.Rows{Erasures: []processor.Erasure{done}}})

	want := c.New
	want.Erasures = append(want.Erasures, done)
	of := want.Cards[0]
	want.Cards[0] = processor.Card{ID: of.ID, Key: of.Key, Last4: of.Last4, Account: of.Account, Currency: of.Currency, State: of.State, Associated: of.Associated,
		Version: of.Version, FrozenByOperator: of.FrozenByOperator, LostAt: of.LostAt, Replaces: of.Replaces, ReplacedBy: of.ReplacedBy, Tapped: of.Tapped,
		Identified: of.Identified, SUNVersion: of.SUNVersion, SUNCounter: of.SUNCounter, ApprovalsSince: of.ApprovalsSince, Approvals: of.Approvals, CreatedAt: of.CreatedAt}
	for i, d := range want.Devices {
		if d.ID == "phone1" {
			want.Devices[i].Label, want.Devices[i].Push = "", processor.PushSubscription{}
		}
	}
	for i := range want.Payments {
		if p := &want.Payments[i]; p.Card == "c1" {
			p.CardLabel = ""
			if p.Initiator == "phone1" {
				p.InitiatorLabel = ""
			}
		}
	}
	for i := range 3 {
		want.Notes[i].Text = ""
	}
	want.Passkeys[0].Label, want.Passkeys[0].RemovedAt, want.Passkeys[1].Label = "", noon, ""
	want.WakeUps, want.Mails, want.MailChanges = want.WakeUps[2:], want.Mails[2:], want.MailChanges[1:]
	w := everythingWants()
	w.Payments = append(w.Payments, "p30", "p31")
	w.Bindings = append(w.Bindings, processor.BindingID{Card: "c1", Device: "phone2"})
	w.Notes, w.NotesOf = []string{"n1", "n2", "n3", "n4", "n5"}, nil
	w.Mails = append(w.Mails, "m3")
	w.Erasures = []ledger.AccountID{"card1", "card2"}
	s.holds(w, want)
}
