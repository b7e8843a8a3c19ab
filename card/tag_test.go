package card_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tapline/card"
	"tapline/card/apdu"
	"tapline/card/cardtest"
)

// type4 is a type 4 tag that counts its commands.
type type4 struct {
	container string // hex
	file      []byte // with its length field
	other     string // an application besides, hex: it has the account of visa()
	most      int    // bytes it gives at once, 0 for any

	selected byte // 1 the container, 2 the file
	sent     []string
}

func container(version string, mle int, rest string) string {
	return fmt.Sprintf("000F%s%04X00FF%s", version, mle, rest)
}

func newType4(message []byte) *type4 {
	file := binary.BigEndian.AppendUint16(nil, uint16(len(message)))
	return &type4{container: container("20", 0xFF, "0406E104010000FF"), file: append(file, message...)}
}

func (c *type4) Transmit(ctx context.Context, raw []byte) ([]byte, error) {
	sent := strings.ToUpper(hex.EncodeToString(raw))
	c.sent = append(c.sent, sent)
	command, err := apdu.ParseCommand(raw)
	if err != nil {
		return nil, err
	}
	if c.other != "" && !strings.HasPrefix(sent, "00A4040007D276") && !strings.HasPrefix(sent, "00A4000C") && command.Instruction != apdu.InsReadBinary {
		return (&scripted{answers: with(visa(track2), selectPPSE, "6A82")}).Transmit(ctx, raw)
	}
	switch {
	case sent == "00A4040007D276000085010100":
		return []byte{0x90, 0}, nil
	case sent == "00A4000C02E103":
		c.selected = 1
		return []byte{0x90, 0}, nil
	case sent == "00A4000C02E104":
		c.selected = 2
		return []byte{0x90, 0}, nil
	case command.Instruction == apdu.InsReadBinary && c.selected != 0:
		return c.read(command), nil
	}
	return []byte{0x6A, 0x82}, nil
}

func (c *type4) read(command apdu.Command) []byte {
	data, _ := hex.DecodeString(c.container)
	if c.selected == 2 {
		data = append(append([]byte{}, c.file...), make([]byte, max(0, 256-len(c.file)))...)
	}
	offset := int(command.P1)<<8 | int(command.P2)
	if offset > len(data) {
		return []byte{0x6B, 0}
	}
	n := command.Le
	if c.most > 0 {
		n = min(n, c.most)
	}
	data = data[offset:]
	return append(append([]byte{}, data[:min(n, len(data))]...), 0x90, 0)
}

var (
	atrNTAG424 = []byte{0x3B, 0x81, 0x80, 0x01, 0x80, 0x80}
	atrOther   = []byte{0x3B, 0x80, 0x80, 0x01, 0x01}
)

func TestSUNCardIsReadInSixCommands(t *testing.T) {
	c := newType4(cardtest.URLMessage(sunURL))
	got, err := card.ReadAny(t.Context(), c, card.Terminal{}, atrNTAG424)
	if err != nil || got.APDUs != 6 || got.Scheme != card.SUN || got.NDEF.Reveal() != sunURL || !got.Number.IsZero() ||
		got.Assurance != card.Identified || got.AID != "D2760000850101" {
		t.Fatalf("got %+v, %v\nsent %q", got, err, c.sent)
	}
	if !strings.HasPrefix(c.sent[0], selectPPSE) {
		t.Errorf("first command %s, want the directory", c.sent[0])
	}
	got, err = card.ReadNDEF(t.Context(), newType4(cardtest.URLMessage(sunURL)), nil)
	if err != nil || got.APDUs != 5 || got.Scheme != card.SUN {
		t.Errorf("message alone: %+v, %v", got, err)
	}
}

func TestTagsAreReadAsTheirContainersSay(t *testing.T) {
	long := "https://shop.example/" + strings.Repeat("x", 220)
	v3 := newType4(cardtest.URLMessage(plainURL))
	v3.container = "001130 00FF 00FF 0608E104 00010000 00FF"
	v3.container = strings.ReplaceAll(v3.container, " ", "")
	v3.file = append([]byte{0, 0}, v3.file...)
	small := newType4(cardtest.URLMessage(long))
	small.container = container("20", 0x0F, "0406E104010000FF")
	slow := newType4(cardtest.URLMessage(long))
	slow.most = 100
	for name, c := range map[string]struct {
		card  *type4
		want  string
		apdus int
	}{
		"mapping version 3, long file":      {v3, plainURL, 6},
		"fifteen bytes at a time":           {small, long, 4 + (2+5+233+14)/15},
		"fewer bytes than it was asked for": {slow, long, 4 + 3},
	} {
		got, err := card.ReadNDEF(t.Context(), c.card, nil)
		if err != nil || got.NDEF.Reveal() != c.want || got.APDUs != c.apdus {
			t.Errorf("%s: %+v, %v; want %d commands\nsent %q", name, got, err, c.apdus, c.card.sent)
		}
	}
}

