package payment

import (
	"strings"
	"time"

	"tapline/ledger"
)

// Verb says what a command asks for.
type Verb string

// Verbs.
const (
	Instruct           Verb = "instruct"            // take the instruction
	Authenticate       Verb = "authenticate"        // the payer's authentication information was right
	FailAuthentication Verb = "fail_authentication" // it was wrong, and no try is left
	Confirm            Verb = "confirm"             // first confirmation
	Approve            Verb = "approve"             // second confirmation, on the associated device
	MistypeCode        Verb = "mistype_code"        // an approval with a wrong code
	Decline            Verb = "decline"             // by whoever is asked
	Disown             Verb = "disown"              // "this wasn't me", by the associated device
	Cancel             Verb = "cancel"              // by payer, payee, or because the card changed
	Reject             Verb = "reject"              // it cannot be done: see Reason
	Expire             Verb = "expire"              // the wait is over
	Settle             Verb = "settle"              // the time to undo it is over
)

// Verbs lists every verb.
var Verbs = []Verb{Instruct, Authenticate, FailAuthentication, Confirm, Approve, MistypeCode, Decline, Disown, Cancel, Reject, Expire, Settle}

// actor says which device may give a command. What the service does by itself, and what a payee may ask for, names no
// device.
type actor int

const (
	service actor = iota
	initiator
	associated
	anyone // initiator, associated device, or the service on behalf of the payee
)

// transition is one line of the table: in state From, the verb leads to state To if its condition holds.
type transition struct {
	from  State
	verb  Verb
	by    actor
	when  condition
	to    State
	entry ledger.Action // what happens to the money; empty for nothing. Never in a rehearsal: see trial
}

// condition is a named question about the payment before the step. The zero condition always holds.
type condition struct {
	text string
	test func(Payment) bool
}

func (c condition) holds(p Payment) bool { return c.test == nil || c.test(p) }

// rehearsed is the condition in a rehearsal.
func (c condition) rehearsed() condition {
	return condition{strings.TrimPrefix(c.text+", rehearsal", ", "), func(p Payment) bool { return p.Rehearsal && c.holds(p) }}
}

// undoable is the condition where the payment can be undone.
func (c condition) undoable() condition {
	return condition{strings.TrimPrefix(c.text+", may be undone", ", "), func(p Payment) bool { return p.Undo > 0 && c.holds(p) }}
}

var (
	tapIsEnough            = condition{"level tap", func(p Payment) bool { return p.Level == LevelTap }}
	authenticationIsEnough = condition{"level authenticate", func(p Payment) bool { return p.Level == LevelAuthenticate }}
	needsFirst             = condition{"level confirm or approve", func(p Payment) bool { return p.Level >= LevelConfirm }}
	firstIsEnough          = condition{"no second needed", func(p Payment) bool { return !p.NeedsSecond() }}
	needsSecond            = condition{"second needed", Payment.NeedsSecond}
	codeTriesLeft          = condition{"tries left", func(p Payment) bool { return p.CodeFailures+1 < CodeTries }}
	lastCodeTry            = condition{"third time", func(p Payment) bool { return p.CodeFailures+1 >= CodeTries }}
	needsMore              = condition{"level above tap", func(p Payment) bool { return p.Level > LevelTap }}
)

// transitions is the whole life of a payment. For a state and verb the first line whose condition holds counts; where
// there is none, the command is not allowed. What a line does to the money it only tries, or leaves, in a rehearsal.
var transitions = []transition{
	{"", Instruct, service, tapIsEnough.undoable(), Undoable, ledger.Hold},
	{"", Instruct, service, tapIsEnough.rehearsed(), Rehearsed, ledger.Post},
	{"", Instruct, service, tapIsEnough, Settled, ledger.Post},
	{"", Instruct, service, needsMore, AuthenticationRequired, ""},
	{"", Reject, service, condition{}, Rejected, ""},

	{AuthenticationRequired, Authenticate, initiator, authenticationIsEnough.undoable(), Undoable, ledger.Hold},
	{AuthenticationRequired, Authenticate, initiator, authenticationIsEnough.rehearsed(), Rehearsed, ledger.Post},
	{AuthenticationRequired, Authenticate, initiator, authenticationIsEnough, Settled, ledger.Post},
	{AuthenticationRequired, Authenticate, initiator, needsFirst, ConfirmationRequired, ""},
	{AuthenticationRequired, FailAuthentication, initiator, condition{}, Rejected, ""},
	{AuthenticationRequired, Cancel, anyone, condition{}, Cancelled, ""},
	{AuthenticationRequired, Reject, service, condition{}, Rejected, ""},
	{AuthenticationRequired, Expire, service, condition{}, Expired, ""},

	{ConfirmationRequired, Confirm, initiator, firstIsEnough.undoable(), Undoable, ledger.Hold},
	{ConfirmationRequired, Confirm, initiator, firstIsEnough.rehearsed(), Rehearsed, ledger.Post},
	{ConfirmationRequired, Confirm, initiator, firstIsEnough, Settled, ledger.Post},
	{ConfirmationRequired, Confirm, initiator, needsSecond, ApprovalRequired, ledger.Hold},
	{ConfirmationRequired, Decline, initiator, condition{}, Declined, ""},
	{ConfirmationRequired, Cancel, anyone, condition{}, Cancelled, ""},
	{ConfirmationRequired, Reject, service, condition{}, Rejected, ""},
	{ConfirmationRequired, Expire, service, condition{}, Expired, ""},

	{ApprovalRequired, Approve, associated, condition{}.undoable(), Undoable, ""},
	{ApprovalRequired, Approve, associated, condition{}.rehearsed(), Rehearsed, ""},
	{ApprovalRequired, Approve, associated, condition{}, Settled, ledger.PostHold},
	{ApprovalRequired, MistypeCode, associated, codeTriesLeft, ApprovalRequired, ""},
	{ApprovalRequired, MistypeCode, associated, lastCodeTry, Declined, ledger.Release},
	{ApprovalRequired, Decline, associated, condition{}, Declined, ledger.Release},
	{ApprovalRequired, Disown, associated, condition{}, Declined, ledger.Release},
	{ApprovalRequired, Cancel, anyone, condition{}, Cancelled, ledger.Release},
	{ApprovalRequired, Reject, service, condition{}, Rejected, ledger.Release},
	{ApprovalRequired, Expire, service, condition{}, Expired, ledger.Release},

	{Undoable, Settle, service, condition{}.rehearsed(), Rehearsed, ""},
	{Undoable, Settle, service, condition{}, Settled, ledger.PostHold},
	{Undoable, Cancel, anyone, condition{}, Cancelled, ledger.Release},
	{Undoable, Reject, service, condition{}, Rejected, ledger.Release},
}

// wait is how long a payment may stay in a state.
func (s State) wait() time.Duration {
	switch s {
	case AuthenticationRequired:
		return AuthenticationWait
	case ConfirmationRequired:
		return ConfirmationWait
	case ApprovalRequired:
		return ApprovalWait
	}
	return 0
}
