package main

import (
	"tapline/consent"
)

// cardEraseCmd erases what is personal of a card's holder.
type cardEraseCmd struct {
	operatorFlags
	Card           string `arg:"" help:"The card's id. Close it first: tapline card close."`
	Confirm        bool   `help:"Do what another operator has asked for."`
	Note           string `required:"" placeholder:"TEXT" help:"Why, for the audit log, which is kept for ever: name nobody."`
	IdempotencyKey string `placeholder:"KEY" help:"Send again, under the key that was told, what was not answered: it is done once."`
	jsonFlag
}

// Help says what goes and what stays.
func (*cardEraseCmd) Help() string {
	return `Erases labels, the address and e-mails, notes, PIN, codes, rules, passkeys and push subscriptions of whoever had the card and the other
cards of its account. All of these have to be closed, and the account empty. One operator asks, and another one confirms within a day,
with --confirm. There is no way back. Books, payments and what was signed stay: docs/privacy.md has both lists.`
}

// Run asks for it, or does it.
func (cmd *cardEraseCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	do := client.AskErasure
	if cmd.Confirm {
		do = client.ConfirmErasure
	}
	return writeFlags{Note: cmd.Note, IdempotencyKey: cmd.IdempotencyKey}.once(a, func(a *app) error {
		e, err := do(a.ctx, consent.CardID(cmd.Card), cmd.Note)
		if err != nil {
			return err
		}
		if !cmd.Confirm {
			a.say("Nothing is erased yet: another operator has to confirm it before %s, with \"tapline card erase %s --confirm\".", when(e.ExpiresAt), cmd.Card)
		}
		return a.result(cmd.JSON, e, pair{"account", e.Account}, pair{"state", e.State}, pair{"asked by", e.AskedBy}, pair{"erased by", e.ErasedBy})
	})
}
