package main

import (
	"fmt"

	"tapline/api"
	"tapline/money"
	"tapline/operator"
)

// payeeChange is what every change of a payee takes.
type payeeChange struct {
	operatorFlags
	writeFlags
	Handle string `arg:"" help:"The payee's handle."`
	jsonFlag
}

// do runs the change and tells what the payee is then.
func (cmd *payeeChange) do(a *app, what string, change func(*app, *operator.Client) (api.AdminPayee, error)) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		p, err := change(a, client)
		if err != nil {
			return fmt.Errorf("%s %s: %w", what, cmd.Handle, err)
		}
		return a.result(cmd.JSON, p, payeeFacts(p)...)
	})
}

// payeeInspectCmd shows a payee to an operator.
type payeeInspectCmd struct {
	operatorFlags
	Handle string `arg:"" help:"The payee's handle."`
	jsonFlag
}

// Run shows the payee.
func (cmd *payeeInspectCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	p, err := client.Payee(a.ctx, cmd.Handle)
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, p, payeeFacts(p)...)
}

// payeeMoveCmd moves a payee.
type payeeMoveCmd struct {
	payeeChange
	Currency string `placeholder:"JPY" help:"In which currency; the payee's first if this is left out. One that it does not take yet is added."`
}

// Help explains what moves.
func (*payeeMoveCmd) Help() string {
	return `The handle gets a new, empty account. Payments that were instructed before still go to the old one, and so does the
money that is there. The payee is told, and so is everybody who has paid it before: the next statement says that the account
has changed, and needs a confirmation at least.`
}

// Run moves the payee.
func (cmd *payeeMoveCmd) Run(a *app) error {
	var currency money.Currency
	if cmd.Currency != "" {
		var err error
		if currency, err = money.ParseCurrency(cmd.Currency); err != nil {
			return err
		}
	}
	return cmd.do(a, "move", func(a *app, c *operator.Client) (api.AdminPayee, error) {
		return c.MovePayee(a.ctx, cmd.Handle, currency, cmd.Note)
	})
}

// payeeRenameCmd sets a payee's name.
type payeeRenameCmd struct {
	payeeChange
	Name string `required:"" placeholder:"TEXT" help:"What payers are shown."`
	Kind string `enum:"company,person" default:"company" help:"What the name is the name of: company or person (${default})."`
}

// Help explains the note.
func (*payeeRenameCmd) Help() string {
	return `--note is needed: how you have verified the name. The service vouches for it.`
}

// Run renames the payee.
func (cmd *payeeRenameCmd) Run(a *app) error {
	if cmd.Note == "" {
		return &usageError{"how was the name verified?", `say it with --note, such as --note "extract of the register, 2026-03-01"`}
	}
	return cmd.do(a, "rename", func(a *app, c *operator.Client) (api.AdminPayee, error) {
		return c.RenamePayee(a.ctx, cmd.Handle, api.VerifiedName{Name: cmd.Name, Kind: cmd.Kind, Note: cmd.Note})
	})
}

// payeeAliasCmd gives a payee an alias.
type payeeAliasCmd struct {
	payeeChange
	Alias  string `required:"" placeholder:"shop@books" help:"The handle that leads to the payee as well."`
	Remove bool   `help:"It does so no more. It is never given to another payee."`
}

// Run sets or removes the alias.
func (cmd *payeeAliasCmd) Run(a *app) error {
	return cmd.do(a, "alias of", func(a *app, c *operator.Client) (api.AdminPayee, error) {
		return c.AliasPayee(a.ctx, cmd.Handle, api.PayeeAlias{Alias: cmd.Alias, Removed: cmd.Remove, Note: cmd.Note})
	})
}

// payeeCloseCmd closes a payee.
type payeeCloseCmd struct {
	payeeChange
	Reopen bool `help:"Open it again."`
}

// Help explains what closing does.
func (*payeeCloseCmd) Help() string {
	return `A closed payee takes no orders and no payments, and looks to payers as if it had never been. Payments under way go on. Its
API keys read on, its money stays until it is paid out, and its handle is never another's.`
}

// Run closes the payee.
func (cmd *payeeCloseCmd) Run(a *app) error {
	return cmd.do(a, "close", func(a *app, c *operator.Client) (api.AdminPayee, error) {
		return c.ClosePayee(a.ctx, cmd.Handle, !cmd.Reopen, cmd.Note)
	})
}
