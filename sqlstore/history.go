package sqlstore

import (
	"context"
	"math"

	"tapline/history"
	"tapline/ledger"
	"tapline/money"
	"tapline/processor"
)

var _ history.Store = (*Store)(nil)

var heads = newTable("heads", 1,
	fixed(integer("number", func(h *history.Head) *int64 { return &h.Number })),
	fixed(reference("day", func(h *history.Head) *string { return &h.Day })),
	fixed(integer("entries", func(h *history.Head) *int64 { return &h.Entries })),
	fixed(integer("audit", func(h *history.Head) *int64 { return &h.Audit })),
	fixed(text("jws", func(h *history.Head) *string { return &h.JWS })),
)

// numberedRestore is a restore, and which one it is.
type numberedRestore struct {
	history.Restore
	number int64
}

var restores = newTable("restores", 1,
	fixed(text("epoch", func(r *numberedRestore) *string { return &r.Epoch })),
	fixed(integer("number", func(r *numberedRestore) *int64 { return &r.number })),
	fixed(integer("entries", func(r *numberedRestore) *int64 { return &r.Entries })),
	fixed(integer("audit", func(r *numberedRestore) *int64 { return &r.Audit })),
	fixed(integer("restored_at", func(r *numberedRestore) *int64 { return &r.At })),
)

var (
	entriesInOrder = plain("SELECT e.number, e.id, e.action, e.reference, e.at, p.debit, p.credit, p.amount, p.currency"+
		" FROM (SELECT * FROM entries WHERE number > $1 ORDER BY number LIMIT $2) AS e LEFT JOIN postings p ON p.entry = e.number"+
		" ORDER BY e.number, p.line", isInteger, isInteger)
	auditFrom  = plain("SELECT "+audit.list()+" FROM audit WHERE number > $1 ORDER BY number LIMIT $2", isInteger, isInteger)
	oneTile    = plain("SELECT hashes FROM tiles WHERE log = $1 AND level = $2 AND place = $3", isText, isInteger, isInteger)
	upsertTile = plain("INSERT INTO tiles (log, level, place, hashes) VALUES ($1, $2, $3, $4)"+
		" ON CONFLICT (log, level, place) DO UPDATE SET hashes = excluded.hashes", isText, isInteger, isInteger, isBytes)
	newestHead    = plain("SELECT " + heads.list() + " FROM heads ORDER BY number DESC LIMIT 1")
	latestHead    = plain("SELECT " + heads.list() + " FROM heads WHERE day IS NULL ORDER BY number DESC LIMIT 1")
	headsNewest   = plain("SELECT "+heads.list()+" FROM heads WHERE number < $1 ORDER BY number DESC LIMIT $2", isInteger, isInteger)
	headsOldest   = plain("SELECT "+heads.list()+" FROM heads WHERE number > $1 ORDER BY number LIMIT $2", isInteger, isInteger)
	headOfDay     = plain("SELECT "+heads.list()+" FROM heads WHERE day = $1", isText)
	headOfSize    = plain("SELECT "+heads.list()+" FROM heads WHERE entries >= $1 AND COALESCE(day, '') = '' ORDER BY entries, number LIMIT 1", isInteger)
	daysToSeal    = plain("SELECT "+closedDays.list()+" FROM closed_days d WHERE NOT EXISTS (SELECT 1 FROM heads h WHERE h.day = d.day) ORDER BY d.day LIMIT $1", isInteger)
	daysOldest    = plain("SELECT " + closedDays.list() + " FROM closed_days ORDER BY day")
	countRestores = plain("SELECT COUNT(*) FROM restores")
	restoresList  = plain("SELECT " + restores.list() + " FROM restores ORDER BY number")
	entryByID     = plain("SELECT number FROM entries WHERE id = $1", isText)
)

// historyReader is a history.Reader.
type historyReader struct{ rows }

// History runs f over one snapshot; see history.Store.
func (s *Store) History(ctx context.Context, f func(history.Reader) error) error {
	return s.db.view(ctx, func(c session) error {
		r := &historyReader{rows{session: c}}
		defer r.end()
		return f(r)
	})
}

// Seal adds to the history; see history.Store.
func (s *Store) Seal(ctx context.Context, add history.Sealing) error {
	return s.db.update(ctx, func(c session) error {
		if err := c.alone("sealing"); err != nil {
			return err
		}
		t := &tx{rows: rows{session: c, writing: true}}
		defer t.end()
		if newest := collect(&t.rows, heads, newestHead, nil); t.err == nil && add.After != numberOf(newest) {
			return processor.ErrConflict
		}
		if t.err == nil {
			_, t.err = c.run(upsertTile, len(add.Tiles), func(i int, to binder) {
				to.text(string(add.Tiles[i].Log))
				to.integer(add.Tiles[i].Level)
				to.integer(add.Tiles[i].Place)
				to.bytes(add.Tiles[i].Hashes)
			}, nil)
		}
		insert(t, heads, add.Heads)
		return t.err
	})
}

func numberOf(newest []history.Head) int64 {
	if len(newest) == 0 {
		return 0
	}
	return newest[0].Number
}

