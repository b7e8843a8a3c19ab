package main

import (
	"fmt"
	"strconv"
	"strings"

	"tapline/api"
	"tapline/money"
)

// feeCmd is about the operator's fees.
type feeCmd struct {
	Set    feeSetCmd    `cmd:"" help:"Set the fee of payments to a payee, or to all payees."`
	Remove feeRemoveCmd `cmd:"" help:"Remove the fee of payments to a payee, or to all payees."`
	List   feeListCmd   `cmd:"" help:"List all fees."`
}

// tariffArgs name a fee.
type tariffArgs struct {
	Payee    string `placeholder:"HANDLE" help:"The payee; without one it is the fee for all payees that have none of their own."`
	Currency string `default:"CNY" env:"TAPLINE_CURRENCY" help:"In which currency (${default})."`
}

// feeSetCmd sets a fee.
type feeSetCmd struct {
	operatorFlags
	writeFlags
	tariffArgs
	Percent string `placeholder:"1.5" help:"Of the amount, with at most two decimal digits."`
	Fixed   string `placeholder:"0.30" help:"Besides."`
	Least   string `placeholder:"0.50" help:"What the fee is not below."`
	Most    string `placeholder:"20.00" help:"What the fee is not above."`
	BorneBy string `enum:"payee,payer" default:"payee" help:"payee: taken from what the payee gets. payer: added to what the payer pays (${default})."`
	jsonFlag
}

// Help is what the command's --help says.
func (feeSetCmd) Help() string {
	return `It takes the place of the fee that was. Payments that are under way keep theirs. The fee is the share of the amount, half a unit
rounded up, and the fixed part, within the bounds; one that the payee bears is at most the amount. With --percent 0 a payee pays no fee,
whatever all others do. The fees are on the account fees-CNY, or of another currency. A fee that payers bear is shown to them before they pay;
programs that do not know fees cannot pay then.`
}

// Run sets the fee.
func (cmd *feeSetCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	currency, err := money.ParseCurrency(cmd.Currency)
	if err != nil {
		return &usageError{"--currency: " + err.Error(), "write it like --currency CNY"}
	}
	if cmd.Percent == "" && cmd.Fixed == "" {
		return &usageError{"no fee to set", "give --percent, --fixed or both; --percent 0 is none"}
	}
	fee := api.NewTariff{Payee: cmd.Payee, Currency: currency, BorneBy: cmd.BorneBy, Note: cmd.Note}
	if fee.BasisPoints, err = basisPoints(cmd.Percent); err != nil {
		return err
	}
	for _, sum := range []struct {
		flag, text string
		to         *int64
	}{{"--fixed", cmd.Fixed, &fee.Fixed}, {"--least", cmd.Least, &fee.Least}, {"--most", cmd.Most, &fee.Most}} {
		if err := changeSum(sum.flag, sum.text, currency, sum.to); err != nil {
			return err
		}
	}
	return cmd.once(a, func(a *app) error {
		set, err := client.SetFee(a.ctx, fee)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, set, tariffFacts(set)...)
	})
}

// basisPoints reads a percentage with at most two decimal digits.
func basisPoints(percent string) (int, error) {
	if percent == "" {
		return 0, nil
	}
	whole, part, _ := strings.Cut(percent, ".")
	n, err := strconv.ParseUint(whole+(part + "00")[:max(2, len(part))], 10, 16)
	if err != nil || len(part) > 2 || n > 10_000 {
		return 0, &usageError{"--percent: want 0 to 100 with at most two decimal digits", "write it like --percent 1.5"}
	}
	return int(n), nil
}

// feeRemoveCmd removes a fee.
type feeRemoveCmd struct {
	operatorFlags
	writeFlags
	tariffArgs
	jsonFlag
}

// Run removes the fee.
func (cmd *feeRemoveCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		removed, err := client.RemoveFee(a.ctx, api.TariffRemoval{Payee: cmd.Payee, Currency: money.Currency(cmd.Currency), Note: cmd.Note})
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, removed, append(tariffFacts(removed), pair{"removed", "it counts no more"})...)
	})
}

// feeListCmd lists fees.
type feeListCmd struct {
	operatorFlags
	jsonFlag
}

// Run lists the fees.
func (cmd *feeListCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	fees, err := client.Fees(a.ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, f := range fees {
		rows = append(rows, []string{forWhom(f), string(f.Currency), feeText(f.Fee, f.Currency), f.BorneBy, when(f.ChangedAt)})
	}
	return a.list(cmd.JSON, api.Tariffs{Tariffs: fees}, []string{"PAYEE", "CURRENCY", "FEE", "BORNE BY", "SINCE"}, rows)
}

func tariffFacts(f api.Tariff) []pair {
	return []pair{{"payee", forWhom(f)}, {"currency", string(f.Currency)}, {"fee", feeText(f.Fee, f.Currency)}, {"borne by", f.BorneBy}}
}

func forWhom(f api.Tariff) string {
	if f.Payee == "" {
		return "all others"
	}
	return f.Payee
}

// feeText is how a fee is made: "1.50 % + 0.30, 0.50 to 20.00".
func feeText(f api.Fee, c money.Currency) string {
	text := fmt.Sprintf("%d.%02d %% + %s", f.BasisPoints/100, f.BasisPoints%100, money.FormatMinor(f.Fixed, c))
	switch {
	case f.Most > 0:
		text += ", " + money.FormatMinor(f.Least, c) + " to " + money.FormatMinor(f.Most, c)
	case f.Least > 0:
		text += ", at least " + money.FormatMinor(f.Least, c)
	}
	return text
}

// besides is what payers pay to a payee besides the amount, if anything.
func besides(p api.Payee) string {
	if p.Fee == nil {
		return ""
	}
	return feeText(*p.Fee, p.Currency) + ", besides the amount"
}
