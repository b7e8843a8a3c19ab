package main

import (
	"errors"
	"fmt"
	"slices"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
	"tapline/operator"
)

// holderFlags are for what a card's own device may do, and an operator as well.
type holderFlags struct {
	operatorFlags
	deviceKeyFlag
	writeFlags
	Operator bool `help:"Do it as an operator."`
}

// device is the client of this device.
func (f holderFlags) device(a *app) (*device.Client, error) {
	return deviceFlags{f.serviceFlags, f.deviceKeyFlag}.client(a)
}

// operated does one write as an operator and shows its result.
func operated[T any](a *app, f holderFlags, write func(*app, *operator.Client) (T, error), show func(T) error) error {
	client, err := f.operatorFlags.client(a)
	if err != nil {
		return err
	}
	return f.once(a, func(a *app) error {
		result, err := write(a, client)
		if err != nil {
			return err
		}
		return show(result)
	})
}

// cardArg names a card. A device that has one card, besides closed ones, need not.
type cardArg struct {
	Card string `arg:"" optional:"" help:"The card's id, as \"tapline card list\" shows it; may be left out where this device has one card only."`
}

// of is the named card or this device's only one.
func (c cardArg) of(a *app, client *device.Client) (consent.CardID, error) {
	if c.Card != "" {
		return consent.CardID(c.Card), nil
	}
	cards, err := client.Cards(a.ctx)
	if err != nil {
		return "", err
	}
	cards = slices.DeleteFunc(cards, func(c api.Card) bool { return c.State == "closed" })
	if len(cards) != 1 {
		return "", &usageError{fmt.Sprintf("which card? This device has %d that are not closed", len(cards)), `name one that "tapline card list" shows`}
	}
	return consent.CardID(cards[0].ID), nil
}

// named is the card's id where there must be one.
func (c cardArg) named() (consent.CardID, error) {
	if c.Card == "" {
		return "", &usageError{"which card?", `name one that "tapline card list --operator" shows`}
	}
	return consent.CardID(c.Card), nil
}

// cardActivateCmd activates a card.
type cardActivateCmd struct {
	deviceFlags
	provingFlags
	CodeFile string `placeholder:"FILE" help:"Take the activation code from a file, - for standard input."`
	PINFile  string `name:"pin-file" placeholder:"FILE" help:"Take the card's first PIN from a file, - for standard input."`
	Rebind   bool   `help:"The code is one that only binds another device: the PIN stays as it is."`
	jsonFlag
}

// Help explains the parts.
func (*cardActivateCmd) Help() string {
	return `Needs the one-use code that the operator handed over apart from the card, and a tap of the card. You choose the card's
first PIN. From then on this device is the card's associated device: payments from any other device are confirmed here
as well, with "tapline approve".`
}

// Run activates the card.
func (cmd *cardActivateCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	code, err := a.code(cmd.CodeFile, "Activation code:")
	if err != nil {
		return err
	}
	if code, err = consent.NormalizeActivationCode(string(code)); err != nil {
		return err
	}
	tap, err := cmd.proved(a, client, money.Amount{Minor: 1, Currency: "CNY"}) // a currency is needed, and none is moved
	if err != nil {
		return err
	}
	var pin consent.PIN
	if !cmd.Rebind {
		if pin, err = a.newPIN(cmd.PINFile, "First PIN of the card, 4 to 12 digits:"); err != nil {
			return err
		}
	}
	c, err := client.ActivateTap(a.ctx, code, tap.Tap, pin)
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, c, cardFacts(c)...)
}

// cardListCmd lists cards.
type cardListCmd struct {
	operatorFlags
	deviceKeyFlag
	Operator bool `help:"List all cards, as an operator."`
	jsonFlag
}

// Run lists the cards.
func (cmd *cardListCmd) Run(a *app) error {
	cards, err := cmd.cards(a)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, c := range cards {
		rows = append(rows, []string{
			c.ID, c.CardAccount, c.Label, c.State, c.Account, money.FormatMinor(c.Available, c.Currency), string(c.Currency),
		})
	}
	return a.list(cmd.JSON, api.Cards{Cards: cards},
		[]string{"CARD", "CARD ACCOUNT", "LABEL", "STATE", "ACCOUNT", "AVAILABLE", "CURRENCY"}, rows)
}

