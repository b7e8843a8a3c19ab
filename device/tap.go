package device

import (
	"context"
	"encoding/hex"
	"strconv"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
)

// TapChallenge is what the reader tells a payment card at the next tap, so that it proves itself to the service.
type TapChallenge struct {
	ID                  consent.ChallengeID
	UnpredictableNumber [4]byte
	Amount              int64  // minor units of Currency
	Currency            uint16 // ISO 4217 numeric
	Country             uint16 // ISO 3166-1 numeric
	ExpiresIn           int    // seconds
}

// TapChallenge asks for a challenge for a tap that is to pay amount. Nothing but the amount is sent.
func (c *Client) TapChallenge(ctx context.Context, amount money.Amount) (TapChallenge, error) {
	if err := (&consent.TapChallenge{Amount: amount}).Validate(); err != nil {
		return TapChallenge{}, err
	}
	answer, err := write[api.TapChallenge](ctx, c, "/v1/tap-challenges", consent.TypTapChallenge, func(claims consent.Claims) any {
		return &consent.TapChallenge{Claims: claims, Amount: amount}
	})
	if err != nil {
		return TapChallenge{}, err
	}
	return parseChallenge(answer, amount)
}

// parseChallenge takes no challenge for another amount than was asked for.
func parseChallenge(a api.TapChallenge, amount money.Amount) (TapChallenge, error) {
	number, err := hex.DecodeString(a.UnpredictableNumber)
	if err != nil || len(number) != 4 || [4]byte(number) == [4]byte{} {
		return TapChallenge{}, ErrAnswer
	}
	minor, err := strconv.ParseInt(a.Amount, 10, 64)
	if err != nil || minor != amount.Minor {
		return TapChallenge{}, ErrAnswer
	}
	currency, err := strconv.ParseUint(a.Currency, 10, 16)
	if err != nil || uint16(currency) != amount.Currency.Number() {
		return TapChallenge{}, ErrAnswer
	}
	country, err := strconv.ParseUint(a.Country, 10, 16)
	if err != nil || country == 0 || country > 999 {
		return TapChallenge{}, ErrAnswer
	}
	return TapChallenge{
		ID: consent.ChallengeID(a.ID), UnpredictableNumber: [4]byte(number), Amount: minor, Currency: uint16(currency),
		Country: uint16(country), ExpiresIn: a.ExpiresIn,
	}, nil
}

// Tap asks what the card is that was tapped. A tap that proves the card is used up.
func (c *Client) Tap(ctx context.Context, tap consent.Tap) (api.Tap, error) {
	if err := tap.Validate(); err != nil {
		return api.Tap{}, err
	}
	return write[api.Tap](ctx, c, "/v1/taps", consent.TypTap, func(claims consent.Claims) any {
		return &consent.Presentation{Claims: claims, Tap: tap}
	})
}
