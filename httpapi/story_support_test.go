package httpapi

import (
	"encoding/base64"

	"tapline/api"
	"tapline/consent"
	"tapline/processor"
)

// mailed is the code that waits to be mailed, as whoever reads the mail would read it.
func (x *people) mailed() (code string) {
	x.Helper()
	x.must(x.Store.View(x.Context(), func(r processor.Reader) error {
		due, err := r.Due(x.clock.Now(), 100)
		if err != nil {
			return err
		}
		rows, err := r.Load(processor.Wants{Mails: due.Mails})
		last := processor.Mail{}
		for _, m := range rows.Mails {
			if m.Kind == processor.MailCode && m.At.After(last.At) {
				last = m
			}
		}
		if err != nil {
			return err
		}
		sealed, err := base64.RawURLEncoding.DecodeString(last.Facts.Code)
		if err != nil {
			return err
		}
		text, err := x.Keys.Unseal(processor.CodeContext(last.Account), sealed)
		code = string(text)
		return err
	}))
	return code
}

const supportNumber = "6222020000000000052"

// support is about a cardholder who wants to be told by e-mail.
func (x *people) support() {
	x.Helper()
	var issued api.CardCode
	x.admin(x.olga(), "/cards", api.NewCard{AccountNumber: supportNumber, Label: "Ann's card", Currency: payeeCurrency}).into(201, &issued)
	x.activate(x.kiosk, issued.Code, supportNumber, rightPIN).expect(200, "")
	id, one := consent.CardID(issued.Card.ID), "/cards/"+issued.Card.ID
	x.tell("askEmail", "Ann wants to be told by e-mail: a code is mailed").signed(x.kiosk, "/v1"+one+"/email", consent.TypEmail,
		&consent.EmailChange{Claims: x.claims(), Card: id, PIN: rightPIN, Address: "ann@mail.example", Language: "en"})
	x.tell("confirmEmail", "She types the code").signed(x.kiosk, "/v1"+one+"/email/confirm", consent.TypEmailCode,
		&consent.EmailConfirmation{Claims: x.claims(), Card: id, Code: consent.Code(x.mailed())})
	x.tell("getEmail", "The address is shown masked").get("/v1"+one+"/email", x.token(x.kiosk))
	x.tell("askAnyEmail", "At the counter, Ann names another address").
		admin(x.olga(), one+"/email", api.NewEmail{Address: "ann.lee@mail.example", Language: "en", Note: "at the counter"})
	x.tell("confirmAnyEmail", "She tells Olga the code that came").admin(x.olga(), one+"/email/confirm", api.EmailCode{Code: x.mailed()})
	x.tell("getAnyEmail", "Olga sees it masked, too").get("/v1/admin"+one+"/email", x.olga())
	subject := "card:" + issued.Card.ID
	x.tell("writeNote", "Olga notes for her colleagues what was agreed").
		admin(x.olga(), "/notes", api.NewNote{Subject: subject, Text: "Ann calls back on Monday about the address"})
	x.tell("listNotes", "What is noted about the card").get("/v1/admin/notes?subject="+subject, x.olga())
	x.tell("exportCard", "Ann asks what is kept about her").admin(x.olga(), one+"/export", api.Noted{Note: "asked in writing"})
	x.tell("removeEmail", "Ann wants no more e-mail").signed(x.kiosk, "/v1"+one+"/email/remove", consent.TypEmailRemoval,
		&consent.EmailRemoval{Claims: x.claims(), Card: id, PIN: rightPIN})
	x.tell("removeAnyEmail", "Olga removes an address in the same way").admin(x.olga(), one+"/email/remove", api.Noted{Note: "mail came back"})
}
