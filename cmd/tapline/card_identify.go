package main

import (
	"tapline/money"
)

// cardIdentifyCmd asks the service what a card is.
type cardIdentifyCmd struct {
	deviceFlags
	provingFlags
	Currency string `default:"CNY" env:"TAPLINE_CURRENCY" help:"The currency that the card is told (${default})."`
	jsonFlag
}

// Help explains who is told what.
func (*cardIdentifyCmd) Help() string {
	return `Reads a card and asks the service which one it is. A device that is or was bound to the card sees its id, label and state.
Any other sees only what the tap says by itself, whether the card is known to the service or not.

"assurance" says whether the card proved itself on this tap: authentic; identified is a number that was read, and may be
a copy. The tap of a card that proves itself is used up: tap again to pay. A payment card is told an amount of one minor
unit. It is not charged.`
}

// Run asks.
func (cmd *cardIdentifyCmd) Run(a *app) error {
	currency, err := money.ParseCurrency(cmd.Currency)
	if err != nil {
		return &usageError{"--currency: " + err.Error(), "such as --currency CNY"}
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	tap, err := cmd.proved(a, client, money.Amount{Minor: 1, Currency: currency})
	if err != nil {
		return err
	}
	found, err := client.Tap(a.ctx, tap.Tap)
	if err != nil {
		return err
	}
	facts := []pair{{"card account", found.CardAccount}, {"assurance", found.Assurance}}
	if found.Card == nil {
		facts = append(facts, pair{"card", "not this device's"})
	} else {
		facts = append(facts, pair{"card", found.Card.ID}, pair{"label", found.Card.Label}, pair{"state", found.Card.State})
	}
	return a.result(cmd.JSON, found, facts...)
}
