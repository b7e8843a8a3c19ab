package oda_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tapline/card"
	"tapline/card/apdu"
	"tapline/card/cardtest"
	"tapline/card/oda"
	"tapline/card/tlv"
)

// victim is the number that a thief wants to pay with; the thief's own card is genuine and of the same issuer.
const victim = "4111110000000005"

// find returns the exchange with an instruction.
func find(t testing.TB, transcript card.Transcript, instruction byte) *card.Exchange {
	t.Helper()
	i := slices.IndexFunc(transcript, func(e card.Exchange) bool { return e.Command[1] == instruction })
	if i < 0 {
		t.Fatalf("no command %02X", instruction)
	}
	return &transcript[i]
}

// rewrite changes bytes of a command's data; both are of one length.
func rewrite(t testing.TB, e *card.Exchange, old, new []byte) {
	t.Helper()
	if !bytes.Contains(e.Command, old) {
		t.Fatalf("%X does not have %X", e.Command, old)
	}
	e.Command = bytes.Replace(e.Command, old, new, 1)
}

// add puts objects into the template of an answer.
func add(t testing.TB, e *card.Exchange, objects []byte) {
	t.Helper()
	parsed, err := tlv.Parse(e.Response[:len(e.Response)-2])
	if err != nil || len(parsed) != 1 {
		t.Fatalf("%X is no template", e.Response)
	}
	e.Response = append(tlv.Append(nil, parsed[0].Tag, slices.Concat(objects, parsed[0].Value)), 0x90, 0x00)
}

// locate changes the file locator.
func locate(t testing.TB, transcript card.Transcript, locator ...byte) {
	t.Helper()
	retell(t, transcript, 0x94, locator)
}

// attack is one lie about an honest tap, and what must be said of it.
type attack struct {
	name   string
	method oda.Method
	lie    func(t *testing.T, transcript card.Transcript) card.Transcript
	why    string
}

// lies is an attack that changes exchanges in place.
func lies(lie func(t *testing.T, transcript card.Transcript)) func(*testing.T, card.Transcript) card.Transcript {
	return func(t *testing.T, transcript card.Transcript) card.Transcript {
		lie(t, transcript)
		return transcript
	}
}

func told(tag tlv.Tag, value ...byte) func(*testing.T, card.Transcript) card.Transcript {
	return lies(func(t *testing.T, transcript card.Transcript) { retell(t, transcript, tag, value) })
}

func changed(instruction byte, old, new []byte) func(*testing.T, card.Transcript) card.Transcript {
	return lies(func(t *testing.T, transcript card.Transcript) { rewrite(t, find(t, transcript, instruction), old, new) })
}

func added(instruction byte, objects []byte) func(*testing.T, card.Transcript) card.Transcript {
	return lies(func(t *testing.T, transcript card.Transcript) { add(t, find(t, transcript, instruction), objects) })
}

func number5A(digits string) []byte {
	return tlv.Append(nil, 0x5A, packedDigits(digits))
}

func packedDigits(digits string) []byte {
	raw := make([]byte, len(digits)/2)
	for i := range raw {
		raw[i] = digits[2*i]&0x0F<<4 | digits[2*i+1]&0x0F
	}
	return raw
}

var (
	un        = challenge.UnpredictableNumber[:]
	amount    = []byte{0, 0, 0, 0, 0x12, 0x50}
	tenfold   = []byte{0, 0, 0, 1, 0x25, 0x00}
	otherUN   = []byte{1, 2, 3, 4}
	inOptions = byte(apdu.InsGetProcessingOptions)
	inRecord  = byte(apdu.InsReadRecord)
	inDDA     = byte(apdu.InsInternalAuthenticate)
	inCDA     = byte(apdu.InsGenerateAC)
)

func attacks() []attack {
	return slices.Concat(attacksOnTheNumber(), attacksOnTheChain(), attacksOnTheSignature(), attacksOnTheForm())
}

