package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/order"
	"tapline/payee"
)

// orderCmd is about the orders that a payee makes.
type orderCmd struct {
	Make   orderMakeCmd   `cmd:"" help:"Make an order, and get the link that pays it."`
	Show   orderShowCmd   `cmd:"" help:"Show an order."`
	List   orderListCmd   `cmd:"" help:"List your orders, newest first."`
	Cancel orderCancelCmd `cmd:"" help:"Cancel an order that is not paid."`

	Template orderTemplateCmd `cmd:"" help:"Links that stay, from which payers make orders."`
}

// payeeFlags are what every command of a payee takes.
type payeeFlags struct {
	serviceFlags
	APIKeyFile string `name:"api-key-file" env:"TAPLINE_API_KEY_FILE" placeholder:"FILE" help:"Your API key, - for standard input; without it, TAPLINE_API_KEY has the key itself."`
}

// client is the client of the payee.
func (f payeeFlags) client(a *app) (*payee.Client, error) {
	key := os.Getenv("TAPLINE_API_KEY")
	if f.APIKeyFile != "" {
		var err error
		if key, err = a.readSecret(f.APIKeyFile); err != nil {
			return nil, err
		}
	}
	if key == "" {
		return nil, &usageError{"there is no API key", `give a file that has it with --api-key-file; the operator got it from "tapline payee add"`}
	}
	return &payee.Client{URL: f.URL, APIKey: key, Now: a.now, Insecure: f.Insecure}, nil
}

// payeeWriteFlags are what every write of a payee takes.
type payeeWriteFlags struct {
	IdempotencyKey string `placeholder:"KEY" help:"Send again, under the key that was told, what was not answered: it is done once."`
}

// once runs a write under its idempotency key, and tells that if the write is not answered.
func (f payeeWriteFlags) once(a *app, write func(*app) error) error {
	key := f.IdempotencyKey
	if key == "" {
		key = consent.NewID()
	}
	inner := *a
	inner.ctx = payee.WithIdempotencyKey(a.ctx, key)
	err := write(&inner)
	if errors.Is(err, payee.ErrNoAnswer) {
		return withHint(err, "it may have been done; to make sure, run the same command with --idempotency-key "+key)
	}
	return err
}

// orderMakeCmd makes an order.
type orderMakeCmd struct {
	payeeFlags
	payeeWriteFlags
	Amount      string            `required:"" placeholder:"12.50" help:"How much in all."`
	Currency    string            `default:"CNY" env:"TAPLINE_CURRENCY" help:"In which currency (${default})."`
	Reference   string            `placeholder:"1042" help:"Your number for it."`
	Description string            `placeholder:"TEXT" help:"What it is for."`
	Line        []string          `sep:"none" placeholder:"2x10.00=TEXT" help:"An item: how many, what one costs, what it is. May be given again. With tip and tax they sum to the amount."`
	Tip         string            `placeholder:"1.50" help:"Part of the amount."`
	Tax         string            `placeholder:"1.00" help:"Part of the amount."`
	ExpiresIn   time.Duration     `default:"24h" help:"How long it can be paid (${default})."`
	SuccessURL  string            `name:"success-url" placeholder:"URL" help:"Where whoever has paid may go."`
	CancelURL   string            `name:"cancel-url" placeholder:"URL" help:"Where whoever does not want to pay may go."`
	Metadata    map[string]string `placeholder:"NAME=TEXT" help:"Your own; payers do not see it. May be given again."`
	jsonFlag
}

// Help explains what to do with the link.
func (*orderMakeCmd) Help() string {
	return `Prints the order with its link. Whoever has the link can see what is to be paid, and pay it, once. The same address and
/qr.svg is a QR code of it.

  tapline order make --amount 12.50 --reference 1042 --line "2x5.00=Book" --tip 1.50 --tax 1.00`
}

// Run makes the order.
func (cmd *orderMakeCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	in, err := cmd.order()
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		o, err := client.MakeOrder(a.ctx, in)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, o, placedFacts(o)...)
	})
}

