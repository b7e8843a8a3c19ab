package main

import (
	"errors"

	"tapline/api"
	"tapline/card"
	"tapline/consent"
	"tapline/device"
	"tapline/operator"
)

// cardLostCmd reports a card lost.
type cardLostCmd struct{ cardStop }

// Help explains who may, and how it ends.
func (*cardLostCmd) Help() string {
	return `On the card's associated device, or as an operator. The card is frozen and its open payments are cancelled. Unlike
"tapline card freeze", no device can undo it: when the card is found, an operator unfreezes it; otherwise an operator puts a new
one in its place with "tapline card replace".`
}

// Run reports the card lost.
func (cmd *cardLostCmd) Run(a *app) error {
	return cmd.stop(a,
		func(o *operator.Client, id consent.CardID) (api.Card, error) {
			return o.ReportLost(a.ctx, id, cmd.Note)
		},
		func(d *device.Client, id consent.CardID) (api.Card, error) { return d.ReportLost(a.ctx, id) })
}

// cardReplaceCmd puts a new card in the place of one.
type cardReplaceCmd struct {
	holderFlags
	cardArg
	provingFlags
	SUN      string `name:"sun" xor:"card" placeholder:"UID" help:"With --operator: the new card is an NTAG 424 DNA card that proves itself, with this UID (14 hexadecimal digits): no card is read; what to write to it is printed."`
	Label    string `placeholder:"TEXT" help:"With --operator: what the new card is called; as the old one by default."`
	CodeFile string `placeholder:"FILE" help:"Without --operator: take the code from a file, - for standard input."`
	jsonFlag
}

// Help explains the two halves.
func (*cardReplaceCmd) Help() string {
	return `An operator begins (--operator CARD, with a tap of the new card): the old card is dead at once and for ever, whatever its
state, and its open payments are cancelled. The new card is on the same account, with the same devices, PIN and limits. The
code that is printed goes to the cardholder, apart from the card.

The cardholder finishes, on the card's associated device and without --operator: the code, and a tap of the new card. The PIN
stays. Another device can do that only a day later, in which all devices of the card are told: it becomes the associated
device then. The associated device voids the code by freezing the new card.

A blank NTAG 424 DNA on a reader is put in a card's place, and written, by "tapline card personalise --replaces CARD".`
}

// Run begins the replacement as an operator, or finishes it on a device.
func (cmd *cardReplaceCmd) Run(a *app) error {
	if cmd.Operator {
		return cmd.begin(a)
	}
	if cmd.SUN != "" || cmd.Label != "" || cmd.Card != "" {
		return &usageError{"a card, --sun and --label are for operators", "with --operator, or without all three to finish a replacement on this device"}
	}
	client, err := cmd.device(a)
	if err != nil {
		return err
	}
	code, err := a.code(cmd.CodeFile, "Code of the new card:")
	if err != nil {
		return err
	}
	if code, err = consent.NormalizeActivationCode(string(code)); err != nil {
		return err
	}
	tap, err := cmd.tapped(a, cmd.URL)
	if err != nil {
		return err
	}
	c, err := client.ActivateTap(a.ctx, code, tap, "")
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, c, cardFacts(c)...)
}

func (cmd *cardReplaceCmd) begin(a *app) error {
	old, err := cmd.named()
	if err != nil {
		return err
	}
	if cmd.SUNURL != "" || cmd.CodeFile != "" {
		return &usageError{"--sun-url and --code-file are for the cardholder", "as an operator, tap the new card or give its UID with --sun"}
	}
	by := api.Replacement{Label: cmd.Label, Note: cmd.Note}
	if cmd.SUN != "" {
		by.SUN = &api.NewSUN{UID: cmd.SUN}
	} else {
		account, err := cmd.account(a)
		if errors.Is(err, card.ErrNoApplication) || errors.Is(err, card.ErrNoAccount) {
			return withHint(err, "a blank NTAG 424 DNA is put in a card's place by: tapline card personalise --replaces "+string(old))
		}
		if err != nil {
			return err
		}
		by.AccountNumber = string(account)
	}
	return operated(a, cmd.holderFlags, func(a *app, o *operator.Client) (api.CardCode, error) {
		return o.ReplaceCard(a.ctx, old, by)
	}, func(c api.CardCode) error {
		if c.SUN != nil {
			a.say("The keys are told this once as well. Write them to the card, and keep no copy.")
		}
		sayWhoFinishes(a, c)
		return showCode(a, cmd.JSON)(c)
	})
}

// sayWhoFinishes tells the operator of a new card in the place of one that somebody used.
func sayWhoFinishes(a *app, c api.CardCode) {
	if c.Card.AssociatedDevice != "" {
		a.say(`The cardholder runs "tapline card replace" on the card's associated device; it can use the code at once.`)
	}
}
