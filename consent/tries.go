package consent

import "time"

// TryLimits says how many wrong tries lead to what. Pause >= 1; Lock is 0 or >= Pause.
type TryLimits struct {
	Pause    int           // this many: a pause, and another one after each further try
	PauseFor time.Duration // how long
	Longest  time.Duration // each further pause is twice as long, up to this; 0: all are the same
	Lock     int           // this many: locked, until the secret is set anew; 0: never
}

// The default limits. Tries from a card's associated device are counted for themselves; all other devices share one
// smaller budget per card, so that a stranger with a copied number can neither guess nor lock the owner out. Strangers
// are never locked out for good, or the owner could not pay from a borrowed device any more: they wait ever longer, and
// from the ninth wrong try on get one a day.
var (
	OwnTries      = TryLimits{Pause: 3, PauseFor: 15 * time.Minute, Lock: 5}
	StrangerTries = TryLimits{Pause: 2, PauseFor: 15 * time.Minute, Longest: 24 * time.Hour}
)

// Tries counts the tries at a secret. The zero value has none used. It is a value: methods return the changed one.
//
// The order is: Reserve, commit, verify, and on success Succeed, commit. Tries that were reserved and never came back
// count as wrong, so that neither parallel guesses nor a crash between gives any away.
type Tries struct {
	Used        int       // tries reserved and not given back
	PausedUntil time.Time // no try before; zero if there was never a pause
	Locked      bool
}

// Reserve takes one try off. It is to be committed before the secret is looked at. A pause or lock that a wrong answer
// would bring begins at once. ErrLocked or ErrPaused if there is no try to be had.
func (t Tries) Reserve(limits TryLimits, now time.Time) (Tries, error) {
	if t.Locked || limits.locks(t.Used) {
		return t, ErrLocked
	}
	if now.Before(t.PausedUntil) {
		return t, ErrPaused
	}
	t.Used++
	if t.Used >= limits.Pause {
		t.PausedUntil = now.Add(limits.pause(t.Used))
	}
	t.Locked = limits.locks(t.Used)
	return t, nil
}

func (l TryLimits) locks(used int) bool { return l.Lock > 0 && used >= l.Lock }

// pause is how long to wait after so many tries.
func (l TryLimits) pause(used int) time.Duration {
	pause := l.PauseFor
	for ; used > l.Pause && pause < l.Longest; used-- {
		pause = min(2*pause, l.Longest)
	}
	return pause
}

// Succeed says that the answer of a reserved try was right. For a device bound to the card (own) that clears
// everything. For a stranger it only gives the try back: he may know the PIN of one card and still not clear the way for
// guesses of others.
func (t Tries) Succeed(limits TryLimits, own bool) Tries {
	if own {
		return Tries{}
	}
	t.Used = max(t.Used-1, 0)
	t.Locked = limits.locks(t.Used)
	if t.Used < limits.Pause {
		t.PausedUntil = time.Time{}
	}
	return t
}

// Dated remembers, of tries that led to no pause, when the last one was: there is a pause that has ended. Fade counts from there.
func (t Tries) Dated(now time.Time) Tries {
	if t.Used > 0 && t.PausedUntil.Before(now) {
		t.PausedUntil = now
	}
	return t
}

// Fade gives one try back for each whole span that has gone by since the end of the last pause. It ends no lock. It is for counts
// of what may be done again and again, not for tries at a secret.
func (t Tries) Fade(span time.Duration, now time.Time) Tries {
	if t.Locked || t.PausedUntil.IsZero() || now.Before(t.PausedUntil) {
		return t
	}
	spans := now.Sub(t.PausedUntil) / span
	if int64(spans) >= int64(t.Used) {
		return Tries{}
	}
	t.Used, t.PausedUntil = t.Used-int(spans), t.PausedUntil.Add(spans*span)
	return t
}

// Left is how many tries there are before the next pause or the lock, whether or not there is a pause now.
func (t Tries) Left(limits TryLimits) int {
	switch {
	case t.Locked || limits.locks(t.Used):
		return 0
	case t.Used < limits.Pause:
		return limits.Pause - t.Used
	}
	return 1
}

// PausedFor is how long the pause lasts from now, 0 if there is none.
func (t Tries) PausedFor(now time.Time) time.Duration { return max(t.PausedUntil.Sub(now), 0) }

// Worse is both counts in one, for a secret that was tried in two places: more tries, the later pause, locked if either is.
func (t Tries) Worse(other Tries) Tries {
	t.Used, t.Locked = max(t.Used, other.Used), t.Locked || other.Locked
	if other.PausedUntil.After(t.PausedUntil) {
		t.PausedUntil = other.PausedUntil
	}
	return t
}