func attacksOnTheNumber() []attack {
	const another = "not the one in the card's certificate"
	return []attack{
		{"victim's 5A in the answer to GET PROCESSING OPTIONS", oda.FDDA, added(inOptions, number5A(victim)), another},
		{"victim's track 2 in the answer to GET PROCESSING OPTIONS", oda.CDA,
			added(inOptions, tlv.Append(nil, 0x57, append(packedDigits(victim), 0xD3, 0x01, 0x22, 0x01))), another},
		{"victim's 5A in an unsigned record", oda.DDA, lies(func(t *testing.T, transcript card.Transcript) {
			add(t, &transcript[3], number5A(victim))
		}), another},
		{"victim's 5A hidden in a template of an unsigned record", oda.DDA, lies(func(t *testing.T, transcript card.Transcript) {
			add(t, &transcript[3], tlv.Append(nil, 0x73, number5A(victim)))
		}), another},
		{"victim's 5A beside the own one in the signed record", oda.DDA, added(inRecord, number5A(victim)), "hash does not fit"},
		{"victim's 5A in place of the own one", oda.DDA, told(0x5A, packedDigits("4761739001010010")...), "not one of the certified issuer's"},
		{"number of the same issuer in place of the own one", oda.DDA, told(0x5A, packedDigits(victim)...), "hash does not fit"},
		{"no number where it is signed, victim's elsewhere", oda.FDDA, lies(func(t *testing.T, transcript card.Transcript) {
			add(t, find(t, transcript, inOptions), tlv.Append(nil, 0x9F6B,
				append(packedDigits(victim), 0xD3, 0x01, 0x22, 0x01)))
			retell(t, transcript, 0x5A, nil)
			retell(t, transcript, 0x57, nil)
		}), "hash does not fit"},
		{"records of a second card", oda.CDA, func(t *testing.T, transcript card.Transcript) card.Transcript {
			other := proving(oda.CDA, 1152, 1024, 1024)
			other.Number = cardtest.Number(victim)
			theirs := tap(t, other, challenge).Transcript
			*find(t, transcript, inRecord) = *find(t, theirs, inRecord)
			return transcript
		}, "hash does not fit"},
		{"signature of a second card", oda.DDA, func(t *testing.T, transcript card.Transcript) card.Transcript {
			other := proving(oda.DDA, 1152, 1024, 1024)
			other.Proof.Card = key(1024, 4)
			for { // until the signature is below every modulus of 1024 bits: a larger one is told by its size
				theirs := *find(t, tap(t, other, challenge).Transcript, inDDA)
				if signature := theirs.Response[len(theirs.Response)-2-128:]; signature[0] < 0x80 {
					*find(t, transcript, inDDA) = theirs
					return transcript
				}
			}
		}, "not made with the key"},
	}
}

