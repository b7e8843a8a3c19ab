package main

import (
	"context"
	"errors"
	"fmt"

	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/pcsc"
	"tapline/consent"
)

// demoNumber is a published test number of UnionPay's, which no real card has.
const demoNumber = "6200000000000005"

// tapper taps the demo's virtual card: through a real pcscd with vsmartcard's virtual reader where these are installed
// and may be started, and otherwise through the same reading code in process.
type tapper struct {
	card   *cardtest.EMV
	reader *cardtest.Reader // nil in process
	client *pcsc.Client
	in     pcsc.Reader // the reader that the card is in
	how    string      // the card is read
	why    string      // not otherwise
}

func newTapper(ctx context.Context) (*tapper, error) {
	t := &tapper{card: &cardtest.EMV{Number: cardtest.Number(demoNumber), Label: "CAMPUS CARD"}}
	reader, err := cardtest.StartReader(ctx)
	var unavailable *cardtest.UnavailableError
	if errors.As(err, &unavailable) {
		t.how, t.why = "read by the same code in process", unavailable.Error()
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	t.reader = reader
	if t.client, err = pcsc.Dial(ctx, reader.Socket()); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	t.how = "in vsmartcard's virtual reader behind a real pcscd, which looks for cards every 0.4 s"
	return t, nil
}

// tap inserts the card and reads its account. Then lift it.
func (t *tapper) tap(ctx context.Context) (card.Reading, error) {
	if t.reader == nil {
		t.card.Reset()
		return card.Read(ctx, t.card, card.Terminal{})
	}
	if err := t.reader.Insert(ctx, t.card); err != nil {
		return card.Reading{}, err
	}
	var err error
	if t.in, err = t.client.WaitForCard(ctx, ""); err != nil {
		return card.Reading{}, err
	}
	c, err := t.client.Connect(ctx, t.in.Name)
	if err != nil {
		return card.Reading{}, err
	}
	reading, err := card.Read(ctx, c, card.Terminal{})
	return reading, errors.Join(err, c.Disconnect())
}

// lift takes the card away, and waits until the reader has noticed.
func (t *tapper) lift(ctx context.Context) error {
	if t.reader == nil {
		return nil
	}
	t.reader.Remove()
	return t.client.WaitForRemoval(ctx, t.in)
}

func (t *tapper) close() error {
	if t.reader == nil {
		return nil
	}
	return errors.Join(t.client.Close(), t.reader.Close())
}

// accountOf is a reading's number in the form that devices send.
func accountOf(r card.Reading) consent.AccountNumber { return consent.AccountNumber(r.Number.Reveal()) }

func describeReading(r card.Reading) string {
	return fmt.Sprintf("%s card %s, read with %d commands in %s", r.Scheme, r.Number, r.APDUs, millis(r.Elapsed))
}
