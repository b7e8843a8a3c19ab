package cardtest_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tapline/card/apdu"
	"tapline/card/cardtest"
	"tapline/card/ntag"
	"tapline/card/sun"
)

var ntagUID = sun.UID{0x04, 0xDE, 0x5F, 0x1E, 0xAC, 0xC0, 0x40}

// say sends a command and returns the answer's data and status in digits.
func say(t testing.TB, c cardtest.Card, command string) (string, string) {
	t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(command, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Transmit(t.Context(), raw)
	if err != nil || len(answer) < 2 {
		t.Fatalf("%s: %X, %v", command, answer, err)
	}
	digits := fmt.Sprintf("%X", answer)
	return digits[:len(digits)-4], digits[len(digits)-4:]
}

const selectNDEF = "00A4040007D276000085010100"

func TestNTAG424AnswersStrangersAsTheDataSheetSays(t *testing.T) {
	for _, x := range []struct{ command, status string }{
		{"00A4040008A000000333010101 00", "6A82"},
		{"00A4040007D2760000850100 00", "6A82"},
		{"00A4000C02E104", "9000"},
		{"00A4000C02E107", "6A82"},
		{"00B2010C00", "6D00"},
		{"80A80000028300 00", "6E00"},
		{"FFCA000000", "9000"},
		{"90F5000001 02 00", "9100"},
		{"90F5000001 04 00", "91F0"},
		{"90F5000002 0202 00", "917E"},
		{"90F5010001 02 00", "919E"},
		{"9064000001 00 00", "9100"},
		{"9064000001 05 00", "9140"},
		{"9051000000", "91AE"},
		{"90C4000001 00 00", "91AE"},
		{"905F000001 02 00", "91AE"},
		{"9071000002 0500 00", "9140"},
		{"9071000002 0001 00", "917E"},
		{"9071000003 000102 00", "919D"}, // LRP mode
		{"9077000001 00 00", "91AE"},     // no first authentication
		{"90AF000000", "911C"},
		{"90BD000000", "911C"},
		{"90AD000007 02000000000100 00", "9100"},
		{"90AD000007 02000000010100 00", "91BE"},
		{"90AD000007 02FF0000020000 00", "91BE"},
		{"90AD000007 02000000100000 00", "9100"},
		{"90AD000007 03000000010000 00", "91AE"},
		{"908D000008 01000000010000 00 00", "91AE"}, // the container is key 0's
		{"908D000008 02000000010000 00 00", "9100"}, // the NDEF file everybody's
		{"908D000009 02000000010000 0000 00", "917E"},
		{"00B0000000", "9000"},
		{"00B0820010", "9000"},
		{"00B0840010", "6A82"},
		{"00B0830010", "6982"},
		{"00B0010001", "6700"},
		{"00D6000002 0000", "9000"},
		{"00D6810001 00", "6982"},
		{"00D600FF02 0000", "6700"},
	} {
		c := cardtest.NewNTAG424(ntagUID)
		if _, status := say(t, c, selectNDEF); status != "9000" {
			t.Fatal(status)
		}
		if strings.HasPrefix(x.command, "00B00") || strings.HasPrefix(x.command, "00D60") {
			say(t, c, "00A4000C02E104")
		}
		if _, status := say(t, c, x.command); status != x.status {
			t.Errorf("%s answers %s, want %s", x.command, status, x.status)
		}
	}
}

// spoiled changes one command on its way, or says it twice.
type spoiled struct {
	cardtest.Card
	spoil func(command []byte) []byte
	twice bool
}

func (s *spoiled) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if s.spoil != nil {
		command = s.spoil(bytes.Clone(command))
		s.spoil = nil
	}
	answer, err := s.Card.Transmit(ctx, command)
	if s.twice && err == nil {
		s.twice = false
		return s.Card.Transmit(ctx, command)
	}
	return answer, err
}

