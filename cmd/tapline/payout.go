package main

import (
	"context"
	"fmt"

	"tapline/api"
	"tapline/money"
	"tapline/operator"
	"tapline/payee"
	"tapline/payout"
)

// payoutCmd is about money that leaves to payees' bank accounts.
type payoutCmd struct {
	Make     payoutMakeCmd     `cmd:"" help:"Have money of a payee's paid out (operator)."`
	Card     payoutCardCmd     `cmd:"" help:"Have what is left on the account of a closed card paid out to its holder (operator)."`
	List     payoutListCmd     `cmd:"" help:"List payouts, newest first (operator)."`
	Show     payoutShowCmd     `cmd:"" help:"Show a payout (operator)."`
	Approve  payoutApproveCmd  `cmd:"" help:"Approve a payout that somebody else has asked for (operator)."`
	Cancel   payoutCancelCmd   `cmd:"" help:"Take a payout back before it is in a file (operator)."`
	File     payoutFileCmd     `cmd:"" help:"Put the payouts that are ready into a file for the bank, or write one again (operator)."`
	Files    payoutFilesCmd    `cmd:"" help:"List the files that were made (operator)."`
	Confirm  payoutConfirmCmd  `cmd:"" help:"Say that the bank has paid a payout; \"tapline reconcile --confirm\" does so for all in a statement (operator)."`
	Return   payoutReturnCmd   `cmd:"" help:"Say that the bank has not paid a payout, or got it back (operator)."`
	Bank     payoutBankCmd     `cmd:"" help:"Say where a payee is paid out to (operator)."`
	Schedule payoutScheduleCmd `cmd:"" help:"Say when a payee is paid out (operator)."`
	Request  payoutRequestCmd  `cmd:"" help:"Have your money paid out to your bank account (payee)."`
	Mine     payoutMineCmd     `cmd:"" help:"List your payouts, and where they go to (payee)."`
}

// payoutAmount says how much.
type payoutAmount struct {
	Amount   string `placeholder:"100.00" help:"How much; all that is available, less what the schedule keeps, if it is left out."`
	Currency string `default:"CNY" env:"TAPLINE_CURRENCY" help:"In which currency (${default})."`
}

func (f payoutAmount) parse() (*money.Amount, money.Currency, error) {
	currency, err := money.ParseCurrency(f.Currency)
	if err != nil || f.Amount == "" {
		return nil, currency, err
	}
	amount, err := parseAmount(f.Amount, f.Currency)
	return &amount, currency, err
}

// payoutMakeCmd makes a payout.
type payoutMakeCmd struct {
	operatorFlags
	writeFlags
	payoutAmount
	Handle  string `arg:"" help:"The payee's handle."`
	Account string `placeholder:"ACCOUNT" help:"An account that the payee had before."`
	jsonFlag
}

// Run makes it.
func (cmd *payoutMakeCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	amount, currency, err := cmd.parse()
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		p, err := client.MakePayout(a.ctx, api.NewPayeePayout{Payee: cmd.Handle, Account: cmd.Account, Amount: amount, Currency: currency, Note: cmd.Note})
		if err != nil {
			return err
		}
		return a.tellPayout(cmd.JSON, p)
	})
}

// tellPayout writes a payout, and says what has to be done next.
func (a *app) tellPayout(asJSON bool, p api.Payout) error {
	switch {
	case p.State == string(payout.Requested):
		a.say("The money is set aside. Somebody else has to approve it, with \"tapline payout approve %s\".", p.ID)
	case p.ReturnedBy != "" && p.State != string(payout.Returned):
		a.say("Nothing has moved yet: another operator has to say so, too, with \"tapline payout return %s\".", p.ID)
	}
	return a.result(asJSON, p, pair{"payout", p.ID}, pair{"state", p.State}, pair{"amount", p.Amount.String()}, pair{"payee", p.Payee},
		pair{"account", p.Account}, pair{"to", bankText(p.To)}, pair{"end-to-end id", p.EndToEnd}, pair{"asked by", p.AskedBy}, pair{"file", p.File})
}

// bankText is a bank account in a line.
func bankText(b payout.BankAccount) string {
	switch {
	case b.Cash:
		return b.Name + ", cash"
	case b.BIC != "":
		return fmt.Sprintf("%s, %s%s, %s", b.Name, b.IBAN, b.Other, b.BIC)
	case b == payout.BankAccount{}:
		return ""
	}
	return fmt.Sprintf("%s, %s%s", b.Name, b.IBAN, b.Other)
}

