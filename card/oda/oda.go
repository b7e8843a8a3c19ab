// Package oda judges for a service whether the EMV card of a tap was there: offline data authentication (EMV Book 2
// §5 and §6, Book C-3 Annex C). It is given what card and reader said to each other, by a device that may lie, and the
// challenge that the service chose. It needs no network and keeps nothing: that a challenge is used once is its
// caller's business. Start at Examine.
package oda

import (
	"errors"
	"time"

	"tapline/card"
)

// Bounds on a transcript.
const (
	MaxExchanges = 128      // as many as card.Read ever makes
	MaxBytes     = 32 << 10 // of all commands and responses together
)

// What is wrong with a transcript as such.
var (
	// ErrMalformed means bytes that no reader and card can have said to each other.
	ErrMalformed = errors.New("this is no transcript of a card")
	// ErrNoAccount means a transcript without an account number.
	ErrNoAccount = card.ErrNoAccount
)

// Challenge is what the service gave the device to ask the card with. It is for one tap.
type Challenge struct {
	UnpredictableNumber [4]byte // from a cryptographic source, and not zero: card.Terminal takes that for none
	Amount              int64   // minor units of Currency
	Currency            uint16  // ISO 4217 numeric
}

// Method is a way in which a card proves itself.
type Method string

// The methods.
const (
	None Method = ""
	SDA  Method = "sda"  // a signature made once by the issuer: whoever reads it can copy it
	DDA  Method = "dda"  // the card signs what INTERNAL AUTHENTICATE asks
	FDDA Method = "fdda" // the card signs on GET PROCESSING OPTIONS: Visa, UnionPay
	CDA  Method = "cda"  // the card signs with its cryptogram
)

// Finding is what a transcript says, and what of it is proven.
type Finding struct {
	Number card.Number
	Scheme card.Scheme
	AID    card.AID // of the application as it names itself
	Expiry string   // YYMM
	PSN    string   // two digits
	PAR    string   // payment account reference

	// Authentic holds when a card with a certificate for Number answered the challenge. It says nothing of the other
	// fields.
	Authentic bool
	// AmountSigned holds when the answer covers the challenge's amount and currency too, as with fDDA and mostly CDA.
	AmountSigned bool
	// Method is the proof that the card gave, whether it was right or not.
	Method Method
	// Why tells people and logs what is wrong with the proof; empty if Authentic. It has no part of the number.
	Why string
}

// Examine reads a transcript as the card would understand it, derives the account from it, and judges the proof. The
// account is that of the application that was selected last. A proof that is missing, wrong, or cannot be verified
// because the authority is not known makes a Finding that is not Authentic. Errors are ErrMalformed and ErrNoAccount.
func Examine(transcript card.Transcript, c Challenge, a *Authorities, now time.Time) (Finding, error) {
	d, err := walk(transcript)
	if err != nil {
		return Finding{}, err
	}
	account, err := card.AccountOf(d.objects)
	if err != nil {
		return Finding{}, err
	}
	f := Finding{
		Number: account.Number, Scheme: card.SchemeOf(d.aid), AID: d.aid,
		Expiry: account.Expiry, PSN: account.PSN, PAR: account.PAR, Method: d.method(),
	}
	if f.AmountSigned, err = d.prove(f, c, a, now); err != nil {
		f.AmountSigned, f.Why = false, err.Error()
	}
	f.Authentic = err == nil
	return f, nil
}
