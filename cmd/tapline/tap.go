package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/pcsc"
	"tapline/card/sun"
	"tapline/consent"
)

// readerFlags say where the card is.
type readerFlags struct {
	Reader     string        `env:"TAPLINE_READER" xor:"card" placeholder:"NAME" help:"The reader to tap on, as \"tapline card readers\" names it; any by default."`
	Replay     string        `xor:"card" placeholder:"FILE" help:"Read a recorded card in place of a real one."`
	TapTimeout time.Duration `default:"60s" help:"How long to wait for a card (${default})."`
}

// tapFlags are readerFlags for commands that only need the account number.
type tapFlags struct {
	readerFlags
	AccountFile string `xor:"card" placeholder:"FILE" help:"Take the card account number from a file, - for standard input, as if it had been tapped: for tests. There is no flag for the number itself: other users of this machine could see it."`
}

// provingFlags are tapFlags for commands that also take a card that proves itself.
type provingFlags struct {
	tapFlags
	SUNURL string `name:"sun-url" xor:"card" placeholder:"FILE" help:"Take the URL that an NTAG 424 DNA card wrote at this tap from a file, - for standard input, as a phone or reader got it. It proves the card, once."`
}

// tapped is the tap of the card.
func (f provingFlags) tapped(a *app) (consent.Tap, error) {
	if f.SUNURL == "" {
		account, err := f.account(a)
		return consent.Tap{Account: account}, err
	}
	text, err := a.readSecret(f.SUNURL)
	if err != nil {
		return consent.Tap{}, err
	}
	if _, err := (sun.Format{}).Parse(text); err != nil {
		return consent.Tap{}, err
	}
	return consent.Tap{SUN: consent.SUNMessage(text)}, nil
}

// account is the account number of the card that is tapped.
func (f tapFlags) account(a *app) (consent.AccountNumber, error) {
	if f.AccountFile != "" {
		text, err := a.readSecret(f.AccountFile)
		if err != nil {
			return "", err
		}
		number, err := card.ParseNumber(text)
		return consent.AccountNumber(number.Reveal()), err
	}
	reading, err := f.read(a)
	return consent.AccountNumber(reading.Number.Reveal()), err
}

// read reads the card that is tapped.
func (f readerFlags) read(a *app) (card.Reading, error) {
	if f.Replay != "" {
		transcript, err := cardtest.ReadTranscript(f.Replay)
		if err != nil {
			return card.Reading{}, err
		}
		return card.Read(a.ctx, transcript.Player(), card.Terminal{})
	}
	ctx, cancel := context.WithTimeoutCause(a.ctx, f.TapTimeout,
		withHint(errors.New("no card was tapped"), "hold the card on the reader until it has been read"))
	defer cancel()
	readers, err := pcsc.Dial(ctx, "")
	if err != nil {
		return card.Reading{}, err
	}
	defer readers.Close()
	if err := f.check(ctx, a, readers); err != nil {
		return card.Reading{}, err
	}
	a.say("Tap the card on the reader.")
	for {
		reading, err := tap(ctx, readers, pcsc.ReaderName(f.Reader))
		if !errors.Is(err, card.ErrRemoved) {
			return reading, err
		}
		a.say("%v", card.ErrRemoved)
	}
}

// check tells at once what would otherwise look like waiting for a card.
func (f readerFlags) check(ctx context.Context, a *app, readers *pcsc.Client) error {
	all, err := readers.Readers(ctx)
	switch {
	case err != nil:
		return err
	case len(all) == 0:
		a.say("No reader is plugged in. Plug one in.")
	}
	for _, r := range all {
		if f.Reader == "" || string(r.Name) == f.Reader {
			return nil
		}
	}
	if f.Reader == "" {
		return nil
	}
	return withHint(fmt.Errorf("there is no reader %q", f.Reader), `list them with "tapline card readers"`)
}

// tap waits for one card and reads it.
func tap(ctx context.Context, readers *pcsc.Client, name pcsc.ReaderName) (card.Reading, error) {
	reader, err := readers.WaitForCard(ctx, name)
	if err != nil {
		return card.Reading{}, err
	}
	c, err := readers.Connect(ctx, reader.Name)
	if err != nil {
		return card.Reading{}, err
	}
	defer c.Disconnect()
	if err := c.Begin(ctx); err != nil {
		return card.Reading{}, err
	}
	return card.Read(ctx, c, card.Terminal{})
}
