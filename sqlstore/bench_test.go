package sqlstore

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// payers is how many cards pay in the benchmark.
const payers = 10_000

// BenchmarkSettle saves batches of payments that settle at once: for each of them the payment, its entry, the card's
// account, an idempotency key, evidence and an event for three; and the account of the one payee that all of them pay.
// Ids that rise with time are kinder to a database than random ones. What is reported is for one payment.
func BenchmarkSettle(b *testing.B) {
	for _, ids := range []string{"random", "rising"} {
		for _, batch := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("ids=%s/batch=%d", ids, batch), func(b *testing.B) { benchmarkSettle(b, batch, ids == "rising") })
		}
	}
}

func benchmarkSettle(b *testing.B, batch int, rising bool) {
	s := openTest(b, filepath.Join(b.TempDir(), "tapline.db"))
	if err := s.Update(b.Context(), func(tx processor.Tx) error { return tx.Save(town()) }); err != nil {
		b.Fatal(err)
	}
	made := 0
	b.ReportAllocs()
	for b.Loop() {
		c := settlements(made, batch, rising)
		made += batch
		if err := s.Update(b.Context(), func(tx processor.Tx) error { return tx.Save(c) }); err != nil {
			b.Fatal(err)
		}
	}
	perPayment := float64(b.Elapsed().Microseconds()) / float64(made)
	b.ReportMetric(perPayment, "µs/payment")
	b.ReportMetric(1e6/perPayment, "payments/s")
}

func town() processor.Changes {
	var c processor.Changes
	c.New.Accounts = []ledger.Account{{ID: "issuance", Kind: ledger.Issuance, Currency: "CNY"}, {ID: "shop", Kind: ledger.PayeeAccount, Currency: "CNY"}}
	c.New.Payees = []processor.Payee{{Handle: "books@shop", Name: "Books", Account: "shop", Currency: "CNY"}}
	for i := range payers {
		a := payer(i, 0)
		d := processor.Device{ID: deviceID(i), PublicKey: make([]byte, 150), Label: "Phone"}
		c.New.Accounts = append(c.New.Accounts, a)
		c.New.Devices = append(c.New.Devices, d)
		c.New.Cards = append(c.New.Cards, processor.Card{ID: payment.CardID("card" + a.ID), Key: processor.CardKey("1." + d.ID), Last4: "1234",
			Account: a.ID, Currency: "CNY", State: processor.CardActive, Associated: d.ID})
	}
	return c
}

func deviceID(i int) payment.DeviceID {
	return payment.DeviceID(fmt.Sprintf("%043d", i*7919%payers))
}

func payer(i int, spent int64) ledger.Account {
	return ledger.Account{ID: ledger.AccountID(fmt.Sprintf("%022d", i*7907%payers)), Kind: ledger.CardAccount, Currency: "CNY",
		CreditsPosted: 1 << 40, DebitsPosted: spent}
}

// settlements is a batch of payments, each with another card.
func settlements(from, n int, rising bool) (c processor.Changes) {
	now := time.Now().UTC()
	for i := from; i < from+n; i++ {
		a, d, id := payer(i%payers, int64(i)), deviceID(i%payers), payment.ID(rand.Text())
		if rising {
			id = payment.ID(fmt.Sprintf("%012x", now.UnixMilli())) + id[:16]
		}
		p := payment.Payment{
			Terms: payment.Terms{ID: id, Amount: money.Amount{Minor: 1250, Currency: "CNY"}, PayeeHandle: "books@shop", PayeeName: "Books",
				PayeeAccount: "shop", Card: payment.CardID("card" + a.ID), CardAccount: a.ID, CardLast4: "1234", CardKey: "1." + string(d),
				OrderNumber: "A-17", OrderDescription: "A book about tea", Initiator: d, InitiatorLabel: "Phone", Associated: d,
				Level: payment.LevelConfirm, Assurance: payment.Authentic, Nonce: string(id)},
			State: payment.Settled, Version: 3, InstructedAt: now, AuthenticatedAt: now, ConfirmedAt: now, EndedAt: now,
			FirstDigest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		}
		c.New.Payments = append(c.New.Payments, p)
		c.New.Keys = append(c.New.Keys, processor.Key{KeyID: processor.KeyID{Principal: processor.DevicePrincipal(d), Key: string(id)}, Digest: p.FirstDigest, Status: 201, Answer: make([]byte, 600), At: now,
			KeepTill: now.Add(time.Hour)})
		c.New.Evidence = append(c.New.Evidence, processor.Evidence{Payment: id, Role: "instruction", Device: d, JWS: strings.Repeat("a", 700), At: now})
		c.Entries = append(c.Entries, ledger.Entry{ID: ledger.EntryID(id + "/post"), Action: ledger.Post, Reference: string(id), At: now,
			Postings: []ledger.Posting{{Debit: a.ID, Credit: "shop", Amount: p.Amount}}})
		c.Events = append(c.Events, processor.Event{Type: "payment.settled", Subject: string(id), State: "settled", Version: 3, At: now,
			To: []processor.Principal{processor.DevicePrincipal(d), "payee:books@shop", "operators"}})
		c.Changed.Accounts = append(c.Changed.Accounts, a)
	}
	c.Changed.Accounts = append(c.Changed.Accounts, ledger.Account{ID: "shop", Kind: ledger.PayeeAccount, Currency: "CNY", CreditsPosted: int64(from)})
	return c
}

// A benchmark that the schema refuses is found here, and not by whoever measures.
func TestWhatTheBenchmarkSavesIsTaken(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "tapline.db"))
	for _, c := range []processor.Changes{town(), settlements(0, 3, false), settlements(3, 3, true)} {
		if err := s.Update(t.Context(), func(tx processor.Tx) error { return tx.Save(c) }); err != nil {
			t.Fatal(err)
		}
	}
}
