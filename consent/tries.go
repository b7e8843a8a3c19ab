package consent

import "time"

// TryLimits says how many wrong tries lead to what. Lock >= Pause >= 1.
type TryLimits struct {
	Pause    int           // this many: a pause, and another one after each further try
	PauseFor time.Duration // how long
	Lock     int           // this many: locked, until an operator resets it
}

// The default limits. Tries count per card and device for devices bound to the card; all other devices share one
// smaller budget per card, so that a stranger with a copied number can neither guess nor lock the owner out.
var (
	OwnTries      = TryLimits{Pause: 3, PauseFor: 15 * time.Minute, Lock: 5}
	StrangerTries = TryLimits{Pause: 2, PauseFor: 15 * time.Minute, Lock: 3}
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
	if t.Locked || t.Used >= limits.Lock {
		return t, ErrLocked
	}
	if now.Before(t.PausedUntil) {
		return t, ErrPaused
	}
	t.Used++
	if t.Used >= limits.Pause {
		t.PausedUntil = now.Add(limits.PauseFor)
	}
	t.Locked = t.Used >= limits.Lock
	return t, nil
}

// Succeed says that the answer of a reserved try was right. For a device bound to the card (own) that clears
// everything. For a stranger it only gives the try back: he may know the PIN of one card and still not clear the way for
// guesses of others.
func (t Tries) Succeed(limits TryLimits, own bool) Tries {
	if own {
		return Tries{}
	}
	t.Used = max(t.Used-1, 0)
	t.Locked = t.Used >= limits.Lock
	if t.Used < limits.Pause {
		t.PausedUntil = time.Time{}
	}
	return t
}

// Left is how many tries there are before the next pause or the lock, whether or not there is a pause now.
func (t Tries) Left(limits TryLimits) int {
	switch {
	case t.Locked || t.Used >= limits.Lock:
		return 0
	case t.Used < limits.Pause:
		return limits.Pause - t.Used
	}
	return 1
}

// PausedFor is how long the pause lasts from now, 0 if there is none.
func (t Tries) PausedFor(now time.Time) time.Duration { return max(t.PausedUntil.Sub(now), 0) }
