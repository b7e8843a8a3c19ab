package httpapi

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/keyring"
	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

// newEmail makes what is kept of an address that waits for its code. Nothing of it is in clear.
func (c *call) newEmail(card payment.CardID, address, language string) (processor.NewEmail, error) {
	if !c.Mails {
		return processor.NewEmail{}, refuse("no_email")
	}
	if consent.CheckEmail(address) != nil {
		return processor.NewEmail{}, refuseField("invalid_field", "address")
	}
	if !slices.Contains(consent.EmailLanguages, language) {
		return processor.NewEmail{}, refuseField("invalid_field", "language")
	}
	rows, err := c.load(c.r.Context(), processor.Wants{Cards: []payment.CardID{card}})
	if err != nil {
		return processor.NewEmail{}, err
	}
	var account ledger.AccountID // of a card that is not there: the command refuses it
	if len(rows.Cards) > 0 {
		account = rows.Cards[0].Account
	}
	code := consent.NewActivationCode()
	sums, err := consent.EmailCodeMACs(c.Keys, code)
	if err != nil {
		return processor.NewEmail{}, err
	}
	return processor.NewEmail{
		Address:  c.sealed(processor.MailContext(account), address),
		AddressK: mac(c.Keys.MAC(keyring.Digest, []byte("mail address"), []byte(strings.ToLower(address)))),
		Language: language, Code: c.sealed(processor.CodeContext(account), string(code)), CodeMAC: mac(sums[0]),
	}, nil
}

func (c *call) sealed(context []byte, text string) string {
	return base64.RawURLEncoding.EncodeToString(c.Keys.Seal(context, []byte(text)))
}

// shownEmail is a sealed address, masked.
func (c *call) shownEmail(account ledger.AccountID, box string) string {
	sealed, err := base64.RawURLEncoding.DecodeString(box)
	if err != nil || box == "" {
		return ""
	}
	address, err := c.Keys.Unseal(processor.MailContext(account), sealed)
	if err != nil {
		return ""
	}
	return consent.MaskEmail(string(address))
}

func (c *call) emailView(card processor.Card, change processor.MailChange, now time.Time) api.Email {
	v := api.Email{Address: c.shownEmail(card.Account, card.Mail.Address), Language: card.Mail.Language, Sends: c.Mails}
	if v.Address != "" {
		v.Since = &card.Mail.Since
	}
	if change.Address != "" && now.Before(change.ExpiresAt) {
		v.Pending = &api.PendingEmail{Address: c.shownEmail(card.Account, change.Address), ExpiresAt: change.ExpiresAt}
	}
	return v
}

// getEmail is GET /v1/cards/{id}/email.
func (c *call) getEmail() (answer, error) {
	return c.showEmail(func(card processor.Card) bool { return card.Associated == c.by.device })
}

// getAnyEmail is GET /v1/admin/cards/{id}/email.
func (c *call) getAnyEmail() (answer, error) {
	return c.showEmail(func(processor.Card) bool { return true })
}

