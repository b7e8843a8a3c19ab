package strictjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// decodesItself tells a type whose own method reads the JSON: nothing is known of the fields inside.
func decodesItself(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(jsonUnmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler)
}

// shape is the type that says which fields a nested value may have, nil if any.
func shape(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer && !decodesItself(t) {
		t = t.Elem()
	}
	if t == nil || decodesItself(t) {
		return nil
	}
	return t
}

// holds tells whether a value of type t can take one that begins with this byte; text is all of a scalar. Null is for types
// with a nil only: encoding/json would leave other values as they are.
func holds(t reflect.Type, first byte, text []byte) bool {
	if first == 'n' {
		return t == nil || slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface}, t.Kind())
	}
	if t = shape(t); t == nil || t.Kind() == reflect.Interface {
		return true
	}
	switch first {
	case '"':
		return t.Kind() == reflect.String || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
	case 't', 'f':
		return t.Kind() == reflect.Bool
	case '[':
		return t.Kind() == reflect.Slice || t.Kind() == reflect.Array
	case '{':
		return t.Kind() == reflect.Struct || t.Kind() == reflect.Map
	}
	return holdsNumber(t, string(text))
}

func holdsNumber(t reflect.Type, text string) bool {
	var err error
	switch {
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		_, err = strconv.ParseInt(text, 10, t.Bits())
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		_, err = strconv.ParseUint(text, 10, t.Bits())
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		_, err = strconv.ParseFloat(text, t.Bits())
	default:
		return t == reflect.TypeFor[json.Number]()
	}
	return err == nil
}

// field is a field of a struct, by its name in JSON.
type field struct {
	name string
	of   reflect.Type
}

var fieldCache sync.Map // reflect.Type -> map[string]field

// fieldsOf returns the JSON fields of a struct by name, those of embedded structs included. Of equal names the one
// embedded least deeply counts, as in encoding/json.
func fieldsOf(t reflect.Type) map[string]field {
	if cached, ok := fieldCache.Load(t); ok {
		return cached.(map[string]field)
	}
	fields := make(map[string]field)
	seen := map[reflect.Type]bool{t: true}
	for level := []reflect.Type{t}; len(level) > 0; {
		var next []reflect.Type
		found := make(map[string]reflect.Type)
		for _, s := range level {
			next = append(next, addFields(s, found, seen)...)
		}
		for name, fieldType := range found {
			if _, shadowed := fields[name]; !shadowed {
				fields[name] = field{name, fieldType}
			}
		}
		level = next
	}
	fieldCache.Store(t, fields)
	return fields
}

// addFields adds the fields that struct s declares itself and returns the structs it embeds.
func addFields(s reflect.Type, found map[string]reflect.Type, seen map[reflect.Type]bool) (embedded []reflect.Type) {
	for i := range s.NumField() {
		f := s.Field(i)
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case tag == "-":
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			if !seen[inner] {
				seen[inner] = true
				embedded = append(embedded, inner)
			}
		case !f.IsExported():
		case name == "":
			found[f.Name] = f.Type
		default:
			found[name] = f.Type
		}
	}
	return embedded
}
