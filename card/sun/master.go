package sun

import (
	"errors"
	"fmt"
	"log/slog"

	"tapline/card/cmac"
)

// Master is the key of which all cards' keys are made, with its version. A new version makes the keys of cards that are
// issued from then on; those of cards in people's hands stay as they are, so old versions must be kept.
type Master struct {
	version int
	secret  [32]byte
	size    int
}

// NewMaster is the master key of a version with a secret of 16 or 32 random bytes.
func NewMaster(version int, secret []byte) (Master, error) {
	if len(secret) != 16 && len(secret) != 32 {
		return Master{}, errors.New("a master key has 16 or 32 bytes")
	}
	m := Master{version: version, size: len(secret)}
	copy(m.secret[:], secret)
	return m, nil
}

// Version is the master key's.
func (m Master) Version() int { return m.version }

// Numbers of a card's keys, as tapline sets cards up.
const (
	keyApplication = 0 // AppMasterKey: changes the card's settings and keys
	keyMeta        = 1 // SDMMetaReadKey: the same on all cards, for it is needed to know which card it is
	keyFile        = 2 // SDMFileReadKey
	keyData        = 3 // writes the card's own data file, which stays empty
	keySpare       = 4 // no use; changed so that nobody finds one for it
)

// Application is the key that changes a card's settings (key number 0).
func (m Master) Application(u UID) Key { return m.derive(u, keyApplication) }

// Meta is the key that encrypts UID and counter, the same on all cards (key number 1).
func (m Master) Meta() Key { return m.derive(UID{}, keyMeta) }

// File is the key that makes a card's MACs and encrypts its file data (key number 2).
func (m Master) File(u UID) Key { return m.derive(u, keyFile) }

// Data is the key that writes the card's own data file, of which tapline makes no use (key number 3).
func (m Master) Data(u UID) Key { return m.derive(u, keyData) }

// Spare is the key without a use (key number 4).
func (m Master) Spare(u UID) Key { return m.derive(u, keySpare) }

// system identifies the derivation: the "system identifier" of AN10922 §2.2.
const system = "tapline sun"

// derive diversifies as NXP AN10922 §2.2: CMAC(master, 01 | UID | key number | system). These 20 bytes are more than one
// block, so that the note's padding to two blocks is CMAC's own. A master key of 32 bytes makes keys of 16 in the same
// way under AES-256, which the note does not describe.
func (m Master) derive(u UID, number byte) Key {
	input := append([]byte{0x01}, u[:]...)
	input = append(append(input, number), system...)
	return Key{cmac.AES(m.secret[:m.size], input)}
}

// Format writes "[master key]", whatever the verb.
func (Master) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[master key]") }

// LogValue is the version alone.
func (m Master) LogValue() slog.Value { return slog.GroupValue(slog.Int("version", m.version)) }