// opened is a tag that is authenticated with key 0.
func opened(t *testing.T, c *spoiled) *ntag.Tag {
	t.Helper()
	tag, _, err := ntag.Open(t.Context(), c)
	if err == nil {
		err = tag.Authenticate(t.Context(), 0, sun.Key{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

func TestNTAG424ChecksWhatProtectsACommand(t *testing.T) {
	key := sun.NewKey([16]byte{7})
	for _, x := range []struct {
		name   string
		spoil  func([]byte) []byte
		twice  bool
		do     func(*ntag.Tag) error
		status apdu.Status
	}{
		{"a wrong MAC", func(c []byte) []byte { c[len(c)-2] ^= 1; return c }, false,
			func(tag *ntag.Tag) error { return tag.ChangeKey(t.Context(), 1, sun.Key{}, key, 1) }, 0x911E},
		{"another key number", func(c []byte) []byte { c[5] = 2; return c }, false,
			func(tag *ntag.Tag) error { return tag.ChangeKey(t.Context(), 1, sun.Key{}, key, 1) }, 0x911E},
		{"a command again, with the counter of before", nil, true,
			func(tag *ntag.Tag) error { return tag.ChangeKey(t.Context(), 1, sun.Key{}, key, 1) }, 0x911E},
		{"a wrong old key", nil, false,
			func(tag *ntag.Tag) error { return tag.ChangeKey(t.Context(), 1, key, key, 1) }, 0x911E},
		{"no such key", nil, false,
			func(tag *ntag.Tag) error { return tag.ChangeKey(t.Context(), 5, sun.Key{}, key, 1) }, 0x9140},
		{"no MAC at all", func(c []byte) []byte { return append(append(c[:4:4], 1, c[5]), 0) }, false,
			func(tag *ntag.Tag) error { _, err := tag.FileSettings(t.Context(), 2); return err }, 0x917E},
		{"SDM on another file", nil, false, func(tag *ntag.Tag) error {
			return tag.ChangeFileSettings(t.Context(), 1, ntag.FileSettings{SDM: &ntag.SDM{ASCII: true, MetaRead: 0xF, FileRead: 0xF}})
		}, 0x919E},
		{"a mirror beyond the file", nil, false, func(tag *ntag.Tag) error {
			return tag.ChangeFileSettings(t.Context(), 2,
				ntag.FileSettings{SDM: &ntag.SDM{UID: true, ASCII: true, MetaRead: 1, FileRead: 0xF, PICCOffset: 250}})
		}, 0x919E},
	} {
		t.Run(x.name, func(t *testing.T) {
			wire := &spoiled{Card: cardtest.NewNTAG424(ntagUID)}
			tag := opened(t, wire)
			wire.spoil, wire.twice = x.spoil, x.twice
			refusal, refused := errors.AsType[*ntag.StatusError](x.do(tag))
			if !refused || refusal.Status != x.status {
				t.Fatalf("got %v, want %s", refusal, x.status)
			}
			if _, status := say(t, wire, "9051000008 0000000000000000 00"); status != "91AE" {
				t.Errorf("the authentication outlives the error: %s", status)
			}
		})
	}
}

func TestNTAG424ForgetsItsSessionWithoutPower(t *testing.T) {
	c := cardtest.NewNTAG424(ntagUID)
	tag := opened(t, &spoiled{Card: c})
	if uid, err := tag.CardUID(t.Context()); err != nil || uid != ntagUID {
		t.Fatalf("%s, %v", uid, err)
	}
	c.Reset()
	if _, err := tag.CardUID(t.Context()); err == nil {
		t.Error("the session outlives the power")
	}
}

func TestNTAG424BlocksAKeyAfterTooManyWrongTries(t *testing.T) {
	c := cardtest.NewNTAG424(ntagUID)
	tag, _, err := ntag.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if err := tag.Authenticate(t.Context(), 3, sun.NewKey([16]byte{1})); !errors.Is(err, ntag.ErrWrongKey) {
			t.Fatal(err)
		}
	}
	if err := tag.Authenticate(t.Context(), 3, sun.Key{}); !errors.Is(err, ntag.ErrRefused) {
		t.Errorf("the right key of a blocked one: %v", err)
	}
	if err := tag.Authenticate(t.Context(), 2, sun.Key{}); err != nil {
		t.Errorf("another key: %v", err)
	}
}

// mirroring is a card that mirrors by these settings into a URL that is written as text alone.
func mirroring(t *testing.T, text string, sdm ntag.SDM) *cardtest.NTAG424 {
	t.Helper()
	c := cardtest.NewNTAG424(ntagUID)
	tag := opened(t, &spoiled{Card: c})
	if err := tag.WriteData(t.Context(), ntag.NDEFFile, ntag.Plain, 0, []byte(text)); err != nil {
		t.Fatal(err)
	}
	sdm.ASCII = true
	if err := tag.ChangeFileSettings(t.Context(), ntag.NDEFFile, ntag.FileSettings{Read: ntag.Free, SDM: &sdm}); err != nil {
		t.Fatal(err)
	}
	c.Reset()
	return c
}

// taps reads so many bytes of the file as one tap.
func taps(t *testing.T, c *cardtest.NTAG424, length int) string {
	t.Helper()
	c.Reset()
	say(t, c, selectNDEF)
	got, status := say(t, c, fmt.Sprintf("00B08200%02X", length))
	if status != "9000" {
		t.Fatalf("the file cannot be read: %s", status)
	}
	text, err := hex.DecodeString(got)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNTAG424MirrorsWhatSUNVerifies(t *testing.T) {
	zero := func(n int) string { return strings.Repeat("0", n) }
	encrypted := "#e=" + zero(32) + "&c=" + zero(16)
	plain := "#uid=" + zero(14) + "&ctr=" + zero(6) + "&cmac=" + zero(16)
	file := "#e=" + zero(32) + "&d=" + "sixteen letters!" + zero(16) + "&c=" + zero(16)
	for _, x := range []struct {
		name, text string
		sdm        ntag.SDM
		data       string
	}{
		{"encrypted", encrypted, ntag.SDM{UID: true, Counter: true, MetaRead: 1, FileRead: 2, PICCOffset: 3, MACFrom: 38, MACOffset: 38}, ""},
		{"plain", plain, ntag.SDM{UID: true, Counter: true, MetaRead: ntag.Free, FileRead: 2, UIDOffset: 5, CounterOffset: 24, MACFrom: 36, MACOffset: 36}, ""},
		{"file data", file, ntag.SDM{UID: true, Counter: true, Encrypted: true, MetaRead: 1, FileRead: 2, PICCOffset: 3,
			MACFrom: 38, EncryptedOffset: 38, EncryptedLength: 32, MACOffset: 73}, "sixteen letters!"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := mirroring(t, x.text, x.sdm)
			for n := range uint32(3) {
				message, err := sun.Format{}.Parse(taps(t, c, len(x.text)))
				if err != nil {
					t.Fatal(err)
				}
				got, err := message.Verify(sun.Key{}, func(sun.UID) sun.Key { return sun.Key{} })
				if err != nil || got.UID != ntagUID || got.Counter != n+1 || string(got.FileData) != x.data {
					t.Errorf("tap %d says %+v, %v", n+1, got, err)
				}
			}
		})
	}
}

// Data sheet §9.3.1: reads that follow each other are one tap; a read after anything else is the next.
func TestNTAG424CountsTapsNotReads(t *testing.T) {
	text := strings.Repeat("0", 6)
	c := mirroring(t, text, ntag.SDM{Counter: true, MetaRead: ntag.Free, FileRead: ntag.Never, CounterOffset: 0})
	say(t, c, selectNDEF)
	say(t, c, "00A4000C02E104")
	for _, x := range []struct{ command, want string }{
		{"00B0000006", "000001"}, {"00B0000006", "000001"}, {"00B0000402", "01"},
		{"90AD000007 02000000060000 00", "000002"}, {"90AD000007 02000000060000 00", "000002"},
		{"00B0000006", "000003"},
		{"9064000001 00 00", "\x00"},
		{"00B0000006", "000004"},
	} {
		got, _ := say(t, c, x.command)
		if got != fmt.Sprintf("%X", x.want) {
			t.Errorf("%s reads %s, want %X", x.command, got, x.want)
		}
	}
	tag := opened(t, &spoiled{Card: c})
	if got, err := tag.ReadData(t.Context(), ntag.NDEFFile, ntag.Plain, 0, 6); err != nil || string(got) != text {
		t.Errorf("authenticated: %q, %v: nothing is mirrored then", got, err)
	}
}

func TestNTAG424CountsAnewWithNewSettings(t *testing.T) {
	sdm := ntag.SDM{Counter: true, ASCII: true, MetaRead: ntag.Free, FileRead: ntag.Never}
	c := mirroring(t, "000000", sdm)
	taps(t, c, 6)
	if got := taps(t, c, 6); got != "000002" {
		t.Errorf("the second tap says %s", got)
	}
	tag := opened(t, &spoiled{Card: c})
	if err := tag.ChangeFileSettings(t.Context(), ntag.NDEFFile, ntag.FileSettings{Read: ntag.Free, SDM: &sdm}); err != nil {
		t.Fatal(err)
	}
	if got := taps(t, c, 6); got != "000001" {
		t.Errorf("the first tap after that says %s", got)
	}
}

func TestNTAG424KeysAreChangedByKey0Alone(t *testing.T) {
	c := cardtest.NewNTAG424(ntagUID)
	tag := opened(t, &spoiled{Card: c})
	for number := ntag.KeyNumber(1); number < ntag.Keys; number++ {
		if err := tag.Authenticate(t.Context(), number, sun.Key{}); err != nil {
			t.Fatal(err)
		}
		refusal, refused := errors.AsType[*ntag.StatusError](tag.ChangeKey(t.Context(), 2, sun.Key{}, sun.NewKey([16]byte{7}), 1))
		if !refused || refusal.Status != 0x91AE {
			t.Errorf("key %d changes key 2: %v", number, refusal)
		}
	}
}

func TestNTAG424StopsAtItsCounterLimit(t *testing.T) {
	c := mirroring(t, "000000", ntag.SDM{Counter: true, Limited: true, MetaRead: ntag.Free, FileRead: ntag.Never, CounterLimit: 2})
	taps(t, c, 6)
	taps(t, c, 6)
	c.Reset()
	say(t, c, selectNDEF)
	if _, status := say(t, c, "00B0820006"); status != "6985" {
		t.Errorf("the third tap: %s", status)
	}
}

func TestNTAG424KeepsItsStateAsJSON(t *testing.T) {
	c := mirroring(t, "000000", ntag.SDM{Counter: true, MetaRead: ntag.Free, FileRead: ntag.Never})
	taps(t, c, 6)
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again cardtest.NTAG424
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if got := taps(t, &again, 6); got != "000002" {
		t.Errorf("the counter is %s", got)
	}
	for _, wrong := range []string{
		`{}`, `{"uid":"04"}`, `[]`, strings.Replace(string(text), `"key":"00`, `"key":"`, 1),
		strings.Replace(string(text), `"settings":"40`, `"settings":"`, 1),
	} {
		if err := json.Unmarshal([]byte(wrong), new(cardtest.NTAG424)); err == nil {
			t.Errorf("%s is taken for a card", wrong)
		}
	}
}

// A virtual card answers whatever it is told.
func FuzzNTAG424(f *testing.F) {
	for _, line := range []string{selectNDEF, "90AD000007 02000000060000 00", "9071000002 0000 00", "00D6000002 0000"} {
		raw, err := hex.DecodeString(strings.ReplaceAll(line, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	c := cardtest.NewNTAG424(ntagUID)
	f.Fuzz(func(t *testing.T, command []byte) {
		for range 2 {
			answer, err := c.Transmit(t.Context(), command)
			if err != nil || len(answer) < 2 || len(answer) > 258 {
				t.Fatalf("%X answers %X, %v", command, answer, err)
			}
			say(t, c, selectNDEF)
		}
	})
}
