package main

import (
	"tapline/api"
	"tapline/money"
	"tapline/payee"
)

// refundCmd is "tapline refund".
type refundCmd struct {
	Make refundMakeCmd `cmd:"" default:"withargs" help:"Give money of a settled payment back."`
	Show refundShowCmd `cmd:"" help:"Show a refund."`
	List refundListCmd `cmd:"" help:"List your refunds, newest first."`
}

// refundMakeCmd makes a refund.
type refundMakeCmd struct {
	payeeFlags
	payeeWriteFlags
	Payment  string `arg:"" help:"The settled payment's id."`
	Amount   string `placeholder:"12.50" help:"How much; all that is left of the payment without it."`
	Currency string `default:"CNY" env:"TAPLINE_CURRENCY" help:"In which currency (${default})."`
	Reason   string `placeholder:"TEXT" help:"Why. The payer sees it."`
	jsonFlag
}

// Help explains where the money comes from and goes to.
func (*refundMakeCmd) Help() string {
	return `The money comes out of your balance and goes to the card account that paid, whatever has become of the card. All refunds of a
payment together never exceed it. A refund is final.

  tapline refund pay_… --amount 5.00 --reason "sold out"`
}

// Run makes the refund.
func (cmd *refundMakeCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	in := api.NewRefund{Payment: cmd.Payment, Reason: cmd.Reason}
	if cmd.Amount != "" {
		amount, err := parseAmount(cmd.Amount, cmd.Currency)
		if err != nil {
			return err
		}
		in.Amount = &amount
	}
	return cmd.once(a, func(a *app) error {
		r, err := client.Refund(a.ctx, in)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, r, refundFacts(r)...)
	})
}

func refundFacts(r api.Refund) []pair {
	left := money.FormatMinor(r.Whole.Minor-r.Refunded.Minor, r.Whole.Currency)
	return []pair{
		{"refund", r.ID}, {"amount", r.Amount.String()}, {"payment", r.Payment}, {"order", r.Order.Number}, {"for", r.Reason},
		{"refunded", r.Refunded.String() + " of " + r.Whole.String() + ", " + left + " left"}, {"at", when(r.RefundedAt)},
	}
}

// refundShowCmd shows a refund.
type refundShowCmd struct {
	payeeFlags
	Refund string `arg:"" help:"The refund's id."`
	jsonFlag
}

// Run shows the refund.
func (cmd *refundShowCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	r, err := client.MadeRefund(a.ctx, cmd.Refund)
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, r, refundFacts(r)...)
}

// refundListCmd lists refunds.
type refundListCmd struct {
	payeeFlags
	Payment string `placeholder:"ID" help:"Only refunds of this payment."`
	Limit   int    `default:"50" help:"At most so many (${default})."`
	jsonFlag
}

// Run lists the refunds.
func (cmd *refundListCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	all := api.Refunds{Refunds: []api.Refund{}}
	for q := (payee.RefundQuery{Payment: cmd.Payment}); len(all.Refunds) < cmd.Limit; {
		q.Limit = min(cmd.Limit-len(all.Refunds), 200)
		page, err := client.Refunds(a.ctx, q)
		if err != nil {
			return err
		}
		all.Refunds, all.Next = append(all.Refunds, page.Refunds...), page.Next
		if q.Before = page.Next; q.Before == "" {
			break
		}
	}
	var rows [][]string
	for _, r := range all.Refunds {
		rows = append(rows, []string{r.ID, r.Amount.String(), r.Payment, r.Order.Number, when(r.RefundedAt), r.Reason})
	}
	return a.list(cmd.JSON, all, []string{"REFUND", "AMOUNT", "PAYMENT", "ORDER", "MADE", "REASON"}, rows)
}