func (cmd *cardListCmd) cards(a *app) ([]api.Card, error) {
	if cmd.Operator {
		client, err := cmd.operatorFlags.client(a)
		if err != nil {
			return nil, err
		}
		return client.Cards(a.ctx)
	}
	client, err := deviceFlags{cmd.serviceFlags, cmd.deviceKeyFlag}.client(a)
	if err != nil {
		return nil, err
	}
	return client.Cards(a.ctx)
}

// cardShowCmd shows a card.
type cardShowCmd struct {
	holderFlags
	cardArg
	jsonFlag
}

// Run shows the card.
func (cmd *cardShowCmd) Run(a *app) error {
	c, err := cmd.find(a)
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, c, cardFacts(c)...)
}

func (cmd *cardShowCmd) find(a *app) (api.Card, error) {
	if cmd.Operator {
		client, err := cmd.operatorFlags.client(a)
		if err != nil {
			return api.Card{}, err
		}
		id, err := cmd.named()
		if err != nil {
			return api.Card{}, err
		}
		return client.Card(a.ctx, id)
	}
	client, err := cmd.device(a)
	if err != nil {
		return api.Card{}, err
	}
	id, err := cmd.of(a, client)
	if err != nil {
		return api.Card{}, err
	}
	return client.Card(a.ctx, id)
}

// cardStop is what stops a card, by its holder's device or an operator.
type cardStop struct {
	holderFlags
	cardArg
	jsonFlag
}

// stop stops the card in one of the two ways, and shows it.
func (cmd *cardStop) stop(a *app, byOperator func(*operator.Client, consent.CardID) (api.Card, error),
	byDevice func(*device.Client, consent.CardID) (api.Card, error),
) error {
	show := func(c api.Card) error { return a.result(cmd.JSON, c, cardFacts(c)...) }
	if cmd.Operator {
		id, err := cmd.named()
		if err != nil {
			return err
		}
		return operated(a, cmd.holderFlags, func(_ *app, o *operator.Client) (api.Card, error) { return byOperator(o, id) }, show)
	}
	client, err := cmd.device(a)
	if err != nil {
		return err
	}
	id, err := cmd.of(a, client)
	if err != nil {
		return err
	}
	c, err := byDevice(client, id)
	if err != nil {
		return err
	}
	return show(c)
}

// cardFreezeCmd freezes a card.
type cardFreezeCmd struct{ cardStop }

// Help explains who may.
func (*cardFreezeCmd) Help() string {
	return `Any device that is or was the card's associated device may, and an operator. Open payments are cancelled. A code that
would bind another device or reset the PIN is void as well if the card's associated device does it, and stays good
otherwise.`
}

// Run freezes the card.
func (cmd *cardFreezeCmd) Run(a *app) error {
	return cmd.stop(a,
		func(o *operator.Client, id consent.CardID) (api.Card, error) {
			return o.FreezeCard(a.ctx, id, cmd.Note)
		},
		func(d *device.Client, id consent.CardID) (api.Card, error) { return d.Freeze(a.ctx, id) })
}

// cardUnfreezeCmd unfreezes a card.
type cardUnfreezeCmd struct {
	holderFlags
	cardArg
	PINFile string `name:"pin-file" placeholder:"FILE" help:"Take the PIN from a file, - for standard input."`
	jsonFlag
}

// Run unfreezes the card.
func (cmd *cardUnfreezeCmd) Run(a *app) error {
	show := func(c api.Card) error { return a.result(cmd.JSON, c, cardFacts(c)...) }
	if cmd.Operator {
		id, err := cmd.named()
		if err != nil {
			return err
		}
		return operated(a, cmd.holderFlags, func(a *app, o *operator.Client) (api.Card, error) {
			return o.UnfreezeCard(a.ctx, id, cmd.Note)
		}, show)
	}
	client, err := cmd.device(a)
	if err != nil {
		return err
	}
	id, err := cmd.of(a, client)
	if err != nil {
		return err
	}
	pin, err := a.pin(cmd.PINFile, "PIN of the card:")
	if err != nil {
		return err
	}
	c, err := client.Unfreeze(a.ctx, id, pin)
	if err != nil {
		return err
	}
	return show(c)
}

