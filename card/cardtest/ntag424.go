package cardtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"tapline/card/apdu"
	"tapline/card/cmac"
	"tapline/card/sun"
)

// NTAG424 is a virtual NTAG 424 DNA in AES mode, written after NXP's data sheet NT4H2421Gx: its files, keys, secure
// messaging and Secure Dynamic Messaging. It shares with the code that writes and verifies such cards no more than AES
// and CMAC. It does not have the LRP mode, SetConfiguration, the originality check, and the pauses after wrong keys.
type NTAG424 struct {
	memory  ntagMemory
	session *ntagSession // the authentication, if there is one
	opening *ntagOpening // an authentication of which the first half is done
	frames  [][]byte     // of an answer, still to be fetched
	open    bool         // the application is selected
	file    int          // the file that is selected, 0 for none
	reading ntagReading
}

// ntagMemory is what the card keeps without power. In JSON bytes are hexadecimal digits.
type ntagMemory struct {
	UID       hexadecimal  `json:"uid"`
	RandomUID bool         `json:"random_uid,omitempty"`
	Keys      [5]ntagKey   `json:"keys"`
	Files     [3]*ntagFile `json:"files"`
	Counter   uint32       `json:"counter"` // of taps
}

type ntagKey struct {
	Key      hexadecimal `json:"key"`
	Version  byte        `json:"version"`
	Failures int         `json:"failures,omitempty"` // wrong tries; each right one takes ten off
}

// ntagFile is a file with its settings as ChangeFileSettings takes them: option, rights, and those of SDM.
type ntagFile struct {
	Data     hexadecimal `json:"data"`
	Settings hexadecimal `json:"settings"`
}

type hexadecimal []byte

// MarshalText writes the digits.
func (h hexadecimal) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText reads the digits.
func (h *hexadecimal) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// The files' numbers.
const (
	ntagCC   = 1
	ntagNDEF = 2
	ntagData = 3
)

var ntagName = []byte{0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01}

// NewNTAG424 is a card as it comes from the factory: all keys zero, an empty NDEF file that everybody may write, and
// nothing mirrored (data sheet §8.2.3 and §8.2.4).
func NewNTAG424(uid sun.UID) *NTAG424 {
	c := &NTAG424{memory: ntagMemory{UID: uid[:]}}
	for i := range c.memory.Keys {
		c.memory.Keys[i].Key = make([]byte, 16)
	}
	container := make([]byte, 32)
	// 23 bytes, version 2.0, at most 256 read and 255 written at once; the NDEF file E104 of 256 bytes, free to read and
	// write; the data file E105 of 128 bytes, with rights of the maker's own.
	copy(container, []byte{0, 23, 0x20, 1, 0, 0, 0xFF, 4, 6, 0xE1, 4, 1, 0, 0, 0, 5, 6, 0xE1, 5, 0, 0x80, 0x82, 0x83})
	data := make([]byte, 128)
	data[1] = 0x7E
	c.memory.Files = [3]*ntagFile{
		{container, []byte{0x00, 0x00, 0xE0}}, {make([]byte, 256), []byte{0x00, 0xE0, 0xEE}}, {data, []byte{0x03, 0x30, 0x23}},
	}
	return c
}

// RandomUID makes the card show a random UID from now on (data sheet §10.5.1).
func (c *NTAG424) RandomUID() { c.memory.RandomUID = true }

// SetKey gives the card a key under a number, as some other tool would have.
func (c *NTAG424) SetKey(number int, key sun.Key, version byte) {
	raw, err := hex.DecodeString(key.Reveal())
	if err != nil {
		panic(err)
	}
	c.memory.Keys[number] = ntagKey{Key: raw, Version: version}
}

// MarshalJSON is all that the card keeps without power, its keys among it.
func (c *NTAG424) MarshalJSON() ([]byte, error) { return json.Marshal(c.memory) }

// UnmarshalJSON makes the card what MarshalJSON wrote.
func (c *NTAG424) UnmarshalJSON(text []byte) error {
	var m ntagMemory
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	wrong := len(m.UID) != 7
	for _, k := range m.Keys {
		wrong = wrong || len(k.Key) != 16
	}
	for i, f := range m.Files {
		wrong = wrong || f == nil || len(f.Data) != [3]int{32, 256, 128}[i] || !settingsFit(i+1, f.Settings, len(f.Data))
	}
	if wrong {
		return fmt.Errorf("not the state of a virtual NTAG 424 DNA")
	}
	*c = NTAG424{memory: m}
	return nil
}

// ATR is that of a contactless card with the one historical byte that the card's answer to select has.
func (c *NTAG424) ATR() []byte { return []byte{0x3B, 0x81, 0x80, 0x01, 0x80, 0x80} }

// Reset takes the power away: nobody is authenticated, and nothing is selected.
func (c *NTAG424) Reset() { *c = NTAG424{memory: c.memory} }

