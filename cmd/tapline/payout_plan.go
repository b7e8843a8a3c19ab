package main

import (
	"context"
	"fmt"
	"time"

	"tapline/api"
	"tapline/money"
	"tapline/operator"
	"tapline/payout"
)

// payoutOptions are the service's about payouts.
type payoutOptions struct {
	BankAccountDelay time.Duration `help:"How long a new bank account of a payee waits before anything is paid out to it (${default}): the time in which the payee can object." default:"24h" env:"TAPLINE_BANK_ACCOUNT_DELAY"`
}

// payoutBankCmd is about payees' bank accounts.
type payoutBankCmd struct {
	Set     bankSetCmd     `cmd:"" help:"Ask for another bank account of a payee. It counts after a delay, in which the payee can object."`
	Show    bankShowCmd    `cmd:"" help:"Show where a payee is paid out to, when, and what is to change."`
	Confirm bankConfirmCmd `cmd:"" help:"Confirm what another operator has asked for."`
	Reject  bankRejectCmd  `cmd:"" help:"Reject a change that does not count yet."`
}

// bankFlags are a bank account. They are hidden under a prefix, so that they may stand beside other names.
type bankFlags struct {
	Name    string `placeholder:"NAME" help:"Whose account it is, as the bank knows it."`
	IBAN    string `name:"iban" help:"Its IBAN; or else --account."`
	BIC     string `name:"bic" help:"The bank's BIC."`
	Account string `placeholder:"NUMBER" help:"The number of an account that has no IBAN."`
}

func (f bankFlags) account() (payout.BankAccount, error) {
	b, err := payout.BankAccount{Name: f.Name, IBAN: f.IBAN, BIC: f.BIC, Other: f.Account}.Clean()
	if err != nil {
		return b, &usageError{err.Error(), "give a name, and either an IBAN or an account number"}
	}
	return b, nil
}

// planFlags name a payee's plan.
type planFlags struct {
	operatorFlags
	writeFlags
	Handle   string `arg:"" help:"The payee's handle."`
	Currency string `placeholder:"CNY" help:"For which of its currencies; its first if this is left out."`
	jsonFlag
}

func (cmd *planFlags) change(a *app, change func(*app, *operator.Client) (api.PayoutPlan, error)) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		p, err := change(a, client)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, p, planFacts(p)...)
	})
}

func planFacts(p api.PayoutPlan) []pair {
	in := func(minor int64) string {
		if minor == 0 {
			return ""
		}
		return money.FormatMinor(minor, p.Currency) + " " + string(p.Currency)
	}
	facts := []pair{{"payee", p.Payee}, {"currency", string(p.Currency)}}
	if p.To != nil {
		facts = append(facts, pair{"bank account", bankText(*p.To)})
	}
	if c := p.Change; c != nil {
		from := "when another operator has confirmed it"
		if c.CountsFrom != nil {
			from = "from " + when(*c.CountsFrom)
		}
		facts = append(facts, pair{"to become", bankText(c.To) + ", " + from}, pair{"asked by", c.RequestedBy})
	}
	every := p.Schedule.Every
	if p.Schedule.Day > 0 {
		every += fmt.Sprintf(" on day %d", p.Schedule.Day)
	}
	if p.Schedule.At != "" {
		every += " at " + p.Schedule.At + " UTC"
	}
	facts = append(facts, pair{"paid out", every}, pair{"at least", in(p.Schedule.Least)}, pair{"keeping", in(p.Schedule.Keep)})
	if p.NextAt != nil {
		facts = append(facts, pair{"next", when(*p.NextAt)})
	}
	return append(facts, pair{"version", fmt.Sprint(p.Version)})
}

// bankSetCmd asks for another bank account.
type bankSetCmd struct {
	planFlags
	bankFlags
}

