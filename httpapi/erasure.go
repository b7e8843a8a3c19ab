package httpapi

import (
	"net/http"
	"time"

	"tapline/api"
	"tapline/payment"
	"tapline/processor"
)

// eraseHolder is POST /v1/admin/cards/{id}/erasure, and /erasure/confirm.
func eraseHolder(confirm bool) func(*call) (answer, error) {
	status := map[bool]int{false: http.StatusCreated, true: http.StatusOK}[confirm]
	return func(c *call) (answer, error) {
		var in api.Noted
		who, err := c.noted(&in)
		if err != nil {
			return answer{}, err
		}
		if !confirm && who.Note == "" {
			return answer{}, refuseField("invalid_field", "note")
		}
		command := &processor.EraseHolder{Operated: who, Card: payment.CardID(c.r.PathValue("id")), Confirm: confirm}
		return c.operate(in, command, func(time.Time) (int, []byte) { return status, encode(erasureView(command.After)) })
	}
}

func erasureView(e processor.Erasure) api.Erasure {
	v := api.Erasure{Account: string(e.Account), State: "requested", AskedBy: string(e.AskedBy), AskedAt: e.AskedAt, ExpiresAt: e.Expires(),
		ErasedBy: string(e.ErasedBy), ErasedAt: when(e.ErasedAt)}
	if v.ErasedAt != nil {
		v.State = "erased"
	}
	return v
}