func (c *call) showEmail(may func(processor.Card) bool) (answer, error) {
	var view api.Email
	err := c.Store.View(c.r.Context(), func(r processor.Reader) error {
		rows, err := r.Load(processor.Wants{Cards: []payment.CardID{payment.CardID(c.r.PathValue("id"))}})
		if err != nil {
			return err
		}
		if len(rows.Cards) == 0 || !may(rows.Cards[0]) {
			return processor.ErrUnknownCard
		}
		card := rows.Cards[0]
		now, err := c.Processor.TimeIn(r)
		if err != nil {
			return err
		}
		if rows, err = r.Load(processor.Wants{MailChanges: []ledger.AccountID{card.Account}}); err != nil {
			return err
		}
		var change processor.MailChange
		if len(rows.MailChanges) > 0 {
			change = rows.MailChanges[0]
		}
		view = c.emailView(card, change, now)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return ok(view)
}

// askEmail is POST /v1/cards/{id}/email.
func (c *call) askEmail() (answer, error) {
	var m consent.EmailChange
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	address, err := c.newEmail(payment.CardID(m.Card), m.Address, m.Language)
	if err != nil {
		return answer{}, err
	}
	pin := m.PIN
	m.PIN = ""
	return c.checkEmail(device, key, m.Card, pin, m, func(begun *processor.ReserveTry, right bool) (processor.Command, func(time.Time) emailOutcome) {
		command := processor.NewAskEmail(begun, right, address)
		return command, func(now time.Time) emailOutcome {
			o := emailOutcome{result: command.Result, after: command.After, view: c.emailView(command.After, command.Change, now)}
			if command.TooMany {
				o.refused = "too_many_codes"
			}
			return o
		}
	})
}

// removeEmail is POST /v1/cards/{id}/email/remove.
func (c *call) removeEmail() (answer, error) {
	var m consent.EmailRemoval
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	pin := m.PIN
	m.PIN = ""
	return c.checkEmail(device, key, m.Card, pin, m, func(begun *processor.ReserveTry, right bool) (processor.Command, func(time.Time) emailOutcome) {
		command := processor.NewRemoveEmail(begun, right)
		return command, func(now time.Time) emailOutcome {
			return emailOutcome{result: command.Result, after: command.After, view: c.emailView(command.After, processor.MailChange{}, now)}
		}
	})
}

// emailOutcome is what finishing a PIN check for an address came to.
type emailOutcome struct {
	result  processor.TryResult
	after   processor.Card
	view    api.Email
	refused string
}

// checkEmail is checkCard for what shows the address.
func (c *call) checkEmail(device payment.DeviceID, key processor.KeyID, id consent.CardID, pin consent.PIN, what any,
	make func(*processor.ReserveTry, bool) (processor.Command, func(time.Time) emailOutcome),
) (answer, error) {
	if err := c.about(string(id)); err != nil {
		return answer{}, err
	}
	reserve := &processor.ReserveTry{Device: device, Card: payment.CardID(id)}
	return c.checkPIN(check{
		key: key, digest: c.digest(what), pin: pin, reserve: reserve,
		finish: func(_ context.Context, right bool) (processor.Command, func(time.Time) (int, []byte), error) {
			command, ask := make(reserve, right)
			return command, func(now time.Time) (int, []byte) {
				o := ask(now)
				switch {
				case !o.result.Right:
					return c.wrongTry(o.result, string(o.after.State))
				case o.refused != "":
					return c.refused(refusal{code: o.refused})
				}
				return http.StatusOK, encode(o.view)
			}, nil
		},
	})
}

// confirmEmail is POST /v1/cards/{id}/email/confirm.
func (c *call) confirmEmail() (answer, error) {
	var m consent.EmailConfirmation
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	if err := c.about(string(m.Card)); err != nil {
		return answer{}, err
	}
	codes, err := consent.EmailCodeMACs(c.Keys, m.Code)
	if err != nil {
		return answer{}, err
	}
	command := &processor.ConfirmEmail{Card: payment.CardID(m.Card), Device: device, CodeMACs: macs(codes)}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: command, Answer: c.confirmedEmail(command)})
}

func (c *call) confirmedEmail(command *processor.ConfirmEmail) func(time.Time) (int, []byte) {
	return func(now time.Time) (int, []byte) {
		if command.Refused {
			return c.refused(refusal{code: "email_refused"})
		}
		return http.StatusOK, encode(c.emailView(command.After, processor.MailChange{}, now))
	}
}

// askAnyEmail is POST /v1/admin/cards/{id}/email.
func (c *call) askAnyEmail() (answer, error) {
	var in api.NewEmail
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	id := payment.CardID(c.r.PathValue("id"))
	address, err := c.newEmail(id, in.Address, in.Language)
	if err != nil {
		return answer{}, err
	}
	command := &processor.AskEmailFor{Operated: who, Card: id, New: address}
	return c.operate(in, command, func(now time.Time) (int, []byte) {
		return http.StatusOK, encode(c.emailView(command.After, command.Change, now))
	})
}

// confirmAnyEmail is POST /v1/admin/cards/{id}/email/confirm.
func (c *call) confirmAnyEmail() (answer, error) {
	var in api.EmailCode
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	codes, err := consent.EmailCodeMACs(c.Keys, consent.Code(in.Code))
	if err != nil {
		return answer{}, err
	}
	command := &processor.ConfirmEmail{Operated: who, Card: payment.CardID(c.r.PathValue("id")), CodeMACs: macs(codes)}
	return c.operate(in, command, c.confirmedEmail(command))
}

// removeAnyEmail is POST /v1/admin/cards/{id}/email/remove.
func (c *call) removeAnyEmail() (answer, error) {
	var in api.Noted
	who, err := c.noted(&in)
	if err != nil {
		return answer{}, err
	}
	command := processor.NewRemoveEmailFor(who, payment.CardID(c.r.PathValue("id")))
	return c.operate(in, command, func(now time.Time) (int, []byte) {
		return http.StatusOK, encode(c.emailView(command.After, processor.MailChange{}, now))
	})
}
