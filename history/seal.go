package history

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"tapline/consent"
	"tapline/keyring"
	"tapline/processor"
)

// Head is a head as it is kept.
type Head struct {
	Number  int64
	Day     string // the day whose end it is of; empty for others
	Entries int64  // sizes of the trees
	Audit   int64
	JWS     string
}

// Restore is a restore of the database from a backup.
type Restore = consent.Restore

// Query selects heads. At most one of Day, Size and Latest is given, and then at most one head comes.
type Query struct {
	Day    string
	Size   int64 // the first head, not of a day, with at least as many entries
	Latest bool  // the newest that is not of a day, and has all that is sealed
	Before int64 // newest first, with numbers below this one; 0 for all
	After  int64 // oldest first, with numbers above this one; needs Oldest
	Oldest bool
	Limit  int
}

// Reader reads one snapshot of the history.
type Reader interface {
	// Leaves are those of a log with numbers above after, in their order, limit at most.
	Leaves(log Log, after int64, limit int) ([]Leaf, error)
	// Tile is the hashes of a tile; none if it is not there.
	Tile(TileID) ([]byte, error)
	Heads(Query) ([]Head, error)
	// Sealed is the newest head, and the greatest sizes of all heads; zero if there are none.
	Sealed() (newest Head, entries, audit int64, err error)
	// Unsealed are closed days that have no head, in their order.
	Unsealed(limit int) ([]processor.ClosedDay, error)
	// Days are all closed days, in their order.
	Days() ([]processor.ClosedDay, error)
	// Restores are all restores, the oldest first.
	Restores() ([]Restore, error)
	// Entry is the leaf of an entry by its id; false if there is none.
	Entry(id string) (Leaf, bool, error)
}

// Sealing is what one sealing adds.
type Sealing struct {
	After int64 // the newest head before it
	Tiles []Tile
	Heads []Head
}

// Store keeps a history. History runs f over one snapshot. Seal writes all of a sealing or nothing, and
// processor.ErrConflict if there are heads that it does not know of.
type Store interface {
	History(ctx context.Context, f func(Reader) error) error
	Seal(ctx context.Context, s Sealing) error
}

// SealEvery is how often what is new is sealed: what was committed and is not sealed yet, is no longer back than that, and
// as long as a sealing takes.
const SealEvery = 10 * time.Second

// sealedAtOnce bounds the leaves of one sealing in each log.
const sealedAtOnce = 20_000

// ErrGap means that an entry or a record of the audit log is missing: nothing after it is sealed.
var ErrGap = errors.New("a number of the history is missing")

// Sealer seals what is new, and signs it.
type Sealer struct {
	Store       Store
	Keys        *keyring.Keyring
	Issuer      string // the service's origin
	Environment string
	Now         func() time.Time // nil for time.Now
	Log         *slog.Logger
}

// Run seals every SealEvery until ctx is done, and then once more. Any number of services may do so on one database: what one
// has sealed, the others leave.
func (s *Sealer) Run(ctx context.Context) {
	tick := time.NewTicker(SealEvery)
	defer tick.Stop()
	for {
		s.try(ctx)
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			s.try(last)
			return
		case <-tick.C:
		}
	}
}

func (s *Sealer) try(ctx context.Context) {
	if err := s.Seal(ctx); err != nil && ctx.Err() == nil {
		s.Log.Error("the history was not sealed", "error", err)
	}
}

// Seal seals all there is.
func (s *Sealer) Seal(ctx context.Context) error {
	for {
		var next Sealing
		var more bool
		err := s.Store.History(ctx, func(r Reader) (err error) {
			next, more, err = s.gather(r)
			return err
		})
		if err != nil || len(next.Heads) == 0 {
			return err
		}
		if err := s.Store.Seal(ctx, next); errors.Is(err, processor.ErrConflict) {
			return nil // another service was faster
		} else if err != nil || !more {
			return err
		}
	}
}

// gather makes the next sealing: a head of all that is new, and one of the end of each day that was closed since.
func (s *Sealer) gather(r Reader) (next Sealing, more bool, err error) {
	newest, entries, audit, err := r.Sealed()
	if err != nil {
		return next, false, err
	}
	head := consent.Head{Issuer: s.Issuer, Environment: s.Environment, Number: newest.Number, Previous: newest.JWS}
	if head.Restores, err = r.Restores(); err != nil {
		return next, false, err
	}
	next.After = newest.Number
	books, actions := newTree(Entries, r.Tile), newTree(Audit, r.Tile)
	head.Entries.Size, err = books.grow(r, entries)
	if err == nil {
		head.Audit.Size, err = actions.grow(r, audit)
	}
	if err == nil {
		head.Audit.Root, err = actions.root(head.Audit.Size)
	}
	if err != nil {
		return next, false, err
	}
	grown := head.Entries.Size - entries + head.Audit.Size - audit
	if grown > 0 {
		if err := s.sign(&next, &head, books, head.Entries.Size); err != nil {
			return next, false, err
		}
	}
	days, err := r.Unsealed(sealedAtOnce)
	if err != nil {
		return next, false, err
	}
	known := head.Entries.Size
	for _, d := range days {
		if d.Last > known {
			break // after its entries
		}
		head.Day, head.DayDigest = d.Day, DayDigest(d)
		if err := s.sign(&next, &head, books, d.Last); err != nil {
			return next, false, err
		}
	}
	next.Tiles = append(books.written(), actions.written()...)
	return next, grown >= sealedAtOnce, nil
}

// grow adds the leaves after a number to the tree, and returns the last one's.
func (t *tree) grow(r Reader, size int64) (int64, error) {
	leaves, err := r.Leaves(t.log, size, sealedAtOnce)
	if err != nil {
		return size, err
	}
	for _, l := range leaves {
		if l.Number != size+1 {
			return size, errors.Join(ErrGap, errors.New(string(t.log)))
		}
		if err := t.add(0, size, l.Hash); err != nil {
			return size, err
		}
		size++
	}
	return size, nil
}

// sign adds a head with a number of entries to a sealing. head is the one before it, with its compact form as Previous.
func (s *Sealer) sign(next *Sealing, head *consent.Head, books *tree, entries int64) (err error) {
	now := time.Now()
	if s.Now != nil {
		now = s.Now()
	}
	if head.Previous != "" {
		head.Previous = consent.HeadDigest(head.Previous)
	}
	head.Number++
	head.IssuedAt, head.Entries.Size = now.Unix(), entries
	if head.Entries.Root, err = books.root(entries); err != nil {
		return err
	}
	compact, err := consent.SignHead(s.Keys, *head)
	if err != nil {
		return err
	}
	next.Heads = append(next.Heads, Head{head.Number, head.Day, head.Entries.Size, head.Audit.Size, compact})
	head.Previous = compact
	return nil
}

// written are the tiles that have changed.
func (t *tree) written() (out []Tile) {
	for _, id := range t.changed {
		out = append(out, Tile{id, t.tiles[id]})
	}
	return out
}
