// Package sun checks that a message comes from a genuine NTAG 424 DNA card on a fresh tap: Secure Unique NFC (SUN), which
// NXP's data sheet NT4H2421Gx §9.3 calls Secure Dynamic Messaging (SDM). At every tap the card writes its UID and a
// counter that only rises into its URL, encrypted or plain, and a MAC over them that only its own key makes.
//
// Everything here is a function of its arguments. Whoever accepts a tap must also see to it, in the transaction that
// acts on the tap, that the counter is above the last one of the card: a message proves itself again and again.
package sun

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Errors of this package. None of them carries a message or a key.
var (
	// ErrMalformed means that a text holds no SUN message, or half of one.
	ErrMalformed = errors.New("not a SUN message")
	// ErrNotGenuine means that the message was not made by a card with these keys, or was changed. Why is not told.
	ErrNotGenuine = errors.New("the SUN message is not genuine")
	// ErrKey means that a text is not a key.
	ErrKey = errors.New("a key is 32 hexadecimal digits")
	// ErrUID means that a text is not a UID.
	ErrUID = errors.New("a UID is 14 hexadecimal digits")
)

// Key is an AES-128 key of a card. However it is printed or logged, nothing of it shows; Reveal is the one way to it.
type Key struct{ octets [16]byte }

// NewKey is the key with these bytes.
func NewKey(octets [16]byte) Key { return Key{octets} }

// ParseKey reads a key of 32 hexadecimal digits, or returns ErrKey.
func ParseKey(text string) (Key, error) {
	var k Key
	if len(text) != 32 {
		return Key{}, ErrKey
	}
	if _, err := hex.Decode(k.octets[:], []byte(text)); err != nil {
		return Key{}, ErrKey
	}
	return k, nil
}

// Reveal is the key in hexadecimal digits, to be written to a card. Whoever calls it must not log or store it.
func (k Key) Reveal() string { return strings.ToUpper(hex.EncodeToString(k.octets[:])) }

// Format writes "[key]", whatever the verb.
func (Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[key]") }

// LogValue is "[key]".
func (Key) LogValue() slog.Value { return slog.StringValue("[key]") }

// MarshalText refuses: a key is encoded by Reveal alone.
func (Key) MarshalText() ([]byte, error) { return nil, errors.New("sun: a key is not encoded") }

// UID is a card's unique number, most significant byte first as it is printed. All NTAG 424 DNA have 7 bytes.
type UID [7]byte

// ParseUID reads a UID of 14 hexadecimal digits, or returns ErrUID.
func ParseUID(text string) (UID, error) {
	var u UID
	if len(text) != 2*len(u) {
		return UID{}, ErrUID
	}
	if _, err := hex.Decode(u[:], []byte(text)); err != nil {
		return UID{}, ErrUID
	}
	return u, nil
}

// String is the UID in upper-case hexadecimal digits.
func (u UID) String() string { return strings.ToUpper(hex.EncodeToString(u[:])) }

// MaxCounter is the highest value of a card's counter, which has 24 bits; the card then stops answering.
const MaxCounter = 1<<24 - 1

// Mode is the cipher a card was set up with.
type Mode string

// Modes.
const (
	AES Mode = "AES"
	LRP Mode = "LRP" // leakage resilient primitive, NXP AN12304
)

// Tap is what a message says.
type Tap struct {
	Mode Mode
	UID  UID
	// Counter counts the card's taps, this one included. Without HasCounter the card is set up not to tell it, and the
	// message can be replayed for ever.
	Counter    uint32
	HasCounter bool
	// FileData is the part of the card's file that it encrypts for the reader of the message, as text that is padded by
	// whoever wrote it; nil if there is none.
	FileData []byte
}

// Verify checks the message with the key that PICC data are encrypted with (SDMMetaReadKey; unused for plain mirrors) and
// the key that is diversified per card (SDMFileReadKey). It takes the same steps whatever is wrong, and compares in
// constant time. With ErrNotGenuine the tap is what the message claims: good for making a refusal look like any other,
// and for nothing else.
func (m Message) Verify(meta Key, file func(UID) Key) (Tap, error) {
	if m.PICC != nil && len(m.PICC) != piccSize(m.Mode) || len(m.Enc)%16 != 0 {
		return Tap{}, malformed("it is not whole")
	}
	tap, readable := m.identify(meta)
	key := file(tap.UID)
	var want [8]byte
	if m.Mode == LRP {
		want, tap.FileData = m.lrp(key, tap)
	} else {
		want, tap.FileData = m.aes(key, tap)
	}
	genuine := subtle.ConstantTimeCompare(want[:], m.MAC[:]) & readable
	if genuine != 1 {
		tap.FileData = nil
		return tap, ErrNotGenuine
	}
	return tap, nil
}

// The PICCDataTag, data sheet §9.3.4: which data follow, and the UID's length.
const (
	tagUID       = 0x80
	tagCounter   = 0x40
	tagUIDLength = 0x0F
)

// identify returns UID and counter, and 1 if they can be what a card wrote, else 0.
func (m Message) identify(meta Key) (Tap, int) {
	tap := Tap{Mode: m.Mode, UID: m.UID, Counter: m.Counter, HasCounter: m.HasCounter}
	if m.PICC == nil {
		return tap, 1
	}
	plain := m.decryptPICC(meta)
	tag := plain[0]
	tap.UID = UID(plain[1:8])
	tap.HasCounter = tag&tagCounter != 0
	if tap.HasCounter {
		tap.Counter = uint32(plain[8]) | uint32(plain[9])<<8 | uint32(plain[10])<<16
	}
	return tap, subtle.ConstantTimeByteEq(tag&(tagUID|tagUIDLength), tagUID|7) & subtle.ConstantTimeByteEq(tag&0x30, 0)
}

// context is what UID and counter add to a session vector: the counter least significant byte first.
func (t Tap) context() []byte {
	out := append([]byte(nil), t.UID[:]...)
	if t.HasCounter {
		out = append(out, byte(t.Counter), byte(t.Counter>>8), byte(t.Counter>>16))
	}
	return out
}
