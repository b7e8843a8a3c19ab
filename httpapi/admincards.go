package httpapi

import (
	"net/http"
	"time"

	"tapline/api"
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
	number := consent.AccountNumber(in.AccountNumber)
	if number.Check() != nil {
		return answer{}, refuseField("invalid_field", "account_number")
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
	command := &processor.IssueCard{Operated: who, CardKeys: processor.KeysOfNumber(c.Keys, number), Card: processor.Card{
		ID: payment.CardID("card_" + consent.NewID()), Key: processor.KeyOfNumber(c.Keys, number), Last4: number.Last4(),
		Label: name, Account: newAccount(), Currency: in.Currency, Code: processor.OneUseCode{MAC: sum},
	}}
	return c.operate(in, command, func(time.Time) (int, []byte) {
		view := cardView(command.Card, ledger.Account{}, nil) // its account is new, too
		return http.StatusCreated, encode(codeView(command.Card, view, code))
	})
}

// newCode makes a one-use code and what is stored of it.
func (c *call) newCode() (consent.Code, string, error) {
	code := consent.NewActivationCode()
	sum, err := consent.ActivationCodeMAC(c.Keys, code)
	return code, mac(sum), err
}

// codeView tells a code, this once.
func codeView(card processor.Card, view api.Card, code consent.Code) api.CardCode {
	return api.CardCode{Card: view, Code: string(code), NotBefore: card.Code.NotBefore, ExpiresAt: card.Code.ExpiresAt}
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
			return http.StatusCreated, encode(codeView(command.After, seen.card(command.After), code))
		})
	}
}