func TestTagsThatCannotBeReadSaySo(t *testing.T) {
	for name, c := range map[string]struct {
		container, file string
		want            error
	}{
		"locked":               {container("20", 0xFF, "0406E1040100FFFF"), "", card.ErrNoMessage},
		"empty":                {"", "0000", card.ErrNoMessage},
		"longer than its file": {"", "0200", card.ErrMalformed},
		"version 1":            {container("10", 0xFF, "0406E104010000FF"), "", card.ErrMalformed},
		"no control TLV":       {container("20", 0xFF, "0506E104010000FF"), "", card.ErrMalformed},
		"reads of no bytes":    {container("20", 0x00, "0406E104010000FF"), "", card.ErrMalformed},
		"container cut short":  {"000F20", "", card.ErrMalformed},
		"another file":         {container("20", 0xFF, "0406E105010000FF"), "", card.ErrNoMessage},
	} {
		tag := newType4(cardtest.URLMessage(plainURL))
		if c.container != "" {
			tag.container = c.container
		}
		if c.file != "" {
			tag.file, _ = hex.DecodeString(c.file)
		}
		if got, err := card.ReadNDEF(t.Context(), tag, nil); !errors.Is(err, c.want) || got.NDEF != nil {
			t.Errorf("%s: got %+v, %v; want %v", name, got, err, c.want)
		}
		if _, err := card.ReadAny(t.Context(), tag, card.Terminal{}, nil); !errors.Is(err, card.ErrNoAccount) {
			t.Errorf("%s: any: %v, want no account", name, err)
		}
	}
}

func TestAccountComesBeforeMessageAndCostsNoCommandMore(t *testing.T) {
	for name, transcript := range transcripts(t) {
		want, wantErr := card.Read(t.Context(), transcript.Player(), card.Terminal{})
		if wantErr != nil {
			continue
		}
		got, err := card.ReadAny(t.Context(), transcript.Player(), card.Terminal{}, atrOther)
		if err != nil || got.Number != want.Number || got.APDUs != want.APDUs || got.NDEF != nil {
			t.Errorf("%s: %+v, %v; want %d commands", name, got, err, want.APDUs)
		}
	}
	both := newType4(cardtest.URLMessage(plainURL))
	both.other = visaAID
	got, err := card.ReadAny(t.Context(), both, card.Terminal{}, atrOther)
	if err != nil || got.Number.Reveal() != "4761739001010010" || got.NDEF != nil {
		t.Errorf("card with account and message: %+v, %v", got, err)
	}
}

func TestStorageCardsAreReadThroughTheReadersCommands(t *testing.T) {
	for name, c := range map[string]struct {
		message []byte
		apdus   int
		kind    card.MessageKind
	}{
		"address":  {cardtest.URLMessage(plainURL), 3, card.MessageURL},
		"SUN":      {cardtest.URLMessage(sunURL), 6, card.MessageSUN},
		"text":     {[]byte(ndefRecord(0xC1, "T", "\x02enHi")), 2, card.MessageText},
		"largest":  {cardtest.URLMessage("https://" + strings.Repeat("a", cardtest.MaxStorageMessage-5)), 10, card.MessageURL},
		"no https": {[]byte(ndefRecord(0xC1, "U", "\x03a.example")), 3, ""},
		"blank":    {nil, 1, ""},
	} {
		tag := &cardtest.Storage{Message: c.message}
		got, err := card.ReadAny(t.Context(), tag, card.Terminal{}, tag.ATR())
		if c.kind == "" {
			if !errors.Is(err, card.ErrNoAccount) || got.APDUs > c.apdus {
				t.Errorf("%s: %+v, %v; want no account", name, got, err)
			}
			continue
		}
		if err != nil || got.NDEF.Kind != c.kind || got.APDUs != c.apdus {
			t.Errorf("%s: %+v, %v; want %s in %d commands", name, got, err, c.kind, c.apdus)
		}
		unknown, err := card.ReadAny(t.Context(), tag, card.Terminal{}, nil)
		if err != nil || *unknown.NDEF != *got.NDEF {
			t.Errorf("%s with its kind unknown: %+v, %v", name, unknown, err)
		}
	}
}

func TestMIFAREClassicIsAskedForNothing(t *testing.T) {
	atr, _ := hex.DecodeString("3B8F8001804F0CA000000306030001000000006A")
	s := &scripted{}
	_, err := card.ReadAny(t.Context(), s, card.Terminal{}, atr)
	if !errors.Is(err, card.ErrNoAccount) || len(s.sent) > 0 {
		t.Errorf("got %v after %q", err, s.sent)
	}
}
