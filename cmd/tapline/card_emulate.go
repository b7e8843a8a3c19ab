package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"tapline/card"
	"tapline/card/cardtest"
)

// cardEmulateCmd plays a card.
type cardEmulateCmd struct {
	Kind        string `default:"emv" enum:"emv,sun,tunion,storage" help:"What card: ${enum} (${default})."`
	VPCD        string `name:"vpcd" default:"127.0.0.1:35963" env:"TAPLINE_VPCD" placeholder:"HOST:PORT" help:"The virtual reader, of the package vsmartcard-vpcd (${default})."`
	AccountFile string `xor:"content" placeholder:"FILE" help:"Take the account number from a file, - for standard input; a published test number by default."`
	Message     string `xor:"content" placeholder:"URL" help:"An https address for a storage card to carry as its NDEF message; none by default."`
	State       string `xor:"content" placeholder:"FILE" help:"Keep what is on a card of kind sun in a file, keys included, so that it is the same card the next time; made if it is not there. Without it, a new blank card."`
	emulatedProof
}

// Help explains how to try it.
func (*cardEmulateCmd) Help() string {
	return `Puts a card that exists only in this program into the virtual reader of vsmartcard (packages pcscd and vsmartcard-vpcd),
until Ctrl-C. pcscd then has it like any other card. Kind sun is an NTAG 424 DNA, blank until "tapline card personalise"
has written it.

The virtual reader listens on all addresses, so whoever reaches this machine could put cards into it. Do not give it to
the system's pcscd: run another one, and this command, in a network namespace of their own (unshare -n), as docs/cards.md
says and "tapline demo" does.

With --proof the card proves itself by keys made for this run. --capk-out writes the public one that verifies them, for
"tapline card read --prove --capk FILE --capk-test" and for a service in the test environment.`
}

// Run plays the card.
func (cmd *cardEmulateCmd) Run(a *app) error {
	virtual, err := cmd.card(a)
	if err != nil {
		return err
	}
	a.say("The virtual card (%s) is in the reader at %s. Ctrl-C takes it out.", cmd.Kind, cmd.VPCD)
	return cardtest.ServeVPCD(a.ctx, cmd.VPCD, virtual)
}

// card is the card that is played.
func (cmd *cardEmulateCmd) card(a *app) (cardtest.Card, error) {
	var number card.Number
	if cmd.AccountFile != "" {
		text, err := a.readSecret(cmd.AccountFile)
		if err != nil {
			return nil, err
		}
		if number, err = card.ParseNumber(text); err != nil {
			return nil, err
		}
	}
	virtual, err := cardtest.New(cardtest.Kind(cmd.Kind), number)
	if err == nil {
		err = cmd.prepare(virtual)
	}
	switch {
	case err != nil:
		return nil, err
	case cmd.Message != "":
		return virtual, writeMessage(virtual, cmd.Message)
	case cmd.State != "":
		tag, is := virtual.(*cardtest.NTAG424)
		if !is {
			return nil, &usageError{"only a card of kind sun has a state", "add --kind sun"}
		}
		return keepCard(tag, cmd.State)
	}
	return virtual, nil
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

// keptCard is a virtual card of which a file knows what is on it before any answer does.
type keptCard struct {
	*cardtest.NTAG424
	path  string
	saved string
}

// keepCard is the card that a file keeps, or a new one in a new file.
func keepCard(blank *cardtest.NTAG424, path string) (*keptCard, error) {
	c := &keptCard{NTAG424: blank, path: path}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, c.save()
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(text, c.NTAG424); err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", path, err), "name a new file to begin with a blank card")
	}
	c.saved = strings.TrimSpace(string(text))
	return c, nil
}

// Transmit answers, and keeps what the command changed.
func (c *keptCard) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := c.NTAG424.Transmit(ctx, command)
	if err == nil {
		err = c.save()
	}
	return answer, err
}

func (c *keptCard) save() error {
	text, err := json.Marshal(c.NTAG424)
	if err != nil || string(text) == c.saved {
		return err
	}
	c.saved = string(text)
	return writeWhole(c.path, c.saved+"\n")
}
