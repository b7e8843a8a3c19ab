package main

import (
	"fmt"
	"os"
	"time"

	"rsc.io/qr"

	"tapline/api"
	"tapline/money"
	"tapline/order"
)

// orderTemplateCmd is about templates: links that stay, from which payers make orders.
type orderTemplateCmd struct {
	Add     templateAddCmd     `cmd:"" help:"Make a link that stays: for a price tag, a box for gifts, an NFC tag."`
	Show    templateShowCmd    `cmd:"" help:"Show a template, its link and its QR code."`
	List    templateListCmd    `cmd:"" help:"List your active templates."`
	Disable templateDisableCmd `cmd:"" help:"Make no more orders from a template, for ever."`
}

// templateAddCmd makes a template.
type templateAddCmd struct {
	payeeFlags
	payeeWriteFlags
	Amount      string        `placeholder:"12.50" help:"How much each order is. Without it the payer chooses, up to --most."`
	Least       string        `placeholder:"1.00" help:"The least that the payer may choose."`
	Most        string        `placeholder:"500.00" help:"The most that the payer may choose."`
	Currency    string        `default:"CNY" env:"TAPLINE_CURRENCY" help:"In which currency (${default})."`
	Reference   string        `placeholder:"TEA-" help:"How your numbers for the orders begin; eight letters and digits follow."`
	Description string        `placeholder:"TEXT" help:"What it is for."`
	Line        []string      `sep:"none" placeholder:"2x10.00=TEXT" help:"An item of a fixed amount: how many, what one costs, what it is. May be given again. With the tax they sum to the amount."`
	Tax         string        `placeholder:"1.00" help:"Part of a fixed amount."`
	Tip         bool          `help:"Payers may add a tip."`
	ExpiresIn   time.Duration `default:"15m" help:"How long an order made from it can be paid, an hour at most (${default})."`
	jsonFlag
}

// Help explains what to do with the link.
func (*templateAddCmd) Help() string {
	return `Prints the template with its link. Whoever opens the link sees what it asks for, and pays an order of one's own.

  tapline order template add --amount 12.50 --description "Tea" --tip
  tapline order template add --most 500 --description "For the choir"`
}

// Run makes the template.
func (cmd *templateAddCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	in, err := cmd.template()
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		t, err := client.MakeTemplate(a.ctx, in)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, t, templateFacts(t)...)
	})
}

// template is what is asked for.
func (cmd *templateAddCmd) template() (api.NewOrderTemplate, error) {
	in := api.NewOrderTemplate{
		Currency: money.Currency(cmd.Currency), Reference: cmd.Reference, Description: cmd.Description, Tip: cmd.Tip,
		ExpiresIn: int64(cmd.ExpiresIn / time.Second),
	}
	if (cmd.Amount == "") == (cmd.Most == "") {
		return in, &usageError{"how much is it?", "give --amount, or --most if the payer is to choose"}
	}
	for _, part := range []struct {
		flag, text string
		minor      *int64
	}{{"--amount", cmd.Amount, &in.Minor}, {"--least", cmd.Least, &in.Least}, {"--most", cmd.Most, &in.Most}, {"--tax", cmd.Tax, &in.Tax}} {
		if part.text == "" {
			continue
		}
		amount, err := parseAmount(part.text, cmd.Currency)
		if err != nil {
			return in, fmt.Errorf("%s: %w", part.flag, err)
		}
		*part.minor = amount.Minor
	}
	for _, text := range cmd.Line {
		l, err := parseLine(text, in.Currency)
		if err != nil {
			return in, err
		}
		in.Lines = append(in.Lines, l)
	}
	return in, nil
}

func templateFacts(t api.OrderTemplate) []pair {
	facts := []pair{{"template", t.ID}, {"state", t.State}, {"amount", templateAmount(t)}, {"references", t.Reference}, {"for", t.Description}}
	for _, l := range t.Lines {
		facts = append(facts, pair{"item", fmt.Sprintf("%d × %s, %s", l.Quantity, l.Description, money.FormatMinor(l.Amount, t.Currency))})
	}
	if t.Tax > 0 {
		facts = append(facts, pair{"tax", money.FormatMinor(t.Tax, t.Currency)})
	}
	if t.Tip {
		facts = append(facts, pair{"tip", "as the payer likes"})
	}
	if t.DisabledAt != nil {
		return append(facts, pair{"disabled", when(*t.DisabledAt)})
	}
	return append(facts, pair{"pay at", t.URL}, pair{"QR code", t.URL + "/qr.svg"})
}

// templateAmount is the amount, or its bounds.
func templateAmount(t api.OrderTemplate) string {
	if t.Minor > 0 {
		return money.Amount{Minor: t.Minor, Currency: t.Currency}.String()
	}
	return money.FormatMinor(t.Least, t.Currency) + " to " + money.Amount{Minor: t.Most, Currency: t.Currency}.String()
}

// templateShowCmd shows a template.
type templateShowCmd struct {
	payeeFlags
	Template string `arg:"" help:"The template's id."`
	QR       bool   `name:"qr" help:"Show the link as a QR code on the terminal."`
	PNG      string `name:"png" type:"path" placeholder:"FILE" help:"Write the link as a QR code to a picture, to be printed."`
	jsonFlag
}

// Run shows the template.
func (cmd *templateShowCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	t, err := client.Template(a.ctx, cmd.Template)
	if err != nil {
		return err
	}
	if cmd.PNG != "" {
		code, err := qr.Encode(t.URL, qr.M)
		if err != nil {
			return err
		}
		code.Scale = 16
		if err := os.WriteFile(cmd.PNG, code.PNG(), 0o644); err != nil {
			return err
		}
	}
	if err := a.result(cmd.JSON, t, templateFacts(t)...); err != nil || !cmd.QR {
		return err
	}
	picture, err := blocks(t.URL)
	if err == nil {
		_, err = fmt.Fprint(a.stderr, picture)
	}
	return err
}

// templateListCmd lists templates.
type templateListCmd struct {
	payeeFlags
	jsonFlag
}

// Run lists the templates.
func (cmd *templateListCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	all, err := client.Templates(a.ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, t := range all.Templates {
		rows = append(rows, []string{t.ID, templateAmount(t), t.Description, when(t.CreatedAt)})
	}
	return a.list(cmd.JSON, all, []string{"TEMPLATE", "AMOUNT", "FOR", "MADE"}, rows)
}

// templateDisableCmd ends a template.
type templateDisableCmd struct {
	payeeFlags
	payeeWriteFlags
	Template string `arg:"" help:"The template's id."`
	jsonFlag
}

// Run disables the template.
func (cmd *templateDisableCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		t, err := client.DisableTemplate(a.ctx, cmd.Template)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, t, templateFacts(t)...)
	})
}

// orderFromTemplate makes an order from a template, over an amount of the payer's choice if it leaves that open.
func (p *payer) orderFromTemplate(id order.TemplateID) (api.PayeeOrder, error) {
	t, err := p.client.Template(p.ctx, id)
	if err != nil {
		return api.PayeeOrder{}, err
	}
	amount := money.Amount{Minor: t.Minor, Currency: t.Currency}
	if p.cmd.Amount != "" {
		if amount, err = parseAmount(p.cmd.Amount, string(t.Currency)); err != nil {
			return api.PayeeOrder{}, err
		}
	} else if t.Minor == 0 {
		return api.PayeeOrder{}, &usageError{"the link leaves the amount to you", "give --amount, " + templateAmount(t)}
	}
	return p.client.OrderFrom(p.ctx, t, amount, 0)
}
