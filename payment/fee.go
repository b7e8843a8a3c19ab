package payment

import (
	"fmt"
	"math/bits"

	"tapline/ledger"
	"tapline/money"
)

// Bearer says who bears a fee.
type Bearer string

// Bearers.
const (
	PayeeBears Bearer = "payee" // it is taken from what the payee gets
	PayerBears Bearer = "payer" // it is added to what the payer pays, who has been shown it before
)

// MaxPoints is a whole amount in basis points.
const MaxPoints = 10_000

// Tariff says what fee the operator takes of a payment. The zero Tariff takes none. What is not basis points is minor units.
type Tariff struct {
	Points int   // basis points of the amount: 150 is 1.5 %
	Fixed  int64 // besides
	Least  int64 // a fee is not below; 0 for no such bound
	Most   int64 // and not above; 0 for no such bound
	Bearer Bearer
}

// Valid reports whether a fee can be told by t: no part is negative or too large, the bounds do not cross, and somebody bears it.
func (t Tariff) Valid() bool {
	for _, minor := range []int64{t.Fixed, t.Least, t.Most} {
		if minor < 0 || minor > money.MaxMinor {
			return false
		}
	}
	return t.Points >= 0 && t.Points <= MaxPoints && (t.Most == 0 || t.Least <= t.Most) && (t.Bearer == PayeeBears || t.Bearer == PayerBears)
}

// String is the tariff for the audit log: "150 bp + 30, 50 to 500, payee".
func (t Tariff) String() string {
	text := fmt.Sprintf("%d bp + %d", t.Points, t.Fixed)
	if t.Least > 0 || t.Most > 0 {
		text += fmt.Sprintf(", %d to %d", t.Least, t.Most)
	}
	return text + ", " + string(t.Bearer)
}

// Fee is what the operator takes of one payment, in minor units of its currency; 0 for nothing, and then nobody bears it.
type Fee struct {
	Minor  int64
	Bearer Bearer
}

// Of is the fee of a payment of so many minor units: the share, half a unit rounded up, and the fixed part, within the bounds. One
// that the payee bears is at most the amount: no payee owes anything for being paid.
func (t Tariff) Of(minor int64) Fee {
	hi, lo := bits.Mul64(uint64(minor), uint64(t.Points))
	lo, carry := bits.Add64(lo, MaxPoints/2, 0)
	share, _ := bits.Div64(hi+carry, lo, MaxPoints)
	fee := max(int64(share)+t.Fixed, t.Least) // each at most money.MaxMinor
	if t.Most > 0 {
		fee = min(fee, t.Most)
	}
	if t.Bearer == PayeeBears {
		fee = min(fee, minor)
	}
	if fee == 0 {
		return Fee{}
	}
	return Fee{fee, t.Bearer}
}

// FeeAccount is the account of the operator's fees in a currency.
func FeeAccount(c money.Currency) ledger.AccountID { return ledger.AccountID("fees-" + string(c)) }

// PayerFee is what the payer pays besides the amount, in minor units.
func (t Terms) PayerFee() int64 {
	if t.Fee.Bearer == PayerBears {
		return t.Fee.Minor
	}
	return 0
}

// PayeeFee is what the operator takes of the amount, in minor units.
func (t Terms) PayeeFee() int64 { return t.Fee.Minor - t.PayerFee() }

// Total is what the payer pays: the amount, and a fee that the payer bears. It is what limits count.
func (t Terms) Total() money.Amount {
	return money.Amount{Minor: t.Amount.Minor + t.PayerFee(), Currency: t.Amount.Currency}
}

// Net is what the payee gets: the amount less a fee that the payee bears, which may leave nothing.
func (t Terms) Net() money.Amount {
	return money.Amount{Minor: t.Amount.Minor - t.PayeeFee(), Currency: t.Amount.Currency}
}

// postings move the payee's part and the operator's from the card account, together or not at all.
func (t Terms) postings() []ledger.Posting {
	all := make([]ledger.Posting, 0, 2)
	if net := t.Net(); net.Minor > 0 || t.Fee.Minor == 0 {
		all = append(all, ledger.Posting{Debit: t.CardAccount, Credit: t.PayeeAccount, Amount: net})
	}
	if t.Fee.Minor > 0 {
		fee := money.Amount{Minor: t.Fee.Minor, Currency: t.Amount.Currency}
		all = append(all, ledger.Posting{Debit: t.CardAccount, Credit: FeeAccount(fee.Currency), Amount: fee})
	}
	return all
}
