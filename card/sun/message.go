package sun

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// Message is a SUN message as it stands in a URL.
type Message struct {
	Mode Mode
	// PICC are the encrypted UID and counter: 16 bytes in AES mode, 24 in LRP mode, nil if they stand in the URL plainly.
	PICC []byte
	// UID, Counter and HasCounter are the plain mirrors; unused where PICC is there.
	UID        UID
	Counter    uint32
	HasCounter bool
	// Enc is the encrypted file data, in whole blocks, or nil.
	Enc []byte
	MAC [8]byte
	// MACInput is the text that the MAC covers, besides UID and counter.
	MACInput string
}

// Format writes "[SUN message]", whatever the verb: a message that was not used yet is as good as the card.
func (Message) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[SUN message]") }

// LogValue is "[SUN message]".
func (Message) LogValue() slog.Value { return slog.StringValue("[SUN message]") }

// Format says how cards were set up, where the message does not show it. The zero Format fits cards that encrypt UID and
// counter, and the MACs of which cover the encrypted file data if there are any, and nothing otherwise.
type Format struct {
	// LRP says that cards with plain mirrors are in LRP mode. Encrypted ones show it by their length.
	LRP bool
	// MACFrom is where the text that the MAC covers begins (SDMMACInputOffset); it ends where the MAC begins.
	MACFrom MACFrom
}

// MACFrom is a place in a URL: a parameter's name for the beginning of its value, an offset in the URL's text in decimal
// digits (for a URL without a user name the offset in the NDEF file plus 1, if it begins with https://), "mac" for the
// MAC itself, so that it covers nothing, or "" for the encrypted file data or else nothing.
type MACFrom string

// maxText bounds the text of a message, in bytes; an NTAG 424 DNA holds 256.
const maxText = 2048

// part is what a parameter of the URL is.
type part int

const (
	picc part = iota
	enc
	mac
	uid
	counter
	parts
)

// names are the parameters that tags carry: ours first, then those of NXP's examples.
var names = map[string]part{
	"e": picc, "picc_data": picc,
	"d": enc, "enc": enc,
	"c": mac, "cmac": mac,
	"u": uid, "uid": uid,
	"n": counter, "ctr": counter,
}

// joined are the parts of messages that stand in one value with an x between them, by the digits of each part: encrypted
// UID and counter with a MAC, in AES and LRP mode, and plain ones, with and without a counter.
var joined = map[string][]part{
	"32 16": {picc, mac}, "48 16": {picc, mac}, "14 6 16": {uid, counter, mac}, "14 16": {uid, mac},
}

// parameter is a name and where its value stands in a text.
type parameter struct {
	name     string
	from, to int
}

// Parse finds the message in a URL, in its fragment or its query, or in such a part alone ("e=…&c=…"). Parameters of
// other names are passed over, unless their value is a whole message with an x between its parts. The error wraps
// ErrMalformed and does not repeat the text.
func (f Format) Parse(text string) (Message, error) {
	if len(text) > maxText {
		return Message{}, malformed("it is too long")
	}
	list := parameters(text)
	var found [parts]*parameter
	for _, p := range list {
		for _, v := range p.values(text) {
			if found[v.part] != nil {
				return Message{}, malformed("a parameter comes twice")
			}
			found[v.part] = &v.parameter
		}
	}
	m, err := f.decode(text, found)
	if err != nil {
		return Message{}, err
	}
	from, err := f.macFrom(text, list, found)
	if err != nil {
		return Message{}, err
	}
	m.MACInput = text[from:found[mac].from]
	return m, nil
}

// placed is a part and where it stands.
type placed struct {
	part
	parameter
}

