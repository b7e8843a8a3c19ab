package cardtest

import (
	"bytes"
	"fmt"

	"tapline/card/apdu"
	"tapline/card/cmac"
)

// Rights of a file, as places in its access rights (data sheet §8.2.3.3).
type ntagRight int

const (
	rightRead ntagRight = iota
	rightWrite
)

const (
	anybody = 0xE
	nobody  = 0xF
)

// access tells by which mode of communication a file may be read or written now, or the status that it may not with.
func (c *NTAG424) access(file *ntagFile, right ntagRight) (mode int, refusal apdu.Status) {
	s := file.Settings
	rights := []byte{s[2] >> 4, s[1] >> 4} // the right alone, and that of reading and writing
	if right == rightWrite {
		rights[0] = s[2] & 0xF
	}
	for _, r := range rights { // a key that is authenticated goes before free access
		if c.session != nil && int(r) == c.session.key {
			return int(s[0] & 3), 0
		}
	}
	switch {
	case rights[0] == anybody || rights[1] == anybody:
		return 0, 0
	case rights[0] != nobody || rights[1] != nobody:
		return 0, ntagUnproven
	}
	return 0, ntagDenied
}

// stretch reads file, offset and length of a native command.
func (c *NTAG424) stretch(header []byte) (file *ntagFile, number, offset, length int, refusal apdu.Status) {
	number, offset, length = int(header[0]), number3(header[1:]), number3(header[4:])
	if number < ntagCC || number > ntagData {
		return nil, 0, 0, 0, ntagNoFile
	}
	file = c.memory.Files[number-1]
	if length == 0 {
		length = len(file.Data) - offset
	}
	if offset+length > len(file.Data) || length <= 0 {
		return nil, 0, 0, 0, ntagBoundary
	}
	return file, number, offset, length, 0
}

