package card

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"tapline/card/apdu"
)

// storageName is the kind of storage card that a PC/SC reader tells in the answer to reset it makes up (PC/SC Part 3
// Supplemental Document, "card names").
type storageName uint16

// Storage cards that are known to hold no NDEF message without a key or in another way.
const (
	nameClassic1K storageName = 0x0001
	nameClassic4K storageName = 0x0002
	nameMini      storageName = 0x0026
)

// storageOf reads the made-up answer to reset of a storage card: 3B 8F 80 01 80 4F 0C, the registered provider of PC/SC
// A000000306, then standard 1 and name 2 (PC/SC Part 3 §3.1.3.2.3.2).
func storageOf(atr []byte) (name storageName, storage bool) {
	header := []byte{0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06}
	i := bytes.Index(atr, header)
	if i < 0 || len(atr) < i+len(header)+3 {
		return 0, false
	}
	return storageName(binary.BigEndian.Uint16(atr[i+len(header)+1:])), true
}

// Memory of a type 2 tag (NFC Forum Type 2 Tag 1.2 §2.1): pages of four bytes, the capability container in page 3.
const (
	pageLength = 4
	pageCC     = 3
	pageData   = 4
	maxPage    = 255
)

// type2 reads the data area of a type 2 tag, like an NTAG 21x, as far as it is asked for.
type type2 struct {
	read     func(page byte) ([]byte, error) // four pages, or fewer
	memory   []byte                          // from page 3
	size     int                             // bytes of the data area
	reserved [][2]int                        // addresses that hold no data, from and to
	at       int                             // next byte, an address in the tag
}

// readType2 reads the message of a type 2 tag through the reader's commands for storage cards.
func (s *session) readType2(ctx context.Context) ([]byte, error) {
	t := &type2{at: pageData * pageLength, read: func(page byte) ([]byte, error) { return s.readPages(ctx, page) }}
	if err := t.fetch(pageCC*pageLength + pageLength); err != nil {
		return nil, err
	}
	container := t.memory[:pageLength]
	switch { // Type 2 Tag 1.2 §6.1
	case container[0] != 0xE1 || container[1]>>4 != 1:
		return nil, fmt.Errorf("%w: it has no capability container", ErrNoMessage)
	case container[3]>>4 != 0:
		return nil, fmt.Errorf("%w: its message can be read with a key only", ErrNoMessage)
	}
	t.size = int(container[2]) * 8
	return t.message()
}

// readPages lets the reader read four pages (PC/SC Part 3 §3.2.2.1.8).
func (s *session) readPages(ctx context.Context, page byte) ([]byte, error) {
	command := apdu.Command{Class: 0xFF, Instruction: apdu.InsReadBinary, P2: page, Le: 4 * pageLength}
	data, status, err := s.send(ctx, command)
	switch {
	case err != nil:
		return nil, err
	case !status.OK():
		return nil, fmt.Errorf("%w: the reader answers %s for page %d", ErrNoMessage, status, page)
	case len(data) < pageLength || len(data) > 4*pageLength:
		return nil, fmt.Errorf("%w: the reader gives %d bytes of page %d", ErrMalformed, len(data), page)
	}
	return data[:len(data)/pageLength*pageLength], nil
}

// message walks the TLV blocks to the NDEF message (Type 2 Tag 1.2 §2.3).
func (t *type2) message() ([]byte, error) {
	const null, lockControl, memoryControl, message, terminator = 0x00, 0x01, 0x02, 0x03, 0xFE
	for {
		if t.at >= t.end() {
			return nil, ErrNoMessage
		}
		kind, err := t.take(1)
		switch {
		case err != nil:
			return nil, err
		case kind[0] == terminator:
			return nil, ErrNoMessage
		case kind[0] == null:
			continue
		}
		length, err := t.length()
		if err != nil {
			return nil, err
		}
		value, err := t.take(length)
		switch {
		case err != nil:
			return nil, err
		case kind[0] == message && length > 0:
			return value, nil
		case kind[0] == lockControl && length == 3:
			t.reserve(value, (uses(value[1])+7)/8)
		case kind[0] == memoryControl && length == 3:
			t.reserve(value, uses(value[1]))
		}
	}
}

// uses is a size of which 0 means 256.
func uses(size byte) int { return (int(size)+255)%256 + 1 }

// reserve notes bytes that hold no data: position 1 (page and byte), size 1, page control 1 whose low digit is the
// logarithm of the length of a page (Type 2 Tag 1.2 §2.3.2, §2.3.3).
func (t *type2) reserve(control []byte, n int) {
	from := int(control[0]>>4)<<(control[2]&0x0F) + int(control[0]&0x0F)
	t.reserved = append(t.reserved, [2]int{from, from + n})
}

// length reads one byte, or FF and two (Type 2 Tag 1.2 §2.3).
func (t *type2) length() (int, error) {
	short, err := t.take(1)
	if err != nil {
		return 0, err
	}
	if short[0] != 0xFF {
		return int(short[0]), nil
	}
	long, err := t.take(2)
	if err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint16(long)), nil
}

// take returns the next n bytes of data.
func (t *type2) take(n int) ([]byte, error) {
	if n > t.size {
		return nil, fmt.Errorf("%w: a block of %d bytes in a tag of %d", ErrMalformed, n, t.size)
	}
	data := make([]byte, 0, n)
	for ; len(data) < n; t.at++ {
		if t.at >= t.end() {
			return nil, fmt.Errorf("%w: a block reaches beyond the tag's data", ErrMalformed)
		}
		if t.isReserved(t.at) {
			continue
		}
		if err := t.fetch(t.at + 1); err != nil {
			return nil, err
		}
		data = append(data, t.memory[t.at-pageCC*pageLength])
	}
	return data, nil
}

func (t *type2) end() int { return pageData*pageLength + t.size }

func (t *type2) isReserved(at int) bool {
	for _, r := range t.reserved {
		if at >= r[0] && at < r[1] {
			return true
		}
	}
	return false
}

// fetch reads pages until memory holds the bytes below address end.
func (t *type2) fetch(end int) error {
	for pageCC*pageLength+len(t.memory) < end {
		page := pageCC + len(t.memory)/pageLength
		if page > maxPage {
			return fmt.Errorf("%w: a tag of more than %d pages", ErrMalformed, maxPage)
		}
		data, err := t.read(byte(page))
		if err != nil {
			return err
		}
		t.memory = append(t.memory, data...)
	}
	return nil
}
