package consent

import (
	"regexp"

	"tapline/payment"
)

var refundForm = regexp.MustCompile(`^ref_[A-Za-z0-9_-]{22,60}$`)

// NewRefundID is a fresh id of a refund, of 128 random bits.
func NewRefundID() payment.RefundID { return payment.RefundID("ref_" + NewID()) }

// CheckRefundID reports ErrInvalid unless id has the form of a refund's id.
func CheckRefundID(id payment.RefundID) error {
	if !refundForm.MatchString(string(id)) {
		return ErrInvalid.at("refund")
	}
	return nil
}
