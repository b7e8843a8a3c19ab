package cardtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"

	"tapline/card"
	"tapline/card/apdu"
	"tapline/card/tlv"
)

// TUnion is a virtual Chinese transport card (JT/T 978) with an empty journey log.
type TUnion struct {
	Number  card.Number // 19 digits; default 3104000000000000018
	Balance uint32      // fen, below 2^31

	selected bool
}

var aidTUnion = []byte{0xA0, 0x00, 0x00, 0x06, 0x32, 0x01, 0x01, 0x05}

// ATR is that of a contactless card without historical bytes.
func (c *TUnion) ATR() []byte { return []byte{0x3B, 0x80, 0x80, 0x01, 0x01} }

// Reset forgets the selected application.
func (c *TUnion) Reset() { c.selected = false }

// Transmit answers as a transport card does. The error is the cause of ctx.
func (c *TUnion) Transmit(ctx context.Context, raw []byte) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	command, err := apdu.ParseCommand(raw)
	if err != nil {
		return status(apdu.StatusWrongLength).Bytes(), nil
	}
	return c.answer(command).Bytes(), nil
}

func (c *TUnion) answer(command apdu.Command) apdu.Response {
	switch {
	case command.Class == 0x00 && command.Instruction == apdu.InsSelect:
		c.selected = command.P1 == 0x04 && bytes.Equal(command.Data, aidTUnion)
		if !c.selected {
			return status(apdu.StatusNotFound)
		}
		return data(control(aidTUnion, append(tlv.Append(nil, 0x9F08, []byte{1, 2}), tlv.Append(nil, 0x9F0C, c.file15())...)))
	case !c.selected:
		return status(apdu.StatusConditions)
	case command.Class == 0x80 && command.Instruction == apdu.InsGetBalance && command.P1 == 0:
		return data(binary.BigEndian.AppendUint32(nil, c.Balance&^(1<<31)))
	case command.Class == 0x80 && command.Instruction == apdu.InsGetBalance && command.P1 == 1:
		return data(make([]byte, 4))
	case command.Class == 0x00 && command.Instruction == apdu.InsReadRecord:
		return status(apdu.StatusNoRecord)
	}
	return status(apdu.StatusNoSuchInstruction)
}

func (c *TUnion) file15() []byte {
	account := "0" + orElse(c.Number.Reveal(), "3104000000000000018")
	file, err := hex.DecodeString("00083010FFFFFFFF" + "0201" + account + "20250101" + "20491231" + "0000")
	if err != nil {
		panic("cardtest: a transport card needs an account number of 19 digits")
	}
	return file
}
