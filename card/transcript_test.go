package card_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tapline/card"
	"tapline/card/cardtest"
)

func TestTranscriptShowsNothingOfTheCard(t *testing.T) {
	const number = "4111111111111111"
	reading, err := card.Read(t.Context(), &cardtest.EMV{Number: cardtest.Number(number)}, card.Terminal{Prove: true})
	if err != nil {
		t.Fatal(err)
	}
	raw := ""
	for _, e := range reading.Transcript {
		raw += hex.EncodeToString(e.Response)
	}
	if !strings.Contains(raw, number) {
		t.Fatalf("the transcript has no account number to hide: %s", raw)
	}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("read", "reading", reading, "transcript", reading.Transcript,
		"exchange", reading.Transcript[0])
	shown := logged.String()
	for _, v := range []any{reading, &reading, reading.Transcript, reading.Transcript[0], &reading.Transcript[0]} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		shown += fmt.Sprintf("%v %+v %#v %s %x %X %q %d %s", v, v, v, v, v, v, v, v, text)
	}
	for _, secret := range []string{number, "\x41\x11\x11", "[65 17 17", "41 11 11 11", "0x41, 0x11"} {
		if strings.Contains(shown, secret) {
			t.Errorf("%q shows in\n%s", secret, shown)
		}
	}
}
