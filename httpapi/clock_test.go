package httpapi

import (
	"context"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"tapline/processor"
)

// aheadStore is a store whose clock is ahead of this machine's.
type aheadStore struct {
	processor.Store
	by time.Duration
}

func (s aheadStore) View(ctx context.Context, f func(processor.Reader) error) error {
	return s.Store.View(ctx, func(r processor.Reader) error { return f(aheadReader{r, s.by}) })
}

type aheadReader struct {
	processor.Reader
	by time.Duration
}

func (r aheadReader) Now() (time.Time, error) {
	now, err := r.Reader.Now()
	return now.Add(r.by), err
}

func TestNotReadyWhileTheClockIsNotTheDatabases(t *testing.T) {
	for by, status := range map[time.Duration]int{0: 200, 500 * time.Millisecond: 200, 3 * time.Second: 503, -3 * time.Second: 503} {
		s := openEmpty(t, func(c *Config) { c.Store = aheadStore{c.Store, by} })
		s.send("GET", "/readyz", "").ready(status)
		_, text, _ := strings.Cut(string(s.send("GET", "/metrics", "").body), "\ntapline_clock_offset_seconds ")
		line, _, _ := strings.Cut(text, "\n")
		got, err := strconv.ParseFloat(line, 64)
		if want := -by.Seconds(); err != nil || math.Abs(got-want) > 0.4 {
			t.Errorf("the database's clock is %v ahead: the metric says %q, want about %v", by, line, want)
		}
	}
}
