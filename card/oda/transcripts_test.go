package oda_test

import (
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
