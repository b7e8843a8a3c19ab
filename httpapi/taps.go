package httpapi

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/processor"
)

// defaultCountry is the terminal country where none is configured: 156, China (ISO 3166-1).
const defaultCountry = 156

// challengeTap is POST /v1/tap-challenges.
func (c *call) challengeTap() (answer, error) {
	var m consent.TapChallenge
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	command := &processor.ChallengeTap{
		ID:     processor.ChallengeID{Device: device, ID: consent.ChallengeID(consent.NewID())},
		Number: newUnpredictable(), Amount: m.Amount,
	}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: command, Answer: func(now time.Time) (int, []byte) {
		return http.StatusCreated, encode(c.challengeView(command.Challenge, now))
	}})
}

// newUnpredictable is a random number of four bytes, but not zero: programs take that for none.
func newUnpredictable() []byte {
	number := make([]byte, 4)
	for [4]byte(number) == [4]byte{} {
		rand.Read(number) // never fails
	}
	return number
}

func (s *Service) challengeView(c processor.TapChallenge, now time.Time) api.TapChallenge {
	return api.TapChallenge{
		ID: string(c.ID), UnpredictableNumber: strings.ToUpper(hex.EncodeToString(c.Number)),
		Amount: fmt.Sprintf("%012d", c.Amount.Minor), Currency: fmt.Sprintf("%04d", c.Amount.Currency.Number()),
		Country: fmt.Sprintf("%04d", s.TerminalCountry), ExpiresIn: int(c.ExpiresAt.Sub(now) / time.Second),
	}
}

// presentTap is POST /v1/taps.
func (c *call) presentTap() (answer, error) {
	var m consent.Presentation
	device, key, err := c.signed(&m)
	if err != nil {
		return answer{}, err
	}
	tap, err := c.tapped(m.Tap, device, money.Amount{})
	if err != nil {
		return answer{}, err
	}
	command := &processor.Present{
		Device: device, CardKeys: tap.keys, Assurance: tap.assurance, SUN: tap.sun, Challenge: tap.challenge,
	}
	return c.do(processor.Request{Key: key, Digest: c.digest(m), Command: command, Answer: func(time.Time) (int, []byte) {
		view := api.Tap{Kind: tap.kind, CardAccount: consent.MaskLast4(tap.last4), Assurance: string(command.Assured)}
		if command.Known {
			known := command.Card
			view.CardAccount = consent.MaskLast4(known.Last4)
			view.Card = &api.KnownCard{ID: string(known.ID), Label: known.Label, State: string(known.State)}
		}
		return http.StatusOK, encode(view)
	}})
}
