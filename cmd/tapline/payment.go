package main

import (
	"fmt"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/payee"
)

// paymentCmd is "tapline payment".
type paymentCmd struct {
	Show paymentShowCmd `cmd:"" help:"Show a payment."`
	Undo paymentUndoCmd `cmd:"" help:"Undo a payment before its money moves."`

	List   paymentListCmd   `cmd:"" help:"List the payments to you, the payee."`
	Search paymentSearchCmd `cmd:"" help:"Search all payments, as an operator."`
}

// paymentFlags are who asks: this device, or with an API key the payee.
type paymentFlags struct {
	deviceFlags
	APIKeyFile string `name:"api-key-file" env:"TAPLINE_API_KEY_FILE" placeholder:"FILE" help:"As the payee: your API key, - for standard input."`
}

// payee is the client of the payee; nil where a device asks.
func (f paymentFlags) payee(a *app) (*payee.Client, error) {
	if f.APIKeyFile == "" {
		return nil, nil
	}
	return payeeFlags{f.serviceFlags, f.APIKeyFile}.client(a)
}

// paymentShowCmd shows a payment.
type paymentShowCmd struct {
	paymentFlags
	Payment string `arg:"" help:"The payment's id."`
	jsonFlag
}

// Run shows the payment.
func (cmd *paymentShowCmd) Run(a *app) error {
	view, err := cmd.read(a)
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, view, paymentFacts(view)...)
}

func (cmd *paymentShowCmd) read(a *app) (api.Payment, error) {
	if payee, err := cmd.payee(a); payee != nil || err != nil {
		if err != nil {
			return api.Payment{}, err
		}
		return payee.Payment(a.ctx, cmd.Payment)
	}
	client, err := cmd.client(a)
	if err != nil {
		return api.Payment{}, err
	}
	return client.Payment(a.ctx, consent.PaymentID(cmd.Payment))
}

func paymentFacts(v api.Payment) []pair {
	facts := []pair{
		{"payment", v.ID}, {"state", ending(v)}, {"amount", v.Amount.String()}, {"payee", fmt.Sprintf("%s (%s)", v.Payee.Name, v.Payee.Handle)},
		{"card account", v.CardAccount}, {"order", v.Order.Number}, {"for", v.Order.Description}, {"began", when(v.InstructedAt)},
	}
	if v.UndoUntil != nil {
		facts = append(facts, pair{"may be undone until", when(*v.UndoUntil)})
	}
	if v.EndedAt != nil {
		facts = append(facts, pair{"ended", when(*v.EndedAt)})
	}
	if v.Fee != nil {
		facts = append(facts, pair{"fee", v.Fee.String()}, pair{"paid in all", v.Total.String()})
	}
	if v.PayeeFee != nil && v.Net != nil {
		facts = append(facts, pair{"fee taken", v.PayeeFee.String()}, pair{"net", money.Amount{Minor: *v.Net, Currency: v.Amount.Currency}.String()})
	}
	if v.Refunded != nil {
		facts = append(facts, pair{"refunded", v.Refunded.String()})
	}
	return facts
}

// paymentUndoCmd ends a payment before its money moves.
type paymentUndoCmd struct {
	paymentFlags
	payeeWriteFlags
	Payment string `arg:"" help:"The payment's id."`
	jsonFlag
}

// Help explains who may.
func (*paymentUndoCmd) Help() string {
	return `For the device that made the payment, the card's associated device, and the payee. Where the payee lets payments be undone, that is
until the time which "tapline payment show" tells; anywhere, until its payer has confirmed it and its money has moved. A payment that
is settled can be refunded by its payee: "tapline refund".

  tapline payment undo pay_… --key phone.pem`
}

// Run undoes the payment.
func (cmd *paymentUndoCmd) Run(a *app) error {
	payee, err := cmd.payee(a)
	if err != nil {
		return err
	}
	if payee != nil {
		return cmd.once(a, func(a *app) error {
			view, err := payee.CancelPayment(a.ctx, cmd.Payment)
			if err != nil {
				return err
			}
			return a.result(cmd.JSON, view, paymentFacts(view)...)
		})
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	view, err := client.Cancel(a.ctx, consent.PaymentID(cmd.Payment))
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, view, paymentFacts(view)...)
}
