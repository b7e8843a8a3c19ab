package httpapi

import (
	"net/http"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/ledger"
	"tapline/processor"
)

// topUp is POST /v1/admin/accounts/{id}/top-ups. Above a limit it waits for another operator.
func (c *call) topUp() (answer, error) {
	var in api.NewTopUp
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	if !in.Amount.Valid() {
		return answer{}, refuseField("invalid_field", "amount")
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	command := &processor.TopUp{
		Operated: who, ID: "top_" + consent.NewID(), Account: ledger.AccountID(c.r.PathValue("id")), Amount: in.Amount, Alone: c.FourEyesAbove,
	}
	return c.operate(in, command, func(now time.Time) (int, []byte) {
		view := accountView(command.After)
		if command.Held != nil {
			held := topUpView(*command.Held, now)
			view.Held = &held
		}
		return http.StatusCreated, encode(view)
	})
}

// adjust is POST /v1/admin/accounts/{id}/adjustments. Above the limit of top-ups it waits for another operator.
func (c *call) adjust() (answer, error) {
	var in api.NewAdjustment
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	if !in.Amount.Valid() {
		return answer{}, refuseField("invalid_field", "amount")
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	if who.Note == "" {
		return answer{}, refuseField("invalid_field", "note")
	}
	command := &processor.Adjust{
		Operated: who, ID: "adj_" + consent.NewID(), Account: ledger.AccountID(c.r.PathValue("id")), Debit: in.Debit, Amount: in.Amount, Alone: c.FourEyesAbove,
	}
	return c.operate(in, command, func(now time.Time) (int, []byte) {
		view := accountView(command.After)
		if command.Held != nil {
			held := topUpView(*command.Held, now)
			view.Held = &held
		}
		return http.StatusCreated, encode(view)
	})
}

// topUpView is a top-up that needs two operators.
func topUpView(t processor.HeldTopUp, now time.Time) api.TopUp {
	v := api.TopUp{
		ID: t.ID, Account: string(t.Account), Amount: t.Amount, State: string(t.State), RequestedBy: string(t.RequestedBy),
		Adjusts: string(t.Adjusts), Debit: t.Debit,
		Note: t.Note, RequestedAt: t.RequestedAt, ExpiresAt: t.ExpiresAt, DecidedBy: string(t.DecidedBy),
	}
	if t.Expired(now) {
		v.State = "expired"
	}
	if !t.DecidedAt.IsZero() {
		v.DecidedAt = &t.DecidedAt
	}
	return v
}

// listTopUps is GET /v1/admin/top-ups.
func (c *call) listTopUps() (answer, error) {
	rows, limit, err := c.list("top_ups")
	if err != nil {
		return answer{}, err
	}
	list := api.TopUps{TopUps: []api.TopUp{}}
	for _, t := range rows.TopUps {
		list.TopUps = append(list.TopUps, topUpView(t, c.now()))
	}
	list.Next = after(rows.TopUps, limit, func(t processor.HeldTopUp) string { return t.ID })
	return ok(list)
}

// decideTopUp is POST /v1/admin/top-ups/{id}/confirm or reject.
func decideTopUp(confirm bool) func(*call) (answer, error) {
	return func(c *call) (answer, error) {
		var in api.Noted
		if err := c.decode(&in); err != nil {
			return answer{}, err
		}
		who, err := c.operated(in.Note)
		if err != nil {
			return answer{}, err
		}
		command := &processor.DecideTopUp{Operated: who, ID: c.r.PathValue("id"), Confirm: confirm}
		return c.operate(in, command, func(now time.Time) (int, []byte) {
			return http.StatusOK, encode(topUpView(command.After, now))
		})
	}
}
