package keyring

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Errors of opening and creating a folder of keys.
var (
	ErrExists   = errors.New("folder of keys is not empty")
	ErrReadable = errors.New("others can read the keys")
)

// maxFile bounds a key file, in bytes.
const maxFile = 4096

// OpenOrCreate opens the keys in dir, or creates them if dir is missing or empty.
func OpenOrCreate(dir string) (*Keyring, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return Create(dir)
	}
	return Open(dir)
}

// Create makes version 1 of every key in dir, which is made if it is missing: a folder that only its owner can enter
// (0700) of files only its owner can read (0600). ErrExists if dir has anything in it: keys are never overwritten.
// The files are on disk when it returns.
func Create(dir string) (*Keyring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%w: %s; hint: name a new folder", ErrExists, dir)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	for _, p := range Rotatable() {
		if err := writeNew(dir, p, 1); err != nil {
			return nil, err
		}
	}
	if err := syncDir(dir); err != nil {
		return nil, err
	}
	return Open(dir)
}

func writeFile(name string, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open reads the keys in dir. It refuses a folder or file that group or others can use (ErrReadable), a file that is
// no key, and a folder without a key for every purpose. Names that begin with a dot are passed over: secret stores
// mounted as folders have such.
func Open(dir string) (*Keyring, error) {
	if err := checkMode(dir, "chmod 700"); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	secrets := make(map[Purpose]map[int]*secret)
	receipts := make(map[int]*ecdsa.PrivateKey)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if err := readKey(filepath.Join(dir, entry.Name()), secrets, receipts); err != nil {
			return nil, err
		}
	}
	k, err := newKeyring(secrets, receipts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return k, nil
}

// checkMode follows symbolic links: the mode of what they lead to counts.
func checkMode(name, remedy string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %04o; hint: %s %s", ErrReadable, name, info.Mode().Perm(), remedy, name)
	}
	return nil
}

func readKey(name string, secrets map[Purpose]map[int]*secret, receipts map[int]*ecdsa.PrivateKey) error {
	what, version, ext, err := parseName(name)
	if err != nil {
		return err
	}
	if err := checkMode(name, "chmod 600"); err != nil {
		return err
	}
	text, err := readSmall(name)
	if err != nil {
		return err
	}
	if ext == "pem" {
		key, err := parseReceiptKey(text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		receipts[version] = key
		return nil
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(string(text), "\n"))
	if err != nil || len(raw) != keySize {
		return fmt.Errorf("%s: want %d bytes in base64", name, keySize)
	}
	if secrets[Purpose(what)] == nil {
		secrets[Purpose(what)] = make(map[int]*secret)
	}
	secrets[Purpose(what)][version] = (*secret)(raw)
	return nil
}

// parseName reads PURPOSE.VERSION.key or receipt.VERSION.pem.
func parseName(name string) (what string, version int, ext string, err error) {
	parts := strings.Split(filepath.Base(name), ".")
	if len(parts) == 3 {
		what, ext = parts[0], parts[2]
		version, err = strconv.Atoi(parts[1])
		if err == nil && strconv.Itoa(version) == parts[1] && version >= 1 && version <= MaxVersion && known(what, ext) {
			return what, version, ext, nil
		}
	}
	return "", 0, "", fmt.Errorf("%s is no key file; hint: keep nothing else in the folder of keys", name)
}

func known(what, ext string) bool {
	if ext == "pem" {
		return what == receipt
	}
	for _, p := range Purposes {
		if ext == "key" && what == string(p) {
			return true
		}
	}
	return false
}

func readSmall(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is no key file: not a small regular file", name)
	}
	return os.ReadFile(name)
}

func parseReceiptKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, errors.New("want one PEM block PRIVATE KEY")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("want a PKCS#8 key")
	}
	p256, ok := key.(*ecdsa.PrivateKey)
	if !ok || p256.Curve != elliptic.P256() {
		return nil, errors.New("want a key on P-256")
	}
	return p256, nil
}
