package api

import (
	"time"

	"tapline/money"
)

// Fee says how a fee is made of an amount: its share, half a unit rounded up, and the fixed part, within the bounds.
type Fee struct {
	BasisPoints int   `json:"basis_points" minimum:"0" maximum:"10000" doc:"Of the amount: 150 is 1.5 %."`
	Fixed       int64 `json:"fixed" minimum:"0" maximum:"1000000000000000" doc:"Minor units besides."`
	Least       int64 `json:"least,omitempty" minimum:"0" maximum:"1000000000000000" doc:"Minor units that it is not below; 0 for no such bound."`
	Most        int64 `json:"most,omitempty" minimum:"0" maximum:"1000000000000000" doc:"Minor units that it is not above; 0 for no such bound."`
}

// NewTariff sets the fee of payments to a payee in a currency, in the place of what was.
type NewTariff struct {
	Payee    string         `json:"payee,omitempty" doc:"The payee's handle. Without one it is the operator's fee for all payees that have none of their own."`
	Currency money.Currency `json:"currency"`
	Fee
	BorneBy string `json:"borne_by" enum:"payee,payer" doc:"payee: taken from what the payee gets, at most all of it. payer: added to what the payer pays, and shown before."`
	Note    string `json:"note,omitempty" maxLength:"280"`
}

// TariffRemoval removes the fee of payments to a payee in a currency: then the operator's fee for all counts again, if there is one.
type TariffRemoval struct {
	Payee    string         `json:"payee,omitempty" doc:"The payee's handle; without one the operator's fee for all is removed."`
	Currency money.Currency `json:"currency"`
	Note     string         `json:"note,omitempty" maxLength:"280"`
}

// Tariff is the fee of payments that are instructed from now on.
type Tariff struct {
	Payee    string         `json:"payee,omitempty" doc:"The payee's handle; without one it is for all payees that have none of their own."`
	Currency money.Currency `json:"currency"`
	Fee
	BorneBy   string    `json:"borne_by" enum:"payee,payer"`
	Removed   bool      `json:"removed,omitempty" doc:"In the answer to its removal: it counts no more."`
	ChangedAt time.Time `json:"changed_at"`
}

// Tariffs is a list of fees.
type Tariffs struct {
	Tariffs []Tariff `json:"fees"`
	Next    string   `json:"next,omitempty"`
}
