package ntag

import (
	"fmt"

	"tapline/card"
)

// Right says who may do something with a file: whoever authenticated with a key of this number, or Free or Never.
type Right byte

// Rights that are no key's (data sheet §8.2.3.3).
const (
	Free  Right = 0xE
	Never Right = 0xF
)

// FileSettings are the settings of a file (data sheet §8.2.3 and §10.7).
type FileSettings struct {
	Mode                           Mode
	Read, Write, ReadWrite, Change Right
	Size                           int  // told by the card; not changed
	SDM                            *SDM // nil if the file does not change by itself
}

// SDM are the settings by which a file mirrors who reads it: Secure Dynamic Messaging (data sheet §9.3). Offsets count
// from the beginning of the file, and hold where the option or the right that goes with them is there.
type SDM struct {
	UID, Counter, Limited, Encrypted, Tamper, ASCII bool
	MetaRead, FileRead, CounterRead                 Right

	UIDOffset, CounterOffset, PICCOffset, TamperOffset, MACFrom int
	EncryptedOffset, EncryptedLength, MACOffset, CounterLimit   int
}

// Bits of FileOption and SDMOptions.
const (
	optionSDM     = 0x40
	optionMode    = 0x03
	sdmUID        = 0x80
	sdmCounter    = 0x40
	sdmLimited    = 0x20
	sdmEncrypted  = 0x10
	sdmTamper     = 0x08
	sdmASCII      = 0x01
	standardFile  = 0x00
	settingsFixed = 7 // type, option, rights, size
)

// offsets lists the offsets that these settings have, in the order that they are sent in (data sheet table 69).
func (s *SDM) offsets() []*int {
	var list []*int
	add := func(present bool, offsets ...*int) {
		if present {
			list = append(list, offsets...)
		}
	}
	add(s.UID && s.MetaRead == Free, &s.UIDOffset)
	add(s.Counter && s.MetaRead == Free, &s.CounterOffset)
	add(s.MetaRead < Keys, &s.PICCOffset)
	add(s.Tamper, &s.TamperOffset)
	add(s.FileRead != Never, &s.MACFrom)
	add(s.FileRead != Never && s.Encrypted, &s.EncryptedOffset, &s.EncryptedLength)
	add(s.FileRead != Never, &s.MACOffset)
	add(s.Limited, &s.CounterLimit)
	return list
}

// bytes are the settings as ChangeFileSettings sends them: without type and size.
func (s FileSettings) bytes() []byte {
	option := byte(s.Mode)
	if s.SDM != nil {
		option |= optionSDM
	}
	out := []byte{option, byte(s.ReadWrite<<4 | s.Change), byte(s.Read<<4 | s.Write)}
	if s.SDM == nil {
		return out
	}
	var options byte
	for _, o := range s.SDM.options() {
		if *o.set {
			options |= o.bit
		}
	}
	out = append(out, options, byte(0xF0|s.SDM.CounterRead), byte(s.SDM.MetaRead<<4|s.SDM.FileRead))
	for _, at := range s.SDM.offsets() {
		out = append(out, byte(*at), byte(*at>>8), byte(*at>>16))
	}
	return out
}

type sdmOption struct {
	bit byte
	set *bool
}

func (s *SDM) options() []sdmOption {
	return []sdmOption{
		{sdmUID, &s.UID}, {sdmCounter, &s.Counter}, {sdmLimited, &s.Limited}, {sdmEncrypted, &s.Encrypted},
		{sdmTamper, &s.Tamper}, {sdmASCII, &s.ASCII},
	}
}

// parseFileSettings reads the answer of GetFileSettings. Bits without a meaning are passed over.
func parseFileSettings(raw []byte) (FileSettings, error) {
	if len(raw) < settingsFixed || raw[0] != standardFile {
		return FileSettings{}, fmt.Errorf("%w: file settings of %d bytes", card.ErrMalformed, len(raw))
	}
	s := FileSettings{
		Mode: Mode(raw[1] & optionMode), ReadWrite: Right(raw[2] >> 4), Change: Right(raw[2] & 0xF),
		Read: Right(raw[3] >> 4), Write: Right(raw[3] & 0xF), Size: little(raw[4:]),
	}
	rest := raw[settingsFixed:]
	if raw[1]&optionSDM != 0 {
		if len(rest) < 3 {
			return FileSettings{}, fmt.Errorf("%w: file settings end before those of SDM", card.ErrMalformed)
		}
		s.SDM = &SDM{CounterRead: Right(rest[1] & 0xF), MetaRead: Right(rest[2] >> 4), FileRead: Right(rest[2] & 0xF)}
		for _, o := range s.SDM.options() {
			*o.set = rest[0]&o.bit != 0
		}
		rest = rest[3:]
		for _, at := range s.SDM.offsets() {
			if len(rest) < 3 {
				return FileSettings{}, fmt.Errorf("%w: file settings end before their offsets", card.ErrMalformed)
			}
			*at, rest = little(rest), rest[3:]
		}
	}
	if len(rest) > 0 {
		return FileSettings{}, fmt.Errorf("%w: %d bytes behind file settings", card.ErrMalformed, len(rest))
	}
	return s, nil
}

// little is a number of three bytes, least significant first.
func little(raw []byte) int { return int(raw[0]) | int(raw[1])<<8 | int(raw[2])<<16 }

// same tells whether two settings differ in nothing but the size.
func (s FileSettings) same(other FileSettings) bool {
	return string(s.bytes()) == string(other.bytes())
}

// open tells whether key 0 may change the settings, and write the file.
func (s FileSettings) open() bool {
	may := func(r Right) bool { return r == 0 || r == Free }
	return s.Change == 0 && (may(s.Write) || may(s.ReadWrite))
}
