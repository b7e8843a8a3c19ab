package card_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/card"
)

// scripted is a card that answers a command by the longest beginning of it in answers, else with 6A82. Both are hex;
// spaces do not count.
type scripted struct {
	answers map[string]string
	sent    []string
}

func (s *scripted) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	sent := strings.ToUpper(hex.EncodeToString(command))
	s.sent = append(s.sent, sent)
	best, answer := -1, "6A82"
	for start, a := range s.answers {
		if start = strings.ReplaceAll(start, " ", ""); strings.HasPrefix(sent, start) && len(start) > best {
			best, answer = len(start), a
		}
	}
	if answer == "removed" {
		return nil, card.ErrRemoved
	}
	return hex.DecodeString(strings.ReplaceAll(answer, " ", ""))
}

// tlvHex is one object in hex.
func tlvHex(tag string, values ...string) string {
	value := strings.ReplaceAll(strings.Join(values, ""), " ", "")
	n := len(value) / 2
	if n > 0x7F {
		return fmt.Sprintf("%s81%02X%s", tag, n, value)
	}
	return fmt.Sprintf("%s%02X%s", tag, n, value)
}

const (
	selectPPSE = "00A404000E325041592E5359532E4444463031"
	visaAID    = "A0000000031010"
	masterAID  = "A0000000041010"
	track2     = "57 11 4761739001010010D30122011143878089" // 4761739001010010, 3012
	getOptions = "80A8"
	record1    = "00B2010C"
)

func entry(aid, priority string) string {
	if priority != "" {
		priority = tlvHex("87", priority)
	}
	return tlvHex("61", tlvHex("4F", aid), priority)
}

func ppse(entries ...string) string {
	return tlvHex("6F", tlvHex("84", "325041592E5359532E4444463031"), tlvHex("A5", tlvHex("BF0C", entries...))) + "9000"
}

func fci(aid string, objects ...string) string {
	return tlvHex("6F", tlvHex("84", aid), tlvHex("A5", objects...)) + "9000"
}

// visa is a card with one application and, in its one record, the given objects.
func visa(objects ...string) map[string]string {
	return map[string]string{
		selectPPSE:              ppse(entry(visaAID, "01")),
		"00A40400 07" + visaAID: fci(visaAID),
		getOptions:              "770A 82020000 9404 08010100 9000",
		record1:                 tlvHex("70", objects...) + "9000",
	}
}

func with(answers map[string]string, pairs ...string) map[string]string {
	for pair := range slices.Chunk(pairs, 2) {
		answers[pair[0]] = pair[1]
	}
	return answers
}

// facts are what the table below compares.
type facts struct {
	Number, Expiry, PSN, PAR string
	AID                      card.AID
	Notes                    []card.Note
	APDUs                    int
}

// oddity is a card that does what the standards allow and most cards do not.
type oddity struct {
	name    string
	answers map[string]string
	want    facts
}

