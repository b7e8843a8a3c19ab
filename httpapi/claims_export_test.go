package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tapline/api"
	"tapline/consent"
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
