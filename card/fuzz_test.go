package card_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"tapline/card"
	"tapline/card/cardtest"
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
		any, err := card.ReadAny(t.Context(), &tape{answers: answers}, card.Terminal{}, nil)
		if any.NDEF == nil {
			requireVerdict(t, any.Number, err)
		}
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

// FuzzTag feeds any answers to the readers of tags, as an NTAG 424, as a storage card and as one of unknown kind: they
// come to an end, with a message or an error about the card.
func FuzzTag(f *testing.F) {
	storage := (&cardtest.Storage{}).ATR()
	for _, path := range []string{"tag-type4-sun", "tag-type2-url", "tag-type2-long-length", "tag-type4-chunked", "city-beijing"} {
		transcript, err := cardtest.ReadTranscript("testdata/synthetic/" + path + ".json")
		if err != nil {
			f.Fatal(err)
		}
		var answers []byte
		for _, e := range transcript.Exchanges {
			raw, _ := hex.DecodeString(e.Response)
			raw = raw[max(0, len(raw)-255):]
			answers = append(append(answers, byte(len(raw))), raw...)
		}
		f.Add(answers)
	}
	f.Fuzz(func(t *testing.T, answers []byte) {
		for _, atr := range [][]byte{nil, storage, atrNTAG424, answers} {
			got, err := card.ReadNDEF(t.Context(), &tape{answers: answers}, atr)
			if got.APDUs > 128 || (err == nil) != (got.NDEF != nil) {
				t.Errorf("%v, %v after %d commands", got, err, got.APDUs)
			}
			if err != nil && !errors.Is(err, card.ErrNoMessage) {
				requireVerdict(t, card.Number{}, err)
			}
			got, err = card.ReadAny(t.Context(), &tape{answers: answers}, card.Terminal{}, atr)
			if err == nil && got.NDEF == nil || err != nil {
				requireVerdict(t, got.Number, err)
			}
		}
	})
}

// FuzzNDEF reads any bytes as a message: what is found is an https address or a text, and within bounds.
func FuzzNDEF(f *testing.F) {
	f.Add(cardtest.URLMessage(sunURL))
	f.Add([]byte(ndefRecord(0xC1, "Sp", ndefRecord(0x81, "T", "\x02enMenu")+ndefRecord(0x41, "U", "\x04a.example"))))
	f.Add([]byte(ndefRecord(0xC1, "U", "\x03127.0.0.1:8480/t")))
	f.Add([]byte(ndefRecord(0xC1, "T", "\x82zh\xFF\xFE\x2D\x4E")))
	f.Add([]byte("\xC1\x01\x00\x00\x00\x0AU\x04a.example"))
	f.Add([]byte(ndefRecord(0xE1, "U", "\x04a.example")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := card.ParseNDEF(raw)
		text := got.Reveal()
		switch {
		case err != nil:
			if !errors.Is(err, card.ErrNoMessage) && !errors.Is(err, card.ErrMalformed) || got != (card.Message{}) {
				t.Errorf("%v with %v", err, got)
			}
		case got.Kind == card.MessageText:
			if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("text %q", text)
			}
		default:
			u, err := url.Parse(text)
			here := err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
			if err != nil || u.Scheme != "https" && !(u.Scheme == "http" && here) || u.Host == "" || u.User != nil {
				t.Errorf("address %q: %v", text, err)
			}
			if got.Kind == card.MessageSUN && strings.Contains(got.String(), "=") {
				t.Errorf("shows %q", got)
			}
		}
		if len(text) > 3*4096 {
			t.Errorf("%d bytes", len(text))
		}
	})
}
