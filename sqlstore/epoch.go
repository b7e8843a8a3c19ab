package sqlstore

import (
	"context"
	"crypto/rand"
)

// maxCounter is the greatest counter of an NTAG 424 DNA, 24 bits.
const maxCounter = 1<<24 - 1

// eventGap is how far event numbers jump with a new epoch: more than were handed out between any backup and the end of
// what it was made of, so that a stream that goes on after a number of the old epoch misses nothing of the new one.
const eventGap = 1_000_000_000

var (
	advanceCounters = plain("UPDATE cards SET sun_counter = CASE WHEN sun_counter + $1 > $2 THEN $2 ELSE sun_counter + $1 END "+
		"WHERE sun_version > 0", isInteger, isInteger)
	advanceEvents = plain("UPDATE counters SET last = last + $1 WHERE name = 'events'", isInteger)
)

// epochName is what meta calls the epoch.
const epochName = "epoch"

// BeginEpoch marks a database that was restored from a backup: what happened between the backup and now is not in it.
// The counters of all cards that prove themselves rise by margin, so that messages that were used in that time are not
// taken again; event numbers go on above those that devices may have seen; and the epoch gets a new name, which
// makes tokens of the old one void. It returns how many cards it advanced. No service may run on the database.
func (s *Store) BeginEpoch(ctx context.Context, margin int64) (cards int, err error) {
	err = s.db.update(ctx, func(c session) error {
		if err := c.alone("cards", "counters", "meta"); err != nil {
			return err
		}
		var err error
		if cards, err = c.run(advanceCounters, 1, func(_ int, to binder) {
			to.integer(margin)
			to.integer(maxCounter)
		}, nil); err != nil {
			return err
		}
		if _, err = c.run(advanceEvents, 1, func(_ int, to binder) { to.integer(eventGap) }, nil); err != nil {
			return err
		}
		epoch := rand.Text()
		if err := (&rows{session: s.in(c), writing: true}).restored(epoch); err != nil {
			return err
		}
		return writeMeta(c, epochName, epoch)
	})
	return cards, err
}

// Epoch names the database's epoch: "" until it is first restored.
func (s *Store) Epoch(ctx context.Context) (epoch string, err error) {
	err = s.db.view(ctx, func(c session) error {
		_, err := c.run(selectMeta, 1, nil, func(from scanner) {
			if from.text(0) == epochName {
				epoch = from.text(1)
			}
		})
		return err
	})
	return epoch, err
}

// Mark is how far the numbered tables of a database have come: two copies of one database differ after the lesser.
type Mark struct {
	Entries int64 `json:"entries"`
	Audit   int64 `json:"audit"`
}

// Lost is something that a database has after a mark.
type Lost struct {
	What   string `json:"what"`   // "entry" or "audit"
	Name   string `json:"name"`   // the entry's id, or the operator's action
	Detail string `json:"detail"` // account that lost, account that got, amount and currency; or what was acted on
	At     int64  `json:"at"`     // microseconds since 1970 UTC
}

var (
	selectMark  = plain("SELECT name, last FROM counters")
	lostEntries = plain("SELECT e.id, e.action || ' ' || p.debit || ' > ' || p.credit || ' ' || p.amount || ' ' || p.currency, e.at "+
		"FROM entries e JOIN postings p ON p.entry = e.number WHERE e.number > $1 ORDER BY e.number, p.line LIMIT $2", isInteger, isInteger)
	lostAudit = plain("SELECT action, subject, at FROM audit WHERE number > $1 ORDER BY number LIMIT $2", isInteger, isInteger)
)

// Mark reads how far the database has come.
func (s *Store) Mark(ctx context.Context) (m Mark, err error) {
	err = s.db.view(ctx, func(c session) error {
		_, err := c.run(selectMark, 1, nil, func(from scanner) {
			switch from.text(0) {
			case "entries":
				m.Entries = from.integer(1)
			case "audit":
				m.Audit = from.integer(1)
			}
		})
		return err
	})
	return m, err
}

// LostAfter lists up to limit entries and as many audit records that the database has after a mark, oldest first.
func (s *Store) LostAfter(ctx context.Context, m Mark, limit int) (lost []Lost, err error) {
	err = s.db.view(ctx, func(c session) error {
		for _, q := range []struct {
			what      string
			after     int64
			statement *statement
		}{{"entry", m.Entries, lostEntries}, {"audit", m.Audit, lostAudit}} {
			_, err := c.run(q.statement, 1, func(_ int, to binder) {
				to.integer(q.after)
				to.integer(int64(limit))
			}, func(from scanner) {
				lost = append(lost, Lost{q.what, from.text(0), from.text(1), from.integer(2)})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return lost, err
}
