package processor

import (
	"encoding/base64"
	"strings"
	"time"

	"tapline/keyring"
	"tapline/payment"
)

// ApprovalTap is a tap of the card on its associated device, in place of the digits that the other device shows.
type ApprovalTap struct {
	CardKeys  []CardKey
	Assurance payment.Assurance
	SUN       SUNTap
	Challenge ChallengeID
}

// TapRefusal is why a tap approves nothing, as a problem code; "" if it does.
type TapRefusal string

// Refusals of taps. Only a message of the payment's own card is told to have been used: what another card's would say is
// not the approver's to learn.
const (
	TapNotOfPayment TapRefusal = "tap_refused" // not authentic, of another card, or not made for this approval
	TapWasUsed      TapRefusal = "tap_used"
)

// want names the card that the tap claims, its challenge, and what an alarm needs.
func (t *ApprovalTap) want(u *Unit, w *Wants, card payment.CardID, device payment.DeviceID) {
	if t == nil {
		return
	}
	w.CardKeys = append(w.CardKeys, t.CardKeys...)
	t.Challenge.want(w)
	t.SUN.want(u, w, card, device)
}

// spendApprovalTap uses a tap up for the second confirmation of a payment. A card's message counts if it is fresh; a
// payment card's proof, if its challenge was given to this device for what the payer pays after the first confirmation.
// The challenge is used up whatever comes of it, so that nobody can go on trying with one.
func (u *Unit) spendApprovalTap(t *ApprovalTap, p payment.Payment, device payment.DeviceID) TapRefusal {
	card, _, known := u.cardOf(t.CardKeys)
	own := known && card.ID == p.Card
	if t.SUN.claimed() {
		switch {
		case !own || t.SUN.Version == 0:
			return TapNotOfPayment
		case !u.spendTap(&card, t.SUN):
			return TapWasUsed
		}
		u.watchSkimming(card, t.SUN, device)
		return ""
	}
	if t.Challenge.ID == "" {
		return TapNotOfPayment
	}
	c, _ := u.Challenges.Get(t.Challenge)
	forThis := c.Amount == p.Total() && !c.givenAt().Before(p.ConfirmedAt)
	if u.spendChallenge(t.Challenge, t.Assurance) != payment.Authentic || !own || !forThis {
		return TapNotOfPayment
	}
	return ""
}

// givenAt is when the device got the challenge.
func (c TapChallenge) givenAt() time.Time { return c.ExpiresAt.Add(-ChallengeLife) }

// sealedPrefix tells evidence that is sealed from a JWS, which begins otherwise.
const sealedPrefix = "sealed:"

// seal encrypts what was signed, so that only the service's keys open it.
func (e *Evidence) seal(keys *keyring.Keyring) {
	e.JWS = sealedPrefix + base64.RawURLEncoding.EncodeToString(keys.Seal(e.aad(), []byte(e.JWS)))
}

// Sealed reports whether only the service's keys open it: an approval with a tap.
func (e Evidence) Sealed() bool { return strings.HasPrefix(e.JWS, sealedPrefix) }

// Signed is what the person signed, as a compact JWS. keyring.ErrSealed if it was sealed with other keys, or for another
// payment or role.
func (e Evidence) Signed(keys *keyring.Keyring) (string, error) {
	text, sealed := strings.CutPrefix(e.JWS, sealedPrefix)
	if !sealed {
		return text, nil
	}
	box, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", keyring.ErrSealed
	}
	jws, err := keys.Unseal(e.aad(), box)
	return string(jws), err
}

// aad binds sealed evidence to its row.
func (e Evidence) aad() []byte {
	return []byte("evidence " + string(e.Payment) + " " + string(e.Role) + " " + string(e.Device))
}
