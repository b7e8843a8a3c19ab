package keyring

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"filippo.io/age"
)

// MinPassphrase is the least number of characters of an archive's passphrase.
const MinPassphrase = 12

// ErrPassphrase is returned for a passphrase that is too short, or not that of the archive.
var ErrPassphrase = errors.New("passphrase")

// workFactor is the cost of scrypt, as a power of two: a second or so, which is age's own default. Tests take less.
var workFactor = 18

// maxArchive bounds an archive, in bytes: every version of every key, many times over.
const maxArchive = 64 << 20

// Archive writes the keys in dir to w: a tar file of the folder's files in an age file (age-encryption.org/v1), whose
// key is made from the passphrase by scrypt. The program age opens it, too. It returns how many keys are in it.
func Archive(dir, passphrase string, w io.Writer) (int, error) {
	if utf8.RuneCountInString(passphrase) < MinPassphrase {
		return 0, fmt.Errorf("%w: want at least %d characters", ErrPassphrase, MinPassphrase)
	}
	if _, err := Open(dir); err != nil {
		return 0, err
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return 0, err
	}
	recipient.SetWorkFactor(workFactor)
	sealed, err := age.Encrypt(w, recipient)
	if err != nil {
		return 0, err
	}
	files := tar.NewWriter(sealed)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		text, err := readSmall(filepath.Join(dir, entry.Name()))
		if err != nil {
			return n, err
		}
		if err := files.WriteHeader(&tar.Header{Name: entry.Name(), Mode: 0o600, Size: int64(len(text))}); err != nil {
			return n, err
		}
		if _, err := files.Write(text); err != nil {
			return n, err
		}
		n++
	}
	return n, errors.Join(files.Close(), sealed.Close())
}

// Unarchive reads what Archive wrote and makes the folder dir of it. ErrExists if dir has anything in it, and
// ErrPassphrase if the passphrase is another. Unless the archive is whole and all keys are good, nothing is made.
func Unarchive(r io.Reader, passphrase, dir string) (k *Keyring, err error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%w: %s; hint: name a new folder", ErrExists, dir)
	}
	files, err := unseal(r, passphrase)
	if err != nil {
		return nil, err
	}
	// All is written and tried beside dir first.
	beside, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), ".keys-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(beside)) }()
	for name, text := range files {
		if err := writeFile(filepath.Join(beside, name), text); err != nil {
			return nil, err
		}
	}
	if _, err := Open(beside); err != nil {
		return nil, err
	}
	if err := syncDir(beside); err != nil {
		return nil, err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := os.Rename(beside, dir); err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(filepath.Clean(dir))); err != nil {
		return nil, err
	}
	return Open(dir)
}

// unseal reads an archive's files. Only names of key files are taken: none leads out of a folder.
func unseal(r io.Reader, passphrase string) (map[string][]byte, error) {
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	opened, err := age.Decrypt(io.LimitReader(r, maxArchive), identity)
	if mismatch := (*age.NoIdentityMatchError)(nil); errors.As(err, &mismatch) {
		return nil, fmt.Errorf("%w: not that of this archive", ErrPassphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("this is no archive of keys: %w", err)
	}
	plain, err := io.ReadAll(opened) // whole and unchanged, before any of it is used
	if err != nil {
		return nil, fmt.Errorf("the archive is damaged: %w", err)
	}
	files := make(map[string][]byte)
	archive := tar.NewReader(bytes.NewReader(plain))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("this is no archive of keys: %w", err)
		}
		if _, _, _, err := parseName(header.Name); err != nil || header.Name != filepath.Base(header.Name) || header.Size > maxFile {
			return nil, fmt.Errorf("this is no archive of keys: it holds %q", header.Name)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			return nil, err
		}
	}
}
