package main

import (
	"fmt"

	"tapline/api"
	"tapline/card/pcsc"
	"tapline/money"
)

// cardCmd is about cards.
type cardCmd struct {
	Read         cardReadCmd         `cmd:"" help:"Read a card and show what is on it. Talks to no service."`
	Readers      cardReadersCmd      `cmd:"" help:"List the readers of this machine."`
	Emulate      cardEmulateCmd      `cmd:"" help:"Play a virtual card in a virtual reader, to try things out."`
	Identify     cardIdentifyCmd     `cmd:"" help:"Ask the service which card it is."`
	VerifySUN    cardVerifySUNCmd    `cmd:"" name:"verify-sun" help:"Check what an NTAG 424 DNA card wrote into its URL. Talks to no service."`
	Activate     cardActivateCmd     `cmd:"" help:"Make this device the associated device of a card."`
	List         cardListCmd         `cmd:"" help:"List this device's cards, or all (operator)."`
	Show         cardShowCmd         `cmd:"" help:"Show one card."`
	Freeze       cardFreezeCmd       `cmd:"" help:"Stop a card at once."`
	Unfreeze     cardUnfreezeCmd     `cmd:"" help:"Let a frozen card pay again."`
	Lost         cardLostCmd         `cmd:"" help:"Report a card lost: no device can undo it."`
	Replace      cardReplaceCmd      `cmd:"" help:"Put a new card in the place of one for ever (operator), or finish that on your device."`
	PIN          cardPINCmd          `cmd:"" name:"pin" help:"Change a card's PIN, or make a code to reset it (operator)."`
	Rebind       cardRebindCmd       `cmd:"" help:"Make another device the associated device of a card."`
	Issue        cardIssueCmd        `cmd:"" help:"Make a card known (operator)."`
	Personalise  cardPersonaliseCmd  `cmd:"" help:"Issue an NTAG 424 DNA that lies on a reader, and write it (operator)."`
	Code         cardCodeCmd         `cmd:"" help:"Make a new activation code for a card that was not activated yet (operator)."`
	Close        cardCloseCmd        `cmd:"" help:"End a card for ever (operator)."`
	RemoveDevice cardRemoveDeviceCmd `cmd:"" name:"remove-device" help:"End what a device that was bound before may see and do of your card."`
	Email        cardEmailCmd        `cmd:"" help:"Be told by e-mail what happens to your card."`
	Export       cardExportCmd       `cmd:"" help:"Get all that is kept about a card's holder, in JSON (operator)."`
	Erase        cardEraseCmd        `cmd:"" help:"Erase what is personal of a closed card's holder, for ever (two operators)."`
	Limits       cardLimitsCmd       `cmd:"" help:"Set the least that payments with your card need."`
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

func cardFacts(c api.Card) []pair {
	in := func(minor int64) string { return money.FormatMinor(minor, c.Currency) + " " + string(c.Currency) }
	facts := []pair{
		{"card", c.ID}, {"card account", c.CardAccount}, {"label", c.Label}, {"state", c.State}, {"account", c.Account},
		{"balance", in(c.Balance)}, {"available", in(c.Available)}, {"associated device", c.AssociatedDevice},
		{"replaces", c.Replaces}, {"replaced by", c.ReplacedBy},
	}
	facts = append(facts, ruleFacts(c)...)
	if c.LostAt != nil {
		facts = append(facts, pair{"lost since", when(*c.LostAt)})
	}
	for _, d := range c.Devices {
		text := d.ID + "  " + d.Label
		if d.UsedAt != nil {
			text += "  used " + when(*d.UsedAt)
		}
		facts = append(facts, pair{"bound " + when(d.BoundAt), text})
	}
	return facts
}

func codeFacts(c api.CardCode) []pair {
	facts := append(cardFacts(c.Card),
		pair{"code", c.Code}, pair{"link", c.Link}, pair{"valid from", when(c.NotBefore)}, pair{"valid until", when(c.ExpiresAt)})
	if s := c.SUN; s != nil {
		facts = append(facts, pair{"card URL", s.URLTemplate}, pair{"key version", fmt.Sprint(s.KeyVersion)},
			pair{"key 0 (application)", s.ApplicationKey}, pair{"key 1 (SDM meta read)", s.MetaKey},
			pair{"key 2 (SDM file read)", s.FileKey}, pair{"key 3 (data file)", s.DataKey}, pair{"key 4 (spare)", s.SpareKey})
	}
	return facts
}
