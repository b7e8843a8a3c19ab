package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/httpapi"
	"tapline/payment"
	"tapline/processor"
)

func withMail(_ *processor.Config, h *httpapi.Config) { h.Mails = true }

// mails are the e-mails that wait to be sent, with their addresses.
func (w *world) mails() (found []processor.Mail) {
	w.t.Helper()
	w.must(w.store.View(w.ctx, func(r processor.Reader) error {
		due, err := r.Due(w.clock.Now(), 100)
		if err != nil {
			return err
		}
		rows, err := r.Load(processor.Wants{Mails: due.Mails})
		found = rows.Mails
		return err
	}))
	for i, m := range found {
		found[i].Address = w.unsealed(processor.MailContext(m.Account), m.Address)
		if m.Facts.Code != "" {
			found[i].Facts.Code = w.unsealed(processor.CodeContext(m.Account), m.Facts.Code)
		}
	}
	return found
}

func (w *world) unsealed(context []byte, box string) string {
	w.t.Helper()
	sealed, err := base64.RawURLEncoding.DecodeString(box)
	w.must(err)
	text, err := w.keys.Unseal(context, sealed)
	w.must(err)
	return string(text)
}

// mailed is the code that was mailed to an address; the others are taken as sent.
func (w *world) mailed(address string) (code consent.Code) {
	w.t.Helper()
	for _, m := range w.mails() {
		if m.Kind == processor.MailCode && m.Address == address {
			code = consent.Code(m.Facts.Code)
		}
	}
	if code == "" {
		w.t.Fatalf("no code was mailed to %s", address)
	}
	return code
}

func TestAnAddressCountsOnceItsCodeCameBack(t *testing.T) {
	const ann, thief = "ann.lee@mail.example", "thief@evil.example"
	w := openWorld(t, withMail)
	id := consent.CardID(w.card.ID)
	if _, err := w.phone.AskEmail(w.ctx, id, wrongPIN, ann, "en"); err != nil {
		expectProblem(t, err, "wrong_pin")
	} else {
		t.Error("a wrong PIN sets an address")
	}
	e, err := w.phone.AskEmail(w.ctx, id, rightPIN, ann, "en")
	w.must(err)
	if e.Address != "" || e.Pending == nil || e.Pending.Address != "a…@mail.example" {
		t.Errorf("asked: %+v", e)
	}
	code := w.mailed(ann)
	_, err = w.kiosk.ConfirmEmail(w.ctx, id, code)
	expectProblem(t, err, "unknown_card")
	other := consent.NewActivationCode()
	_, err = w.phone.ConfirmEmail(w.ctx, id, other)
	expectProblem(t, err, "email_refused")
	e, err = w.phone.ConfirmEmail(w.ctx, id, code)
	w.must(err)
	if e.Address != "a…@mail.example" || e.Language != "en" || e.Since == nil || e.Pending != nil || !e.Sends {
		t.Errorf("confirmed: %+v", e)
	}
	_, err = w.phone.ConfirmEmail(w.ctx, id, code)
	expectProblem(t, err, "email_refused")

	// Whoever changes the address leaves a trace at the old one.
	_, err = w.operator.AskEmail(w.ctx, id, api.NewEmail{Address: thief, Language: "zh", Note: "asked on the telephone"})
	w.must(err)
	_, err = w.operator.ConfirmEmail(w.ctx, id, api.EmailCode{Code: string(w.mailed(thief))})
	w.must(err)
	told := map[string]string{}
	for _, m := range w.mails() {
		told[m.Kind+" "+m.Address] = m.Language
	}
	if told[processor.MailMoved+" "+ann] != "en" || told["card.email_changed "+thief] != "zh" {
		t.Errorf("told are %v", told)
	}
	if e, err = w.operator.Email(w.ctx, id); err != nil || e.Address != "t…@evil.example" {
		t.Errorf("an operator sees %+v, %v", e, err)
	}
	if e, err = w.phone.RemoveEmail(w.ctx, id, rightPIN); err != nil || e.Address != "" {
		t.Errorf("removed: %+v, %v", e, err)
	}
	_, err = w.kiosk.Email(w.ctx, id)
	expectProblem(t, err, "unknown_card")
}

func TestADebitIsMailedWithWhatTheHolderNeedsToKnow(t *testing.T) {
	w := openWorld(t, withMail)
	id := consent.CardID(w.card.ID)
	_, err := w.phone.AskEmail(w.ctx, id, rightPIN, "ann@mail.example", "en")
	w.must(err)
	_, err = w.phone.ConfirmEmail(w.ctx, id, w.mailed("ann@mail.example"))
	w.must(err)
	p := w.payWith(w.phone, cardNumber, 12_50, rightPIN)
	for _, m := range w.mails() {
		if m.Kind == "payment.settled" {
			if m.Subject != string(p.ID()) || m.Facts.Payee != "Book Shop" || m.Facts.Amount.Minor != 12_50 || m.Facts.CardLast4 != "0005" {
				t.Errorf("told is %+v", m.Facts)
			}
			return
		}
	}
	t.Errorf("nothing is told of payment %s", p.ID())
}

