package api

import "time"

// Email is where a card's holder is told by e-mail what happens. Addresses are masked.
type Email struct {
	Address  string        `json:"address,omitempty" doc:"Its first character and its host; left out where there is none."`
	Language string        `json:"language,omitempty" enum:"en,zh"`
	Since    *time.Time    `json:"since,omitempty"`
	Pending  *PendingEmail `json:"pending,omitempty" doc:"An address whose code was not typed yet."`
	Sends    bool          `json:"sends" doc:"Whether this service sends e-mail at all."`
}

// PendingEmail is an address that waits for its code.
type PendingEmail struct {
	Address   string    `json:"address" doc:"Masked."`
	ExpiresAt time.Time `json:"expires_at"`
}

// NewEmail asks for a code to be mailed to a new address of a card's holder.
type NewEmail struct {
	Address  string `json:"address" maxLength:"254" doc:"Such as name@mail.example."`
	Language string `json:"language" enum:"en,zh" doc:"Of what is mailed."`
	Note     string `json:"note,omitempty" maxLength:"280" doc:"For the audit log: nothing personal, for nothing there can be erased."`
}

// EmailCode brings the code that was mailed to a new address.
type EmailCode struct {
	Code string `json:"code" doc:"The code that was mailed."`
	Note string `json:"note,omitempty" maxLength:"280" doc:"For the audit log."`
}
