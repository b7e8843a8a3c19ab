package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tapline/card"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
)

// cardTap is what a card gave at a tap.
type cardTap struct {
	consent.Tap
	account consent.AccountNumber // as read here; empty where only the service knows it
}

// onto adds the tap to an order.
func (t cardTap) onto(order device.Order) (*device.Draft, error) {
	switch {
	case t.EMV != nil:
		return order.TapEMV(*t.EMV, t.account)
	case t.SUN != "":
		return order.TapSUN(t.SUN)
	}
	return order.Tap(t.account)
}

// proved is the tap of a card that is asked to prove itself to the service. What cannot be proved, or was not read from a
// card now, is tapped without.
func (f provingFlags) proved(a *app, client *device.Client, amount money.Amount) (cardTap, error) {
	challenges := &challenger{app: a, client: client, amount: amount}
	if f.SUNURL != "" || f.AccountFile != "" || f.Replay != "" || !challenges.offered() {
		tap, err := f.tapped(a, client.URL)
		return cardTap{tap, tap.Account}, err
	}
	var asked *device.TapChallenge
	reading, err := f.tap(a, func(ctx context.Context, t card.Transmitter, atr []byte) (card.Reading, error) {
		asked = challenges.fresh(ctx)
		return card.ReadAny(ctx, t, terminalFor(asked), atr)
	})
	if err != nil {
		return cardTap{}, err
	}
	var challenge consent.ChallengeID
	if asked != nil {
		challenge = asked.ID
	}
	tap, err := tapAt(client.URL, reading, challenge)
	return cardTap{tap, consent.AccountNumber(reading.Number.Reveal())}, err
}

// tapAt is what the service at an address takes of a reading. A message for another service stays here: it is good there,
// once.
func tapAt(service string, r card.Reading, challenge consent.ChallengeID) (consent.Tap, error) {
	tap, err := tapFrom(r, challenge)
	page := strings.TrimRight(service, "/") + "/t"
	if text := string(tap.SUN); text != "" && !strings.HasPrefix(text, page+"#") && !strings.HasPrefix(text, page+"?") {
		return consent.Tap{}, withHint(errors.New("this card is of another service"), "if it is not, give the service's own address with --url")
	}
	return tap, err
}

// tapFrom is what the service takes of a reading: the message of a card that proves itself by one; all that card and
// reader said with a challenge, unless that is more than the service takes; or the account number alone.
func tapFrom(r card.Reading, challenge consent.ChallengeID) (consent.Tap, error) {
	tap := consent.Tap{Account: consent.AccountNumber(r.Number.Reveal())}
	switch {
	case r.NDEF != nil && r.NDEF.Kind == card.MessageSUN:
		return consent.Tap{SUN: consent.SUNMessage(r.NDEF.Reveal())}, nil
	case r.Number.IsZero():
		return consent.Tap{}, fmt.Errorf("%w; it has a message for people", card.ErrNoAccount)
	case challenge != "" && len(r.Transcript) > 0:
		emv := &consent.EMVTap{Challenge: challenge}
		for _, e := range r.Transcript {
			emv.Transcript = append(emv.Transcript, consent.Exchange{
				Command: consent.NewAPDU(e.Command), Response: consent.NewAPDU(e.Response),
			})
		}
		if proof := (consent.Tap{EMV: emv}); proof.Validate() == nil {
			tap = proof
		}
	}
	return tap, nil
}

// terminalFor is what the card is told.
func terminalFor(c *device.TapChallenge) card.Terminal {
	if c == nil {
		return card.Terminal{}
	}
	return card.Terminal{
		Country: c.Country, Currency: c.Currency, Amount: c.Amount, UnpredictableNumber: c.UnpredictableNumber, Prove: true,
	}
}

// challenger asks the service for challenges.
type challenger struct {
	*app
	client *device.Client
	amount money.Amount

	last *device.TapChallenge // nil if there is none
	at   time.Time
}

// challengeUse is for how long a challenge is waited with: when a card comes later, there is another, so that its holder
// has time to read what they send.
const challengeUse = 20 * time.Second

// offered asks for a challenge before the card is there, if the service offers any.
func (c *challenger) offered() bool {
	service, err := c.client.Service(c.ctx)
	if err != nil || !service.CardProofs || c.amount.Minor > consent.MaxChallenge {
		return false
	}
	return c.fresh(c.ctx) != nil
}

// fresh is a challenge with most of its time left; nil if the service gives none, and then the card is read without.
func (c *challenger) fresh(ctx context.Context) *device.TapChallenge {
	if c.last != nil && time.Since(c.at) < challengeUse {
		return c.last
	}
	c.last = nil
	given, err := c.client.TapChallenge(ctx, c.amount)
	if err != nil {
		c.say("The card is read without proof: %v", err)
		return nil
	}
	c.last, c.at = &given, time.Now()
	return c.last
}
