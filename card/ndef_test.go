package card_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tapline/card"
	"tapline/card/cardtest"
)

// ndefRecord is one short record.
func ndefRecord(flags byte, kind string, payload string) string {
	return string([]byte{flags | 0x10, byte(len(kind)), byte(len(payload))}) + kind + payload
}

const (
	sunURL   = "https://pay.example/t#e=00112233445566778899AABBCCDDEEFF&c=0123456789ABCDEF"
	plainURL = "https://shop.example/menu?table=7"
)

func TestFirstHTTPSAddressElseFirstTextOfAMessage(t *testing.T) {
	long := "https://shop.example/" + strings.Repeat("x", 300)
	longRecord := "\xC1\x01\x00\x00\x01" + string(byte(len(long)-8+1-256)) + "U\x04" + long[8:]
	poster := ndefRecord(0x81, "T", "\x02enMenu") + ndefRecord(0x41, "U", "\x04"+plainURL[8:])
	for name, c := range map[string]struct {
		message string
		kind    card.MessageKind
		content string
	}{
		"https":                       {ndefRecord(0xC1, "U", "\x04"+plainURL[8:]), card.MessageURL, plainURL},
		"https://www.":                {ndefRecord(0xC1, "U", "\x02shop.example"), card.MessageURL, "https://www.shop.example"},
		"no prefix":                   {ndefRecord(0xC1, "U", "\x00HTTPS://shop.example"), card.MessageURL, "HTTPS://shop.example"},
		"prefix unknown":              {ndefRecord(0xC1, "U", "\x99https://shop.example"), card.MessageURL, "https://shop.example"},
		"absolute URI":                {ndefRecord(0xC3, plainURL, ""), card.MessageURL, plainURL},
		"long record":                 {longRecord, card.MessageURL, long},
		"identifier":                  {"\xD9\x01\x02\x03Uabc\x04h", card.MessageURL, "https://h"},
		"http before https":           {ndefRecord(0x81, "U", "\x03a.example") + ndefRecord(0x41, "U", "\x04b.example"), card.MessageURL, "https://b.example"},
		"http, this machine":          {ndefRecord(0xC1, "U", "\x03127.0.0.1:8480/t"), card.MessageURL, "http://127.0.0.1:8480/t"},
		"http, before this machine":   {ndefRecord(0x81, "U", "\x03a.example/127.0.0.1") + ndefRecord(0x41, "U", "\x03[::1]/"), card.MessageURL, "http://[::1]/"},
		"text before https":           {ndefRecord(0x81, "T", "\x02enHi") + ndefRecord(0x41, "U", "\x04b.example"), card.MessageURL, "https://b.example"},
		"smart poster":                {ndefRecord(0xC1, "Sp", poster), card.MessageURL, plainURL},
		"text":                        {ndefRecord(0xC1, "T", "\x02deGr\xC3\xBC\xC3\x9Fe"), card.MessageText, "Grüße"},
		"text in UTF-16":              {ndefRecord(0xC1, "T", "\x82zh\x4E\x2D\x65\x87"), card.MessageText, "中文"},
		"text in UTF-16, with a mark": {ndefRecord(0xC1, "T", "\x82zh\xFF\xFE\x2D\x4E\x87\x65"), card.MessageText, "中文"},
		"text with control sequences": {ndefRecord(0xC1, "T", "\x02en\x1B[31mred"), card.MessageText, "\uFFFD[31mred"},
		"vendor's record, then text":  {ndefRecord(0x84, "a.example:x", "..") + ndefRecord(0x41, "T", "\x02enHi"), card.MessageText, "Hi"},
		"SUN":                         {ndefRecord(0xC1, "U", "\x04"+sunURL[8:]), card.MessageSUN, sunURL},
		"SUN, plain": {ndefRecord(0xC1, "U", "\x04a.example/?uid=04A1B2C3D4E5F6&ctr=000001&cmac=0123456789abcdef"), card.MessageSUN,
			"https://a.example/?uid=04A1B2C3D4E5F6&ctr=000001&cmac=0123456789abcdef"},
		"a MAC alone is no SUN": {ndefRecord(0xC1, "U", "\x04a.example/?c=0123456789abcdef"), card.MessageURL, "https://a.example/?c=0123456789abcdef"},
	} {
		got, err := card.ParseNDEF([]byte(c.message))
		if err != nil || got.Kind != c.kind || got.Reveal() != c.content {
			t.Errorf("%s: got %s %q, %v; want %s %q", name, got.Kind, got.Reveal(), err, c.kind, c.content)
		}
	}
}

