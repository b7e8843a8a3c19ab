package payment

import (
	"fmt"
	"time"
)

// Level is how much a payment needs before money moves. Each includes those below it.
type Level int

// Levels.
const (
	LevelTap          Level = iota + 1 // the signed instruction with the tap
	LevelAuthenticate                  // and authentication
	LevelConfirm                       // and the first confirmation
	LevelApprove                       // and the second, unless the associated device itself makes the payment
)

// Levels lists every level, the least first.
var Levels = []Level{LevelTap, LevelAuthenticate, LevelConfirm, LevelApprove}

var levelNames = map[Level]string{LevelTap: "tap", LevelAuthenticate: "authenticate", LevelConfirm: "confirm", LevelApprove: "approve"}

// String is the level's name: tap, authenticate, confirm or approve.
func (l Level) String() string { return levelNames[l] }

// ParseLevel reads a level's name.
func ParseLevel(name string) (Level, error) {
	for _, l := range Levels {
		if l.String() == name {
			return l, nil
		}
	}
	return 0, fmt.Errorf("unknown policy level: want tap, authenticate, confirm or approve")
}

// Assurance is what a tap proves.
type Assurance string

// Assurances.
const (
	Identified Assurance = "identified" // the number was only read, and may be a copy
	Authentic  Assurance = "authentic"  // the card proved itself on this tap
)

// Policy is the operator's.
type Policy struct {
	Level Level
	// AllowIdentifiedTap lets a number that was only read settle at level tap. Whoever has read a card once can then
	// pay with it from its associated device.
	AllowIdentifiedTap bool
	// TapLimit and TapDailyLimit bound, in minor units, one payment and all of a card's payments of a UTC day that
	// settle at level tap.
	TapLimit      int64
	TapDailyLimit int64
	// IdentifiedLimit and IdentifiedDailyLimit bound, in minor units, one payment and all of a card's payments of a UTC
	// day whose number was only read, at whatever level. Nothing that anybody confirms lifts them.
	IdentifiedLimit      int64
	IdentifiedDailyLimit int64
	// DormantAfter is how long a card account may go without a payment before the next one needs everything: the card may have
	// been lying in somebody's drawer. 0 is for ever.
	DormantAfter time.Duration
}

// DefaultPolicy asks for everything. Its tap limits count once an operator lowers the level: 50.00 for a payment and
// 150.00 a day in a currency with two decimal digits. With a number that was only read, 500.00 and 1,000.00 at any level.
// Accounts are dormant after two years.
var DefaultPolicy = Policy{
	Level: LevelApprove, TapLimit: 50_00, TapDailyLimit: 150_00, IdentifiedLimit: 500_00, IdentifiedDailyLimit: 1000_00,
	DormantAfter: 730 * 24 * time.Hour,
}

// TapFacts is what the level of a payment depends on, besides the policy.
type TapFacts struct {
	Assurance       Assurance
	FromAssociated  bool  // the card's associated device sent it
	Minor           int64 // the amount
	TapSpentToday   int64 // what the card has already settled at level tap on this UTC day, minor units
	IdentifiedToday int64 // what it settled on this UTC day, and may yet settle, by a number that was only read
	CardLevel       Level // the least level the cardholder wants; 0 for no wish
	KnownPayees     int64 // the greatest payment to a payee that the card has paid for which CardLevel does not count, minor units
	PayeeKnown      bool  // the card has paid this account of the payee before
	PayeeMoved      bool  // the payee's account is another than the one that the card paid last

	Unused time.Duration // since the card account's last payment, or since the card was issued, to within a day
}

// wish is the least level that the cardholder wants of this payment. On another device than their own it is always their level.
func (t TapFacts) wish() Level {
	if t.FromAssociated && t.PayeeKnown && t.Minor <= t.KnownPayees {
		return LevelTap
	}
	return t.CardLevel
}

// Needs is the level of a payment: the strictest of the operator's policy, the tap's assurance and the cardholder's
// rules. Where level tap is not open, authentication is asked for; where the payee's account has changed, a confirmation. A number that
// was only read, sent by another device than the associated one, always needs both confirmations, and so does a payment from a dormant
// account.
func (p Policy) Needs(t TapFacts) Level {
	level := max(p.Level, t.wish())
	if level == LevelTap && !p.tapIsOpen(t) {
		level = LevelAuthenticate
	}
	if t.PayeeMoved {
		level = max(level, LevelConfirm) // a person has to be told, and to have said yes to it
	}
	if t.Assurance != Authentic && !t.FromAssociated || p.DormantAfter > 0 && t.Unused >= p.DormantAfter {
		level = LevelApprove
	}
	return level
}

func (p Policy) tapIsOpen(t TapFacts) bool {
	return t.FromAssociated && (t.Assurance == Authentic || p.AllowIdentifiedTap) &&
		t.Minor <= p.TapLimit && t.TapSpentToday <= p.TapDailyLimit-t.Minor && p.FitsDay(t.Assurance, t.Minor, t.IdentifiedToday)
}

// Fits reports whether a tap may open a payment of so many minor units. It asks nothing of the card, so that the answer
// says nothing of it.
func (p Policy) Fits(a Assurance, minor int64) bool {
	return a == Authentic || minor <= p.IdentifiedLimit
}

// FitsDay reports whether a payment of so many minor units fits into what a card may pay in a day, besides what it has
// settled today, and may yet settle, by its number alone.
func (p Policy) FitsDay(a Assurance, minor, today int64) bool {
	return a == Authentic || today <= p.IdentifiedDailyLimit-minor
}
