package sqlstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
)

// kind is what a column holds, as the database sees it.
type kind int

const (
	isText kind = iota
	isInteger
	isBytes
)

// binder takes the values of one row of arguments, in order.
type binder interface {
	text(string)
	integer(int64)
	bytes([]byte)
	null()
}

// values takes values one after the other, so that other values are other bytes.
type values []byte

func (v *values) text(s string)   { *v = append(binary.AppendVarint(*v, int64(len(s))), s...) }
func (v *values) integer(n int64) { *v = binary.AppendVarint(*v, n) }
func (v *values) bytes(b []byte)  { *v = append(binary.AppendVarint(*v, int64(len(b))), b...) }
func (v *values) null()           { *v = binary.AppendVarint(*v, -1) }

// scanner gives the values of a row that a statement returns, by column. A NULL is the type's zero value.
type scanner interface {
	text(column int) string
	integer(column int) int64
	bytes(column int) []byte
}

// column says how a field of a row R is stored. Writing and reading are made from the same declaration, so that they
// cannot differ.
type column[R any] struct {
	name  string
	kind  kind
	fixed bool // never changes, so an UPDATE leaves it alone, and its indexes
	often bool // see often
	bind  func(binder, *R)
	scan  func(scanner, int, *R)
}

func text[R any, S ~string](name string, field func(*R) *S) column[R] {
	return column[R]{name: name, kind: isText,
		bind: func(to binder, r *R) { to.text(string(*field(r))) },
		scan: func(from scanner, i int, r *R) { *field(r) = S(from.text(i)) },
	}
}

// reference is the id of a row elsewhere. Where there is none, it is empty in Go and NULL in the database.
func reference[R any, S ~string](name string, field func(*R) *S) column[R] {
	c := text(name, field)
	c.bind = func(to binder, r *R) {
		if id := *field(r); id != "" {
			to.text(string(id))
		} else {
			to.null()
		}
	}
	return c
}

func integer[R any, N ~int | ~int64 | ~uint32 | ~uint8](name string, field func(*R) *N) column[R] {
	return column[R]{name: name, kind: isInteger,
		bind: func(to binder, r *R) { to.integer(int64(*field(r))) },
		scan: func(from scanner, i int, r *R) { *field(r) = N(from.integer(i)) },
	}
}

func boolean[R any](name string, field func(*R) *bool) column[R] {
	return column[R]{name: name, kind: isInteger,
		bind: func(to binder, r *R) {
			if *field(r) {
				to.integer(1)
			} else {
				to.integer(0)
			}
		},
		scan: func(from scanner, i int, r *R) { *field(r) = from.integer(i) != 0 },
	}
}

// seconds is a time span in whole seconds.
func seconds[R any](name string, field func(*R) *time.Duration) column[R] {
	return column[R]{name: name, kind: isInteger,
		bind: func(to binder, r *R) { to.integer(int64(*field(r) / time.Second)) },
		scan: func(from scanner, i int, r *R) { *field(r) = time.Duration(from.integer(i)) * time.Second },
	}
}

func instant[R any](name string, field func(*R) *time.Time) column[R] {
	return column[R]{name: name, kind: isInteger,
		bind: func(to binder, r *R) { to.integer(micros(*field(r))) },
		scan: func(from scanner, i int, r *R) { *field(r) = fromMicros(from.integer(i)) },
	}
}

// micros is a time as the database keeps it: microseconds since 1970 UTC, what is finer cut off, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// octets is a byte string. None at all and an empty one are the same, and come back as nil.
func octets[R any](name string, field func(*R) *[]byte) column[R] {
	return column[R]{name: name, kind: isBytes,
		bind: func(to binder, r *R) { to.bytes(*field(r)) },
		scan: func(from scanner, i int, r *R) { *field(r) = from.bytes(i) },
	}
}

// list is stored as a JSON array of strings.
func list[R any, S ~string](name string, field func(*R) *[]S) column[R] {
	return column[R]{name: name, kind: isText,
		bind: func(to binder, r *R) {
			// Strings can always be encoded.
			text, _ := json.Marshal(*field(r))
			to.text(string(text))
		},
		scan: func(from scanner, i int, r *R) {
			if err := json.Unmarshal([]byte(from.text(i)), field(r)); err != nil {
				panic(fmt.Sprintf("sqlstore: column %s holds no list", name))
			}
		},
	}
}

// encoded is stored as JSON. No lines and no entries are the same, and come back as nil.
func encoded[R, V any](name string, field func(*R) *V, empty func(V) bool) column[R] {
	return column[R]{name: name, kind: isText,
		bind: func(to binder, r *R) {
			if empty(*field(r)) {
				to.text("")
				return
			}
			// Text that is kept is UTF-8, and numbers can be written.
			text, _ := json.Marshal(*field(r))
			to.text(string(text))
		},
		scan: func(from scanner, i int, r *R) {
			if text := from.text(i); text != "" {
				if err := json.Unmarshal([]byte(text), field(r)); err != nil {
					panic(fmt.Sprintf("sqlstore: column %s holds no JSON of its kind", name))
				}
			}
		},
	}
}

