package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
)

// ErrSealed is returned for a box that was not sealed by this keyring with the same additional data.
var ErrSealed = errors.New("not sealed with these keys and this context")

// saltSize is the size of the random salt in each box, in bytes.
const saltSize = 16

// Seal encrypts plaintext so that only Unseal with the same additional data aad opens it. aad is not in the box: it
// says what the box belongs to, such as the key of its database row, so that boxes cannot be swapped.
//
// A box is version (1 byte), salt (16), nonce (12), AES-256-GCM ciphertext and tag (16). It is encrypted with a key of
// its own, derived from the salt: under one key for all, random nonces would limit the number of boxes to 2^32
// (NIST SP 800-38D §8.3).
func (k *Keyring) Seal(aad, plaintext []byte) []byte {
	version := k.current[Seal]
	box := make([]byte, 1+saltSize, 1+saltSize+28+len(plaintext))
	box[0] = byte(version)
	rand.Read(box[1:])
	return k.boxCipher(version, box[1:]).Seal(box, nil, plaintext, aad)
}

// Unseal opens a box; ErrSealed if it or aad was changed, ErrVersion if its key is gone.
func (k *Keyring) Unseal(aad, box []byte) ([]byte, error) {
	if len(box) < 1+saltSize {
		return nil, ErrSealed
	}
	version := int(box[0])
	if _, ok := k.secrets[Seal][version]; !ok {
		return nil, ErrVersion
	}
	plaintext, err := k.boxCipher(version, box[1:1+saltSize]).Open(nil, nil, box[1+saltSize:], aad)
	if err != nil {
		return nil, ErrSealed
	}
	return plaintext, nil
}

func (k *Keyring) boxCipher(version int, salt []byte) cipher.AEAD {
	key := k.secrets[Seal][version].mac(Seal, [][]byte{[]byte("box key"), salt})
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // the block has 16 bytes
	}
	return aead
}
