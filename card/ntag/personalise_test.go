package ntag_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/ntag"
	"tapline/card/sun"
)

var (
	uid      = sun.UID{0x04, 0x95, 0x8C, 0xAA, 0x5C, 0x5E, 0x80}
	template = "https://pay.example/t#e=" + strings.Repeat("0", 32) + "&c=" + strings.Repeat("0", 16)
)

func setup(t testing.TB) ntag.Setup {
	t.Helper()
	m, err := sun.NewMaster(1, []byte(strings.Repeat("secret", 6))[:32])
	if err != nil {
		t.Fatal(err)
	}
	return ntag.Setup{
		UID: uid, URL: template, Version: 1,
		Keys: [ntag.Keys]sun.Key{m.Application(uid), m.Meta(), m.File(uid), m.Data(uid), m.Spare(uid)},
	}
}

func TestProofIsOfThisCardThisServiceAndACounter(t *testing.T) {
	s := setup(t)
	mirror := func(u sun.UID, file sun.Key) string {
		return sun.Mirror(sun.AES, s.Keys[1], file, u, 7, nil, [8]byte{})
	}
	before := "https://pay.example/t#"
	if counter, err := ntag.Proof(s, before+mirror(uid, s.Keys[2])); err != nil || counter != 7 {
		t.Errorf("its own: %d, %v", counter, err)
	}
	for name, url := range map[string]string{
		"another UID":     before + mirror(sun.UID{0x04, 1}, s.Keys[2]),
		"another key":     before + mirror(uid, s.Keys[3]),
		"another service": "https://pay.exampel/t#" + mirror(uid, s.Keys[2]),
		"more text":       before + "x&" + mirror(uid, s.Keys[2]),
		"the zeros":       template,
		"nothing":         "",
	} {
		if _, err := ntag.Proof(s, url); !errors.Is(err, ntag.ErrNotProven) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fragile is a card that leaves the field: before a command reaches it, or before its answer comes back.
type fragile struct {
	cardtest.Card
	left     int // commands until it leaves; negative for never
	answered bool
	seen     []string
}

func (f *fragile) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	f.seen = append(f.seen, fmt.Sprintf("%X", command))
	if f.left == 0 && !f.answered {
		return nil, card.ErrRemoved
	}
	answer, err := f.Card.Transmit(ctx, command)
	if f.left == 0 {
		return nil, card.ErrRemoved
	}
	f.left--
	return answer, err
}

func personalise(t testing.TB, c card.Transmitter, s ntag.Setup) (ntag.Result, error) {
	t.Helper()
	tag, version, err := ntag.Open(t.Context(), c)
	if err != nil {
		return ntag.Result{}, err
	}
	return tag.Personalise(t.Context(), version, s, func(string) {})
}

var failures = regexp.MustCompile(`,"failures":[0-9]+`)

// state is all that the card keeps, without what taps and wrong keys change.
func state(t testing.TB, c *cardtest.NTAG424) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), `"counter"`)
	return failures.ReplaceAllString(before, "")
}

