package processor

import (
	"context"
	"errors"
	"time"

	"tapline/ledger"
	"tapline/order"
	"tapline/payment"
	"tapline/payout"
)

// Store keeps everything. Its methods are safe for several goroutines and several processes.
//
// Update runs f in one read-write database transaction. When it returns nil, what f saved is durable; otherwise
// nothing of it is there. f may run again after a conflict with another process, so it touches only its Tx and what
// it resets itself. Update returns ErrConflict when a row that should be new is already there, and wraps ErrUnavailable
// when the database cannot be written now.
//
// View runs f over one consistent snapshot.
//
// Text is valid UTF-8 without the character U+0000; rows with other text are refused, and by such keys there are none.
//
// Wait returns the number of the newest event, as soon as it is greater than after or when ctx is done.
type Store interface {
	Update(ctx context.Context, f func(Tx) error) error
	View(ctx context.Context, f func(Reader) error) error
	Wait(ctx context.Context, after int64) (int64, error)
}

// Errors of a Store.
var (
	ErrConflict    = errors.New("a row that should be new is already there")
	ErrUnavailable = errors.New("the database is not available")
)

// Tx is a database transaction. Rows that it loads stay as they are for everybody else until it ends. So do the open
// payments of a card, and the devices bound to it, while the card's own row is loaded.
type Tx interface {
	// Now is the time, by one clock for all who share the store.
	Now() (time.Time, error)
	Load(Wants) (Rows, error)
	Save(Changes) error
}

// Reader reads a snapshot. Lists come in a stable order and are bounded by their limit.
type Reader interface {
	// Now is the time at this moment, by one clock for all who share the store.
	Now() (time.Time, error)
	Load(Wants) (Rows, error)
	// Payments lists newest first.
	Payments(PaymentQuery) ([]payment.Payment, error)
	// Orders lists newest first.
	Orders(OrderQuery) ([]order.Order, error)
	// Refunds lists newest first.
	Refunds(RefundQuery) ([]payment.Refund, error)
	// Due names open payments and orders whose time is over by now, payout plans whose time has come, and wake-ups and e-mails that are
	// to be sent, the longest overdue first, limit of each.
	Due(now time.Time, limit int) (Wants, error)
	// Events lists events after a number, oldest first, that are for one of the principals. next is the number to go
	// on from: that of the last event looked at, told or not.
	Events(after int64, limit int, to ...Principal) (events []Event, next int64, err error)
	// Entries lists the entries of an account in a half-open span of time, oldest first. A batch's entries have one
	// time, and those of one time are never cut apart: more than limit may come, and the next span begins after the last.
	Entries(account ledger.AccountID, from, until time.Time, limit int) ([]ledger.Entry, error)
	// Span reads what closing a day needs to know of the entries with numbers above after: up to the last that was made
	// before end.
	Span(after int64, end time.Time) (Span, error)
	// List is for operators: rows of one table.
	List(ListQuery) (Rows, error)
	WebhookReader
	PayoutReader
}

// PaymentQuery selects payments. Exactly one of Initiator, Approver, Payee, Card and All is given.
type PaymentQuery struct {
	Initiator payment.DeviceID
	Approver  payment.DeviceID // the associated device, where another one is the initiator
	Payee     payment.Handle
	Card      payment.CardID // for operators: takes the longer the more payments a card has
	All       bool           // for operators: everybody's
	State     payment.State  // empty for any
	From      time.Time      // not instructed before; zero for any time
	Before    time.Time      // instructed before; zero for now
	BeforeID  payment.ID     // and of those instructed at Before, the ones below this id: where the last page ended
	Oldest    bool           // oldest first
	AfterID   payment.ID     // with Oldest: of those instructed at From, the ones above this id
	Limit     int
}

// OrderQuery selects orders of one payee.
type OrderQuery struct {
	Payee     payment.Handle
	State     order.State     // empty for any
	Reference string          // empty for any
	Minor     int64           // of the amount; 0 for any
	Least     int64           // of the amount
	Most      int64           // of the amount; 0 for no bound
	From      time.Time       // not made before; zero for any time
	Before    time.Time       // made before; zero for now
	BeforeID  payment.OrderID // and of those made at Before, the ones below this id
	Oldest    bool            // oldest first
	AfterID   payment.OrderID // with Oldest: of those made at From, the ones above this id
	Limit     int
}