func oddities() []oddity {
	plain := facts{Number: "4761739001010010", Expiry: "3012", AID: visaAID, APDUs: 4}
	changed := func(change func(*facts)) facts {
		f := plain
		change(&f)
		return f
	}
	filler := tlvHex("9F46", strings.Repeat("AB", 219))
	twelve := "A00000000310100102030405"
	return []oddity{
		{"track 2 alone", visa(track2), plain},
		{"5A before track 2", visa("5A08 4761739001010036", track2), changed(func(f *facts) {
			f.Number, f.Notes = "4761739001010036", []card.Note{card.NoteNumberConflict}
		})},
		{"5F24 before track 2", visa(track2, "5F24 03 310630"), changed(func(f *facts) {
			f.Expiry, f.Notes = "3106", []card.Note{card.NoteExpiryConflict}
		})},
		{"5F24 that is no date", visa(track2, "5F24 03 999999"), plain},
		{"19 digits with padding", visa("5A0A 6210946888090000003F", "5F24 03 301231"), changed(func(f *facts) {
			f.Number, f.Notes = "6210946888090000003", []card.Note{card.NoteLuhn}
		})},
		{"zero-length values", visa("5A00", "5F2400", "5F3400", track2), plain},
		{"padding before, between and after objects", visa("0000", track2, "FFFF", "5F340102", "00"),
			changed(func(f *facts) { f.PSN = "02" })},
		{"254-byte record", visa(track2, "5F340101", filler), changed(func(f *facts) { f.PSN = "01" })},
		{"9F6B that is a card CVM limit", visa("9F6B 03 001000", track2), plain},
		{"payment account reference", visa(track2, tlvHex("9F24", hex.EncodeToString([]byte("V0010013019048529187654321098")))),
			changed(func(f *facts) { f.PAR = "V0010013019048529187654321098" })},
		{"61xx", with(visa(track2), record1, "6115", "00C0000015", "7013"+track2+"9000"),
			changed(func(f *facts) { f.APDUs = 5 })},
		{"61xx after a part, then 6Cxx", with(visa(track2), record1, "7013 5711 47617390 6100",
			"00C0000000", "6C0F", "00C000000F", "01010010D30122011143878089 9000"), changed(func(f *facts) { f.APDUs = 6 })},
		{"6Cxx", with(visa(track2), record1, "6C15", record1+"15", "7013"+track2+"9000"),
			changed(func(f *facts) { f.APDUs = 5 })},
		{"warning with data", with(visa(track2), record1, "7013"+track2+"6282"), plain},
		{"account in the answer to GET PROCESSING OPTIONS", with(visa(), getOptions,
			tlvHex("77", "82020000", track2, "5F340105")+"9000"), changed(func(f *facts) { f.PSN, f.APDUs = "05", 3 })},
		{"account in that answer, and a locator that is none", with(visa(), getOptions,
			tlvHex("77", "82020000", track2, "9403080101")+"9000"), changed(func(f *facts) { f.APDUs = 3 })},
		{"12-byte identifier", map[string]string{
			selectPPSE: ppse(entry(twelve, "")), "00A40400 0C" + twelve: fci(twelve), getOptions: visa()[getOptions],
			record1: "7013" + track2 + "9000"}, changed(func(f *facts) { f.AID = card.AID(twelve) })},
		{"partial name", with(visa(track2), "00A40400 07"+visaAID, fci(visaAID+"01")),
			changed(func(f *facts) { f.AID = visaAID + "01" })},
		{"signed record behind a magnetic-stripe record", with(visa("9F6B 11 4761739001010010D30122011143878089"),
			getOptions, "7712 82020000 940C 08010100 10010101 18010100 9000",
			"00B20114", tlvHex("70", track2, "5F24 03 301231", "5F340103")+"9000"),
			changed(func(f *facts) { f.PSN, f.APDUs = "03", 5 })},
		{"missing record before that with the account", with(visa(), getOptions, "770A 82020000 9404 08010200 9000",
			record1, "6A83", "00B2020C", "7013"+track2+"9000"), changed(func(f *facts) { f.APDUs = 5 })},
		{"first application blocked, second of equal priority works", with(visa(track2),
			selectPPSE, ppse(entry(masterAID, "02"), entry(visaAID, "02"), entry("A0000000651010", "01")),
			"00A40400 07A0000000651010", "6283", "00A40400 07"+masterAID, "6985"), changed(func(f *facts) { f.APDUs = 6 })},
		{"priority none comes last", with(visa(track2), selectPPSE, ppse(entry(masterAID, "00"), entry(visaAID, "0F"))), plain},
		{"malformed directory", with(visa(track2), selectPPSE, "6F05 8402 9000"), changed(func(f *facts) { f.APDUs = 13 })},
	}
}

