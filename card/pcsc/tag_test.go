//go:build linux

package pcsc_test

import (
	"bytes"
	"errors"
	"testing"

	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/sun"
)

const (
	tagURL = "https://tag.example/menu?table=7"
	sunURL = "https://pay.example/t#e=00112233445566778899AABBCCDDEEFF&c=0123456789ABCDEF"
)

// ntag is an NTAG 424 DNA with a message.
func ntag(t *testing.T, message []byte) *cardtest.NTAG424 {
	t.Helper()
	tag := cardtest.NewNTAG424(sun.UID{0x04, 1, 2, 3, 4, 5, 6})
	file := append([]byte{0, byte(len(message))}, message...)
	for _, command := range [][]byte{
		{0x00, 0xA4, 0x04, 0x00, 0x07, 0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x00},
		{0x00, 0xA4, 0x00, 0x0C, 0x02, 0xE1, 0x04},
		append([]byte{0x00, 0xD6, 0x00, 0x00, byte(len(file))}, file...),
	} {
		if answer, err := tag.Transmit(t.Context(), command); err != nil || !bytes.HasSuffix(answer, []byte{0x90, 0}) {
			t.Fatalf("%X: %X, %v", command, answer, err)
		}
	}
	tag.Reset()
	return tag
}

func TestTagsAreReadThroughPcscd(t *testing.T) {
	reader, client := startReader(t)
	ctx := deadline(t)
	for name, c := range map[string]struct {
		card  cardtest.Card
		url   string
		kind  card.MessageKind
		apdus int
		err   error
	}{
		"NTAG 424":          {ntag(t, cardtest.URLMessage(tagURL)), tagURL, card.MessageURL, 6, nil},
		"NTAG 424 with SUN": {ntag(t, cardtest.URLMessage(sunURL)), sunURL, card.MessageSUN, 6, nil},
		"NTAG 424, blank":   {ntag(t, nil), "", "", 6, card.ErrNoAccount},
		"NTAG 213":          {&cardtest.Storage{Message: cardtest.URLMessage(tagURL)}, tagURL, card.MessageURL, 3, nil},
		"NTAG 213, blank":   {&cardtest.Storage{}, "", "", 1, card.ErrNoAccount},
	} {
		if err := reader.Insert(ctx, c.card); err != nil {
			t.Fatal(err)
		}
		in, connected := connect(t, client, "")
		if !bytes.Equal(in.ATR, c.card.ATR()) {
			t.Errorf("%s: pcscd reports ATR %X, want %X", name, in.ATR, c.card.ATR())
		}
		got, err := card.ReadAny(ctx, connected, card.Terminal{}, in.ATR)
		switch {
		case !errors.Is(err, c.err) || got.APDUs != c.apdus:
			t.Errorf("%s: %+v, %v; want %v after %d commands", name, got, err, c.err, c.apdus)
		case err == nil && (got.NDEF.Reveal() != c.url || got.NDEF.Kind != c.kind):
			t.Errorf("%s: %s %s, want %s %s", name, got.NDEF.Kind, got.NDEF.Reveal(), c.kind, c.url)
		}
		if err := connected.Disconnect(); err != nil {
			t.Error(err)
		}
		reader.Remove()
		if err := client.WaitForRemoval(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
}
