package consent

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRelyingPartyIsTheHostOfAnOrigin(t *testing.T) {
	for origin, want := range map[string]RelyingParty{
		"https://pay.example":      {ID: "pay.example", Origin: "https://pay.example"},
		"https://pay.example:8443": {ID: "pay.example", Origin: "https://pay.example:8443"},
		"http://localhost:8480":    {ID: "localhost", Origin: "http://localhost:8480"},
	} {
		if got, err := RelyingPartyOf(origin); err != nil || got != want {
			t.Errorf("RelyingPartyOf(%q) = %+v, %v; want %+v", origin, got, err, want)
		}
	}
	for _, origin := range []string{"", "pay.example", "https://", "https://pay.example/", "https://user@pay.example", "https://pay.example?x", "://"} {
		if got, err := RelyingPartyOf(origin); !errors.Is(err, ErrInvalid) {
			t.Errorf("RelyingPartyOf(%q) = %+v, %v; want ErrInvalid", origin, got, err)
		}
	}
}

func TestACounterRisesOrIsNotThere(t *testing.T) {
	for _, c := range []struct {
		last, next uint32
		rises      bool
	}{{0, 0, true}, {0, 1, true}, {5, 6, true}, {5, 5, false}, {5, 4, false}, {5, 0, false}, {1<<32 - 1, 0, false}} {
		if got := (Passkey{Counter: c.last}).Rises(c.next); got != c.rises {
			t.Errorf("after %d comes %d: %v, want %v", c.last, c.next, got, c.rises)
		}
	}
}

// FuzzPasskey feeds the parsers of what authenticators say, under client data that fits. What is taken has a user who was
// verified, and a key; nothing panics.
func FuzzPasskey(f *testing.F) {
	party, challenge := RelyingParty{ID: "pay.example", Origin: "https://pay.example"}, make([]byte, 32)
	encode := base64.RawURLEncoding.EncodeToString
	client := func(typ string, challenge []byte) string {
		return encode([]byte(`{"type":"` + typ + `","challenge":"` + encode(challenge) + `","origin":"https://pay.example"}`))
	}
	host := sha256.Sum256([]byte(party.ID))
	data := append(host[:], 0x45, 0, 0, 0, 1)                                                   // user present and verified, attested
	data = append(append(data, make([]byte, 16)...), 0, 2, 'i', 'd')                            // AAGUID, credential id
	data = append(data, "\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20"+string(make([]byte, 32))...) // an EdDSA key
	f.Add(append([]byte("\xa3cfmtdnonegattStmt\xa0hauthDataX\x65"), data...), []byte{})
	f.Add(append(host[:], 0x05, 0, 0, 0, 0), []byte("\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20"+string(make([]byte, 32))))
	text := statement().Text()
	f.Fuzz(func(t *testing.T, made, key []byte) {
		k, err := party.Register(PasskeyCreation{ClientData: client(clientCreates, challenge), Attestation: encode(made)}, challenge)
		if err != nil && !errors.Is(err, ErrPasskey) || err == nil && (len(k.ID) == 0 || len(k.PublicKey) == 0) {
			t.Errorf("Register = %+v, %v", k, err)
		}
		a := PasskeyAssertion{Credential: encode([]byte("id")), ClientData: client(clientGets, ConfirmationChallenge(text)),
			AuthenticatorData: encode(made), Signature: encode(key)}
		if _, err := party.Confirm(a, Passkey{ID: []byte("id"), PublicKey: key}, "card", text); !errors.Is(err, ErrPasskey) {
			t.Errorf("Confirm: %v", err)
		}
	})
}

func TestAnEdDSAKeyIsRead(t *testing.T) {
	// The seed of the fuzz function: what is taken is what it says.
	party, challenge := RelyingParty{ID: "pay.example", Origin: "https://pay.example"}, make([]byte, 32)
	encode := base64.RawURLEncoding.EncodeToString
	host := sha256.Sum256([]byte(party.ID))
	data := append(host[:], 0x4D, 0, 0, 0, 9)
	data = append(append(data, make([]byte, 16)...), 0, 2, 'i', 'd')
	cose := "\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20" + string(make([]byte, 32))
	data = append(data, cose...)
	object := append([]byte("\xa3cfmtdnonegattStmt\xa0hauthDataX"), byte(len(data)))
	made := PasskeyCreation{
		ClientData: encode([]byte(`{"type":"webauthn.create","challenge":"` + encode(challenge) +
			`","origin":"https://pay.example","a key that browsers may add":1}`)),
		Attestation: encode(append(object, data...)),
	}
	got, err := party.Register(made, challenge)
	want := Passkey{ID: []byte("id"), PublicKey: []byte(cose), Counter: 9, Synced: true}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Register: %v (-want +got):\n%s", err, diff)
	}
}
