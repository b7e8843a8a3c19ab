package ntag

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/card"
	"tapline/card/sun"
)

const places16 = "e=00000000000000000000000000000000&c=0000000000000000"

// The offsets of AN12196 tables 16 and 18: PICC data at 20, the MAC at 43, and the file's content.
func TestURLFileIsThatOfAN12196Table16(t *testing.T) {
	content, picc, mac, err := urlFile("https://choose.url.com/ntag424?" + places16)
	want := unhex("0051D1014D550463686F6F73652E75726C2E636F6D2F6E7461673432343F653D3030303030303030303030303030303030303030303030" +
		"30303030303030303026633D30303030303030303030303030303030")
	if err != nil || picc != 0x20 || mac != 0x43 || string(content) != string(want) {
		t.Errorf("%X, %d, %d, %v", content, picc, mac, err)
	}
}

func TestURLFilesHoldTheURLThatWentIn(t *testing.T) {
	for _, url := range []string{
		"https://www.shop.example/t#" + places16, "http://www.shop.example/t?x=1&" + places16, "http://127.0.0.1:8480/t#" + places16,
		"https://" + strings.Repeat("x", 256-headSize-1-len(places16)) + "#" + places16,
	} {
		content, picc, mac, err := urlFile(url)
		if err != nil || len(content) > fileSize {
			t.Errorf("%s: %d bytes, %v", url, len(content), err)
			continue
		}
		if string(content[picc-2:picc+32]) != places16[:34] || string(content[mac-2:]) != places16[35:] {
			t.Errorf("%s: the card writes at %d and %d", url, picc, mac)
		}
		if got, err := urlOf(content); err != nil || got != url {
			t.Errorf("%s becomes %s, %v", url, got, err)
		}
	}
	for _, url := range []string{
		"", "https://pay.example", "https://pay.example/t#" + places16 + "0", "https://pay.example/t" + places16,
		"https://pay.example/t#" + strings.Replace(places16, "0", "1", 1), "ftp://pay.example/t#" + places16,
		"https://" + strings.Repeat("x", 256-headSize-len(places16)) + "#" + places16,
	} {
		if _, _, _, err := urlFile(url); !errors.Is(err, ErrTemplate) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// AN12196 table 12: GetVersion of the card that its examples are of.
func TestVersionNamesTheCard(t *testing.T) {
	const hardware, software, production = "04040830001105", "04040201011105", "04968CAA5C5E80CD65935D402118"
	got, err := parseVersion(unhex(hardware + software + production))
	want := Version{UID: sun.UID{0x04, 0x96, 0x8C, 0xAA, 0x5C, 0x5E, 0x80}, Storage: 0x11, Hardware: [2]byte{0x30, 0}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for text, want := range map[string]error{
		hardware + software + "00000000000000" + "CD65935D402118": ErrRandomUID,
		hardware + software:                         ErrNotNTAG,
		"04040810001105" + software + production:    ErrNotNTAG, // NTAG 413 DNA
		"04010233001605" + software + production:    ErrNotNTAG, // MIFARE DESFire EV3
		"05040230001105" + software + production:    ErrNotNTAG,
		hardware + software + production + "000000": ErrNotNTAG,
	} {
		if _, err := parseVersion(unhex(text)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

func TestVersionByteIsNeverTheFactorys(t *testing.T) {
	for version := 1; version < 1000; version++ {
		if VersionByte(version) == 0 {
			t.Fatalf("version %d", version)
		}
	}
	if VersionByte(1) != 1 || VersionByte(255) != 255 || VersionByte(256) != 1 {
		t.Error("versions do not count from 1 to 255")
	}
}

// A reader that answers in the card's place cannot make itself taken for it.
func TestAuthenticationNeedsProofFromTheCard(t *testing.T) {
	first := [2]string{"9071000002 0000 00", "A04C124213C186F22399D33AC2A30215 91AF"}
	const second = "90AF000020 35C3E05A752E0144BAC0DE51C1F22C56B34408A23D8AEA266CAB947EA8E0118D 00"
	for name, x := range map[string]struct {
		lines [][2]string
		want  error
	}{
		"another proof":     {[][2]string{first, {second, "3EA64DB5446D1F34CD6EA311167F5E4985B89690C04A05F17FA7AB2F08120663 9100"}}, ErrForged},
		"short proof":       {[][2]string{first, {second, "3FA64DB5446D1F34CD6EA311167F5E49 9100"}}, card.ErrMalformed},
		"short challenge":   {[][2]string{{first[0], "A04C 91AF"}}, card.ErrMalformed},
		"no challenge":      {[][2]string{{first[0], "9100"}}, ErrRefused},
		"another key":       {[][2]string{first, {second, "91AE"}}, ErrWrongKey},
		"a pause":           {[][2]string{{first[0], "91AD"}}, ErrRest},
		"a blocked key":     {[][2]string{{first[0], "919D"}}, ErrRefused},
		"no status at all":  {[][2]string{{first[0], ""}}, card.ErrMalformed},
		"challenge in part": {[][2]string{{first[0], "A04C124213C186F22399D33AC2A30215 9100"}}, ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			tag := scripted(t, nil, "13C5DB8A5930439FC3DEF9A4C675360F", x.lines...)
			err := tag.Authenticate(t.Context(), 0, sun.Key{})
			if !errors.Is(err, x.want) || tag.session != nil {
				t.Errorf("got %v, want %v", err, x.want)
			}
		})
	}
}

func TestSessionEndsBeforeItsCounterDoes(t *testing.T) {
	tag := scripted(t, inSession(ti14, enc14, mac14, 0xFFFF), "")
	if _, err := tag.CardUID(t.Context()); err == nil {
		t.Error("the counter begins again")
	}
}

func FuzzFileSettings(f *testing.F) {
	for _, text := range []string{
		"0040EEEE000100D1FE001F00004400004400002000006A0000", "0000E0EE000100", "034030230080000000", "0040E0EE000100C1FFEE000000060000",
		"004000E0000100F9F121200000430000430000430000200000630000FFFF00",
	} {
		f.Add(unhex(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := parseFileSettings(raw)
		if err != nil {
			if !errors.Is(err, card.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		size := []byte{byte(s.Size), byte(s.Size >> 8), byte(s.Size >> 16)}
		out := s.bytes()
		again, err := parseFileSettings(append(append(append([]byte{0}, out[:3]...), size...), out[3:]...))
		if diff := cmp.Diff(s, again); diff != "" || err != nil {
			t.Error(err, diff)
		}
	})
}

func FuzzURLFile(f *testing.F) {
	content, _, _, err := urlFile("https://pay.example/t#" + places16)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte{0, 5, 0xD1, 1, 1, 'U', 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if url, err := urlOf(raw); err == nil && len(url) > len(raw)+len("https://www.") {
			t.Errorf("%X is %s", raw, url)
		}
	})
}

func FuzzVersion(f *testing.F) {
	f.Add(unhex("040402300011050404020102110504968CAA5C5E80CD65935D402118"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := parseVersion(raw)
		if err == nil && (v.UID == sun.UID{}) || err != nil && !errors.Is(err, ErrNotNTAG) && !errors.Is(err, ErrRandomUID) {
			t.Errorf("%X is %+v, %v", raw, v, err)
		}
	})
}

// canned is a card that gives one answer to everything.
type canned []byte

func (c canned) Transmit(context.Context, []byte) ([]byte, error) { return c, nil }

// Whatever a card answers within a session, it is taken only with a MAC, and never to pieces.
func FuzzAnswer(f *testing.F) {
	f.Add(unhex("70756055688505B52A5E26E59E329CD6 595F672298EA41B7 9100"))
	f.Add(unhex("91AF"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := inSession("DF055522", "2B4D963C014DC36F24F69A50A394F875", "379D32130CE61705DD5FD8C36B95D764", 0)
		tag := &Tag{transmitter: canned(raw), session: s}
		if uid, err := tag.CardUID(t.Context()); err == nil && uid.String() != "04958CAA5C5E80" {
			t.Errorf("%X is taken for the answer of a card: %s", raw, uid)
		}
	})
}
