package payment

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tapline/ledger"
	"tapline/money"
)

// life is a payment driven by random commands, with the books it moves.
type life struct {
	p     Payment
	books map[ledger.AccountID]ledger.Account
	seen  []State
	made  int // entries
	now   time.Time
}

func (l *life) find(id ledger.AccountID) (ledger.Account, bool) { a, ok := l.books[id]; return a, ok }

// try does what the processor does: step, apply, and reject if the ledger refuses.
func (l *life) try(t *rapid.T, c Command) {
	o, err := Step(l.p, c, l.now)
	if err != nil {
		return
	}
	if o.Trial != nil {
		if _, err := ledger.Apply(l.find, *o.Trial); err != nil {
			l.try(t, Command{Verb: Reject, Reason: InsufficientFunds})
			return
		}
	}
	if o.Entry != nil {
		l.made++
		changed, err := ledger.Apply(l.find, *o.Entry)
		if err != nil {
			if o.Entry.Action != ledger.Hold && o.Entry.Action != ledger.Post {
				t.Fatalf("the ledger refused to end a hold: %v", err)
			}
			l.try(t, Command{Verb: Reject, Reason: InsufficientFunds})
			return
		}
		for _, a := range changed {
			l.books[a.ID] = a
		}
	}
	if o.Payment.Version != l.p.Version+1 {
		t.Fatalf("version went from %d to %d", l.p.Version, o.Payment.Version)
	}
	l.p = o.Payment
	l.seen = append(l.seen, l.p.State)
}

// Whatever is commanded, by whomever and whenever: money moves once and only after every step the level asks for, a
// hold lives only while approval is awaited, and a final state is final. A rehearsal takes the same steps, needs as much
// money, and makes no entry.
func TestNoStepIsSkippedAndNoMoneyIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const funds = 2000
		x := terms(rapid.SampledFrom(Levels).Draw(t, "level"), rapid.SampledFrom([]DeviceID{"phone", "kiosk"}).Draw(t, "initiator"))
		x.Amount.Minor = rapid.Int64Range(1, 3000).Draw(t, "minor")
		if x.Level > LevelTap && rapid.Bool().Draw(t, "decoy") {
			x = decoy(x)
		}
		x.Rehearsal = rapid.Bool().Draw(t, "rehearsal")
		x.Undo = rapid.SampledFrom([]time.Duration{0, 40 * time.Second, time.Hour}).Draw(t, "undo")
		l := newLife(x, funds)
		for range rapid.IntRange(1, 25).Draw(t, "commands") {
			l.now = l.now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds")) * time.Second)
			ended := l.p.State.Final()
			before := l.p
			l.try(t, Command{
				Verb:   rapid.SampledFrom(Verbs).Draw(t, "verb"),
				By:     rapid.SampledFrom([]DeviceID{"", "phone", "kiosk", "stranger"}).Draw(t, "by"),
				Digest: "d", Reason: CardChanged,
			})
			if ended && l.p != before {
				t.Fatalf("%s was left: %+v", before.State, l.p)
			}
			l.prove(t, funds)
		}
	})
}

func newLife(x Terms, funds int64) *life {
	return &life{p: Payment{Terms: x}, now: start, books: map[ledger.AccountID]ledger.Account{
		"acc_card": {ID: "acc_card", Kind: ledger.CardAccount, Currency: "CNY", CreditsPosted: funds},
		"acc_shop": {ID: "acc_shop", Kind: ledger.PayeeAccount, Currency: "CNY"},
	}}
}

// A rehearsal is told apart from the payment that it stands for by the name of its end, and by nothing else: whatever
// is commanded, the two take the same steps at the same times and for the same reasons.
func TestARehearsalTakesTheStepsOfThePayment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := terms(rapid.SampledFrom(Levels).Draw(t, "level"), rapid.SampledFrom([]DeviceID{"phone", "kiosk"}).Draw(t, "initiator"))
		x.Amount.Minor = rapid.Int64Range(1, 3000).Draw(t, "minor")
		if x.Level > LevelTap && rapid.Bool().Draw(t, "decoy") {
			x = decoy(x)
		}
		x.Undo = rapid.SampledFrom([]time.Duration{0, 40 * time.Second}).Draw(t, "undo")
		actual, rehearsed := newLife(x, 2000), newLife(rehearsal(x), 2000)
		for _, verb := range append([]Verb{Instruct}, rapid.SliceOfN(rapid.SampledFrom(Verbs), 1, 12).Draw(t, "verbs")...) {
			by := map[Verb]DeviceID{Authenticate: "kiosk", Confirm: "kiosk", FailAuthentication: "kiosk", Decline: "kiosk",
				Approve: "phone", MistypeCode: "phone", Disown: "phone"}[verb]
			if by == "kiosk" {
				by = x.Initiator
			}
			pause := time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds")) * time.Second
			for _, l := range []*life{actual, rehearsed} {
				l.now = l.now.Add(pause)
				l.try(t, Command{Verb: verb, By: by, Digest: "d", Reason: CardChanged})
			}
			want := actual.p
			want.Rehearsal = true
			if want.State == Settled {
				want.State = Rehearsed
			}
			if want != rehearsed.p {
				t.Fatalf("after %s the payment is %+v, but its rehearsal %+v", verb, actual.p, rehearsed.p)
			}
			rehearsed.prove(t, 2000)
		}
	})
}