func attacksOnTheChain() []attack {
	return []attack{
		{"application of another scheme", oda.DDA, lies(func(_ *testing.T, transcript card.Transcript) {
			for _, at := range [][]byte{transcript[0].Command, transcript[0].Response} {
				copy(at[bytes.Index(at, []byte{0xA0, 0, 0, 0, 3}):], []byte{0xA0, 0, 0, 0, 4})
			}
		}), "key F1 of A000000004 is not known"},
		{"application that was not selected", oda.DDA, lies(func(_ *testing.T, transcript card.Transcript) {
			transcript[0].Command[9]++
		}), "another application was selected"},
		{"another key of the authority", oda.DDA, told(0x8F, 0xF2), "key F2 of A000000003 is not known"},
		{"authority twice", oda.DDA, added(inOptions, []byte{0x8F, 1, 0xF2}), "two values of 8F"},
		{"issuer certificate changed", oda.DDA, told(0x90, bytes.Repeat([]byte{7}, 144)...), "not made with the key"},
		{"issuer certificate of another length", oda.DDA, told(0x90, bytes.Repeat([]byte{7}, 128)...), "length of the key"},
		{"issuer certificate larger than the modulus", oda.DDA, told(0x90, bytes.Repeat([]byte{0xFF}, 144)...), "length of the key"},
		{"issuer certificate of nothing", oda.DDA, told(0x90, make([]byte, 144)...), "not made with the key"},
		{"issuer certificate that is one", oda.DDA, told(0x90, append(make([]byte, 143), 1)...), "not made with the key"},
		{"no issuer certificate", oda.DDA, told(0x90), "no issuer certificate"},
		{"issuer's exponent changed", oda.DDA, told(0x9F32, 3), "hash does not fit"},
		{"issuer's exponent padded", oda.DDA, told(0x9F32, 0, 1, 0, 1), "hash does not fit"},
		{"no issuer's exponent", oda.DDA, told(0x9F32), "no issuer certificate"},
		{"issuer's remainder changed", oda.DDA, told(0x92, bytes.Repeat([]byte{7}, 20)...), "hash does not fit"},
		{"no issuer's remainder", oda.DDA, told(0x92), "hash does not fit"},
		{"no card certificate", oda.DDA, told(0x9F46), "no certificate"},
		{"issuer certificate as card certificate", oda.DDA, told(0x9F46, bytes.Repeat([]byte{7}, 128)...), "not made with the key"},
		{"card's exponent changed", oda.DDA, told(0x9F47, 1, 0, 1), "hash does not fit"},
		{"expiry prolonged", oda.DDA, told(0x5F24, 0x49, 0x12, 0x31), "hash does not fit"},
		{"profile changed where it is unsigned", oda.DDA, told(0x82, 0x61, 0x00), ""},
	}
}