// values are the parts of a message that a parameter holds.
func (p parameter) values(text string) (list []placed) {
	if part, known := names[p.name]; known {
		return []placed{{part, p}}
	}
	pieces := strings.Split(text[p.from:p.to], "x")
	digits := make([]string, len(pieces))
	for i, piece := range pieces {
		digits[i] = strconv.Itoa(len(piece))
	}
	at := p.from
	for i, part := range joined[strings.Join(digits, " ")] {
		list = append(list, placed{part, parameter{p.name, at, at + len(pieces[i])}})
		at += len(pieces[i]) + 1
	}
	return list
}

func malformed(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }

// parameters lists name=value pairs of the query and the fragment. Values are not unescaped: what is looked for is
// hexadecimal, and the MAC covers the text as the card wrote it.
func parameters(text string) []parameter {
	at := 0
	if i := strings.IndexAny(text, "?#"); i >= 0 {
		at = i + 1
	}
	var list []parameter
	for at <= len(text) {
		end := len(text)
		if i := strings.IndexAny(text[at:], "&#?"); i >= 0 {
			end = at + i
		}
		if name, _, is := strings.Cut(text[at:end], "="); is {
			list = append(list, parameter{name, at + len(name) + 1, end})
		}
		at = end + 1
	}
	return list
}

// decode reads the values.
func (f Format) decode(text string, found [parts]*parameter) (m Message, err error) {
	value := func(p part) []byte {
		if found[p] == nil || err != nil {
			return nil
		}
		octets, wrong := hex.DecodeString(text[found[p].from:found[p].to])
		if wrong != nil || len(octets) == 0 {
			err = malformed("a value is not hexadecimal")
		}
		return octets
	}
	m = Message{Mode: AES, PICC: value(picc), Enc: value(enc)}
	code, plainUID, plainCounter := value(mac), value(uid), value(counter)
	if f.LRP || len(m.PICC) == 24 {
		m.Mode = LRP
	}
	switch encrypted := found[picc] != nil; {
	case err != nil:
		return Message{}, err
	case found[mac] == nil:
		return Message{}, malformed("it has no MAC")
	case len(code) != len(m.MAC):
		return Message{}, malformed("a MAC has 16 digits")
	case encrypted && (found[uid] != nil || found[counter] != nil):
		return Message{}, malformed("UID and counter are both encrypted and plain")
	case encrypted && len(m.PICC) != piccSize(m.Mode):
		return Message{}, malformed("encrypted UID and counter have 32 digits in AES mode and 48 in LRP mode")
	case !encrypted && found[uid] == nil:
		return Message{}, malformed("it has no UID")
	case !encrypted && len(plainUID) != len(m.UID):
		return Message{}, malformed("a UID has 14 digits")
	case found[counter] != nil && len(plainCounter) != 3:
		return Message{}, malformed("a counter has 6 digits")
	case len(m.Enc)%16 != 0:
		return Message{}, malformed("file data come in blocks of 32 digits")
	}
	copy(m.MAC[:], code)
	copy(m.UID[:], plainUID)
	if m.HasCounter = plainCounter != nil; m.HasCounter {
		m.Counter = uint32(plainCounter[0])<<16 | uint32(plainCounter[1])<<8 | uint32(plainCounter[2])
	}
	return m, nil
}

func piccSize(m Mode) int {
	if m == LRP {
		return 24
	}
	return 16
}

// macFrom returns where the text that the MAC covers begins.
func (f Format) macFrom(text string, list []parameter, found [parts]*parameter) (int, error) {
	end := found[mac].from
	from := -1
	offset, notNumber := strconv.ParseUint(string(f.MACFrom), 10, 16)
	switch {
	case f.MACFrom == "mac", f.MACFrom == "" && found[enc] == nil:
		from = end
	case f.MACFrom == "":
		from = found[enc].from
	case notNumber == nil:
		from = int(offset)
	default:
		for _, p := range list {
			if p.name == string(f.MACFrom) {
				from = p.from
				break
			}
		}
	}
	if from < 0 || from > end || end > len(text) {
		return 0, malformed("the text that the MAC covers does not end at the MAC")
	}
	return from, nil
}
