// Package tlv reads and writes the data objects of smart cards: BER-TLV as in ISO/IEC 7816-4 §6.3 and EMV Book 3
// Annex B.
package tlv

import (
	"errors"
	"fmt"
)

// MaxDepth bounds how deep templates may be nested. EMV needs four levels.
const MaxDepth = 8

// ErrMalformed means that bytes are not a sequence of data objects.
var ErrMalformed = errors.New("not a sequence of TLV objects")

// Tag names a data object: its tag bytes, one to four, most significant first; 0x9F38 is the PDOL.
type Tag uint32

// Constructed reports whether an object with this tag is a template that holds objects (Annex B1).
func (t Tag) Constructed() bool {
	for t > 0xFF {
		t >>= 8
	}
	return t&0x20 != 0
}

// String is the tag in hex.
func (t Tag) String() string { return fmt.Sprintf("%02X", uint32(t)) }

// Object is one data object. Children are the objects of a template; a primitive object has none.
type Object struct {
	Tag      Tag
	Value    []byte
	Children List
}

// List is a sequence of data objects in the order of the card.
type List []Object

// Parse reads data as a sequence of objects, templates with all that is in them. Padding bytes 00 and FF before,
// between and after objects are skipped. Values are parts of data. Errors are ErrMalformed.
func Parse(data []byte) (List, error) { return parse(data, 1) }

func parse(data []byte, depth int) (List, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: nested deeper than %d", ErrMalformed, MaxDepth)
	}
	var list List
	for {
		for len(data) > 0 && (data[0] == 0x00 || data[0] == 0xFF) {
			data = data[1:]
		}
		if len(data) == 0 {
			return list, nil
		}
		object, rest, err := next(data)
		if err != nil {
			return nil, err
		}
		if object.Tag.Constructed() {
			if object.Children, err = parse(object.Value, depth+1); err != nil {
				return nil, fmt.Errorf("in %s: %w", object.Tag, err)
			}
		}
		list, data = append(list, object), rest
	}
}

// Find returns the value of the first object with the tag at any depth, depth first. Its length may be zero.
func (l List) Find(tag Tag) (value []byte, found bool) {
	for _, object := range l {
		if object.Tag == tag {
			return object.Value, true
		}
		if value, found = object.Children.Find(tag); found {
			return value, true
		}
	}
	return nil, false
}

// Value returns the value of the first object with the tag, at any depth, that has one: an object without a value is as if
// it were not there (EMV Book 3 Annex B). It is nil if there is none.
func (l List) Value(tag Tag) []byte {
	for _, object := range l {
		if object.Tag == tag && len(object.Value) > 0 {
			return object.Value
		}
		if value := object.Children.Value(tag); value != nil {
			return value
		}
	}
	return nil
}

// Templates returns every object with the tag at any depth, but not those inside of another such.
func (l List) Templates(tag Tag) List {
	var found List
	for _, object := range l {
		if object.Tag == tag {
			found = append(found, object)
		} else {
			found = append(found, object.Children.Templates(tag)...)
		}
	}
	return found
}

// Without returns the objects of data, as they are encoded, but those with the tag at the top. Padding between objects
// goes with them. Errors are ErrMalformed.
func Without(data []byte, tag Tag) ([]byte, error) {
	var rest []byte
	for len(data) > 0 {
		if data[0] == 0x00 || data[0] == 0xFF {
			data = data[1:]
			continue
		}
		object, after, err := next(data)
		if err != nil {
			return nil, err
		}
		if object.Tag != tag {
			rest = append(rest, data[:len(data)-len(after)]...)
		}
		data = after
	}
	return rest, nil
}

// Element is one entry of a data object list: a tag and the length the card wants its value in (EMV Book 3 §5.4).
type Element struct {
	Tag    Tag
	Length int
}

// ParseDOL reads a data object list, such as a PDOL. Errors are ErrMalformed.
func ParseDOL(data []byte) ([]Element, error) {
	var elements []Element
	for len(data) > 0 {
		tag, rest, err := nextTag(data)
		if err != nil {
			return nil, err
		}
		if len(rest) == 0 {
			return nil, fmt.Errorf("%w: %s in a data object list has no length", ErrMalformed, tag)
		}
		elements = append(elements, Element{tag, int(rest[0])})
		data = rest[1:]
	}
	return elements, nil
}

// Append encodes one object and appends it to data. It panics if value is longer than 65,535 bytes.
func Append(data []byte, tag Tag, value []byte) []byte {
	for shift := 24; shift >= 0; shift -= 8 {
		if tag>>shift != 0 {
			data = append(data, byte(tag>>shift))
		}
	}
	switch n := len(value); {
	case n < 0x80:
		data = append(data, byte(n))
	case n <= 0xFF:
		data = append(data, 0x81, byte(n))
	case n <= 0xFFFF:
		data = append(data, 0x82, byte(n>>8), byte(n))
	default:
		panic(fmt.Sprintf("tlv: value of %d bytes", n))
	}
	return append(data, value...)
}

func next(data []byte) (Object, []byte, error) {
	tag, data, err := nextTag(data)
	if err != nil {
		return Object{}, nil, err
	}
	length, data, err := nextLength(data)
	if err != nil {
		return Object{}, nil, fmt.Errorf("in %s: %w", tag, err)
	}
	if length > len(data) {
		return Object{}, nil, fmt.Errorf("%w: %s has length %d, %d bytes are left", ErrMalformed, tag, length, len(data))
	}
	return Object{Tag: tag, Value: data[:length:length]}, data[length:], nil
}

// nextTag reads one tag. Low five bits 1F announce further bytes, each but the last with its top bit set (Annex B1).
func nextTag(data []byte) (Tag, []byte, error) {
	tag, n := Tag(data[0]), 1
	if data[0]&0x1F != 0x1F {
		return tag, data[1:], nil
	}
	for n < len(data) && n < 4 {
		tag = tag<<8 | Tag(data[n])
		n++
		if data[n-1]&0x80 == 0 {
			return tag, data[n:], nil
		}
	}
	return 0, nil, fmt.Errorf("%w: tag %s does not end", ErrMalformed, tag)
}

// nextLength reads one length of up to three bytes (Annex B2). The indefinite form 80 is not allowed on cards.
func nextLength(data []byte) (int, []byte, error) {
	if len(data) == 0 {
		return 0, nil, fmt.Errorf("%w: no length", ErrMalformed)
	}
	first := data[0]
	switch {
	case first < 0x80:
		return int(first), data[1:], nil
	case first == 0x81 && len(data) >= 2:
		return int(data[1]), data[2:], nil
	case first == 0x82 && len(data) >= 3:
		return int(data[1])<<8 | int(data[2]), data[3:], nil
	}
	return 0, nil, fmt.Errorf("%w: length %02X", ErrMalformed, first)
}
