package oda

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Recovered data begin with a header and a format, and end with a hash and a trailer (EMV Book 2 Annex A2.1).
const (
	header  = 0x6A
	trailer = 0xBC

	formatIssuer  = 0x02
	formatStatic  = 0x03
	formatCard    = 0x04
	formatDynamic = 0x05
	formatFast    = 0x95 // seen on fDDA beside 05

	hashSHA1 = 0x01
	algRSA   = 0x01
)

// recoverData opens a signature with message recovery and returns what lies between header and hash: the format and
// all that follows it. The hash covers that and rest (EMV Book 2 Annex A2.1.2).
func (k publicKey) recoverData(signature []byte, formats []byte, rest ...[]byte) ([]byte, error) {
	s := new(big.Int).SetBytes(signature)
	if len(signature) != k.size || s.Cmp(k.modulus) >= 0 {
		return nil, errors.New("it has not the length of the key that should have made it")
	}
	block := s.Exp(s, k.exponent, k.modulus).FillBytes(make([]byte, k.size))
	body, hash := block[1:k.size-21], block[k.size-21:k.size-1]
	if block[0] != header || block[k.size-1] != trailer || !bytes.Contains(formats, body[:1]) {
		return nil, errors.New("it was not made with the key that should have made it")
	}
	h := sha1.New()
	h.Write(body)
	for _, part := range rest {
		h.Write(part)
	}
	if subtle.ConstantTimeCompare(h.Sum(nil), hash) != 1 {
		return nil, errors.New("its hash does not fit what it should cover")
	}
	return body, nil
}

// issuerKey is the key of the bank that issued a card, as its authority certified it.
type issuerKey struct {
	publicKey
	identifier string // leading digits of its cards' numbers
	serial     [3]byte
}

// openIssuer verifies an issuer certificate (EMV Book 2 §6.3, table 13).
func openIssuer(ca publicKey, certificate, remainder, exponent []byte, now time.Time) (issuerKey, error) {
	body, err := ca.recoverData(certificate, []byte{formatIssuer}, remainder, exponent)
	if err != nil {
		return issuerKey{}, err
	}
	// format 1, identifier 4, expiry 2, serial 3, hash 1, algorithm 1, key length 1, exponent length 1, key
	key, err := certifiedKey(body[10:], remainder, exponent)
	if err != nil {
		return issuerKey{}, err
	}
	if err := stillValid(body[5:7], now); err != nil {
		return issuerKey{}, err
	}
	if key.size > ca.size {
		return issuerKey{}, errors.New("its key is longer than the authority's")
	}
	identifier := unpadded(body[1:5])
	if len(identifier) < 3 {
		return issuerKey{}, errors.New("it names no issuer")
	}
	return issuerKey{key, identifier, [3]byte(body[7:10])}, nil
}

// cardKey is the key of one card, as its issuer certified it.
type cardKey struct {
	publicKey
	number string // the digits of the account number it belongs to
}

// openCard verifies a card's certificate, which covers the static data as well (EMV Book 2 §6.4, table 14).
func openCard(issuer publicKey, certificate, remainder, exponent, static []byte, now time.Time) (cardKey, error) {
	body, err := issuer.recoverData(certificate, []byte{formatCard}, remainder, exponent, static)
	if err != nil {
		return cardKey{}, err
	}
	// format 1, number 10, expiry 2, serial 3, hash 1, algorithm 1, key length 1, exponent length 1, key
	key, err := certifiedKey(body[16:], remainder, exponent)
	if err != nil {
		return cardKey{}, err
	}
	if err := stillValid(body[11:13], now); err != nil {
		return cardKey{}, err
	}
	if key.size > issuer.size {
		return cardKey{}, errors.New("its key is longer than the issuer's")
	}
	return cardKey{key, unpadded(body[1:11])}, nil
}

// certifiedKey puts together the key of a certificate: what is in it, from the hash algorithm on, and the remainder
// that did not fit.
func certifiedKey(tail, remainder, exponent []byte) (publicKey, error) {
	if tail[0] != hashSHA1 || tail[1] != algRSA {
		return publicKey{}, fmt.Errorf("hash algorithm %02X or key algorithm %02X is unknown", tail[0], tail[1])
	}
	length, room := int(tail[2]), tail[4:]
	if int(tail[3]) != len(exponent) {
		return publicKey{}, errors.New("the exponent has not the certified length")
	}
	if len(remainder) != max(0, length-len(room)) {
		return publicKey{}, errors.New("the key's remainder has not the certified length")
	}
	return newPublicKey(slices.Concat(room[:min(length, len(room))], remainder), exponent)
}

// stillValid refuses a certificate after the last day of its month MMYY (EMV Book 2 §6.3), in the century of EMV Book
// 4 §6.7.3.
func stillValid(mmyy []byte, now time.Time) error {
	end, ok := endOfMonth(hex.EncodeToString(mmyy[1:]), hex.EncodeToString(mmyy[:1]))
	if !ok {
		return errors.New("its expiry is no month")
	}
	if !now.Before(end) {
		return errors.New("it has expired")
	}
	return nil
}

// endOfMonth is the first moment, in UTC, after a month of two digits each; years from 50 on are of the last century.
func endOfMonth(year, month string) (time.Time, bool) {
	start, err := time.Parse("0601", year+month)
	if err != nil {
		return time.Time{}, false
	}
	y := start.Year()%100 + 2000
	if y >= 2050 {
		y -= 100
	}
	return time.Date(y, start.Month()+1, 1, 0, 0, 0, 0, time.UTC), true
}

// unpadded is a compressed numeric value without its padding; empty if it is none.
func unpadded(raw []byte) string {
	digits := strings.TrimRight(hex.EncodeToString(raw), "f")
	if strings.ContainsAny(digits, "abcdef") {
		return ""
	}
	return digits
}
