package sqlstore

import "fmt"

// Whole tables are read, for as long as it takes.
const settingsForCheck = `SET LOCAL statement_timeout = 0; SET LOCAL plan_cache_mode = 'auto';
SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on`

// constraintQueries makes a query for each CHECK and each reference of the tables that are found by their bare names. It
// counts the rows that break it: whoever may do anything can switch these rules off, and write what they refuse.
const constraintQueries = `
SELECT conrelid::regclass::text, conname, contype::text, CASE contype
	WHEN 'c' THEN format('SELECT count(*) FROM %s WHERE NOT (%s)', conrelid::regclass, pg_get_expr(conbin, conrelid))
	ELSE format('SELECT count(*) FROM %s AS a WHERE %s AND NOT EXISTS (SELECT FROM %s AS b WHERE %s)', conrelid::regclass,
		(SELECT string_agg(format('a.%I IS NOT NULL', attname), ' AND ') FROM pg_attribute
			WHERE attrelid = conrelid AND attnum = ANY (conkey)),
		confrelid::regclass,
		(SELECT string_agg(format('a.%I = b.%I', x.attname, y.attname), ' AND ') FROM unnest(conkey, confkey) AS k (here, there)
			JOIN pg_attribute x ON x.attrelid = conrelid AND x.attnum = k.here
			JOIN pg_attribute y ON y.attrelid = confrelid AND y.attnum = k.there))
	END
FROM pg_constraint WHERE contype IN ('c', 'f') AND conrelid <> 0 
	AND connamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('meta'))
ORDER BY 1, 2`

// missingTriggers lists the tables whose rows never change, and that let it happen.
const missingTriggers = `
SELECT name FROM unnest(ARRAY['entries', 'postings', 'refunds', 'evidence', 'audit', 'closed_days', 'closed_totals', 'heads', 'restores']) AS name WHERE NOT EXISTS (
	SELECT FROM pg_trigger WHERE tgrelid = to_regclass(name) AND tgname = name || '_refuse_change' AND tgenabled IN ('O', 'A'))`

// damage asks the server whether its rules are there and hold. Its files are its own operator's to check, with
// pg_amcheck and pg_checksums.
func (d *postgresDB) damage(s session) (found []Finding, err error) {
	c := s.(*postgresConn)
	if err := c.exec(settingsForCheck); err != nil {
		return nil, err
	}
	constraints, err := c.texts(constraintQueries)
	if err != nil {
		return nil, err
	}
	for _, r := range constraints {
		table, name, kind, query := r[0], r[1], r[2], r[3]
		rule := map[string]string{"c": "the database is sound", "f": "what a row refers to is there"}[kind]
		broken, err := c.texts(query)
		if err != nil {
			return nil, err
		}
		if n := broken[0][0]; n != "0" {
			found = append(found, Finding{rule, table, fmt.Sprintf("%s rows break the constraint %s", n, name)})
		}
	}
	unguarded, err := c.texts(missingTriggers)
	for _, r := range unguarded {
		found = append(found, Finding{"the database is sound", r[0], "the trigger that refuses changes is missing or switched off"})
	}
	return found, err
}

// texts runs SQL without arguments and returns the rows that come out as text.
func (c *postgresConn) texts(sql string) (rows [][]string, err error) {
	results, err := c.conn.Exec(c.ctx, sql).ReadAll()
	if err != nil {
		return nil, c.failed("check", err)
	}
	for _, values := range results[0].Rows {
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = string(v)
		}
		rows = append(rows, row)
	}
	return rows, nil
}
