package cardtest

import (
	"context"
	"fmt"
	"strings"

	"tapline/card/apdu"
)

// Storage is a virtual memory card in a PC/SC reader, an NTAG 213: it has no application and no account, and the reader
// answers in its place (PC/SC Part 3 §3.2.2). The zero Storage is as it comes from the factory: an empty message.
type Storage struct {
	Message []byte // NDEF, at most MaxStorageMessage bytes
}

// MaxStorageMessage is how many bytes a message on a Storage has at most.
const MaxStorageMessage = storageSize - 5 - 2 - 1

// Memory of an NTAG 213 (NXP data sheet NTAG213/215/216 §8.5): 45 pages of four bytes, data from page 4 on.
const (
	storagePages = 45
	storageData  = 4
	storageSize  = 144
)

// URLMessage is an NDEF message with one URI record for an https address. It panics if that is longer than 250 bytes.
func URLMessage(address string) []byte {
	rest, is := strings.CutPrefix(address, "https://")
	if !is || len(rest) > 250 {
		panic("cardtest: a URL message needs an https address of at most 250 bytes")
	}
	return append([]byte{0xD1, 1, byte(len(rest) + 1), 'U', 0x04}, rest...)
}

// ATR is what PC/SC readers report for a MIFARE Ultralight or NTAG card (PC/SC Part 3 §3.1.3.2.3.2).
func (*Storage) ATR() []byte {
	return []byte{0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0, 0, 3, 6, 3, 0, 3, 0, 0, 0, 0, 0x68}
}

// Reset does nothing.
func (*Storage) Reset() {}

// Transmit answers the reader's commands: the serial number, FF CA 00 00, and four pages, FF B0 00 (PC/SC Part 3
// §3.2.2.1.3 and §3.2.2.1.8). Every other command is refused with 6E00.
func (c *Storage) Transmit(ctx context.Context, raw []byte) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	command, err := apdu.ParseCommand(raw)
	if err != nil {
		return status(apdu.StatusWrongLength).Bytes(), nil
	}
	return c.answer(command).Bytes(), nil
}

func (c *Storage) answer(command apdu.Command) apdu.Response {
	const getData = 0xCA
	memory := c.memory()
	switch page := int(command.P1)<<8 | int(command.P2); {
	case command.Class != 0xFF:
		return status(apdu.StatusNoSuchClass)
	case command.Instruction == getData && page == 0:
		return data([]byte{memory[0], memory[1], memory[2], memory[4], memory[5], memory[6], memory[7]})
	case command.Instruction != apdu.InsReadBinary:
		return status(apdu.StatusNoSuchInstruction)
	case page >= storagePages:
		return status(apdu.StatusNotFound)
	case command.Le == 0 || command.Le > 16:
		return status(0x6C10)
	default: // READ goes on at the first page after the last one (data sheet §10.2)
		return data(append(memory[4*page:], memory...)[:command.Le])
	}
}

// memory is all of the card: UID, capability container, lock control TLV, message and terminator, configuration.
func (c *Storage) memory() []byte {
	if len(c.Message) > MaxStorageMessage {
		panic(fmt.Sprintf("cardtest: a message of %d bytes on a storage card", len(c.Message)))
	}
	memory := make([]byte, 0, storagePages*4)
	memory = append(memory, 0x04, 0x11, 0x22, 0xBF, 0x33, 0x44, 0x55, 0x80, 0xA2, 0x48, 0, 0)
	memory = append(memory, 0xE1, 0x10, storageSize/8, 0x00)
	memory = append(memory, 0x01, 0x03, 0xA0, 0x0C, 0x34, 0x03, byte(len(c.Message)))
	memory = append(append(memory, c.Message...), 0xFE)
	return memory[:storagePages*4]
}
