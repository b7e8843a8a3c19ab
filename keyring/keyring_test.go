package keyring

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"
)

func create(t testing.TB) (dir string, k *Keyring) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "keys")
	k, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, k
}

func open(t testing.TB, dir string) *Keyring {
	t.Helper()
	k, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// addVersion copies a fresh keyring's version 1 into dir under another version.
func addVersion(t testing.TB, dir string, version int) {
	t.Helper()
	from, _ := create(t)
	names, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		to := strings.Replace(name.Name(), ".1.", fmt.Sprintf(".%d.", version), 1)
		if err := os.Rename(filepath.Join(from, name.Name()), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFolderIsForItsOwnerOnly(t *testing.T) {
	dir, _ := create(t)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the folder is %v, want 0700", info.Mode())
	}
	if want := len(Purposes) + 1; len(entries) != want {
		t.Errorf("%d files, want %d", len(entries), want)
	}
	for _, entry := range entries {
		if info, _ := entry.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("mode of %s is %v, want 0600", entry.Name(), info.Mode())
		}
	}
}

func TestCreateNeverTouchesAFolderInUse(t *testing.T) {
	dir, _ := create(t)
	before, err := os.ReadFile(filepath.Join(dir, "pepper.1.key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir); !errors.Is(err, ErrExists) {
		t.Errorf("second Create: %v, want %v", err, ErrExists)
	}
	after, _ := os.ReadFile(filepath.Join(dir, "pepper.1.key"))
	if !bytes.Equal(before, after) {
		t.Error("the pepper changed")
	}
}

func TestOpenOrCreateKeepsTheKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "keys")
	var sums [2][]byte
	for i := range sums {
		k, err := OpenOrCreate(dir)
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = k.MAC(Pepper, []byte("x")).Sum
	}
	if !bytes.Equal(sums[0], sums[1]) {
		t.Error("the pepper changed when it was opened again")
	}
}

func TestKeysThatOthersCanReadAreRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601} {
		dir, _ := create(t)
		if err := os.Chmod(filepath.Join(dir, "pepper.1.key"), mode); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir)
		if !errors.Is(err, ErrReadable) || !strings.Contains(err.Error(), "hint: chmod 600") {
			t.Errorf("file with mode %o: %v, want %v with a hint", mode, err, ErrReadable)
		}
	}
	dir, _ := create(t)
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrReadable) || !strings.Contains(err.Error(), "hint: chmod 700") {
		t.Errorf("folder with mode 750: %v, want %v with a hint", err, ErrReadable)
	}
}

