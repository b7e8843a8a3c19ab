package httpapi

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/ledger"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

// writeNote is POST /v1/admin/notes.
func (c *call) writeNote() (answer, error) {
	var in api.NewNote
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	if !processor.CheckNoteSubject(processor.NoteSubject(in.Subject)) {
		return answer{}, refuseField("invalid_field", "subject")
	}
	text, err := consent.CleanText(in.Text, 2000)
	if err != nil {
		return answer{}, refuseField("text_not_shown", "text")
	}
	if text == "" {
		return answer{}, refuseField("invalid_field", "text")
	}
	command := &processor.WriteNote{Operated: processor.Operated{By: c.by.operator},
		Note: processor.Note{ID: "note_" + consent.NewID(), Subject: processor.NoteSubject(in.Subject), Text: text}}
	return c.operate(in, command, func(time.Time) (int, []byte) { return http.StatusCreated, encode(noteView(command.Written)) })
}

func noteView(n processor.Note) api.Note {
	return api.Note{ID: n.ID, Subject: string(n.Subject), Text: n.Text, By: string(n.By), At: n.At}
}

// notesAbout are notes, the newest first, and those of the same time by id.
func notesAbout(r processor.Reader, subjects ...processor.NoteSubject) ([]api.Note, error) {
	rows, err := r.Load(processor.Wants{NotesOf: subjects})
	list := make([]api.Note, 0, len(rows.Notes))
	for _, n := range rows.Notes {
		list = append(list, noteView(n))
	}
	slices.SortFunc(list, func(a, b api.Note) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	return list, err
}

// listNotes is GET /v1/admin/notes.
func (c *call) listNotes() (answer, error) {
	subject := processor.NoteSubject(c.query["subject"])
	if !processor.CheckNoteSubject(subject) {
		return answer{}, refuseField("invalid_field", "subject")
	}
	var list api.Notes
	err := c.Store.View(c.r.Context(), func(r processor.Reader) (err error) {
		list.Notes, err = notesAbout(r, subject)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return ok(list)
}

// exportCard is POST /v1/admin/cards/{id}/export. What is kept with the idempotency key says only that it was handed out: the export
// is read anew each time, and stored nowhere. So each time is recorded, and told.
func (c *call) exportCard() (answer, error) {
	var in api.Noted
	who, err := c.noted(&in)
	if err != nil {
		return answer{}, err
	}
	id := payment.CardID(c.r.PathValue("id"))
	a, err := c.operate(in, &processor.ExportCard{Operated: who, Card: id}, func(time.Time) (int, []byte) { return http.StatusOK, []byte("{}") })
	if err == nil && a.replayed {
		_, err = c.do(processor.Request{Command: &processor.ExportCard{Operated: who, Card: id}})
	}
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	var e api.Export
	if err := c.Store.View(c.r.Context(), func(r processor.Reader) (err error) { e, err = c.export(r, id); return err }); err != nil {
		return answer{}, err
	}
	a.body = encode(e)
	return a, nil
}

// export is all that is kept about the holder of a card.
func (c *call) export(r processor.Reader, id payment.CardID) (e api.Export, err error) {
	rows, err := r.Load(processor.Wants{Cards: []payment.CardID{id}})
	if err != nil {
		return e, err
	}
	if len(rows.Cards) == 0 {
		return e, processor.ErrUnknownCard
	}
	account := rows.Cards[0].Account
	if rows, err = r.Load(processor.Wants{CardsOn: []ledger.AccountID{account}, Accounts: []ledger.AccountID{account}}); err != nil {
		return e, err
	}
	cards := rows.Cards
	slices.SortFunc(cards, func(a, b processor.Card) int { return a.CreatedAt.Compare(b.CreatedAt) })
	e = api.Export{Account: accountView(rows.Accounts[0]), Passkeys: []api.Passkey{}, Payments: []api.AdminPayment{}, Refunds: []api.Refund{}}
	if e.Cards, err = showCards(r, cards); err != nil {
		return e, err
	}
	about := []processor.NoteSubject{processor.NoteSubject("account:" + account)}
	for _, card := range cards {
		about = append(about, processor.NoteSubject("card:"+card.ID))
		if card.Mail.Address != "" {
			if e.Email, err = c.exportedEmail(card); err != nil {
				return e, err
			}
		}
		more, err := c.exportOf(r, card, &e)
		if err != nil {
			return e, err
		}
		about = append(about, more...)
	}
	report := api.Report{From: time.Unix(0, 0).UTC(), Until: c.now().Add(time.Microsecond), Lines: []api.ReportLine{}}
	if err = eachEntry(r, account, report.From, report.Until, func(entry ledger.Entry) error {
		report.Lines = append(report.Lines, lines(entry, account)...)
		return nil
	}); err != nil {
		return e, err
	}
	e.Entries = report.Lines
	if e.Payouts, err = c.exportedPayouts(r, e.Entries); err != nil {
		return e, err
	}
	e.Notes, err = notesAbout(r, about...)
	numberOperators(e.Notes)
	return e, err
}

// exportOf adds what is kept of one card: passkeys, payments and refunds. It returns what notes may be about.
func (c *call) exportOf(r processor.Reader, card processor.Card, e *api.Export) (about []processor.NoteSubject, err error) {
	rows, err := r.Load(processor.Wants{PasskeysOf: []payment.CardID{card.ID}, BoundTo: []payment.CardID{card.ID}})
	if err != nil {
		return nil, err
	}
	own := map[payment.DeviceID]bool{card.Associated: true}
	for _, b := range rows.Bindings {
		own[b.Device] = true
	}
	for _, k := range rows.Passkeys {
		e.Passkeys = append(e.Passkeys, passkeyView(k, k.RemovedAt.IsZero() && k.Device == card.Associated))
	}
	q := processor.PaymentQuery{Card: card.ID, Limit: maxPage}
	for {
		page, err := r.Payments(q)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			v := adminPayment(p)
			v.PayeeFee = nil // between operator and payee
			if !own[p.Initiator] {
				v.Device, v.DeviceLabel = "", "" // somebody else's
			}
			e.Payments = append(e.Payments, v)
			about = append(about, processor.NoteSubject("payment:"+p.ID))
			if p.Refunded == 0 {
				continue
			}
			if err := exportRefunds(r, p, e); err != nil {
				return nil, err
			}
		}
		if len(page) < q.Limit {
			return about, nil
		}
		q.Before, q.BeforeID = page[len(page)-1].InstructedAt, page[len(page)-1].ID
	}
}

// exportRefunds adds all refunds of a payment.
func exportRefunds(r processor.Reader, p payment.Payment, e *api.Export) error {
	for q := (processor.RefundQuery{Payment: p.ID, Limit: maxPage}); ; {
		page, err := r.Refunds(q)
		if err != nil {
			return err
		}
		for _, f := range page {
			e.Refunds = append(e.Refunds, refundView(f, p, api.RoleInitiator))
			q.Before, q.BeforeID = f.At, f.ID
		}
		if len(page) < q.Limit {
			return nil
		}
	}
}

// exportedPayouts are those of an account with these entries: each has one that holds its money.
func (c *call) exportedPayouts(r processor.Reader, entries []api.ReportLine) ([]api.Payout, error) {
	var ids []payout.ID
	for _, l := range entries {
		if id := payout.ID(l.Reference); l.Action == string(ledger.Hold) && consent.CheckPayoutID(id) == nil {
			ids = append(ids, id)
		}
	}
	list := make([]api.Payout, 0, len(ids))
	rows, err := r.Load(processor.Wants{Payouts: ids})
	for _, p := range rows.Payouts {
		v := c.payoutView(p)
		v.AskedBy, v.ApprovedBy, v.ReturnedBy = "operator", "", ""
		list = append(list, v)
	}
	return list, err
}

func (c *call) exportedEmail(card processor.Card) (*api.ExportedEmail, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(card.Mail.Address)
	if err != nil {
		return nil, fmt.Errorf("an address is not as it was kept: %w", err)
	}
	address, err := c.Keys.Unseal(processor.MailContext(card.Account), sealed)
	if err != nil {
		return nil, err
	}
	return &api.ExportedEmail{Address: string(address), Language: card.Mail.Language, Since: card.Mail.Since}, nil
}

// numberOperators puts numbers in the place of operators, who are other people.
func numberOperators(notes []api.Note) {
	numbers := map[string]string{}
	for i := range notes {
		if numbers[notes[i].By] == "" {
			numbers[notes[i].By] = "operator " + strconv.Itoa(len(numbers)+1)
		}
		notes[i].By = numbers[notes[i].By]
	}
}
