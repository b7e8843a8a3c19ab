package main

import (
	"iter"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/operator"
	"tapline/payee"
)

// soughtFlags say which payments are looked for. All that is given must be met.
type soughtFlags struct {
	State     string `placeholder:"STATE" help:"Only payments in this state, such as settled."`
	Reference string `placeholder:"TEXT" help:"Only those with this reference of an order."`
	Least     string `placeholder:"12.50" help:"Only those of at least this amount; with --currency."`
	Most      string `placeholder:"12.50" help:"Only those of at most this amount; with --currency."`
	Currency  string `placeholder:"CODE" help:"Only those in this currency."`
	From      string `placeholder:"DATE" help:"From this time on: 2026-01-31, in UTC, or 2026-01-31T12:00:00Z."`
	Until     string `placeholder:"DATE" help:"Before this time, likewise."`
	Oldest    bool   `help:"Oldest first."`
	Limit     int    `default:"50" help:"At most so many (${default})."`
	jsonFlag
}

// sought is what the flags say.
type sought struct {
	least, most int64
	currency    money.Currency
	from, until time.Time
}

func (f soughtFlags) read() (s sought, err error) {
	s.currency = money.Currency(f.Currency)
	if s.currency == "" && f.Least+f.Most != "" {
		return s, &usageError{"an amount is in a currency", "add --currency CNY"}
	}
	for _, bound := range []struct {
		flag, text string
		to         *int64
	}{{"--least", f.Least, &s.least}, {"--most", f.Most, &s.most}} {
		if bound.text == "" {
			continue
		}
		if err := changeSum(bound.flag, bound.text, s.currency, bound.to); err != nil {
			return s, err
		}
	}
	if s.from, err = parseTime("--from", f.From); err != nil {
		return s, err
	}
	s.until, err = parseTime("--until", f.Until)
	return s, err
}

// upTo takes the first of what is listed.
func upTo[T any](limit int, list iter.Seq2[T, error]) ([]T, error) {
	found := []T{}
	if limit < 1 {
		return found, nil
	}
	for one, err := range list {
		if err != nil {
			return nil, err
		}
		if found = append(found, one); len(found) >= limit {
			break
		}
	}
	return found, nil
}

// paymentListCmd lists a payee's payments.
type paymentListCmd struct {
	payeeFlags
	soughtFlags
}

// Help shows how.
func (*paymentListCmd) Help() string {
	return `Newest first; all that is given must be met.

  tapline payment list --state settled --from 2026-03-01
  tapline payment list --reference 1042`
}

// Run lists the payments.
func (cmd *paymentListCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	s, err := cmd.read()
	if err != nil {
		return err
	}
	found, err := upTo(cmd.Limit, client.EachPayment(a.ctx, payee.PaymentQuery{
		State: cmd.State, Reference: cmd.Reference, Least: s.least, Most: s.most, Currency: s.currency,
		Span: payee.Span{From: s.from, Until: s.until, Oldest: cmd.Oldest}, Limit: min(max(cmd.Limit, 1), 200),
	}))
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range found {
		rows = append(rows, []string{p.ID, p.State, p.Amount.String(), p.Order.Number, when(p.InstructedAt)})
	}
	return a.list(cmd.JSON, api.Payments{Payments: found}, []string{"PAYMENT", "STATE", "AMOUNT", "REFERENCE", "BEGAN"}, rows)
}

// paymentSearchCmd searches all payments.
type paymentSearchCmd struct {
	operatorFlags
	Payee string `placeholder:"HANDLE" help:"Only those to this payee."`
	Card  string `placeholder:"ID" help:"Only those with this card."`
	Last4 string `name:"last4" placeholder:"1234" help:"Only those with a card whose masked number ends so: \"•••• 1234\" or 1234."`
	soughtFlags
}

// Help shows how, and what is quick.
func (*paymentSearchCmd) Help() string {
	return `Newest first; all that is given must be met. With a payee, a card or a span of time the service finds at once; for the rest it looks
at one payment after the other, so name the days if you know them.

  tapline payment search --last4 '•••• 1234' --from 2026-03-01 --until 2026-03-02
  tapline payment search --payee books@shop --least 100 --currency CNY`
}

// Run searches.
func (cmd *paymentSearchCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	s, err := cmd.read()
	if err != nil {
		return err
	}
	found, err := upTo(cmd.Limit, client.EachPayment(a.ctx, operator.Search{
		State: cmd.State, Payee: cmd.Payee, Card: consent.CardID(cmd.Card), Last4: cmd.Last4, Reference: cmd.Reference,
		Least: s.least, Most: s.most, Currency: s.currency, From: s.from, Until: s.until, Oldest: cmd.Oldest, Limit: min(max(cmd.Limit, 1), 200),
	}))
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range found {
		rows = append(rows, []string{p.ID, p.State, p.Amount.String(), p.Payee, p.CardAccount, p.Order.Number, when(p.InstructedAt)})
	}
	return a.list(cmd.JSON, api.AdminPayments{Payments: found}, []string{"PAYMENT", "STATE", "AMOUNT", "PAYEE", "CARD", "REFERENCE", "BEGAN"}, rows)
}
