// Package cmac is CMAC (RFC 4493, NIST SP 800-38B): the message authentication code that NTAG 424 DNA cards use.
package cmac

import (
	"crypto/aes"
	"crypto/subtle"
)

// Size is the length of a block and of a whole MAC, in bytes.
const Size = 16

// Block is what is encrypted at once.
type Block = [Size]byte

// AES is AES-CMAC under a key of 16, 24 or 32 bytes. It panics if the key has another length.
func AES(key, message []byte) Block {
	c, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	return Sum(func(b *Block) { c.Encrypt(b[:], b[:]) }, message)
}

// Sum is CMAC over any permutation of blocks: AES, or LRP (NXP AN12304 §3.3).
func Sum(encrypt func(*Block), message []byte) Block {
	var k1, k2, sum, last Block
	encrypt(&k1)
	k1 = double(k1) // RFC 4493 §2.3
	k2 = double(k1)
	for ; len(message) > Size; message = message[Size:] {
		subtle.XORBytes(sum[:], sum[:], message[:Size])
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

// Truncate keeps the bytes with odd numbers, as NTAG 424 DNA cards send all their MACs (NT4H2421Gx §9.1.3).
func Truncate(mac Block) (short [Size / 2]byte) {
	for i := range short {
		short[i] = mac[2*i+1]
	}
	return short
}

// double multiplies by x in the field of RFC 4493 §2.3, in constant time.
func double(b Block) Block {
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
