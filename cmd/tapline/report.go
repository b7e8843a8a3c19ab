package main

import (
	"time"

	"tapline/api"
	"tapline/bank"
	"tapline/consent"
	"tapline/money"
)

// accountReportCmd lists the entries of an account.
type accountReportCmd struct {
	operatorFlags
	Account string `arg:"" help:"The account's id."`
	reportFlags
}

// reportFlags say of which time a report is, and in which form.
type reportFlags struct {
	From   string `placeholder:"DATE" help:"From this time on: 2026-01-31, in UTC, or 2026-01-31T12:00:00Z."`
	Until  string `placeholder:"DATE" help:"Before this time, likewise."`
	Format string `help:"As a table, or as csv or camt.053 (ISO 20022, booked entries only)." enum:"table,csv,camt.053" default:"table"`
	jsonFlag
}

// times are those of a report.
func (f reportFlags) times() (from, until time.Time, err error) {
	if from, err = parseTime("--from", f.From); err != nil {
		return from, until, err
	}
	until, err = parseTime("--until", f.Until)
	return from, until, err
}

// Run lists the entries.
func (cmd *accountReportCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	from, until, err := cmd.times()
	if err != nil {
		return err
	}
	report, err := client.Report(a.ctx, cmd.Account, from, until)
	if err != nil {
		return err
	}
	return cmd.tell(a, report)
}

// tell writes a report.
func (f reportFlags) tell(a *app, report api.Report) error {
	switch {
	case f.JSON:
		return a.printJSON(report)
	case f.Format == "csv":
		_, err := a.stdout.Write(bank.CSV(report))
		return err
	case f.Format == "camt.053":
		_, err := a.stdout.Write(bank.Camt053(report, bank.Made{ID: "rep_" + consent.NewID(), At: a.now()}))
		return err
	}
	in := func(minor int64) string { return money.FormatMinor(minor, report.Account.Currency) }
	unless0 := func(minor int64) string {
		if minor == 0 {
			return ""
		}
		return in(minor)
	}
	rows := [][]string{{when(report.From), "opening", "", "", "", "", in(report.Opening)}}
	balance := report.Opening
	for _, line := range report.Lines {
		if line.Action == "post" || line.Action == "post_hold" {
			balance += line.Credit - line.Debit
		}
		rows = append(rows, []string{
			when(line.At), line.Action, line.Reference, unless0(line.Debit), unless0(line.Credit), unless0(line.Fee), in(balance),
		})
	}
	rows = append(rows, []string{when(report.Until), "closing", "", "", "", "", in(report.Closing)})
	return a.list(false, report, []string{"TIME", "ACTION", "REFERENCE", "DEBIT", "CREDIT", "FEE", "BALANCE"}, rows)
}

// payeeReportCmd reports a payee's account to the payee.
type payeeReportCmd struct {
	payeeFlags
	Currency string `placeholder:"CODE" help:"Of the account in this currency; your first if left out."`
	reportFlags
}

// Run reports the account.
func (cmd *payeeReportCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	from, until, err := cmd.times()
	if err != nil {
		return err
	}
	report, err := client.Report(a.ctx, cmd.Currency, from, until)
	if err != nil {
		return err
	}
	return cmd.tell(a, report)
}