// Run asks for it.
func (cmd *bankSetCmd) Run(a *app) error {
	account, err := cmd.account()
	if err != nil {
		return err
	}
	return cmd.change(a, func(a *app, c *operator.Client) (api.PayoutPlan, error) {
		return c.SetBankAccount(a.ctx, cmd.Handle, api.NewBankAccount{Currency: money.Currency(cmd.Currency), Account: account, Note: cmd.Note})
	})
}

// bankShowCmd shows a payee's plans.
type bankShowCmd struct {
	operatorFlags
	Handle string `arg:"" help:"The payee's handle."`
	jsonFlag
}

// Run shows them.
func (cmd *bankShowCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	plans, err := client.PayoutPlans(a.ctx, cmd.Handle)
	if err != nil || cmd.JSON {
		if err == nil {
			err = a.printJSON(plans)
		}
		return err
	}
	for _, p := range plans.Plans {
		if err := a.result(false, p, planFacts(p)...); err != nil {
			return err
		}
	}
	return nil
}

// bankDecision decides a change.
type bankDecision struct {
	planFlags
	PlanVersion int64 `name:"plan-version" required:"" placeholder:"N" help:"The version of the plan with the change that you have seen, as \"tapline payout bank show\" tells it."`
}

func (cmd *bankDecision) decide(a *app, decide func(*operator.Client, context.Context, string, api.BankAccountDecision) (api.PayoutPlan, error)) error {
	return cmd.change(a, func(a *app, c *operator.Client) (api.PayoutPlan, error) {
		return decide(c, a.ctx, cmd.Handle, api.BankAccountDecision{Currency: money.Currency(cmd.Currency), Version: cmd.PlanVersion, Note: cmd.Note})
	})
}

// bankConfirmCmd confirms a change.
type bankConfirmCmd struct{ bankDecision }

// Run confirms it.
func (cmd *bankConfirmCmd) Run(a *app) error {
	return cmd.decide(a, (*operator.Client).ConfirmBankAccount)
}

// bankRejectCmd rejects a change.
type bankRejectCmd struct{ bankDecision }

// Run rejects it.
func (cmd *bankRejectCmd) Run(a *app) error {
	return cmd.decide(a, (*operator.Client).RejectBankAccount)
}

// payoutScheduleCmd sets a schedule.
type payoutScheduleCmd struct {
	planFlags
	Every string `required:"" enum:"never,daily,weekly,monthly" help:"How often: never, daily, weekly or monthly."`
	Day   int    `placeholder:"N" help:"1 (Monday) to 7 of weekly ones, 1 to 28 of monthly ones."`
	At    string `placeholder:"06:30" help:"The time of day, in UTC; 00:00 if it is left out."`
	Least string `placeholder:"10.00" help:"Less is left for the next time, and the payee cannot ask for less."`
	Keep  string `placeholder:"100.00" help:"What stays on the account, for refunds."`
}

// Run sets it.
func (cmd *payoutScheduleCmd) Run(a *app) error {
	return cmd.change(a, func(a *app, c *operator.Client) (api.PayoutPlan, error) {
		s := api.PayoutSchedule{Every: cmd.Every, Day: cmd.Day, At: cmd.At}
		currency := cmd.Currency
		if currency == "" && cmd.Least+cmd.Keep != "" {
			p, err := c.Payee(a.ctx, cmd.Handle)
			if err != nil {
				return api.PayoutPlan{}, err
			}
			currency = string(p.Currency)
		}
		for text, minor := range map[*string]*int64{&cmd.Least: &s.Least, &cmd.Keep: &s.Keep} {
			if *text != "" {
				amount, err := parseAmount(*text, currency)
				if err != nil {
					return api.PayoutPlan{}, err
				}
				*minor = amount.Minor
			}
		}
		return c.SetPayoutSchedule(a.ctx, cmd.Handle, api.NewPayoutSchedule{Currency: money.Currency(cmd.Currency), Schedule: s, Note: cmd.Note})
	})
}
