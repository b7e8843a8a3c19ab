package sun

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/card/cmac"
)

var (
	testUID  = UID{0x04, 0x95, 0x8C, 0xAA, 0x5C, 0x5E, 0x80}
	otherUID = UID{0x04, 0xDE, 0x5F, 0x1E, 0xAC, 0xC0, 0x40}
)

func testMaster(t testing.TB, size int) Master {
	t.Helper()
	m, err := NewMaster(1, bytes.Repeat([]byte{0x5A}, size))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// genuine is a message of a card with these keys, with file data of so many blocks.
func genuine(m Master, mode Mode, counter uint32, blocks int) string {
	data := bytes.Repeat([]byte("x"), 16*blocks)
	return Mirror(mode, m.Meta(), m.File(testUID), testUID, counter, data, [8]byte{1, 2, 3, 4, 5, 6, 7, 8})
}

func TestMirroredMessageVerifiesWithTheCardsOwnKeys(t *testing.T) {
	for _, size := range []int{16, 32} {
		m := testMaster(t, size)
		for _, mode := range []Mode{AES, LRP} {
			for blocks := range 3 {
				message, err := Format{}.Parse("https://pay.example/t#" + genuine(m, mode, 0x010203, blocks))
				if err != nil {
					t.Fatal(err)
				}
				got, err := message.Verify(m.Meta(), m.File)
				want := Tap{Mode: mode, UID: testUID, Counter: 0x010203, HasCounter: true}
				if blocks > 0 {
					want.FileData = bytes.Repeat([]byte("x"), 16*blocks)
				}
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%s, %d blocks: %v\n%s", mode, blocks, err, diff)
				}
			}
		}
	}
}

