package push

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// The content coding aes128gcm (RFC 8188 §2.1), in one record.
const (
	saltBytes  = 16
	recordSize = 4096 // what every push service takes (RFC 8291 §4)
	lastRecord = 2    // the delimiter of the last record (RFC 8188 §2)
	tagBytes   = 16
	pointBytes = 65 // an uncompressed point on P-256 (X9.62)
	headBytes  = saltBytes + 4 + 1 + pointBytes

	// MaxPayload is how much one message can say, in bytes.
	MaxPayload = recordSize - headBytes - tagBytes - 1
)

// encrypt makes the body that only the subscription's browser can read (RFC 8291 §3), padded to padTo bytes so that its
// length tells nothing.
func (s Subscription) encrypt(plaintext []byte, padTo int) ([]byte, error) {
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	return s.encryptWith(own, salt, plaintext, padTo)
}

// encryptWith is encrypt with a key pair and salt, each of which must be used once only.
func (s Subscription) encryptWith(own *ecdh.PrivateKey, salt, plaintext []byte, padTo int) ([]byte, error) {
	if len(plaintext) > MaxPayload || padTo > MaxPayload {
		return nil, ErrTooLong
	}
	browser, err := ecdh.P256().NewPublicKey(s.Key)
	if err != nil {
		return nil, ErrSubscription
	}
	shared, err := own.ECDH(browser)
	if err != nil {
		return nil, err
	}
	key, nonce, err := derive(shared, s.Auth, salt, s.Key, own.PublicKey().Bytes())
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	body := append(make([]byte, 0, recordSize), salt...)
	body = binary.BigEndian.AppendUint32(body, recordSize)
	body = append(body, pointBytes)
	body = append(body, own.PublicKey().Bytes()...)
	record := append(make([]byte, 0, recordSize), plaintext...)
	record = append(record, lastRecord)
	for len(record) <= padTo {
		record = append(record, 0)
	}
	return aead.Seal(body, nonce, record, nil), nil
}

// derive makes key and nonce of the record (RFC 8291 §3.4). The nonce of the first record is not changed by its number.
func derive(shared, auth, salt, browser, own []byte) (key, nonce []byte, err error) {
	info := "WebPush: info\x00" + string(browser) + string(own)
	secret, err := hkdf.Key(sha256.New, shared, auth, info, sha256.Size)
	if err != nil {
		return nil, nil, err
	}
	if key, err = hkdf.Key(sha256.New, secret, salt, "Content-Encoding: aes128gcm\x00", 16); err != nil {
		return nil, nil, err
	}
	nonce, err = hkdf.Key(sha256.New, secret, salt, "Content-Encoding: nonce\x00", 12)
	return key, nonce, err
}
