package oda_test

import (
	"bytes"
	"errors"
	"fmt"
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

func TestCertificatesThatDoNotHoldLeaveTheTapIdentified(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*cardtest.Proof)
		why    string
	}{
		{"issuer certificate expired", func(p *cardtest.Proof) { p.IssuerExpiry = "0526" }, "issuer certificate: it has expired"},
		{"issuer certificate of the last century", func(p *cardtest.Proof) { p.IssuerExpiry = "1299" }, "it has expired"},
		{"issuer certificate without month", func(p *cardtest.Proof) { p.IssuerExpiry = "1326" }, "no month"},
		{"card certificate expired", func(p *cardtest.Proof) { p.CardExpiry = "0526" }, "card certificate: it has expired"},
		{"another issuer's number", func(p *cardtest.Proof) { p.Identifier = "411112" }, "certified issuer's"},
		{"identifier of two digits", func(p *cardtest.Proof) { p.Identifier = "41" }, "names no issuer"},
		{"number with a digit more", func(p *cardtest.Proof) { p.Certified = "41111111111111111" }, "card's certificate"},
		{"number with a digit less", func(p *cardtest.Proof) { p.Certified = "411111111111111" }, "card's certificate"},
		{"number of another card", func(p *cardtest.Proof) { p.Certified = victim }, "card's certificate"},
		{"hash algorithm 02", func(p *cardtest.Proof) { p.HashAlgorithm = 0x02 }, "hash algorithm 02"},
		{"list of other static data", func(p *cardtest.Proof) { p.StaticTags = []byte{0x82, 0x84} }, "more data signed"},
		{"list of 5A as static data", func(p *cardtest.Proof) { p.StaticTags = []byte{0x5A} }, "more data signed"},
		{"signed data format 04", func(p *cardtest.Proof) { p.Format = 0x04 }, "not made with the key"},
		{"signed data format 95 in DDA", func(p *cardtest.Proof) { p.Format = 0x95 }, "not made with the key"},
		{"issuer's key longer than the authority's", func(p *cardtest.Proof) { p.Issuer = key(1408, 1) }, "longer than the authority's"},
		{"card's key longer than the issuer's", func(p *cardtest.Proof) { p.Card = key(1152, 2) }, "longer than the issuer's"},
		{"card's key of 752 bits", func(p *cardtest.Proof) { p.Card = key(752, 2) }, "has 752 bits"},
		{"card's exponent 5", func(p *cardtest.Proof) { p.Card = cardtest.NewRSAKey(768, 5) }, "neither 3 nor 65537"},
		{"DDOL of the issuer without the unpredictable number", func(p *cardtest.Proof) { p.DDOL = []byte{0x9F, 0x02, 6} },
			"does not ask for the unpredictable number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual := proving(oda.DDA, 1152, 1024, 1024)
			c.change(virtual.Proof)
			got := examine(t, tap(t, virtual, challenge).Transcript, authorities(t, virtual))
			if got.Authentic || !strings.Contains(got.Why, c.why) || got.Number != virtual.Number {
				t.Errorf("got %+v, want it identified because %s", got, c.why)
			}
		})
	}
}

func TestCertificatesHoldUntilTheEndOfTheirMonth(t *testing.T) {
	for _, expiry := range []func(*cardtest.EMV){
		func(c *cardtest.EMV) { c.Proof.IssuerExpiry = "1226" },
		func(c *cardtest.EMV) { c.Proof.CardExpiry = "1226" },
		func(c *cardtest.EMV) { c.Expiry = "2612" },
	} {
		c := proving(oda.DDA, 1152, 1024, 1024)
		expiry(c)
		transcript := tap(t, c, challenge).Transcript
		for at, want := range map[string]bool{"2026-12-31T23:59:59Z": true, "2027-01-01T00:00:00Z": false} {
			now, err := time.Parse(time.RFC3339, at)
			if err != nil {
				t.Fatal(err)
			}
			got, err := oda.Examine(transcript, challenge, authorities(t, c), now)
			if err != nil || got.Authentic != want || !want && !strings.Contains(got.Why, "expired") {
				t.Errorf("%s: got %+v, %v; want authentic %v", at, got, err, want)
			}
		}
	}
}

