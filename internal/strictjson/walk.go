package strictjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"unicode"
)

// walker goes through a text beside the Go type it is meant for, which is nil where the type does not say. It finds out
// what encoding/json would pass over, and relies on encoding/json, which reads the text afterwards, to refuse what is no
// JSON: such a text it may take, but it comes to an end with any.
type walker struct {
	data []byte
	at   int
}

// place is where a value is: the path of names to it.
type place struct {
	parent *place
	name   string
}

func (p *place) path() string {
	if p == nil {
		return ""
	}
	return strings.TrimPrefix(p.parent.path()+"."+p.name, ".")
}

// peek is the next byte that is no space; 0 at the end.
func (w *walker) peek() byte {
	for ; w.at < len(w.data); w.at++ {
		switch c := w.data[w.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take passes over the next byte if it is c.
func (w *walker) take(c byte) bool {
	if w.peek() != c || w.at == len(w.data) {
		return false
	}
	w.at++
	return true
}

func (w *walker) value(t reflect.Type, at *place, depth int) error {
	first := w.peek()
	nested := first == '{' || first == '['
	var text []byte
	switch {
	case first == '"':
		text = w.text()
	case !nested:
		text = w.scalar()
	}
	switch {
	case !holds(t, first, text):
		return &Error{Code: CodeWrongType, Field: at.path()}
	case !nested:
		return nil
	case depth == MaxDepth:
		return &Error{Code: CodeMalformed}
	case first == '{':
		return w.object(shape(t), at, depth+1)
	}
	return w.array(shape(t), at, depth+1)
}

// text passes over a string and returns it with its quotes.
func (w *walker) text() []byte {
	begin := w.at
	for w.at++; w.at < len(w.data); w.at++ {
		switch w.data[w.at] {
		case '\\':
			w.at++
		case '"':
			w.at++
			return w.data[begin:w.at]
		}
	}
	w.at = len(w.data)
	return w.data[begin:]
}

// scalar passes over a number, true, false or null.
func (w *walker) scalar() []byte {
	begin := w.at
	for w.at < len(w.data) && strings.IndexByte(" \t\r\n,:]}", w.data[w.at]) < 0 {
		w.at++
	}
	return w.data[begin:w.at]
}

// end is the error of a list or object that ends otherwise than with c.
func (w *walker) end(c byte) error {
	if !w.take(c) {
		return &Error{Code: CodeMalformed}
	}
	return nil
}

func (w *walker) array(t reflect.Type, at *place, depth int) error {
	var elem reflect.Type
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		elem = t.Elem()
	}
	w.take('[')
	for more := w.peek() != ']'; more; more = w.take(',') {
		if err := w.value(elem, at, depth); err != nil {
			return err
		}
	}
	return w.end(']')
}

func (w *walker) object(t reflect.Type, at *place, depth int) error {
	seen := names{at: at}
	if t != nil && t.Kind() == reflect.Struct {
		seen.known = fieldsOf(t)
	}
	w.take('{')
	for more := w.peek() != '}'; more; more = w.take(',') {
		if w.peek() != '"' {
			return &Error{Code: CodeMalformed}
		}
		f, err := seen.add(w.text())
		if err != nil {
			return err
		}
		if !w.take(':') {
			return &Error{Code: CodeMalformed}
		}
		if seen.known != nil {
			err = w.value(f.of, &place{at, f.name}, depth)
		} else {
			var elem reflect.Type
			if t != nil && t.Kind() == reflect.Map {
				elem = t.Elem()
			}
			err = w.value(elem, at, depth)
		}
		if err != nil {
			return err
		}
	}
	return w.end('}')
}

// names are those that an object has had until now.
type names struct {
	at     *place
	known  map[string]field // of the struct that is meant; nil if none is
	fields []string         // in a struct, which has few
	others map[string]bool  // in other objects, folded
}

// add takes one more name, as it stands in the text.
func (n *names) add(quoted []byte) (field, error) {
	name := quoted[1:max(1, len(quoted)-1)]
	for _, c := range name {
		if c == '\\' {
			var text string
			if json.Unmarshal(quoted, &text) != nil {
				return field{}, &Error{Code: CodeMalformed}
			}
			name = []byte(text)
			break
		}
	}
	if n.known == nil {
		folded := fold(string(name))
		if n.others[folded] {
			return field{}, &Error{Code: CodeDuplicate, Field: n.at.path()}
		}
		if n.others == nil {
			n.others = map[string]bool{}
		}
		n.others[folded] = true
		return field{}, nil
	}
	for _, first := range n.fields {
		if first == string(name) || strings.EqualFold(first, string(name)) {
			return field{}, &Error{Code: CodeDuplicate, Field: (&place{n.at, first}).path()}
		}
	}
	f, ok := n.known[string(name)]
	if !ok {
		return field{}, &Error{Code: CodeUnknown, Field: n.at.path()}
	}
	n.fields = append(n.fields, f.name)
	return f, nil
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
