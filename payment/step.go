package payment

import (
	"errors"
	"fmt"
	"time"

	"tapline/ledger"
)

// Command is what somebody wants of a payment.
type Command struct {
	Verb   Verb
	By     DeviceID // the device that signed the command; empty for the service itself and for a payee
	Digest string   // Confirm, Approve: of the statement that was signed
	Reason Reason   // Cancel, Reject: why
}

// Event tells who may know that a payment changed. It carries nothing but the change: whoever is told asks for the
// payment, and sees of it what is theirs to see.
type Event struct {
	Payment    ID
	Version    int64
	State      State
	Initiator  DeviceID
	Associated DeviceID // empty where the associated device is not told
	Payee      Handle   // empty where the payee is not told
}

// Outcome is what a command did: the payment afterwards, the ledger entry to apply with it, if any, and the event. A
// rehearsal has no Entry. Where a payment would hold or post money, it has a Trial: the ledger is to be asked whether it
// would take it, so that a rehearsal fails where a payment would, and what the ledger says is to be forgotten.
type Outcome struct {
	Payment Payment
	Entry   *ledger.Entry
	Trial   *ledger.Entry
	Event   Event
}

// Errors of Step, in order of precedence.
var (
	ErrFinal      = errors.New("the payment has ended")
	ErrExpired    = errors.New("the payment's time is over")
	ErrNotAllowed = errors.New("not possible in this state")
	ErrNotYours   = errors.New("another device has to say that")
)

// Step does one command to a payment at time now. An error means that nothing has changed: ErrFinal in a final state,
// ErrExpired when the wait is over (what Overdue says is then all that can be done, and somebody has to do it), ErrNotAllowed
// when the table has no line for it, ErrNotYours when the line belongs to another device.
//
// Whether the ledger takes the entry, or would take the trial, is the ledger's to say; if it refuses, the outcome is
// dropped and the payment is stepped with Reject instead.
func Step(p Payment, c Command, now time.Time) (Outcome, error) {
	if p.State.Final() {
		return Outcome{}, fmt.Errorf("%w: %s while %s", ErrFinal, c.Verb, p.State)
	}
	if err := p.timely(c.Verb, now); err != nil {
		return Outcome{}, err
	}
	t, ok := find(p, c.Verb)
	if !ok {
		return Outcome{}, fmt.Errorf("%w: %s while %s", ErrNotAllowed, c.Verb, p.State)
	}
	if !p.mayCommand(t.by, c.By) {
		return Outcome{}, fmt.Errorf("%w: %s while %s", ErrNotYours, c.Verb, p.State)
	}
	if last := p.lastStep(); now.Before(last) {
		now = last // a clock that was set back does not make a payment end before it began
	}
	next := p.advance(t, c, now)
	o := Outcome{Payment: next, Event: event(next)}
	if next.Rehearsal {
		o.Trial = trial(next, t.entry, now)
	} else {
		o.Entry = entry(next, t.entry, now)
	}
	return o, nil
}

// timely refuses what comes too late, and what ends a payment too early. One that is to be settled late can also be rejected
// then: the ledger may not take it.
func (p Payment) timely(v Verb, now time.Time) error {
	due, over := p.Due(now), v == p.Overdue()
	switch {
	case due && !over && !(p.State == Undoable && v == Reject):
		return fmt.Errorf("%w: %s while %s", ErrExpired, v, p.State)
	case !due && over:
		return fmt.Errorf("%w: %s before the deadline", ErrNotAllowed, v)
	}
	return nil
}

