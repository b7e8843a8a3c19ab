package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
)

// payCmd pays.
type payCmd struct {
	deviceFlags
	Amount      string `placeholder:"12.50" help:"How much."`
	Currency    string `default:"CNY" env:"TAPLINE_CURRENCY" help:"In which currency (${default})."`
	Payee       string `placeholder:"books@shop" help:"To whom: the payee's handle."`
	Order       string `placeholder:"1042" help:"The payee's number for the order."`
	Description string `placeholder:"TEXT" help:"What it is for."`
	OrderID     string `name:"order-id" placeholder:"ord_…" help:"Pay an order that the payee has made, by the id at the end of its link, in place of --amount and --payee. With a link that stays (tpl_…), --amount is what it leaves to you."`
	provingFlags
	Rehearse bool          `help:"Go through every step and move no money. For payees that take rehearsals."`
	Yes      bool          `help:"Send, and confirm, without being asked. The statement is checked all the same."`
	PinFile  string        `placeholder:"FILE" help:"Take the PIN from a file, - for standard input."`
	Wait     time.Duration `default:"3m" help:"How long to wait for the associated device (${default})."`
	Receipt  string        `placeholder:"FILE" help:"Keep the signed receipt in a new file."`
	jsonFlag
}

// Help explains the steps.
func (*payCmd) Help() string {
	return `The steps:

1. order: the payee is looked up. Before you say send, nothing leaves this device but the payee's handle and, where the
service can tell genuine payment cards, the amount: for that it gives the number that the card signs.

2. tap: the card is read on this device's reader, and asked to prove itself.

3. send: you see amount, payee and card account, and say send.

4. authentication: you enter the card's PIN.

5. first confirmation: you see what the service is going to do, and confirm or decline. What it says is checked against
what you asked for; if anything differs, the payment is given up.

6. second confirmation: if this is not the card's associated device, the associated device asks its user, who types the
code shown here.

Ctrl-C gives the payment up as long as no money has moved. The exit code is 0 only if the payment was settled.

--rehearse does all of that with the real card, PIN and devices and moves no money, so that an operator can find out at
the counter whether everything works. The payee has to have been opened to rehearsals ("tapline payee rehearsals"). It ends
"rehearsed", has no receipt, and the exit code is 0 only if it came so far. Enough money has to be there as for a payment.

For programs: --yes --pin-file FILE --json asks nothing and writes one JSON object a line, each with "step": order, tap,
sending, sent, authenticated, statement, confirmed, approval_code, and at last result, whose "payment" has the state. A
program that was cut off has the payment's id from "sending".

  tapline pay --amount 12.50 --currency CNY --payee books@shop --order 1042 --description "Two books"`
}

