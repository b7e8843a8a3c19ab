package card_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/card"
	"tapline/card/cardtest"
)

func TestPurseOfATransportCardHasBalanceAndJourneys(t *testing.T) {
	for name, want := range map[string]int{"tunion-beijing": 13, "tunion-zero-balance": 4} {
		transcript := transcripts(t)[name]
		player := transcript.Player()
		got, err := card.ReadPurse(t.Context(), player, true)
		if err != nil {
			t.Fatal(err)
		}
		if got.Balance != transcript.Expect.BalanceFen || len(got.Journeys) != transcript.Expect.Transactions {
			t.Errorf("%s: %d fen and %d journeys, want %d and %d", name, got.Balance, len(got.Journeys),
				transcript.Expect.BalanceFen, transcript.Expect.Transactions)
		}
		if got.Reading.APDUs != want || len(player.Missed) > 0 {
			t.Errorf("%s: %d commands, unknown %q; want %d, none unknown", name, got.Reading.APDUs, player.Missed, want)
		}
	}
}

func TestJourneyHasItsTimeInChina(t *testing.T) {
	purse, err := card.ReadPurse(t.Context(), transcripts(t)["tunion-beijing"].Player(), true)
	if err != nil {
		t.Fatal(err)
	}
	want := card.Journey{Sequence: 0xAF, Amount: 0x17C, Type: 9, Terminal: "413100405527",
		Time: time.Date(2024, 3, 8, 12, 0, 56, 0, time.UTC)}
	got := purse.Journeys[2]
	got.Time = got.Time.UTC()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTransportCardThatInsistsOnLeIsAskedAgain(t *testing.T) {
	const selectTUnion = "00A4040008A000000632010105"
	answer := transcripts(t)["tunion-beijing"].Exchanges[0].Response
	for _, first := range []string{"6700", "9000"} {
		s := &scripted{answers: map[string]string{selectTUnion: first, selectTUnion + "00": answer}}
		if got, err := card.Read(t.Context(), s, card.Terminal{}); err != nil || got.APDUs != 3 {
			t.Errorf("%s: %v after %q", first, err, s.sent)
		}
	}
}

func TestTransportCardInsideADirectoryIsRead(t *testing.T) {
	answer := transcripts(t)["tunion-beijing"].Exchanges[0].Response
	s := &scripted{answers: map[string]string{selectPPSE: ppse(entry("A000000632010105", "01")),
		"00A4040008A000000632010105": answer}}
	if got, err := card.Read(t.Context(), s, card.Terminal{}); err != nil || got.Scheme != card.TUnion {
		t.Errorf("%v, %v after %q", got, err, s.sent)
	}
}

func TestTransportCardWithoutAGoodAccountFileIsRefused(t *testing.T) {
	for answer, want := range map[string]error{
		"6F0A8408A0000006320101059000": card.ErrNoAccount,
		"6F2D8408A000000632010105A5219F0C1E00083010FFFFFFFF020103104830010006412507202299012049123100009000": card.ErrMalformed,
		"6F2D8408A000000632010105A5219F0C1E00083010FFFFFFFF0201031048300100064125FF202203012049123100009000": card.ErrMalformed,
	} {
		s := &scripted{answers: map[string]string{"00A4040008A000000632010105": answer}}
		if _, err := card.Read(t.Context(), s, card.Terminal{}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", answer, err, want)
		}
	}
	if _, err := card.ReadPurse(t.Context(), &cardtest.EMV{}, true); !errors.Is(err, card.ErrNoApplication) {
		t.Errorf("purse of a payment card: got %v", err)
	}
}
