package consent

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWrongTriesPauseThenLock(t *testing.T) {
	for name, tc := range map[string]struct {
		limits TryLimits
		left   []int // before each try; the last is after the last
		pauses []bool
	}{
		"own":   {OwnTries, []int{3, 2, 1, 1, 1, 0}, []bool{false, false, true, true, true}},
		"three": {TryLimits{Pause: 2, PauseFor: 15 * time.Minute, Lock: 3}, []int{2, 1, 1, 0}, []bool{false, true, true}},
	} {
		var tries Tries
		at := now
		for i, paused := range tc.pauses {
			if got := tries.Left(tc.limits); got != tc.left[i] {
				t.Errorf("%s: %d left before try %d, want %d", name, got, i+1, tc.left[i])
			}
			var err error
			if tries, err = tries.Reserve(tc.limits, at); err != nil {
				t.Fatalf("%s: try %d: %v", name, i+1, err)
			}
			if got := tries.PausedFor(at) == tc.limits.PauseFor; got != paused {
				t.Errorf("%s: pause after try %d: %v, want %v", name, i+1, got, paused)
			}
			if !paused {
				continue
			}
			last := i == len(tc.pauses)-1
			for _, early := range []time.Duration{0, tc.limits.PauseFor - 1} {
				want := map[bool]*Error{false: ErrPaused, true: ErrLocked}[last]
				if _, err := tries.Reserve(tc.limits, at.Add(early)); !errors.Is(err, want) {
					t.Errorf("%s: %v after try %d: %v, want %v", name, early, i+1, err, want)
				}
			}
			at = at.Add(tc.limits.PauseFor)
		}
		if !tries.Locked || tries.Left(tc.limits) != tc.left[len(tc.left)-1] {
			t.Errorf("%s: %+v after all tries, want it locked", name, tries)
		}
		if _, err := tries.Reserve(tc.limits, at.AddDate(10, 0, 0)); !errors.Is(err, ErrLocked) {
			t.Errorf("%s: ten years later: %v, want %v", name, err, ErrLocked)
		}
	}
}

func TestStrangersWaitEverLongerAndAreNeverLockedOut(t *testing.T) {
	var tries Tries
	at := now
	var pauses []time.Duration
	for range 11 {
		var err error
		if tries, err = tries.Reserve(StrangerTries, at); err != nil {
			t.Fatalf("after pauses %v: %v", pauses, err)
		}
		pause := tries.PausedFor(at)
		if pause > 0 {
			if _, err := tries.Reserve(StrangerTries, at.Add(pause-1)); !errors.Is(err, ErrPaused) {
				t.Errorf("before the end of a pause of %v: %v, want %v", pause, err, ErrPaused)
			}
		}
		pauses, at = append(pauses, pause), at.Add(pause)
	}
	m, h := time.Minute, time.Hour
	want := []time.Duration{0, 15 * m, 30 * m, h, 2 * h, 4 * h, 8 * h, 16 * h, 24 * h, 24 * h, 24 * h}
	if diff := cmp.Diff(want, pauses); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
	if (TryLimits{Pause: 1, PauseFor: m}).pause(40) != m {
		t.Error("pauses grow where no longest one is given")
	}
}

func TestSuccessClearsForTheOwnerAndGivesBackForAStranger(t *testing.T) {
	reserve := func(tries Tries, limits TryLimits) Tries {
		t.Helper()
		tries, err := tries.Reserve(limits, now)
		if err != nil {
			t.Fatal(err)
		}
		return tries
	}
	locking := Tries{Used: 4, PausedUntil: now}
	if got := reserve(locking, OwnTries).Succeed(OwnTries, true); got != (Tries{}) {
		t.Errorf("owner: %+v, want nothing used", got)
	}
	one := reserve(Tries{}, StrangerTries)
	if got := reserve(one, StrangerTries).Succeed(StrangerTries, false); got != one {
		t.Errorf("stranger with the second try: %+v, want %+v", got, one)
	}
	two := Tries{Used: 2, PausedUntil: now}
	if got := reserve(two, StrangerTries).Succeed(StrangerTries, false); got.Used != 2 || got.Locked {
		t.Errorf("stranger with the third try: %+v, want two used and no lock", got)
	}
	if got := (Tries{}).Succeed(StrangerTries, false); got != (Tries{}) {
		t.Errorf("stranger after a reset: %+v, want nothing used", got)
	}
}

func TestReserveThatIsRefusedChangesNothing(t *testing.T) {
	for _, tries := range []Tries{
		{Used: 2, PausedUntil: now.Add(time.Second)}, {Used: 3, Locked: true}, {Used: 9}, {Locked: true}, {Used: 5},
	} {
		got, err := tries.Reserve(OwnTries, now)
		if err == nil {
			t.Errorf("%+v: a try was had", tries)
		}
		if diff := cmp.Diff(tries, got); diff != "" {
			t.Errorf("-before +after\n%s", diff)
		}
	}
}

