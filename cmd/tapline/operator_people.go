package main

import (
	"context"

	"tapline/api"
	"tapline/operator"
)

// operatorInviteCmd invites a new operator.
type operatorInviteCmd struct {
	operatorFlags
	writeFlags
	jsonFlag
}

// Help explains what to do with the invite.
func (*operatorInviteCmd) Help() string {
	return `Prints an invite, which enrols one operator within a day: in a browser, at the address that is printed with it, or with
"tapline operator enrol --token-file". Hand it over where nobody else sees it. You answer for who uses it.`
}

// Run makes the invite.
func (cmd *operatorInviteCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		got, err := client.Invite(a.ctx, cmd.Note)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, got, pair{"invite", got.Invite}, pair{"until", when(got.ExpiresAt)},
			pair{"address", client.URL + "/operator#invite=" + got.Invite})
	})
}

// personFlags name an operator.
type personFlags struct {
	operatorFlags
	writeFlags
	Operator string `arg:"" help:"The operator's id, as \"tapline operator list\" shows it."`
	jsonFlag
}

// decide confirms or removes the operator.
func (cmd *personFlags) decide(a *app, decide func(*operator.Client, context.Context, string, string) (api.Operator, error)) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		o, err := decide(client, a.ctx, cmd.Operator, cmd.Note)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, o, operatorFacts(o)...)
	})
}

// operatorConfirmCmd confirms a new operator.
type operatorConfirmCmd struct{ personFlags }

// Run confirms.
func (cmd *operatorConfirmCmd) Run(a *app) error {
	return cmd.decide(a, (*operator.Client).Confirm)
}

// operatorRemoveCmd removes an operator.
type operatorRemoveCmd struct{ personFlags }

// Run removes.
func (cmd *operatorRemoveCmd) Run(a *app) error {
	return cmd.decide(a, (*operator.Client).Remove)
}