func attacksOnTheSignature() []attack {
	const notAsked = "does not ask for the unpredictable number"
	return []attack{
		{"replay, with what was asked", oda.FDDA, changed(inOptions, un, otherUN), "another unpredictable number"},
		{"replay, with what was asked", oda.DDA, changed(inDDA, un, otherUN), "another unpredictable number"},
		{"replay, with what was asked", oda.CDA, changed(inCDA, un, otherUN), "another unpredictable number"},
		{"another amount in the PDOL", oda.FDDA, changed(inOptions, amount, tenfold), "another amount"},
		{"another amount in the PDOL", oda.DDA, changed(inOptions, amount, tenfold), "another amount"},
		{"another amount in the CDOL1", oda.CDA, changed(inCDA, amount, tenfold), "another amount"},
		{"another currency", oda.FDDA, changed(inOptions, []byte{0x01, 0x56, 0xCA}, []byte{0x08, 0x40, 0xCA}), "another currency"},
		{"another country in the PDOL", oda.CDA, changed(inOptions, []byte{0x01, 0x56}, []byte{0x08, 0x40}), "other data than"},
		{"another date in the CDOL1", oda.CDA, lies(func(t *testing.T, transcript card.Transcript) {
			find(t, transcript, inCDA).Command[5+6+6+2+5+2]++
		}), "other data than"},
		{"another kind of cryptogram", oda.CDA, told(0x9F27, 0x40), "another kind of cryptogram"},
		{"another counter", oda.CDA, told(0x9F36, 0x00, 0x09), "other data than"},
		{"an object more", oda.CDA, added(inCDA, []byte{0x9F, 0x6E, 1, 1}), "other data than"},
		{"no signature", oda.CDA, told(0x9F4B), "gave no proof"},
		{"signature of nothing", oda.CDA, told(0x9F4B, make([]byte, 128)...), "not made with the key"},
		{"signature cut short", oda.FDDA, told(0x9F4B, 1, 2, 3), "length of the key"},
		{"empty signature", oda.FDDA, told(0x9F4B, []byte{}...), "gave no proof"},
		{"9F69 taken away", oda.FDDA, told(0x9F69), "hash does not fit"},
		{"9F69 of version 00", oda.FDDA, told(0x9F69, 0), "hash does not fit"},
		{"9F69 changed", oda.FDDA, told(0x9F69, 1, 2, 3, 4, 5, 6, 7), "hash does not fit"},
		{"9F69 of version 02", oda.FDDA, told(0x9F69, 2), "version 02"},
		{"9F69 twice", oda.FDDA, added(inOptions, []byte{0x9F, 0x69, 1, 0}), "two values of 9F69"},
		{"PDOL without the unpredictable number", oda.FDDA, lies(func(_ *testing.T, transcript card.Transcript) {
			transcript[0].Response = bytes.Replace(transcript[0].Response, []byte{0x9F, 0x37, 4}, []byte{0x9F, 0x4C, 4}, 1)
		}), notAsked},
		{"PDOL without the amount", oda.FDDA, lies(func(_ *testing.T, transcript card.Transcript) {
			transcript[0].Response = bytes.Replace(transcript[0].Response, []byte{0x9F, 0x02, 6}, []byte{0x9F, 0x03, 6}, 1)
		}), "does not ask for amount and currency"},
		{"PDOL that asks for part of the unpredictable number", oda.FDDA, lies(func(_ *testing.T, transcript card.Transcript) {
			transcript[0].Response = bytes.Replace(transcript[0].Response, []byte{0x9F, 0x37, 4}, []byte{0x9F, 0x37, 3}, 1)
		}), "another unpredictable number"},
		{"PDOL cut short", oda.FDDA, lies(func(_ *testing.T, transcript card.Transcript) {
			transcript[0].Response = bytes.Replace(transcript[0].Response, []byte{0x9F, 0x37, 4}, []byte{0x9F, 0xB7, 0x84}, 1)
		}), "PDOL cannot be understood"},
		{"nothing said to the PDOL", oda.DDA, lies(func(t *testing.T, transcript card.Transcript) {
			find(t, transcript, inOptions).Command = apdu.GetProcessingOptions([]byte{0x83, 0}).Bytes()
		}), "less than the PDOL asks"},
		{"DDOL of the device that points into data signed before", oda.DDA, lies(func(t *testing.T, transcript card.Transcript) {
			add(t, find(t, transcript, inOptions), tlv.Append(nil, 0x9F49, []byte{0xDF, 0x01, 0, 0x9F, 0x37, 4}))
		}), "DDOL is not signed"},
		{"more said than the DDOL asks", oda.DDA, lies(func(t *testing.T, transcript card.Transcript) {
			find(t, transcript, inDDA).Command = apdu.InternalAuthenticate(append(slices.Clone(un), 1)).Bytes()
		}), "more than the DDOL asks"},
		{"signature over nothing in a wrong template", oda.DDA, lies(func(t *testing.T, transcript card.Transcript) {
			find(t, transcript, inDDA).Response = []byte{0x9F, 0x36, 1, 1, 0x90, 0x00}
		}), "length of the key"},
	}
}

