package order

import (
	"errors"
	"time"

	"tapline/money"
	"tapline/payment"
)

// TemplateID names a template.
type TemplateID string

// Bounds of templates.
const (
	MaxActive       = 200              // templates of a payee that are active at a time
	MaxTemplateLife = time.Hour        // of an order made from a template: anybody may make one, and most who do will not pay
	TemplateLife    = 15 * time.Minute // if its payee does not say
	MaxPrefix       = 48               // characters of a reference, before what tells its orders apart
)

// Template is what a payee has orders made from by whoever opens its link: a price on a shelf, or a box for gifts. Its terms
// never change: it is disabled, and another takes its place.
type Template struct {
	ID          TemplateID
	Payee       payment.Handle
	Currency    money.Currency
	Minor       int64  // of each order without its tip; 0 for as much as the payer likes from Least to Most
	Least, Most int64  // minor units; 0 where Minor is not
	Prefix      string // of the orders' references
	Description string
	Lines       []Line // only of a fixed amount
	Tax         int64  // minor units, within Minor
	Tip         bool   // payers may add one
	Life        time.Duration

	Version    int64 // counts the changes, from 1
	CreatedAt  time.Time
	DisabledAt time.Time // zero while orders are made from it
}

// Errors of templates.
var (
	ErrTemplate         = errors.New("a template has either an amount or bounds, and lines and tax only with an amount")
	ErrTemplateDisabled = errors.New("no orders are made from the template any more")
	ErrTemplateAmount   = errors.New("the template does not allow this amount or tip")
)

// Active reports whether orders are made from it.
func (t Template) Active() bool { return t.DisabledAt.IsZero() }

// Check reports what of the numbers cannot be.
func (t Template) Check() error {
	fixed := t.Minor != 0
	switch {
	case t.Life < MinLife || t.Life > MaxTemplateLife:
		return ErrTemplate
	case fixed && (t.Least != 0 || t.Most != 0):
		return ErrTemplate
	case fixed:
		return Terms{Amount: money.Amount{Minor: t.Minor, Currency: t.Currency}, Lines: t.Lines, Tax: t.Tax}.Check()
	case len(t.Lines) > 0 || t.Tax != 0 || t.Least > t.Most:
		return ErrTemplate
	}
	for _, bound := range []int64{t.Least, t.Most} {
		if !(money.Amount{Minor: bound, Currency: t.Currency}).Valid() {
			return ErrTemplate
		}
	}
	return nil
}

// Terms are those of an order over an amount, tip included, with an id and a reference of its own. The amount says what the
// payer was shown: one that the template does not allow is refused, not put right.
func (t Template) Terms(id payment.OrderID, reference string, amount money.Amount, tip int64) (Terms, error) {
	terms := Terms{
		ID: id, Payee: t.Payee, Amount: amount, Reference: reference, Description: t.Description, Lines: t.Lines, Tip: tip, Tax: t.Tax,
	}
	switch {
	case !t.Active():
		return terms, ErrTemplateDisabled
	case !amount.Valid() || amount.Currency != t.Currency || tip < 0 || tip >= amount.Minor || tip > 0 && !t.Tip:
		return terms, ErrTemplateAmount
	}
	base := amount.Minor - tip
	if t.Minor != 0 && base != t.Minor || t.Minor == 0 && (base < t.Least || base > t.Most) || tip > base {
		return terms, ErrTemplateAmount
	}
	return terms, terms.Check()
}