// cardPINCmd changes or resets a PIN.
type cardPINCmd struct {
	holderFlags
	cardArg
	PINFile       string `name:"pin-file" placeholder:"FILE" help:"Take the old PIN from a file."`
	NewPINFile    string `name:"new-pin-file" placeholder:"FILE" help:"Take the new PIN from a file."`
	Reset         bool   `help:"The old PIN is forgotten: ask for the operator's reset code in its place."`
	ResetCodeFile string `placeholder:"FILE" help:"Take the reset code from a file; implies --reset."`
	jsonFlag
}

// Help explains the ways.
func (*cardPINCmd) Help() string {
	return `With the old PIN, on the associated device. With a forgotten one, the operator makes a code (--operator), hands it to the
cardholder, and the associated device sets a new PIN with it (--reset).`
}

// Run changes the PIN.
func (cmd *cardPINCmd) Run(a *app) error {
	if cmd.Operator {
		id, err := cmd.named()
		if err != nil {
			return err
		}
		return operated(a, cmd.holderFlags, func(a *app, o *operator.Client) (api.CardCode, error) {
			return o.ResetPIN(a.ctx, id, cmd.Note)
		}, showCode(a, cmd.JSON))
	}
	client, err := cmd.device(a)
	if err != nil {
		return err
	}
	id, err := cmd.of(a, client)
	if err != nil {
		return err
	}
	c, err := cmd.change(a, client, id)
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, c, cardFacts(c)...)
}

func (cmd *cardPINCmd) change(a *app, client *device.Client, id consent.CardID) (api.Card, error) {
	var old consent.PIN
	var code consent.Code
	var err error
	reset := cmd.Reset || cmd.ResetCodeFile != ""
	if reset {
		code, err = a.code(cmd.ResetCodeFile, "Reset code:")
	} else {
		old, err = a.pin(cmd.PINFile, "Old PIN:")
	}
	if err != nil {
		return api.Card{}, err
	}
	pin, err := a.newPIN(cmd.NewPINFile, "New PIN, 4 to 12 digits:")
	if errors.Is(err, errNobody) {
		err = withHint(err, "give the new PIN with --new-pin-file FILE")
	}
	if err != nil {
		return api.Card{}, err
	}
	if reset {
		return client.ResetPIN(a.ctx, id, code, pin)
	}
	return client.ChangePIN(a.ctx, id, old, pin)
}

// cardRebindCmd binds a card to another device.
type cardRebindCmd struct {
	holderFlags
	cardArg
	To string `placeholder:"DEVICE" help:"The new device's id, as \"tapline device show\" tells it there."`
	jsonFlag
}

// Help explains the two ways.
func (*cardRebindCmd) Help() string {
	return `With the old device: run this there with --to, the id of the new one, which must be registered. It is done at once.

Without the old device: an operator first revokes it, if it was stolen ("tapline device revoke"), and makes a code
(--operator). It can be used after a day, in which every device of the card is told. The associated device, unless it
was revoked, voids the code with "tapline card freeze"; others that freeze the card leave the code as it is. Then, on
the new device: tapline card activate --rebind`
}

// Run rebinds the card.
func (cmd *cardRebindCmd) Run(a *app) error {
	if cmd.Operator {
		id, err := cmd.named()
		if err != nil {
			return err
		}
		return operated(a, cmd.holderFlags, func(a *app, o *operator.Client) (api.CardCode, error) {
			return o.RebindCard(a.ctx, id, cmd.Note)
		}, showCode(a, cmd.JSON))
	}
	if cmd.To == "" {
		return &usageError{"to which device?", `--to takes the id that "tapline device show" tells on the new device`}
	}
	client, err := cmd.device(a)
	if err != nil {
		return err
	}
	id, err := cmd.of(a, client)
	if err != nil {
		return err
	}
	c, err := client.Rebind(a.ctx, id, consent.DeviceID(cmd.To))
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, c, cardFacts(c)...)
}
