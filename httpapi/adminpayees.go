package httpapi

import (
	"cmp"
	"net/http"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
)

// addPayee is POST /v1/admin/payees. The API key is told this once.
func (c *call) addPayee() (answer, error) {
	var in api.NewPayee
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	if consent.CheckHandle(in.Handle) != nil {
		return answer{}, refuseField("handle_format", "handle")
	}
	if err := knownCurrency(in.Currency); err != nil {
		return answer{}, err
	}
	name, err := label("name", in.Name, 1)
	if err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	text, key := c.newAPIKey(payment.Handle(in.Handle))
	key.Name, key.Scopes = "first", firstScopes
	command := &processor.AddPayee{
		Operated: who, APIKey: key,
		Payee: processor.Payee{Handle: payment.Handle(in.Handle), Name: name, Kind: processor.PayeeKind(cmp.Or(in.Kind, string(processor.Company))), Account: newAccount(), Currency: in.Currency},
	}
	return c.operate(in, command, func(time.Time) (int, []byte) {
		view := adminPayee(command.Payee)
		view.APIKey = string(text)
		return http.StatusCreated, encode(view)
	})
}

func adminPayee(p processor.Payee) api.AdminPayee {
	v := api.AdminPayee{
		Handle: string(p.Handle), Name: p.Name, Kind: string(p.Kind), Account: string(p.Account), Currency: p.Currency,
		Closed: p.Closed, Rehearsals: p.Rehearsals,
	}
	for _, a := range p.Further {
		v.Further = append(v.Further, api.PayeeAccount{Account: string(a.Account), Currency: a.Currency, Until: when(a.Until)})
	}
	return v
}

// listPayees is GET /v1/admin/payees.
func (c *call) listPayees() (answer, error) {
	rows, limit, err := c.list("payees")
	if err != nil {
		return answer{}, err
	}
	list := api.Payees{Payees: []api.AdminPayee{}}
	for _, p := range rows.Payees {
		list.Payees = append(list.Payees, adminPayee(p))
	}
	list.Next = after(rows.Payees, limit, func(p processor.Payee) string { return string(p.Handle) })
	return ok(list)
}

// getAnyPayee is GET /v1/admin/payees/{handle}.
func (c *call) getAnyPayee() (answer, error) {
	handle := payment.Handle(c.r.PathValue("handle"))
	rows, err := c.load(c.r.Context(), processor.Wants{Payees: []payment.Handle{handle}, AliasesOf: []payment.Handle{handle}})
	if err != nil {
		return answer{}, err
	}
	if len(rows.Payees) == 0 {
		return answer{}, processor.ErrUnknownPayee
	}
	view := adminPayee(rows.Payees[0])
	for _, a := range rows.Aliases {
		if a.RemovedAt.IsZero() {
			view.Aliases = append(view.Aliases, string(a.Alias))
		}
	}
	return ok(view)
}

// movePayee is POST /v1/admin/payees/{handle}/account: a new account for what is instructed from now on.
func (c *call) movePayee() (answer, error) {
	var in api.NewPayeeAccount
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	if in.Currency != "" {
		if err := knownCurrency(in.Currency); err != nil {
			return answer{}, err
		}
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	command := &processor.MovePayee{Operated: who, Handle: payment.Handle(c.r.PathValue("handle")), Currency: in.Currency, Account: newAccount()}
	return c.operate(in, command, func(time.Time) (int, []byte) {
		return http.StatusOK, encode(adminPayee(command.After))
	})
}

// closePayee is POST /v1/admin/payees/{handle}/closed.
func (c *call) closePayee() (answer, error) {
	var in api.PayeeClosed
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	command := &processor.ClosePayee{Operated: who, Handle: payment.Handle(c.r.PathValue("handle")), Closed: in.Closed}
	return c.operate(in, command, func(time.Time) (int, []byte) {
		return http.StatusOK, encode(adminPayee(command.After))
	})
}

// renamePayee is POST /v1/admin/payees/{handle}/name.
func (c *call) renamePayee() (answer, error) {
	var in api.VerifiedName
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	name, err := label("name", in.Name, 1)
	if err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	command := &processor.RenamePayee{Operated: who, Handle: payment.Handle(c.r.PathValue("handle")), Name: name, Kind: processor.PayeeKind(in.Kind)}
	return c.operate(in, command, func(time.Time) (int, []byte) {
		return http.StatusOK, encode(adminPayee(command.After))
	})
}

// aliasPayee is POST /v1/admin/payees/{handle}/aliases.
func (c *call) aliasPayee() (answer, error) {
	var in api.PayeeAlias
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	if consent.CheckHandle(in.Alias) != nil {
		return answer{}, refuseField("handle_format", "alias")
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	command := &processor.SetAlias{
		Operated: who, Handle: payment.Handle(c.r.PathValue("handle")), Alias: payment.Handle(in.Alias), Removed: in.Removed,
	}
	return c.operate(in, command, func(time.Time) (int, []byte) {
		return http.StatusOK, encode(adminPayee(command.After))
	})
}

// setRehearsals is POST /v1/admin/payees/{handle}/rehearsals.
func (c *call) setRehearsals() (answer, error) {
	var in api.NewRehearsals
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	command := &processor.SetRehearsals{Operated: who, Handle: payment.Handle(c.r.PathValue("handle")), Allowed: in.Allowed}
	return c.operate(in, command, func(time.Time) (int, []byte) {
		return http.StatusOK, encode(adminPayee(command.After))
	})
}
