package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tapline/internal/pgtest"
	"tapline/payment"
	"tapline/processor"
)

// databaseOf is the name of the database that a URL names.
func databaseOf(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

// To damage a database as somebody who may do anything: triggers, references and CHECKs are switched off, and then on.
const (
	disarmPostgres = `SET LOCAL session_replication_role = replica;
CREATE TEMP TABLE checks ON COMMIT DROP AS SELECT conrelid::regclass AS of, conname AS name, pg_get_constraintdef(oid) AS definition
	FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 AND connamespace = 'public'::regnamespace;
DO $$ DECLARE c record; BEGIN
	FOR c IN SELECT * FROM checks LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.of, c.name); END LOOP;
END $$;`
	rearmPostgres = `DO $$ DECLARE c record; BEGIN
	FOR c IN SELECT * FROM checks LOOP EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', c.of, c.name, c.definition); END LOOP;
END $$;`
)

func TestPostgreSQLCheckFindsDamage(t *testing.T) {
	s := openTest(t, newDatabase(t))
	saveBooks(t, s)
	if found, err := s.Check(t.Context(), nil); len(found) > 0 || err != nil {
		t.Fatalf("Check of sound books: %v, %v", found, err)
	}
	undo := errors.New("undo")
	for name, c := range damages {
		t.Run(name, func(t *testing.T) {
			var found []Finding
			err := s.db.update(t.Context(), func(in session) error {
				if err := in.(*postgresConn).exec(disarmPostgres + c.damage + ";" + rearmPostgres); err != nil {
					return err
				}
				var err error
				if found, err = s.check(in, func(string, int, int) {}); err != nil {
					return err
				}
				return undo
			})
			if !errors.Is(err, undo) {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !has(found, want) && !strings.HasSuffix(want, ": file") {
					t.Errorf("after %q Check found\n%v\nwant %q among it", c.damage, found, want)
				}
			}
			if len(found) == 0 {
				t.Errorf("after %q Check found nothing", c.damage)
			}
		})
	}
	for _, off := range []string{"ALTER TABLE postings DISABLE TRIGGER ALL", "DROP TRIGGER audit_refuse_change ON audit"} {
		if err := pgtest.Shared(t).Run(s.db.(*postgresDB).config.Database, off); err != nil {
			t.Fatal(err)
		}
	}
	found, err := s.Check(t.Context(), nil)
	if err != nil || len(found) != 2 || found[0].Subject != "postings" || found[1].Subject != "audit" {
		t.Errorf("Check where two triggers are off = %v, %v; want postings and audit", found, err)
	}
}

func TestPostgreSQLRefusesChangesOfWhatOnlyGrows(t *testing.T) {
	address := newDatabase(t)
	s := openTest(t, address)
	saveBooks(t, s)
	server, name := pgtest.Shared(t), databaseOf(t, address)
	if err := server.Run(name, `INSERT INTO audit VALUES (1, 'op', 'x', '', '', 1);
		INSERT INTO evidence VALUES ('direct', 'first', 'laptop', 'x', 1)`); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"entries", "postings", "evidence", "audit"} {
		for _, change := range []string{"UPDATE " + table + " SET at = at + 1", "DELETE FROM " + table, "TRUNCATE " + table + " CASCADE"} {
			if err := server.Run(name, change); err == nil || !strings.Contains(err.Error(), "never change") {
				t.Errorf("%s: %v, want refused", change, err)
			}
		}
	}
}

