package main

import (
	"context"

	"tapline/api"
	"tapline/money"
	"tapline/operator"
)

// accountPendingCmd lists top-ups that wait for another operator.
type accountPendingCmd struct {
	operatorFlags
	jsonFlag
}

// Run lists them.
func (cmd *accountPendingCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	list, err := client.TopUps(a.ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, t := range list {
		rows = append(rows, []string{
			t.ID, heldFor(t), money.FormatMinor(t.Amount.Minor, t.Amount.Currency) + " " + string(t.Amount.Currency), t.State,
			t.RequestedBy, when(t.ExpiresAt), t.Note,
		})
	}
	return a.list(cmd.JSON, api.TopUps{TopUps: append([]api.TopUp{}, list...)}, []string{"TOP-UP", "ACCOUNT", "AMOUNT", "STATE", "ASKED BY", "UNTIL", "NOTE"}, rows)
}

// heldFor is the account that a top-up or an adjustment is for.
func heldFor(t api.TopUp) string {
	switch {
	case t.Adjusts == "":
		return t.Account
	case t.Debit:
		return "take from " + t.Adjusts
	}
	return "adjust " + t.Adjusts
}

// heldFlags name a top-up that waits for another operator.
type heldFlags struct {
	operatorFlags
	writeFlags
	TopUp string `arg:"" help:"The top-up's id, as \"tapline account pending\" lists it."`
	jsonFlag
}

// decide confirms or rejects it.
func (cmd *heldFlags) decide(a *app, decide func(*operator.Client, context.Context, string, string) (api.TopUp, error)) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		t, err := decide(client, a.ctx, cmd.TopUp, cmd.Note)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, t, pair{"top-up", t.ID}, pair{"state", t.State}, pair{"account", heldFor(t)},
			pair{"amount", money.FormatMinor(t.Amount.Minor, t.Amount.Currency) + " " + string(t.Amount.Currency)})
	})
}

// accountConfirmCmd confirms a top-up.
type accountConfirmCmd struct{ heldFlags }

// Run confirms it.
func (cmd *accountConfirmCmd) Run(a *app) error {
	return cmd.decide(a, (*operator.Client).ConfirmTopUp)
}

// accountRejectCmd rejects a top-up.
type accountRejectCmd struct{ heldFlags }

// Run rejects it.
func (cmd *accountRejectCmd) Run(a *app) error {
	return cmd.decide(a, (*operator.Client).RejectTopUp)
}
