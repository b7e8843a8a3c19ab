package oda

import (
	"bytes"
	"crypto/sha1" // the check value of EMV Book 2 Annex B2.1 and of every certificate; there is no other
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"

	"tapline/card"
)

// Bounds on the keys of all three levels. EMV has none longer than 1984 bits (EMV Book 2 Annex B2.1); shorter ones
// than 768 are within anybody's reach.
const (
	minKeyBytes = 768 / 8
	maxKeyBytes = 1984 / 8
)

const maxAuthoritiesBytes = 1 << 20

// ErrAuthorities means that a file of authorities cannot be used.
var ErrAuthorities = errors.New("the file of certification authority keys cannot be used")

//go:embed keys.json
var published []byte

// Key tells about one key of an authority.
type Key struct {
	Name    string
	RID     string // of the scheme, ten hex digits
	Index   byte
	Bits    int
	Expires time.Time // the last day; zero for a key without a known end
	Test    bool      // of a laboratory: anybody may sign with it
}

// Authorities are the public keys of the card schemes' certification authorities, and the issuer certificates that
// were revoked. They do not change; any number of goroutines may use them.
type Authorities struct {
	keys    map[authorityID]*authority
	listed  []Key
	revoked map[revokedID]bool
}

type authorityID struct {
	rid   [5]byte
	index byte
}

// shared are schemes without an authority of their own, whose cards have certificates of others' (seen on a recorded
// card): CB's cards are Visa's or Mastercard's, too.
var shared = map[[5]byte][][5]byte{
	{0xA0, 0, 0, 0, 0x42}: {{0xA0, 0, 0, 0, 0x03}, {0xA0, 0, 0, 0, 0x04}},
}

// find returns the key that an application of a scheme names, and whose it is.
func (a *Authorities) find(id authorityID) (authorityID, *authority) {
	if a == nil {
		return id, nil
	}
	if key := a.keys[id]; key != nil {
		return id, key
	}
	for _, rid := range shared[id.rid] {
		other := authorityID{rid, id.index}
		if key := a.keys[other]; key != nil {
			return other, key
		}
	}
	return id, nil
}

type revokedID struct {
	authorityID
	serial [3]byte
}

type authority struct {
	key     publicKey
	expires time.Time
}

// testKeys are check values of published test keys, whose private halves are known to every laboratory. They are test
// keys whatever a file says of them.
var testKeys = []string{
	"429c954a3859cef91295f663c963e582ed6eb253", "c4a3c43ccf87327d136b804160e47d43b60e6e0f",
	"ee1511cec71020a9b90443b37b1d5f6e703030f6", "4abffd6b1c51212d05552e431c5b17007d2f5e6d",
	"fdd7139ec7e0c33167fd61ad3cadbd68d66e91c5", "894c5d08d4ea28bb79dc46cead998b877322f416",
}

// BuiltIn returns the live keys that Visa, Mastercard and American Express published, each with the end that EMVCo
// recommended for its length. An operator who takes part in a scheme has a newer list.
func BuiltIn() *Authorities {
	a, err := LoadAuthorities(bytes.NewReader(published))
	if err != nil {
		panic(fmt.Sprintf("oda: built-in keys: %v", err))
	}
	return a
}

// LoadAuthorities reads a JSON file of keys and revocations; docs/cards.md has its form. Every check value is verified,
// and one that does not fit refuses the whole file. Test keys are left out. Errors are ErrAuthorities.
func LoadAuthorities(r io.Reader) (*Authorities, error) { return load(r, false) }

// LoadTestAuthorities is LoadAuthorities with test keys as well: anybody can make cards that they verify. It is for
// laboratories and rehearsals, never for a service that moves money.
func LoadTestAuthorities(r io.Reader) (*Authorities, error) { return load(r, true) }

// Keys lists the keys in the order of the file.
func (a *Authorities) Keys() []Key {
	if a == nil {
		return nil
	}
	return slices.Clone(a.listed)
}

// authoritiesFile is the JSON form.
type authoritiesFile struct {
	Source  string         `json:"source"`
	Keys    []keyEntry     `json:"keys"`
	Revoked []revokedEntry `json:"revoked"`
}

type keyEntry struct {
	Name     string `json:"name"`
	RID      string `json:"rid"`
	Index    string `json:"index"`
	Bits     int    `json:"bits"`
	Modulus  string `json:"modulus"`
	Exponent string `json:"exponent"`
	SHA1     string `json:"sha1"`
	Test     bool   `json:"test"`
	Expires  string `json:"expires"` // YYYY-MM-DD, the last day
	Checked  bool   `json:"sha1_ok"` // what another program found; it does not count
}

type revokedEntry struct {
	RID    string `json:"rid"`
	Index  string `json:"index"`
	Serial string `json:"serial"`
}