func TestBlankCardIsPersonalisedAndProvesItself(t *testing.T) {
	c := cardtest.NewNTAG424(uid)
	f := &fragile{Card: c, left: -1}
	result, err := personalise(t, f, setup(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := (ntag.Result{UID: uid, Counter: 1, APDUs: len(f.seen)}); result != want {
		t.Errorf("got %+v, want %+v", result, want)
	}
	for _, key := range setup(t).Keys {
		if strings.Contains(strings.Join(f.seen, " "), key.Reveal()) {
			t.Error("a key was sent in plain")
		}
	}
	if len(f.seen) != 46 {
		t.Errorf("%d commands", len(f.seen))
	}
	tag, _, err := ntag.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tag.FileSettings(t.Context(), ntag.NDEFFile)
	want := ntag.FileSettings{ // as docs/cards.md has them
		Mode: ntag.Plain, Read: ntag.Free, Write: 0, ReadWrite: 0, Change: 0, Size: 256,
		SDM: &ntag.SDM{
			UID: true, Counter: true, ASCII: true, MetaRead: 1, FileRead: 2, CounterRead: ntag.Never,
			PICCOffset: 7 + len("pay.example/t#e="), MACFrom: 7 + len(template) - 8 - 16, MACOffset: 7 + len(template) - 8 - 16,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for number := range ntag.KeyNumber(ntag.Keys) {
		if version, err := tag.KeyVersion(t.Context(), number); err != nil || version != 1 {
			t.Errorf("key %d has version %d, %v", number, version, err)
		}
	}
	if container, err := tag.ReadData(t.Context(), ntag.CapabilityFile, ntag.Plain, 14, 1); err != nil || container[0] != 0xFF {
		t.Errorf("phones may write: %X, %v", container, err)
	}
	first := state(t, c)
	again, err := personalise(t, c, setup(t))
	if err != nil || again.Counter != 2 || state(t, c) != first {
		t.Errorf("again: %+v, %v: a second time changes nothing, and the counter goes on", again, err)
	}
}

func TestCardThatIsPulledAwayIsFinishedByTheSameCall(t *testing.T) {
	whole := cardtest.NewNTAG424(uid)
	counting := &fragile{Card: whole, left: -1}
	if _, err := personalise(t, counting, setup(t)); err != nil {
		t.Fatal(err)
	}
	for _, answered := range []bool{false, true} {
		for n := range len(counting.seen) {
			c := cardtest.NewNTAG424(uid)
			_, err := personalise(t, &fragile{Card: c, left: n, answered: answered}, setup(t))
			if !errors.Is(err, card.ErrRemoved) {
				t.Fatalf("pulled away at command %d: %v", n, err)
			}
			c.Reset()
			result, err := personalise(t, c, setup(t))
			if err != nil || result.Counter == 0 || result.Counter > 3 {
				t.Fatalf("pulled away at command %d (%s), then: %+v, %v", n, counting.seen[n], result, err)
			}
			if state(t, c) != state(t, whole) {
				t.Fatalf("pulled away at command %d: another card comes out", n)
			}
		}
	}
}

// Nobody without the keys can change a finished card, or learn more of it than a tap tells.
func TestFinishedCardIsClosedToEverybodyElse(t *testing.T) {
	c := cardtest.NewNTAG424(uid)
	if _, err := personalise(t, c, setup(t)); err != nil {
		t.Fatal(err)
	}
	before := state(t, c)
	tag, _, err := ntag.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for number := range ntag.KeyNumber(ntag.Keys) {
		if err := tag.Authenticate(t.Context(), number, sun.Key{}); !errors.Is(err, ntag.ErrWrongKey) {
			t.Errorf("the factory's key %d: %v", number, err)
		}
	}
	for name, attack := range map[string]func() error{
		"write the URL":   func() error { return tag.WriteData(t.Context(), ntag.NDEFFile, ntag.Plain, 0, []byte{0, 0}) },
		"write container": func() error { return tag.WriteData(t.Context(), ntag.CapabilityFile, ntag.Plain, 14, []byte{0}) },
		"write data":      func() error { return tag.WriteData(t.Context(), 3, ntag.Plain, 0, []byte{0}) },
		"read data":       func() error { _, err := tag.ReadData(t.Context(), 3, ntag.Plain, 0, 1); return err },
		"change settings": func() error { return tag.ChangeFileSettings(t.Context(), ntag.NDEFFile, ntag.FileSettings{}) },
		"change key 0":    func() error { return tag.ChangeKey(t.Context(), 0, sun.Key{}, sun.Key{}, 0) },
		"change key 4":    func() error { return tag.ChangeKey(t.Context(), 4, sun.Key{}, sun.Key{}, 0) },
		"ask for the UID": func() error { _, err := tag.CardUID(t.Context()); return err },
		"set up otherwise": func() error {
			other := setup(t)
			other.Keys[0] = sun.NewKey([16]byte{9})
			_, err := personalise(t, c, other)
			return err
		},
	} {
		if err := attack(); err == nil {
			t.Errorf("%s: nothing is refused", name)
		}
	}
	// Whoever has one card's keys 1 and 2, which make messages, still cannot write.
	for _, number := range []ntag.KeyNumber{1, 2, 3, 4} {
		if err := tag.Authenticate(t.Context(), number, setup(t).Keys[number]); err != nil {
			t.Fatal(err)
		}
		if err := tag.WriteData(t.Context(), ntag.NDEFFile, ntag.Plain, 0, []byte{0, 0}); err == nil {
			t.Errorf("key %d writes the URL", number)
		}
	}
	if state(t, c) != before {
		t.Error("an attack changed the card")
	}
	if _, err := personalise(t, c, setup(t)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestCardsThatCannotBePersonalisedAreRefused(t *testing.T) {
	blank := func() *cardtest.NTAG424 { return cardtest.NewNTAG424(uid) }
	random := blank()
	random.RandomUID()
	for _, x := range []struct {
		name   string
		card   card.Transmitter
		change func(*ntag.Setup)
		want   error
	}{
		{"a payment card", &cardtest.EMV{}, nil, ntag.ErrNotNTAG},
		{"a storage card", &cardtest.Storage{}, nil, ntag.ErrNotNTAG},
		{"a transport card", &cardtest.TUnion{}, nil, ntag.ErrNotNTAG},
		{"another kind of NTAG", other(blank()), nil, ntag.ErrNotNTAG},
		{"a random UID", random, nil, ntag.ErrRandomUID},
		{"another UID", blank(), func(s *ntag.Setup) { s.UID[6]++ }, ntag.ErrOtherUID},
		{"key 0 of somebody else", withKey(0), nil, ntag.ErrOtherKeys},
		{"key 1 of somebody else", withKey(1), nil, ntag.ErrOtherKeys},
		{"key 4 of somebody else", withKey(4), nil, ntag.ErrOtherKeys},
		{"a URL without places", blank(), func(s *ntag.Setup) { s.URL = "https://pay.example/t" }, ntag.ErrTemplate},
		{"a long URL", blank(), func(s *ntag.Setup) { s.URL = "https://" + strings.Repeat("x", 220) + template[8:] }, ntag.ErrTemplate},
		{"no web URL", blank(), func(s *ntag.Setup) { s.URL = "ftp" + template[5:] }, ntag.ErrTemplate},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := setup(t)
			if x.change != nil {
				x.change(&s)
			}
			if _, err := personalise(t, x.card, s); !errors.Is(err, x.want) {
				t.Errorf("got %v, want %v", err, x.want)
			}
		})
	}
}

func withKey(number int) *cardtest.NTAG424 {
	c := cardtest.NewNTAG424(uid)
	c.SetKey(number, sun.NewKey([16]byte{0xAB}), 1)
	return c
}

// replaced is a card some answers of which are replaced.
type replaced struct {
	cardtest.Card
	replace func(command, answer []byte) []byte
}

func (r replaced) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := r.Card.Transmit(ctx, command)
	return r.replace(command, answer), err
}

// other is an NTAG 413 DNA: the same application, another version.
func other(c cardtest.Card) cardtest.Card {
	return replaced{c, func(command, answer []byte) []byte {
		if command[1] == 0x60 {
			answer[3] = 0x10
		}
		return answer
	}}
}

// Whoever is between reader and card can spoil the work, but not make it look done.
func TestChangedAnswersAreNoticed(t *testing.T) {
	whole := &fragile{Card: cardtest.NewNTAG424(uid), left: -1}
	if _, err := personalise(t, whole, setup(t)); err != nil {
		t.Fatal(err)
	}
	for n, sent := range whole.seen {
		if strings.HasPrefix(sent, "9064") {
			continue // the version of a key is a hint only: a wrong one costs a wrong try
		}
		i := -1
		c := replaced{cardtest.NewNTAG424(uid), func(_, answer []byte) []byte {
			if i++; i == n && len(answer) > 2 {
				answer[len(answer)-3] ^= 0x01
			}
			return answer
		}}
		length := 0
		probe := replaced{c, func(_, answer []byte) []byte {
			if i == n {
				length = len(answer)
			}
			return answer
		}}
		_, err := personalise(t, probe, setup(t))
		if harmless := length == 2 || err != nil || unimportant(sent); !harmless {
			t.Errorf("a changed answer to command %d, %s, goes unnoticed", n, sent)
		}
	}
}

// unimportant are answers that nothing depends on: the last bytes of GetVersion's frames, the size of the file, and who
// may write it according to the container, which is then written.
func unimportant(sent string) bool {
	return sent == "9060000000" || sent == "90AF000000" || sent == "90F50000010200" || strings.HasPrefix(sent, "90AD")
}
