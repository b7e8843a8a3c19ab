package oda

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"
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