// fixed marks a column whose value never changes once the row is there.
func fixed[R any](c column[R]) column[R] {
	c.fixed = true
	return c
}

// often marks the few columns of a wide row that change by themselves most of the time: then an UPDATE leaves all others
// alone, for they cost, too: other tables are asked whether what they refer to is there, and their indexes are looked at.
func often[R any](c column[R]) column[R] {
	c.often = true
	return c
}

// form says what a statement does. Its text is the dialect's to make; only other statements bring theirs along.
type form int

const (
	other form = iota
	insertRows
	updateRows
	selectRows
)

// lock says how rows are locked that a transaction picks which may write, where others may write at the same time.
type lock int

const (
	unlocked       lock = iota // they never change
	lockedToChange             // others wait until it has ended
	lockedToRead               // others may read them likewise, but wait with changing them
)

// statement is one SQL statement, to be run for any number of rows of arguments. It is made once, and dialects keep
// what they prepare from it by its address.
type statement struct {
	form    form
	table   string
	columns []string // inserted, set, or returned
	by      []string // the columns that pick rows; their values come last among the arguments
	key     []string // the columns of the table's key
	kinds   []kind   // of the arguments, in order
	also    string   // a further condition on the rows picked
	lock    lock     // what a transaction that writes does to the rows picked

	text   string // of an other statement, with arguments $1, $2 and so on
	arrays bool   // each argument is an array; only PostgreSQL knows them
}

// other statements are plain SQL that both databases understand.
func plain(text string, kinds ...kind) *statement { return &statement{text: text, kinds: kinds} }

// what names a statement for an error.
func (s *statement) what() string {
	if s.form == other {
		return s.text
	}
	return [...]string{insertRows: "insert into ", updateRows: "update ", selectRows: "select from "}[s.form] + s.table
}

// table describes how rows R are stored. The columns of the key come first.
type table[R any] struct {
	name    string
	columns []column[R]

	insert *statement
	update *change[R] // nil if no column ever changes
	often  *change[R] // of the columns that change often; nil if no such are marked
	byKey  *statement

	key  []column[R]
	lock lock
}

// change is how some columns of a row are changed.
type change[R any] struct {
	*statement
	columns []column[R]
}

func newTable[R any](name string, keys int, columns ...column[R]) *table[R] {
	t := &table[R]{name: name, columns: columns, key: columns[:keys]}
	var mutable, often []column[R]
	for _, c := range columns[keys:] {
		if !c.fixed {
			mutable = append(mutable, c)
		}
		if c.often {
			often = append(often, c)
		}
	}
	t.insert = &statement{form: insertRows, table: name, columns: names(columns), key: names(t.key), kinds: kinds(columns)}
	if len(mutable) > 0 {
		t.lock = lockedToChange
		t.update = t.change(mutable)
	}
	if len(often) > 0 {
		t.often = t.change(often)
	}
	t.byKey = t.by("", names(t.key)...)
	return t
}

func (t *table[R]) change(columns []column[R]) *change[R] {
	return &change[R]{&statement{form: updateRows, table: t.name, columns: names(columns), by: names(t.key), key: names(t.key),
		kinds: append(kinds(columns), kinds(t.key)...)}, columns}
}

// sameButOften reports whether two rows differ in nothing but columns that change often.
func (t *table[R]) sameButOften(a, b *R) bool {
	var of [2]values
	for _, c := range t.update.columns {
		if !c.often {
			c.bind(&of[0], a)
			c.bind(&of[1], b)
		}
	}
	return bytes.Equal(of[0], of[1])
}

// seldomChanged says that most transactions only read the table's rows, many of them the same.
func (t *table[R]) seldomChanged() *table[R] {
	t.lock = lockedToRead
	t.byKey.lock = lockedToRead
	return t
}

// by is the statement that returns the rows with given values in some columns, all of them text.
func (t *table[R]) by(also string, picked ...string) *statement {
	return &statement{form: selectRows, table: t.name, columns: names(t.columns), by: picked, key: names(t.key),
		kinds: make([]kind, len(picked)), also: also, lock: t.lock}
}

func (t *table[R]) scan(from scanner) R {
	var r R
	for i := range t.columns {
		t.columns[i].scan(from, i, &r)
	}
	return r
}

func names[R any](columns []column[R]) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.name
	}
	return out
}

func kinds[R any](columns []column[R]) []kind {
	out := make([]kind, len(columns))
	for i, c := range columns {
		out[i] = c.kind
	}
	return out
}
