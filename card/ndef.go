package card

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
	"unique"
)

// ErrNoMessage means a tag without an NDEF message that holds an https address or a text.
var ErrNoMessage = errors.New("this card carries no https address and no text")

// Bounds on an NDEF message.
const (
	maxMessage = 8192 // bytes
	maxRecords = 64
	maxContent = 4096 // bytes of an address or a text
)

// MessageKind says what an NDEF message holds.
type MessageKind string

// The kinds of messages.
const (
	MessageURL  MessageKind = "url"  // an https address
	MessageText MessageKind = "text" // a text for people
	MessageSUN  MessageKind = "sun"  // an https address that looks as if the card had signed this tap into it
)

// Message is what an NDEF message holds: its first https address, else its first text. An address of kind MessageSUN is
// as good as the card itself until it is used: however it is printed, logged or encoded, what follows its path is left
// out, and so it is if another address has a long hexadecimal value there. Reveal is the one way to all of it. Messages
// are equal (==) if all is equal. The zero Message holds nothing.
type Message struct {
	Kind     MessageKind
	Language string // of a text, an IANA language tag

	content unique.Handle[string] // a handle, not the text, as in Number
}

// Reveal returns the whole address or text. Whoever calls it on a message of kind MessageSUN must not log, store or
// show it.
func (m Message) Reveal() string {
	if m.content == (unique.Handle[string]{}) {
		return ""
	}
	return m.content.Value()
}

// String is the address or text, less what is secret.
func (m Message) String() string {
	text := m.Reveal()
	if m.Kind == MessageText {
		return text
	}
	if i := strings.IndexAny(text, "?#"); i >= 0 && (m.Kind == MessageSUN || hasLongHex(text[i:])) {
		return text[:i+1] + "…"
	}
	return text
}

// Format writes what String returns, whatever the verb.
func (m Message) Format(f fmt.State, _ rune) { fmt.Fprint(f, m.String()) }

// LogValue is what String returns.
func (m Message) LogValue() slog.Value { return slog.StringValue(m.String()) }

// MarshalJSON encodes kind and, less what is secret, url or text.
func (m Message) MarshalJSON() ([]byte, error) { return m.encode(m.String()) }

// RevealJSON encodes kind and the whole url or text, under the conditions of Reveal.
func (m Message) RevealJSON() ([]byte, error) { return m.encode(m.Reveal()) }

func (m Message) encode(content string) ([]byte, error) {
	out := struct {
		Kind     MessageKind `json:"kind"`
		URL      string      `json:"url,omitempty"`
		Text     string      `json:"text,omitempty"`
		Language string      `json:"language,omitempty"`
	}{Kind: m.Kind, Language: m.Language}
	if m.Kind == MessageText {
		out.Text = content
	} else {
		out.URL = content
	}
	return json.Marshal(out)
}

// record is one NDEF record (NFC Forum NDEF 1.0 §3.2).
type record struct {
	format  byte // type name format
	kind    string
	payload []byte
}

// Type name formats (NDEF 1.0 §3.2.6).
const (
	formatWellKnown   = 1
	formatAbsoluteURI = 3
	formatUnchanged   = 6
)

// ParseNDEF finds the first https address, else the first text, in the records of an NDEF message, and in those of a
// smart poster. Errors are ErrNoMessage and ErrMalformed; records in chunks are refused as malformed. They do not repeat
// the message.
func ParseNDEF(message []byte) (Message, error) {
	if len(message) > maxMessage {
		return Message{}, fmt.Errorf("%w: an NDEF message of %d bytes", ErrMalformed, len(message))
	}
	if len(message) == 0 { // a tag that nobody has written (NFC Forum Type 4 Tag 1.2 §4.3, Type 2 Tag 1.2 §2.4)
		return Message{}, fmt.Errorf("%w: its message is empty", ErrNoMessage)
	}
	var text Message
	found, err := firstOf(message, true, &text)
	switch {
	case err != nil:
		return Message{}, err
	case found != (Message{}):
		return found, nil
	case text != (Message{}):
		return text, nil
	}
	return Message{}, ErrNoMessage
}

// firstOf returns the first https address; the first text goes to text.
func firstOf(message []byte, posters bool, text *Message) (Message, error) {
	records, err := parseRecords(message)
	if err != nil {
		return Message{}, err
	}
	for _, r := range records {
		var found Message
		switch {
		case r.format == formatAbsoluteURI:
			found, _ = parseAddress(r.kind) // NDEF 1.0 §3.2.6: the type is the URI
		case r.format == formatWellKnown && r.kind == "U":
			found, err = parseURI(r.payload)
		case r.format == formatWellKnown && r.kind == "Sp" && posters:
			found, err = firstOf(r.payload, false, text)
		case r.format == formatWellKnown && r.kind == "T" && *text == (Message{}):
			*text, err = parseText(r.payload)
		}
		if err != nil || found != (Message{}) {
			return found, err
		}
	}
	return Message{}, nil
}

