package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Sandbox is the environment of databases in which a clock can be put forward and cards play parts. In all that is signed it
// is called "test"; the database's own mark keeps a service that is no sandbox from opening it, and a sandbox from opening
// another one.
const Sandbox = "sandbox"

// Bounds of a sandbox's clock.
var maxAhead = 10 * 366 * 24 * time.Hour

// Errors of a sandbox's clock.
var (
	// ErrNoSandbox means that the database is not a sandbox's: it has the world's time, and no test cards.
	ErrNoSandbox = errors.New("the database is not a sandbox's")
	// ErrClockBack means that the clock was to be put back.
	ErrClockBack = errors.New("a clock is only put forward")
	// ErrClockFar means that the clock was to be put further forward than ten years, in all.
	ErrClockFar = errors.New("a clock is put forward by ten years at most")
)

// Names of what a sandbox keeps in meta.
const (
	metaAhead    = "clock ahead" // microseconds
	metaTestCard = "test card "
)

var selectMetaLike = plain("SELECT name, value FROM meta WHERE name >= $1 AND name < $2 ORDER BY name", isText, isText)

// metaFrom reads what meta has under names that begin so.
func metaFrom(s session, prefix string, each func(name, value string)) error {
	_, err := s.run(selectMetaLike, 1, func(_ int, to binder) {
		to.text(prefix)
		to.text(prefix + "~")
	}, func(from scanner) { each(from.text(0), from.text(1)) })
	return err
}

// sandboxed is a session in a sandbox's database: its time is ahead of the world's.
type sandboxed struct {
	session
	store *Store
}

func (c sandboxed) now() (time.Time, error) {
	now, err := c.session.now()
	if err != nil {
		return now, err
	}
	ahead, err := readAhead(c.session)
	if err != nil {
		return now, err
	}
	c.store.ahead.Store(int64(ahead))
	return now.Add(ahead), nil
}

func readAhead(s session) (time.Duration, error) {
	text := ""
	if err := metaFrom(s, metaAhead, func(_, value string) { text = value }); err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if ahead := time.Duration(n) * time.Microsecond; err == nil && ahead >= 0 && ahead <= maxAhead {
		return ahead, nil
	}
	return 0, errors.Join(errDamaged, fmt.Errorf("the sandbox's clock is ahead by %q", text))
}

// in is a session as the store's environment wants it.
func (s *Store) in(c session) session {
	if s.sandbox {
		return sandboxed{c, s}
	}
	return c
}

// Clock is this machine's time and, in a sandbox, how far that one's clock is ahead of it, as it was last read.
func (s *Store) Clock() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// IsSandbox reports whether the database is a sandbox's.
func (s *Store) IsSandbox() bool { return s.sandbox }

// SandboxTime is the time in a sandbox, by the clock that is one for all nodes, and by how much it is ahead of the world's.
func (s *Store) SandboxTime(ctx context.Context) (now time.Time, ahead time.Duration, err error) {
	if !s.sandbox {
		return now, 0, ErrNoSandbox
	}
	err = s.db.view(ctx, func(c session) error {
		var err error
		if now, err = s.in(c).now(); err == nil {
			ahead, err = readAhead(c)
		}
		return err
	})
	return now, ahead, err
}

// PutForward puts a sandbox's clock forward, to what to makes of its time, for good and for all nodes.
func (s *Store) PutForward(ctx context.Context, to func(now time.Time) time.Time) (now time.Time, ahead time.Duration, err error) {
	if !s.sandbox {
		return now, 0, ErrNoSandbox
	}
	err = s.db.update(ctx, func(c session) error {
		if err := c.alone("clock"); err != nil {
			return err
		}
		before, err := s.in(c).now()
		if err != nil {
			return err
		}
		if ahead, err = readAhead(c); err != nil {
			return err
		}
		now = to(before)
		ahead = (ahead + now.Sub(before)).Round(time.Microsecond)
		switch {
		case now.Before(before):
			return ErrClockBack
		case ahead > maxAhead || now.Sub(before) > maxAhead:
			return ErrClockFar
		}
		return writeMeta(c, metaAhead, strconv.FormatInt(ahead.Microseconds(), 10))
	})
	if err == nil {
		s.ahead.Store(int64(ahead))
	}
	return now, ahead, err
}

// KeepTestCard keeps what a sandbox knows of a test card, which is the caller's to seal.
func (s *Store) KeepTestCard(ctx context.Context, id, sealed string) error {
	if !s.sandbox {
		return ErrNoSandbox
	}
	return s.db.update(ctx, func(c session) error { return writeMeta(c, metaTestCard+id, sealed) })
}

// TestCards returns what is kept of test cards, by id: of all whose id begins so.
func (s *Store) TestCards(ctx context.Context, prefix string) (cards map[string]string, err error) {
	if !s.sandbox {
		return nil, ErrNoSandbox
	}
	cards = make(map[string]string)
	err = s.db.view(ctx, func(c session) error {
		return metaFrom(c, metaTestCard+prefix, func(name, value string) { cards[strings.TrimPrefix(name, metaTestCard)] = value })
	})
	return cards, err
}