func number3(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// readData is ReadData (data sheet §10.8.1).
func (c *NTAG424) readData(command apdu.Command) apdu.Response {
	if len(command.Data) < 7 {
		return status(ntagLength)
	}
	file, number, offset, length, refusal := c.stretch(command.Data[:7])
	if refusal != 0 {
		return status(refusal)
	}
	mode, refusal := c.access(file, rightRead)
	if refusal != 0 {
		return status(refusal)
	}
	return c.secured(command, mode, 7, func(_, rest []byte) ([]byte, apdu.Status) {
		if len(rest) > 0 {
			return nil, ntagLength
		}
		content, ok := c.content(number, command.Instruction)
		if !ok {
			return nil, ntagDenied
		}
		return content[offset : offset+length], ntagOK
	})
}

// writeData is WriteData (data sheet §10.8.2).
func (c *NTAG424) writeData(command apdu.Command) apdu.Response {
	if len(command.Data) < 7 {
		return status(ntagLength)
	}
	file, _, offset, length, refusal := c.stretch(command.Data[:7])
	if refusal != 0 {
		return status(refusal)
	}
	mode, refusal := c.access(file, rightWrite)
	if refusal != 0 {
		return status(refusal)
	}
	return c.secured(command, mode, 7, func(_, in []byte) ([]byte, apdu.Status) {
		if len(in) != length {
			return nil, ntagLength
		}
		copy(file.Data[offset:], in)
		return nil, ntagOK
	})
}

// getFileSettings is GetFileSettings (data sheet §10.7.2).
func (c *NTAG424) getFileSettings(header, rest []byte) ([]byte, apdu.Status) {
	if len(rest) > 0 {
		return nil, ntagLength
	}
	if header[0] < ntagCC || header[0] > ntagData {
		return nil, ntagNoFile
	}
	f := c.memory.Files[header[0]-1]
	size := len(f.Data)
	out := append([]byte{0}, f.Settings[:3]...)
	out = append(out, byte(size), byte(size>>8), byte(size>>16))
	return append(out, f.Settings[3:]...), ntagOK
}

// changeFileSettings is ChangeFileSettings (data sheet §10.7.1).
func (c *NTAG424) changeFileSettings(header, in []byte) ([]byte, apdu.Status) {
	number := int(header[0])
	if number < ntagCC || number > ntagData {
		return nil, ntagNoFile
	}
	file := c.memory.Files[number-1]
	switch change := file.Settings[1] & 0xF; {
	case change == nobody:
		return nil, ntagDenied
	case change != anybody && int(change) != c.session.key:
		return nil, ntagUnproven
	case !settingsFit(number, in, len(file.Data)):
		return nil, ntagParameter
	}
	if in[0]&0x40 != 0 {
		c.memory.Counter = 0 // data sheet §9.3.1, which does not say what holds if SDM was on before: the worse is taken
	}
	file.Settings = bytes.Clone(in)
	return nil, ntagOK
}

// ntagSDM is what the settings say about mirrors; an offset that they do not have is -1.
type ntagSDM struct {
	uid, counter                              bool
	metaRead, fileRead                        int
	uidAt, counterAt, piccAt                  int
	macFrom, encryptedAt, encryptedLen, macAt int
	limit                                     int
}

// decodeSDM reads the settings of SDM, in the order of data sheet table 69. Tamper states are for another kind of card.
func decodeSDM(s []byte) (out ntagSDM, ok bool) {
	out = ntagSDM{uidAt: -1, counterAt: -1, piccAt: -1, macFrom: -1, encryptedAt: -1, macAt: -1, limit: 0xFFFFFF}
	if len(s) < 6 || s[3]&0x0F != 0x01 { // ASCII, and nothing unknown
		return out, false
	}
	rest, broken := s[6:], false
	next := func(at *int) {
		if broken = broken || len(rest) < 3; !broken {
			*at, rest = number3(rest), rest[3:]
		}
	}
	out.uid, out.counter = s[3]&0x80 != 0, s[3]&0x40 != 0
	out.metaRead, out.fileRead = int(s[5]>>4), int(s[5]&0xF)
	if out.uid && out.metaRead == anybody {
		next(&out.uidAt)
	}
	if out.counter && out.metaRead == anybody {
		next(&out.counterAt)
	}
	if out.metaRead < 5 {
		next(&out.piccAt)
	}
	if out.fileRead < 5 {
		next(&out.macFrom)
		if s[3]&0x10 != 0 {
			next(&out.encryptedAt)
			next(&out.encryptedLen)
		}
		next(&out.macAt)
	}
	if s[3]&0x20 != 0 {
		next(&out.limit)
	}
	return out, !broken && len(rest) == 0
}

// settingsFit tells whether a file of a size can have the settings.
func settingsFit(number int, s []byte, size int) bool {
	if len(s) < 3 || s[0]&^0x43 != 0 || s[0]&3 == 2 {
		return false
	}
	if s[0]&0x40 == 0 {
		return len(s) == 3
	}
	sdm, ok := decodeSDM(s)
	if !ok || number != ntagNDEF || sdm.fileRead == anybody || sdm.fileRead > 4 && sdm.fileRead != nobody {
		return false
	}
	within := func(at, length int) bool { return at == -1 || at == 0xFFFFFF || at+length <= size }
	return within(sdm.uidAt, 14) && within(sdm.counterAt, 6) && within(sdm.piccAt, 32) && within(sdm.macAt, 16) &&
		within(sdm.encryptedAt, sdm.encryptedLen) && sdm.encryptedLen%32 == 0 && sdm.macFrom <= sdm.macAt &&
		(sdm.encryptedAt == -1 || sdm.macFrom <= sdm.encryptedAt && sdm.encryptedAt+sdm.encryptedLen <= sdm.macAt)
}

// ntagReading are reads that belong together: their counter and random padding are the same.
type ntagReading struct {
	instruction byte
	number      int
	padding     []byte
}

// content is a file as it is read now: with its mirrors if nobody is authenticated (data sheet §9.3). It is not, if the
// counter of taps has reached its end.
func (c *NTAG424) content(number int, instruction byte) ([]byte, bool) {
	file := c.memory.Files[number-1]
	content := bytes.Clone(file.Data)
	if c.session != nil || file.Settings[0]&0x40 == 0 {
		return content, true
	}
	sdm, _ := decodeSDM(file.Settings)
	if c.reading.instruction != instruction || c.reading.number != number {
		if c.memory.Counter >= uint32(sdm.limit) {
			return nil, false
		}
		c.memory.Counter++
		c.reading = ntagReading{instruction, number, randomBytes(15)}
	}
	c.mirror(content, sdm)
	return content, true
}

// mirror writes UID and counter, encrypted file data and MAC into the content.
func (c *NTAG424) mirror(content []byte, sdm ntagSDM) {
	n := c.memory.Counter
	var identity, shown []byte
	tag := byte(0)
	if sdm.uid {
		tag, identity = tag|0x87, append(identity, c.memory.UID...)
	}
	if sdm.counter {
		tag, identity = tag|0x40, append(identity, byte(n), byte(n>>8), byte(n>>16))
	}
	write := func(at int, digits []byte) {
		if at >= 0 && at != 0xFFFFFF {
			copy(content[at:], fmt.Sprintf("%X", digits))
		}
	}
	write(sdm.uidAt, c.memory.UID)
	write(sdm.counterAt, []byte{byte(n >> 16), byte(n >> 8), byte(n)})
	if sdm.metaRead < 5 {
		shown = append(append([]byte{tag}, identity...), c.reading.padding...)[:16]
		write(sdm.piccAt, cbc(c.memory.Keys[sdm.metaRead].Key, nil, shown, true))
	}
	if sdm.fileRead > 4 {
		return
	}
	vector := func(a, b byte) []byte {
		v := append([]byte{a, b, 0, 1, 0, 0x80}, identity...)
		return append(v, make([]byte, (16-len(v)%16)%16)...)
	}
	if sdm.encryptedAt >= 0 {
		key := c.cmacOf(sdm.fileRead, vector(0xC3, 0x3C))
		iv := cbc(key[:], nil, append([]byte{byte(n), byte(n >> 8), byte(n >> 16)}, make([]byte, 13)...), true)
		write(sdm.encryptedAt, cbc(key[:], iv, content[sdm.encryptedAt:sdm.encryptedAt+sdm.encryptedLen/2], true))
	}
	key := c.cmacOf(sdm.fileRead, vector(0x3C, 0xC3))
	whole := cmac.AES(key[:], content[sdm.macFrom:sdm.macAt])
	var short []byte
	for i := 1; i < 16; i += 2 {
		short = append(short, whole[i])
	}
	write(sdm.macAt, short)
}
