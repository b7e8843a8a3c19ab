package device

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"tapline/api"
)

// maxWaitPause bounds the pause between two questions for news.
const maxWaitPause = 8 * time.Second

// nextPause is the pause after one that brought no news: half a second, then twice as long each time, half of it
// random.
func nextPause(last time.Duration) time.Duration {
	next := min(max(2*last, 500*time.Millisecond), maxWaitPause)
	return next/2 + rand.N(next/2)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// passing tells an error that says nothing about what was asked: the service is away or busy.
func passing(err error) bool {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return p.Status >= 500 || p.Status == http.StatusTooManyRequests
	}
	return errors.Is(err, ErrNoAnswer) || errors.Is(err, ErrNotSent)
}
