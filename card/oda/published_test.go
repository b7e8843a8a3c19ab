package oda

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"

	"tapline/card"
)

// publishedParts are parts of chains that others published, of test cards.
func publishedParts(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]string
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	parts := map[string][]byte{}
	for name, digits := range file {
		if parts[name], err = hex.DecodeString(digits); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return parts
}

func TestPublishedTestKeyVerifiesAPublishedIssuerCertificate(t *testing.T) {
	parts := publishedParts(t)
	text, err := os.ReadFile("testdata/capk.json")
	if err != nil {
		t.Fatal(err)
	}
	a, err := LoadTestAuthorities(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC)
	ca := a.keys[authorityID{[5]byte{0xA0, 0, 0, 0, 3}, 0x94}].key
	got, err := openIssuer(ca, parts["issuer_certificate"], nil, []byte{3}, now)
	if err != nil {
		t.Fatal(err)
	}
	if got.identifier != "476173" || got.serial != [3]byte{0x03, 0xDA, 0x0A} || got.size != 176 ||
		!bytes.HasPrefix(got.modulus.Bytes(), parts["issuer_modulus_begins"]) {
		t.Errorf("got issuer %s, serial %X, %d bytes", got.identifier, got.serial, got.size)
	}
	wrong := bytes.Clone(parts["issuer_certificate"])
	wrong[len(wrong)-1]++
	if _, err := openIssuer(ca, wrong, nil, []byte{3}, now); err == nil {
		t.Error("a changed certificate was verified")
	}
	if _, err := openIssuer(ca, parts["issuer_certificate"], nil, []byte{1, 0, 1}, now); err == nil {
		t.Error("another exponent was verified")
	}
}

func TestPublishedCardKeyVerifiesAPublishedSignature(t *testing.T) {
	parts := publishedParts(t)
	key, err := newPublicKey(parts["card_modulus"], []byte{3})
	if err != nil {
		t.Fatal(err)
	}
	got, err := dynamic(key, parts["dynamic_signature"], []byte{formatDynamic}, parts["unpredictable_number"])
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != 8 || !bytes.Equal(got[1:9], parts["dynamic_number"]) {
		t.Errorf("got %X", got)
	}
	if _, err := dynamic(key, parts["dynamic_signature"], []byte{formatDynamic}, []byte{0x8B, 0x55, 0x63, 0x3C}); err == nil {
		t.Error("another unpredictable number was verified")
	}
}

// recordedCard is what a real card of CB and Visa answered in 2015. The author of the recording overwrote the number and
// the card's signature, but not the certificates.
func recordedCard(t *testing.T) card.Transcript {
	t.Helper()
	text, err := os.ReadFile("../testdata/transcripts/VisaCardPpse3.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Exchanges []struct{ R string }
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	commands := []string{"00A4040007A000000042101000", "80A8000012831037804000000000001250CAFE1001097800", "00B2021400",
		"00B2031400", "00B2041400"}
	var transcript card.Transcript
	for i, command := range commands {
		c, err := hex.DecodeString(command)
		if err != nil {
			t.Fatal(err)
		}
		r, err := hex.DecodeString(file.Exchanges[i+2].R)
		if err != nil {
			t.Fatal(err)
		}
		transcript = append(transcript, card.Exchange{Command: c, Response: r})
	}
	return transcript
}

func TestCertificatesOfARecordedCardVerifyWithThePublishedLiveKey(t *testing.T) {
	a := BuiltIn()
	c := Challenge{UnpredictableNumber: [4]byte{0xCA, 0xFE, 0x10, 0x01}, Amount: 1250, Currency: 978}
	transcript := recordedCard(t)
	then := time.Date(2015, 6, 15, 0, 0, 0, 0, time.UTC)
	d, err := walk(transcript)
	if err != nil || d.flaw != "" {
		t.Fatal(err, d.flaw)
	}
	issuer, err := d.issuer(a, then)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.card(issuer.publicKey, then); err != nil {
		t.Error(err)
	}
	if asked, err := c.check("PDOL", d.pdol, d.values); err != nil || asked != (covered{true, true, true}) {
		t.Errorf("a real PDOL for fDDA asks for %+v, %v", asked, err)
	}
	got, err := Examine(transcript, c, a, then)
	if err != nil || got.Authentic || got.Method != FDDA || got.Why != "the account number is not one of the certified issuer's" {
		t.Errorf("with the overwritten number: got %+v, %v", got, err)
	}
	got, err = Examine(transcript, c, a, time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC))
	if err != nil || got.Authentic || got.Why != "the authority's key 07 of A000000003 has expired" {
		t.Errorf("today: got %+v, %v", got, err)
	}
}