func TestAnyChangedDigitIsRefused(t *testing.T) {
	m := testMaster(t, 32)
	for _, mode := range []Mode{AES, LRP} {
		text := []byte(genuine(m, mode, 7, 1))
		for i, c := range text {
			if !strings.ContainsRune("0123456789ABCDEF", rune(c)) {
				continue
			}
			text[i] = "123456789ABCDEF0"[strings.IndexByte("0123456789ABCDEF", c)]
			message, err := Format{}.Parse(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := message.Verify(m.Meta(), m.File); !errors.Is(err, ErrNotGenuine) {
				t.Errorf("%s: digit %d changed: %v", mode, i, err)
			}
			text[i] = c
		}
	}
}

func TestAnotherCardsKeysDoNotVerify(t *testing.T) {
	m := testMaster(t, 32)
	text := Mirror(AES, m.Meta(), m.File(otherUID), testUID, 9, nil, [8]byte{})
	message, err := Format{}.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := message.Verify(m.Meta(), m.File)
	if !errors.Is(err, ErrNotGenuine) || got.UID != testUID {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMACInputMayBeginAnywhere(t *testing.T) {
	const input = "0123456789ABCDEF0123456789ABCDEF&x=1&cmac="
	key := Key{block{1}}
	tap := Tap{UID: testUID, Counter: 3, HasCounter: true}
	session := sessionKey(key, sv2, tap)
	code := func(input string) string {
		mac := cmac.Truncate(cmac.AES(session[:], []byte(input)))
		return hex.EncodeToString(mac[:])
	}
	const before = "https://pay.example/?uid=04958CAA5C5E80&ctr=000003&enc="
	for _, c := range []struct {
		from  MACFrom
		input string
	}{
		{"", input},
		{"enc", input},
		{"x", "1&cmac="},
		{"mac", ""},
		{"8", (before + input)[8:]},
		{"0", before + input},
	} {
		message, err := Format{MACFrom: c.from}.Parse(before + input + code(c.input))
		if err != nil || message.MACInput != c.input {
			t.Errorf("from %q: %q, %v", c.from, message.MACInput, err)
			continue
		}
		if _, err := message.Verify(Key{}, func(UID) Key { return key }); err != nil {
			t.Errorf("from %q: %v", c.from, err)
		}
	}
	for _, from := range []MACFrom{"nowhere", "9999", "-1"} {
		if _, err := (Format{MACFrom: from}).Parse(before + input + code("")); !errors.Is(err, ErrMalformed) {
			t.Errorf("from %q: %v", from, err)
		}
	}
}

// Some tags have all parts in one value: UID and counter, encrypted or plain, and the MAC, with an x between.
func TestPartsThatAreJoinedByAnXAreFound(t *testing.T) {
	const e, lrp, c = "EF963FF7828658A599F3041510671E88", "AAE1508939ECF6FF26BCE407959AB1A5EC022819A35CD293", "94EED9EE65337086"
	for joined, apart := range map[string]string{
		"https://tag.example/?m=" + e + "x" + c:       "#e=" + e + "&c=" + c,
		"https://tag.example/?a=1&p=" + lrp + "x" + c: "#e=" + lrp + "&c=" + c,
		"#m=041E3C8A2D6B80x000006x" + c:               "#u=041E3C8A2D6B80&n=000006&c=" + c,
		"#m=041E3C8A2D6B80x" + c:                      "#u=041E3C8A2D6B80&c=" + c,
	} {
		got, err := Format{}.Parse(joined)
		want, err2 := Format{}.Parse(apart)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(Message{})); err != nil || err2 != nil || diff != "" {
			t.Errorf("%s: %v, %v\n%s", joined, err, err2, diff)
		}
	}
	covered, err := Format{MACFrom: "p"}.Parse("https://tag.example/?p=" + lrp + "x" + c)
	if err != nil || covered.MACInput != lrp+"x" {
		t.Errorf("covered by the MAC: %q, %v", covered.MACInput, err)
	}
	for _, text := range []string{"?m=041E3C8A2D6B80x000006", "?m=" + e + "x" + c + "x" + c, "?m=" + e + "x" + c + "&c=" + c, "?m=xx" + c} {
		if _, err := (Format{}).Parse(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestMessageWithoutCounterSaysSo(t *testing.T) {
	key := Key{block{2}}
	tap := Tap{Mode: AES, UID: testUID}
	session := sessionKey(key, sv2, tap)
	mac := cmac.Truncate(cmac.AES(session[:], nil))
	message, err := Format{}.Parse("https://pay.example/#u=04958CAA5C5E80&c=" + hex.EncodeToString(mac[:]))
	if err != nil {
		t.Fatal(err)
	}
	got, err := message.Verify(Key{}, func(UID) Key { return key })
	if diff := cmp.Diff(tap, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestPlainMirrorsInLRPMode(t *testing.T) {
	key := Key{block{3}}
	want := Tap{Mode: LRP, UID: testUID, Counter: 0x123456, HasCounter: true}
	mac := cmac.Truncate(newLRP(sessionMaster(key, want), 0).cmac(nil))
	text := "https://pay.example/#u=04958caa5c5e80&n=123456&c=" + hex.EncodeToString(mac[:])
	message, err := Format{LRP: true}.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := message.Verify(Key{}, func(UID) Key { return key })
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestWhatIsNoMessageIsRefusedWithoutRepeatingIt(t *testing.T) {
	const e, c = "EF963FF7828658A599F3041510671E88", "94EED9EE65337086"
	for name, text := range map[string]string{
		"nothing":             "",
		"no message":          "https://pay.example/about",
		"no MAC":              "#e=" + e,
		"no UID":              "#c=" + c,
		"short MAC":           "#e=" + e + "&c=94EED9EE",
		"short PICC data":     "#e=EF963F&c=" + c,
		"long PICC data":      "#e=" + e + e + "&c=" + c,
		"odd digits":          "#e=" + e + "0&c=" + c,
		"not hexadecimal":     "#e=" + e[:30] + "%20&c=" + c,
		"empty":               "#e=&c=" + c,
		"twice":               "#e=" + e + "&c=" + c + "&c=" + c,
		"query and fragment":  "?e=" + e + "&c=" + c + "#e=" + e,
		"two names":           "#e=" + e + "&picc_data=" + e + "&c=" + c,
		"encrypted and plain": "#e=" + e + "&u=04958CAA5C5E80&c=" + c,
		"half a block":        "#e=" + e + "&d=0011&c=" + c,
		"MAC before data":     "#e=" + e + "&c=" + c + "&d=" + e,
		"short counter":       "#u=04958CAA5C5E80&n=0001&c=" + c,
		"short UID":           "#u=04958CAA&n=000001&c=" + c,
		"too long":            strings.Repeat("a", maxText) + "#e=" + e + "&c=" + c,
	} {
		_, err := Format{}.Parse(text)
		if !errors.Is(err, ErrMalformed) || strings.Contains(fmt.Sprint(err), "EF963F") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMessageThatIsNotWholeIsRefused(t *testing.T) {
	for _, m := range []Message{
		{Mode: AES, PICC: make([]byte, 15)}, {Mode: LRP, PICC: make([]byte, 16)}, {Mode: AES, Enc: make([]byte, 3)},
	} {
		if _, err := m.Verify(Key{}, func(UID) Key { return Key{} }); !errors.Is(err, ErrMalformed) {
			t.Errorf("%d bytes: %v", len(m.PICC), err)
		}
	}
}

func TestReservedPICCDataTagsAreRefused(t *testing.T) {
	m, file := testMaster(t, 16), Key{block{9}}
	for _, tag := range []byte{0x00, 0x47, 0x07, 0xC4, 0xCA, 0xF7, 0xE7} {
		plain := append([]byte{tag}, testUID[:]...)
		plain = append(plain, 1, 0, 0, 0, 0, 0, 0, 0)
		picc := make([]byte, 16)
		meta := m.Meta()
		newAES(meta.octets[:]).Encrypt(picc, plain)
		tap := Tap{UID: testUID, Counter: 1, HasCounter: tag&tagCounter != 0}
		session := sessionKey(file, sv2, tap)
		message := Message{Mode: AES, PICC: picc, MAC: cmac.Truncate(cmac.AES(session[:], nil))}
		if _, err := message.Verify(meta, func(UID) Key { return file }); !errors.Is(err, ErrNotGenuine) {
			t.Errorf("tag %02X: %v", tag, err)
		}
	}
}

func TestEveryKeyOfACardIsItsOwn(t *testing.T) {
	m := testMaster(t, 32)
	short := testMaster(t, 16)
	seen := map[string]bool{}
	for _, k := range []Key{
		m.Meta(), m.File(testUID), m.File(otherUID), m.Application(testUID), m.Application(otherUID), m.Data(testUID), m.Spare(testUID),
		short.Meta(), short.File(testUID), short.Application(testUID),
	} {
		if seen[k.Reveal()] {
			t.Error("two keys are the same")
		}
		seen[k.Reveal()] = true
	}
	if m.Version() != 1 {
		t.Errorf("version %d", m.Version())
	}
	if _, err := NewMaster(1, make([]byte, 24)); err == nil {
		t.Error("a master key of 24 bytes is taken")
	}
}

func TestKeysAndMessagesDoNotShow(t *testing.T) {
	m := testMaster(t, 16)
	message, err := Format{}.Parse(genuine(m, AES, 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", m.Meta(), "master", m, "message", message)
	text := log.String() + fmt.Sprintf("%v %+v %#v %d %x %v %#v %d %x %v %#v %d %x",
		m.Meta(), m.Meta(), m.Meta(), m.Meta(), m.Meta(), m, m, m, m, message, message, message, message)
	if encoded, err := json.Marshal(struct{ K Key }{m.Meta()}); err == nil {
		t.Errorf("a key is encoded: %s", encoded)
	}
	shown := strings.ToUpper(text)
	for _, secret := range []string{m.Meta().Reveal(), "5A5A5A", "90 90 90", strings.ToUpper(base64.StdEncoding.EncodeToString(message.PICC)), upper(message.PICC), upper(message.MAC[:])} {
		if strings.Contains(shown, secret) {
			t.Errorf("%s shows in %s", secret, text)
		}
	}
}

func TestKeysAndUIDsAreParsedStrictly(t *testing.T) {
	for _, text := range []string{"", "00", strings.Repeat("0", 31), strings.Repeat("g", 32), strings.Repeat("0", 33)} {
		if _, err := ParseKey(text); !errors.Is(err, ErrKey) {
			t.Errorf("key %q: %v", text, err)
		}
	}
	k, err := ParseKey("00112233445566778899aabbccddeeff")
	if err != nil || k.Reveal() != "00112233445566778899AABBCCDDEEFF" {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "04958CAA5C5E8", "04958CAA5C5E8000", "04958CAA5C5EZZ"} {
		if _, err := ParseUID(text); !errors.Is(err, ErrUID) {
			t.Errorf("UID %q: %v", text, err)
		}
	}
	u, err := ParseUID("04958caa5c5e80")
	if err != nil || u != testUID || u.String() != "04958CAA5C5E80" {
		t.Errorf("%v, %v", u, err)
	}
}

// FuzzParse feeds any text to the parser: what it takes can be verified without panic and covers a part of the text.
func FuzzParse(f *testing.F) {
	for _, x := range published(f).Messages {
		f.Add(x.URL, "", false)
	}
	m := testMaster(f, 16)
	f.Add("https://pay.example/t#"+genuine(m, LRP, 1, 1), "d", true)
	f.Add("?u=04958CAA5C5E80&n=000001&c=94EED9EE65337086", "3", true)
	f.Fuzz(func(t *testing.T, text, from string, lrp bool) {
		message, err := Format{LRP: lrp, MACFrom: MACFrom(from)}.Parse(text)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%v", err)
			}
			return
		}
		if !strings.Contains(text, message.MACInput) {
			t.Errorf("the MAC covers %q, which is not in the text", message.MACInput)
		}
		if _, err := message.Verify(m.Meta(), m.File); err != nil && !errors.Is(err, ErrNotGenuine) {
			t.Errorf("%v", err)
		}
	})
}

// FuzzVerify feeds any message to the verifier: it is refused, whatever its lengths, unless it is the genuine one.
func FuzzVerify(f *testing.F) {
	m := testMaster(f, 32)
	real, err := Format{}.Parse(genuine(m, AES, 1, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(false, real.PICC, real.Enc, real.MAC[:], real.MACInput)
	f.Add(true, make([]byte, 24), []byte(nil), make([]byte, 8), "")
	f.Fuzz(func(t *testing.T, lrp bool, picc, enc, code []byte, input string) {
		message := Message{Mode: AES, PICC: picc, Enc: enc, MACInput: input}
		if lrp {
			message.Mode = LRP
		}
		copy(message.MAC[:], code)
		_, err := message.Verify(m.Meta(), m.File)
		same := bytes.Equal(picc, real.PICC) && input == real.MACInput && message.MAC == real.MAC && !lrp
		if err == nil && !same {
			t.Error("a message that no card made is genuine")
		}
		if err != nil && !errors.Is(err, ErrNotGenuine) && !errors.Is(err, ErrMalformed) {
			t.Errorf("%v", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	m := testMaster(b, 32)
	for _, mode := range []Mode{AES, LRP} {
		text := "https://pay.example/t#" + genuine(m, mode, 1, 0)
		b.Run(string(mode), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				message, err := Format{}.Parse(text)
				if err == nil {
					_, err = message.Verify(m.Meta(), m.File)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
