package main

import (
	"fmt"
	"time"

	"tapline/api"
	"tapline/money"
)

// accountCmd is about accounts of the ledger.
type accountCmd struct {
	TopUp   accountTopUpCmd   `cmd:"" name:"top-up" help:"Credit a card account with money that came in from outside."`
	Adjust  accountAdjustCmd  `cmd:"" help:"Correct the balance of a card's or a payee's account."`
	Pending accountPendingCmd `cmd:"" help:"List the top-ups and adjustments that wait for another operator."`
	Confirm accountConfirmCmd `cmd:"" help:"Confirm a top-up that another operator asked for."`
	Reject  accountRejectCmd  `cmd:"" help:"Reject a top-up that waits for another operator, or take one's own back."`
	Limits  accountLimitsCmd  `cmd:"" help:"Set the limits of the payments of a card's or a payee's account."`
	Show    accountShowCmd    `cmd:"" help:"Show one account."`
	Report  accountReportCmd  `cmd:"" help:"List an account's entries."`
	List    accountListCmd    `cmd:"" help:"List all accounts."`
}

// accountTopUpCmd tops an account up.
type accountTopUpCmd struct {
	operatorFlags
	writeFlags
	Account  string `arg:"" help:"The account's id, as \"tapline card list --operator\" shows it; not the number on the card."`
	Amount   string `required:"" placeholder:"100.00" help:"How much."`
	Currency string `default:"CNY" env:"TAPLINE_CURRENCY" help:"In which currency (${default})."`
	jsonFlag
}

// Run tops the account up.
func (cmd *accountTopUpCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	amount, err := parseAmount(cmd.Amount, cmd.Currency)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		account, err := client.TopUp(a.ctx, cmd.Account, api.NewTopUp{Amount: amount, Note: cmd.Note})
		if err != nil {
			return err
		}
		facts := accountFacts(account)
		if held := account.Held; held != nil {
			a.say("Nothing has moved yet: another operator has to confirm it until %s, with \"tapline account confirm %s\".", when(held.ExpiresAt), held.ID)
			facts = append(facts, pair{"pending", held.ID})
		}
		return a.result(cmd.JSON, account, facts...)
	})
}

func accountFacts(account api.Account) []pair {
	in := func(minor int64) string {
		return money.FormatMinor(minor, account.Currency) + " " + string(account.Currency)
	}
	return []pair{
		{"account", account.ID}, {"kind", account.Kind},
		{"balance", in(account.Balance)}, {"available", in(account.Available)},
	}
}

// accountShowCmd shows an account.
type accountShowCmd struct {
	operatorFlags
	Account string `arg:"" help:"The account's id."`
	jsonFlag
}

// Run shows the account.
func (cmd *accountShowCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	account, err := client.Account(a.ctx, cmd.Account)
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, account, append(accountFacts(account), limitFacts("at most", account.Limits, account.Currency)...)...)
}

// parseTime reads a day or a time, the zero time if there is none.
func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &usageError{fmt.Sprintf("%s: not a time", flag), "write it like 2026-01-31 or 2026-01-31T12:00:00Z"}
}

// when is a time as people here write it.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}

// accountListCmd lists accounts.
type accountListCmd struct {
	operatorFlags
	UnusedFor int `placeholder:"DAYS" help:"Only accounts of cards and payees without a payment for so many days, such as those that are dormant; a new card's is not among them."`
	jsonFlag
}

// Run lists the accounts.
func (cmd *accountListCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	var since time.Time
	if cmd.UnusedFor < 0 {
		return &usageError{"--unused-for: want a number of days", "730 is two years"}
	}
	if cmd.UnusedFor > 0 {
		since = a.now().Add(-time.Duration(cmd.UnusedFor) * 24 * time.Hour)
	}
	accounts, err := client.UnusedAccounts(a.ctx, since)
	if err != nil {
		return err
	}
	rows := [][]string{}
	for _, x := range accounts {
		rows = append(rows, []string{
			x.ID, x.Kind, string(x.Currency), money.FormatMinor(x.Balance, x.Currency), money.FormatMinor(x.Available, x.Currency),
		})
	}
	return a.list(cmd.JSON, api.Accounts{Accounts: accounts}, []string{"ACCOUNT", "KIND", "CURRENCY", "BALANCE", "AVAILABLE"}, rows)
}
