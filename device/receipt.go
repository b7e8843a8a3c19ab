package device

import (
	"context"

	"tapline/api"
	"tapline/consent"
)

// Receipt is a receipt whose signature was checked.
type Receipt struct {
	consent.Receipt
	Compact string // the signed text: what to keep
}

// Receipt fetches the signed receipt of a settled payment and checks it with the service's public keys, as fetched from
// the service: that it is signed by them, for this service, environment and payment. Later refunds do not show in it.
func (c *Client) Receipt(ctx context.Context, id consent.PaymentID) (Receipt, error) {
	if err := id.Check(); err != nil {
		return Receipt{}, err
	}
	answer, err := read[api.Receipt](ctx, c, paymentPath(id)+"/receipt", nil, 0)
	if err != nil {
		return Receipt{}, err
	}
	conn, err := c.connect()
	if err != nil {
		return Receipt{}, err
	}
	service, err := conn.Service(ctx)
	if err != nil {
		return Receipt{}, err
	}
	var keys []byte
	if err := conn.Get(ctx, "/.well-known/jwks.json", &keys); err != nil {
		return Receipt{}, err
	}
	r, err := consent.VerifyReceipt(keys, answer.Receipt)
	if err != nil {
		return Receipt{}, err
	}
	err = differs(
		fact{"iss", r.Issuer == conn.Origin()},
		fact{"environment", r.Environment == service.Environment},
		fact{"payment", r.Payment == id},
	)
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{Receipt: r, Compact: answer.Receipt}, nil
}