// Transmit answers as the card does. The error is the cause of ctx.
func (c *NTAG424) Transmit(ctx context.Context, raw []byte) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	command, err := apdu.ParseCommand(raw)
	if err != nil {
		return status(apdu.StatusWrongLength).Bytes(), nil
	}
	answer := c.answer(command)
	if !successful(answer.Status) {
		c.session = nil // data sheet §9.1.9: any error ends the authentication
	}
	return answer.Bytes(), nil
}

func successful(s apdu.Status) bool { return s == apdu.StatusOK || s == ntagOK || s == ntagMore }

func (c *NTAG424) answer(command apdu.Command) apdu.Response {
	if command.Instruction != apdu.InsReadBinary && command.Instruction != 0xAD || command.Instruction != c.reading.instruction {
		c.reading = ntagReading{} // data sheet §9.3.1: the next read is a first one
	}
	switch {
	case command.Class == 0x90 && (command.P1 != 0 || command.P2 != 0):
		return status(ntagParameter)
	case command.Class == 0x90:
		return c.native(command)
	case bytes.HasPrefix(command.Bytes(), []byte{0xFF, 0xCA, 0, 0}): // a reader answers in the card's place (PC/SC Part 3 §3.2.2.1.3)
		return data(c.shownUID())
	case command.Class != 0x00:
		return status(apdu.StatusNoSuchClass)
	case c.opening != nil || c.frames != nil:
		c.opening, c.frames = nil, nil
		return status(apdu.StatusConditions)
	}
	switch command.Instruction {
	case apdu.InsSelect:
		return c.selectFile(command)
	case apdu.InsReadBinary:
		return c.readBinary(command)
	case 0xD6:
		return c.updateBinary(command)
	}
	return status(apdu.StatusNoSuchInstruction)
}

func (c *NTAG424) shownUID() []byte {
	if c.memory.RandomUID {
		return append([]byte{0x08}, randomBytes(3)...)
	}
	return bytes.Clone(c.memory.UID)
}

// selectFile is ISOSelectFile (data sheet §10.9.1). Selecting the application ends an authentication.
func (c *NTAG424) selectFile(command apdu.Command) apdu.Response {
	switch {
	case command.P2 != 0x00 && command.P2 != 0x0C:
		return status(apdu.StatusWrongParameters)
	case command.P1 == 0x04 && bytes.Equal(command.Data, ntagName):
		c.session, c.open, c.file = nil, true, 0
		return status(apdu.StatusOK)
	case (command.P1 == 0x00 || command.P1 == 0x02) && c.open && len(command.Data) == 2 && command.Data[0] == 0xE1:
		if file := int(command.Data[1]) - 2; file >= ntagCC && file <= ntagData {
			c.file = file
			return status(apdu.StatusOK)
		}
	}
	return status(apdu.StatusNotFound)
}

// place is file and offset of an ISO command: those of P1 and P2, or an offset in the selected file.
func (c *NTAG424) place(command apdu.Command) (number, offset int) {
	if command.P1&0x80 != 0 {
		return int(command.P1 & 0x1F), int(command.P2)
	}
	return c.file, int(command.P1)<<8 | int(command.P2)
}

// readBinary is ISOReadBinary (data sheet §10.9.2).
func (c *NTAG424) readBinary(command apdu.Command) apdu.Response {
	number, offset := c.place(command)
	switch {
	case !c.open || number < ntagCC || number > ntagData:
		return status(apdu.StatusNotFound)
	case command.Le == 0 || len(command.Data) > 0:
		return status(apdu.StatusWrongLength)
	}
	file := c.memory.Files[number-1]
	length := command.Le
	if length == apdu.AnyLength {
		length = len(file.Data) - offset
	}
	way, refusal := c.access(file, rightRead)
	switch {
	case refusal != 0 || way != 0:
		return status(ntagNotSatisfied)
	case length <= 0 || offset+length > len(file.Data):
		return status(apdu.StatusWrongLength)
	}
	content, ok := c.content(number, command.Instruction)
	if !ok {
		return status(apdu.StatusConditions)
	}
	c.count()
	return data(content[offset : offset+length])
}

// updateBinary is ISOUpdateBinary (data sheet §10.9.3).
func (c *NTAG424) updateBinary(command apdu.Command) apdu.Response {
	number, offset := c.place(command)
	switch {
	case !c.open || number < ntagCC || number > ntagData:
		return status(apdu.StatusNotFound)
	case len(command.Data) == 0 || offset+len(command.Data) > len(c.memory.Files[number-1].Data):
		return status(apdu.StatusWrongLength)
	}
	if way, refusal := c.access(c.memory.Files[number-1], rightWrite); refusal != 0 || way != 0 {
		return status(ntagNotSatisfied)
	}
	copy(c.memory.Files[number-1].Data[offset:], command.Data)
	c.count()
	return status(apdu.StatusOK)
}

// count counts a command of a session that was sent plainly.
func (c *NTAG424) count() {
	if c.session != nil {
		c.session.counter++
	}
}

// cmacOf is AES-CMAC under one of the card's keys.
func (c *NTAG424) cmacOf(key int, message ...[]byte) cmac.Block {
	return cmac.AES(c.memory.Keys[key].Key, bytes.Join(message, nil))
}
