package httpapi

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// operate runs an operator's command under the request's idempotency key. in is the decoded body.
func (c *call) operate(in any, command processor.Command, render func(time.Time) (int, []byte)) (answer, error) {
	key, err := c.byHeader()
	if err != nil {
		return answer{}, err
	}
	return c.do(processor.Request{Key: key, Digest: c.digest(in), Command: command, Answer: render})
}

// operated is who does it, and why.
func (c *call) operated(note string) (processor.Operated, error) {
	note, err := consent.CleanText(note, 280)
	if err != nil {
		return processor.Operated{}, refuseField("text_not_shown", "note")
	}
	return processor.Operated{By: c.by.operator, Note: note}, nil
}

// label is a text that people will be shown.
func label(field, text string, least int) (string, error) {
	text, err := consent.CleanText(text, consent.MaxLabel)
	if err != nil {
		return "", refuseField("text_not_shown", field)
	}
	if len(text) < least {
		return "", refuseField("invalid_field", field)
	}
	return text, nil
}

// enrolOperator is POST /v1/admin/operators.
func (c *call) enrolOperator() (answer, error) {
	var in api.NewOperator
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	key, err := consent.ParsePublicJWK(in.PublicKey)
	if err != nil {
		return answer{}, refuseField("wrong_algorithm", "public_key")
	}
	name, err := label("name", in.Name, 1)
	if err != nil {
		return answer{}, err
	}
	command := &processor.EnrolOperator{
		Operated: processor.Operated{By: c.by.operator, Note: c.by.invite}, FourEyes: c.FourEyesAbove > 0,
		New: processor.Operator{ID: processor.OperatorID(key.ID()), Name: name, PublicKey: key.JWK()},
	}
	return c.operate(in, command, func(time.Time) (int, []byte) {
		return http.StatusCreated, encode(operatorView(command.New))
	})
}

func operatorView(o processor.Operator) api.Operator {
	v := api.Operator{ID: string(o.ID), Name: o.Name, CreatedAt: o.CreatedAt, EnrolledBy: string(o.EnrolledBy),
		ConfirmedBy: string(o.ConfirmedBy), State: "active"}
	switch {
	case !o.RemovedAt.IsZero():
		v.State, v.RemovedAt = "removed", &o.RemovedAt
	case o.ConfirmedAt.IsZero():
		v.State = "requested"
	}
	return v
}

// noted reads the body of an operator's action that needs nothing but a reason, and who takes it.
func (c *call) noted(in *api.Noted) (processor.Operated, error) {
	if err := c.decode(in); err != nil {
		return processor.Operated{}, err
	}
	return c.operated(in.Note)
}

// list reads a page of a table, after a row's key.
func (c *call) list(table string) (rows processor.Rows, limit int, err error) {
	return c.listOf(processor.ListQuery{Table: table})
}

// listOf reads a page of what a query selects.
func (c *call) listOf(q processor.ListQuery) (rows processor.Rows, limit int, err error) {
	if err := c.cursorOfID(); err != nil {
		return rows, 0, err
	}
	q.After, q.Limit = c.query["before"], int(c.number("limit", defaultPage))
	err = c.Store.View(c.r.Context(), func(r processor.Reader) (err error) {
		rows, err = r.List(q)
		return err
	})
	return rows, q.Limit, err
}

// after is where the next page begins: after the last row of a full one.
func after[R any](rows []R, limit int, key func(R) string) string {
	if len(rows) < limit {
		return ""
	}
	return key(rows[len(rows)-1])
}

// listOperators is GET /v1/admin/operators.
func (c *call) listOperators() (answer, error) {
	rows, limit, err := c.list("operators")
	if err != nil {
		return answer{}, err
	}
	list := api.Operators{Operators: []api.Operator{}}
	for _, o := range rows.Operators {
		list.Operators = append(list.Operators, operatorView(o))
	}
	list.Next = after(rows.Operators, limit, func(o processor.Operator) string { return string(o.ID) })
	return ok(list)
}

