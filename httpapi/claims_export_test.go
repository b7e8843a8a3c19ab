package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tapline/api"
	"tapline/consent"
	"tapline/operator"
	"tapline/payout"
)

func TestAnExportHasAllOfTheHolderAndNothingOfOthers(t *testing.T) {
	w := openWorld(t, withMail)
	id := consent.CardID(w.card.ID)
	_, err := w.phone.AskEmail(w.ctx, id, rightPIN, "ann@mail.example", "en")
	w.must(err)
	_, err = w.phone.ConfirmEmail(w.ctx, id, w.mailed("ann@mail.example"))
	w.must(err)
	own := w.payWith(w.phone, cardNumber, 12_50, rightPIN)
	borrowed := w.confirmed(w.kiosk, 3_00)
	_, err = w.operator.WriteNote(w.ctx, api.NewNote{Subject: "payment:" + string(own.ID()), Text: "holder called — 来电"})
	w.must(err)
	_, err = w.operator.WriteNote(w.ctx, api.NewNote{Subject: "payee:books@shop", Text: "of somebody else"})
	w.must(err)
	_, err = w.operator.WriteNote(w.ctx, api.NewNote{Subject: "card:card_none", Text: "x"})
	expectProblem(t, err, "unknown_card")
	_, err = w.operator.WriteNote(w.ctx, api.NewNote{Subject: "weather:card_none", Text: "x"})
	expectProblem(t, err, "invalid_field")
	e, err := w.operator.ExportCard(w.ctx, id, "asked in writing")
	w.must(err)
	if e.Email == nil || e.Email.Address != "ann@mail.example" || len(e.Cards) != 1 || len(e.Payments) != 2 || len(e.Entries) < 2 {
		t.Errorf("exported: %+v", e)
	}
	if len(e.Notes) != 1 || e.Notes[0].Text != "holder called — 来电" || e.Notes[0].By != "operator 1" {
		t.Errorf("notes: %+v", e.Notes)
	}
	text, err := json.Marshal(e)
	w.must(err)
	key := w.kiosk.ID()
	for what, secret := range map[string]string{
		"the borrowed device": string(key), "its label": `"kiosk"`, "the card's number": string(cardNumber), "the operator": string(w.operator.Key.ID()), "a note on others": "somebody else",
	} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the export has %s", what)
		}
	}
	if !strings.Contains(string(text), string(borrowed.ID())) {
		t.Error("the payment from a borrowed device is not there")
	}
	told := false
	for _, m := range w.mails() {
		told = told || m.Kind == "card.exported"
	}
	if !told {
		t.Error("the holder is not told")
	}
}

// Whoever has handed an export out may ask for it again under the same key, if the answer was lost: it is read anew, so it counts anew.
func TestAnExportThatIsHandedOutAgainIsToldAgain(t *testing.T) {
	w := openWorld(t, withMail)
	id := consent.CardID(w.card.ID)
	_, err := w.phone.AskEmail(w.ctx, id, rightPIN, "ann@mail.example", "en")
	w.must(err)
	_, err = w.phone.ConfirmEmail(w.ctx, id, w.mailed("ann@mail.example"))
	w.must(err)
	again := operator.WithIdempotencyKey(w.ctx, operator.NewIdempotencyKey())
	const times = 3
	for range times {
		_, err = w.operator.ExportCard(again, id, "asked in writing")
		w.must(err)
	}
	told, recorded := 0, 0
	for _, m := range w.mails() {
		if m.Kind == "card.exported" {
			told++
		}
	}
	log, err := w.operator.Audit(w.ctx, "")
	w.must(err)
	for _, r := range log.Records {
		if r.Action == "card.export" && r.Note == "asked in writing" {
			recorded++
		}
	}
	if told != times || recorded != times {
		t.Errorf("handed out %d times, recorded %d times, told %d times", times, recorded, told)
	}
}

func TestAnExportHasWhatWasPaidOut(t *testing.T) {
	w := openWorld(t)
	id := consent.CardID(w.card.ID)
	_, err := w.operator.CloseCard(w.ctx, id, "goes home")
	w.must(err)
	to := payout.BankAccount{Name: "Li Wei", IBAN: "DE89370400440532013000"}
	made, err := w.operator.PayOutCard(w.ctx, w.card.ID, api.NewCardPayout{To: to, Note: "passport seen"})
	w.must(err)
	e, err := w.operator.ExportCard(w.ctx, id, "asked in writing")
	w.must(err)
	if len(e.Payouts) != 1 || e.Payouts[0].ID != made.ID || e.Payouts[0].To != to || e.Payouts[0].AskedBy != "operator" {
		t.Errorf("exported: %+v", e.Payouts)
	}
}

// A payment may be given back cent by cent.
func TestAnExportHasEveryRefundOfAPayment(t *testing.T) {
	w := openWorld(t)
	p := w.payWith(w.phone, cardNumber, 12_50, rightPIN)
	const many = 205
	for range many {
		_, err := w.refund(p, 1)
		w.must(err)
	}
	e, err := w.operator.ExportCard(w.ctx, consent.CardID(w.card.ID), "asked in writing")
	w.must(err)
	seen := map[string]bool{}
	for _, r := range e.Refunds {
		seen[r.ID] = true
	}
	if len(e.Refunds) != many || len(seen) != many {
		t.Errorf("%d refunds are exported, %d of them others, of %d", len(e.Refunds), len(seen), many)
	}
}