func load(r io.Reader, test bool) (*Authorities, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxAuthoritiesBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthorities, err)
	}
	if len(text) > maxAuthoritiesBytes {
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrAuthorities, maxAuthoritiesBytes)
	}
	var file authoritiesFile
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields() // a mistyped "revoked" must not revoke nothing
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthorities, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: something follows the JSON object", ErrAuthorities)
	}
	a := &Authorities{keys: map[authorityID]*authority{}, revoked: map[revokedID]bool{}}
	for i, entry := range file.Keys {
		if err := a.add(entry, test); err != nil {
			return nil, fmt.Errorf("%w: key %d (%s): %w", ErrAuthorities, i+1, entry.Name, err)
		}
	}
	for i, entry := range file.Revoked {
		id, err := parseAuthorityID(entry.RID, entry.Index)
		serial, err2 := hex.DecodeString(entry.Serial)
		if err != nil || err2 != nil || len(serial) != 3 {
			return nil, fmt.Errorf("%w: revocation %d: want rid, index and a serial of 6 hex digits", ErrAuthorities, i+1)
		}
		a.revoked[revokedID{id, [3]byte(serial)}] = true
	}
	if len(a.keys) == 0 {
		return nil, fmt.Errorf("%w: it has no key but test keys", ErrAuthorities)
	}
	return a, nil
}

// add takes one key, once its check value has been verified: SHA-1 over RID, index, modulus and exponent (EMV Book 2
// Annex B2.1 and Book 4 §10.2).
func (a *Authorities) add(entry keyEntry, test bool) error {
	id, err := parseAuthorityID(entry.RID, entry.Index)
	if err != nil {
		return err
	}
	modulus, err := hex.DecodeString(entry.Modulus)
	if err != nil {
		return errors.New("the modulus is not hex")
	}
	exponent, err := hex.DecodeString(entry.Exponent)
	if err != nil {
		return errors.New("the exponent is not hex")
	}
	sum := sha1.Sum(slices.Concat(id.rid[:], []byte{id.index}, modulus, exponent))
	if check, err := hex.DecodeString(entry.SHA1); err != nil || !bytes.Equal(check, sum[:]) {
		return errors.New("the check value sha1 does not fit RID, index, modulus and exponent")
	}
	key, err := newPublicKey(modulus, exponent)
	if err != nil {
		return err
	}
	if entry.Bits != 0 && entry.Bits != 8*len(modulus) {
		return fmt.Errorf("the modulus has %d bits, not %d", 8*len(modulus), entry.Bits)
	}
	told := Key{Name: entry.Name, RID: string(card.AID(fmt.Sprintf("%X", id.rid))), Index: id.index, Bits: 8 * len(modulus),
		Test: entry.Test || slices.Contains(testKeys, hex.EncodeToString(sum[:]))}
	if entry.Expires != "" {
		if told.Expires, err = time.Parse(time.DateOnly, entry.Expires); err != nil {
			return errors.New("expires is not a date YYYY-MM-DD")
		}
	}
	if told.Test && !test {
		return nil
	}
	if a.keys[id] != nil {
		return errors.New("there is another key of this RID and index")
	}
	a.keys[id] = &authority{key, told.Expires}
	a.listed = append(a.listed, told)
	return nil
}

func parseAuthorityID(rid, index string) (authorityID, error) {
	r, err := hex.DecodeString(rid)
	i, err2 := hex.DecodeString(index)
	if err != nil || err2 != nil || len(r) != 5 || len(i) != 1 {
		return authorityID{}, errors.New("want a RID of 10 and an index of 2 hex digits")
	}
	return authorityID{[5]byte(r), i[0]}, nil
}

// publicKey is an RSA key of EMV's kind.
type publicKey struct {
	modulus  *big.Int
	exponent *big.Int
	size     int // bytes of the modulus
}

// newPublicKey takes keys of whole bytes, with an exponent that EMV allows: 3 or 65537 (EMV Book 2 Annex B2.1).
func newPublicKey(modulus, exponent []byte) (publicKey, error) {
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	switch {
	case len(modulus) < minKeyBytes || len(modulus) > maxKeyBytes:
		return publicKey{}, fmt.Errorf("the key has %d bits, want %d to %d", 8*len(modulus), 8*minKeyBytes, 8*maxKeyBytes)
	case n.BitLen() != 8*len(modulus) || n.Bit(0) == 0:
		return publicKey{}, errors.New("the modulus is even or begins with zero bits")
	case !e.IsInt64() || e.Int64() != 3 && e.Int64() != 65537:
		return publicKey{}, errors.New("the exponent is neither 3 nor 65537")
	}
	return publicKey{n, e, len(modulus)}, nil
}