// order is what is asked for.
func (cmd *orderMakeCmd) order() (in api.NewOrder, err error) {
	if in.Amount, err = parseAmount(cmd.Amount, cmd.Currency); err != nil {
		return in, err
	}
	in.Reference, in.Description, in.SuccessURL, in.CancelURL = cmd.Reference, cmd.Description, cmd.SuccessURL, cmd.CancelURL
	in.ExpiresIn, in.Metadata = int64(cmd.ExpiresIn/time.Second), cmd.Metadata
	for flag, part := range map[string]struct {
		text  string
		minor *int64
	}{"--tip": {cmd.Tip, &in.Tip}, "--tax": {cmd.Tax, &in.Tax}} {
		if part.text == "" {
			continue
		}
		amount, err := money.Parse(part.text, in.Amount.Currency)
		if err != nil {
			return in, &usageError{flag + ": " + err.Error(), "write it like " + flag + " 1.50"}
		}
		*part.minor = amount.Minor
	}
	for _, text := range cmd.Line {
		l, err := parseLine(text, in.Amount.Currency)
		if err != nil {
			return in, err
		}
		in.Lines = append(in.Lines, l)
	}
	return in, nil
}

// parseLine reads an item such as 2x10.00=Book.
func parseLine(text string, c money.Currency) (l order.Line, err error) {
	count, what, described := strings.Cut(text, "=")
	many, each, counted := strings.Cut(count, "x")
	if !counted {
		many, each = "1", count
	}
	price, err := money.Parse(each, c)
	quantity, manyErr := strconv.ParseInt(many, 10, 64)
	l.Quantity = quantity
	if err != nil || manyErr != nil || !described || quantity < 1 || quantity > order.MaxQuantity || price.Minor > money.MaxMinor/quantity {
		return l, &usageError{"--line: that is no item", `write it like --line "2x10.00=Book"`}
	}
	l.Description, l.Amount = what, price.Minor*l.Quantity
	return l, nil
}

func placedFacts(o api.PayeeOrder) []pair {
	facts := []pair{{"order", o.ID}, {"state", o.State}, {"amount", o.Amount.String()}, {"reference", o.Reference}, {"for", o.Description}}
	for _, l := range o.Lines {
		facts = append(facts, pair{"item", fmt.Sprintf("%d × %s, %s", l.Quantity, l.Description, money.FormatMinor(l.Amount, o.Amount.Currency))})
	}
	if o.Tip > 0 {
		facts = append(facts, pair{"tip", money.FormatMinor(o.Tip, o.Amount.Currency)})
	}
	if o.Tax > 0 {
		facts = append(facts, pair{"tax", money.FormatMinor(o.Tax, o.Amount.Currency)})
	}
	if o.EndedAt == nil {
		facts = append(facts, pair{"pay at", o.URL}, pair{"until", when(o.ExpiresAt)})
	} else {
		facts = append(facts, pair{"ended", when(*o.EndedAt)})
	}
	return append(facts, pair{"payment", o.Payment})
}

// orderShowCmd shows an order.
type orderShowCmd struct {
	payeeFlags
	Order string `arg:"" help:"The order's id."`
	jsonFlag
}

// Run shows the order.
func (cmd *orderShowCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	o, err := client.Order(a.ctx, cmd.Order)
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, o, placedFacts(o)...)
}

// orderListCmd lists orders.
type orderListCmd struct {
	payeeFlags
	State     string `enum:",open,claimed,paid,cancelled,expired" default:"" placeholder:"paid" help:"Only orders in this state: open, claimed, paid, cancelled or expired."`
	Reference string `placeholder:"1042" help:"Only orders with this number."`
	Limit     int    `default:"50" help:"At most so many (${default})."`
	jsonFlag
}

// Run lists the orders.
func (cmd *orderListCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	all := api.PayeeOrders{Orders: []api.PayeeOrder{}}
	for q := (payee.Query{State: cmd.State, Reference: cmd.Reference}); len(all.Orders) < cmd.Limit; {
		q.Limit = min(cmd.Limit-len(all.Orders), 200)
		page, err := client.Orders(a.ctx, q)
		if err != nil {
			return err
		}
		all.Orders, all.Next = append(all.Orders, page.Orders...), page.Next
		if q.Before = page.Next; q.Before == "" {
			break
		}
	}
	var rows [][]string
	for _, o := range all.Orders {
		rows = append(rows, []string{o.ID, o.State, o.Amount.String(), o.Reference, when(o.CreatedAt), o.Payment})
	}
	return a.list(cmd.JSON, all, []string{"ORDER", "STATE", "AMOUNT", "REFERENCE", "MADE", "PAYMENT"}, rows)
}

// orderCancelCmd cancels an order.
type orderCancelCmd struct {
	payeeFlags
	payeeWriteFlags
	Order string `arg:"" help:"The order's id."`
	jsonFlag
}

// Run cancels the order.
func (cmd *orderCancelCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		o, err := client.CancelOrder(a.ctx, cmd.Order)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, o, placedFacts(o)...)
	})
}