// RefundQuery selects refunds. Exactly one of Payee and Payment is given.
type RefundQuery struct {
	Payee    payment.Handle
	Payment  payment.ID
	From     time.Time        // not made before; zero for any time
	Before   time.Time        // made before; zero for now
	BeforeID payment.RefundID // and of those made at Before, the ones below this id
	Oldest   bool             // oldest first
	AfterID  payment.RefundID // with Oldest: of those made at From, the ones above this id
	Limit    int
}

// ListQuery selects rows of one table for operators, after a key, in the key's order (audit and closed days: newest first; its key
// and events: newest first, their key is Seq in decimal digits).
type ListQuery struct {
	Table string // "devices", "cards", "payees", "accounts", "operators", "audit", "top_ups", those that are
	// pending, "closed_days", "tariffs", or "events", those that operators are told
	After string
	Limit int

	UnusedSince time.Time // of accounts: only those of cards and payees with LastPaid and all cards no later; zero for all
}

// Wants names rows to load. A row that is not there is left out of Rows.
type Wants struct {
	Payments    []payment.ID
	OpenOf      []payment.CardID // the open payments of these cards that have been authenticated
	Cards       []payment.CardID
	CardKeys    []CardKey // cards by their number's key
	Accounts    []ledger.AccountID
	Devices     []payment.DeviceID
	Bindings    []BindingID
	BoundTo     []payment.CardID   // all bindings of these cards that hold
	CardsOf     []payment.DeviceID // all bindings of these devices that hold
	Tries       []TriesID
	TopUps      []string
	Passkeys    []string         // by credential id
	PasskeysOf  []payment.CardID // all passkeys of these cards
	SignIns     []string         // by credential id
	SignInsOf   []SignInOwner    // all passkeys of these owners
	Payees      []payment.Handle
	Aliases     []payment.Handle
	AliasesOf   []payment.Handle // all aliases of these payees
	Paid        []PaidID         // when card accounts last paid to accounts of payees
	Orders      []payment.OrderID
	Templates   []order.TemplateID
	Refunds     []payment.RefundID
	APIKeys     []string         // by MAC
	APIKeysOf   []payment.Handle // all API keys of these payees
	Operators   []OperatorID
	ClosedAfter []string // the day that was closed after each of these days
	AnyOf       bool     // whether there are operators at all, or any but one: loads two that were confirmed
	Keys        []KeyID
	Evidence    []payment.ID

	Challenges   []ChallengeID
	ChallengesOf []payment.DeviceID // all challenges of these devices

	TemplatesOf []payment.Handle // the active templates of these payees

	WakeUps []WakeID

	Tariffs []TariffID

	Webhooks   []string         // endpoints by id
	WebhooksOf []payment.Handle // all endpoints of these payees that were not removed
	Deliveries []string         // to endpoints, by id

	CardsOn     []ledger.AccountID // all cards of these accounts
	Mails       []string
	MailChanges []ledger.AccountID
	Payouts     []payout.ID
	PayoutPlans []PlanID
	PayoutFiles []payout.FileID
	Notes       []string
	NotesOf     []NoteSubject // all notes about these
	Erasures    []ledger.AccountID
}

// Rows are rows of each table.
type Rows struct {
	Payments  []payment.Payment
	Cards     []Card
	Accounts  []ledger.Account
	Devices   []Device
	Bindings  []Binding
	Tries     []Tries
	TopUps    []HeldTopUp
	Passkeys  []Passkey
	SignIns   []SignIn
	Payees    []Payee
	Aliases   []Alias
	Paid      []Paid // only of those that did
	Orders    []order.Order
	Templates []order.Template
	Refunds   []payment.Refund // never change
	APIKeys   []APIKey
	Operators []Operator
	Keys      []Key
	Evidence  []Evidence
	Audit     []Audit
	Events    []Event // of lists; those to be saved are in Changes

	Challenges []TapChallenge
	WakeUps    []WakeUp
	Tariffs    []Tariff
	ClosedDays []ClosedDay // never change
	Webhooks   []Webhook
	Deliveries []Delivery

	Mails       []Mail
	MailChanges []MailChange
	Payouts     []payout.Payout
	PayoutPlans []PayoutPlan
	PayoutFiles []PayoutFile // never change
	Notes       []Note
	Erasures    []Erasure // one that is done, when it is saved, erases what is personal of its account's holder
}

// Changes is all that one batch writes. Save does it with one statement per table, in the order of foreign keys.
type Changes struct {
	New     Rows // must not be there yet: ErrConflict otherwise
	Changed Rows // were loaded by the same Tx; each once
	Entries []ledger.Entry
	Events  []Event // in the order to be told; Seq is handed out
}