// TestNoInterleavingBeatsTheLimits lets many guessers reserve, verify and come back in any order, as a database would
// serialise them. A window begins when an owner's success clears the count. However they interleave, of the tries
// reserved in one window no more than Lock are wrong in all, and no more than Pause before the first pause is over;
// after it, one for each pause.
func TestNoInterleavingBeatsTheLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := rapid.SampledFrom([]TryLimits{OwnTries, StrangerTries, {1, time.Minute, 0, 1}, {2, time.Minute, 0, 6}}).Draw(t, "limits")
		own := rapid.Bool().Draw(t, "own")
		var tries Tries
		at, window := now, 0
		pending := []int{}                // the window in which each unanswered try was reserved
		wrong := map[int]int{}            // by window
		openings := map[int][]time.Time{} // times of the reservations of a window that were not given back
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"reserve", "wrong", "right", "crash", "wait"}).Draw(t, "step") {
			case "reserve":
				got, err := tries.Reserve(limits, at)
				if err != nil {
					continue
				}
				tries, pending = got, append(pending, window)
				openings[window] = append(openings[window], at)
			case "wait":
				at = at.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "minutes")) * time.Minute)
			case "wrong", "crash":
				if len(pending) > 0 {
					wrong[pending[0]]++
					pending = pending[1:]
				}
			case "right":
				// A stranger's right answer must belong to this window: who can clear the count has no need to guess.
				if len(pending) == 0 || !own && pending[0] != window {
					continue
				}
				tries, pending = tries.Succeed(limits, own), pending[1:]
				if own {
					window++
				} else {
					openings[window] = openings[window][:len(openings[window])-1]
				}
			}
			checkTries(t, limits, wrong, openings)
		}
	})
}

func checkTries(t *rapid.T, limits TryLimits, wrong map[int]int, openings map[int][]time.Time) {
	for window, n := range wrong {
		if limits.Lock > 0 && n > limits.Lock {
			t.Fatalf("%d wrong in window %d, limit %d", n, window, limits.Lock)
		}
	}
	for window, times := range openings {
		if limits.Lock > 0 && len(times) > limits.Lock {
			t.Fatalf("%d tries open in window %d, limit %d", len(times), window, limits.Lock)
		}
		for i := limits.Pause; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap < limits.PauseFor {
				t.Fatalf("try %d of window %d came %v after the one before, want a pause of %v", i+1, window, gap, limits.PauseFor)
			}
		}
	}
}

func TestParallelGuessesGetNoMoreThanThePause(t *testing.T) {
	for _, limits := range []TryLimits{OwnTries, StrangerTries} {
		var tries Tries
		had := 0
		for range 1000 {
			if got, err := tries.Reserve(limits, now); err == nil {
				tries, had = got, had+1
			}
		}
		if had != limits.Pause {
			t.Errorf("%s: %d parallel tries, want %d", fmt.Sprint(limits), had, limits.Pause)
		}
	}
}

func TestTheWorseOfTwoCountsHolds(t *testing.T) {
	few, many := Tries{Used: 1, PausedUntil: now.Add(time.Hour)}, Tries{Used: 4, PausedUntil: now, Locked: true}
	want := Tries{Used: 4, PausedUntil: now.Add(time.Hour), Locked: true}
	if got := few.Worse(many); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := many.Worse(few); got != want {
		t.Errorf("the other way round: %+v, want %+v", got, want)
	}
}

func TestCountsFadeByOneInEachSpan(t *testing.T) {
	const day = 24 * time.Hour
	limits := TryLimits{Pause: 3, PauseFor: time.Hour, Longest: day}
	used := func(n int) (tries Tries, at time.Time) {
		at = now
		for range n {
			at = at.Add(tries.PausedFor(at))
			var err error
			if tries, err = tries.Reserve(limits, at); err != nil {
				t.Fatal(err)
			}
			tries = tries.Dated(at)
		}
		return tries, at.Add(tries.PausedFor(at))
	}
	for _, tc := range []struct {
		used  int
		after time.Duration // since the last try, or the pause after it
		want  int
	}{
		{1, day - 1, 1}, {1, day, 0}, {2, day, 1}, {2, 2 * day, 0}, {3, -time.Minute, 3}, {3, 0, 3}, {3, day, 2}, {5, day, 4}, {5, 2*day - 1, 4},
		{5, 4 * day, 1}, {5, 5 * day, 0}, {5, 1000 * day, 0}, {0, day, 0},
	} {
		tries, end := used(tc.used)
		if got := tries.Fade(day, end.Add(tc.after)); got.Used != tc.want {
			t.Errorf("%d used, %s later: %d, want %d", tc.used, tc.after, got.Used, tc.want)
		}
		// Looking often makes it no faster and no slower.
		often := tries
		for d := time.Duration(0); d <= tc.after; d += day / 4 {
			often = often.Fade(day, end.Add(d))
		}
		if got := often.Fade(day, end.Add(tc.after)); got.Used != tc.want {
			t.Errorf("%d used, %s later, looked at often: %d, want %d", tc.used, tc.after, got.Used, tc.want)
		}
	}
	locked := Tries{Used: 3, Locked: true, PausedUntil: now}
	if got := locked.Fade(day, now.Add(1000*day)); got != locked {
		t.Errorf("a lock fades to %+v", got)
	}
}