// parseRecords reads records up to the one that ends the message (NDEF 1.0 §2.3, §3.2).
func parseRecords(message []byte) ([]record, error) {
	const begin, end, chunk, short, hasID = 0x80, 0x40, 0x20, 0x10, 0x08
	var records []record
	for len(records) < maxRecords {
		if len(message) < 3 {
			return nil, fmt.Errorf("%w: an NDEF message without end", ErrMalformed)
		}
		flags, kindLength := message[0], int(message[1])
		message = message[2:]
		r := record{format: flags & 0x07}
		if first := len(records) == 0; flags&chunk != 0 || r.format == formatUnchanged || first != (flags&begin != 0) {
			return nil, fmt.Errorf("%w: an NDEF record in chunks, or out of its place", ErrMalformed)
		}
		length, idLength := uint64(message[0]), 0
		switch {
		case flags&short != 0:
			message = message[1:]
		case len(message) >= 4:
			length, message = uint64(binary.BigEndian.Uint32(message)), message[4:]
		default:
			return nil, fmt.Errorf("%w: an NDEF record cut short", ErrMalformed)
		}
		if flags&hasID != 0 && len(message) > 0 {
			idLength, message = int(message[0]), message[1:]
		}
		if uint64(len(message)) < uint64(kindLength+idLength)+length {
			return nil, fmt.Errorf("%w: an NDEF record of %d bytes, %d are left", ErrMalformed, length, len(message))
		}
		r.kind, message = string(message[:kindLength]), message[kindLength+idLength:]
		r.payload, message = message[:length:length], message[length:]
		records = append(records, r)
		if flags&end != 0 {
			return records, nil
		}
	}
	return nil, fmt.Errorf("%w: an NDEF message of more than %d records", ErrMalformed, maxRecords)
}

// prefixes are the beginnings that a URI record abbreviates (NFC Forum URI RTD 1.0 §3.2.2).
var prefixes = [...]string{
	"", "http://www.", "https://www.", "http://", "https://", "tel:", "mailto:", "ftp://anonymous:anonymous@", "ftp://ftp.",
	"ftps://", "sftp://", "smb://", "nfs://", "ftp://", "dav://", "news:", "telnet://", "imap:", "rtsp://", "urn:", "pop:",
	"sip:", "sips:", "tftp:", "btspp://", "btl2cap://", "btgoep://", "tcpobex://", "irdaobex://", "file://", "urn:epc:id:",
	"urn:epc:tag:", "urn:epc:pat:", "urn:epc:raw:", "urn:epc:", "urn:nfc:",
}

// parseURI reads a URI record. A code that is not in the table stands for no prefix (URI RTD 1.0 §3.2.2).
func parseURI(payload []byte) (Message, error) {
	if len(payload) == 0 {
		return Message{}, fmt.Errorf("%w: an empty URI record", ErrMalformed)
	}
	prefix := ""
	if code := int(payload[0]); code < len(prefixes) {
		prefix = prefixes[code]
	}
	return parseAddress(prefix + string(payload[1:]))
}

// parseAddress takes an https address, or an http address of this machine itself, where a service is tried out; any other
// is no message.
func parseAddress(text string) (Message, error) {
	scheme, _, _ := strings.Cut(text, "://")
	secure, open := strings.EqualFold(scheme, "https"), strings.EqualFold(scheme, "http")
	if len(text) > maxContent || !secure && !open {
		return Message{}, nil
	}
	u, err := url.Parse(text)
	if open && (err != nil || !here(u.Hostname())) {
		return Message{}, nil
	}
	bad := func(r rune) bool { return r <= ' ' || r == 0x7F || r == utf8.RuneError || unicode.IsControl(r) }
	if err != nil || u.Host == "" || u.User != nil || strings.ContainsFunc(text, bad) {
		return Message{}, fmt.Errorf("%w: an https address that is none", ErrMalformed)
	}
	kind := MessageURL
	if looksSigned(text) {
		kind = MessageSUN
	}
	return Message{Kind: kind, content: unique.Make(text)}, nil
}

// here reports whether a host is this machine.
func here(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// parseText reads a text record (NFC Forum Text RTD 1.0 §3.2.1). Control characters are replaced: the text is shown.
func parseText(payload []byte) (Message, error) {
	const wide, languageLength = 0x80, 0x3F
	if len(payload) == 0 || len(payload) > maxContent || len(payload) < 1+int(payload[0]&languageLength) {
		return Message{}, fmt.Errorf("%w: a text record of %d bytes", ErrMalformed, len(payload))
	}
	n := 1 + int(payload[0]&languageLength)
	language, body := string(payload[1:n]), payload[n:]
	if payload[0]&wide != 0 {
		body = utf8Of(body)
	}
	odd := func(r rune) bool { return r != '-' && (r > 'z' || !unicode.IsLetter(r) && !unicode.IsDigit(r)) }
	if body == nil || !utf8.Valid(body) || strings.ContainsFunc(language, odd) {
		return Message{}, fmt.Errorf("%w: a text record that is no text", ErrMalformed)
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) { // Cf: marks that turn the direction of writing
			return unicode.ReplacementChar
		}
		return r
	}, string(body))
	return Message{Kind: MessageText, Language: language, content: unique.Make(text)}, nil
}

// utf8Of turns UTF-16 with or without a byte order mark, big endian by default (Text RTD 1.0 §3.4), into UTF-8; nil if it
// is none.
func utf8Of(wide []byte) []byte {
	if len(wide)%2 != 0 {
		return nil
	}
	var order binary.ByteOrder = binary.BigEndian
	if len(wide) >= 2 && wide[0] == 0xFF && wide[1] == 0xFE {
		order = binary.LittleEndian
	}
	units := make([]uint16, 0, len(wide)/2)
	for i := 0; i < len(wide); i += 2 {
		if unit := order.Uint16(wide[i:]); i > 0 || unit != 0xFEFF {
			units = append(units, unit)
		}
	}
	return []byte(string(utf16.Decode(units)))
}