func attacksOnTheForm() []attack {
	return []attack{
		{"signed record left out", oda.DDA, lies(func(t *testing.T, transcript card.Transcript) {
			e := find(t, transcript, inRecord)
			add(t, find(t, transcript, inOptions), e.Response[2:len(e.Response)-2])
			*e = card.Exchange{Command: []byte{0x80, 0xCA, 0x9F, 0x17, 0}, Response: []byte{0x6A, 0x88}}
		}), "a signed record was not read"},
		{"locator without signed records", oda.DDA, lies(func(t *testing.T, transcript card.Transcript) {
			locate(t, transcript, 0x08, 1, 1, 0, 0x10, 1, 4, 0)
		}), "hash does not fit"},
		{"locator with more signed records", oda.DDA, lies(func(t *testing.T, transcript card.Transcript) {
			locate(t, transcript, 0x08, 1, 1, 1, 0x10, 1, 4, 1)
		}), "hash does not fit"},
		{"locator with more signed records than records", oda.DDA, lies(func(t *testing.T, transcript card.Transcript) {
			locate(t, transcript, 0x08, 1, 1, 2, 0x10, 1, 4, 0)
		}), "more signed records than records"},
		{"locator with a record twice", oda.DDA, lies(func(t *testing.T, transcript card.Transcript) {
			locate(t, transcript, 0x08, 1, 1, 1, 0x08, 1, 1, 0, 0x10, 1, 4, 0)
		}), "names a record twice"},
		{"more data to be signed than EMV has", oda.DDA, added(inOptions, []byte{0x9F, 0x4A, 2, 0x82, 0x5A}), "more data signed"},
		{"profile to be signed that was not", oda.DDA, added(inOptions, []byte{0x9F, 0x4A, 1, 0x82}), "hash does not fit"},
		{"asked to sign twice", oda.DDA, func(t *testing.T, transcript card.Transcript) card.Transcript {
			return append(transcript, *find(t, transcript, inDDA))
		}, "asked to sign twice"},
		{"asked for two cryptograms", oda.CDA, func(t *testing.T, transcript card.Transcript) card.Transcript {
			return append(transcript, *find(t, transcript, inCDA))
		}, "asked for two cryptograms"},
		{"a lesser proof behind a wrong one", oda.FDDA, func(_ *testing.T, transcript card.Transcript) card.Transcript {
			return append(transcript, card.Exchange{Command: apdu.InternalAuthenticate(un).Bytes(), Response: []byte{0x80, 1, 1, 0x90, 0}})
		}, "length of the key"},
		{"number alone", oda.DDA, func(_ *testing.T, transcript card.Transcript) card.Transcript { return transcript[:3] }, "gave no proof"},
	}
}

func TestLiesOfADeviceLeaveTheTapIdentified(t *testing.T) {
	honest := map[oda.Method]*cardtest.EMV{}
	for _, method := range []oda.Method{oda.DDA, oda.FDDA, oda.CDA} {
		honest[method] = proving(method, 1152, 1024, 1024)
		honest[method].Proof.Authority = key(1152, 0)
	}
	for _, a := range attacks() {
		t.Run(string(a.method)+", "+a.name, func(t *testing.T) {
			c := honest[a.method]
			c.Reset()
			got := examine(t, a.lie(t, tap(t, c, challenge).Transcript), authorities(t, c))
			if a.why == "" { // a lie about nothing
				if !got.Authentic || got.Number != c.Number {
					t.Errorf("got %+v, want it authentic", got)
				}
				return
			}
			if got.Authentic || got.AmountSigned || !strings.Contains(got.Why, a.why) {
				t.Errorf("got %+v, want it identified because %s", got, a.why)
			}
			if strings.Contains(got.Why, got.Number.Reveal()) || strings.Contains(got.Why, got.Number.Last4()) {
				t.Errorf("%q tells of the number", got.Why)
			}
		})
	}
}

func TestSignatureForOneChallengeIsNoneForAnother(t *testing.T) {
	for _, method := range []oda.Method{oda.DDA, oda.FDDA, oda.CDA} {
		c := proving(method, 1152, 1024, 1024)
		old := challenge
		old.UnpredictableNumber = [4]byte{1, 2, 3, 4}
		transcript := tap(t, c, old).Transcript
		for _, e := range transcript { // the device says that it asked with the new one
			i := bytes.Index(e.Command, otherUN)
			for ; i >= 0; i = bytes.Index(e.Command, otherUN) {
				copy(e.Command[i:], un)
			}
		}
		if got := examine(t, transcript, authorities(t, c)); got.Authentic || !strings.Contains(got.Why, "hash does not fit") {
			t.Errorf("%s: got %+v", method, got)
		}
	}
}

func TestSignatureForOneAmountIsNoneForAnother(t *testing.T) {
	for _, method := range []oda.Method{oda.FDDA, oda.CDA} {
		c := proving(method, 1152, 1024, 1024)
		large := challenge
		large.Amount = 12500
		transcript := tap(t, c, large).Transcript
		for _, e := range transcript {
			if i := bytes.Index(e.Command, tenfold); i >= 0 {
				copy(e.Command[i:], amount)
			}
		}
		if got := examine(t, transcript, authorities(t, c)); got.Authentic || got.Why == "" {
			t.Errorf("%s: got %+v", method, got)
		}
	}
}