func newAccount() ledger.AccountID { return ledger.AccountID("acc_" + consent.NewID()) }

// revokeDevice is POST /v1/admin/devices/{id}/revoke.
func (c *call) revokeDevice() (answer, error) {
	var in api.Noted
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	command := &processor.RevokeDevice{Operated: who, Device: payment.DeviceID(c.r.PathValue("id"))}
	return c.operate(in, command, func(now time.Time) (int, []byte) {
		return http.StatusOK, encode(api.Revoked{ID: string(command.Device), RevokedAt: now})
	})
}

// listDevices is GET /v1/admin/devices.
func (c *call) listDevices() (answer, error) {
	rows, limit, err := c.list("devices")
	if err != nil {
		return answer{}, err
	}
	list := api.Devices{Devices: []api.Device{}}
	for _, d := range rows.Devices {
		list.Devices = append(list.Devices, deviceView(d))
	}
	list.Next = after(rows.Devices, limit, func(d processor.Device) string { return string(d.ID) })
	return ok(list)
}

// numbered refuses a list of numbered rows after something else than a number.
func (c *call) numbered() error {
	if _, err := strconv.ParseInt(cmp.Or(c.query["before"], "0"), 10, 64); err != nil {
		return refuseField("invalid_field", "before")
	}
	return nil
}

// listAudit is GET /v1/admin/audit, newest first.
func (c *call) listAudit() (answer, error) {
	if err := c.numbered(); err != nil {
		return answer{}, err
	}
	rows, limit, err := c.list("audit")
	if err != nil {
		return answer{}, err
	}
	list := api.AuditLog{Records: []api.AuditRecord{}}
	for _, a := range rows.Audit {
		list.Records = append(list.Records, api.AuditRecord{
			At: a.At, Operator: string(a.Operator), Action: a.Action, Subject: a.Subject, Note: a.Note,
		})
	}
	list.Next = after(rows.Audit, limit, func(a processor.Audit) string { return seq(a.Seq) })
	return ok(list)
}

func accountView(a ledger.Account) api.Account {
	return api.Account{
		ID: string(a.ID), Kind: string(a.Kind), Currency: a.Currency, Balance: a.Balance(), Available: a.Available(),
		DebitsPending: a.DebitsPending, CreditsPending: a.CreditsPending,
		DebitsPosted: a.DebitsPosted, CreditsPosted: a.CreditsPosted,
		Limits: limitsView(a.Limits), Spent: spentView(a.Turnover),
	}
}

// listAccounts is GET /v1/admin/accounts.
func (c *call) listAccounts() (answer, error) {
	q := processor.ListQuery{Table: "accounts"}
	if text, given := c.query["unused_since"]; given {
		since, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return answer{}, refuseField("invalid_field", "unused_since")
		}
		q.UnusedSince = since.UTC()
	}
	rows, limit, err := c.listOf(q)
	if err != nil {
		return answer{}, err
	}
	list := api.Accounts{Accounts: []api.Account{}}
	for _, a := range rows.Accounts {
		list.Accounts = append(list.Accounts, accountView(a))
	}
	list.Next = after(rows.Accounts, limit, func(a ledger.Account) string { return string(a.ID) })
	return ok(list)
}

// getAccount is GET /v1/admin/accounts/{id}.
func (c *call) getAccount() (answer, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{Accounts: []ledger.AccountID{ledger.AccountID(c.r.PathValue("id"))}})
	if err != nil {
		return answer{}, err
	}
	if len(rows.Accounts) == 0 {
		return answer{}, processor.ErrUnknownAccount
	}
	return ok(accountView(rows.Accounts[0]))
}

// knownCurrency refuses a currency that tapline does not move.
func knownCurrency(c money.Currency) error {
	if !c.Known() {
		return refuseField("invalid_field", "currency")
	}
	return nil
}
