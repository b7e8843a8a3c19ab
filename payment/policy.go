package payment

import "fmt"

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
}

// DefaultPolicy asks for everything. Its tap limits count once an operator lowers the level: 50.00 for a payment and
// 150.00 a day in a currency with two decimal digits.
var DefaultPolicy = Policy{Level: LevelApprove, TapLimit: 5000, TapDailyLimit: 15000}

// TapFacts is what the level of a payment depends on, besides the policy.
type TapFacts struct {
	Assurance      Assurance
	FromAssociated bool  // the card's associated device sent it
	Minor          int64 // the amount
	TapSpentToday  int64 // what the card has already settled at level tap on this UTC day, minor units
	CardLevel      Level // the least level the cardholder wants; 0 for no wish
}

// Needs is the level of a payment: the strictest of the operator's policy, the tap's assurance and the cardholder's
// rule. Where level tap is not open, authentication is asked for. A number that was only read, sent by another device
// than the associated one, always needs both confirmations.
func (p Policy) Needs(t TapFacts) Level {
	level := max(p.Level, t.CardLevel)
	if level == LevelTap && !p.tapIsOpen(t) {
		level = LevelAuthenticate
	}
	if t.Assurance != Authentic && !t.FromAssociated {
		level = LevelApprove
	}
	return level
}

func (p Policy) tapIsOpen(t TapFacts) bool {
	return t.FromAssociated && (t.Assurance == Authentic || p.AllowIdentifiedTap) &&
		t.Minor <= p.TapLimit && t.TapSpentToday <= p.TapDailyLimit-t.Minor
}
