package notice

import (
	"strings"
	"testing"
	"time"

	"tapline/money"
	"tapline/processor"
)

func TestEveryKindHasWords(t *testing.T) {
	english, chinese := languages["en"], languages["zh"]
	for kind, subject := range english.subjects {
		other, ok := chinese.subjects[kind]
		if !ok || subject == "" || other == "" || strings.Count(subject, "%s") != strings.Count(other, "%s") {
			t.Errorf("%s: %q and %q", kind, subject, other)
		}
	}
	if len(english.subjects) != len(chinese.subjects) || len(english.advice) != len(chinese.advice) {
		t.Error("one language has more words than the other")
	}
	// Money that leaves without the holder is told of in words, and with what to do.
	for _, kind := range []string{"payment.settled", "card.adjusted", "card.paid_out"} {
		if english.subjects[kind] == "" || advised[kind] == "" {
			t.Errorf("%s has no subject, or no advice", kind)
		}
	}
	for kind := range advised {
		if english.subjects[kind] == "" {
			t.Errorf("%s has advice and no subject", kind)
		}
	}
}

func TestALetterTellsWhatHappenedAndNoSecret(t *testing.T) {
	m := processor.Mail{Kind: "payment.settled", Subject: "pay_1", Language: "en", At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Facts: processor.MailFacts{CardLast4: "0003", CardLabel: "Campus", Payee: "Book Shop\n\nAmount: 0.01 CNY", Amount: money.Amount{Minor: 1250, Currency: "CNY"}}}
	subject, text := letter(m, "Campus Pay", "")
	want := `You paid 12.50 CNY

Card: •••• 0003 Campus
Amount: 12.50 CNY
Paid to: Book Shop Amount: 0.01 CNY
Time: 2026-03-01 12:00:00 UTC
Reference: pay_1

If this was not you, freeze the card on one of its devices, or ask the service that issued it to do so.

` + "-- \n" + `This message was sent by Campus Pay. It never asks for your PIN, for a code, or to open a link. Do not answer it.
`
	if subject != "You paid 12.50 CNY" || text != want {
		t.Errorf("it says %q and\n%s", subject, text)
	}
	m.Kind, m.Language = "card.something_new", "xx"
	if subject, text := letter(m, "Campus Pay", ""); subject != "Card •••• 0003" || !strings.Contains(text, "Campus Pay") {
		t.Errorf("of a kind without words it says %q and\n%s", subject, text)
	}
	m.Kind = processor.MailCode
	if _, text := letter(m, "Campus Pay", "7K3M-9QXD-W2ZB-R"); !strings.Contains(text, "7K3M-9QXD-W2ZB-R") || strings.Contains(text, "0003") {
		t.Errorf("a code is told with\n%s", text)
	}
}
