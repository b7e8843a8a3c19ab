package card_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/card"
	"tapline/card/cardtest"
)

// TestSyntheticCardsReadAsTheStandardsSay reads cards that do what the standards allow and most cards do not. Each file
// says what it is about.
func TestSyntheticCardsReadAsTheStandardsSay(t *testing.T) {
	paths, err := filepath.Glob("testdata/synthetic/*.json")
	if err != nil || len(paths) < 50 {
		t.Fatalf("%d transcripts, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			transcript, err := cardtest.ReadTranscript(path)
			if err != nil {
				t.Fatal(err)
			}
			want := transcript.Expect
			got, err := card.ReadAny(t.Context(), transcript.Player(), card.Terminal{}, transcript.RecordedATR())
			if err != nil {
				if want.Error == "" || !strings.Contains(err.Error(), want.Error) || got.APDUs != want.APDUs {
					t.Errorf("%v after %d commands, want %q after %d", err, got.APDUs, want.Error, want.APDUs)
				}
				return
			}
			if diff := cmp.Diff(want, expectationOf(got, want)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// expectationOf is a reading in the form of an expectation; a payment card's number is called pan.
func expectationOf(got card.Reading, want cardtest.Expect) cardtest.Expect {
	is := cardtest.Expect{
		Expiry: got.Expiry, AID: string(got.AID), Label: got.Label, PSN: got.PSN, PAR: got.PAR, Scheme: string(got.Scheme),
		APDUs: got.APDUs, ValidFrom: got.ValidFrom, ValidTo: got.ValidTo,
	}
	if want.Account != "" {
		is.Account, is.Expiry = got.Number.Reveal(), ""
	} else {
		is.PAN = got.Number.Reveal()
	}
	for _, note := range got.Notes {
		if note != card.NoteLuhn || want.Notes != nil {
			is.Notes = append(is.Notes, string(note))
		}
	}
	if got.NDEF != nil {
		is.NDEFKind, is.NDEF = string(got.NDEF.Kind), got.NDEF.Reveal()
	}
	return is
}
