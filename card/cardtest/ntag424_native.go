package cardtest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"tapline/card/apdu"
	"tapline/card/cmac"
)

// Status words (data sheet §10.1).
const (
	ntagOK           apdu.Status = 0x9100
	ntagMore         apdu.Status = 0x91AF
	ntagIllegal      apdu.Status = 0x911C
	ntagIntegrity    apdu.Status = 0x911E
	ntagNoKey        apdu.Status = 0x9140
	ntagLength       apdu.Status = 0x917E
	ntagDenied       apdu.Status = 0x919D
	ntagParameter    apdu.Status = 0x919E
	ntagUnproven     apdu.Status = 0x91AE
	ntagBoundary     apdu.Status = 0x91BE
	ntagAborted      apdu.Status = 0x91CA
	ntagNoFile       apdu.Status = 0x91F0
	ntagNotSatisfied apdu.Status = 0x6982
)

// mostFailures is how many wrong tries block a key for ever.
const mostFailures = 1000

// ntagSession is an authentication.
type ntagSession struct {
	key      int
	enc, mac []byte
	ti       []byte
	counter  uint16
}

// ntagOpening is an authentication between its two halves.
type ntagOpening struct {
	key   int
	first bool
	rndB  []byte
}

// native answers commands of class 90.
func (c *NTAG424) native(command apdu.Command) apdu.Response {
	if command.Instruction != 0xAF && (c.opening != nil || c.frames != nil) {
		c.opening, c.frames = nil, nil
		return status(ntagAborted)
	}
	in := command.Data
	switch command.Instruction {
	case 0xAF:
		return c.additionalFrame(in)
	case 0x60:
		return c.getVersion(in)
	}
	if !c.open {
		return status(ntagIllegal)
	}
	switch command.Instruction {
	case 0x71:
		return c.authenticate(in, true)
	case 0x77:
		return c.authenticate(in, false)
	case 0x64:
		return c.secured(command, 1, 1, func(header, _ []byte) ([]byte, apdu.Status) {
			if int(header[0]) >= len(c.memory.Keys) {
				return nil, ntagNoKey
			}
			return []byte{c.memory.Keys[header[0]].Version}, ntagOK
		})
	case 0xF5:
		return c.secured(command, 1, 1, c.getFileSettings)
	case 0x51:
		return c.proven(command, 0, func(_, _ []byte) ([]byte, apdu.Status) { return c.memory.UID, ntagOK })
	case 0xC4:
		return c.changeKey(command)
	case 0x5F:
		return c.proven(command, 1, c.changeFileSettings)
	case 0xAD:
		return c.readData(command)
	case 0x8D:
		return c.writeData(command)
	}
	return status(ntagIllegal)
}

// getVersion starts the three frames of GetVersion: hardware, software, production.
func (c *NTAG424) getVersion(in []byte) apdu.Response {
	if len(in) != 0 || c.session != nil {
		return status(ntagLength) // it would need a MAC, which this card does not make for answers in frames
	}
	uid := bytes.Clone(c.memory.UID)
	if c.memory.RandomUID {
		uid = make([]byte, 7)
	}
	c.frames = [][]byte{{4, 4, 2, 1, 2, 0x11, 5}, append(uid, 0xCF, 0x39, 0xD4, 0x49, 0x80, 0x34, 0x20)}
	return apdu.Response{Data: []byte{4, 4, 2, 0x30, 0, 0x11, 5}, Status: ntagMore}
}

func (c *NTAG424) additionalFrame(in []byte) apdu.Response {
	switch {
	case c.opening != nil:
		return c.authenticated(in)
	case len(c.frames) == 0:
		return status(ntagIllegal)
	}
	frame := c.frames[0]
	if c.frames = c.frames[1:]; len(c.frames) == 0 {
		c.frames = nil
		return apdu.Response{Data: frame, Status: ntagOK}
	}
	return apdu.Response{Data: frame, Status: ntagMore}
}

// authenticate is the first half of AuthenticateEV2First and NonFirst (data sheet §10.4.1 and §10.4.2).
func (c *NTAG424) authenticate(in []byte, first bool) apdu.Response {
	switch {
	case first && (len(in) < 2 || len(in) != 2+int(in[1])), !first && len(in) != 1:
		return status(ntagLength)
	case int(in[0]) >= len(c.memory.Keys):
		return status(ntagNoKey)
	case first && len(in) > 2 && in[2]&2 != 0, c.memory.Keys[in[0]].Failures >= mostFailures:
		return status(ntagDenied) // LRP mode is asked for, or the key is blocked
	case !first && c.session == nil:
		return status(ntagUnproven)
	}
	c.opening = &ntagOpening{key: int(in[0]), first: first, rndB: randomBytes(16)}
	return apdu.Response{Data: cbc(c.memory.Keys[in[0]].Key, nil, c.opening.rndB, true), Status: ntagMore}
}

// authenticated is the second half.
func (c *NTAG424) authenticated(in []byte) apdu.Response {
	opening, key := c.opening, &c.memory.Keys[c.opening.key]
	c.opening = nil
	if len(in) != 32 {
		return status(ntagLength)
	}
	plain := cbc(key.Key, nil, in, false)
	a, b := plain[:16], opening.rndB
	if !bytes.Equal(plain[16:], turned(b)) {
		key.Failures++
		return status(ntagUnproven)
	}
	key.Failures = max(0, key.Failures-10)
	next := &ntagSession{key: opening.key}
	proof := turned(a)
	if opening.first {
		next.ti = randomBytes(4)
		proof = append(append(bytes.Clone(next.ti), proof...), make([]byte, 12)...)
	} else {
		next.ti, next.counter = c.session.ti, c.session.counter
	}
	// Data sheet §9.1.7, with bytes counted from the left.
	vector := append([]byte{0, 1, 0, 0x80}, a[0], a[1])
	for i := range 6 {
		vector = append(vector, a[2+i]^b[i])
	}
	vector = append(append(vector, b[6:]...), a[8:]...)
	enc := c.cmacOf(opening.key, []byte{0xA5, 0x5A}, vector)
	mac := c.cmacOf(opening.key, []byte{0x5A, 0xA5}, vector)
	next.enc, next.mac = enc[:], mac[:]
	c.session = next
	return apdu.Response{Data: cbc(key.Key, nil, proof, true), Status: ntagOK}
}

