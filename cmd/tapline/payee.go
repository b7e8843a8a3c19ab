package main

import (
	"fmt"
	"time"

	"tapline/api"
	"tapline/money"
	"tapline/payment"
)

// payeeCmd is about payees.
type payeeCmd struct {
	Show payeeShowCmd `cmd:"" help:"Look a payee up, as a device does before it pays."`
	Add  payeeAddCmd  `cmd:"" help:"Add a payee (operator)."`
	List payeeListCmd `cmd:"" help:"List all payees (operator)."`
	Move payeeMoveCmd `cmd:"" help:"Give a payee a new account, or one in another currency (operator)."`

	Inspect payeeInspectCmd `cmd:"" help:"Show all there is to know of a payee (operator)."`
	Rename  payeeRenameCmd  `cmd:"" help:"Set a name that you have verified (operator)."`
	Alias   payeeAliasCmd   `cmd:"" help:"Let another handle lead to a payee (operator)."`
	Close   payeeCloseCmd   `cmd:"" help:"Close a payee, or open it again (operator)."`

	Key payeeKeyCmd `cmd:"" help:"The API keys of a payee."`

	Report payeeReportCmd `cmd:"" help:"List the entries of your account (payee)."`

	Undo       payeeUndoCmd       `cmd:"" help:"Set how long payments to you may be undone before their money moves (payee)."`
	Rehearsals payeeRehearsalsCmd `cmd:"" help:"Open a payee to rehearsals, or close it (operator)."`
}

// payeeShowCmd looks a payee up.
type payeeShowCmd struct {
	deviceFlags
	Handle string `arg:"" help:"The payee's handle, such as books@shop."`
	jsonFlag
}

// Run looks the payee up.
func (cmd *payeeShowCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	p, err := client.Payee(a.ctx, cmd.Handle)
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, p,
		pair{"handle", p.Handle}, pair{"name", p.Name}, pair{"kind", p.Kind}, pair{"account", p.Account}, pair{"currency", string(p.Currency)},
		pair{"rehearsals", onOff[p.Rehearsals]}, pair{"may be undone", undoFor(p.Undo)}, pair{"fee", besides(p)})
}

// payeeUndoCmd sets how long payments may be undone.
type payeeUndoCmd struct {
	payeeFlags
	payeeWriteFlags
	For time.Duration `arg:"" placeholder:"30s" help:"How long, in whole seconds: at most 24h, 0 for not at all."`
	jsonFlag
}

// Help explains what it is good for.
func (*payeeUndoCmd) Help() string {
	return `Payer and payee may then undo a payment for so long after all was given that it needs. Its money is held meanwhile, and moves by
itself when the time is over. It is for payments that are instructed from now on. Wait for payment.settled before you deliver.

  tapline payee undo 30s`
}

// Run sets it.
func (cmd *payeeUndoCmd) Run(a *app) error {
	if cmd.For%time.Second != 0 || cmd.For < 0 || cmd.For > payment.MaxUndo {
		return &usageError{"that is no number of whole seconds from 0 to 24h", "write it like 30s"}
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		p, err := client.SetUndo(a.ctx, cmd.For)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, p, pair{"handle", p.Handle}, pair{"may be undone", firstOf(undoFor(p.Undo), "no")})
	})
}

// payeeAddCmd adds a payee.
type payeeAddCmd struct {
	operatorFlags
	writeFlags
	Handle   string `required:"" placeholder:"books@shop" help:"Its handle: lower case, with one @."`
	Name     string `required:"" placeholder:"TEXT" help:"What payers are shown. Verify it: the service vouches for it."`
	Kind     string `enum:"company,person" default:"company" help:"What the name is the name of: company or person (${default})."`
	Currency string `default:"CNY" env:"TAPLINE_CURRENCY" help:"In which currency it is paid (${default})."`
	jsonFlag
}

// Help explains the API key.
func (*payeeAddCmd) Help() string {
	return `Prints the payee's API key, this once: only its digest is stored. Hand it to the payee and nobody else.`
}

// Run adds the payee.
func (cmd *payeeAddCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	currency, err := money.ParseCurrency(cmd.Currency)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		p, err := client.AddPayee(a.ctx, api.NewPayee{Handle: cmd.Handle, Name: cmd.Name, Kind: cmd.Kind, Currency: currency, Note: cmd.Note})
		if err != nil {
			return err
		}
		a.say("The API key is told this once. Hand it to the payee and nobody else.")
		return a.result(cmd.JSON, p, append(payeeFacts(p), pair{"API key", p.APIKey})...)
	})
}

func payeeFacts(p api.AdminPayee) []pair {
	facts := []pair{{"handle", p.Handle}, {"name", p.Name}, {"kind", p.Kind}, {"account", p.Account}, {"currency", string(p.Currency)}}
	for _, a := range p.Further {
		if a.Until == nil {
			facts = append(facts, pair{"account in " + string(a.Currency), a.Account})
		} else {
			facts = append(facts, pair{"account in " + string(a.Currency) + " until " + when(*a.Until), a.Account})
		}
	}
	for _, alias := range p.Aliases {
		facts = append(facts, pair{"alias", alias})
	}
	return append(facts, pair{"closed", map[bool]string{true: "yes"}[p.Closed]}, pair{"rehearsals", onOff[p.Rehearsals]})
}

// onOff are the words for what can be switched.
var onOff = map[bool]string{true: "on", false: "off"}

// payeeListCmd lists payees.
type payeeListCmd struct {
	operatorFlags
	jsonFlag
}

// Run lists the payees.
func (cmd *payeeListCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	payees, err := client.Payees(a.ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range payees {
		rows = append(rows, []string{p.Handle, p.Name, p.Account, string(p.Currency), onOff[p.Rehearsals], map[bool]string{true: "yes"}[p.Closed]})
	}
	return a.list(cmd.JSON, api.Payees{Payees: payees}, []string{"HANDLE", "NAME", "ACCOUNT", "CURRENCY", "REHEARSALS", "CLOSED"}, rows)
}

// payeeRehearsalsCmd opens a payee to rehearsals, or closes it.
type payeeRehearsalsCmd struct {
	operatorFlags
	writeFlags
	Handle string `arg:"" help:"The payee's handle."`
	Switch string `arg:"" enum:"on,off" help:"on or off."`
	jsonFlag
}

// Help explains who wants that.
func (*payeeRehearsalsCmd) Help() string {
	return `A rehearsal ("tapline pay --rehearse") goes through every step of a payment and moves no money. Open a payee to
rehearsals when it wants them, and when its programs know a rehearsal from money: their events end with "payment.rehearsed",
and every view of such a payment says "rehearsal". Payments to the payee go on as ever.`
}

// Run switches.
func (cmd *payeeRehearsalsCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		p, err := client.SetRehearsals(a.ctx, cmd.Handle, cmd.Switch == "on", cmd.Note)
		if err != nil {
			return fmt.Errorf("rehearsals of %s: %w", cmd.Handle, err)
		}
		return a.result(cmd.JSON, p, payeeFacts(p)...)
	})
}