func TestWhatRealCardsDoIsRead(t *testing.T) {
	for _, c := range oddities() {
		t.Run(c.name, func(t *testing.T) {
			s := &scripted{answers: c.answers}
			got, err := card.Read(t.Context(), s, card.Terminal{})
			if err != nil {
				t.Fatalf("%v\nsent %q", err, s.sent)
			}
			is := facts{got.Number.Reveal(), got.Expiry, got.PSN, got.PAR, got.AID, got.Notes, got.APDUs}
			if diff := cmp.Diff(c.want, is); diff != "" {
				t.Errorf("(-want +got)\n%s\nsent %q", diff, s.sent)
			}
		})
	}
}

func TestWhatIsWrongWithACardIsItsError(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers map[string]string
		want    error
		apdus   int
	}{
		{"no known application", nil, card.ErrNoApplication, 25},
		{"an application without an account", visa("5F20 02 202F"), card.ErrNoAccount, 4},
		{"does not know SELECT", map[string]string{"": "6D00"}, card.ErrNoAccount, 2},
		{"application blocked", with(visa(), "00A40400 07"+visaAID, "6283"), card.ErrBlocked, 2},
		{"GET PROCESSING OPTIONS refused", with(visa(), getOptions, "6985"), card.ErrBlocked, 3},
		{"removed at SELECT, no further command", with(visa(), "00A40400 07"+visaAID, "removed"), card.ErrRemoved, 2},
		{"removed at the record", with(visa(), record1, "removed"), card.ErrRemoved, 4},
		{"record cut short", with(visa(), record1, "7013 5711 4761 9000"), card.ErrMalformed, 4},
		{"no status word", with(visa(), record1, "90"), card.ErrMalformed, 4},
		{"file locator of five bytes", with(visa(), getOptions, "770B 82020000 9405 0801010000 9000"), card.ErrMalformed, 3},
		{"file locator backwards", with(visa(), getOptions, "770A 82020000 9404 08020100 9000"), card.ErrMalformed, 3},
		{"file locator of file 0", with(visa(), getOptions, "770A 82020000 9404 00010100 9000"), card.ErrMalformed, 3},
		{"file locator without end", with(visa(), getOptions, "770A 82020000 9404 0801FF00 9000",
			"00B2", "6A83", record1, "6A83"), card.ErrMalformed, 128},
		{"61xx without end", with(visa(), record1, "6101", "00C0", "006101"), card.ErrMalformed, 128},
		{"61xx with more than any record has", with(visa(), record1, "61FF", "00C0", strings.Repeat("00", 255)+"61FF"),
			card.ErrMalformed, 4 + 17},
		{"61xx and 6Cxx in turns without end", with(visa(), record1, "6101", "00C0000001", "6C02", "00C0000002", "6101"),
			card.ErrMalformed, 128},
		{"6Cxx without end", with(visa(), record1, "6C01"), card.ErrNoAccount, 5},
		{"PDOL cut short", with(visa(), "00A40400 07"+visaAID, fci(visaAID, "9F38 02 9F66")), card.ErrMalformed, 2},
		{"PDOL that asks too much", with(visa(), "00A40400 07"+visaAID, fci(visaAID, "9F38 03 9F66FF")), card.ErrMalformed, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &scripted{answers: c.answers}
			got, err := card.Read(t.Context(), s, card.Terminal{})
			if !errors.Is(err, c.want) || !got.Number.IsZero() || got.APDUs != c.apdus {
				t.Errorf("got %v, %v after %d commands; want %v after %d\nsent %q", got.Number, err, got.APDUs, c.want, c.apdus, s.sent)
			}
		})
	}
}

