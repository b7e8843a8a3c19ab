package card_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/card"
	"tapline/card/cardtest"
)

func transcripts(t testing.TB) map[string]cardtest.Transcript {
	t.Helper()
	paths, err := filepath.Glob("testdata/transcripts/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	all := map[string]cardtest.Transcript{}
	for _, path := range paths {
		transcript, err := cardtest.ReadTranscript(path)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".json")] = transcript
	}
	return all
}

// commands is how many APDUs each transcript may take: one more means that the holder waits for nothing.
var commands = map[string]int{
	"InteractPpse":                    3,
	"MasterCardPpse":                  4,
	"MasterCardPpse3":                 4,
	"VisaCardPpse":                    4, // its first application refuses the PDOL data once
	"VisaCardPpse3":                   3,
	"LockedCard":                      3,
	"UnknownCard":                     25,
	"tunion-beijing":                  2, // one for the directory it does not have
	"tunion-zero-balance":             2,
	"unionpay-pboc-format1-synthetic": 5,
}

func TestTranscriptsReadAsExpectedWithoutAnUnneededCommand(t *testing.T) {
	for name, transcript := range transcripts(t) {
		t.Run(name, func(t *testing.T) {
			want := transcript.Expect
			got, err := card.Read(t.Context(), transcript.Player(), card.Terminal{})
			if got.APDUs != commands[name] {
				t.Errorf("took %d commands, want %d", got.APDUs, commands[name])
			}
			if want.Error != "" {
				if !errors.Is(err, card.ErrBlocked) && !errors.Is(err, card.ErrNoApplication) {
					t.Fatalf("got %v, %v; want an error for: %s", got, err, want.Error)
				}
				t.Log(err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			number := want.PAN + want.Account
			if got.Number.Reveal() != number {
				t.Errorf("number %q, want %q", got.Number.Reveal(), number)
			}
			facts := cardtest.Expect{AID: string(got.AID), Label: got.Label, ValidFrom: got.ValidFrom, ValidTo: got.ValidTo}
			expected := cardtest.Expect{AID: want.AID, Label: want.Label, ValidFrom: want.ValidFrom, ValidTo: want.ValidTo}
			if want.Expiry != "" {
				facts.Expiry, expected.Expiry = got.Expiry, want.Expiry
			}
			if want.PSN != "" {
				facts.PSN, expected.PSN = got.PSN, want.PSN
			}
			if diff := cmp.Diff(expected, facts); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestVirtualCardsReadAsTheyWereMade(t *testing.T) {
	for _, c := range []struct {
		name string
		card cardtest.Card
		want card.Reading
		err  error
	}{
		{"emv", &cardtest.EMV{}, card.Reading{Number: cardtest.Number("6200000000000005"), Scheme: card.UnionPay,
			AID: "A000000333010101", Label: "TAPLINE TEST", Expiry: "3012", PSN: "01", APDUs: 4}, nil},
		{"format 1, leading records, PAR", &cardtest.EMV{Number: cardtest.Number("4111111111111111"), AID: "A0000000031010",
			Label: "VISA", Expiry: "2702", PSN: "07", PAR: "V0010013019048529187654321098", Format1: true, Leading: 3},
			card.Reading{Number: cardtest.Number("4111111111111111"), Scheme: card.Visa, AID: "A0000000031010",
				Label: "VISA", Expiry: "2702", PSN: "07", PAR: "V0010013019048529187654321098", APDUs: 7}, nil},
		{"no directory, 19 digits", &cardtest.EMV{NoDirectory: true, Number: cardtest.Number("6210946888090000003"), PDOL: []byte{}},
			card.Reading{Number: cardtest.Number("6210946888090000003"), Scheme: card.UnionPay, AID: "A000000333010101",
				Label: "TAPLINE TEST", Expiry: "3012", PSN: "01", APDUs: 5, Notes: nil}, nil},
		{"tunion", &cardtest.TUnion{}, card.Reading{Number: cardtest.Number("3104000000000000018"), Scheme: card.TUnion,
			AID: "A000000632010105", Expiry: "4912", ValidFrom: "20250101", ValidTo: "20491231", APDUs: 2}, nil},
		{"storage", &cardtest.Storage{}, card.Reading{APDUs: 2}, card.ErrNoAccount},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := card.Read(context.Background(), c.card, card.Terminal{})
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if err == nil {
				c.want.Assurance = card.Identified
				if !got.Number.Luhn() {
					c.want.Notes = []card.Note{card.NoteLuhn}
				}
			}
			got.Elapsed = 0
			if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b card.Number) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
