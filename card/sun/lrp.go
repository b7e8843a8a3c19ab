package sun

import (
	"slices"

	"tapline/card/cmac"
)

// lrp is the leakage resilient primitive of NXP AN12304 with one of its updated keys.
type lrp struct {
	plaintexts [16]block
	key        block
}

// newLRP makes the plaintexts (AN12304 algorithm 1) and the updated key of a number (algorithm 2).
func newLRP(key block, number int) *lrp {
	var l lrp
	h := fill(key, 0x55)
	for i := range l.plaintexts {
		l.plaintexts[i] = fill(h, 0xAA)
		h = fill(h, 0x55)
	}
	h = fill(key, 0xAA)
	for range number {
		h = fill(h, 0x55)
	}
	l.key = fill(h, 0xAA)
	return &l
}

// fill encrypts a block of one repeated byte.
func fill(key block, b byte) (out block) {
	for i := range out {
		out[i] = b
	}
	newAES(key[:]).Encrypt(out[:], out[:])
	return out
}

// eval is AN12304 algorithm 3: y is encrypted along the path of nibbles.
func (l *lrp) eval(nibbles []byte, finalize bool) block {
	y := l.key
	for _, n := range nibbles {
		next := l.plaintexts[n]
		newAES(y[:]).Encrypt(next[:], next[:])
		y = next
	}
	if finalize {
		y = fill(y, 0)
	}
	return y
}

// nibbles splits bytes, the more significant nibble first.
func nibbles(octets []byte) []byte {
	out := make([]byte, 0, 2*len(octets))
	for _, b := range octets {
		out = append(out, b>>4, b&0x0F)
	}
	return out
}

// cmac is CMAC_LRP, AN12304 §3.3.
func (l *lrp) cmac(message []byte) block {
	return cmac.Sum(func(b *block) { *b = l.eval(nibbles(b[:]), true) }, message)
}

// crypt is LRICB, AN12304 algorithms 4 and 5: every block under a key of its own, numbered by the counter.
func (l *lrp) crypt(counter, data []byte, one func(key block, dst, src []byte)) []byte {
	counter, out := slices.Clone(counter), make([]byte, len(data))
	for i := 0; i+16 <= len(data); i += 16 {
		one(l.eval(nibbles(counter), true), out[i:i+16], data[i:i+16])
		for j := len(counter) - 1; j >= 0; j-- {
			if counter[j]++; counter[j] != 0 {
				break
			}
		}
	}
	return out
}

func (l *lrp) decrypt(counter, data []byte) []byte {
	return l.crypt(counter, data, func(key block, dst, src []byte) { newAES(key[:]).Decrypt(dst, src) })
}

func (l *lrp) encrypt(counter, data []byte) []byte {
	return l.crypt(counter, data, func(key block, dst, src []byte) { newAES(key[:]).Encrypt(dst, src) })
}

// sessionMaster is what the session keys of a tap are made of in LRP mode (data sheet §9.3.9.2): key 0 for the MAC, key 1
// for encryption.
func sessionMaster(key Key, t Tap) block {
	vector := append([]byte{0x00, 0x01, 0x00, 0x80}, t.context()...)
	for (len(vector)+2)%16 != 0 {
		vector = append(vector, 0)
	}
	return newLRP(key.octets, 0).cmac(append(vector, 0x1E, 0xE1))
}

// lrp returns the MAC that the message should have, and the file data.
func (m Message) lrp(key Key, t Tap) (mac [8]byte, data []byte) {
	master := sessionMaster(key, t)
	mac = cmac.Truncate(newLRP(master, 0).cmac([]byte(m.MACInput)))
	if m.Enc != nil {
		data = newLRP(master, 1).decrypt(fileCounter(t), m.Enc)
	}
	return mac, data
}

// fileCounter numbers the blocks of file data: the card's counter and three zero bytes (data sheet §9.3.6.2).
func fileCounter(t Tap) []byte {
	return []byte{byte(t.Counter), byte(t.Counter >> 8), byte(t.Counter >> 16), 0, 0, 0}
}
