package api

import "time"

// NewNote asks for a note to be kept.
type NewNote struct {
	Subject string `json:"subject" maxLength:"200" doc:"What it is about: card:, account:, payee: or payment: and its id."`
	Text    string `json:"text" minLength:"1" maxLength:"2000"`
}

// Note is what an operator has written for other operators.
type Note struct {
	ID      string    `json:"id"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	By      string    `json:"by" doc:"The operator's id; in an export operators are numbered."`
	At      time.Time `json:"at"`
}

// Notes is a list of notes.
type Notes struct {
	Notes []Note `json:"notes"`
}

// Erasure is that of what is personal of the holder of a card and of all cards on its account.
type Erasure struct {
	Account   string     `json:"account"`
	State     string     `json:"state" enum:"requested,erased"`
	AskedBy   string     `json:"asked_by" doc:"The operator's id. It takes another one to confirm."`
	AskedAt   time.Time  `json:"asked_at"`
	ExpiresAt time.Time  `json:"expires_at" doc:"When it can be confirmed no more."`
	ErasedBy  string     `json:"erased_by,omitempty"`
	ErasedAt  *time.Time `json:"erased_at,omitempty"`
}

// Export is all that is kept about a card's holder, to be handed to that person.
type Export struct {
	Account  Account        `json:"account"`
	Email    *ExportedEmail `json:"email,omitempty"`
	Cards    []Card         `json:"cards" doc:"All cards that were on the account, with their devices."`
	Passkeys []Passkey      `json:"passkeys"`
	Payments []AdminPayment `json:"payments" doc:"Newest first. Devices of other people are left out."`
	Refunds  []Refund       `json:"refunds"`
	Payouts  []Payout       `json:"payouts" doc:"What was paid out of the account, and to whom. Operators are not named."`
	Entries  []ReportLine   `json:"entries" doc:"Of the account, the oldest first."`
	Notes    []Note         `json:"notes" doc:"What operators wrote about cards, account and payments."`
}

// ExportedEmail is the address at which the holder is told, in clear.
type ExportedEmail struct {
	Address  string    `json:"address"`
	Language string    `json:"language"`
	Since    time.Time `json:"since"`
}
