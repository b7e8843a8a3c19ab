package main

import "tapline/api"

// accountAdjustCmd corrects a balance.
type accountAdjustCmd struct {
	operatorFlags
	Account        string `arg:"" help:"The account's id."`
	Amount         string `required:"" placeholder:"1.00" help:"By how much."`
	Currency       string `default:"CNY" env:"TAPLINE_CURRENCY" help:"In which currency (${default})."`
	Debit          bool   `help:"Take the amount from the account; without, it is credited."`
	Note           string `required:"" placeholder:"TEXT" help:"Why, for the audit log."`
	IdempotencyKey string `placeholder:"KEY" help:"Send again, under the key that was told, what was not answered: it is done once."`
	jsonFlag
}

// Help is what the command's --help says.
func (accountAdjustCmd) Help() string {
	return `For what was entered wrongly: the other side is the account adjustment-CNY, or of another currency, which no bank knows of. Above
the limit of top-ups another operator has to confirm it, with "tapline account confirm".`
}

// Run corrects the balance.
func (cmd *accountAdjustCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	amount, err := parseAmount(cmd.Amount, cmd.Currency)
	if err != nil {
		return err
	}
	return writeFlags{Note: cmd.Note, IdempotencyKey: cmd.IdempotencyKey}.once(a, func(a *app) error {
		account, err := client.Adjust(a.ctx, cmd.Account, api.NewAdjustment{Amount: amount, Debit: cmd.Debit, Note: cmd.Note})
		if err != nil {
			return err
		}
		facts := accountFacts(account)
		if held := account.Held; held != nil {
			a.say("Nothing has moved yet: another operator has to confirm it until %s, with \"tapline account confirm %s\".", when(held.ExpiresAt), held.ID)
			facts = append(facts, pair{"pending", held.ID})
		}
		return a.result(cmd.JSON, account, facts...)
	})
}
