package processor

import (
	"time"

	"tapline/consent"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
)

// CardKey stands for a card account number: a keyed HMAC of it, with the key's version. Equal numbers have equal keys;
// nobody gets the number back.
type CardKey string

// Principal is who acts or is told: "device:" and a device's id, "payee:" and a handle, "operator:" and an operator's
// id, or OperatorsPrincipal for all operators.
type Principal string

// OperatorsPrincipal is told what concerns every operator.
const OperatorsPrincipal Principal = "operators"

// DevicePrincipal is a device as somebody who acts or is told.
func DevicePrincipal(id payment.DeviceID) Principal { return "device:" + Principal(id) }

// PayeePrincipal is a payee as somebody who acts or is told.
func PayeePrincipal(h payment.Handle) Principal { return "payee:" + Principal(h) }

// OperatorPrincipal is an operator as somebody who acts.
func OperatorPrincipal(id OperatorID) Principal { return "operator:" + Principal(id) }

// Device is a registered device: a public key somebody has proved to hold.
type Device struct {
	ID        payment.DeviceID
	PublicKey []byte // JWK, RFC 7517
	Label     string
	CreatedAt time.Time
	UsedAt    time.Time // when it last acted or read, to within UseStep; zero if it never did
	RevokedAt time.Time // zero while it may act

	Push PushSubscription // where it can be woken
}

// CardState is what a card can do.
type CardState string

// Card states. Only an active card can pay.
const (
	CardIssued CardState = "issued" // not activated yet
	CardActive CardState = "active"
	CardFrozen CardState = "frozen"
	CardClosed CardState = "closed" // for ever
)

// CardStates lists every card state.
var CardStates = []CardState{CardIssued, CardActive, CardFrozen, CardClosed}

// CodePurpose is what an operator's one-use code is for.
type CodePurpose string

// Purposes.
const (
	CodeActivates CodePurpose = "activate"  // bind the first device and set the first PIN
	CodeRebinds   CodePurpose = "rebind"    // bind another associated device
	CodeReplaces  CodePurpose = "replace"   // activate a card that replaces another: from its associated device, or another a day later
	CodeResetsPIN CodePurpose = "reset_pin" // set a new PIN from the associated device
)

// OneUseCode is a code that an operator handed to the cardholder. The zero value is no code.
type OneUseCode struct {
	Purpose   CodePurpose
	MAC       string // of the code, under the code key
	NotBefore time.Time
	ExpiresAt time.Time
}

// Card is a smart card and the account behind it.
type Card struct {
	ID         payment.CardID
	Key        CardKey // of its number
	Last4      string
	Label      string
	Account    ledger.AccountID
	Currency   money.Currency
	State      CardState
	Level      payment.Level    // the least level its holder wants; 0 for no wish
	Rules      payment.Rules    // what else its holder wants
	Associated payment.DeviceID // empty until activated
	PIN        consent.PINRecord
	Code       OneUseCode

	// Version counts the times the card was frozen, unfrozen, closed, bound to a device, or given a PIN: a payment that was
	// instructed before such a change cannot be authenticated any more.
	Version          int64
	FrozenByOperator bool      // then its holder cannot unfreeze it
	LostAt           time.Time // when it was reported lost; zero if it was not, or was found. Its holder cannot unfreeze it then

	// Replaces and ReplacedBy are the cards before and after it on its account, if there are any. Of the cards of an
	// account all but one are closed.
	Replaces   payment.CardID
	ReplacedBy payment.CardID

	Tapped     DaySum // settled at level tap
	Identified DaySum // settled by the number alone, at whatever level

	// SUNVersion is the version of the master key that the keys of a card that proves itself are made of; 0 for other
	// cards. SUNCounter is the counter of its last tap: a message with no higher one was used.
	SUNVersion int
	SUNCounter int64

	Passkeys int // how many there are that were not removed

	Mail CardMail // where its holder is told by e-mail what happens

	ApprovalsSince time.Time // the hour that Approvals counts
	Approvals      int       // second confirmations asked for in that hour
	CreatedAt      time.Time
}

