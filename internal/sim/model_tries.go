package sim

import (
	"fmt"
	"time"

	"tapline/consent"
)

// The pauses and locks after wrong PINs: three tries from one's own device before a pause of 15 minutes, the fifth locks;
// others share two, and pauses that double up to a day.
func (t mTries) take(own bool, now time.Time) (mTries, error) {
	switch {
	case t.locked:
		return t, consent.ErrLocked
	case now.Before(t.paused):
		return t, consent.ErrPaused
	}
	t.used++
	if own {
		if t.used >= 3 {
			t.paused = now.Add(15 * time.Minute)
		}
		t.locked = t.used >= 5
		return t, nil
	}
	if t.used >= 2 {
		pause := 15 * time.Minute
		for range t.used - 2 {
			pause = min(2*pause, 24*time.Hour)
		}
		t.paused = now.Add(pause)
	}
	return t, nil
}

// back gives a try back that was right.
func (t mTries) back(own bool) mTries {
	if own {
		return mTries{}
	}
	t.used = max(t.used-1, 0)
	if t.used < 2 {
		t.paused = time.Time{}
	}
	return t
}

// left is how many tries there are before the next pause, and 0 in one.
func (t mTries) left(own bool, now time.Time) int {
	most := 2
	if own {
		most = 3
	}
	switch {
	case t.locked, t.paused.Sub(now) >= time.Second: // it is told in whole seconds
		return 0
	case t.used < most:
		return most - t.used
	}
	return 1
}

// count names the count of tries of a device at a card's key.
func (m *model) count(key, device string) (name string, own bool) {
	if id, ok := m.byKey[key]; ok && m.cards[id].associated == device {
		return key + " owner", true
	}
	return key + " strangers", false
}

// try takes a try off.
func (m *model) try(key, device string, now time.Time) error {
	name, own := m.count(key, device)
	t, err := m.tries[name].take(own, now)
	if err == nil {
		m.tries[name] = t
	}
	return err
}

// tried ends a try, and says how it went.
func (m *model) tried(key, device string, right bool, now time.Time) (left int, text string) {
	name, own := m.count(key, device)
	if right {
		m.tries[name] = m.tries[name].back(own)
	}
	left = m.tries[name].left(own, now)
	return left, fmt.Sprintf("right %v, %d left", right, left)
}