// payoutListCmd lists payouts.
type payoutListCmd struct {
	operatorFlags
	State  string `help:"Only payouts in this state: requested, ready, sent, confirmed, cancelled or returned."`
	Payee  string `placeholder:"HANDLE" help:"Only payouts of this payee."`
	Before string `placeholder:"NEXT" help:"The page before this, as the last page ended."`
	Limit  int    `default:"100" help:"At most so many (${default})."`
	jsonFlag
}

// Run lists them.
func (cmd *payoutListCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	page, err := client.Payouts(a.ctx, operator.PayoutQuery{Payee: cmd.Payee, State: cmd.State, Before: cmd.Before, Limit: cmd.Limit})
	if err != nil {
		return err
	}
	return a.listPayouts(cmd.JSON, page)
}

func (a *app) listPayouts(asJSON bool, page api.Payouts) error {
	var rows [][]string
	for _, p := range page.Payouts {
		rows = append(rows, []string{p.ID, p.State, p.Amount.String(), p.Payee, bankText(p.To), when(p.MadeAt), p.AskedBy, p.File})
	}
	if err := a.list(asJSON, page, []string{"PAYOUT", "STATE", "AMOUNT", "PAYEE", "TO", "MADE", "ASKED BY", "FILE"}, rows); err != nil {
		return err
	}
	if page.Next != "" && !asJSON {
		a.say("There are more: --before %s", page.Next)
	}
	return nil
}

// payoutShowCmd shows a payout.
type payoutShowCmd struct {
	operatorFlags
	Payout string `arg:"" help:"The payout's id."`
	jsonFlag
}

// Run shows it.
func (cmd *payoutShowCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	p, err := client.Payout(a.ctx, cmd.Payout)
	if err != nil {
		return err
	}
	return a.tellPayout(cmd.JSON, p)
}

// payoutFlags name a payout to be decided.
type payoutFlags struct {
	operatorFlags
	writeFlags
	Payout string `arg:"" help:"The payout's id."`
	jsonFlag
}

func (cmd *payoutFlags) step(a *app, step func(*operator.Client, context.Context, string, string) (api.Payout, error)) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		p, err := step(client, a.ctx, cmd.Payout, cmd.Note)
		if err != nil {
			return err
		}
		return a.tellPayout(cmd.JSON, p)
	})
}

// payoutApproveCmd approves.
type payoutApproveCmd struct{ payoutFlags }

// Run approves it.
func (cmd *payoutApproveCmd) Run(a *app) error {
	return cmd.step(a, (*operator.Client).ApprovePayout)
}

// payoutCancelCmd cancels.
type payoutCancelCmd struct{ payoutFlags }

// Run cancels it.
func (cmd *payoutCancelCmd) Run(a *app) error { return cmd.step(a, (*operator.Client).CancelPayout) }

// payoutConfirmCmd confirms.
type payoutConfirmCmd struct{ payoutFlags }

// Run confirms it.
func (cmd *payoutConfirmCmd) Run(a *app) error {
	return cmd.step(a, (*operator.Client).ConfirmPayout)
}

// payoutReturnCmd returns.
type payoutReturnCmd struct{ payoutFlags }

// Run returns it.
func (cmd *payoutReturnCmd) Run(a *app) error { return cmd.step(a, (*operator.Client).ReturnPayout) }

// payoutRequestCmd is a payee's.
type payoutRequestCmd struct {
	payeeFlags
	payeeWriteFlags
	payoutAmount
	jsonFlag
}

// Run asks for it.
func (cmd *payoutRequestCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	amount, currency, err := cmd.parse()
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		p, err := client.RequestPayout(a.ctx, api.NewPayout{Amount: amount, Currency: currency})
		if err != nil {
			return err
		}
		return a.tellPayout(cmd.JSON, p)
	})
}

// payoutMineCmd lists a payee's own.
type payoutMineCmd struct {
	payeeFlags
	State  string `help:"Only payouts in this state."`
	Before string `placeholder:"NEXT" help:"The page before this, as the last page ended."`
	jsonFlag
}

// Run lists them.
func (cmd *payoutMineCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	plans, err := client.PayoutPlans(a.ctx)
	if err != nil {
		return err
	}
	for _, p := range plans.Plans {
		if c := p.Change; c != nil {
			a.say("Your bank account in %s is to become %s. If you do not know of that, tell the operator at once.", p.Currency, bankText(c.To))
		}
	}
	page, err := client.Payouts(a.ctx, payee.PayoutQuery{State: cmd.State, Before: cmd.Before})
	if err != nil {
		return err
	}
	return a.listPayouts(cmd.JSON, page)
}
