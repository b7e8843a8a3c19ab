// Package apdu encodes and decodes the commands and responses of smart cards: short APDUs as in ISO/IEC 7816-4 §5.
package apdu

import (
	"errors"
	"fmt"
)

// MaxData is the largest number of data bytes in a short command.
const MaxData = 255

// AnyLength, as a Command's Le, asks for as many bytes as the card has, up to 256. It is encoded as 00.
const AnyLength = 256

// ErrMalformed means that bytes are not an APDU.
var ErrMalformed = errors.New("not an APDU")

// Command is one short command APDU (ISO/IEC 7816-4 §5.1).
type Command struct {
	Class, Instruction, P1, P2 byte

	Data []byte // at most MaxData bytes; Lc is left out if empty
	Le   int    // bytes expected back, 1 to 256; 0 leaves Le out
}

// Instructions used by Tapline (ISO/IEC 7816-4 §11, EMV Book 3 §6.5, JT/T 978 for GetBalance).
const (
	InsSelect               = 0xA4
	InsReadBinary           = 0xB0
	InsReadRecord           = 0xB2
	InsGetResponse          = 0xC0
	InsGetProcessingOptions = 0xA8
	InsGetBalance           = 0x5C
	InsInternalAuthenticate = 0x88
	InsGenerateAC           = 0xAE
)

// Select selects an application or directory by its name (EMV Book 1 §11.3).
func Select(name []byte) Command {
	return Command{Instruction: InsSelect, P1: 0x04, Data: name, Le: AnyLength}
}

// ReadRecord reads record number of the file with short identifier sfi, 1 to 30 (EMV Book 3 §6.5.11).
func ReadRecord(sfi, number byte) Command {
	return Command{Instruction: InsReadRecord, P1: number, P2: sfi<<3 | 0x04, Le: AnyLength}
}

// GetProcessingOptions starts an EMV application with data, a template 83 (EMV Book 3 §6.5.8).
func GetProcessingOptions(data []byte) Command {
	return Command{Class: 0x80, Instruction: InsGetProcessingOptions, Data: data, Le: AnyLength}
}

// InternalAuthenticate asks the card to sign data, the values of its DDOL (EMV Book 3 §6.5.9).
func InternalAuthenticate(data []byte) Command {
	return Command{Instruction: InsInternalAuthenticate, Data: data, Le: AnyLength}
}

// GenerateAC asks for an application cryptogram over data, the values of a CDOL; control says which, and whether to
// sign it (EMV Book 3 §6.5.5).
func GenerateAC(control byte, data []byte) Command {
	return Command{Class: 0x80, Instruction: InsGenerateAC, P1: control, Data: data, Le: AnyLength}
}

// GetResponse fetches n more bytes of the answer before (ISO/IEC 7816-4 §11.7.1).
func GetResponse(n int) Command {
	return Command{Instruction: InsGetResponse, Le: n}
}

// Bytes encodes the command. It panics if Data or Le are out of bounds.
func (c Command) Bytes() []byte {
	if len(c.Data) > MaxData || c.Le < 0 || c.Le > AnyLength {
		panic(fmt.Sprintf("apdu: command with %d bytes of data and Le %d", len(c.Data), c.Le))
	}
	raw := make([]byte, 0, 6+len(c.Data))
	raw = append(raw, c.Class, c.Instruction, c.P1, c.P2)
	if len(c.Data) > 0 {
		raw = append(raw, byte(len(c.Data)))
		raw = append(raw, c.Data...)
	}
	if c.Le > 0 {
		raw = append(raw, byte(c.Le)) // 256 becomes 00
	}
	return raw
}

// ParseCommand decodes a short command. Data is a part of raw. Errors are ErrMalformed.
func ParseCommand(raw []byte) (Command, error) {
	if len(raw) < 4 {
		return Command{}, fmt.Errorf("%w: command of %d bytes", ErrMalformed, len(raw))
	}
	c := Command{Class: raw[0], Instruction: raw[1], P1: raw[2], P2: raw[3]}
	body := raw[4:]
	if len(body) > 1 {
		lc := int(body[0])
		if lc == 0 || len(body) < 1+lc || len(body) > 2+lc {
			return Command{}, fmt.Errorf("%w: Lc is %d, %d bytes follow", ErrMalformed, lc, len(body)-1)
		}
		c.Data, body = body[1:1+lc], body[1+lc:]
	}
	if len(body) == 1 {
		c.Le = int(body[0])
		if c.Le == 0 {
			c.Le = AnyLength
		}
	}
	return c, nil
}

// Response is one response APDU (ISO/IEC 7816-4 §5.1).
type Response struct {
	Data   []byte // at most 256 bytes
	Status Status
}

// ParseResponse splits an answer into data and status word. Data is a part of raw. Errors are ErrMalformed.
func ParseResponse(raw []byte) (Response, error) {
	n := len(raw) - 2
	if n < 0 || n > 256 {
		return Response{}, fmt.Errorf("%w: response of %d bytes", ErrMalformed, len(raw))
	}
	return Response{Data: raw[:n:n], Status: Status(raw[n])<<8 | Status(raw[n+1])}, nil
}

// Bytes encodes the response.
func (r Response) Bytes() []byte {
	raw := make([]byte, 0, len(r.Data)+2)
	raw = append(raw, r.Data...)
	return append(raw, byte(r.Status>>8), byte(r.Status))
}
