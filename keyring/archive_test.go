package keyring

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
)

const passphrase = "correct horse battery staple"

func init() { workFactor = 10 }

func archive(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := Archive(dir, passphrase, &b)
	if want := len(Rotatable()); err != nil || n < want {
		t.Fatalf("Archive wrote %d keys, %v; want at least %d", n, err, want)
	}
	return b.Bytes()
}

func TestArchiveGivesTheKeysBack(t *testing.T) {
	dir, _ := create(t)
	if _, err := Rotate(dir, Pepper, receipt); err != nil {
		t.Fatal(err)
	}
	k := open(t, dir)
	text := archive(t, dir)
	for _, name := range []string{"new", "empty"} {
		to := filepath.Join(t.TempDir(), name)
		if name == "empty" {
			if err := os.Mkdir(to, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		back, err := Unarchive(bytes.NewReader(text), passphrase, to)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, p := range Purposes {
			if !slices.EqualFunc(back.MACs(p, []byte("x")), k.MACs(p, []byte("x")), func(a, b Versioned) bool {
				return a.Version == b.Version && bytes.Equal(a.Sum, b.Sum)
			}) {
				t.Errorf("%s: other keys for %s", name, p)
			}
		}
		if !bytes.Equal(back.PublicJWKS(), k.PublicJWKS()) {
			t.Errorf("%s: other receipt keys", name)
		}
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(to), ".keys-*")); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind %v, %v", name, left, err)
		}
	}
}

func TestArchiveTellsNoKey(t *testing.T) {
	dir, _ := create(t)
	text := archive(t, dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		key, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, bytes.TrimSpace(key)) || bytes.Contains(text, []byte(entry.Name())) {
			t.Errorf("%s can be read in the archive", entry.Name())
		}
	}
}

func TestArchiveRefusesShortPassphrases(t *testing.T) {
	dir, _ := create(t)
	for _, short := range []string{"", "1234", strings.Repeat("é", MinPassphrase-1)} {
		if _, err := Archive(dir, short, &bytes.Buffer{}); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%q: got %v, want ErrPassphrase", short, err)
		}
	}
}

func TestDamagedArchiveMakesNothing(t *testing.T) {
	dir, _ := create(t)
	text := archive(t, dir)
	flipped := bytes.Clone(text)
	flipped[len(flipped)-20] ^= 1
	var empty, foreign bytes.Buffer
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	w, err := age.Encrypt(&foreign, recipient)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, passphrase string }{
		"another passphrase": {string(text), passphrase + "!"},
		"no passphrase":      {string(text), ""},
		"cut short":          {string(text[:len(text)/2]), passphrase},
		"one bit changed":    {string(flipped), passphrase},
		"empty":              {empty.String(), passphrase},
		"no keys in it":      {foreign.String(), passphrase},
		"no archive":         {"hello", passphrase},
	} {
		to := filepath.Join(t.TempDir(), "keys")
		if _, err := Unarchive(strings.NewReader(c.text), c.passphrase, to); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, err := os.ReadDir(filepath.Dir(to)); err != nil || len(left) > 0 {
			t.Errorf("%s: made %v, %v", name, left, err)
		}
	}
	if _, err := Unarchive(bytes.NewReader(text), passphrase+"!", filepath.Join(t.TempDir(), "keys")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("another passphrase: got %v, want ErrPassphrase", err)
	}
}

func TestArchiveOverwritesNoKeys(t *testing.T) {
	dir, _ := create(t)
	text := archive(t, dir)
	before := open(t, dir).PublicJWKS()
	if _, err := Unarchive(bytes.NewReader(text), passphrase, dir); !errors.Is(err, ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	if !bytes.Equal(open(t, dir).PublicJWKS(), before) {
		t.Error("the keys have changed")
	}
}

func TestRotationKeepsWhatWasMade(t *testing.T) {
	dir, before := create(t)
	old := map[Purpose]Versioned{}
	for _, p := range Purposes {
		old[p] = before.MAC(p, []byte("made before"))
	}
	box := before.Seal([]byte("row"), []byte("answer"))
	for round := range 2 {
		if added, err := Rotate(dir, Rotatable()...); err != nil || len(added) != len(Rotatable()) || added[0].Version != round+2 {
			t.Fatalf("round %d: %+v, %v", round, added, err)
		}
	}
	after := open(t, dir)
	for _, p := range Purposes {
		if got := after.Current(p); got != 3 {
			t.Errorf("%s: current version %d, want 3", p, got)
		}
		sum, err := after.MACAt(p, old[p].Version, []byte("made before"))
		if err != nil || !bytes.Equal(sum, old[p].Sum) {
			t.Errorf("%s: the old key is lost: %v", p, err)
		}
	}
	if text, err := after.Unseal([]byte("row"), box); err != nil || string(text) != "answer" {
		t.Errorf("an old box: %q, %v", text, err)
	}
	if after.Signer().KeyID() == before.Signer().KeyID() {
		t.Error("receipts are signed with the old key")
	}
	if !bytes.Contains(after.PublicJWKS(), []byte(before.Signer().KeyID())) {
		t.Error("the old receipt key is not published any more")
	}
	all := after.Versions()
	if want := 3 * len(Rotatable()); len(all) != want || !all[0].Current || all[1].Current {
		t.Errorf("Versions: %+v, want %d", all, want)
	}
}

func TestRotationAddsAllOrNothing(t *testing.T) {
	dir, _ := create(t)
	full := filepath.Join(dir, "token.255.key")
	if err := os.Rename(filepath.Join(dir, "token.1.key"), full); err != nil {
		t.Fatal(err)
	}
	for _, purposes := range [][]Purpose{{Pepper, Token}, {Pepper, "salt"}} {
		if _, err := Rotate(dir, purposes...); err == nil {
			t.Errorf("%v: no error", purposes)
		}
	}
	if got := open(t, dir).Current(Pepper); got != 1 {
		t.Errorf("the pepper has version %d, want 1", got)
	}
}
