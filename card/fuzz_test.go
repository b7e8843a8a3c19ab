package card_test

import (
	"context"
	"encoding/hex"
	"errors"
	"testing"

	"tapline/card"
)

// tape is a card that answers with what is on it, whatever the command: a length byte, then so many bytes, again and
// again from the start.
type tape struct {
	answers []byte
	at      int
}

func (t *tape) Transmit(context.Context, []byte) ([]byte, error) {
	if t.at >= len(t.answers) {
		t.at = 0
	}
	if len(t.answers) == 0 {
		return nil, nil
	}
	length := int(t.answers[t.at])
	start := t.at + 1
	end := min(len(t.answers), start+length)
	t.at = end
	return append([]byte(nil), t.answers[start:end]...), nil
}

// FuzzRead feeds any answers to every reader: it must come to an end, with an account or an error about the card.
func FuzzRead(f *testing.F) {
	for _, transcript := range transcripts(f) {
		var answers []byte
		for _, e := range transcript.Exchanges {
			raw, err := hex.DecodeString(e.Response)
			if err != nil {
				f.Fatal(err)
			}
			if len(raw) < 256 && e.Command != "80CA9F7F00" {
				answers = append(append(answers, byte(len(raw))), raw...)
			}
		}
		f.Add(answers)
	}
	f.Fuzz(func(t *testing.T, answers []byte) {
		reading, err := card.Read(t.Context(), &tape{answers: answers}, card.Terminal{})
		if reading.APDUs < 1 || reading.APDUs > 128 {
			t.Errorf("%d commands", reading.APDUs)
		}
		requireVerdict(t, reading.Number, err)
		purse, err := card.ReadPurse(t.Context(), &tape{answers: answers}, true)
		requireVerdict(t, purse.Reading.Number, err)
	})
}

func requireVerdict(t *testing.T, number card.Number, err error) {
	t.Helper()
	if err == nil != !number.IsZero() {
		t.Errorf("number %v with error %v", number, err)
	}
	if err == nil {
		return
	}
	for _, sentinel := range []error{card.ErrNoAccount, card.ErrNoApplication, card.ErrBlocked, card.ErrMalformed} {
		if errors.Is(err, sentinel) {
			return
		}
	}
	t.Errorf("error %v says nothing about the card", err)
}