// What the mail names is what is gone from the account.
func TestADebitIsMailedWithTheFeeThatThePayerBears(t *testing.T) {
	w := openWorld(t, withMail)
	id := consent.CardID(w.card.ID)
	_, err := w.phone.AskEmail(w.ctx, id, rightPIN, "ann@mail.example", "en")
	w.must(err)
	_, err = w.phone.ConfirmEmail(w.ctx, id, w.mailed("ann@mail.example"))
	w.must(err)
	w.charge(0, 30, payment.PayerBears)
	w.payWith(w.phone, cardNumber, 12_50, rightPIN)
	w.expectFees(100_00-12_80, 12_50, 30)
	for _, m := range w.mails() {
		if m.Kind == "payment.settled" && m.Facts.Amount.Minor != 12_80 {
			t.Errorf("told is a debit of %v", m.Facts.Amount)
		}
	}
}

func TestNoAddressIsTakenWhereNobodySendsMail(t *testing.T) {
	w := openWorld(t)
	_, err := w.phone.AskEmail(w.ctx, consent.CardID(w.card.ID), rightPIN, "ann@mail.example", "en")
	expectProblem(t, err, "no_email")
	if e, err := w.phone.Email(w.ctx, consent.CardID(w.card.ID)); err != nil || e.Sends || e.Address != "" {
		t.Errorf("told is %+v, %v", e, err)
	}
}

func TestCodesAreNotMailedWithoutEnd(t *testing.T) {
	w := openWorld(t, withMail)
	id := consent.CardID(w.card.ID)
	for range 3 {
		_, err := w.phone.AskEmail(w.ctx, id, rightPIN, "stranger@mail.example", "en")
		w.must(err)
	}
	_, err := w.phone.AskEmail(w.ctx, id, rightPIN, "stranger@mail.example", "en")
	if p := expectProblem(t, err, "too_many_codes"); p != nil && p.Status != 429 {
		t.Errorf("the answer is %d", p.Status)
	}
	w.clock.Advance(time.Hour)
	if _, err := w.phone.AskEmail(w.ctx, id, rightPIN, "stranger@mail.example", "en"); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

// A code that was mailed long ago does not make anybody wait: the counts fall by one each day.
func TestCountsOfMailedCodesFall(t *testing.T) {
	w := openWorld(t, withMail)
	id := consent.CardID(w.card.ID)
	mailed := func(most int) (n int) {
		for n < most {
			_, err := w.phone.AskEmail(w.ctx, id, rightPIN, "ann@mail.example", "en")
			if err != nil {
				expectProblem(t, err, "too_many_codes")
				return n
			}
			n++
		}
		return n
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 3}, {time.Hour, 1}, {2*time.Hour + 24*time.Hour, 1}, {10 * 24 * time.Hour, 3}, {26 * time.Hour, 1}, {50 * time.Hour, 2}} {
		w.clock.Advance(step.after)
		if got := mailed(5); got != step.want {
			t.Errorf("%s later %d are mailed, want %d", step.after, got, step.want)
		}
	}
}

func TestTheDatabaseHoldsNoAddress(t *testing.T) {
	const ann = "ann.unmistakable@mail.example"
	w := openWorld(t, withMail)
	id := consent.CardID(w.card.ID)
	_, err := w.phone.AskEmail(w.ctx, id, rightPIN, ann, "en")
	w.must(err)
	code := w.mailed(ann)
	_, err = w.phone.ConfirmEmail(w.ctx, id, code)
	w.must(err)
	if strings.Contains(w.db, "://") {
		return // of PostgreSQL no file is at hand
	}
	for _, name := range []string{w.db, w.db + "-wal"} {
		text, err := os.ReadFile(name)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, secret := range []string{ann, "unmistakable", string(code)} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
	}
}

// Whoever has a card and a domain of his own confirms an address there, and between the confirmations has codes mailed to strangers.
func TestAConfirmedAddressClearsNoWayForCodesToStrangers(t *testing.T) {
	w := openWorld(t, withMail)
	id := consent.CardID(w.card.ID)
	strangers := 0
	for round := range 4 {
		for i := range 2 {
			address := fmt.Sprintf("stranger%d.%d@mail.example", round, i)
			if _, err := w.phone.AskEmail(w.ctx, id, rightPIN, address, "en"); err == nil {
				strangers++
			}
		}
		own := fmt.Sprintf("own%d@evil.example", round)
		if _, err := w.phone.AskEmail(w.ctx, id, rightPIN, own, "en"); err == nil {
			_, err = w.phone.ConfirmEmail(w.ctx, id, w.mailed(own))
			w.must(err)
		}
	}
	if strangers > 3 {
		t.Errorf("%d strangers were mailed within one hour", strangers)
	}
}
