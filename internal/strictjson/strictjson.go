// Package strictjson decodes JSON from strangers into Go values and takes nothing that two readers could understand in
// two ways: no unknown field, no field twice, nothing after the value, no text that is not Unicode.
//
// encoding/json alone lets the last of two equal names win, matches names whatever their case, replaces broken text
// and ignores null; a signature over such a text would not say what was signed.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deeply arrays and objects may be nested.
const MaxDepth = 32

// The codes of an Error.
const (
	CodeMalformed = "malformed"       // not one JSON value in Unicode, or nested deeper than MaxDepth
	CodeUnknown   = "unknown_field"   // a field that the Go type does not have, in exactly that spelling
	CodeDuplicate = "duplicate_field" // a name twice in one object, in whatever case
	CodeWrongType = "wrong_type"      // a value that its field cannot hold, null included
)

// Error tells why a text was refused. It never repeats anything of the text: Field is the dotted path of a field of
// the Go type, or "" if the offending place is not in one. For CodeUnknown it is the path of the enclosing object.
type Error struct {
	Code  string
	Field string
}

func (e *Error) Error() string {
	text := map[string]string{
		CodeMalformed: "malformed JSON",
		CodeUnknown:   "unknown field",
		CodeDuplicate: "duplicate field",
		CodeWrongType: "value of the wrong type",
	}[e.Code]
	if e.Field == "" {
		return text
	}
	if e.Code == CodeUnknown {
		return text + " in " + e.Field
	}
	return text + ": " + e.Field
}

// Decode reads the one JSON value in data into v, a pointer to a zero value. Its error is always an *Error, and what v
// holds then is undefined. The caller bounds the size of data.
//
// Names must match exactly, though encoding/json would fold their case; names of one object must differ even when
// folded (RFC 8259 §4 leaves the meaning of duplicates open). Null is taken only by pointers, maps, slices and
// interfaces. Invalid UTF-8 and escaped lone surrogates are refused (RFC 8259 §8.2), not replaced.
func Decode(data []byte, v any) error {
	malformed := &Error{Code: CodeMalformed}
	if !utf8.Valid(data) {
		return malformed
	}
	w := walker{data: data}
	if err := w.value(reflect.TypeOf(v).Elem(), nil, 0); err != nil {
		// The walker takes some texts for JSON that are not. Of what is wrong with a text, that comes first.
		if !json.Valid(data) || hasLoneSurrogate(data) {
			return malformed
		}
		return err
	}
	err := json.Unmarshal(data, v)
	if _, syntax := errors.AsType[*json.SyntaxError](err); syntax {
		return malformed
	}
	switch {
	case err != nil && !json.Valid(data), hasLoneSurrogate(data):
		return malformed
	case err != nil:
		// What is left comes from a type's own UnmarshalJSON or UnmarshalText and may repeat the text.
		return &Error{Code: CodeWrongType}
	}
	return nil
}

// hasLoneSurrogate looks for an escaped UTF-16 surrogate without its other half in valid JSON.
func hasLoneSurrogate(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++ // the escaped character; in valid JSON a backslash stands only inside a string
		if data[i] != 'u' {
			continue
		}
		r := hex4(data[i+1:])
		i += 4
		if !utf16.IsSurrogate(r) {
			continue
		}
		if !bytes.HasPrefix(data[i+1:], []byte(`\u`)) || utf16.DecodeRune(r, hex4(data[i+3:])) == unicode.ReplacementChar {
			return true
		}
		i += 6
	}
	return false
}

func hex4(digits []byte) rune {
	var r rune
	for _, c := range digits[:4] {
		switch {
		case c <= '9':
			r = r<<4 | rune(c-'0')
		default:
			r = r<<4 | rune(c|0x20-'a'+10)
		}
	}
	return r
}
