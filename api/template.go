package api

import (
	"time"

	"tapline/money"
	"tapline/order"
)

// NewOrderTemplate asks for a template of orders: what a static link or QR code asks whoever opens it to pay.
type NewOrderTemplate struct {
	Currency    money.Currency `json:"currency" doc:"One in which the payee is paid."`
	Minor       int64          `json:"minor,omitempty" minimum:"1" maximum:"1000000000000000" doc:"The amount of each order without its tip, in minor units; left out for an open one."`
	Least       int64          `json:"least,omitempty" minimum:"1" maximum:"1000000000000000" doc:"Of an open amount, in minor units; one unit if left out."`
	Most        int64          `json:"most,omitempty" minimum:"1" maximum:"1000000000000000" doc:"Of an open amount, in minor units, which always has a bound."`
	Reference   string         `json:"reference,omitempty" maxLength:"48" doc:"How the orders' references begin. Eight letters and digits follow, which tell them apart."`
	Description string         `json:"description,omitempty" maxLength:"280" doc:"The goods, for people."`
	Lines       []order.Line   `json:"lines,omitempty" maxItems:"50" doc:"What a fixed amount consists of. With the tax they sum to it."`
	Tax         int64          `json:"tax,omitempty" minimum:"0" maximum:"1000000000000000" doc:"Part of a fixed amount, in minor units, that is not in the lines."`
	Tip         bool           `json:"tip,omitempty" doc:"Whether payers may add a tip: at most as much as the rest."`
	ExpiresIn   int64          `json:"expires_in,omitempty" minimum:"60" maximum:"3600" doc:"Seconds in which an order made from it can be paid; a quarter of an hour if left out."`
}

// OrderTemplate is a template of orders. Its terms never change.
type OrderTemplate struct {
	ID          string         `json:"id" doc:"Not to be guessed: a device that knows it may see the terms and make orders."`
	URL         string         `json:"url" doc:"The page where whoever opens it pays; the same with /qr.svg is a QR code of it."`
	State       string         `json:"state" enum:"active,disabled"`
	Payee       Payee          `json:"payee"`
	Currency    money.Currency `json:"currency"`
	Minor       int64          `json:"minor,omitempty" doc:"The amount of each order without its tip, in minor units; none if it is open."`
	Least       int64          `json:"least,omitempty" doc:"Minor units."`
	Most        int64          `json:"most,omitempty" doc:"Minor units."`
	Reference   string         `json:"reference,omitempty" doc:"How the orders' references begin."`
	Description string         `json:"description,omitempty"`
	Lines       []order.Line   `json:"lines"`
	Tax         int64          `json:"tax" doc:"Minor units."`
	Tip         bool           `json:"tip" doc:"Whether payers may add a tip."`
	ExpiresIn   int64          `json:"expires_in" doc:"Seconds in which an order made from it can be paid."`
	CreatedAt   time.Time      `json:"created_at"`
	DisabledAt  *time.Time     `json:"disabled_at,omitempty"`
}

// OrderTemplates are the active templates of a payee, the oldest first.
type OrderTemplates struct {
	Templates []OrderTemplate `json:"templates"`
}
