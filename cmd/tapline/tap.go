package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// tapped is the tap of the card, for the service at an address.
func (f provingFlags) tapped(a *app, service string) (consent.Tap, error) {
	switch {
	case f.AccountFile != "":
		account, err := f.account(a)
		return consent.Tap{Account: account}, err
	case f.SUNURL == "":
		reading, err := f.readAny(a)
		if err != nil {
			return consent.Tap{}, err
		}
		return tapAt(service, reading, "")
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

// read reads the account of the card that is tapped.
func (f readerFlags) read(a *app) (card.Reading, error) {
	return f.tap(a, func(ctx context.Context, t card.Transmitter, _ []byte) (card.Reading, error) {
		return card.Read(ctx, t, card.Terminal{})
	})
}

// readAny reads the account of the card that is tapped or, if it has none, its message.
func (f readerFlags) readAny(a *app) (card.Reading, error) {
	return f.tap(a, func(ctx context.Context, t card.Transmitter, atr []byte) (card.Reading, error) {
		return card.ReadAny(ctx, t, card.Terminal{}, atr)
	})
}

// readFunc reads a card with the answer to reset that its reader reported.
type readFunc func(ctx context.Context, t card.Transmitter, atr []byte) (card.Reading, error)

// tap waits for a card and reads it. A card that left too early may come again; so may pcscd and the reader while nobody
// has tapped yet.
func (f readerFlags) tap(a *app, read readFunc) (card.Reading, error) {
	if f.Replay != "" {
		transcript, err := cardtest.ReadTranscript(f.Replay)
		if err != nil {
			return card.Reading{}, withHint(err, "--replay takes a JSON file such as those in card/testdata/transcripts")
		}
		return read(a.ctx, transcript.Player(), transcript.RecordedATR())
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
	told := false
	for {
		in, err := readers.AwaitCard(ctx, pcsc.ReaderName(f.Reader), func(err error) {
			a.say("%v. Still waiting.", err)
		})
		if err == nil {
			err = f.alone(ctx, readers)
		}
		if err != nil {
			return card.Reading{}, err
		}
		reading, err := readIn(a.ctx, readers, in, read)
		if !errors.Is(err, card.ErrRemoved) {
			return reading, err
		}
		if !told {
			a.say("%v", card.ErrRemoved)
			told = true
		}
		settle(ctx, readers, in)
	}
}

// alone refuses to choose between cards in several readers.
func (f readerFlags) alone(ctx context.Context, readers *pcsc.Client) error {
	if f.Reader != "" {
		return nil
	}
	all, err := readers.Readers(ctx)
	if err != nil {
		return err
	}
	var with []string
	for _, r := range all {
		if r.Present {
			with = append(with, strconv.Quote(string(r.Name)))
		}
	}
	if len(with) > 1 {
		return withHint(fmt.Errorf("there are cards in %d readers: %s", len(with), strings.Join(with, ", ")),
			"take all but one away, or name a reader with --reader")
	}
	return nil
}

// readIn reads the card in a reader while no other program may use it.
func readIn(ctx context.Context, readers *pcsc.Client, in pcsc.Reader, read readFunc) (card.Reading, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readLimit,
		withHint(errors.New("the card or another program keeps the reader busy"), "take the card away and tap it again"))
	defer cancel()
	c, err := readers.Connect(ctx, in.Name)
	if err != nil {
		return card.Reading{}, err
	}
	defer c.Disconnect()
	if err := c.Begin(ctx); err != nil {
		return card.Reading{}, err
	}
	return read(ctx, c, in.ATR)
}

// settle gives a card that was read badly a moment to leave or to come to rest.
func settle(ctx context.Context, readers *pcsc.Client, in pcsc.Reader) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	readers.WaitForRemoval(ctx, in)
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
