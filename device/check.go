package device

import (
	"errors"
	"strings"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
)

// ErrStatementDiffers means that the service asks to confirm, or tells of, something else than this device asked for.
// Do not confirm it. The error that is it is a *DifferenceError.
var ErrStatementDiffers = errors.New("the service speaks of another payment than this device asked for")

// DifferenceError names the fact that differs, as consent.Statement's JSON does. It is ErrStatementDiffers.
type DifferenceError struct{ Field string }

// Error names the field.
func (e *DifferenceError) Error() string { return ErrStatementDiffers.Error() + ": " + e.Field }

// Is holds for ErrStatementDiffers.
func (e *DifferenceError) Is(target error) bool { return target == ErrStatementDiffers }

// asked is what a device asked for.
type asked struct {
	amount  money.Amount
	payee   api.Payee
	order   consent.Order
	hash    string // of the order's terms
	account string // masked
	device  consent.DeviceID

	fee       money.Amount // that the user was shown and pays besides the amount; zero for none
	rehearsal bool
}

// fact is one comparison.
type fact struct {
	field string
	same  bool
}

func differs(facts ...fact) error {
	for _, f := range facts {
		if !f.same {
			return &DifferenceError{f.field}
		}
	}
	return nil
}

// checkStatement compares the first statement with what was asked, fact by fact.
func (a asked) checkStatement(id consent.PaymentID, s consent.Statement) error {
	return differs(
		fact{"payment", s.Payment == id},
		fact{"role", s.Role == consent.First},
		fact{"rehearsal", s.Rehearsal == a.rehearsal},
		fact{"fee", s.Fee == a.fee},
		fact{"amount", s.Amount == a.amount && s.AmountText == a.amountText()},
		fact{"payee_handle", s.PayeeHandle == a.payee.Handle},
		fact{"payee_name", s.PayeeName == a.payee.Name},
		fact{"payee_account", a.isPayeeAccount(s.PayeeAccount)},
		fact{"card_account", s.CardAccount == a.account},
		fact{"initiating_device", s.Device == a.device},
		fact{"order", s.Order == a.order.ID},
		fact{"order_number", s.OrderNumber == a.order.Number},
		fact{"order_description", s.OrderText == a.order.Description},
		fact{"order_hash", s.OrderHash == a.hash},
	)
}

// amountText is how the statement has to write what is paid.
func (a asked) amountText() string {
	return consent.Statement{Amount: a.amount, Rehearsal: a.rehearsal, AmountText: consent.AmountText(a.amount, a.rehearsal)}.WithFee(a.fee).AmountText
}

// isFee tells whether a fee that is told is one, where nil is none.
func isFee(told *money.Amount, fee money.Amount) bool {
	if told == nil {
		return fee == (money.Amount{})
	}
	return *told == fee
}

// isPayeeAccount tells whether an account is the one that was looked up, of which only the end was shown.
func (a asked) isPayeeAccount(account string) bool {
	end, masked := strings.CutPrefix(a.payee.Account, consent.MaskLast4(""))
	return account == a.payee.Account || masked && strings.HasSuffix(account, end)
}

// checkView compares what the service tells of the payment with what was asked.
func (a asked) checkView(id consent.PaymentID, p api.Payment) error {
	return differs(
		fact{"payment", p.ID == string(id)},
		fact{"rehearsal", p.Rehearsal == a.rehearsal},
		fact{"state", !a.rehearsal || p.State != "settled"},
		fact{"state", a.rehearsal || p.State != "rehearsed"},
		fact{"amount", p.Amount == a.amount},
		fact{"fee", isFee(p.Fee, a.fee)},
		fact{"payee_handle", p.Payee.Handle == a.payee.Handle},
		fact{"card_account", p.CardAccount == "" || p.CardAccount == a.account},
	)
}

// checkReceipt compares a receipt with what was asked.
func (a asked) checkReceipt(r consent.Receipt) error {
	return differs(
		fact{"rehearsal", !a.rehearsal}, // which has no receipt
		fact{"amount", r.Amount == a.amount},
		fact{"fee", r.Fee == a.fee},
		fact{"payee_handle", r.PayeeHandle == a.payee.Handle},
		fact{"payee_name", r.PayeeName == a.payee.Name},
		fact{"payee_account", a.isPayeeAccount(r.PayeeAccount)},
		fact{"card_account", r.CardAccount == a.account},
		fact{"initiating_device", r.Device == a.device},
		fact{"order", r.Order == a.order.ID},
		fact{"order_number", r.OrderNumber == a.order.Number},
		fact{"order_hash", r.OrderHash == a.hash},
	)
}

// checkEnd compares what the service tells after a decision with the statement that was decided on.
func checkEnd(view api.Payment, s consent.Statement) error {
	return differs(
		fact{"payment", string(s.Payment) == view.ID},
		fact{"rehearsal", s.Rehearsal == view.Rehearsal},
		fact{"state", !s.Rehearsal || view.State != "settled"},
		fact{"state", s.Rehearsal || view.State != "rehearsed"},
	)
}

// checkSecond compares the second statement with what the service tells of the payment. The approver asked for
// nothing, so there is nothing else to compare with but the person.
func checkSecond(view api.Payment, s consent.Statement) error {
	return differs(
		fact{"payment", string(s.Payment) == view.ID},
		fact{"role", s.Role == consent.Second},
		fact{"rehearsal", s.Rehearsal == view.Rehearsal},
		fact{"amount", s.Amount == view.Amount},
		fact{"fee", isFee(view.Fee, s.Fee)},
		fact{"payee_handle", s.PayeeHandle == view.Payee.Handle},
		fact{"payee_name", s.PayeeName == view.Payee.Name},
		fact{"card_account", s.CardAccount == view.CardAccount},
	)
}