// DaySum is a sum of minor units of one UTC day.
type DaySum struct {
	Day   time.Time
	Minor int64
}

// on is the sum at a time: nothing on a later day. A clock that was set back does not begin a day anew.
func (s DaySum) on(now time.Time) int64 {
	if day(now).After(s.Day) {
		return 0
	}
	return s.Minor
}

func (s *DaySum) add(minor int64, now time.Time) {
	if today := day(now); today.After(s.Day) {
		*s = DaySum{Day: today}
	}
	s.Minor += minor
}

// day is the UTC day of a time.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// Binding says that a device has been the card's associated device, now or before: it is no stranger to the card, until
// its holder removes it.
type Binding struct {
	Card      payment.CardID
	Device    payment.DeviceID
	BoundAt   time.Time
	RemovedAt time.Time // zero while it holds
}

// BindingID names a binding.
type BindingID struct {
	Card   payment.CardID
	Device payment.DeviceID
}

// Passkey is a passkey of a card's holder. It counts while the device that registered it is the card's associated device, and not revoked.
type Passkey struct {
	ID        string // of the credential, base64url
	Card      payment.CardID
	Device    payment.DeviceID // that registered it
	PublicKey []byte           // COSE_Key
	Counter   int64            // of its signatures
	Synced    bool             // it does not prove which device it is on
	Label     string
	CreatedAt time.Time
	UsedAt    time.Time // zero if it never was
	RemovedAt time.Time // zero while it may be used
}

// Tries is a count of tries.
type Tries struct {
	TriesID
	consent.Tries
}

// TriesID names a count of tries: at a card's PIN from its associated device (Owner), or from all other devices
// together (Strangers); or at a one-use code, from one device.
type TriesID struct {
	Card CardKey // of the card's number; of a one-use code see codeTries
	By   string  // Owner, Strangers, or a device's id
}

// Who shares a count of tries at a PIN.
const (
	Owner     = "owner"
	Strangers = "strangers"
)

// OperatorID is the RFC 7638 thumbprint of an operator's public key.
type OperatorID string

// Operator is a person who runs the service.
type Operator struct {
	ID        OperatorID
	Name      string
	PublicKey []byte // JWK, RFC 7517
	CreatedAt time.Time

	EnrolledBy  OperatorID // empty for the first
	ConfirmedBy OperatorID // empty where one operator could enrol another alone
	ConfirmedAt time.Time  // zero while another operator has to confirm; until then the operator cannot act
	RemovedAt   time.Time  // zero while the operator may act
}

// Acts reports whether an operator may act: confirmed, and not removed.
func (o Operator) Acts() bool { return !o.ConfirmedAt.IsZero() && o.RemovedAt.IsZero() }

// KeyID names an idempotency key: unique per principal, for ever as far as anybody can tell.
type KeyID struct {
	Principal Principal
	Key       string
}

// Key is a request that was taken, with what it was told. While it is in progress Status is 0.
type Key struct {
	KeyID
	Digest   string // keyed digest of what was asked; a request that asks for something else is another one
	Status   int    // HTTP status of the answer
	Answer   []byte // sealed
	At       time.Time
	KeepTill time.Time
}

// Evidence is what a person signed: kept so that nobody has to take the service's word.
type Evidence struct {
	Payment payment.ID
	Role    consent.Role // of the statement
	Device  payment.DeviceID
	JWS     string
	At      time.Time
}

// Event is something to tell. Seq is handed out by the store, in commit order, without gaps being promised.
type Event struct {
	Seq     int64
	Type    string // such as "payment.settled" or "card.frozen"
	Subject string // the payment's or card's id
	State   string
	Version int64
	To      []Principal
	At      time.Time
}

// Audit is one action of an operator.
type Audit struct {
	Seq      int64 // handed out by the store
	Operator OperatorID
	Action   string
	Subject  string
	Note     string
	At       time.Time
}
