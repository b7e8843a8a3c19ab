package sqlstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"unicode/utf8"
)

// postgresText is a statement for all rows of arguments at once, each argument an array of a column's values, or, if it
// brings its own text along, for one row. With locking, selected rows are locked in the order of their keys.
func postgresText(s *statement, locking bool) (text string, arrays bool) {
	switch s.form {
	case insertRows:
		return "INSERT INTO " + s.table + " (" + strings.Join(s.columns, ", ") + ") SELECT * FROM " + unnest(s.kinds, s.columns) +
			" ORDER BY " + strings.Join(s.key, ", "), true
	case updateRows:
		set := make([]string, len(s.columns))
		for i, name := range s.columns {
			set[i] = name + " = row." + name
		}
		return "UPDATE " + s.table + " AS t SET " + strings.Join(set, ", ") +
			" FROM " + unnest(s.kinds, append(append([]string(nil), s.columns...), s.by...)) + " WHERE " + joined(s.by), true
	case selectRows:
		columns := make([]string, len(s.columns))
		for i, name := range s.columns {
			columns[i] = "t." + name
		}
		text := "SELECT " + strings.Join(columns, ", ") + " FROM " + s.table + " AS t"
		if len(s.by) == 1 {
			text += " WHERE t." + s.by[0] + " = ANY ($1)"
		} else {
			text += " JOIN " + unnest(s.kinds, s.by) + " ON " + joined(s.by)
		}
		if s.also != "" {
			text += " AND " + s.also
		}
		if locking && s.lock != unlocked {
			key := make([]string, len(s.key))
			for i, name := range s.key {
				key[i] = "t." + name
			}
			text += " ORDER BY " + strings.Join(key, ", ") + " FOR " + postgresLocks[s.lock] + " OF t"
		}
		return text, true
	}
	return s.text, s.arrays
}

// Keys never change, so rows that refer to a locked one can still be made: the weaker lock lets them.
var postgresLocks = map[lock]string{lockedToChange: "NO KEY UPDATE", lockedToRead: "SHARE"}

// unnest makes rows of arguments that are arrays of columns.
func unnest(kinds []kind, columns []string) string {
	arrays := make([]string, len(kinds))
	for i, k := range kinds {
		arrays[i] = "$" + strconv.Itoa(i+1) + "::" + postgresTypes[k].name + "[]"
	}
	return "unnest(" + strings.Join(arrays, ", ") + ") AS row (" + strings.Join(columns, ", ") + ")"
}

func joined(columns []string) string {
	out := make([]string, len(columns))
	for i, name := range columns {
		out[i] = "t." + name + " = row." + name
	}
	return strings.Join(out, " AND ")
}

// postgresTypes are the types of each kind, with their numbers in pg_type, which never change.
var postgresTypes = map[kind]struct {
	name          string
	scalar, array uint32
}{
	isText:    {"text", 25, 1009},
	isInteger: {"bigint", 20, 1016},
	isBytes:   {"bytea", 17, 1001},
}

// postgresSchema is how migrations are written for PostgreSQL. Its own order of text depends on the server's settings
// and changes with its libraries, so text is compared byte by byte.
var postgresSchema = types{
	integer: "BIGINT", bytes: "BYTEA", text: `TEXT COLLATE "C"`, byKey: "WITH (fillfactor = 80)", byArrival: "",
	appendOnly: func(table string) string {
		return fmt.Sprintf(`CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION '%% never change', TG_TABLE_NAME; END$$;
CREATE TRIGGER %[1]s_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON %[1]s EXECUTE FUNCTION refuse_change();`, table)
	},
	allow: func(table, column, values, more string) string {
		name := table + "_" + column + "_check" // as PostgreSQL names it
		return fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %[2]s; ALTER TABLE %[1]s ADD CONSTRAINT %[2]s CHECK (%[3]s IN (%[4]s, %[5]s));",
			table, name, column, values, more)
	},
}

// advisoryLock is the number of a lock that has a name. Others who use the same database may have locks, too, so its
// upper half is tapline's: "tapl".
func advisoryLock(name string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return applicationID<<32 | int64(h.Sum32())
}

// errText says that a text cannot be kept.
var errText = errors.New("a text is not valid UTF-8, or has a character U+0000")

// storable reports whether a text can be kept. PostgreSQL cannot keep others, so no database does.
func storable(text string) bool { return strings.IndexByte(text, 0) < 0 && utf8.ValidString(text) }

// postgresArgs are the arguments of a statement in PostgreSQL's binary format, which for arrays is that of array_recv:
// dimensions, whether there are NULLs, the element's type; length and lower bound of each dimension; then each element
// with its length before it, -1 for NULL.
type postgresArgs struct {
	kinds   []kind
	arrays  bool
	columns [][]byte
	nulls   []bool // of scalars
	next    int
	err     error
	out     [][]byte
}

// begin makes ready for a number of rows.
func (a *postgresArgs) begin(kinds []kind, arrays bool, rows int) {
	a.kinds, a.arrays, a.err = kinds, arrays, nil
	for len(a.columns) < len(kinds) {
		a.columns, a.nulls = append(a.columns, nil), append(a.nulls, false)
	}
	for i, k := range kinds {
		column := a.columns[i][:0]
		if arrays {
			for _, n := range []uint32{1, 0, postgresTypes[k].scalar, uint32(rows), 1} {
				column = binary.BigEndian.AppendUint32(column, n)
			}
		}
		a.columns[i], a.nulls[i] = column, false
	}
}

// values are the arguments; they are good until the next begin.
func (a *postgresArgs) values() [][]byte {
	a.out = a.out[:0]
	for i := range a.kinds {
		column := a.columns[i]
		switch {
		case a.nulls[i] && !a.arrays:
			column = nil
		case a.nulls[i]:
			column[7] = 1
		case column == nil:
			column = []byte{}
		}
		a.out = append(a.out, column)
	}
	return a.out
}

// element begins an argument of a length.
func (a *postgresArgs) element(k kind, length int) *[]byte {
	if a.next >= len(a.kinds) || a.kinds[a.next] != k {
		panic("sqlstore: an argument is not of the kind that its statement declares")
	}
	column := &a.columns[a.next]
	a.next++
	if a.arrays {
		*column = binary.BigEndian.AppendUint32(*column, uint32(length))
	}
	return column
}

func (a *postgresArgs) text(s string) {
	if !storable(s) {
		a.err = errText
	}
	column := a.element(isText, len(s))
	*column = append(*column, s...)
}

func (a *postgresArgs) integer(n int64) {
	column := a.element(isInteger, 8)
	*column = binary.BigEndian.AppendUint64(*column, uint64(n))
}

func (a *postgresArgs) bytes(b []byte) {
	column := a.element(isBytes, len(b))
	*column = append(*column, b...)
}

func (a *postgresArgs) null() {
	a.nulls[a.next] = true
	if a.arrays {
		column := &a.columns[a.next]
		*column = binary.BigEndian.AppendUint32(*column, ^uint32(0))
	}
	a.next++
}

// postgresRow is a row in binary format, good until the next one is read.
type postgresRow struct{ values [][]byte }

func (r *postgresRow) text(column int) string { return string(r.values[column]) }

func (r *postgresRow) integer(column int) int64 {
	switch v := r.values[column]; len(v) {
	case 0:
		return 0
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v)))
	case 8:
		return int64(binary.BigEndian.Uint64(v))
	default:
		panic("sqlstore: a column holds no integer")
	}
}

func (r *postgresRow) bytes(column int) []byte {
	if len(r.values[column]) == 0 {
		return nil
	}
	return append([]byte(nil), r.values[column]...)
}
