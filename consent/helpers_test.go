package consent

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapline/keyring"
	"tapline/money"
)

const (
	audience = "https://pay.example/live"
	secretNo = AccountNumber("4111222233334444")

	secretSUN = SUNMessage("e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086")
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 890_000_000, time.UTC)

func newKey(t testing.TB) *DeviceKey {
	t.Helper()
	key, err := NewDeviceKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newKeyring(t testing.TB) *keyring.Keyring {
	t.Helper()
	keys, err := keyring.Create(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// rotated returns a keyring with one version of each key, and one that has a second version besides.
func rotated(t testing.TB) (before, after *keyring.Keyring) {
	t.Helper()
	dir, second := filepath.Join(t.TempDir(), "keys"), filepath.Join(t.TempDir(), "keys")
	before, err := keyring.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Create(second); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(second)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		to := filepath.Join(dir, strings.Replace(f.Name(), ".1.", ".2.", 1))
		if err := os.Rename(filepath.Join(second, f.Name()), to); err != nil {
			t.Fatal(err)
		}
	}
	if after, err = keyring.Open(dir); err != nil {
		t.Fatal(err)
	}
	return before, after
}

func mustSign(t testing.TB, key *DeviceKey, typ Typ, claims any) string {
	t.Helper()
	compact, err := Sign(key, typ, claims)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// receive reads and verifies as the service does.
func receive(compact string, typ Typ, key PublicKey, m Message) error {
	e, err := Read(compact, typ)
	if err != nil {
		return err
	}
	return e.Verify(key, audience, now, m)
}

func instruction(device DeviceID) *Instruction {
	c := NewClaims(audience, now)
	c.ID = string(NewPaymentID())
	return &Instruction{
		Claims: c, Device: device, Amount: money.Amount{Minor: 1250, Currency: "CNY"}, Payee: "shop@example",
		Tap: Tap{Account: secretNo}, Order: Order{Number: "A-1", Description: "two cups of tea"},
	}
}

// forge puts a JWS together from any header and payload, with the signature that sign makes of them.
func forge(header, payload string, sign func(input []byte) []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	return input + "." + encode(sign([]byte(input)))
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wantError(t testing.TB, what string, got error, want *Error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// wantField checks code and field of a refusal; an empty field wants nil.
func wantField(t testing.TB, what string, got error, field string) {
	t.Helper()
	e, refused := errors.AsType[*Error](got)
	if field == "" && got == nil || refused && e.Field == field {
		return
	}
	t.Errorf("%s: %v, want a refusal of %q", what, got, field)
}

// printed is v in every way that a careless line of code might print it, JSON excepted.
func printed(v any) string {
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	return out.String()
}
