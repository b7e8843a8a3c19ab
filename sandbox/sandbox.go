// Package sandbox is what a sandbox has beyond every service: a clock that can be put forward, and test cards that play
// parts. A database is a sandbox's from its first day or never.
//
// A part is played from outside. Each test card has two devices, with keys of their own, which register, tap, type PINs, sign
// and approve by the service's API, and are refused what anybody would be refused. Nothing below this package knows of parts.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"tapline/api"
	"tapline/keyring"
	"tapline/processor"
	"tapline/sqlstore"
)

// Errors of a sandbox.
var (
	// ErrClock means that the clock was to be put back, or too far forward.
	ErrClock = errors.New("a test clock is only put forward, and by ten years at most")
	// ErrUnknownCard means that there is no such test card.
	ErrUnknownCard = errors.New("no such test card")
	// ErrAsked means a question that contradicts itself: either a time or seconds, either a card or a behaviour.
	ErrAsked = errors.New("one of both is to be given")
)

// Config is what a Sandbox needs.
type Config struct {
	Store     *sqlstore.Store // of a sandbox's database
	Processor *processor.Processor
	Keys      *keyring.Keyring
	URL       string // by which devices know the service
	// OnForward is called when the clock was put forward; nil for nobody.
	OnForward func()
	Log       *slog.Logger
}

// Sandbox makes a service a sandbox. Its methods are safe for several goroutines. Give it the service's handler, and close it.
type Sandbox struct {
	Config
	handler http.Handler
	hands   sync.Map // of *sync.Mutex, by card: a card is in one hand at a time

	playing sync.WaitGroup // those who answer later
	ended   context.Context
	end     context.CancelFunc
}

// New makes a sandbox. It panics if the database is not a sandbox's: that is for the caller to have checked.
func New(c Config) *Sandbox {
	if !c.Store.IsSandbox() {
		panic("sandbox: New on another database")
	}
	s := &Sandbox{Config: c}
	s.ended, s.end = context.WithCancel(context.Background())
	return s
}

// Through has the test cards' devices talk to the service through its handler.
func (s *Sandbox) Through(h http.Handler) { s.handler = h }

// Close makes those who would answer later go away, and waits for them.
func (s *Sandbox) Close() {
	s.end()
	s.playing.Wait()
}

// Clock tells the time.
func (s *Sandbox) Clock(ctx context.Context) (api.TestClock, error) {
	now, ahead, err := s.Store.SandboxTime(ctx)
	return clock(now, ahead), err
}

func clock(now time.Time, ahead time.Duration) api.TestClock {
	now = now.UTC().Truncate(time.Microsecond)
	return api.TestClock{Now: now, World: now.Add(-ahead), Ahead: int64(ahead / time.Second)}
}

// Forward puts the clock forward. What is over by then has ended when it returns: payments, orders and the time to undo. To the
// service it is as if it had not been running meanwhile.
func (s *Sandbox) Forward(ctx context.Context, in api.TestClockChange) (api.TestClock, error) {
	if (in.To == nil) == (in.By == 0) {
		return api.TestClock{}, ErrAsked
	}
	now, ahead, err := s.Store.PutForward(ctx, func(now time.Time) time.Time {
		if in.To != nil {
			return *in.To
		}
		return now.Add(time.Duration(in.By) * time.Second)
	})
	if errors.Is(err, sqlstore.ErrClockBack) || errors.Is(err, sqlstore.ErrClockFar) {
		return api.TestClock{}, fmt.Errorf("%w: %w", ErrClock, err)
	}
	if err == nil {
		err = s.Processor.EndOverdue(ctx)
	}
	if err == nil && s.OnForward != nil {
		s.OnForward()
	}
	return clock(now, ahead), err
}
