package consent

import (
	"crypto/rand"
	"regexp"
	"strings"

	"tapline/payout"
)

var payoutForm = regexp.MustCompile(`^out_[a-z2-7]{26}$`)

// NewPayoutID is a fresh id of a payout, of 130 random bits, in letters and digits that every bank passes on.
func NewPayoutID() payout.ID { return payout.ID("out_" + strings.ToLower(rand.Text())) }

// NewPayoutFileID is a fresh id of a file of payouts, of 130 random bits.
func NewPayoutFileID() payout.FileID {
	return payout.FileID("pof_" + strings.ToLower(rand.Text()))
}

// CheckPayoutID reports ErrInvalid unless id has the form of a payout's id.
func CheckPayoutID(id payout.ID) error {
	if !payoutForm.MatchString(string(id)) {
		return ErrInvalid.at("payout")
	}
	return nil
}
