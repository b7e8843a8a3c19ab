// Package strictjson decodes JSON from strangers into Go values and takes nothing that two readers could understand in
// two ways: no unknown field, no field twice, nothing after the value, no text that is not Unicode.
//
// encoding/json alone lets the last of two equal names win, matches names whatever their case, replaces broken text
// and ignores null; a signature over such a text would not say what was signed.
package strictjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
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
	if !utf8.Valid(data) || !json.Valid(data) || hasLoneSurrogate(data) {
		return &Error{Code: CodeMalformed}
	}
	w := walker{json.NewDecoder(bytes.NewReader(data))}
	w.UseNumber()
	if err := w.value(reflect.TypeOf(v).Elem(), "", 0); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if decoder.Decode(v) == nil {
		return nil
	}
	// What is left comes from a type's own UnmarshalJSON or UnmarshalText and may repeat the text.
	return &Error{Code: CodeWrongType}
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

// walker reads a valid JSON text beside the Go type it is meant for, which is nil where the type does not say.
type walker struct{ *json.Decoder }

func (w walker) value(t reflect.Type, path string, depth int) error {
	token, err := w.Token()
	if err != nil {
		return &Error{Code: CodeMalformed}
	}
	delim, nested := token.(json.Delim)
	switch {
	case !holds(t, token):
		return &Error{Code: CodeWrongType, Field: path}
	case !nested:
		return nil
	case depth == MaxDepth:
		return &Error{Code: CodeMalformed}
	case delim == '{':
		err = w.object(shape(t), path, depth+1)
	default:
		err = w.array(shape(t), path, depth+1)
	}
	if err != nil {
		return err
	}
	if _, err = w.Token(); err != nil { // the closing delimiter
		return &Error{Code: CodeMalformed}
	}
	return nil
}

func (w walker) array(t reflect.Type, path string, depth int) error {
	var elem reflect.Type
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		elem = t.Elem()
	}
	for w.More() {
		if err := w.value(elem, path, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w walker) object(t reflect.Type, path string, depth int) error {
	isStruct := t != nil && t.Kind() == reflect.Struct
	var known map[string]reflect.Type
	if isStruct {
		known = fieldsOf(t)
	}
	seen := make(map[string]string) // folded name -> path to report
	for w.More() {
		token, err := w.Token()
		if err != nil {
			return &Error{Code: CodeMalformed}
		}
		name, _ := token.(string)
		elem, isKnown := known[name]
		place := path
		if isKnown {
			place = strings.TrimPrefix(path+"."+name, ".")
		}
		if first, twice := seen[fold(name)]; twice {
			return &Error{Code: CodeDuplicate, Field: max(first, place)} // the longer path names a known field
		}
		seen[fold(name)] = place
		if isStruct && !isKnown {
			return &Error{Code: CodeUnknown, Field: path}
		}
		if t != nil && t.Kind() == reflect.Map {
			elem = t.Elem()
		}
		if err := w.value(elem, place, depth); err != nil {
			return err
		}
	}
	return nil
}

// fold maps names that encoding/json would match to one another to the same text: each rune to the least of its
// simple case foldings, so that K and the Kelvin sign are one.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		for next := unicode.SimpleFold(r); ; next = unicode.SimpleFold(next) {
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}