func (l *life) prove(t *rapid.T, funds int64) {
	p, card, shop := l.p, l.books["acc_card"], l.books["acc_shop"]
	moved, held := int64(0), int64(0)
	switch p.State {
	case Settled, Rehearsed:
		if p.Rehearsal != (p.State == Rehearsed) {
			t.Fatalf("rehearsal %t ended %s", p.Rehearsal, p.State)
		}
		if !p.Rehearsal {
			moved = p.Amount.Minor
		}
		if p.Amount.Minor > funds {
			t.Fatalf("%s with %d of %d", p.State, funds, p.Amount.Minor)
		}
		for _, need := range []struct {
			level Level
			state State
			at    time.Time
		}{{LevelAuthenticate, AuthenticationRequired, p.AuthenticatedAt}, {LevelConfirm, ConfirmationRequired, p.ConfirmedAt}} {
			if p.Level >= need.level && (need.at.IsZero() || !slices.Contains(l.seen, need.state)) {
				t.Fatalf("%s at level %s without %s: %v", p.State, p.Level, need.state, l.seen)
			}
		}
		if p.NeedsSecond() && (p.ApprovedAt.IsZero() || p.SecondDigest == "" || !slices.Contains(l.seen, ApprovalRequired)) {
			t.Fatalf("%s without the second confirmation: %v", p.State, l.seen)
		}
		if p.Decoy() {
			t.Fatalf("a decoy was %s: %v", p.State, l.seen)
		}
		if p.Undo > 0 && (!slices.Contains(l.seen, Undoable) || p.EndedAt.Before(p.UndoUntil())) {
			t.Fatalf("%s at %v, though it could be undone until %v: %v", p.State, p.EndedAt, p.UndoUntil(), l.seen)
		}
	case ApprovalRequired, Undoable:
		if p.State == Undoable && (p.Undo == 0 || !p.Deadline.Equal(p.UndoUntil())) {
			t.Fatalf("undoable for %v until %v", p.Undo, p.Deadline)
		}
		if !p.Rehearsal {
			held = p.Amount.Minor
		}
	}
	if p.Held() != (held > 0) {
		t.Fatalf("%s says it holds money: %t", p.State, p.Held())
	}
	if p.Rehearsal && l.made > 0 {
		t.Fatalf("a rehearsal made %d entries: %v", l.made, l.seen)
	}
	if card.Balance() != funds-moved || shop.Balance() != moved || card.DebitsPending != held || shop.CreditsPending != held {
		t.Fatalf("%s: card %+v, shop %+v; want %d moved, %d held", p.State, card, shop, moved, held)
	}
	if p.State != "" && p.ExpiresAt.Sub(p.InstructedAt) != WholeLife {
		t.Fatalf("the whole life is %v", p.ExpiresAt.Sub(p.InstructedAt))
	}
	if !p.State.Final() && p.State != Undoable && p.Deadline.After(p.ExpiresAt) {
		t.Fatalf("the wait ends at %v, after the payment's life at %v", p.Deadline, p.ExpiresAt)
	}
}

func TestNeedsIsTheStrictestRule(t *testing.T) {
	open := Policy{Level: LevelTap, TapLimit: 5000, TapDailyLimit: 15000, IdentifiedDailyLimit: 15000}
	allowed := open
	allowed.AllowIdentifiedTap = true
	own := TapFacts{Assurance: Authentic, FromAssociated: true, Minor: 5000}
	with := func(change func(*TapFacts)) TapFacts { f := own; change(&f); return f }
	at := func(l Level) Policy { p := open; p.Level = l; return p }
	for _, tc := range []struct {
		name   string
		policy Policy
		facts  TapFacts
		want   Level
	}{
		{"the default asks for everything", DefaultPolicy, own, LevelApprove},
		{"an authentic tap of the owner's", open, own, LevelTap},
		{"above the payment limit", open, with(func(f *TapFacts) { f.Minor = 5001 }), LevelAuthenticate},
		{"reaching the daily limit", open, with(func(f *TapFacts) { f.TapSpentToday = 10000 }), LevelTap},
		{"above the daily limit", open, with(func(f *TapFacts) { f.TapSpentToday = 10001 }), LevelAuthenticate},
		{"a number that was only read", open, with(func(f *TapFacts) { f.Assurance = Identified }), LevelAuthenticate},
		{"the same, where the operator allowed it", allowed, with(func(f *TapFacts) { f.Assurance = Identified }), LevelTap},
		{"an authentic tap on another device", open, with(func(f *TapFacts) { f.FromAssociated = false }), LevelAuthenticate},
		{"a number that another device read", allowed, with(func(f *TapFacts) { f.FromAssociated, f.Assurance = false, Identified }), LevelApprove},
		{"the same at level confirm", at(LevelConfirm), with(func(f *TapFacts) { f.FromAssociated, f.Assurance = false, Identified }), LevelApprove},
		{"an authentic tap on another device at level confirm", at(LevelConfirm), with(func(f *TapFacts) { f.FromAssociated = false }), LevelConfirm},
		{"the cardholder wants more", open, with(func(f *TapFacts) { f.CardLevel = LevelConfirm }), LevelConfirm},
		{"the cardholder cannot want less", at(LevelConfirm), with(func(f *TapFacts) { f.CardLevel = LevelTap }), LevelConfirm},
	} {
		if got := tc.policy.Needs(tc.facts); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// A tap whose amounts are at the edge of int64 must not slip under the daily limit by overflow.
func TestDailyLimitDoesNotOverflow(t *testing.T) {
	p := Policy{Level: LevelTap, TapLimit: money.MaxMinor, TapDailyLimit: money.MaxMinor}
	f := TapFacts{Assurance: Authentic, FromAssociated: true, Minor: money.MaxMinor, TapSpentToday: 1}
	if got := p.Needs(f); got != LevelAuthenticate {
		t.Errorf("level %s, want %s", got, LevelAuthenticate)
	}
}
