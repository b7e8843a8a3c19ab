package main

import (
	"errors"
	"fmt"
	"strings"

	"tapline/api"
	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/pcsc"
	"tapline/money"
)

// cardCmd is about cards.
type cardCmd struct {
	Read      cardReadCmd      `cmd:"" help:"Read a card and show what is on it. Talks to no service."`
	Readers   cardReadersCmd   `cmd:"" help:"List the readers of this machine."`
	Emulate   cardEmulateCmd   `cmd:"" help:"Play a virtual card in a virtual reader, to try things out."`
	Identify  cardIdentifyCmd  `cmd:"" help:"Ask the service which card it is."`
	VerifySUN cardVerifySUNCmd `cmd:"" name:"verify-sun" help:"Check what an NTAG 424 DNA card wrote into its URL. Talks to no service."`
	Activate  cardActivateCmd  `cmd:"" help:"Make this device the associated device of a card."`
	List      cardListCmd      `cmd:"" help:"List this device's cards, or all (operator)."`
	Show      cardShowCmd      `cmd:"" help:"Show one card."`
	Freeze    cardFreezeCmd    `cmd:"" help:"Stop a card at once."`
	Unfreeze  cardUnfreezeCmd  `cmd:"" help:"Let a frozen card pay again."`
	Lost      cardLostCmd      `cmd:"" help:"Report a card lost: no device can undo it."`
	Replace   cardReplaceCmd   `cmd:"" help:"Put a new card in the place of one for ever (operator), or finish that on your device."`
	PIN       cardPINCmd       `cmd:"" name:"pin" help:"Change a card's PIN, or make a code to reset it (operator)."`
	Rebind    cardRebindCmd    `cmd:"" help:"Make another device the associated device of a card."`
	Issue     cardIssueCmd     `cmd:"" help:"Make a card known (operator)."`
	Code      cardCodeCmd      `cmd:"" help:"Make a new activation code for a card that was not activated yet (operator)."`
	Close     cardCloseCmd     `cmd:"" help:"End a card for ever (operator)."`
	Limits    cardLimitsCmd    `cmd:"" help:"Set the least that payments with your card need."`
}

// cardReadersCmd lists readers.
type cardReadersCmd struct{ jsonFlag }

// Run lists the readers.
func (cmd *cardReadersCmd) Run(a *app) error {
	client, err := pcsc.Dial(a.ctx, "")
	if err != nil {
		return err
	}
	defer client.Close()
	readers, err := client.Readers(a.ctx)
	if err != nil {
		return err
	}
	type reader struct {
		Name string `json:"name"`
		Card bool   `json:"card"`
	}
	list := make([]reader, 0, len(readers))
	var rows [][]string
	for _, r := range readers {
		list = append(list, reader{string(r.Name), r.Present})
		rows = append(rows, []string{string(r.Name), map[bool]string{true: "yes", false: "no"}[r.Present]})
	}
	return a.list(cmd.JSON, map[string]any{"readers": list}, []string{"READER", "CARD"}, rows)
}

// cardEmulateCmd plays a card.
type cardEmulateCmd struct {
	Kind        string `default:"emv" enum:"emv,tunion,storage" help:"What card: ${enum} (${default})."`
	VPCD        string `name:"vpcd" default:"127.0.0.1:35963" env:"TAPLINE_VPCD" placeholder:"HOST:PORT" help:"The virtual reader, of the package vsmartcard-vpcd (${default})."`
	AccountFile string `xor:"content" placeholder:"FILE" help:"Take the account number from a file, - for standard input; a published test number by default."`
	Message     string `xor:"content" placeholder:"URL" help:"An https address for a storage card to carry as its NDEF message; none by default."`
	emulatedProof
}

// Help explains how to try it.
func (*cardEmulateCmd) Help() string {
	return `Puts a card that exists only in this program into the virtual reader of vsmartcard (packages pcscd and vsmartcard-vpcd),
until Ctrl-C. pcscd then has it like any other card.

The virtual reader listens on all addresses, so whoever reaches this machine could put cards into it. Do not give it to
the system's pcscd: run another one, and this command, in a network namespace of their own (unshare -n), as docs/cards.md
says and "tapline demo" does.

With --proof the card proves itself by keys made for this run. --capk-out writes the public one that verifies them, for
"tapline card read --prove --capk FILE --capk-test" and for a service in the test environment.`
}

// Run plays the card.
func (cmd *cardEmulateCmd) Run(a *app) error {
	var number card.Number
	if cmd.AccountFile != "" {
		text, err := a.readSecret(cmd.AccountFile)
		if err != nil {
			return err
		}
		if number, err = card.ParseNumber(text); err != nil {
			return err
		}
	}
	virtual, err := cardtest.New(cardtest.Kind(cmd.Kind), number)
	if err != nil {
		return err
	}
	if cmd.Message != "" {
		if err := writeMessage(virtual, cmd.Message); err != nil {
			return err
		}
	}
	if err := cmd.prepare(virtual); err != nil {
		return err
	}
	a.say("The virtual card (%s) is in the reader at %s. Ctrl-C takes it out.", cmd.Kind, cmd.VPCD)
	return cardtest.ServeVPCD(a.ctx, cmd.VPCD, virtual)
}

// writeMessage puts an address on a storage card.
func writeMessage(virtual cardtest.Card, address string) error {
	storage, is := virtual.(*cardtest.Storage)
	if !is {
		return errors.New("only a storage card takes a message: add --kind storage")
	}
	if most := cardtest.MaxStorageMessage - 5; len(address) > most || !strings.HasPrefix(address, "https://") {
		return fmt.Errorf("the message must be an https address of at most %d characters", most)
	}
	storage.Message = cardtest.URLMessage(address)
	return nil
}

func cardFacts(c api.Card) []pair {
	in := func(minor int64) string { return money.FormatMinor(minor, c.Currency) + " " + string(c.Currency) }
	facts := []pair{
		{"card", c.ID}, {"card account", c.CardAccount}, {"label", c.Label}, {"state", c.State}, {"account", c.Account},
		{"balance", in(c.Balance)}, {"available", in(c.Available)}, {"associated device", c.AssociatedDevice},
		{"replaces", c.Replaces}, {"replaced by", c.ReplacedBy},
	}
	if c.LostAt != nil {
		facts = append(facts, pair{"lost since", when(*c.LostAt)})
	}
	for _, d := range c.Devices {
		facts = append(facts, pair{"bound " + when(d.BoundAt), d.ID + "  " + d.Label})
	}
	return facts
}

func codeFacts(c api.CardCode) []pair {
	facts := append(cardFacts(c.Card),
		pair{"code", c.Code}, pair{"valid from", when(c.NotBefore)}, pair{"valid until", when(c.ExpiresAt)})
	if s := c.SUN; s != nil {
		facts = append(facts, pair{"card URL", s.URLTemplate}, pair{"key version", fmt.Sprint(s.KeyVersion)},
			pair{"key 0 (application)", s.ApplicationKey}, pair{"key 1 (SDM meta read)", s.MetaKey},
			pair{"key 2 (SDM file read)", s.FileKey}, pair{"key 3 (data file)", s.DataKey}, pair{"key 4 (spare)", s.SpareKey})
	}
	return facts
}
