package main

import (
	"errors"

	"tapline/api"
	"tapline/card"
	"tapline/consent"
	"tapline/money"
)

// showCode shows a code, which is told once.
func showCode(a *app, asJSON bool) func(api.CardCode) error {
	return func(c api.CardCode) error {
		a.say("The code is told this once. Hand it to the cardholder apart from the card.")
		c.QR = "" // a picture, for pages
		return a.result(asJSON, c, codeFacts(c)...)
	}
}

// cardIssueCmd issues a card.
type cardIssueCmd struct {
	operatorFlags
	writeFlags
	tapFlags
	SUN      string `name:"sun" xor:"card" placeholder:"UID" help:"Issue an NTAG 424 DNA card that proves itself, with this UID (14 hexadecimal digits): no card is read; what to write to it is printed."`
	Label    string `required:"" placeholder:"TEXT" help:"What the card is called; its holder is shown it."`
	Currency string `default:"CNY" env:"TAPLINE_CURRENCY" help:"Of the card account (${default})."`
	jsonFlag
}

// Help explains what happens.
func (*cardIssueCmd) Help() string {
	return `Reads the card and makes it known, with an empty card account behind it. The service keeps a keyed digest of the account
number and its last four digits. With --sun, a card that proves itself is made known by its UID, and the URL and keys to
write to it are printed; see docs/cards.md. Prints a one-use activation code: hand it to the cardholder apart from the card, who
then runs "tapline card activate".`
}

// Run issues the card.
func (cmd *cardIssueCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	currency, err := money.ParseCurrency(cmd.Currency)
	if err != nil {
		return err
	}
	request := api.NewCard{Label: cmd.Label, Currency: currency, Note: cmd.Note}
	if cmd.SUN != "" {
		request.SUN = &api.NewSUN{UID: cmd.SUN}
	} else {
		account, err := cmd.account(a)
		if errors.Is(err, card.ErrNoApplication) || errors.Is(err, card.ErrNoAccount) {
			return withHint(err, "a blank NTAG 424 DNA is issued by: tapline card personalise")
		}
		if err != nil {
			return err
		}
		request.AccountNumber = string(account)
	}
	return cmd.once(a, func(a *app) error {
		issued, err := client.IssueCard(a.ctx, request)
		if err != nil {
			return err
		}
		if issued.SUN != nil {
			a.say("The keys are told this once as well. Write them to the card, and keep no copy.")
		}
		return showCode(a, cmd.JSON)(issued)
	})
}

// cardCodeCmd makes a new activation code.
type cardCodeCmd struct {
	operatorFlags
	writeFlags
	Card string `arg:"" help:"The card's id."`
	QR   bool   `name:"qr" help:"Show the code as a QR code as well, for the cardholder to scan."`
	jsonFlag
}

// Run makes the code.
func (cmd *cardCodeCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		code, err := client.ActivationCode(a.ctx, consent.CardID(cmd.Card), cmd.Note)
		if err != nil {
			return err
		}
		if err := showCode(a, cmd.JSON)(code); err != nil || !cmd.QR || code.Link == "" {
			return err
		}
		picture, err := blocks(code.Link)
		_, _ = a.stderr.Write([]byte(picture))
		return err
	})
}

// cardCloseCmd closes a card.
type cardCloseCmd struct {
	operatorFlags
	writeFlags
	Card string `arg:"" help:"The card's id."`
	jsonFlag
}

// Run closes the card.
func (cmd *cardCloseCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		c, err := client.CloseCard(a.ctx, consent.CardID(cmd.Card), cmd.Note)
		if err != nil {
			return err
		}
		return a.result(cmd.JSON, c, cardFacts(c)...)
	})
}
