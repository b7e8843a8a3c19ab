package api

import (
	"encoding/json"
	"log/slog"
	"time"

	"tapline/consent"
	"tapline/money"
)

// NewOperator asks to enrol an operator.
type NewOperator struct {
	Name      string          `json:"name" minLength:"1" maxLength:"64"`
	PublicKey json.RawMessage `json:"public_key" doc:"JWK: P-256 or Ed25519."`
}

// Operator is a person who runs the service.
type Operator struct {
	ID        string    `json:"id" doc:"RFC 7638 thumbprint of the operator's public key."`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`

	State       string     `json:"state" enum:"requested,active,removed" doc:"A requested one cannot act until another operator confirms."`
	EnrolledBy  string     `json:"enrolled_by,omitempty" doc:"Left out for the first."`
	ConfirmedBy string     `json:"confirmed_by,omitempty" doc:"Left out where that takes no second operator."`
	RemovedAt   *time.Time `json:"removed_at,omitempty"`
}

// Operators is a list of operators.
type Operators struct {
	Operators []Operator `json:"operators"`
	Next      string     `json:"next,omitempty" doc:"Give it as after to get the next page; likewise in other lists."`
}

// Revoked is a device that may not act any more.
type Revoked struct {
	ID        string    `json:"id"`
	RevokedAt time.Time `json:"revoked_at"`
}

// Devices is a list of devices.
type Devices struct {
	Devices []Device `json:"devices"`
	Next    string   `json:"next,omitempty"`
}

// NewCard asks to issue a card.
type NewCard struct {
	AccountNumber string         `json:"account_number,omitempty" pattern:"^[0-9]{8,19}$" doc:"As it is read from the card. Kept as a keyed digest and its last four digits."`
	SUN           *NewSUN        `json:"sun,omitempty" doc:"In place of account_number: a card that proves itself (NTAG 424 DNA)."`
	Label         string         `json:"label" maxLength:"64"`
	Currency      money.Currency `json:"currency" pattern:"^[A-Z]{3}$"`
	Note          string         `json:"note,omitempty" maxLength:"280" doc:"For the audit log."`
}

// Replacement asks for a card in the place of another.
type Replacement struct {
	AccountNumber string  `json:"account_number,omitempty" pattern:"^[0-9]{8,19}$" doc:"Of the new card, as it is read from it."`
	SUN           *NewSUN `json:"sun,omitempty" doc:"In place of account_number: a card that proves itself (NTAG 424 DNA)."`
	Label         string  `json:"label,omitempty" maxLength:"64" doc:"The old card's if it is left out."`
	Note          string  `json:"note,omitempty" maxLength:"280" doc:"For the audit log."`
}

// NewSUN names a card that proves itself.
type NewSUN struct {
	UID string `json:"uid" pattern:"^[0-9A-Fa-f]{14}$" doc:"The card's UID, most significant byte first. Kept as a keyed digest."`
}

// CardCode is a card with a one-use code. The code is told this once.
type CardCode struct {
	Card      Card      `json:"card"`
	Code      string    `json:"code"`
	NotBefore time.Time `json:"not_before" doc:"From then on it can be used. Of a card that replaces another: on other devices than the associated one, which can use it at once."`
	ExpiresAt time.Time `json:"expires_at"`
	Link      string    `json:"link,omitempty" doc:"The cardholder's page with the code, after the # that is never sent. Not for a code that resets a PIN."`
	QR        string    `json:"qr,omitempty" doc:"The link as a QR code, in SVG."`
	SUN       *SUNSetup `json:"sun,omitempty" doc:"What to write to a new card that proves itself; told this once, too."`
}

// SUNSetup is what is written to a card so that it proves itself to this service. The keys are 32 hexadecimal digits.
type SUNSetup struct {
	UID            string `json:"uid" doc:"Of the one card that these keys fit."`
	URLTemplate    string `json:"url_template" doc:"The card's NDEF URL. Zeros are where the card writes encrypted UID and counter (PICCDataOffset) and the MAC; the MAC covers no text of the URL."`
	KeyVersion     int    `json:"key_version" doc:"Version of the service's master key."`
	ApplicationKey string `json:"application_key" doc:"Key 0, which changes settings and keys."`
	MetaKey        string `json:"meta_key" doc:"Key 1, SDMMetaReadKey: encrypts UID and counter. The same on all cards."`
	FileKey        string `json:"file_key" doc:"Key 2, SDMFileReadKey: makes the MACs. This card's own."`
	DataKey        string `json:"data_key" doc:"Key 3, which writes the card's own data file. That stays empty; a key that nobody changed would let anybody write it."`
	SpareKey       string `json:"spare_key" doc:"Key 4, without a use."`
}

// LogValue is the version alone.
func (s SUNSetup) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("key_version", s.KeyVersion))
}

// Noted is the body of an operator's action that needs nothing but a reason.
type Noted struct {
	Note string `json:"note,omitempty" maxLength:"280" doc:"For the audit log."`
}

// NewPayee asks to add a payee.
type NewPayee struct {
	Handle   string         `json:"handle" doc:"Such as books@shop."`
	Name     string         `json:"name" minLength:"1" maxLength:"64" doc:"What payers are shown: verify it."`
	Kind     string         `json:"kind,omitempty" enum:"company,person" doc:"What the name is the name of; a company if left out."`
	Currency money.Currency `json:"currency" pattern:"^[A-Z]{3}$"`
	Note     string         `json:"note,omitempty" maxLength:"280"`
}

// AdminPayee is a payee as an operator sees it. APIKey is told once, when it is made.
type AdminPayee struct {
	Handle   string         `json:"handle"`
	Name     string         `json:"name"`
	Account  string         `json:"account"`
	Currency money.Currency `json:"currency"`
	APIKey   string         `json:"api_key,omitempty"`
	Kind     string         `json:"kind,omitempty" enum:"company,person"`
	Closed   bool           `json:"closed,omitempty" doc:"It takes no money; what it has stays until it is paid out."`

	Further []PayeeAccount `json:"further,omitempty" doc:"Accounts in other currencies, and those it had before."`
	Aliases []string       `json:"aliases,omitempty" doc:"Other handles by which it is looked up; told where one payee is read."`

	Rehearsals bool `json:"rehearsals" doc:"Whether payments to it may be rehearsed."`
}

// PayeeAccount is an account of a payee besides its first.
type PayeeAccount struct {
	Account  string         `json:"account"`
	Currency money.Currency `json:"currency"`
	Until    *time.Time     `json:"until,omitempty" doc:"When another took its place; it takes money if this is not there."`
}

// NewPayeeAccount asks for a new account of a payee.
type NewPayeeAccount struct {
	Currency money.Currency `json:"currency,omitempty" pattern:"^[A-Z]{3}$" doc:"The payee's first if it is left out. One that it does not take yet is added."`
	Note     string         `json:"note,omitempty" maxLength:"280"`
}

// VerifiedName is a name that an operator has verified.
type VerifiedName struct {
	Name string `json:"name" minLength:"1" maxLength:"64" doc:"What payers are shown."`
	Kind string `json:"kind" enum:"company,person" doc:"What the name is the name of."`
	Note string `json:"note" minLength:"1" maxLength:"280" doc:"How it was verified."`
}

// PayeeClosed closes a payee, or opens it again.
type PayeeClosed struct {
	Closed bool   `json:"closed"`
	Note   string `json:"note,omitempty" maxLength:"280"`
}

// PayeeAlias makes a handle lead to a payee as well, or no more.
type PayeeAlias struct {
	Alias   string `json:"alias" doc:"Such as shop@books. It is never given to another payee."`
	Removed bool   `json:"removed,omitempty"`
	Note    string `json:"note,omitempty" maxLength:"280"`
}

// NewRehearsals says whether payments to a payee may be rehearsed.
type NewRehearsals struct {
	Allowed bool   `json:"allowed" doc:"Only for a payee that wants it and knows a rehearsal from money."`
	Note    string `json:"note,omitempty" maxLength:"280"`
}

// Payees is a list of payees.
type Payees struct {
	Payees []AdminPayee `json:"payees"`
	Next   string       `json:"next,omitempty"`
}

// NewTopUp asks to credit a card account with money that came in from outside.
type NewTopUp struct {
	Amount money.Amount `json:"amount"`
	Note   string       `json:"note,omitempty" maxLength:"280"`
}

// NewAdjustment asks to correct the balance of a card's or a payee's account.
type NewAdjustment struct {
	Amount money.Amount `json:"amount"`
	Debit  bool         `json:"debit,omitempty" doc:"Take the amount from the account; else it is credited."`
	Note   string       `json:"note" maxLength:"280" doc:"Why."`
}

// NewLimits sets the limits of an account's payments, in the place of all that it had.
type NewLimits struct {
	Limits consent.SpendingLimits `json:"limits"`
	Note   string                 `json:"note,omitempty" maxLength:"280"`
}

// Account is a ledger account. Amounts are minor units.
type Account struct {
	ID             string         `json:"id"`
	Kind           string         `json:"kind" enum:"card,payee,fees,issuance"`
	Currency       money.Currency `json:"currency"`
	Balance        int64          `json:"balance"`
	Available      int64          `json:"available"`
	DebitsPending  int64          `json:"debits_pending"`
	CreditsPending int64          `json:"credits_pending"`
	DebitsPosted   int64          `json:"debits_posted"`
	CreditsPosted  int64          `json:"credits_posted"`

	Limits *consent.SpendingLimits `json:"limits,omitempty" doc:"Of its payments, where it has any of its own; those for all cards or payees count besides."`
	Spent  *Spent                  `json:"spent,omitempty" doc:"What counts for its limits."`

	Held *TopUp `json:"held_top_up,omitempty" doc:"In the answer to a top-up: it waits for another operator, and the books have not moved."`
}

// TopUp is a top-up that needs two operators.
type TopUp struct {
	ID          string       `json:"id"`
	Account     string       `json:"account"`
	Amount      money.Amount `json:"amount"`
	State       string       `json:"state" enum:"pending,confirmed,rejected,expired"`
	RequestedBy string       `json:"requested_by" doc:"The operator who asked for it, and cannot confirm it."`
	Adjusts     string       `json:"adjusts,omitempty" doc:"Of an adjustment: the account that it corrects."`
	Debit       bool         `json:"debit,omitempty" doc:"Of an adjustment: the amount is taken from that account."`
	Note        string       `json:"note,omitempty"`
	RequestedAt time.Time    `json:"requested_at"`
	ExpiresAt   time.Time    `json:"expires_at" doc:"From then on it cannot be confirmed."`
	DecidedBy   string       `json:"decided_by,omitempty"`
	DecidedAt   *time.Time   `json:"decided_at,omitempty"`
}

// TopUps is a list of top-ups that wait for a second operator, or did until their time was over.
type TopUps struct {
	TopUps []TopUp `json:"top_ups"`
	Next   string  `json:"next,omitempty"`
}

// Accounts is a list of accounts.
type Accounts struct {
	Accounts []Account `json:"accounts"`
	Next     string    `json:"next,omitempty"`
}

// ReportLine is one posting of an account, from that account's side.
type ReportLine struct {
	At        time.Time `json:"at"`
	Entry     string    `json:"entry"`
	Action    string    `json:"action" enum:"hold,post_hold,release,post"`
	Reference string    `json:"reference" doc:"The payment's, refund's or top-up's id."`
	Other     string    `json:"other" doc:"The account on the other side. Empty in a payee's own report."`
	Debit     int64     `json:"debit" doc:"Minor units; 0 on the other side."`
	Credit    int64     `json:"credit"`
	Fee       int64     `json:"fee,omitempty" doc:"In the report of a payee's account: minor units that the operator took of the payment; its amount is this and the credit."`
}

// Report lists an account's entries in a span of time, oldest first. Opening and Closing are posted balances.
type Report struct {
	Account Account      `json:"account"`
	From    time.Time    `json:"from"`
	Until   time.Time    `json:"until"`
	Opening int64        `json:"opening"`
	Closing int64        `json:"closing"`
	Lines   []ReportLine `json:"lines"`
}

// AuditRecord is one action of an operator.
type AuditRecord struct {
	At       time.Time `json:"at"`
	Operator string    `json:"operator"`
	Action   string    `json:"action"`
	Subject  string    `json:"subject"`
	Note     string    `json:"note,omitempty"`
}

// AuditLog is a list of operators' actions, newest first.
type AuditLog struct {
	Records []AuditRecord `json:"records"`
	Next    string        `json:"next,omitempty"`
}

// Invite lets one new operator enrol. It is told once.
type Invite struct {
	Invite    string    `json:"invite" doc:"The bearer token of one enrolment."`
	ExpiresAt time.Time `json:"expires_at"`
}