func TestPostgreSQLErrorsAreToldByTheirCode(t *testing.T) {
	for code, want := range map[string]fault{
		"23505": conflict, "40001": givenUp, "40P01": givenUp, "25006": readOnlyServer,
		"08006": unavailable, "53100": unavailable, "53300": unavailable, "57P01": unavailable, "57P03": unavailable,
		"57014": unavailable, "55P03": unavailable, "25P03": unavailable, "58030": unavailable,
		"23503": broken, "23514": broken, "23502": broken, "P0001": broken, "42P01": broken, "42501": broken, "22021": broken, "XX001": broken,
	} {
		server := &pgconn.PgError{Severity: "ERROR", Code: code, Message: "said", Detail: "Key (id)=(secret) already exists."}
		if got := faultOf(fmt.Errorf("wrapped: %w", server)); got != want {
			t.Errorf("%s is fault %d, want %d", code, got, want)
		}
		err := postgresError("insert into x", server)
		if errors.Is(err, processor.ErrConflict) != (want == conflict) || errors.Is(err, processor.ErrUnavailable) == (want == conflict || want == broken) ||
			strings.Contains(err.Error(), "secret") || !errors.Is(err, server) {
			t.Errorf("%s became %v", code, err)
		}
	}
	if faultOf(errors.New("the network is down")) != unavailable || faultOf(errText) != broken {
		t.Error("errors that the server has not sent are taken for others")
	}
}

// TestPostgreSQLStatementsUseAnIndex asks PostgreSQL how it would run what is run often, where reading a whole table is
// its last resort.
func TestPostgreSQLStatementsUseAnIndex(t *testing.T) {
	s := openTest(t, newDatabase(t))
	for name, statement := range oftenRun() {
		var plan []string
		err := s.db.update(t.Context(), func(in session) error {
			c := in.(*postgresConn)
			text, arrays := postgresText(statement, true)
			var types []string
			for _, k := range statement.kinds {
				of := postgresTypes[k].name
				if arrays {
					of += "[]"
				}
				types = append(types, of)
			}
			parameters, arguments := "", ""
			if len(types) > 0 {
				parameters = "(" + strings.Join(types, ", ") + ")"
				arguments = "(" + strings.TrimSuffix(strings.Repeat("NULL, ", len(types)), ", ") + ")"
			}
			if err := c.exec("PREPARE explained " + parameters + " AS " + text); err != nil {
				return err
			}
			rows, err := c.texts("EXPLAIN EXECUTE explained " + arguments)
			for _, r := range rows {
				plan = append(plan, r[0])
			}
			return errors.Join(err, c.exec("DEALLOCATE explained"))
		})
		if err != nil || len(plan) == 0 {
			t.Errorf("%s: %v, plan %v", name, err, plan)
		}
		for _, step := range plan {
			if strings.Contains(step, "Seq Scan") {
				t.Errorf("%s reads a whole table:\n%s", name, strings.Join(plan, "\n"))
				break
			}
		}
	}
}

func save(s *Store, c processor.Changes) error {
	return s.Update(context.Background(), func(tx processor.Tx) error { return tx.Save(c) })
}

func newDevice(id payment.DeviceID) processor.Changes {
	return processor.Changes{New: processor.Rows{Devices: []processor.Device{{ID: id, PublicKey: []byte("{}")}}}}
}

func devicesOf(t *testing.T, s *Store, ids ...payment.DeviceID) (found []payment.DeviceID) {
	t.Helper()
	err := s.View(t.Context(), func(r processor.Reader) error {
		rows, err := r.Load(processor.Wants{Devices: ids})
		for _, d := range rows.Devices {
			found = append(found, d.ID)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return found
}

func TestOpeningLeavesTheRequestsOfOtherNodesAlone(t *testing.T) {
	address := newDatabase(t)
	s := openTest(t, address)
	id := processor.KeyID{Principal: "device:x", Key: "k"}
	if err := save(s, processor.Changes{New: processor.Rows{Keys: []processor.Key{{KeyID: id, Digest: "d", At: time.Now()}}}}); err != nil {
		t.Fatal(err)
	}
	other := openTest(t, address)
	err := other.View(t.Context(), func(r processor.Reader) error {
		rows, err := r.Load(processor.Wants{Keys: []processor.KeyID{id}})
		if len(rows.Keys) != 1 || rows.Keys[0].Status != 0 {
			t.Errorf("the key of a request in progress on a living node became %+v", rows.Keys)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
