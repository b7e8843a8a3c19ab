// Package keyring holds the service's secret keys: a folder of files outside the database, so that a copy of the
// database alone tells no PIN, card number or stored answer.
//
// Every purpose has keys of its own, and every key a version from 1 to 255. The highest version is current: it makes
// what is new. Older versions still check what they made. A key never leaves the package; nothing here prints one.
package keyring

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"maps"
	"slices"
)

// Purpose is what a symmetric key is for. A key serves one purpose only.
type Purpose string

// The purposes, each with the reason its results can be kept in the database.
const (
	Number  Purpose = "number"  // MACs of card account numbers, to find a card without storing its number
	Pepper  Purpose = "pepper"  // MACs over PIN hashes, so that the hashes cannot be searched without it
	Digest  Purpose = "digest"  // digests of requests, which may contain what is easily guessed
	Seal    Purpose = "seal"    // encryption of stored answers
	Token   Purpose = "token"   // read tokens of devices and operators
	Code    Purpose = "code"    // activation and approval codes
	APIKey  Purpose = "apikey"  // MACs of merchants' API keys
	SUN     Purpose = "sun"     // the master keys of cards that prove themselves, from which each card's keys are made
	Push    Purpose = "push"    // the key pairs by which push services know the service, see PushSigner
	receipt         = "receipt" // the signing keys of receipts, in files of their own kind
)

// Purposes lists every purpose. A keyring has at least one key for each.
var Purposes = []Purpose{Number, Pepper, Digest, Seal, Token, Code, APIKey, SUN, Push}

// ErrVersion is returned for a version of a key that the keyring does not have: it was retired, or the keyring is not
// the one that belongs to the data.
var ErrVersion = errors.New("no key of this version")

// MaxVersion is the highest version of a key; it fits the byte that Seal writes.
const MaxVersion = 255

// keySize is the size of symmetric keys in bytes.
const keySize = 32

type secret [keySize]byte

// Keyring is the keys of one service in one environment, read once. It may be used by several goroutines.
//
// The keys stand behind pointers so that even a careless "%+v" of a struct around a Keyring prints addresses.
type Keyring struct {
	secrets  map[Purpose]map[int]*secret
	signers  map[int]*Signer
	current  map[Purpose]int
	versions map[Purpose][]int // of secrets, newest first
}

// Versioned is a MAC with the version of the key that made it; both are stored.
type Versioned struct {
	Version int
	Sum     []byte
}

// Current is the version of the purpose's current key.
func (k *Keyring) Current(p Purpose) int { return k.current[p] }

// MAC is the HMAC-SHA-256 of the parts under the purpose's current key. Parts are framed by their lengths, so that no
// two lists of parts give the same input, and the purpose is part of it.
func (k *Keyring) MAC(p Purpose, parts ...[]byte) Versioned {
	version := k.current[p]
	return Versioned{version, k.secrets[p][version].mac(p, parts)}
}

// MACAt is MAC under a given version of the key; ErrVersion if there is none.
func (k *Keyring) MACAt(p Purpose, version int, parts ...[]byte) ([]byte, error) {
	key, ok := k.secrets[p][version]
	if !ok {
		return nil, ErrVersion
	}
	return key.mac(p, parts), nil
}

// MACs is MAC under every version of the key, newest first: what to look up when the version is not known.
func (k *Keyring) MACs(p Purpose, parts ...[]byte) []Versioned {
	sums := make([]Versioned, len(k.versions[p]))
	for i, version := range k.versions[p] {
		sums[i] = Versioned{version, k.secrets[p][version].mac(p, parts)}
	}
	return sums
}

func (s *secret) mac(p Purpose, parts [][]byte) []byte {
	text := make([]byte, 0, 256)
	frame := func(part []byte) {
		text = binary.BigEndian.AppendUint64(text, uint64(len(part)))
		text = append(text, part...)
	}
	frame([]byte("tapline/mac/1/" + p))
	for _, part := range parts {
		frame(part)
	}
	h := hmac.New(sha256.New, s[:])
	h.Write(text)
	return h.Sum(nil)
}

func newestFirst[V any](keys map[int]V) []int {
	versions := slices.Sorted(maps.Keys(keys))
	slices.Reverse(versions)
	return versions
}

// String says only that this is a keyring.
func (k *Keyring) String() string { return "keyring" }

// GoString says only that this is a keyring.
func (k *Keyring) GoString() string { return "keyring" }

// LogValue tells the current versions, no keys.
func (k *Keyring) LogValue() slog.Value {
	var versions []slog.Attr
	for _, p := range Purposes {
		versions = append(versions, slog.Int(string(p), k.current[p]))
	}
	return slog.GroupValue(versions...)
}

// newKeyring checks that there is a key for every purpose and that no two are the same.
func newKeyring(secrets map[Purpose]map[int]*secret, receipts map[int]*ecdsa.PrivateKey) (*Keyring, error) {
	k := &Keyring{secrets: secrets, signers: make(map[int]*Signer), current: make(map[Purpose]int), versions: make(map[Purpose][]int)}
	seen := make(map[secret]bool)
	for _, p := range Purposes {
		if len(secrets[p]) == 0 {
			return nil, missing(string(p))
		}
		k.versions[p] = newestFirst(secrets[p])
		k.current[p] = k.versions[p][0]
		for _, key := range secrets[p] {
			if seen[*key] {
				return nil, errors.New("two key files hold the same key; hint: restore the folder from its backup")
			}
			seen[*key] = true
		}
	}
	if len(receipts) == 0 {
		return nil, missing(receipt)
	}
	for version, key := range receipts {
		signer, err := newSigner(key)
		if err != nil {
			return nil, err
		}
		k.signers[version] = signer
	}
	return k, nil
}

func missing(name string) error {
	if name == string(SUN) || name == string(Push) {
		return errors.New("no key for " + name + "; hint: restore the folder from its backup or, if it was made before there " +
			"were such keys, make one in it: (umask 077; head -c 32 /dev/urandom | base64 > " + name + ".1.key)")
	}
	return errors.New("no key for " + name + "; hint: restore the folder from its backup, " +
		"or empty it if no data was ever made with it")
}
