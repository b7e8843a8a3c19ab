package oda_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/oda"
)

func TestRecordedCardsStayIdentified(t *testing.T) {
	paths, err := filepath.Glob("../testdata/transcripts/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			recorded, err := cardtest.ReadTranscript(path)
			if err != nil {
				t.Fatal(err)
			}
			terminal := card.Terminal{Prove: true, UnpredictableNumber: [4]byte{1, 2, 3, 4}, Amount: 1250, Currency: 156}
			reading, err := card.Read(t.Context(), recorded.Player(), terminal)
			if err != nil || reading.Scheme == card.TUnion {
				return // no account, or none of EMV's
			}
			got, err := oda.Examine(reading.Transcript, oda.Challenge{UnpredictableNumber: terminal.UnpredictableNumber,
				Amount: 1250, Currency: 156}, oda.BuiltIn(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if got.Authentic || got.Why == "" || got.Number != reading.Number || got.AID != reading.AID ||
				got.Expiry != reading.Expiry || got.PSN != reading.PSN {
				t.Errorf("got %+v, want it identified as %+v", got, reading)
			}
			t.Log(got.Method, got.Why)
		})
	}
}

// tape is a card that answers with what is on it, whatever the command, again and again from the start.
type tape struct {
	answers card.Transcript
	at      int
}

func (t *tape) Transmit(context.Context, []byte) ([]byte, error) {
	if len(t.answers) == 0 {
		return []byte{0x6F, 0x00}, nil
	}
	t.at++
	return t.answers[(t.at-1)%len(t.answers)].Response, nil
}

// FuzzReading lets a card say anything: what the reader reads is what the service derives from the reader's
// transcript.
func FuzzReading(f *testing.F) {
	for _, method := range []oda.Method{oda.None, oda.SDA, oda.DDA, oda.FDDA, oda.CDA} {
		c := proving(method, 768, 768, 768)
		directory, err := c.Transmit(f.Context(), []byte("\x00\xA4\x04\x00\x0E2PAY.SYS.DDF01\x00"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encode(append(card.Transcript{{Response: directory}}, tap(f, c, challenge).Transcript...)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		reading, err := card.Read(t.Context(), &tape{answers: decode(raw)}, card.Terminal{Prove: true})
		if err != nil || reading.Scheme == card.TUnion {
			return
		}
		got, err := oda.Examine(reading.Transcript, challenge, nil, now)
		if err != nil && !errors.Is(err, oda.ErrMalformed) {
			t.Errorf("read %v, the service finds: %v", reading.Number, err)
		}
		if err == nil && (got.Number != reading.Number || got.Expiry != reading.Expiry || got.PSN != reading.PSN || got.Authentic) {
			t.Errorf("read %+v, the service finds %+v", reading, got)
		}
	})
}
