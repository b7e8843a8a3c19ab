package card

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"tapline/card/apdu"
)

// aidNDEF is the application of type 4 tags, mapping versions 2 and 3 (NFC Forum Type 4 Tag 1.2 §5.4.1).
const aidNDEF AID = "D2760000850101"

// fileCC is the file that says where the message is (Type 4 Tag 1.2 §5.1).
const fileCC = 0xE103

// ndefFile is the message file as the capability container describes it.
type ndefFile struct {
	id    uint16
	size  int // bytes, with the length field
	field int // bytes of the length field: 2, or 4 in mapping version 3
	chunk int // the most bytes of one READ BINARY
}

// readType4 reads the message of a type 4 tag. If selected is false, the card has no such application.
func (s *session) readType4(ctx context.Context) (message []byte, selected bool, err error) {
	_, status, err := s.send(ctx, apdu.Select(aidNDEF.Bytes()))
	if err != nil || !status.OK() {
		return nil, false, err
	}
	if err = s.selectFile(ctx, fileCC); err != nil {
		return nil, true, err
	}
	file, err := s.capabilities(ctx)
	if err != nil {
		return nil, true, err
	}
	if err = s.selectFile(ctx, file.id); err != nil {
		return nil, true, err
	}
	message, err = s.readMessage(ctx, file)
	return message, true, err
}

// selectFile selects a file of the NDEF application by its identifier (Type 4 Tag 1.2 §5.4.3).
func (s *session) selectFile(ctx context.Context, id uint16) error {
	name := binary.BigEndian.AppendUint16(nil, id)
	_, status, err := s.send(ctx, apdu.Command{Instruction: apdu.InsSelect, P2: 0x0C, Data: name})
	if err == nil && !status.OK() {
		err = fmt.Errorf("%w: SELECT of file %04X answers %s", ErrNoMessage, id, status)
	}
	return err
}

// capabilities reads the capability container (Type 4 Tag 1.2 §5.1): length 2 | version 1 | MLe 2 | MLc 2 | control TLV
// 04 06 identifier 2, size 2, read 1, write 1; in mapping version 3 also 06 08 with a size of four bytes.
func (s *session) capabilities(ctx context.Context) (ndefFile, error) {
	const least, extended = 15, 17
	container, err := s.readBinary(ctx, 0, least)
	if err != nil {
		return ndefFile{}, err
	}
	if len(container) == least && container[7] == 0x06 {
		rest, err := s.readBinary(ctx, least, extended-least)
		if err != nil {
			return ndefFile{}, err
		}
		container = append(container, rest...)
	}
	return parseCapabilities(container)
}

func parseCapabilities(container []byte) (ndefFile, error) {
	malformed := func(why string) (ndefFile, error) {
		return ndefFile{}, fmt.Errorf("%w: capability container: %s", ErrMalformed, why)
	}
	if len(container) < 15 {
		return malformed("too short")
	}
	if version := container[2] >> 4; version != 2 && version != 3 {
		return malformed("its mapping version is neither 2 nor 3")
	}
	file := ndefFile{id: binary.BigEndian.Uint16(container[9:]), chunk: int(binary.BigEndian.Uint16(container[3:]))}
	var access byte
	switch control := container[7:9]; {
	case bytes.Equal(control, []byte{0x04, 0x06}):
		file.size, file.field, access = int(binary.BigEndian.Uint16(container[11:])), 2, container[13]
	case bytes.Equal(control, []byte{0x06, 0x08}) && len(container) >= 17:
		size := binary.BigEndian.Uint32(container[11:])
		file.size, file.field, access = int(min(size, maxMessage+4)), 4, container[15]
	default:
		return malformed("it names no NDEF file")
	}
	if file.chunk < 15 || file.size <= file.field || file.id == 0 || file.id == 0xFFFF {
		return malformed("a value is out of range")
	}
	if access != 0 {
		return ndefFile{}, fmt.Errorf("%w: its message can be read with a key only", ErrNoMessage)
	}
	file.chunk = min(file.chunk, apdu.MaxData)
	return file, nil
}

// readMessage reads length field and message, in one command if they fit.
func (s *session) readMessage(ctx context.Context, file ndefFile) ([]byte, error) {
	data, err := s.readBinary(ctx, 0, min(file.chunk, file.size))
	if err != nil {
		return nil, err
	}
	if len(data) < file.field {
		return nil, fmt.Errorf("%w: the NDEF file has %d bytes", ErrMalformed, len(data))
	}
	length := int(binary.BigEndian.Uint16(data))
	if file.field == 4 {
		length = int(min(binary.BigEndian.Uint32(data), maxMessage+1))
	}
	end := file.field + length
	if length > maxMessage || end > file.size {
		return nil, fmt.Errorf("%w: an NDEF message of %d bytes in a file of %d", ErrMalformed, length, file.size)
	}
	for len(data) < end {
		more, err := s.readBinary(ctx, len(data), min(file.chunk, end-len(data)))
		if err != nil {
			return nil, err
		}
		data = append(data, more...)
	}
	return data[file.field:end], nil
}

// readBinary reads n bytes of the selected file, fewer only at its end.
func (s *session) readBinary(ctx context.Context, offset, n int) ([]byte, error) {
	command := apdu.Command{Instruction: apdu.InsReadBinary, P1: byte(offset >> 8), P2: byte(offset), Le: n}
	data, status, err := s.send(ctx, command)
	switch {
	case err != nil:
		return nil, err
	case !status.OK():
		return nil, fmt.Errorf("%w: READ BINARY answers %s", ErrNoMessage, status)
	case len(data) == 0 || len(data) > n:
		return nil, fmt.Errorf("%w: READ BINARY of %d bytes gives %d", ErrMalformed, n, len(data))
	}
	return data, nil
}
