package sun

import (
	"crypto/aes"
	"crypto/cipher"

	"tapline/card/cmac"
)

// block is 16 bytes, the size of all that is encrypted here.
type block = cmac.Block

// Session vectors begin so: data sheet §9.3.9.1, SV1 for encryption and SV2 for the MAC.
var (
	sv1 = [...]byte{0xC3, 0x3C, 0x00, 0x01, 0x00, 0x80}
	sv2 = [...]byte{0x3C, 0xC3, 0x00, 0x01, 0x00, 0x80}
)

// sessionKey is the session key of a tap in AES mode.
func sessionKey(key Key, prefix [6]byte, t Tap) block {
	vector := append(prefix[:], t.context()...)
	for len(vector)%16 != 0 {
		vector = append(vector, 0)
	}
	return cmac.AES(key.octets[:], vector)
}

// aes returns the MAC that the message should have, and the file data.
func (m Message) aes(key Key, t Tap) (mac [8]byte, data []byte) {
	session := sessionKey(key, sv2, t)
	mac = cmac.Truncate(cmac.AES(session[:], []byte(m.MACInput)))
	if m.Enc == nil {
		return mac, nil
	}
	c, iv := fileCipher(key, t)
	data = make([]byte, len(m.Enc))
	cipher.NewCBCDecrypter(c, iv[:]).CryptBlocks(data, m.Enc)
	return mac, data
}

// fileCipher is what file data are encrypted with in AES mode (data sheet §9.3.6.1).
func fileCipher(key Key, t Tap) (cipher.Block, block) {
	session := sessionKey(key, sv1, t)
	c := newAES(session[:])
	iv := block{byte(t.Counter), byte(t.Counter >> 8), byte(t.Counter >> 16)}
	c.Encrypt(iv[:], iv[:])
	return c, iv
}

// decryptPICC decrypts the PICC data. AES: CBC with a zero IV; LRP: data sheet §9.3.4.2, with the counter in front.
func (m Message) decryptPICC(meta Key) (plain block) {
	if m.Mode == LRP {
		copy(plain[:], newLRP(meta.octets, 0).decrypt(m.PICC[:8], m.PICC[8:]))
		return plain
	}
	newAES(meta.octets[:]).Decrypt(plain[:], m.PICC) // one block, and the IV is zero
	return plain
}

func newAES(key []byte) cipher.Block {
	c, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // a length that the caller has not checked
	}
	return c
}
