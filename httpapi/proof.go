package httpapi

import (
	"tapline/api"
	"tapline/card"
	"tapline/card/oda"
	"tapline/consent"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// tappedEMV reads the account number from what reader and card said to each other, and judges the card's proof. A device
// cannot name another number than the one that is proved, because it names none. Whatever is wrong with the proof or its
// challenge, the number was read, and is identified.
//
// The challenge is looked at twice: here, because verifying is no work for a database transaction, and in the command,
// which uses it up.
func (c *call) tappedEMV(t *consent.EMVTap, device payment.DeviceID, amount money.Amount) (tapped, error) {
	id := processor.ChallengeID{Device: device, ID: t.Challenge}
	challenge, open, err := c.openChallenge(id)
	if err != nil {
		return tapped{}, err
	}
	if amount != (money.Amount{}) && amount != challenge.Amount {
		open = false
	}
	finding, err := c.examine(t, challenge, open)
	if err != nil {
		return tapped{}, err
	}
	number := consent.AccountNumber(finding.Number.Reveal())
	if number.Check() != nil {
		return tapped{}, refuseField("invalid_field", "tap.emv.transcript")
	}
	read := tapped{
		kind: api.TapEMV, keys: processor.KeysOfNumber(c.Keys, number), last4: number.Last4(), assurance: payment.Identified,
		challenge: id,
	}
	if open && finding.Authentic {
		read.assurance = payment.Authentic
	}
	c.Log.Debug("card proof", "trace_id", c.trace, "challenge_open", open, "method", string(finding.Method),
		"authentic", finding.Authentic, "amount_signed", finding.AmountSigned, "why", finding.Why)
	return read, nil
}

// openChallenge finds a challenge that may still be used; without one it is zero.
func (c *call) openChallenge(id processor.ChallengeID) (found processor.TapChallenge, open bool, err error) {
	if id.ID == "" {
		return found, false, nil
	}
	rows, err := c.load(c.r.Context(), processor.Wants{Challenges: []processor.ChallengeID{id}})
	if err != nil || len(rows.Challenges) == 0 {
		return found, false, err
	}
	found = rows.Challenges[0]
	return found, found.Open(c.now()), nil
}

// examine reads a transcript, and verifies its proof if there is a challenge to verify it against.
func (c *call) examine(t *consent.EMVTap, challenge processor.TapChallenge, open bool) (oda.Finding, error) {
	transcript := make(card.Transcript, len(t.Transcript))
	for i, e := range t.Transcript {
		transcript[i] = card.Exchange{Command: e.Command.Bytes(), Response: e.Response.Bytes()}
	}
	asked := oda.Challenge{Amount: challenge.Amount.Minor, Currency: challenge.Amount.Currency.Number()}
	copy(asked.UnpredictableNumber[:], challenge.Number)
	authorities := c.Authorities
	if !open {
		authorities = nil
	}
	finding, err := oda.Examine(transcript, asked, authorities, c.now())
	if err != nil { // of which the device need not be told more
		return finding, refuseField("invalid_field", "tap.emv.transcript")
	}
	return finding, nil
}
