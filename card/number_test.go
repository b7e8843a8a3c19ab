package card_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tapline/card"
	"tapline/card/cardtest"
)

func TestNumberShowsItsLastFourDigitsOnly(t *testing.T) {
	const digits = "6200000000000005"
	n := cardtest.Number(digits)
	hidden := struct{ number card.Number }{n}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("read", "number", n, "reading", card.Reading{Number: n}, "hidden", hidden)
	slog.New(slog.NewTextHandler(&log, nil)).Info("read", "number", n, "reading", card.Reading{Number: n}, "hidden", hidden)
	encoded, err := json.Marshal(map[card.Number]any{n: []any{n, &n, card.Reading{Number: n}, hidden}})
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{log.String(), string(encoded)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%p", "%T", "%08v", "%!"} {
		shown = append(shown, fmt.Sprintf(verb, n), fmt.Sprintf(verb, &n), fmt.Sprintf(verb, hidden), fmt.Sprintf(verb, &hidden),
			fmt.Sprintf(verb, card.Reading{Number: n}), fmt.Sprintf(verb, []card.Number{n}))
	}
	for _, text := range shown {
		if strings.Contains(text, "62000") || strings.Contains(text, "363230303030") {
			t.Errorf("%q shows the number", text)
		}
	}
	if got := fmt.Sprintf("%v %s %d", n, n, n); got != "•••• 0005 •••• 0005 •••• 0005" {
		t.Errorf("printed %q", got)
	}
	if !strings.Contains(string(encoded), `"account_last4":"0005"`) {
		t.Errorf("JSON %s", encoded)
	}
	if err := gob.NewEncoder(&log).Encode(n); err == nil {
		t.Error("gob stored a number")
	}
	if n.Reveal() != digits || n.Last4() != "0005" || n != cardtest.Number("6200 0000-0000 0005") {
		t.Errorf("reveals %q, last %q, want %s", n.Reveal(), n.Last4(), digits)
	}
}

func TestNumberHasEightToNineteenDigits(t *testing.T) {
	for text, good := range map[string]bool{
		"12345678": true, "1234567890123456789": true, "4111 1111 1111 1111": true,
		"": false, "1234567": false, "12345678901234567890": false, "4111x11111111111": false, "４１１１1111": false,
		"12345678" + strings.Repeat(" ", 100): false,
	} {
		n, err := card.ParseNumber(text)
		if (err == nil) != good || n.IsZero() == good || (err != nil && (!errors.Is(err, card.ErrNumber) || err.Error() != card.ErrNumber.Error())) {
			t.Errorf("%q: got %v, %v; want good %v and an error without the text", text, n, err, good)
		}
	}
}

func TestLuhnJudgesTheCheckDigit(t *testing.T) {
	for digits, want := range map[string]bool{"4111111111111111": true, "4111111111111112": false, "6200000000000005": true} {
		if got := cardtest.Number(digits).Luhn(); got != want {
			t.Errorf("%s: got %v, want %v", digits, got, want)
		}
	}
	if (card.Number{}).Luhn() || (card.Number{}).String() != "" || (card.Number{}).Reveal() != "" {
		t.Error("the zero number is not empty")
	}
}

func TestAIDIsFiveToSixteenBytes(t *testing.T) {
	for text, good := range map[string]bool{"a0000000031010": true, "A000": false, "A0000000031": false, "zz": false,
		strings.Repeat("A0", 17): false} {
		aid, err := card.ParseAID(text)
		if (err == nil) != good || (good && string(aid) != strings.ToUpper(text)) {
			t.Errorf("%q: got %q, %v; want good %v", text, aid, err, good)
		}
	}
}

func TestSchemeFollowsTheRegisteredProvider(t *testing.T) {
	for aid, want := range map[card.AID]card.Scheme{"A0000000031010": card.Visa, "A0000000043060": card.Maestro,
		"A0000000041010C123": card.Mastercard, "A000000333010106": card.UnionPay, "A000000632010105": card.TUnion,
		"A0000009991010": card.Unknown, "A0": card.Unknown, "": card.Unknown} {
		if got := card.SchemeOf(aid); got != want {
			t.Errorf("%s: got %s, want %s", aid, got, want)
		}
	}
}