func TestPDOLIsAnsweredInTheLengthsOfTheCard(t *testing.T) {
	pdol := "9F6604 9F0206 9F0306 9F1A02 9505 5F2A02 9A03 9C01 9F3704 9F2103 9F0204 9F1A03 9F3702 DF5003"
	s := &scripted{answers: with(visa(track2), "00A40400 07"+visaAID, fci(visaAID, tlvHex("9F38", pdol)))}
	_, err := card.Read(t.Context(), s, card.Terminal{
		Country: 344, Currency: 978, Amount: 1234, UnpredictableNumber: [4]byte{1, 2, 3, 4},
		Time: time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	data := "36804000 000000001234 000000000000 0344 0000000000 0978 260228 00 01020304 235958 00001234 000344 0102 000000"
	want := "80A80000" + strings.ReplaceAll("32 8330"+strings.ReplaceAll(data, " ", "")+"00", " ", "")
	if len(s.sent) < 3 || s.sent[2] != want {
		t.Errorf("sent %q, want third %q", s.sent, want)
	}
}

func TestPDOLTagsMeanWhatTheSchemeSays(t *testing.T) {
	for _, c := range []struct{ aid, pdol, data string }{
		// Terminal type, risk management data, operator id, one of qPBOC's own, one that nobody knows, capabilities cut short.
		{masterAID, "9F3501 9F1D08 9F5C08 DF6101 9F7E01 9F3302", "22 6C00000000000000 0000000000000000 00 00 E0F8"},
		{visaAID, "9F6604 9F1D08 9F5D06 9F3502 DF8129 02", "36804000 0000000000000000 000000000000 0022 0000"},
		{"A000000333010101", "DF6001 DF6901 9F6604 9F7A01 5F3601", "00 00 36804000 00 00"},
		{"A00000002501", "9F6D01 9F6E04 9F6604", "C0 D8B04000 00000000"},
		{"A0000002771010", "9F5801 9F5903 9F5A01 9F5E02", "01 DC8000 00 0000"},
		{"A0000000651010", "9F5303 9F3A01", "708000 00"},
	} {
		clean := strings.ReplaceAll(c.pdol, " ", "")
		s := &scripted{answers: map[string]string{selectPPSE: ppse(entry(c.aid, "01")),
			fmt.Sprintf("00A40400%02X%s", len(c.aid)/2, c.aid): fci(c.aid, tlvHex("9F38", clean)), getOptions: visa()[getOptions],
			record1: tlvHex("70", track2) + "9000"}}
		if _, err := card.Read(t.Context(), s, card.Terminal{}); err != nil {
			t.Errorf("%s: %v", c.aid, err)
			continue
		}
		if data := tlvHex("83", c.data); !strings.Contains(s.sent[2], data) {
			t.Errorf("%s: sent %s, want %s in it", c.aid, s.sent[2], data)
		}
	}
}

func TestPDOLThatTheCardItselfRefusesIsLeftOut(t *testing.T) {
	s := &scripted{answers: with(visa(track2), "00A40400 07"+visaAID, fci(visaAID, "9F38 03 9F6604"),
		getOptions, "6700", "80A8000002830000", "770A 82020000 9404 08010100 9000")}
	if _, err := card.Read(t.Context(), s, card.Terminal{}); err != nil {
		t.Errorf("%v; sent %q", err, s.sent)
	}
}

func TestTerminalOutOfBoundsReachesNoCard(t *testing.T) {
	for _, terminal := range []card.Terminal{{Country: 1000}, {Currency: 1000}, {Amount: -1}, {Amount: 1e12}} {
		s := &scripted{}
		if _, err := card.Read(t.Context(), s, terminal); err == nil || len(s.sent) > 0 {
			t.Errorf("%+v: got %v after %q; want an error before any command", terminal, err, s.sent)
		}
	}
}

func TestEndOfContextEndsTheReadingWithItsCause(t *testing.T) {
	reason := errors.New("the user went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	s := &scripted{}
	if _, err := card.Read(ctx, s, card.Terminal{}); !errors.Is(err, reason) || len(s.sent) > 0 {
		t.Errorf("got %v after %q, want %v before any command", err, s.sent, reason)
	}
}
