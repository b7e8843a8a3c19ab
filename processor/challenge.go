package processor

import (
	"time"

	"tapline/consent"
	"tapline/money"
	"tapline/payment"
)

// TapChallenge is a number that the service has chosen for one device to have a card sign once, together with an amount.
type TapChallenge struct {
	ChallengeID
	Number    []byte // four bytes
	Amount    money.Amount
	ExpiresAt time.Time
	UsedAt    time.Time // zero until a tap was presented with it
}

// ChallengeID names a challenge among those of its device: another device cannot name it.
type ChallengeID struct {
	Device payment.DeviceID
	ID     consent.ChallengeID
}

// How tap challenges live.
const (
	ChallengeLife     = 60 * time.Second
	ChallengesAtATime = 8 // of one device within that time, used or not
)

// Open reports whether a tap may still be presented with the challenge.
func (c TapChallenge) Open(now time.Time) bool { return c.UsedAt.IsZero() && now.Before(c.ExpiresAt) }

// ChallengeTap gives a device a challenge for its next tap.
type ChallengeTap struct {
	ID     ChallengeID
	Number []byte // random
	Amount money.Amount

	Challenge TapChallenge // result
}

// Wants names the device and its challenges.
func (c *ChallengeTap) Wants(_ *Unit, w *Wants) {
	w.Devices = append(w.Devices, c.ID.Device)
	w.Challenges = append(w.Challenges, c.ID)
	w.ChallengesOf = append(w.ChallengesOf, c.ID.Device)
}

// Do stores the challenge, unless the device had too many lately: whoever has let a card sign many numbers must not be
// able to ask until one of them comes, and so those that were used count as well.
func (c *ChallengeTap) Do(u *Unit) error {
	if _, err := u.actingDevice(c.ID.Device); err != nil {
		return err
	}
	lately := 0
	for _, id := range u.challengesOf[c.ID.Device] {
		if known, ok := u.Challenges.Get(id); ok && u.Now.Before(known.ExpiresAt) {
			lately++
		}
	}
	if lately >= ChallengesAtATime {
		return ErrTooManyChallenges
	}
	c.Challenge = TapChallenge{ChallengeID: c.ID, Number: c.Number, Amount: c.Amount, ExpiresAt: u.Now.Add(ChallengeLife)}
	u.Challenges.Put(c.ID, c.Challenge)
	return nil
}

// want names the challenge, if there is one.
func (id ChallengeID) want(w *Wants) {
	if id.ID != "" {
		w.Challenges = append(w.Challenges, id)
	}
}

// spendChallenge uses a challenge up, and returns the assurance of the tap that was presented with it: what its proof
// was found to say, if the challenge was still open, and otherwise that of a number that was only read. The challenge is
// staged, so that a proof counts once, from the commit of what the tap is used for.
func (u *Unit) spendChallenge(id ChallengeID, proved payment.Assurance) payment.Assurance {
	if id.ID == "" {
		return proved
	}
	c, ok := u.Challenges.Get(id)
	if !ok || !c.Open(u.Now) {
		return payment.Identified
	}
	c.UsedAt = u.Now
	u.Challenges.Put(id, c)
	return proved
}