func TestDamagedFoldersAreRefused(t *testing.T) {
	write := func(name, text string) func(dir string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
	remove := func(name string) func(dir string) error {
		return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
	}
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	for name, damage := range map[string]func(dir string) error{
		"no pepper":           remove("pepper.1.key"),
		"no receipt key":      remove("receipt.1.pem"),
		"short key":           write("pepper.1.key", key[:20]),
		"key not in base64":   write("pepper.1.key", strings.Repeat("!", 44)),
		"huge file":           write("pepper.1.key", strings.Repeat("A", maxFile+1)),
		"version 0":           write("pepper.0.key", key),
		"version 256":         write("pepper.256.key", key),
		"version 01":          write("pepper.01.key", key),
		"version -1":          write("pepper.-1.key", key),
		"unknown purpose":     write("salt.1.key", key),
		"wrong extension":     write("pepper.2.pem", key),
		"editor's copy":       write("pepper.1.key~", key),
		"receipt key no PEM":  write("receipt.2.pem", key),
		"receipt key garbage": write("receipt.2.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
		"folder as key":       func(dir string) error { return os.Mkdir(filepath.Join(dir, "pepper.2.key"), 0o700) },
		"same key twice": func(dir string) error {
			text, err := os.ReadFile(filepath.Join(dir, "seal.1.key"))
			return errors.Join(err, write("pepper.2.key", string(text))(dir))
		},
	} {
		dir, _ := create(t)
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%s: Open = %v, want an error without the key", name, err)
		}
	}
}

func TestSecretStoresFoldersOpen(t *testing.T) {
	// Kubernetes mounts secrets as links into a folder whose name begins with two dots.
	real, want := create(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(real, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(filepath.Join(dir, "..data"))
	for _, entry := range entries {
		if err := os.Symlink(filepath.Join("..data", entry.Name()), filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if got := open(t, dir); !bytes.Equal(got.MAC(Number).Sum, want.MAC(Number).Sum) {
		t.Error("the linked folder gives other keys")
	}
}

func TestMACsDifferByPurposeAndByFraming(t *testing.T) {
	_, k := create(t)
	seen := make(map[string]string)
	for _, p := range Purposes {
		for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {"a", "", "b"}} {
			var raw [][]byte
			for _, part := range parts {
				raw = append(raw, []byte(part))
			}
			sum, name := string(k.MAC(p, raw...).Sum), fmt.Sprintf("%s %q", p, parts)
			if other, ok := seen[sum]; ok {
				t.Errorf("%s and %s have the same MAC", name, other)
			}
			seen[sum] = name
		}
	}
}

func TestPurposeIsPartOfTheMAC(t *testing.T) {
	// Even if an operator copied one key into two purposes' files of two services.
	var key secret
	if bytes.Equal(key.mac(Code, nil), key.mac(Token, nil)) {
		t.Error("two purposes give the same MAC under one key")
	}
}

func TestNewestVersionIsCurrentAndOldOnesStillCheck(t *testing.T) {
	dir, old := create(t)
	boxOld := old.Seal([]byte("row 1"), []byte("answer"))
	addVersion(t, dir, 10) // 10 > 2, though not in the order of names
	addVersion(t, dir, 2)
	k := open(t, dir)

	if got := k.Current(Pepper); got != 10 {
		t.Errorf("current version is %d, want 10", got)
	}
	var versions []int
	for _, sum := range k.MACs(Pepper, []byte("x")) {
		versions = append(versions, sum.Version)
		at, err := k.MACAt(Pepper, sum.Version, []byte("x"))
		if err != nil || !bytes.Equal(at, sum.Sum) {
			t.Errorf("MACAt(%d) = %x, %v; want %x", sum.Version, at, err, sum.Sum)
		}
	}
	if fmt.Sprint(versions) != "[10 2 1]" {
		t.Errorf("versions are %v, want [10 2 1]", versions)
	}
	if got := k.MACs(Pepper, []byte("x"))[2].Sum; !bytes.Equal(got, old.MAC(Pepper, []byte("x")).Sum) {
		t.Error("version 1 gives another MAC now")
	}
	if got, err := k.Unseal([]byte("row 1"), boxOld); err != nil || string(got) != "answer" {
		t.Errorf("old box: %q, %v", got, err)
	}
	boxNew := k.Seal(nil, []byte("answer"))
	if boxNew[0] != 10 {
		t.Errorf("new box has version %d, want 10", boxNew[0])
	}
	if _, err := old.Unseal(nil, boxNew); !errors.Is(err, ErrVersion) {
		t.Errorf("box of a version that is missing: %v, want %v", err, ErrVersion)
	}
	if _, err := k.MACAt(Pepper, 3, nil); !errors.Is(err, ErrVersion) {
		t.Errorf("MACAt of a version that is missing: %v, want %v", err, ErrVersion)
	}
}

func TestBoxesOpenOnlyUnchangedAndInTheirPlace(t *testing.T) {
	_, k := create(t)
	_, other := create(t)
	aad, plaintext := []byte("row 1"), []byte("answer")
	box := k.Seal(aad, plaintext)
	if got, err := k.Unseal(aad, box); err != nil || !bytes.Equal(got, plaintext) {
		t.Fatalf("Unseal = %q, %v", got, err)
	}
	if bytes.Equal(box, k.Seal(aad, plaintext)) {
		t.Error("two boxes of one text are the same")
	}
	for i := range box {
		changed := bytes.Clone(box)
		changed[i] ^= 1
		if got, err := k.Unseal(aad, changed); err == nil {
			t.Errorf("box with byte %d changed opened as %q", i, got)
		}
		if _, err := k.Unseal(aad, box[:i]); err == nil {
			t.Errorf("box cut at %d opened", i)
		}
	}
	if _, err := k.Unseal([]byte("row 2"), box); !errors.Is(err, ErrSealed) {
		t.Errorf("in another place: %v, want %v", err, ErrSealed)
	}
	if _, err := other.Unseal(aad, box); !errors.Is(err, ErrSealed) {
		t.Errorf("with other keys: %v, want %v", err, ErrSealed)
	}
}

func TestBoxesOpenAgain(t *testing.T) {
	_, k := create(t)
	rapid.Check(t, func(t *rapid.T) {
		aad, plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "aad"), rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		got, err := k.Unseal(aad, k.Seal(aad, plaintext))
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("Unseal(Seal(%x)) = %x, %v", plaintext, got, err)
		}
	})
}

func TestPublicJWKSHoldsAllReceiptKeysAndNoSecret(t *testing.T) {
	dir, _ := create(t)
	addVersion(t, dir, 2)
	k := open(t, dir)
	text := k.PublicJWKS()
	if strings.Contains(string(text), `"d"`) {
		t.Fatal("the JWK set holds a private key")
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 2 || set.Keys[0].KeyID != k.Signer().KeyID() {
		t.Fatalf("JWK set is %s, want two keys, %s first", text, k.Signer().KeyID())
	}
	digest := sha256.Sum256([]byte("receipt"))
	signature, err := k.Signer().Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		key := set.Keys[i]
		if got := ecdsa.VerifyASN1(key.Key.(*ecdsa.PublicKey), digest[:], signature); got != want {
			t.Errorf("key %d verifies: %v, want %v", i, got, want)
		}
		thumbprint, err := key.Thumbprint(crypto.SHA256)
		if err != nil || base64.RawURLEncoding.EncodeToString(thumbprint) != key.KeyID || key.Use != "sig" {
			t.Errorf("key %d has kid %s, use %s", i, key.KeyID, key.Use)
		}
	}
}

func TestNothingPrintsAKey(t *testing.T) {
	_, k := create(t)
	var secrets []string
	for _, p := range Purposes {
		key := k.secrets[p][1][:]
		secrets = append(secrets, fmt.Sprintf("%x", key[:8]), fmt.Sprintf("%X", key[:8]), fmt.Sprint(key[:4])[1:],
			base64.StdEncoding.EncodeToString(key)[:10], fmt.Sprintf("%#v", key[:3])[7:])
	}
	d, err := k.Signer().key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, fmt.Sprintf("%x", d[:8]), new(big.Int).SetBytes(d).String())

	var out bytes.Buffer
	type holder struct {
		Keys   *Keyring
		hidden *Keyring
		Value  Keyring
		Signer *Signer
	}
	for _, v := range []any{k, *k, k.Signer(), *k.Signer(), holder{k, k, *k, k.Signer()}, &holder{k, k, *k, k.Signer()}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	}
	for _, s := range secrets {
		if strings.Contains(out.String(), s) {
			t.Errorf("a key shows: %s", s)
		}
	}
}

func TestFolderFromBeforeSUNSaysHowToMakeTheKey(t *testing.T) {
	dir, _ := create(t)
	if err := os.Remove(filepath.Join(dir, "sun.1.key")); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir)
	if err == nil || !strings.Contains(err.Error(), "no key for sun; hint: ") || !strings.Contains(err.Error(), "> sun.1.key") {
		t.Fatalf("%v", err)
	}
	// What the hint does.
	key := make([]byte, keySize)
	rand.Read(key)
	text := base64.StdEncoding.EncodeToString(key) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "sun.1.key"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}
