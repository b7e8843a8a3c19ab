package sun

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
)

// block is 16 bytes, the size of all that is encrypted here.
type block = [16]byte

// aesCMAC is AES-CMAC (RFC 4493, NIST SP 800-38B) under a key of 16 or 32 bytes.
func aesCMAC(key, message []byte) block {
	c := newAES(key)
	return cmac(func(b *block) { c.Encrypt(b[:], b[:]) }, message)
}

// cmac is CMAC over any permutation of blocks: AES, or LRP (AN12304 §3.3).
func cmac(encrypt func(*block), message []byte) block {
	var k1, k2, sum, last block
	encrypt(&k1)
	k1 = double(k1) // RFC 4493 §2.3
	k2 = double(k1)
	for ; len(message) > len(block{}); message = message[16:] {
		subtle.XORBytes(sum[:], sum[:], message[:16])
		encrypt(&sum)
	}
	if n := copy(last[:], message); n < len(last) { // RFC 4493 §2.4: pad, and take the other subkey
		last[n] = 0x80
		k1 = k2
	}
	subtle.XORBytes(last[:], last[:], k1[:])
	subtle.XORBytes(sum[:], sum[:], last[:])
	encrypt(&sum)
	return sum
}

// double multiplies by x in the field of RFC 4493 §2.3, in constant time.
func double(b block) block {
	carry := b[0] >> 7
	for i := range b { // from the most significant byte on: the next is still whole
		b[i] <<= 1
		if i+1 < len(b) {
			b[i] |= b[i+1] >> 7
		}
	}
	b[15] ^= 0x87 & -carry
	return b
}

func newAES(key []byte) cipher.Block {
	c, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // a length that the caller has not checked
	}
	return c
}