func TestTranscriptsOfNoCardAreRefused(t *testing.T) {
	c := proving(oda.DDA, 1152, 1024, 1024)
	whole := tap(t, c, challenge).Transcript
	other := whole[2]
	other.Response = append(tlv.Append(nil, 0x70, number5A(victim)), 0x90, 0)
	for _, f := range []struct {
		name       string
		transcript card.Transcript
		want       error
	}{
		{"nothing", nil, oda.ErrNoAccount},
		{"no application", whole[1:], oda.ErrNoAccount},
		{"no GET PROCESSING OPTIONS", whole[:1], oda.ErrNoAccount},
		{"no record", whole[:2], oda.ErrNoAccount},
		{"another application selected afterwards", append(slices.Clone(whole), whole[0]), oda.ErrNoAccount},
		{"another application tried afterwards", append(slices.Clone(whole),
			card.Exchange{Command: whole[0].Command, Response: []byte{0x6A, 0x82}}), oda.ErrNoAccount},
		{"no command", card.Transcript{{Response: []byte{0x90, 0}}}, oda.ErrMalformed},
		{"no status word", card.Transcript{{Command: whole[0].Command, Response: []byte{0x90}}}, oda.ErrMalformed},
		{"a record with two contents", append(slices.Clone(whole), other), oda.ErrMalformed},
		{"started twice", append(slices.Clone(whole), whole[1]), oda.ErrMalformed},
		{"GET RESPONSE of nothing", append(slices.Clone(whole), card.Exchange{
			Command: apdu.GetResponse(1).Bytes(), Response: []byte{0x90, 0}}), oda.ErrMalformed},
		{"too many exchanges", slices.Repeat(whole, 20), oda.ErrMalformed},
		{"too many bytes", append(slices.Clone(whole), card.Exchange{Command: whole[0].Command,
			Response: make([]byte, oda.MaxBytes)}), oda.ErrMalformed},
		{"answer that is no TLV", card.Transcript{whole[0], {Command: whole[1].Command, Response: []byte{0x77, 0x90, 0}}}, oda.ErrMalformed},
		{"locator of three bytes", card.Transcript{whole[0], {Command: whole[1].Command, Response: []byte{0x80, 5, 0, 0, 8, 1, 1, 0x90, 0}}}, oda.ErrMalformed},
		{"locator backwards", card.Transcript{whole[0], {Command: whole[1].Command, Response: []byte{0x80, 6, 0, 0, 8, 2, 1, 0, 0x90, 0}}}, oda.ErrMalformed},
	} {
		got, err := oda.Examine(f.transcript, challenge, authorities(t, c), now)
		if !errors.Is(err, f.want) || got != (oda.Finding{}) {
			t.Errorf("%s: got %+v, %v; want %v", f.name, got, err, f.want)
		}
	}
}

func TestNoAuthorityOrAnExpiredOneProvesNothing(t *testing.T) {
	c := proving(oda.DDA, 1152, 1024, 1024)
	transcript := tap(t, c, challenge).Transcript
	for name, a := range map[string]*oda.Authorities{"none": nil, "others": oda.BuiltIn()} {
		if got := examine(t, transcript, a); got.Authentic || !strings.Contains(got.Why, "is not known") {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	text := bytes.Replace(c.Proof.Authorities(c), []byte(`"test": true`), []byte(`"test": false, "expires": "2026-06-15"`), 1)
	a, err := oda.LoadAuthorities(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{"2026-06-15T23:59:59Z": true, "2026-06-16T00:00:00Z": false} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := oda.Examine(transcript, challenge, a, now); err != nil || got.Authentic != want {
			t.Errorf("%s: got %+v, %v", at, got, err)
		}
	}
}
