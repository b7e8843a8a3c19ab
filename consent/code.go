package consent

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"tapline/keyring"
)

// crockford is Crockford's base 32: no I, L, O, U.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// An activation code is 12 random characters of 5 bits and a check character.
const codeRandom = 12

// NewActivationCode is a fresh code of 60 random bits, to be handed to a cardholder apart from the card: such as
// "7K3M-9QXD-W2ZB-R". NormalizeActivationCode reads back what people make of it.
func NewActivationCode() Code {
	var b [codeRandom]byte
	rand.Read(b[:])
	var code strings.Builder
	for i, v := range b {
		if i > 0 && i%4 == 0 {
			code.WriteByte('-')
		}
		b[i] = v % 32 // unbiased: 32 divides 256
		code.WriteByte(crockford[b[i]])
	}
	code.WriteByte('-')
	code.WriteByte(crockford[checkSymbol(b[:])])
	return Code(code.String())
}

// checkSymbol is the remainder of the symbols as a polynomial over GF(32), x^5+x^2+1: one wrong character, or two
// exchanged ones, always change it, so that a mistype costs no try.
func checkSymbol(symbols []byte) byte {
	var c byte
	for _, v := range symbols {
		c = double(c) ^ v
	}
	return double(c)
}

func double(c byte) byte {
	c <<= 1
	if c&32 != 0 {
		c ^= 0b100101
	}
	return c
}

// NormalizeActivationCode is the code in its one spelling, whatever case, dashes and spaces it was typed with, and with
// O for 0 and I or L for 1. ErrCode if it cannot be a code.
func NormalizeActivationCode(typed string) (Code, error) {
	if len(typed) > 64 {
		return "", ErrCode
	}
	var symbols []byte
	for _, r := range strings.ToUpper(typed) {
		switch r {
		case '-', ' ':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		v := strings.IndexRune(crockford, r)
		if v < 0 {
			return "", ErrCode
		}
		symbols = append(symbols, byte(v))
	}
	if len(symbols) != codeRandom+1 || checkSymbol(symbols[:codeRandom]) != symbols[codeRandom] {
		return "", ErrCode
	}
	text := make([]byte, 0, len(symbols)+3)
	for i, v := range symbols {
		if i > 0 && i%4 == 0 {
			text = append(text, '-')
		}
		text = append(text, crockford[v])
	}
	return Code(text), nil
}

// ActivationCodeMACs are what the service stores of a code, and looks it up by: the first is under the current key and
// is the one to store, the others find codes that were stored before the key was rotated. ErrCode if it is no code.
func ActivationCodeMACs(keys *keyring.Keyring, code Code) ([]keyring.Versioned, error) {
	code, err := NormalizeActivationCode(string(code))
	if err != nil {
		return nil, err
	}
	return keys.MACs(keyring.Code, []byte("activation"), []byte(code)), nil
}

// ActivationCodeMAC is what the service stores of a new code.
func ActivationCodeMAC(keys *keyring.Keyring, code Code) (keyring.Versioned, error) {
	sums, err := ActivationCodeMACs(keys, code)
	if err != nil {
		return keyring.Versioned{}, err
	}
	return sums[0], nil
}

// NewNonce is a fresh nonce for a payment: the version of the current Code key, a point and 128 random bits. It makes
// the payment's statements unique and its approval code unforeseeable.
func NewNonce(keys *keyring.Keyring) string {
	return strconv.Itoa(keys.Current(keyring.Code)) + "." + NewID()
}

// ApprovalCode is the code of 2 or 6 digits that the initiating device shows and the approver types, derived from the
// payment's nonce. It is an HMAC of the nonce under the Code key, taken modulo 10^digits; of 2^64 values no code is
// likelier than another by more than one in 10^13.
//
// It is derived, not stored. The initiating device may ask for it again and again while it waits, so a one-way digest
// would not do; and plain in the database it would let whoever reads a backup or a replica approve what he started. The
// nonce is no secret: without the key it tells nothing.
func ApprovalCode(keys *keyring.Keyring, nonce string, digits int) (Code, error) {
	if digits != 2 && digits != 6 {
		panic("consent: approval code of " + strconv.Itoa(digits) + " digits")
	}
	text, id, ok := strings.Cut(nonce, ".")
	version, err := strconv.Atoi(text)
	raw, errID := decodeBase64(id)
	if !ok || err != nil || errID != nil || len(raw) != 16 {
		return "", ErrMalformed.at("nonce")
	}
	sum, err := keys.MACAt(keyring.Code, version, []byte("approval"), []byte(nonce), []byte{byte(digits)})
	if err != nil {
		return "", err
	}
	n := binary.BigEndian.Uint64(sum) % uint64(math.Pow10(digits))
	return Code(fmt.Sprintf("%0*d", digits, n)), nil
}

// CheckApprovalCode tells whether typed is the payment's approval code, in constant time. The caller takes a try off
// before.
func CheckApprovalCode(keys *keyring.Keyring, nonce string, digits int, typed Code) (bool, error) {
	want, err := ApprovalCode(keys, nonce, digits)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare([]byte(want), []byte(typed)) == 1, nil
}
