package main

import (
	"tapline/api"
	"tapline/payout"
)

// payoutCardCmd pays out what is left of a closed card.
type payoutCardCmd struct {
	operatorFlags
	Card string `arg:"" help:"The card's id. Close it first: tapline card close."`
	bankFlags
	Cash           bool   `help:"Hand it over; confirm it then with \"tapline payout confirm\". It is in no file."`
	Note           string `required:"" placeholder:"TEXT" help:"Why, and what proves who it is, for the audit log."`
	IdempotencyKey string `placeholder:"KEY" help:"Send again, under the key that was told, what was not answered: it is done once."`
	jsonFlag
}

// Run asks for it.
func (cmd *payoutCardCmd) Run(a *app) error {
	to := payout.BankAccount{Name: cmd.Name, Cash: true}
	if !cmd.Cash {
		var err error
		if to, err = cmd.account(); err != nil {
			return err
		}
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return writeFlags{Note: cmd.Note, IdempotencyKey: cmd.IdempotencyKey}.once(a, func(a *app) error {
		p, err := client.PayOutCard(a.ctx, cmd.Card, api.NewCardPayout{To: to, Note: cmd.Note})
		if err != nil {
			return err
		}
		return a.tellPayout(cmd.JSON, p)
	})
}
