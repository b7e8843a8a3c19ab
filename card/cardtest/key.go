package cardtest

import (
	"crypto/rand"
	"crypto/sha1" // EMV has no other hash for RSA
	"fmt"
	"math/big"
	"slices"
)

// RSAKey is a key pair of any size that EMV has, many of which crypto/rsa refuses as too short for other uses. It does
// not change; it must never guard anything.
type RSAKey struct {
	modulus, exponent, private *big.Int
}

// NewRSAKey makes a key pair with a modulus of so many bits, a multiple of 16, and exponent 3 or 65537.
func NewRSAKey(bits int, exponent int64) *RSAKey {
	e, one := big.NewInt(exponent), big.NewInt(1)
	for {
		p, q := prime(bits/2, e), prime(bits/2, e)
		n := new(big.Int).Mul(p, q)
		phi := new(big.Int).Mul(p.Sub(p, one), q.Sub(q, one))
		d := new(big.Int).ModInverse(e, phi)
		if d != nil && n.BitLen() == bits {
			return &RSAKey{n, e, d}
		}
	}
}

// prime is one whose predecessor e, a prime, does not divide.
func prime(bits int, e *big.Int) *big.Int {
	for {
		p, err := rand.Prime(rand.Reader, bits)
		if err != nil {
			panic(fmt.Sprintf("cardtest: a prime of %d bits: %v", bits, err))
		}
		if new(big.Int).Mod(p, e).Cmp(big.NewInt(1)) != 0 {
			return p
		}
	}
}

// Size is the length of the modulus in bytes.
func (k *RSAKey) Size() int { return (k.modulus.BitLen() + 7) / 8 }

// Modulus is the public modulus.
func (k *RSAKey) Modulus() []byte { return k.modulus.Bytes() }

// Exponent is the public exponent.
func (k *RSAKey) Exponent() []byte { return k.exponent.Bytes() }

// Sign makes a signature with message recovery over body, which is filled with BB to the size of the key, and rest
// (EMV Book 2 Annex A2.1.1). It panics if body does not fit.
func (k *RSAKey) Sign(body []byte, rest ...[]byte) []byte {
	room := k.Size() - 22
	if len(body) > room {
		panic(fmt.Sprintf("cardtest: %d bytes do not fit a key of %d", len(body), k.Size()))
	}
	body = slices.Concat(body, slices.Repeat([]byte{0xBB}, room-len(body)))
	hash := sha1.Sum(slices.Concat(body, slices.Concat(rest...)))
	block := slices.Concat([]byte{0x6A}, body, hash[:], []byte{0xBC})
	s := new(big.Int).SetBytes(block)
	return s.Exp(s, k.private, k.modulus).FillBytes(make([]byte, k.Size()))
}

// certify puts a key into what comes before it in a certificate, and returns the signed certificate and the remainder
// that did not fit (EMV Book 2 §5.1 and §6.1).
func (k *RSAKey) certify(before []byte, key *RSAKey, rest ...[]byte) (certificate, remainder []byte) {
	room := k.Size() - 22 - len(before)
	modulus := key.Modulus()
	cut := min(room, len(modulus))
	remainder = modulus[cut:]
	body := slices.Concat(before, modulus[:cut])
	return k.Sign(body, append([][]byte{remainder, key.Exponent()}, rest...)...), remainder
}
