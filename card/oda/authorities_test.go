package oda_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"tapline/card/oda"
)

func capk(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/capk.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestPublishedKeysLoadAndTestKeysOnlyWhenAskedFor(t *testing.T) {
	live, err := oda.LoadAuthorities(bytes.NewReader(capk(t)))
	if err != nil {
		t.Fatal(err)
	}
	all, err := oda.LoadTestAuthorities(bytes.NewReader(capk(t)))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(live.Keys()); got != 9 {
		t.Errorf("%d live keys, want 9", got)
	}
	if got := len(all.Keys()); got != 15 {
		t.Errorf("%d keys with test keys, want 15", got)
	}
	for _, key := range append(live.Keys(), oda.BuiltIn().Keys()...) {
		if key.Test {
			t.Errorf("%s is a test key", key.Name)
		}
	}
	if got := len(oda.BuiltIn().Keys()); got != 9 {
		t.Errorf("%d built-in keys, want 9", got)
	}
}

func TestTestKeyIsOneWhateverItsFileSays(t *testing.T) {
	text := bytes.ReplaceAll(capk(t), []byte(`"test": true`), []byte(`"test": false`))
	live, err := oda.LoadAuthorities(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(live.Keys()); got != 9 {
		t.Errorf("%d keys, want the 9 live ones", got)
	}
}

func TestBuiltInKeysEndWhenTheirLengthDoes(t *testing.T) {
	for _, key := range oda.BuiltIn().Keys() {
		want := map[int]string{1024: "2009-12-31", 1152: "2017-12-31", 1408: "2024-12-31", 1984: "2033-12-31"}[key.Bits]
		if got := key.Expires.Format(time.DateOnly); got != want {
			t.Errorf("%s ends %s, want %s", key.Name, got, want)
		}
	}
}

func TestFilesThatCannotBeTrustedAreRefused(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(string(capk(t)), old, new, 1) }
	for name, text := range map[string]string{
		"no JSON":                "keys",
		"empty":                  "{}",
		"something behind":       string(capk(t)) + "{}",
		"unknown field":          change(`"keys"`, `"revokd": [], "keys"`),
		"check value":            change("D34A6A77", "D34A6A78"),
		"no check value":         change("D34A6A776011C7E7CE3AEC5F03AD2F8CFC5503CC", ""),
		"modulus":                change("C696034213D7D854", "C696034213D7D855"),
		"RID":                    change(`"rid": "A000000003"`, `"rid": "A000000004"`),
		"index":                  change(`"index": "01"`, `"index": "02"`),
		"index of two bytes":     change(`"index": "01"`, `"index": "0101"`),
		"exponent":               change(`"exponent": "03"`, `"exponent": "05"`),
		"bits":                   change(`"bits": 1024`, `"bits": 1152`),
		"expiry":                 change(`"bits": 1024`, `"bits": 1024, "expires": "12/2030"`),
		"revocation, serial":     change(`"keys"`, `"revoked": [{"rid": "A000000003", "index": "01", "serial": "01"}], "keys"`),
		"revocation, no index":   change(`"keys"`, `"revoked": [{"rid": "A000000003", "serial": "010203"}], "keys"`),
		"two keys of one name":   twice(t, capk(t)),
		"larger than a megabyte": string(capk(t)) + strings.Repeat(" ", 1<<20),
	} {
		if _, err := oda.LoadTestAuthorities(strings.NewReader(text)); !errors.Is(err, oda.ErrAuthorities) {
			t.Errorf("%s: got %v, want ErrAuthorities", name, err)
		}
	}
}

// twice is a file with its first key at both ends.
func twice(t *testing.T, text []byte) string {
	t.Helper()
	var file map[string]any
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	keys := file["keys"].([]any)
	file["keys"] = append(keys, keys[0])
	changed, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(changed)
}

func FuzzAuthorities(f *testing.F) {
	f.Add(capk(f))
	f.Add([]byte(`{"keys":[],"revoked":[{"rid":"A000000003","index":"01","serial":"010203"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := oda.LoadTestAuthorities(bytes.NewReader(text))
		if err == nil != (len(a.Keys()) > 0) {
			t.Errorf("%d keys and error %v", len(a.Keys()), err)
		}
	})
}
