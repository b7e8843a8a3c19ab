package sim

import (
	"time"
)

// mTurnover is what an account has paid, or may yet pay, on the last day on which it did, and in that day's month.
type mTurnover struct {
	day            time.Time
	ofDay, ofMonth int64
}

func month(t time.Time) int { return t.Year()*12 + int(t.Month()) }

// pays counts what a card account pays from now on, or takes it back to when that was counted.
func (m *model) pays(account string, minor int64, now time.Time) {
	a, today := m.accounts[account], now.Truncate(24*time.Hour)
	t := &a.turnover
	if today.After(t.day) {
		t.ofDay = 0
		if month(today) != month(t.day) {
			t.ofMonth = 0
		}
		t.day = today
	}
	t.ofDay, t.ofMonth = t.ofDay+minor, t.ofMonth+minor
	m.accounts[account] = a
}

// takesBack is for a payment that came to nothing, and was counted at a time.
func (m *model) takesBack(account string, minor int64, counted time.Time) {
	a := m.accounts[account]
	t := &a.turnover
	if counted.Truncate(24 * time.Hour).Equal(t.day) {
		t.ofDay = max(0, t.ofDay-minor)
	}
	if month(counted) == month(t.day) {
		t.ofMonth = max(0, t.ofMonth-minor)
	}
	m.accounts[account] = a
}

// counts does the one or the other for a step of a payment that does this with its money.
func (m *model) counts(p mPayment, money string, now time.Time) {
	switch {
	case p.rehearsal:
	case money == "hold" || money == "post":
		m.pays(p.cardAccount, p.total(), now)
	case money == "release" && p.needsSecond():
		m.takesBack(p.cardAccount, p.total(), p.confirmed)
	case money == "release":
		m.takesBack(p.cardAccount, p.total(), p.undoable)
	}
}

// dormant reports whether a card's account has not paid for so long that its holder may not know where the card is. Nothing that
// is only held wakes it, and a card is not dormant sooner after it was issued.
func (m *model) dormant(c mCard, now time.Time) bool {
	a, last := m.accounts[c.account], c.issued
	switch t := a.turnover; {
	case t.ofDay > a.held && t.day.After(last):
		last = t.day
	case t.ofDay <= a.held && t.ofMonth > a.held:
		if first := t.day.AddDate(0, 0, 1-t.day.Day()); first.After(last) {
			last = first
		}
	}
	return m.policy.DormantAfter > 0 && now.Sub(last) >= m.policy.DormantAfter
}

// anyDormancy is after what time accounts are dormant, mostly never.
func (r *run) anyDormancy() time.Duration {
	return any1(r, []time.Duration{0, 0, 0, 10 * time.Minute, 24 * time.Hour})
}
