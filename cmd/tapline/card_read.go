package main

import (
	"context"
	"fmt"
	"strings"

	"tapline/card"
	"tapline/money"
)

// cardReadCmd reads a card.
type cardReadCmd struct {
	readerFlags
	ShowAccount bool   `help:"Show the whole account number, not only its last four digits, and the whole address that a card wrote at this tap. Whoever sees that address before it is used can use it."`
	NDEF        bool   `name:"ndef" help:"Read the tag's message only, even if the card has an account."`
	Balance     bool   `help:"Read the balance of a T-Union transport card, too."`
	Log         bool   `help:"Read balance and journeys of a T-Union transport card, too."`
	Country     uint16 `default:"156" env:"TAPLINE_TERMINAL_COUNTRY" placeholder:"CODE" help:"What the card is told if it asks for the reader's country, an ISO 3166-1 number (${default}: China)."`
	Currency    uint16 `default:"156" env:"TAPLINE_TERMINAL_CURRENCY" placeholder:"CODE" help:"What the card is told if it asks for the currency, an ISO 4217 number (${default}: CNY)."`
	proofFlags
	jsonFlag
}

// Help explains what is read.
func (*cardReadCmd) Help() string {
	return `Reads the card account as a payment does, and shows it masked; of a tag without an account, the https address or the text
of its NDEF message. The reading is "identified": the number may come from a copy of the card. --replay reads a
transcript, a JSON file of what a card and a reader said to each other.

With --prove a payment card is asked to sign a fresh number. If its certificates lead to a key of its scheme, the reading
is "authentic": this card was here. A replay proves nothing.`
}

// Validate refuses flags that exclude each other.
func (cmd *cardReadCmd) Validate() error {
	if cmd.NDEF && (cmd.Balance || cmd.Log) {
		return fmt.Errorf("--ndef reads nothing else: leave out --balance and --log")
	}
	if cmd.Prove && (cmd.NDEF || cmd.Balance || cmd.Log) {
		return fmt.Errorf("only payment cards prove themselves: leave out --ndef, --balance and --log, or --prove")
	}
	return nil
}

// Run reads the card.
func (cmd *cardReadCmd) Run(a *app) error {
	trial, err := cmd.trial(cmd.Currency)
	if err != nil {
		return err
	}
	var purse *card.Purse
	reading, err := cmd.tap(a, func(ctx context.Context, t card.Transmitter, atr []byte) (card.Reading, error) {
		switch {
		case cmd.NDEF:
			return card.ReadNDEF(ctx, t, atr)
		case cmd.Balance || cmd.Log:
			read, err := card.ReadPurse(ctx, t, cmd.Log)
			purse = &read
			return read.Reading, err
		}
		return card.ReadAny(ctx, t, trial.ask(card.Terminal{Country: cmd.Country, Currency: cmd.Currency}), atr)
	})
	if err != nil {
		return err
	}
	proof, err := trial.judge(a, reading)
	if err != nil {
		return err
	}
	report := reading.Report(cmd.ShowAccount)
	if proof != nil && proof.Authentic {
		report.Assurance = card.Authentic
	}
	if purse != nil {
		report.BalanceFen, report.Log = &purse.Balance, purse.Journeys
	}
	if cmd.JSON {
		return a.printJSON(struct {
			card.Report
			Proof *proofReport `json:"proof,omitempty"`
		}{report, proof})
	}
	if err := a.result(false, nil, append(cmd.facts(reading, report), proof.facts()...)...); err != nil {
		return err
	}
	for _, j := range report.Log {
		err := a.print("%s  %s CNY  type %02X  terminal %s", j.Time.Format("2006-01-02 15:04"),
			money.FormatMinor(int64(j.Amount), "CNY"), j.Type, j.Terminal)
		if err != nil {
			return err
		}
	}
	return nil
}

// facts shows a reading to a person.
func (cmd *cardReadCmd) facts(reading card.Reading, report card.Report) []pair {
	number := reading.Number.String()
	if report.Account != "" {
		number = report.Account
	}
	var message, address, text, balance string
	if m := reading.NDEF; m != nil {
		if message = m.String(); cmd.ShowAccount {
			message = m.Reveal()
		}
		if address = message; m.Kind == card.MessageText {
			address, text = "", message
		}
	}
	if report.BalanceFen != nil {
		balance = money.FormatMinor(*report.BalanceFen, "CNY") + " CNY"
	}
	var notes []string
	for _, note := range report.Notes {
		notes = append(notes, string(note))
	}
	return []pair{
		{"card account", number}, {"scheme", string(report.Scheme)}, {"application", string(report.AID)},
		{"label", report.Label}, {"expiry (YYMM)", report.Expiry}, {"sequence", report.PSN},
		{"reference", report.PAR}, {"valid from", report.ValidFrom}, {"valid to", report.ValidTo},
		{"address", address}, {"text", text}, {"balance", balance},
		{"assurance", string(report.Assurance)}, {"notes", strings.Join(notes, ", ")},
		{"commands", fmt.Sprint(report.APDUs)}, {"time", fmt.Sprintf("%.1f ms", report.Milliseconds)},
	}
}
