package sim

import (
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	first = flag.Uint64("seed", 1, "the first seed")
	many  = flag.Uint64("seeds", 200, "how many seeds")
	once  = flag.Bool("once", false, "run no more seeds once one has failed")
)

// TestSeeds runs a number of seeds. A failing one says how to run it again.
func TestSeeds(t *testing.T) {
	var mu sync.Mutex
	var all Stats
	var enough atomic.Bool
	var ran atomic.Uint64
	began := time.Now()
	t.Run("all", func(t *testing.T) {
		for seed := *first; seed < *first+*many; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				if enough.Load() {
					return
				}
				ran.Add(1)
				t.Cleanup(func() { enough.Store(enough.Load() || *once && t.Failed()) })
				_, s := Run(t, seed)
				mu.Lock()
				defer mu.Unlock()
				all = all.plus(s)
			})
		}
	})
	t.Logf("%d seeds in %v: %+v", ran.Load(), time.Since(began).Round(time.Second/10), all)
	if t.Failed() || *many < 100 {
		return
	}
	for what, n := range map[string]int{
		"settled": all.Settled, "approved": all.Approved, "expired": all.Expired, "rejected": all.Rejected, "rehearsed": all.Rehearsed,
		"crashed": all.Crashes, "come back after a crash": all.Revived, "been done without anybody being told": all.Unknown,
		"been answered again": all.Replayed, "been confirmed by a second operator": all.TopUps, "been a paid order": all.Orders, "been refunded": all.Refunded, "had a fee": all.Charged,
		"been paid out": all.PaidOut, "been paid out and given back": all.GivenBack, "been paid out of a closed card's account": all.CardsOut, "been paid out by a schedule": all.Scheduled,
		"been open to be undone": all.Undoable,
	} {
		if n == 0 {
			t.Errorf("in %d seeds nothing has %s: the simulation does not do what it is for", *many, what)
		}
	}
}

// TestASeedReplaysExactly runs some seeds twice.
func TestASeedReplaysExactly(t *testing.T) {
	traces := map[Trace]uint64{}
	for seed := uint64(1); seed <= 12; seed++ {
		once, _ := Run(t, seed)
		again, _ := Run(t, seed)
		if once != again {
			t.Errorf("seed %d: trace %s, and then %s", seed, once, again)
		}
		if other, same := traces[once]; same {
			t.Errorf("seeds %d and %d have the same trace", seed, other)
		}
		traces[once] = seed
	}
}
