package main

import (
	"os"
	"slices"
	"strconv"

	"tapline/api"
	"tapline/bank"
	"tapline/money"
	"tapline/payout"
)

// payoutFileCmd makes a file for the bank, or writes one again.
type payoutFileCmd struct {
	operatorFlags
	writeFlags
	File     string `arg:"" optional:"" help:"The id of a file that was made before, to write it again: it has the same bytes. Without it, one is made."`
	Currency string `default:"CNY" env:"TAPLINE_CURRENCY" help:"Payouts of which currency (${default})."`
	Name     string `name:"from-name" env:"TAPLINE_BANK_NAME" placeholder:"NAME" help:"Your own name, as your bank knows it."`
	IBAN     string `name:"from-iban" env:"TAPLINE_BANK_IBAN" placeholder:"IBAN" help:"Your own account, which the bank is to take the money from."`
	BIC      string `name:"from-bic" env:"TAPLINE_BANK_BIC" placeholder:"BIC" help:"Your bank's BIC."`
	Account  string `name:"from-account" env:"TAPLINE_BANK_ACCOUNT" placeholder:"NUMBER" help:"The number of an account that has no IBAN."`
	On       string `placeholder:"DAY" help:"The day on which the bank is to pay, such as 2026-01-31; today if it is left out."`
	Format   string `help:"As pain.001 (ISO 20022) or csv." enum:"pain.001,csv" default:"pain.001"`
	Output   string `short:"o" placeholder:"FILE" help:"Where to write it; the payouts are listed instead if it is left out."`
	jsonFlag
}

// Help says what it is for.
func (*payoutFileCmd) Help() string {
	return `Collects the payouts that are ready, each in one file only, and writes a credit transfer initiation (ISO 20022 pain.001.001.09)
or CSV, to be given to your bank. From then on they cannot be cancelled: what the bank does not pay, you return.

  tapline payout file --from-name 'Campus Ltd' --from-iban GB82WEST12345698765432 -o out.xml
  tapline payout file pof_… -o again.xml

What is written a second time has the same bytes: give a bank each file once.`
}

// Run makes it.
func (cmd *payoutFileCmd) Run(a *app) error {
	if err := replaceable(cmd.Output); err != nil {
		return err
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	if cmd.File != "" {
		f, err := client.PayoutFile(a.ctx, cmd.File)
		if err != nil {
			return err
		}
		return cmd.tell(a, f)
	}
	from, err := cmd.from()
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		f, err := client.MakePayoutFile(a.ctx, api.NewPayoutFile{Currency: money.Currency(cmd.Currency), From: from, On: cmd.On, Note: cmd.Note})
		if err != nil {
			return err
		}
		if f.More {
			a.say("There are more payouts ready: make another file.")
		}
		return cmd.tell(a, f)
	})
}

// from is the operator's own account.
func (cmd *payoutFileCmd) from() (payout.BankAccount, error) {
	from, err := bankFlags{cmd.Name, cmd.IBAN, cmd.BIC, cmd.Account}.account()
	if err != nil {
		return from, &usageError{"where the bank is to take the money from: " + err.Error(), "give --from-name, and either --from-iban or --from-account"}
	}
	return from, nil
}

// replaceable refuses a path where something is that is no file, such as a device or a link to what somebody else reads.
func replaceable(path string) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return &usageError{path + " is there already, and is no file", "name a new file, or one to write over"}
	}
	return nil
}

// tell writes the file, which only its owner can read, and tells of it.
func (cmd *payoutFileCmd) tell(a *app, f api.PayoutFile) error {
	text := bank.Pain001(f)
	if cmd.Format == "csv" {
		text = bank.PayoutsCSV(f)
	}
	if cmd.Output == "" {
		a.say("Nothing was written: \"tapline payout file %s -o FILE\" writes it.", f.ID)
	} else if err := writeWhole(cmd.Output, string(text)); err != nil {
		return withHint(err, "the file is made; \"tapline payout file "+f.ID+" -o FILE\" writes it elsewhere")
	}
	return a.result(cmd.JSON, f, pair{"file", f.ID}, pair{"message", f.Message}, pair{"payouts", strconv.FormatInt(f.Count, 10)},
		pair{"total", f.Total.String()}, pair{"from", bankText(f.From)}, pair{"on", f.On}, pair{"written to", cmd.Output})
}

// payoutFilesCmd lists files.
type payoutFilesCmd struct {
	operatorFlags
	jsonFlag
}

// Run lists them, newest first.
func (cmd *payoutFilesCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	files, err := client.PayoutFiles(a.ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(files, func(x, y api.PayoutFile) int { return y.MadeAt.Compare(x.MadeAt) })
	var rows [][]string
	for _, f := range files {
		rows = append(rows, []string{f.ID, f.Message, strconv.FormatInt(f.Count, 10), f.Total.String(), f.On, when(f.MadeAt), f.MadeBy, f.Note})
	}
	return a.list(cmd.JSON, api.PayoutFiles{Files: append([]api.PayoutFile{}, files...)}, []string{"FILE", "MESSAGE", "PAYOUTS", "TOTAL", "ON", "MADE", "BY", "NOTE"}, rows)
}
