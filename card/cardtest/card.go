// Package cardtest plays cards without cards: recorded transcripts, virtual cards, and a real PC/SC stack whose
// reader is virtual. Tests, the demo and `tapline card emulate` use it. Nothing in it is a payment card: the numbers
// are test numbers, and no cryptogram is one that an issuer would take. A virtual card's proof is verified only with the
// authority key that it made for itself.
package cardtest

import (
	"fmt"
	"strings"

	"tapline/card"
	"tapline/card/apdu"
	"tapline/card/sun"
)

// Card is a card that can be put into a virtual reader. A virtual card answers every command with a status word; it
// is for one goroutine at a time.
type Card interface {
	card.Transmitter
	// ATR is the answer to reset that a PC/SC reader reports (PC/SC Part 3 §3.1.3.2.3 for contactless cards).
	ATR() []byte
	// Reset takes away the power: no application is selected any more.
	Reset()
}

// Kind names a sort of virtual card.
type Kind string

// The kinds of virtual cards.
const (
	KindEMV     Kind = "emv"     // a contactless payment card
	KindSUN     Kind = "sun"     // a blank NTAG 424 DNA
	KindTUnion  Kind = "tunion"  // a transport card
	KindStorage Kind = "storage" // an NTAG 213: no account, an empty message
)

// Kinds returns all kinds, the most useful first.
func Kinds() []Kind { return []Kind{KindEMV, KindSUN, KindTUnion, KindStorage} }

// New makes a virtual card of a kind. The number may be zero: then the card has a published test number. Cards of kinds
// sun and storage have none.
func New(kind Kind, number card.Number) (Card, error) {
	switch kind {
	case KindEMV:
		return &EMV{Number: number}, nil
	case KindTUnion:
		if !number.IsZero() && len(number.Reveal()) != 19 {
			return nil, fmt.Errorf("a %s card needs an account number of 19 digits", kind)
		}
		return &TUnion{Number: number}, nil
	case KindSUN:
		uid := sun.UID{0x04} // NXP's (ISO/IEC 7816-6)
		copy(uid[1:], randomBytes(len(uid)-1))
		return NewNTAG424(uid), nil
	case KindStorage:
		return &Storage{}, nil
	}
	var known []string
	for _, k := range Kinds() {
		known = append(known, string(k))
	}
	return nil, fmt.Errorf("unknown kind of card %q: choose %s", kind, strings.Join(known, ", "))
}

// Number is card.ParseNumber for test numbers written in code. It panics if digits are not a number.
func Number(digits string) card.Number {
	number, err := card.ParseNumber(digits)
	if err != nil {
		panic(err)
	}
	return number
}

// status is an answer without data.
func status(s apdu.Status) apdu.Response { return apdu.Response{Status: s} }

// data is an answer with data and 9000.
func data(b []byte) apdu.Response { return apdu.Response{Data: b, Status: apdu.StatusOK} }