// Run pays.
func (cmd *payCmd) Run(a *app) error {
	if err := cmd.checkOrder(); err != nil {
		return err
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	p := &payer{app: a, cmd: cmd, client: client}
	if err := p.prepare(); err != nil {
		return err
	}
	defer p.discardReceipt()
	order, err := p.order()
	if err != nil {
		return err
	}
	draft, err := p.tap(order)
	if err != nil || draft == nil {
		return err
	}
	view, err := p.pay(draft)
	if p.payment == nil && errors.Is(err, device.ErrNotSent) {
		return err // there is nothing to give up
	}
	if err != nil {
		return p.giveUp(draft.ID(), err)
	}
	return p.finish(view)
}

// payer is one payment on its way.
type payer struct {
	*app
	cmd     *payCmd
	client  *device.Client
	amount  money.Amount
	filePIN consent.PIN // "" to ask for it
	receipt *os.File    // made before anything is paid; nil for none
	payment *device.Payment
}

// prepare does all that can go wrong without the service before it is asked anything.
func (p *payer) prepare() (err error) {
	if p.cmd.OrderID == "" {
		if p.amount, err = parseAmount(p.cmd.Amount, p.cmd.Currency); err != nil {
			return err
		}
	}
	if !p.isTerminal && (!p.cmd.Yes || p.cmd.PinFile == "") {
		return withHint(errNobody, "without a terminal, --yes sends and confirms, and --pin-file FILE has the PIN")
	}
	if p.cmd.Rehearse && p.cmd.Receipt != "" {
		return &usageError{"a rehearsal has no receipt", "leave --receipt out"}
	}
	if p.cmd.PinFile == "-" && (p.cmd.AccountFile == "-" || p.cmd.SUNURL == "-") {
		return &usageError{"--pin-file and the card are both standard input", "give one of them as a file"}
	}
	if p.cmd.PinFile != "" {
		if p.filePIN, err = p.pin(p.cmd.PinFile, ""); err != nil {
			return err
		}
		if err := p.filePIN.Check(); err != nil {
			return withHint(fmt.Errorf("%s: %w", p.cmd.PinFile, err), "its first line is the PIN, and nothing else")
		}
	}
	if p.cmd.Receipt != "" {
		p.receipt, err = newReceipt(p.cmd.Receipt)
	}
	return err
}

// discardReceipt removes the file of a receipt that there is none for.
func (p *payer) discardReceipt() {
	if p.receipt != nil {
		p.receipt.Close()
		os.Remove(p.cmd.Receipt)
	}
}

// step is a line of the result for programs. Each step has the fields that belong to it.
type step struct {
	Step        string             `json:"step"`
	ID          consent.PaymentID  `json:"id,omitempty"`
	Amount      *money.Amount      `json:"amount,omitempty"`
	Payee       *api.Payee         `json:"payee,omitempty"`
	Order       *api.Order         `json:"order,omitempty"`
	Rehearsal   bool               `json:"rehearsal,omitempty"`
	CardAccount string             `json:"card_account,omitempty"`
	Statement   *consent.Statement `json:"statement,omitempty"`
	Code        string             `json:"code,omitempty"`
	ExpiresIn   int                `json:"expires_in,omitempty"`
	Decision    consent.Verdict    `json:"decision,omitempty"`
	Payment     *api.Payment       `json:"payment,omitempty"`
	File        string             `json:"file,omitempty"`
}

// step tells a program what was done.
func (p *payer) step(s step) error {
	if !p.cmd.JSON {
		return nil
	}
	return p.printJSON(s)
}

// order looks the payee up and makes the order.
func (p *payer) order() (device.Order, error) {
	service, err := p.client.Service(p.ctx)
	if err != nil {
		return device.Order{}, err
	}
	order, err := p.orderOf()
	if err != nil {
		return device.Order{}, err
	}
	p.amount = order.Amount()
	payee := order.Payee()
	if p.cmd.Rehearse {
		if order, err = rehearse(order, service); err != nil {
			return device.Order{}, err
		}
		p.say("REHEARSAL: every step is real, but no money moves.")
	}
	if service.Sandbox {
		p.say("This is the sandbox of %s: no money moves.", service.Name)
	} else if service.Environment == "test" {
		p.say("This is the test environment of %s: the money is not real.", service.Name)
	}
	p.say("%s", table(orderFacts(order)))
	what := api.Order(order.Terms())
	return order, p.step(step{Step: "order", Amount: &p.amount, Payee: &payee, Order: &what, Rehearsal: p.cmd.Rehearse})
}

// parseAmount is what --amount and --currency say.
func parseAmount(text, code string) (money.Amount, error) {
	currency, err := money.ParseCurrency(code)
	if err != nil {
		return money.Amount{}, &usageError{"--currency: " + err.Error(), "write it like --amount 12.50 --currency CNY"}
	}
	amount, err := money.Parse(text, currency)
	if err == nil && !amount.Valid() {
		err = fmt.Errorf("%w: more than nothing is needed", money.ErrAmount)
	}
	switch {
	case errors.Is(err, money.ErrTooLarge):
		return amount, &usageError{"--amount: " + err.Error(), "the most is " + money.FormatMinor(money.MaxMinor, currency)}
	case err != nil:
		return amount, &usageError{"--amount: " + err.Error(), "write it like --amount 12.50 --currency CNY"}
	}
	return amount, nil
}

// tap reads the card and asks whether to send. A nil draft means that the user said no.
func (p *payer) tap(order device.Order) (*device.Draft, error) {
	tap, err := p.cmd.proved(p.app, p.client, order.Total())
	if err != nil {
		return nil, err
	}
	draft, err := tap.onto(order)
	if err != nil {
		return nil, err
	}
	if err := p.step(step{Step: "tap", CardAccount: draft.CardAccount()}); err != nil {
		return nil, err
	}
	p.say("%s", table(append(orderFacts(order), pair{"card account", draft.CardAccount()}, pair{"this device", string(p.client.ID())})))
	if p.cmd.Yes {
		return draft, nil
	}
	send, err := p.confirm("Send?")
	if err != nil {
		return nil, err
	}
	if !send {
		p.say("Nothing was sent.")
		return nil, errNotPaid("not sent")
	}
	return draft, nil
}

// pay sends the instruction and does what the payment waits for until it has ended.
func (p *payer) pay(draft *device.Draft) (api.Payment, error) {
	if err := p.step(step{Step: "sending", ID: draft.ID()}); err != nil {
		return api.Payment{}, err
	}
	var err error
	if p.payment, err = draft.Send(p.ctx); err != nil {
		return api.Payment{}, err
	}
	view := p.payment.View()
	if err := p.step(step{Step: "sent", Payment: &view}); err != nil {
		return view, err
	}
	for view.EndedAt == nil && err == nil {
		switch view.Next.Action {
		case api.ActionAuthenticate:
			view, err = p.authenticate()
		case api.ActionConfirm:
			view, err = p.firstConfirmation()
		case api.ActionWait:
			view, err = p.secondConfirmation()
		case api.ActionUndo:
			return p.undoable()
		default:
			return view, fmt.Errorf("%w: next action %q", device.ErrAnswer, view.Next.Action)
		}
	}
	return view, err
}

// authenticate asks for the PIN until it is right or there are no tries left. A PIN in a file is tried once.
func (p *payer) authenticate() (api.Payment, error) {
	for {
		pin, err := p.filePIN, error(nil)
		if pin == "" {
			pin, err = p.pin("", "PIN of the card:")
		}
		if err != nil {
			return p.payment.View(), err
		}
		view, err := p.payment.Authenticate(p.ctx, pin)
		if err == nil {
			return view, p.step(step{Step: "authenticated", Payment: &view})
		}
		problem, refused := errors.AsType[*api.Problem](err)
		counted := refused && problem.AttemptsLeft != nil && *problem.AttemptsLeft > 0
		switch {
		case counted && p.filePIN != "":
			return view, fmt.Errorf("%w; tries left: %d", err, *problem.AttemptsLeft)
		case !counted && !errors.Is(err, consent.ErrPIN) || p.filePIN != "":
			return view, err
		case counted:
			p.say("%s; tries left: %d", problem.Title, *problem.AttemptsLeft)
		default:
			p.say("%v", err)
		}
	}
}

// firstConfirmation shows the statement, which has been checked, and asks.
func (p *payer) firstConfirmation() (api.Payment, error) {
	s, err := p.payment.Statement()
	if err != nil {
		return p.payment.View(), err
	}
	if err := p.step(step{Step: "statement", Statement: &s}); err != nil {
		return p.payment.View(), err
	}
	what := "The service is going to do this:"
	if s.Rehearsal {
		what = "The service is going to rehearse this, and no money moves:"
	}
	p.say("%s\n%s", what, table(statementFacts(s)))
	if !p.cmd.Yes {
		yes, err := p.confirm("Confirm?")
		if err != nil {
			return p.payment.View(), err
		}
		if !yes {
			return p.payment.Decline(p.ctx)
		}
	}
	view, err := p.payment.Confirm(p.ctx, s)
	if err != nil {
		return view, err
	}
	return view, p.step(step{Step: "confirmed", Payment: &view})
}

// statementFacts are what a person confirms.
func statementFacts(s consent.Statement) []pair {
	return []pair{
		{"card account", s.CardAccount + "  " + s.CardLabel},
		{"amount", s.AmountText},
		{"payee", fmt.Sprintf("%s (%s)", s.PayeeName, s.PayeeHandle)},
		{"payee account", s.PayeeAccount + map[bool]string{true: "  CHANGED since this card last paid there"}[s.PayeeMoved]},
		{"order", s.OrderNumber},
		{"for", s.OrderText}, {"may be undone", undoFor(s.Undo)},
	}
}

// paidText is an amount with the fee that the payer bears, if there is one.
func paidText(amount money.Amount, fee *money.Amount) string {
	if fee == nil {
		return amount.String()
	}
	return fmt.Sprintf("%s and a fee of %s", amount, fee)
}

// secondConfirmation shows the digits that the approver needs, and waits for the decision.
func (p *payer) secondConfirmation() (api.Payment, error) {
	view := p.payment.View()
	p.say("The card's associated device is asking its user now. The code to type there:")
	if p.isTerminal {
		p.say("\n%s", large(view.Code))
	}
	p.say("code: %s", view.Code)
	err := p.step(step{Step: "approval_code", Code: view.Code, ExpiresIn: view.Next.ExpiresIn})
	ctx, cancel := context.WithTimeoutCause(p.ctx, p.cmd.Wait,
		withHint(errors.New("the associated device did not answer in time"), `run "tapline approve" there; --wait waits longer`))
	defer cancel()
	for err == nil && view.EndedAt == nil && view.Next.Action == api.ActionWait {
		view, err = p.payment.Wait(ctx)
	}
	return view, err
}

// errNotPaid is a payment that has ended in another way than settled.
func errNotPaid(how string) error { return errors.New("not paid: " + how) }

// finish tells the result and keeps the receipt.
func (p *payer) finish(view api.Payment) error {
	if err := p.step(step{Step: "result", Payment: &view}); err != nil {
		return err
	}
	if view.UndoUntil != nil {
		return p.notYet(view)
	}
	if p.cmd.Rehearse {
		return p.rehearsed(view)
	}
	if view.State != "settled" {
		return errNotPaid(ending(view))
	}
	if !p.cmd.JSON {
		err := p.print("paid %s to %s (%s), payment %s", paidText(view.Amount, view.Fee), view.Payee.Name, view.Payee.Handle, view.ID)
		if err != nil {
			return err
		}
	}
	if p.receipt == nil {
		return nil
	}
	if err := p.keepReceipt(consent.PaymentID(view.ID)); err != nil {
		return withHint(fmt.Errorf("paid, but the receipt was not kept: %w", err),
			fmt.Sprintf("run \"tapline receipt get %s --out FILE\"", view.ID))
	}
	p.say("The receipt is in %s. Check it with: tapline receipt verify", p.cmd.Receipt)
	return p.step(step{Step: "receipt", File: p.cmd.Receipt})
}

// ending is a final state with its reason.
func ending(view api.Payment) string {
	if view.Reason == "" {
		return view.State
	}
	return view.State + " (" + view.Reason + ")"
}

// keepReceipt fetches the receipt and writes it into the file that was made for it.
func (p *payer) keepReceipt(id consent.PaymentID) error {
	fetch := p.client.Receipt
	if p.payment != nil { // checks it against what was asked for, too
		fetch = func(ctx context.Context, _ consent.PaymentID) (device.Receipt, error) { return p.payment.Receipt(ctx) }
	}
	receipt, err := fetch(p.ctx, id)
	if err != nil {
		return err
	}
	if _, err := p.receipt.WriteString(receipt.Compact + "\n"); err != nil {
		return err
	}
	file := p.receipt
	p.receipt = nil
	return file.Close()
}

// giveUpLimit bounds how long giving a payment up may take.
const giveUpLimit = 15 * time.Second

// giveUp cancels the payment after an error or an interrupt and says what became of it: no payment is left open, and
// none that has moved money is taken for one that has not.
func (p *payer) giveUp(id consent.PaymentID, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), giveUpLimit)
	defer cancel()
	view, err := p.client.Cancel(ctx, id)
	problem, refused := errors.AsType[*api.Problem](err)
	if refused && problem.Code == "unknown_payment" {
		return withHint(cause, firstOf(hintFor(cause), "nothing was paid: the service has no such payment"))
	}
	if err != nil {
		view, err = p.client.Payment(ctx, id)
	}
	switch {
	case err != nil:
		return withHint(fmt.Errorf("%w; what became of payment %s is not known", cause, id),
			"if it was not confirmed, it expires by itself within ten minutes")
	case view.State == "settled" || view.State == "rehearsed":
		p.say("Too late to give it up: the payment was %s.", view.State)
		inner := *p.app
		inner.ctx = ctx
		p.app = &inner
		return p.finish(view)
	case view.EndedAt == nil:
		return withHint(fmt.Errorf("%w; payment %s is still open: %s", cause, id, view.State),
			"it expires by itself within ten minutes")
	}
	p.say("The payment has ended: %s. No money has moved.", ending(view))
	if stepErr := p.step(step{Step: "result", Payment: &view}); stepErr != nil {
		return stepErr
	}
	if p.ctx.Err() != nil { // interrupted
		return errNotPaid(ending(view))
	}
	return cause
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