// lastStep is when the payment took its last step.
func (p Payment) lastStep() time.Time {
	last := p.InstructedAt
	for _, at := range []time.Time{p.AuthenticatedAt, p.ConfirmedAt, p.ApprovedAt, p.UndoableAt} {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// find returns the table's line for a verb. A decoy has none that leads past authentication, whatever it is told.
func find(p Payment, v Verb) (transition, bool) {
	for _, t := range transitions {
		if t.from == p.State && t.verb == v && t.when.holds(p) {
			return t, !p.Decoy() || !t.to.Complete() && t.to.Final() || t.to == AuthenticationRequired
		}
	}
	return transition{}, false
}

func (p Payment) mayCommand(who actor, by DeviceID) bool {
	switch who {
	case service:
		return by == ""
	case initiator:
		return by == p.Initiator && by != ""
	case associated:
		return by == p.Associated && by != ""
	case anyone:
		return by == "" || by == p.Initiator || by == p.Associated
	}
	return false
}

// advance writes down what a transition changes. The wait that begins is cut short by the end of the whole life,
// but for the time to undo it, which is the payee's promise.
func (p Payment) advance(t transition, c Command, now time.Time) Payment {
	if t.from == "" {
		p.InstructedAt, p.ExpiresAt = now, now.Add(WholeLife)
		if !p.PayBy.IsZero() && p.PayBy.Before(p.ExpiresAt) {
			p.ExpiresAt = p.PayBy
		}
	}
	if t.to == Undoable {
		p.UndoableAt, p.Deadline = now, now.Add(p.Undo)
	} else if t.to != t.from && !t.to.Final() {
		p.Deadline = now.Add(t.to.wait())
		if p.ExpiresAt.Before(p.Deadline) {
			p.Deadline = p.ExpiresAt
		}
	}
	p.Version++
	p.State = t.to
	switch c.Verb {
	case Authenticate:
		p.AuthenticatedAt = now
	case Confirm:
		p.ConfirmedAt, p.FirstDigest = now, c.Digest
	case Approve:
		p.ApprovedAt, p.SecondDigest = now, c.Digest
	case MistypeCode:
		p.CodeFailures++
	}
	if t.to.Final() {
		p.EndedAt = now
		p.Reason = reason(t, c)
	}
	return p
}

func reason(t transition, c Command) Reason {
	switch c.Verb {
	case Cancel, Reject:
		return c.Reason
	case FailAuthentication:
		return AuthenticationFailed
	case MistypeCode:
		return WrongCode
	case Disown:
		return NotMe
	case Expire:
		return TimedOut
	case Decline:
		if t.by == associated {
			return ByApprover
		}
		return ByPayer
	}
	return ""
}

// entry moves the money from the card account to the payee account, and the fee. Its id is made of the payment's and of what it does,
// and posting a hold shares its id with posting at once: the books take each only once, whatever goes wrong above.
func entry(p Payment, action ledger.Action, now time.Time) *ledger.Entry {
	if action == "" {
		return nil
	}
	id := map[ledger.Action]string{ledger.Hold: "hold", ledger.Post: "post", ledger.PostHold: "post", ledger.Release: "release"}[action]
	return &ledger.Entry{
		ID:        ledger.EntryID(string(p.ID) + "/" + id),
		Action:    action,
		Reference: string(p.ID),
		Postings:  p.postings(),
		At:        now,
	}
}

// trial is the entry that a payment would make in place of a rehearsal, where money must be there for it. What follows a
// hold cannot lack it, so that is not tried: nothing is held.
func trial(p Payment, action ledger.Action, now time.Time) *ledger.Entry {
	if action != ledger.Hold && action != ledger.Post {
		return nil
	}
	return entry(p, action, now)
}

// event tells the initiator of every change, the associated device once it is asked or the money has moved, and the
// payee once the payer has confirmed: before that anybody could make a payee's bell ring.
func event(p Payment) Event {
	e := Event{Payment: p.ID, Version: p.Version, State: p.State, Initiator: p.Initiator}
	if p.ShownToAssociated() {
		e.Associated = p.Associated
	}
	if p.ShownToPayee() {
		e.Payee = p.PayeeHandle
	}
	return e
}

// ShownToAssociated reports whether the associated device is told of the payment: it was asked to approve it, or money
// has moved, or would have, if only once it cannot be undone any more.
func (p Payment) ShownToAssociated() bool {
	return p.State.Complete() || !p.UndoableAt.IsZero() || p.NeedsSecond() && !p.ConfirmedAt.IsZero()
}

// ShownToPayee reports whether the payee is told of the payment: the payer has confirmed it, or all was given that it
// needs.
func (p Payment) ShownToPayee() bool {
	return p.State.Complete() || !p.UndoableAt.IsZero() || !p.ConfirmedAt.IsZero()
}
