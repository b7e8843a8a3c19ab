package oda_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/oda"
	"tapline/card/tlv"
)

var challenge = oda.Challenge{UnpredictableNumber: [4]byte{0xCA, 0xFE, 0x10, 0x01}, Amount: 1250, Currency: 156}

// now is when all tests tap.
var now = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

var keys sync.Map

// key is the nth key pair of a length, the same in all tests.
func key(bits, n int) *cardtest.RSAKey {
	exponent := []int64{3, 65537}[n%2]
	made, _ := keys.LoadOrStore([2]int{bits, n}, sync.OnceValue(func() *cardtest.RSAKey {
		return cardtest.NewRSAKey(bits, exponent)
	}))
	return made.(func() *cardtest.RSAKey)()
}

// proving is a card with a proof by keys of authority, issuer and card.
func proving(method oda.Method, authority, issuer, own int) *cardtest.EMV {
	return &cardtest.EMV{Number: cardtest.Number("4111111111111111"), AID: "A0000000031010", Proof: &cardtest.Proof{
		Method: method, Authority: key(authority, 0), Issuer: key(issuer, 1), Card: key(own, 2), Index: 0xF1,
	}}
}

func authorities(t testing.TB, c *cardtest.EMV) *oda.Authorities {
	t.Helper()
	a, err := oda.LoadTestAuthorities(bytes.NewReader(c.Proof.Authorities(c)))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// tap reads a card with a challenge.
func tap(t testing.TB, c card.Transmitter, with oda.Challenge) card.Reading {
	t.Helper()
	reading, err := card.Read(t.Context(), c, card.Terminal{
		Prove: true, UnpredictableNumber: with.UnpredictableNumber, Amount: with.Amount, Currency: with.Currency,
	})
	if err != nil {
		t.Fatal(err)
	}
	return reading
}

func examine(t testing.TB, transcript card.Transcript, a *oda.Authorities) oda.Finding {
	t.Helper()
	got, err := oda.Examine(transcript, challenge, a, now)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// requireAuthentic taps the card and wants its proof to be right.
func requireAuthentic(t *testing.T, c *cardtest.EMV, amountSigned bool) {
	t.Helper()
	got := examine(t, tap(t, c, challenge).Transcript, authorities(t, c))
	want := oda.Finding{Number: c.Number, Scheme: card.SchemeOf(c.AID), AID: c.AID, Expiry: "3012", PSN: "01",
		Authentic: true, AmountSigned: amountSigned, Method: c.Proof.Method}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestEveryMethodIsAuthenticAtEveryKeySize(t *testing.T) {
	sizes := []int{768, 896, 1024, 1152, 1280, 1408, 1536, 1664, 1792, 1920, 1984}
	methods := []oda.Method{oda.DDA, oda.FDDA, oda.CDA}
	turn := 0
	for a, authority := range sizes {
		for i, issuer := range sizes[:a+1] {
			for _, own := range sizes[:i+1] {
				method := methods[turn%len(methods)]
				turn++
				if method == oda.CDA && own > 1640 {
					method = oda.DDA // its signature would not fit a short response; EMV Book 2 §5.1 forbids it as well
				}
				t.Run(fmt.Sprintf("%s %d %d %d", method, authority, issuer, own), func(t *testing.T) {
					requireAuthentic(t, proving(method, authority, issuer, own), method != oda.DDA)
				})
			}
		}
	}
}

func TestWhatHonestCardsDoIsAuthentic(t *testing.T) {
	for _, c := range []struct {
		name   string
		method oda.Method
		change func(*cardtest.EMV)
		amount bool
	}{
		{"leading records", oda.FDDA, func(c *cardtest.EMV) { c.Leading = 3 }, true},
		{"signature in a record", oda.FDDA, func(c *cardtest.EMV) { c.Proof.InRecord = true }, true},
		{"signed data format 05", oda.FDDA, func(c *cardtest.EMV) { c.Proof.Format = 0x05 }, true},
		{"fDDA version 00", oda.FDDA, func(c *cardtest.EMV) { c.Proof.Related = []byte{0x00} }, false},
		{"no 9F69", oda.FDDA, func(c *cardtest.EMV) { c.Proof.Related = []byte{} }, false},
		{"UnionPay", oda.FDDA, func(c *cardtest.EMV) { c.AID = "A000000333010101" }, true},
		{"profile signed", oda.FDDA, func(c *cardtest.EMV) { c.Proof.StaticTags = []byte{0x82} }, true},
		{"signed record in file 10", oda.DDA, func(c *cardtest.EMV) { c.Proof.File = 10 }, false},
		{"signed record in file 11", oda.DDA, func(c *cardtest.EMV) { c.Proof.File = 11 }, false},
		{"profile and file 30", oda.CDA, func(c *cardtest.EMV) { c.Proof.File, c.Proof.StaticTags = 30, []byte{0x82} }, true},
		{"answers in format 1", oda.DDA, func(c *cardtest.EMV) { c.Format1 = true }, false},
		{"DDOL with the amount", oda.DDA, func(c *cardtest.EMV) {
			c.Proof.DDOL = []byte{0x9F, 0x02, 6, 0x5F, 0x2A, 2, 0x9F, 0x37, 4}
		}, true},
		{"unpredictable number in the PDOL alone", oda.CDA, func(c *cardtest.EMV) {
			c.Proof.CDOL1 = []byte{0x9F, 0x02, 6, 0x5F, 0x2A, 2}
		}, true},
		{"unpredictable number in the CDOL1 alone", oda.CDA, func(c *cardtest.EMV) { c.PDOL = []byte{} }, true},
		{"CDOL1 without the amount", oda.CDA, func(c *cardtest.EMV) { c.Proof.CDOL1 = []byte{0x9F, 0x37, 4} }, false},
		{"identifier of eight digits", oda.DDA, func(c *cardtest.EMV) { c.Proof.Identifier = "41111111" }, false},
		{"identifier of three digits", oda.DDA, func(c *cardtest.EMV) { c.Proof.Identifier = "411" }, false},
		{"number of 19 digits", oda.DDA, func(c *cardtest.EMV) { c.Number = cardtest.Number("6210946888090000003") }, false},
		{"payment account reference in a signed record of 200 bytes", oda.CDA, func(c *cardtest.EMV) {
			c.Proof.CDOL1 = bytes.Repeat([]byte{0x9F, 0x37, 4, 0xDF, 0x01, 1}, 20)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual := proving(c.method, 1152, 1024, 1024)
			c.change(virtual)
			requireAuthentic(t, virtual, c.amount)
		})
	}
}

func TestCertificatesOf248BytesAreReadInRecordsOf254(t *testing.T) {
	longest := 0
	for _, e := range tap(t, proving(oda.DDA, 1984, 1984, 1984), challenge).Transcript {
		longest = max(longest, len(e.Response)-2)
	}
	if longest < 254 {
		t.Errorf("the longest answer has %d bytes, want 254 at least", longest)
	}
}

func TestStaticSignatureIsRecognisedAsCopyable(t *testing.T) {
	c := proving(oda.SDA, 1152, 1024, 1024)
	read := tap(t, c, challenge)
	if read.APDUs != 4 {
		t.Errorf("%d commands: a proof that can be copied is not worth one", read.APDUs)
	}
	transcript := whole(t, c)
	got := examine(t, transcript, authorities(t, c))
	if got.Authentic || got.Method != oda.SDA || !strings.Contains(got.Why, "can be copied") || got.Number != c.Number {
		t.Errorf("got %+v", got)
	}
	retell(t, transcript, 0x93, bytes.Repeat([]byte{1}, 128))
	if got := examine(t, transcript, authorities(t, c)); got.Authentic || got.Method != oda.SDA || got.Why == "" {
		t.Errorf("wrong static signature: got %+v", got)
	}
}

// whole is what a reader hears that reads every record of a card, wanted or not.
func whole(t *testing.T, c *cardtest.EMV) card.Transcript {
	t.Helper()
	transcript := tap(t, c, challenge).Transcript[:2]
	c.Reset()
	for i, e := range transcript {
		answer, err := c.Transmit(t.Context(), e.Command)
		if err != nil {
			t.Fatal(err)
		}
		transcript[i].Response = answer
	}
	for _, file := range []byte{1, 2} {
		for number := byte(1); number <= 8; number++ {
			command := []byte{0x00, 0xB2, number, file<<3 | 4, 0x00}
			answer, err := c.Transmit(t.Context(), command)
			if err != nil {
				t.Fatal(err)
			}
			transcript = append(transcript, card.Exchange{Command: command, Response: answer})
		}
	}
	return transcript
}

// retell changes what the card told under a tag, in the first answer that has it, or in the account's record if none
// has; nil takes the object away.
func retell(t testing.TB, transcript card.Transcript, tag tlv.Tag, value []byte) {
	t.Helper()
	for i, e := range transcript {
		objects, err := tlv.Parse(e.Response[:len(e.Response)-2])
		if err != nil || len(objects) != 1 || !objects[0].Tag.Constructed() {
			continue
		}
		if _, has := objects.Find(tag); !has {
			continue
		}
		var changed []byte
		for _, o := range objects[0].Children {
			switch {
			case o.Tag != tag:
				changed = tlv.Append(changed, o.Tag, o.Value)
			case value != nil:
				changed = tlv.Append(changed, tag, value)
			}
		}
		transcript[i].Response = append(tlv.Append(nil, objects[0].Tag, changed), 0x90, 0x00)
		return
	}
	t.Fatalf("no answer has %s", tag)
}
