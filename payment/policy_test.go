package payment

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/money"
)

// steps are what people have to do for a payment.
type steps struct{ PIN, First, Second bool }

// situation is one combination of all that a payment's steps depend on.
type situation struct {
	operator, holder            Level
	authentic, own, allow       bool
	bigForTap, muchTapped       bool // above the limit of level tap for a payment, or for the day
	moved                       bool // the payee's account is another than the card has paid
	muchIdentified, atItsLimits bool // above the day's limit of numbers that were only read; exactly at every limit
	known, quiet                bool // the card has paid the payee; its holder wants no prompt for such
}

// expected says in words of its own what docs/cards.md promises.
func (s situation) expected() steps {
	if !s.authentic && !s.own {
		return steps{PIN: true, First: true, Second: true} // a copy of a number, in somebody's hand
	}
	waived := s.own && s.known && s.quiet // the holder's wish, never the operator's
	wish := func(l Level) bool { return s.operator == l || s.holder == l && !waived }
	var want steps
	want.Second = wish(LevelApprove) && !s.own
	want.First = wish(LevelApprove) || wish(LevelConfirm) || s.moved
	free := s.own && !s.bigForTap && !s.muchTapped
	if !s.authentic {
		free = free && s.allow && !s.muchIdentified
	}
	want.PIN = want.First || wish(LevelAuthenticate) || !free
	return want
}

// asked is what the policy asks for.
func (s situation) asked() steps {
	p := Policy{
		Level: s.operator, AllowIdentifiedTap: s.allow, TapLimit: 100, TapDailyLimit: 300,
		IdentifiedLimit: 400, IdentifiedDailyLimit: 500,
	}
	f := TapFacts{Assurance: Identified, FromAssociated: s.own, Minor: 90, TapSpentToday: 200, IdentifiedToday: 400, CardLevel: s.holder, PayeeMoved: s.moved}
	if s.authentic {
		f.Assurance = Authentic
	}
	if s.atItsLimits {
		f.Minor = 100
	}
	f.PayeeKnown = s.known
	if s.quiet {
		f.KnownPayees = 101
	}
	if s.bigForTap {
		f.Minor, f.TapSpentToday, f.IdentifiedToday = 101, 0, 0
	}
	if s.muchTapped {
		f.TapSpentToday = 300 - f.Minor + 1
	}
	if s.muchIdentified {
		f.IdentifiedToday = 500 - f.Minor + 1
	}
	pay := Payment{Terms: Terms{Initiator: "phone", Associated: "phone", Level: p.Needs(f)}}
	if !s.own {
		pay.Initiator = "kiosk"
	}
	return steps{PIN: pay.Level >= LevelAuthenticate, First: pay.Level >= LevelConfirm, Second: pay.NeedsSecond()}
}

// Every combination of assurance, device, operator's level and flag, cardholder's level, and limits.
func TestStepsOfEveryKindOfTap(t *testing.T) {
	both, n := []bool{false, true}, 0
	for _, operator := range Levels {
		for _, holder := range append([]Level{0}, Levels...) {
			for flags := range 1 << 10 {
				bit := func(i int) bool { return both[flags>>i&1] }
				s := situation{operator, holder, bit(0), bit(1), bit(2), bit(3), bit(4), bit(7), bit(5), bit(6), bit(8), bit(9)}
				n++
				if diff := cmp.Diff(s.expected(), s.asked()); diff != "" {
					t.Errorf("%+v (-want +got):\n%s", s, diff)
				}
			}
		}
	}
	if n != 4*5*1024 {
		t.Errorf("%d combinations", n)
	}
}

func TestNoPromptForKnownPayeesHasALimit(t *testing.T) {
	for _, tc := range []struct {
		name  string
		facts TapFacts
		want  Level
	}{
		{"at it", TapFacts{Minor: 10, KnownPayees: 10, PayeeKnown: true}, LevelTap},
		{"above it", TapFacts{Minor: 11, KnownPayees: 10, PayeeKnown: true}, LevelApprove},
		{"of a payee not known", TapFacts{Minor: 10, KnownPayees: 10}, LevelApprove},
		{"of one that has moved", TapFacts{Minor: 10, KnownPayees: 10, PayeeKnown: true, PayeeMoved: true}, LevelConfirm},
	} {
		tc.facts.Assurance, tc.facts.FromAssociated, tc.facts.CardLevel = Authentic, true, LevelApprove
		if got := (Policy{Level: LevelTap, TapLimit: 100, TapDailyLimit: 100}).Needs(tc.facts); got != tc.want {
			t.Errorf("a payment %s needs %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestDormantAccountsNeedEverything(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, tc := range []struct {
		after, unused time.Duration
		want          Level
	}{
		{0, 10 * year, LevelTap}, {year, year - 1, LevelTap}, {year, year, LevelApprove}, {year, 2 * year, LevelApprove},
	} {
		facts := TapFacts{Assurance: Authentic, FromAssociated: true, Minor: 10, Unused: tc.unused}
		if got := (Policy{Level: LevelTap, TapLimit: 100, TapDailyLimit: 100, DormantAfter: tc.after}).Needs(facts); got != tc.want {
			t.Errorf("unused for %v where accounts are dormant after %v it needs %s, want %s", tc.unused, tc.after, got, tc.want)
		}
	}
}

func TestNumbersThatWereOnlyReadKeepTheirLimits(t *testing.T) {
	p := Policy{IdentifiedLimit: 100, IdentifiedDailyLimit: 250}
	for _, tc := range []struct {
		assurance    Assurance
		minor, today int64
		fits, day    bool
	}{
		{Identified, 100, 150, true, true},
		{Identified, 101, 0, false, true},
		{Identified, 100, 151, true, false},
		{Identified, money.MaxMinor, money.MaxMinor, false, false},
		{"", 101, 250, false, false},
		{Authentic, money.MaxMinor, money.MaxMinor, true, true},
	} {
		if fits, day := p.Fits(tc.assurance, tc.minor), p.FitsDay(tc.assurance, tc.minor, tc.today); fits != tc.fits || day != tc.day {
			t.Errorf("%+v: fits %v and its day %v", tc, fits, day)
		}
	}
	if (Policy{}).Fits(Identified, 1) || (Policy{}).FitsDay(Identified, 1, 0) {
		t.Error("the zero policy lets a number that was only read pay")
	}
}