func TestMessagesThatAreNoneAreRefused(t *testing.T) {
	nested := ndefRecord(0xC1, "Sp", ndefRecord(0xC1, "Sp", ndefRecord(0xC1, "U", "\x04a.example")))
	many := ndefRecord(0x81, "x", "") + strings.Repeat(ndefRecord(0x01, "x", ""), 70)
	for name, c := range map[string]struct {
		message string
		want    error
	}{
		"empty":                       {"", card.ErrNoMessage},
		"no end":                      {ndefRecord(0x81, "U", "\x04a.example"), card.ErrMalformed},
		"no beginning":                {ndefRecord(0x41, "U", "\x04a.example"), card.ErrMalformed},
		"begins twice":                {ndefRecord(0x81, "x", "") + ndefRecord(0xC1, "U", "\x04a.example"), card.ErrMalformed},
		"in chunks":                   {ndefRecord(0xE1, "U", "\x04a.example"), card.ErrMalformed},
		"type unchanged":              {ndefRecord(0xC6, "", "a"), card.ErrMalformed},
		"cut short":                   {ndefRecord(0xC1, "U", "\x04a.example")[:8], card.ErrMalformed},
		"4 GiB":                       {"\xC1\x01\xFF\xFF\xFF\xFFU\x04a", card.ErrMalformed},
		"more records than any needs": {many, card.ErrMalformed},
		"empty URI":                   {ndefRecord(0xC1, "U", ""), card.ErrMalformed},
		"a host with a password":      {ndefRecord(0xC1, "U", "\x04pay.example@evil.example/"), card.ErrMalformed},
		"no host":                     {ndefRecord(0xC1, "U", "\x04/path"), card.ErrMalformed},
		"line break in the address":   {ndefRecord(0xC1, "U", "\x04a.example/\r\nx"), card.ErrMalformed},
		"text that is no UTF-8":       {ndefRecord(0xC1, "T", "\x02en\xFF"), card.ErrMalformed},
		"text of half a character":    {ndefRecord(0xC1, "T", "\x82en\x00"), card.ErrMalformed},
		"text without its language":   {ndefRecord(0xC1, "T", "\x3Fen"), card.ErrMalformed},
		"http only":                   {ndefRecord(0xC1, "U", "\x03a.example"), card.ErrNoMessage},
		"javascript":                  {ndefRecord(0xC1, "U", "\x00javascript:alert(1)"), card.ErrNoMessage},
		"empty record":                {"\xD0\x00\x00", card.ErrNoMessage},
		"poster in a poster":          {nested, card.ErrNoMessage},
	} {
		if got, err := card.ParseNDEF([]byte(c.message)); !errors.Is(err, c.want) || got != (card.Message{}) {
			t.Errorf("%s: got %q, %v; want %v", name, got.Reveal(), err, c.want)
		}
	}
}

func TestSUNMessageShowsNothingThatCanBeUsed(t *testing.T) {
	m, err := card.ParseNDEF(cardtest.URLMessage(sunURL))
	if err != nil {
		t.Fatal(err)
	}
	odd, err := card.ParseNDEF(cardtest.URLMessage("https://a.example/?token=00112233445566778899"))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	reading := card.Reading{NDEF: &m, Scheme: card.SUN}
	hidden := struct{ m card.Message }{m}
	slog.New(slog.NewJSONHandler(&log, nil)).Info("read", "message", m, "reading", reading, "hidden", hidden, "odd", odd)
	encoded, err := json.Marshal([]any{m, &m, reading, hidden, odd, reading.Report(false)})
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{log.String(), string(encoded)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, m), fmt.Sprintf(verb, &m), fmt.Sprintf(verb, reading), fmt.Sprintf(verb, hidden),
			fmt.Sprintf(verb, odd))
	}
	for _, text := range shown {
		for _, secret := range []string{"00112233", "3030313132323333", "0123456789ABCDEF"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows the message", text)
			}
		}
	}
	if got := fmt.Sprint(m); got != "https://pay.example/t#…" {
		t.Errorf("printed %q", got)
	}
	if whole := reading.Report(true); !strings.Contains(string(whole.NDEF), "0123456789ABCDEF") {
		t.Errorf("revealed %s", whole.NDEF)
	}
}