func TestRevokedIssuerCertificateProvesNothing(t *testing.T) {
	c := proving(oda.FDDA, 1152, 1024, 1024)
	c.Proof.Serial = [3]byte{0x0A, 0x0B, 0x0C}
	transcript := tap(t, c, challenge).Transcript
	for entry, want := range map[string]bool{
		`{"rid": "A000000003", "index": "F1", "serial": "0a0b0c"}`: false,
		`{"rid": "A000000003", "index": "F1", "serial": "0a0b0d"}`: true,
		`{"rid": "A000000003", "index": "F2", "serial": "0a0b0c"}`: true,
		`{"rid": "A000000004", "index": "F1", "serial": "0a0b0c"}`: true,
	} {
		text := strings.Replace(string(c.Proof.Authorities(c)), "{", `{"revoked": [`+entry+`],`, 1)
		a, err := oda.LoadTestAuthorities(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		got := examine(t, transcript, a)
		if got.Authentic != want || !want && !strings.Contains(got.Why, "0A0B0C was revoked") {
			t.Errorf("%s: got %+v", entry, got)
		}
	}
}

func TestCardOfCBIsCertifiedByItsOtherScheme(t *testing.T) {
	cb, visa := proving(oda.FDDA, 1152, 1024, 1024), proving(oda.FDDA, 1152, 1024, 1024)
	cb.AID = "A0000000421010"
	own, others := authorities(t, cb), authorities(t, visa)
	for name, c := range map[string]struct {
		card *cardtest.EMV
		keys *oda.Authorities
		want bool
	}{
		"CB with Visa's key": {cb, others, true}, "CB with its own key": {cb, own, true}, "Visa with CB's key": {visa, own, false},
	} {
		if got := examine(t, tap(t, c.card, challenge).Transcript, c.keys); got.Authentic != c.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	text := strings.Replace(string(visa.Proof.Authorities(visa)), "{",
		`{"revoked": [{"rid": "A000000003", "index": "F1", "serial": "000000"}],`, 1)
	revoked, err := oda.LoadTestAuthorities(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := examine(t, tap(t, cb, challenge).Transcript, revoked); got.Authentic || !strings.Contains(got.Why, "revoked") {
		t.Errorf("CB with a certificate that Visa revoked: got %+v", got)
	}
}

// TestPlainCardIsIdentified is about cards that only tell their number.
func TestPlainCardIsIdentified(t *testing.T) {
	c := &cardtest.EMV{}
	got := examine(t, tap(t, c, challenge).Transcript, oda.BuiltIn())
	want := oda.Finding{Number: cardtest.Number("6200000000000005"), Scheme: card.UnionPay, AID: "A000000333010101",
		Expiry: "3012", PSN: "01", Why: "the card gave no proof"}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestHowAReaderReadsMakesNoDifference is about other readers than card.Read.
func TestHowAReaderReadsMakesNoDifference(t *testing.T) {
	c := proving(oda.CDA, 1152, 1024, 1024)
	c.Leading = 1
	whole := tap(t, c, challenge).Transcript
	records := len(whole) - 3
	reordered := slices.Clone(whole)
	slices.Reverse(reordered[2 : 2+records])
	directory := card.Exchange{Command: apdu.Select([]byte("2PAY.SYS.DDF01")).Bytes(), Response: []byte{0x6A, 0x82}}
	other := card.Exchange{Command: []byte{0x80, 0xCA, 0x9F, 0x17, 0}, Response: []byte{0x9F, 0x17, 1, 3, 0x90, 0}}
	outside := card.Exchange{Command: apdu.ReadRecord(11, 1).Bytes(),
		Response: append(tlv.Append(nil, 0x70, number5A(victim)), 0x90, 0)}
	for name, transcript := range map[string]card.Transcript{
		"records in another order":                reordered,
		"a record twice":                          slices.Insert(slices.Clone(whole), 3, whole[2]),
		"directory before":                        slices.Insert(slices.Clone(whole), 0, directory),
		"GET DATA between":                        slices.Insert(slices.Clone(whole), 3, other),
		"another application before":              append(slices.Clone(tap(t, &cardtest.EMV{}, challenge).Transcript), whole...),
		"a record that the locator does not name": slices.Insert(slices.Clone(whole), 3, outside),
		"GET PROCESSING OPTIONS refused at first": slices.Insert(slices.Clone(whole), 1, card.Exchange{Command: whole[1].Command, Response: []byte{0x67, 0}}),
		"a command between that the card refuses": slices.Insert(slices.Clone(whole), 3, card.Exchange{Command: whole[3].Command, Response: []byte{0x6F, 0}}),
		"answers in parts":                        inParts(whole),
		"a warning with the answer (ISO 7816-4)":  warned(whole),
	} {
		t.Run(name, func(t *testing.T) {
			if got := examine(t, transcript, authorities(t, c)); !got.Authentic || got.Number != c.Number {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// inParts is a transcript whose reader fetches answers with GET RESPONSE and corrects Le (ISO/IEC 7816-4 §5.6).
func inParts(whole card.Transcript) card.Transcript {
	var parts card.Transcript
	for _, e := range whole {
		data := e.Response[:len(e.Response)-2]
		cut := len(data) / 2
		parts = append(parts,
			card.Exchange{Command: e.Command, Response: []byte{0x6C, 0x20}},
			card.Exchange{Command: e.Command, Response: append(slices.Clone(data[:cut]), 0x61, 0x20)},
			card.Exchange{Command: apdu.GetResponse(0x20).Bytes(), Response: []byte{0x6C, 0x21}},
			card.Exchange{Command: apdu.GetResponse(0x21).Bytes(), Response: append(slices.Clone(data[cut:]), 0x90, 0)})
	}
	return parts
}

func warned(whole card.Transcript) card.Transcript {
	warned := slices.Clone(whole)
	warned[2].Response = append(slices.Clone(warned[2].Response[:len(warned[2].Response)-2]), 0x62, 0x82)
	return warned
}

// encode puts a transcript into bytes: before each command and each response its length in two bytes.
func encode(transcript card.Transcript) []byte {
	var raw []byte
	for _, e := range transcript {
		for _, part := range [][]byte{e.Command, e.Response} {
			raw = append(append(raw, byte(len(part)>>8), byte(len(part))), part...)
		}
	}
	return raw
}

func decode(raw []byte) card.Transcript {
	next := func() []byte {
		n := 0
		if len(raw) >= 2 {
			n, raw = int(raw[0])<<8|int(raw[1]), raw[2:]
		} else {
			raw = nil
		}
		n = min(n, len(raw))
		part := raw[:n:n]
		raw = raw[n:]
		return part
	}
	var transcript card.Transcript
	for len(raw) > 0 {
		transcript = append(transcript, card.Exchange{Command: next(), Response: next()})
	}
	return transcript
}

// FuzzExamine feeds any transcripts: there is an account or an error, and nothing is authentic but the number that the
// issuer certified.
func FuzzExamine(f *testing.F) {
	var a *oda.Authorities // the same for all methods
	for _, method := range []oda.Method{oda.SDA, oda.DDA, oda.FDDA, oda.CDA} {
		c := proving(method, 768, 768, 768)
		f.Add(encode(tap(f, c, challenge).Transcript))
		a = authorities(f, c)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := oda.Examine(decode(raw), challenge, a, now)
		switch {
		case err != nil && !errors.Is(err, oda.ErrMalformed) && !errors.Is(err, oda.ErrNoAccount):
			t.Errorf("error %v", err)
		case err == nil && (got.Number.IsZero() || got.Authentic == (got.Why != "")):
			t.Errorf("got %+v", got)
		case got.Authentic && got.Number != cardtest.Number("4111111111111111"):
			t.Errorf("another number than the certified one is authentic: %+v", got)
		}
	})
}

// FuzzCertificates has the issuer's and the card's certificate say anything, rightly signed.
func FuzzCertificates(f *testing.F) {
	c := proving(oda.DDA, 768, 768, 768)
	transcript := tap(f, c, challenge).Transcript
	a := authorities(f, c)
	f.Add([]byte("\x02\x41\x11\x11\xff\x12\x30\x00\x00\x01\x01\x01\x60\x03"), []byte("\x04\x41\x11\x11\x11\x11\x11\x11\x11\xff\xff\x12\x30"), []byte{1, 0, 1}, []byte("rest"))
	f.Fuzz(func(t *testing.T, issuer, own, exponent, remainder []byte) {
		lie := slices.Clone(transcript)
		retell(t, lie, 0x90, c.Proof.Authority.Sign(issuer[:min(len(issuer), 74)], remainder, exponent))
		retell(t, lie, 0x9F46, c.Proof.Issuer.Sign(own[:min(len(own), 74)], remainder, exponent))
		if len(exponent) < 100 && len(remainder) < 100 {
			retell(t, lie, 0x9F32, bytes.Clone(exponent))
			retell(t, lie, 0x9F47, bytes.Clone(exponent))
		}
		if got, err := oda.Examine(lie, challenge, a, now); err != nil || got.Authentic {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// BenchmarkExamine is what a service does for one tap.
func BenchmarkExamine(b *testing.B) {
	for _, bits := range []int{1152, 1408, 1984} {
		for _, method := range []oda.Method{oda.DDA, oda.FDDA, oda.CDA} {
			c := proving(method, bits, bits, min(bits, 1408))
			transcript, a := tap(b, c, challenge).Transcript, authorities(b, c)
			b.Run(fmt.Sprintf("%s/%d", method, bits), func(b *testing.B) {
				for b.Loop() {
					if got, err := oda.Examine(transcript, challenge, a, now); err != nil || !got.Authentic {
						b.Fatal(got, err)
					}
				}
			})
		}
	}
}
