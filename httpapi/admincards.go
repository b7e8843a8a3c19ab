package httpapi

import (
	"net/http"
	"time"

	"rsc.io/qr"

	"tapline/api"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

// issueCard is POST /v1/admin/cards. The activation code is told this once.
func (c *call) issueCard() (answer, error) {
	var in api.NewCard
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	card, keys, setup, err := c.newCard(in)
	if err != nil {
		return answer{}, err
	}
	if err := knownCurrency(in.Currency); err != nil {
		return answer{}, err
	}
	name, err := label("label", in.Label, 0)
	if err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	code, sum, err := c.newCode()
	if err != nil {
		return answer{}, err
	}
	card.ID, card.Account, card.Code.MAC = payment.CardID("card_"+consent.NewID()), newAccount(), sum
	card.Label, card.Currency = name, in.Currency
	command := &processor.IssueCard{Operated: who, CardKeys: keys, Card: card}
	return c.operate(in, command, func(time.Time) (int, []byte) {
		view := c.codeView(command.Card, cardView(command.Card, ledger.Account{}, nil), code) // its account is new, too
		view.SUN = setup
		return http.StatusCreated, encode(view)
	})
}

// newCard is what a new card is known by: its account number or, if it proves itself, its UID.
func (c *call) newCard(in api.NewCard) (card processor.Card, keys []processor.CardKey, setup *api.SUNSetup, err error) {
	number := consent.AccountNumber(in.AccountNumber)
	if in.SUN == nil {
		if number.Check() != nil {
			return card, nil, nil, refuseField("invalid_field", "account_number")
		}
		card.Key, card.Last4 = processor.KeyOfNumber(c.Keys, number), number.Last4()
		return card, processor.KeysOfNumber(c.Keys, number), nil, nil
	}
	uid, err := sun.ParseUID(in.SUN.UID)
	if err != nil || number != "" {
		return card, nil, nil, refuseField("invalid_field", "sun")
	}
	setup = c.setup(uid)
	card.Key, card.Last4 = processor.KeyOfUID(c.Keys, uid[:]), processor.DigitsOfUID(c.Keys, uid[:])
	card.SUNVersion = setup.KeyVersion
	return card, processor.KeysOfUID(c.Keys, uid[:]), setup, nil
}

// newCode makes a one-use code and what is stored of it.
func (c *call) newCode() (consent.Code, string, error) {
	code := consent.NewActivationCode()
	sum, err := consent.ActivationCodeMAC(c.Keys, code)
	return code, mac(sum), err
}

// codeView tells a code, this once.
func (s *Service) codeView(card processor.Card, view api.Card, code consent.Code) api.CardCode {
	v := api.CardCode{Card: view, Code: string(code), NotBefore: card.Code.NotBefore, ExpiresAt: card.Code.ExpiresAt}
	if card.Code.Purpose != processor.CodeResetsPIN {
		v.Link = s.PublicURL + "/me#code=" + v.Code
		if picture, err := qr.Encode(v.Link, qr.M); err == nil { // an address that is too long for one is still a link
			v.QR = string(svg(picture))
		}
	}
	return v
}

// listAllCards is GET /v1/admin/cards.
func (c *call) listAllCards() (answer, error) {
	rows, limit, err := c.list("cards")
	if err != nil {
		return answer{}, err
	}
	list := api.Cards{}
	err = c.Store.View(c.r.Context(), func(r processor.Reader) (err error) {
		list.Cards, err = showCards(r, rows.Cards)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	list.Next = after(rows.Cards, limit, func(k processor.Card) string { return string(k.ID) })
	return ok(list)
}

// getAnyCard is GET /v1/admin/cards/{id}.
func (c *call) getAnyCard() (answer, error) {
	return c.showCard(payment.CardID(c.r.PathValue("id")), func(processor.Rows) bool { return true })
}

// setCardState is POST /v1/admin/cards/{id}/freeze, unfreeze or close.
func setCardState(to processor.CardState) func(*call) (answer, error) {
	return func(c *call) (answer, error) {
		var in api.Noted
		if err := c.decode(&in); err != nil {
			return answer{}, err
		}
		who, err := c.operated(in.Note)
		if err != nil {
			return answer{}, err
		}
		command := &processor.SetCardState{Operated: who, Card: payment.CardID(c.r.PathValue("id")), To: to}
		seen := &looked{Command: command}
		return c.operate(in, seen, func(time.Time) (int, []byte) {
			return http.StatusOK, encode(seen.card(command.After))
		})
	}
}

// giveCode is POST /v1/admin/cards/{id}/activation-code, rebind or pin-reset. The code is told this once.
func giveCode(purpose processor.CodePurpose) func(*call) (answer, error) {
	return func(c *call) (answer, error) {
		var in api.Noted
		if err := c.decode(&in); err != nil {
			return answer{}, err
		}
		who, err := c.operated(in.Note)
		if err != nil {
			return answer{}, err
		}
		code, sum, err := c.newCode()
		if err != nil {
			return answer{}, err
		}
		command := &processor.GiveCode{Operated: who, Card: payment.CardID(c.r.PathValue("id")), Purpose: purpose, MAC: sum}
		seen := &looked{Command: command}
		return c.operate(in, seen, func(time.Time) (int, []byte) {
			return http.StatusCreated, encode(c.codeView(command.After, seen.card(command.After), code))
		})
	}
}

// loseAnyCard is POST /v1/admin/cards/{id}/lost.
func (c *call) loseAnyCard() (answer, error) {
	var in api.Noted
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	command := &processor.ReportLost{Operated: who, Card: payment.CardID(c.r.PathValue("id"))}
	seen := &looked{Command: command}
	return c.operate(in, seen, func(time.Time) (int, []byte) {
		return http.StatusOK, encode(seen.card(command.After))
	})
}

// replaceCard is POST /v1/admin/cards/{id}/replace. The code is told this once.
func (c *call) replaceCard() (answer, error) {
	var in api.Replacement
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	card, keys, setup, err := c.newCard(api.NewCard{AccountNumber: in.AccountNumber, SUN: in.SUN})
	if err != nil {
		return answer{}, err
	}
	name, err := label("label", in.Label, 0)
	if err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	code, sum, err := c.newCode()
	if err != nil {
		return answer{}, err
	}
	card.ID, card.Code.MAC, card.Label = payment.CardID("card_"+consent.NewID()), sum, name
	command := &processor.ReplaceCard{Operated: who, Old: payment.CardID(c.r.PathValue("id")), Card: card, CardKeys: keys}
	seen := &looked{Command: command}
	return c.operate(in, seen, func(time.Time) (int, []byte) {
		view := c.codeView(command.Card, seen.cardOf(command.Card, command.Devices), code)
		view.SUN = setup
		return http.StatusCreated, encode(view)
	})
}
