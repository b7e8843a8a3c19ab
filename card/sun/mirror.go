package sun

import (
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"strings"
)

// Mirror is what a card appends to its URL: "e=…&c=…", or "e=…&d=…&c=…" with file data in whole blocks of 16 bytes. It is
// for emulated cards and for checks after writing one; random is the card's choice, of which AES mode takes 5 bytes.
func Mirror(mode Mode, meta, file Key, uid UID, counter uint32, data []byte, random [8]byte) string {
	t := Tap{Mode: mode, UID: uid, Counter: counter & MaxCounter, HasCounter: true}
	plain := append([]byte{tagUID | tagCounter | 7}, t.context()...)
	plain = append(plain, random[:5]...)
	m := Message{Mode: mode}
	var picc, enc []byte
	if mode == LRP {
		picc = append(random[:], newLRP(meta.octets, 0).encrypt(random[:], plain)...)
		if len(data) > 0 {
			enc = newLRP(sessionMaster(file, t), 1).encrypt(fileCounter(t), data)
		}
	} else {
		picc = make([]byte, 16)
		newAES(meta.octets[:]).Encrypt(picc, plain)
		if len(data) > 0 {
			c, iv := fileCipher(file, t)
			enc = make([]byte, len(data))
			cipher.NewCBCEncrypter(c, iv[:]).CryptBlocks(enc, data)
		}
	}
	text := "e=" + upper(picc)
	if len(enc) > 0 {
		text += "&d=" + upper(enc)
		m.MACInput = upper(enc) + "&c="
	}
	var code [8]byte
	if mode == LRP {
		code, _ = m.lrp(file, t)
	} else {
		code, _ = m.aes(file, t)
	}
	return fmt.Sprintf("%s&c=%s", text, upper(code[:]))
}

func upper(octets []byte) string { return strings.ToUpper(hex.EncodeToString(octets)) }