// Leaves makes the leaves of a log; see history.Reader.
func (r *historyReader) Leaves(log history.Log, after int64, limit int) (leaves []history.Leaf, err error) {
	bind := func(to binder) {
		to.integer(after)
		to.integer(int64(limit))
	}
	if log == history.Audit {
		for _, a := range collect(&r.rows, audit, auditFrom, bind) {
			leaves = append(leaves, history.AuditLeaf(a))
		}
		return leaves, r.err
	}
	var e numberedEntry
	r.query(entriesInOrder, bind, func(row scanner) {
		if number := row.integer(0); number != e.number {
			if e.number > 0 {
				leaves = append(leaves, history.EntryLeaf(e.number, e.Entry))
			}
			e = numberedEntry{ledger.Entry{ID: ledger.EntryID(row.text(1)), Action: ledger.Action(row.text(2)),
				Reference: row.text(3), At: fromMicros(row.integer(4))}, number}
		}
		if minor := row.integer(7); minor > 0 { // there is a posting
			e.Postings = append(e.Postings, ledger.Posting{Debit: ledger.AccountID(row.text(5)), Credit: ledger.AccountID(row.text(6)),
				Amount: money.Amount{Minor: minor, Currency: money.Currency(row.text(8))}})
		}
	})
	if e.number > 0 {
		leaves = append(leaves, history.EntryLeaf(e.number, e.Entry))
	}
	return leaves, r.err
}

// Tile is the hashes of a tile; see history.Reader.
func (r *historyReader) Tile(id history.TileID) (hashes []byte, err error) {
	r.query(oneTile, func(to binder) {
		to.text(string(id.Log))
		to.integer(id.Level)
		to.integer(id.Place)
	}, func(row scanner) { hashes = row.bytes(0) })
	return hashes, r.err
}

// Heads lists heads; see history.Reader.
func (r *historyReader) Heads(q history.Query) ([]history.Head, error) {
	s, bind := headsNewest, func(to binder) {
		to.integer(q.Before)
		to.integer(int64(q.Limit))
	}
	switch {
	case q.Day != "" && !storable(q.Day):
		return nil, r.err
	case q.Day != "":
		s, bind = headOfDay, func(to binder) { to.text(q.Day) }
	case q.Size > 0:
		s, bind = headOfSize, func(to binder) { to.integer(q.Size) }
	case q.Latest:
		s, bind = latestHead, nil
	case q.Oldest:
		s, bind = headsOldest, func(to binder) {
			to.integer(q.After)
			to.integer(int64(q.Limit))
		}
	case q.Before == 0:
		q.Before = math.MaxInt64
	}
	return collect(&r.rows, heads, s, bind), r.err
}

// Sealed is how far the history is sealed; see history.Reader.
func (r *historyReader) Sealed() (newest history.Head, entries, audit int64, err error) {
	if all := collect(&r.rows, heads, newestHead, nil); len(all) > 0 {
		newest = all[0]
	}
	if all := collect(&r.rows, heads, latestHead, nil); len(all) > 0 { // a day's head has fewer entries
		entries, audit = all[0].Entries, all[0].Audit
	}
	return newest, entries, audit, r.err
}

// Unsealed are closed days without a head; see history.Reader.
func (r *historyReader) Unsealed(limit int) ([]processor.ClosedDay, error) {
	days := r.withTotals(collect(&r.rows, closedDays, daysToSeal, func(to binder) { to.integer(int64(limit)) }))
	return days, r.err
}

// Days are all closed days; see history.Reader.
func (r *historyReader) Days() ([]processor.ClosedDay, error) {
	days := r.withTotals(collect(&r.rows, closedDays, daysOldest, nil))
	return days, r.err
}

// Restores are all restores; see history.Reader.
func (r *historyReader) Restores() (all []history.Restore, err error) {
	for _, x := range collect(&r.rows, restores, restoresList, nil) {
		all = append(all, x.Restore)
	}
	return all, r.err
}

// Entry is the leaf of an entry; see history.Reader.
func (r *historyReader) Entry(id string) (leaf history.Leaf, found bool, err error) {
	if !storable(id) {
		return leaf, false, r.err
	}
	number := int64(0)
	r.query(entryByID, func(to binder) { to.text(id) }, func(row scanner) { number = row.integer(0) })
	if number == 0 || r.err != nil {
		return leaf, false, r.err
	}
	leaves, err := r.Leaves(history.Entries, number-1, 1)
	return leaves[0], err == nil, err
}

// restored takes note of a restore in the history.
func (r *rows) restored(epoch string) error {
	next := numberedRestore{Restore: history.Restore{Epoch: epoch}, number: 1}
	r.query(countRestores, func(binder) {}, func(row scanner) { next.number += row.integer(0) })
	r.query(lastNumber, func(to binder) { to.text("entries") }, func(row scanner) { next.Entries = row.integer(0) })
	r.query(lastNumber, func(to binder) { to.text("audit") }, func(row scanner) { next.Audit = row.integer(0) })
	now, err := r.Now()
	if err != nil {
		return err
	}
	next.At = micros(now)
	t := &tx{rows: *r}
	insert(t, restores, []numberedRestore{next})
	return t.err
}

// checkHistory holds the history against itself: what was sealed, and the heads that are kept beside it.
func (s *Store) checkHistory(c session) (found []Finding, err error) {
	r := &historyReader{rows{session: c}}
	v, err := history.Verify(r, history.Verification{})
	for _, f := range v.Findings {
		found = append(found, Finding(f))
	}
	return found, err
}
