package httpapi

import (
	"net/http"
	"time"

	"tapline/api"
	"tapline/processor"
)

// setUndo is POST /v1/payee/undo.
func (c *call) setUndo() (answer, error) {
	var in api.NewUndo
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	key, err := c.byHeader()
	if err != nil {
		return answer{}, err
	}
	command := &processor.SetUndo{By: c.by.payee, Undo: time.Duration(in.Undo) * time.Second}
	return c.do(processor.Request{Key: key, Digest: c.digest(in), Command: command, Answer: func(time.Time) (int, []byte) {
		return http.StatusOK, encode(wholePayee(command.After))
	}})
}
