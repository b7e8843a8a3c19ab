package ntag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"tapline/card"
)

// ErrTemplate means a URL that a card cannot be given.
var ErrTemplate = errors.New(`not a URL for a card: it must be http or https, end in "e=", 32 zeros, "&c=" and 16 zeros, and fit in 256 bytes`)

// fileSize is the size of the NDEF file.
const fileSize = 256

// The places that the card writes: encrypted UID and counter, and the MAC.
var places = regexp.MustCompile(`[?#&]e=(0{32})&c=(0{16})$`)

// Abbreviations of NFC Forum URI RTD §3.2.2, the longer ones first.
var abbreviations = []struct {
	code byte
	text string
}{{0x01, "http://www."}, {0x02, "https://www."}, {0x03, "http://"}, {0x04, "https://"}}

// Head of the file: its length in two bytes (NFC Forum Type 4 Tag §5.4.5), and the head of a short record, the only one,
// of the well-known type U, and the abbreviation (NDEF §3.2, URI RTD §3.2).
const (
	lengthSize = 2
	recordHead = 0xD1
	headSize   = lengthSize + 5
)

// urlFile is an NDEF file with a URL of one record, and where in it the card writes.
func urlFile(url string) (content []byte, piccOffset, macOffset int, err error) {
	at := places.FindStringSubmatchIndex(url)
	if at == nil {
		return nil, 0, 0, ErrTemplate
	}
	for _, a := range abbreviations {
		rest, is := strings.CutPrefix(url, a.text)
		if !is {
			continue
		}
		if headSize+len(rest) > fileSize {
			break
		}
		content = binary.BigEndian.AppendUint16(nil, uint16(headSize-lengthSize+len(rest)))
		content = append(content, recordHead, 1, byte(1+len(rest)), 'U', a.code)
		shift := headSize - len(a.text)
		return append(content, rest...), at[2] + shift, at[4] + shift, nil
	}
	return nil, 0, 0, ErrTemplate
}

// urlOf is the URL in an NDEF file as urlFile writes it.
func urlOf(content []byte) (string, error) {
	wrong := fmt.Errorf("%w: its file does not hold the one URL that was written", card.ErrMalformed)
	if len(content) < headSize {
		return "", wrong
	}
	length := int(binary.BigEndian.Uint16(content))
	record := content[lengthSize:]
	if length < headSize-lengthSize || length > len(record) {
		return "", wrong
	}
	record = record[:length]
	if record[0] != recordHead || record[1] != 1 || int(record[2]) != length-4 || record[3] != 'U' {
		return "", wrong
	}
	for _, a := range abbreviations {
		if a.code == record[4] {
			return a.text + string(record[5:]), nil
		}
	}
	return "", wrong
}
