package sqlstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// migration leads from one version of the schema to the next. Migrations are never changed once released, only added.
type migration struct {
	text string
	// oldest is the oldest version of the schema whose programs still run on this one, as the release before has to.
	oldest int
}

//go:embed migrations/0001.sql
var migration1 string

//go:embed migrations/0002.sql
var migration2 string

//go:embed migrations/0003.sql
var migration3 string

//go:embed migrations/0004.sql
var migration4 string

//go:embed migrations/0005.sql
var migration5 string

//go:embed migrations/0006.sql
var migration6 string

//go:embed migrations/0007.sql
var migration7 string

//go:embed migrations/0008.sql
var migration8 string

//go:embed migrations/0009.sql
var migration9 string

//go:embed migrations/0010.sql
var migration10 string

//go:embed migrations/0011.sql
var migration11 string

//go:embed migrations/0012.sql
var migration12 string

//go:embed migrations/0013.sql
var migration13 string

// migrations in order; the version of a schema is how many of them it has seen.
var migrations = []migration{{migration1, 1}, {migration2, 1}, {migration3, 1}, {migration4, 1}, {migration5, 1}, {migration6, 1}, {migration7, 1}, {migration8, 1}, {migration9, 1}, {migration10, 1}, {migration11, 1}, {migration12, 1}, {migration13, 1}}

// types says how a dialect writes what migrations leave to it.
type types struct {
	integer, bytes, text string
	byKey, byArrival     string
	appendOnly           func(table string) string
	allow                func(table, column, values, more string) string // that a column has one more value than those in its CHECK
	oneOf                func(column string, values []string) string     // whether a column has one of the values; nil for IN
}

// oneOfList is a list of values in a migration.
var oneOfList = regexp.MustCompile(`(\w+) (NOT )?IN \(([^()]*)\)`)

// allowed is a value that a column may have from a migration on: the last of its list.
var allowed = regexp.MustCompile(`^ALLOW (\w+) (\w+) IN \((.*), ([^,]*)\);`)

// script is the migration's SQL in a dialect.
func (m migration) script(d types) string {
	var b strings.Builder
	for text := range strings.Lines(m.text) {
		if strings.HasPrefix(text, "--") {
			continue
		}
		if table, ok := strings.CutPrefix(strings.TrimSpace(text), "APPEND ONLY "); ok {
			text = d.appendOnly(strings.TrimSuffix(table, ";")) + "\n"
		}
		if part := allowed.FindStringSubmatch(text); part != nil {
			text = d.allow(part[1], part[2], part[3], part[4]) + "\n"
		}
		b.WriteString(text)
	}
	text := strings.NewReplacer("BIGINT", d.integer, "BYTEA", d.bytes, "TEXT", d.text,
		"BY KEY", d.byKey, "BY ARRIVAL", d.byArrival).Replace(b.String())
	if d.oneOf == nil {
		return text
	}
	return oneOfList.ReplaceAllStringFunc(text, func(list string) string {
		part := oneOfList.FindStringSubmatch(list)
		return part[2] + "(" + d.oneOf(part[1], strings.Split(part[3], ",")) + ")"
	})
}

// meta is what a database knows of itself.
type meta struct {
	schema      int // version
	oldest      int // version of the oldest programs that run on it
	environment string
}

var (
	selectMeta = plain("SELECT name, value FROM meta")
	upsertMeta = plain("INSERT INTO meta (name, value) VALUES ($1, $2)"+
		" ON CONFLICT (name) DO UPDATE SET value = excluded.value", isText, isText)
)

func readMeta(s session) (meta, error) {
	values := make(map[string]string)
	_, err := s.run(selectMeta, 1, nil, func(from scanner) { values[from.text(0)] = from.text(1) })
	if err != nil {
		return meta{}, err
	}
	m := meta{environment: values["environment"]}
	var errs [2]error
	m.schema, errs[0] = strconv.Atoi(values["schema"])
	m.oldest, errs[1] = strconv.Atoi(values["oldest"])
	return m, errors.Join(errs[:]...)
}

func writeMeta(s session, name, value string) error {
	_, err := s.run(upsertMeta, 1, func(_ int, to binder) {
		to.text(name)
		to.text(value)
	}, nil)
	return err
}

// fits returns why a program that knows some versions of the schema, and was told these options, cannot use the
// database. With older it may have a schema that is to be migrated.
func (m meta) fits(o Options, known int, older bool) error {
	switch {
	case m.oldest > known:
		return fmt.Errorf("its schema has version %d, made by a newer tapline, and this one knows %d; "+
			"hint: install the newer tapline again", m.schema, known)
	case o.Environment != "" && m.environment != o.Environment:
		return fmt.Errorf("it is for the %s environment, not for %s; hint: give each environment its own database",
			m.environment, o.Environment)
	case m.schema < known && !older:
		return fmt.Errorf(`its schema has version %d and this tapline wants %d; hint: make a backup, then run `+
			`"tapline migrate"`, m.schema, known)
	}
	return nil
}

// Remember keeps a value under a name, for ever, unless there is one already. It returns the value that is kept.
func (s *Store) Remember(ctx context.Context, name, value string) (kept string, err error) {
	name = "kept " + name // apart from what the database knows of itself
	err = s.db.update(ctx, func(c session) error {
		if err := c.alone("meta"); err != nil {
			return err
		}
		kept = value
		found := false
		_, err := c.run(selectMeta, 1, nil, func(from scanner) {
			if from.text(0) == name {
				kept, found = from.text(1), true
			}
		})
		if err != nil || found {
			return err
		}
		return writeMeta(c, name, value)
	})
	return kept, err
}