// proven is secured for commands that need an authentication, and travel encrypted.
func (c *NTAG424) proven(command apdu.Command, header int, do func(header, data []byte) ([]byte, apdu.Status)) apdu.Response {
	if c.session == nil {
		return status(ntagUnproven)
	}
	return c.secured(command, 3, header, do)
}

// secured checks what a command is protected with, runs it, and protects the answer. Without an authentication, and in
// mode 0, everything is plain; 1 is with a MAC, 3 is encrypted as well (data sheet §9.1.8 to §9.1.10).
func (c *NTAG424) secured(command apdu.Command, mode, header int, do func(header, data []byte) ([]byte, apdu.Status)) apdu.Response {
	body, s := command.Data, c.session
	if s == nil || mode == 0 {
		if len(body) < header {
			return status(ntagLength)
		}
		out, code := do(body[:header], body[header:])
		if s != nil {
			s.counter++
		}
		return apdu.Response{Data: out, Status: code}
	}
	if len(body) < header+8 {
		return status(ntagLength)
	}
	body, mac := body[:len(body)-8], body[len(body)-8:]
	if s.counter == 0xFFFF || !bytes.Equal(mac, s.macOf(command.Instruction, body)) {
		return status(ntagIntegrity)
	}
	in := body[header:]
	if mode == 3 && len(in) > 0 {
		if len(in)%16 != 0 {
			return status(ntagLength)
		}
		in = bytes.TrimRight(cbc(s.enc, s.ivOf(0xA5, 0x5A), in, false), "\x00")
		if len(in) == 0 || in[len(in)-1] != 0x80 {
			return status(ntagIntegrity)
		}
		in = in[:len(in)-1]
	}
	out, code := do(body[:header], in)
	if code != ntagOK {
		return status(code)
	}
	s.counter++
	if mode == 3 && len(out) > 0 {
		out = append(bytes.Clone(out), 0x80)
		out = append(out, make([]byte, (16-len(out)%16)%16)...)
		out = cbc(s.enc, s.ivOf(0x5A, 0xA5), out, true)
	}
	return apdu.Response{Data: append(bytes.Clone(out), s.macOf(0x00, out)...), Status: ntagOK}
}

// macOf is the MAC of a command, or of an answer with return code 0.
func (s *ntagSession) macOf(code byte, body []byte) []byte {
	mac := cmac.AES(s.mac, bytes.Join([][]byte{{code, byte(s.counter), byte(s.counter >> 8)}, s.ti, body}, nil))
	var short []byte
	for i := 1; i < 16; i += 2 {
		short = append(short, mac[i])
	}
	return short
}

func (s *ntagSession) ivOf(label ...byte) []byte {
	in := append(append(label, s.ti...), byte(s.counter), byte(s.counter>>8), 0, 0, 0, 0, 0, 0, 0, 0)
	return cbc(s.enc, nil, in, true)
}

// changeKey is ChangeKey (data sheet §10.6.1).
func (c *NTAG424) changeKey(command apdu.Command) apdu.Response {
	if c.session == nil || c.session.key != 0 {
		return status(ntagUnproven)
	}
	own := false
	answer := c.secured(command, 3, 1, func(header, in []byte) ([]byte, apdu.Status) {
		number := int(header[0])
		if number >= len(c.memory.Keys) {
			return nil, ntagNoKey
		}
		key := &c.memory.Keys[number]
		if own = number == 0; own {
			if len(in) != 17 {
				return nil, ntagLength
			}
			*key = ntagKey{Key: bytes.Clone(in[:16]), Version: in[16]}
			return nil, ntagOK
		}
		if len(in) != 21 {
			return nil, ntagLength
		}
		changed := bytes.Clone(in[:16])
		for i := range changed {
			changed[i] ^= key.Key[i]
		}
		if binary.LittleEndian.Uint32(in[17:]) != checksum(changed) {
			return nil, ntagIntegrity
		}
		*key = ntagKey{Key: changed, Version: in[16]}
		return nil, ntagOK
	})
	if own && answer.Status == ntagOK { // the session was the old key's
		c.session = nil
		return status(ntagOK)
	}
	return answer
}

// checksum is the CRC-32 of IEEE 802.3 bit by bit, without the inversion at its end.
func checksum(data []byte) uint32 {
	sum := ^uint32(0)
	for _, b := range data {
		sum ^= uint32(b)
		for range 8 {
			low := sum & 1
			sum >>= 1
			if low == 1 {
				sum ^= 0xEDB88320
			}
		}
	}
	return sum
}

// cbc encrypts or decrypts whole blocks; no IV is a zero one.
func cbc(key, iv, in []byte, encrypt bool) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // keys have 16 bytes
	}
	if iv == nil {
		iv = make([]byte, 16)
	}
	out := make([]byte, len(in))
	if encrypt {
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, in)
	} else {
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, in)
	}
	return out
}

func turned(b []byte) []byte { return append(bytes.Clone(b[1:]), b[0]) }

func randomBytes(n int) []byte {
	out := make([]byte, n)
	rand.Read(out) // never fails: crypto/rand
	return out
}
