// Package money holds amounts: an integer count of a currency's minor units, and their text form.
//
// There is no floating point here, no default currency and no negative amount: who pays whom is said by a posting's
// two accounts, never by a sign.
package money

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// MaxMinor bounds every amount, in minor units. It is below 2^53, so that a browser reads it exactly, and low enough
// that the balances of an account summed in int64 cannot overflow within nine thousand greatest postings.
const MaxMinor int64 = 1_000_000_000_000_000

// Errors of parsing and arithmetic. They never repeat the refused text.
var (
	ErrCurrency = errors.New("unknown currency")
	ErrAmount   = errors.New("malformed amount")
	ErrTooLarge = errors.New("amount too large")
	ErrMismatch = errors.New("currencies differ")
)

// Amount is a number of minor units of one currency: {1250, "CNY"} is 12.50 yuan. The zero value is no amount of no
// currency and is not Valid.
type Amount struct {
	Minor    int64    `json:"minor" minimum:"1" maximum:"1000000000000000" doc:"Count of the currency's minor units: 1250 is 12.50 CNY."`
	Currency Currency `json:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217 code."`
}

// Valid reports whether a can be paid: a known currency and 0 < Minor <= MaxMinor.
func (a Amount) Valid() bool {
	return a.Minor > 0 && a.Minor <= MaxMinor && a.Currency.Known()
}

// Parse reads the text of an amount, such as "12.50" or "12" for 12.50 and 12.00 yuan. It takes ASCII digits with at
// most one point and no more digits after it than the currency has; no sign, no grouping, no exponent. Zero is an
// amount here; whether it can be paid is the caller's question (Valid).
func Parse(text string, c Currency) (Amount, error) {
	if !c.Known() {
		return Amount{}, ErrCurrency
	}
	whole, fraction, pointed := strings.Cut(text, ".")
	if !digits(whole) || (pointed && !digits(fraction)) {
		return Amount{}, fmt.Errorf("%w: want digits such as 12.50", ErrAmount)
	}
	if len(fraction) > c.Decimals() {
		return Amount{}, fmt.Errorf("%w: %s has %d decimal digits", ErrAmount, c, c.Decimals())
	}
	all := strings.TrimLeft(whole+fraction+strings.Repeat("0", c.Decimals()-len(fraction)), "0")
	if len(all) > len("1000000000000000") {
		return Amount{}, ErrTooLarge
	}
	if all == "" {
		return Amount{Currency: c}, nil
	}
	minor, err := strconv.ParseInt(all, 10, 64)
	if err != nil || minor > MaxMinor {
		return Amount{}, ErrTooLarge
	}
	return Amount{Minor: minor, Currency: c}, nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Decimal is the amount's number as text, with as many decimal digits as the currency has: "12.50". Parse reads it
// back.
func (a Amount) Decimal() string {
	return FormatMinor(a.Minor, a.Currency)
}

// String is the amount for people and logs: "12.50 CNY".
func (a Amount) String() string { return a.Decimal() + " " + string(a.Currency) }

// FormatMinor writes a signed count of minor units, such as a balance, as decimal text: -5 of CNY is "-0.05".
func FormatMinor(minor int64, c Currency) string {
	sign, magnitude := "", uint64(minor)
	if minor < 0 {
		sign, magnitude = "-", -magnitude
	}
	text, n := strconv.FormatUint(magnitude, 10), c.Decimals()
	if n == 0 {
		return sign + text
	}
	if len(text) <= n {
		text = strings.Repeat("0", n+1-len(text)) + text
	}
	return sign + text[:len(text)-n] + "." + text[len(text)-n:]
}

// Add returns a + b; ErrMismatch if their currencies differ, ErrTooLarge above MaxMinor.
func (a Amount) Add(b Amount) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, ErrMismatch
	}
	if a.Minor > MaxMinor-b.Minor {
		return Amount{}, ErrTooLarge
	}
	return Amount{Minor: a.Minor + b.Minor, Currency: a.Currency}, nil
}

// Split divides a into a share of basisPoints/10,000, rounded down, and the rest. share + rest == a, always. It panics
// unless 0 <= basisPoints <= 10,000 and a is not negative.
func (a Amount) Split(basisPoints int) (share, rest Amount) {
	if basisPoints < 0 || basisPoints > 10_000 || a.Minor < 0 {
		panic("money: split of " + a.String() + " by " + strconv.Itoa(basisPoints) + " basis points")
	}
	hi, lo := bits.Mul64(uint64(a.Minor), uint64(basisPoints))
	part, _ := bits.Div64(hi, lo, 10_000)
	share = Amount{Minor: int64(part), Currency: a.Currency}
	return share, Amount{Minor: a.Minor - share.Minor, Currency: a.Currency}
}
