package operator

import (
	"context"
	"net/url"

	"tapline/api"
	"tapline/consent"
)

// Invite lets somebody enrol as an operator within a day, in a browser or with EnrolFirst. It is told once: hand it over
// where nobody else sees it.
func (c *Client) Invite(ctx context.Context, note string) (api.Invite, error) {
	return write[api.Invite](ctx, c, "/v1/admin/invites", api.Noted{Note: note})
}

// Confirm lets an operator act whom another one has enrolled.
func (c *Client) Confirm(ctx context.Context, id, note string) (api.Operator, error) {
	return write[api.Operator](ctx, c, "/v1/admin/operators/"+url.PathEscape(id)+"/confirm", api.Noted{Note: note})
}

// Remove takes an operator's right to act away, for ever, or refuses one who waits to be confirmed.
func (c *Client) Remove(ctx context.Context, id, note string) (api.Operator, error) {
	return write[api.Operator](ctx, c, "/v1/admin/operators/"+url.PathEscape(id)+"/remove", api.Noted{Note: note})
}

// RegisterPasskey registers a passkey that signs in as this operator. create has it made, as navigator.credentials.create does,
// for a WebAuthn challenge and user handle, with its user verified.
func (c *Client) RegisterPasskey(ctx context.Context, label string, create func(challenge []byte, owner string) (consent.PasskeyCreation, error)) (api.SignInPasskey, error) {
	challenge, err := write[api.SignInChallenge](ctx, c, "/v1/sign-in-challenges", nil)
	if err != nil {
		return api.SignInPasskey{}, err
	}
	list, err := c.Passkeys(ctx)
	if err != nil {
		return api.SignInPasskey{}, err
	}
	made, err := create(consent.SignInRegistrationChallenge(list.Owner, challenge.Audience, challenge.Challenge), list.Owner)
	if err != nil {
		return api.SignInPasskey{}, err
	}
	return write[api.SignInPasskey](ctx, c, "/v1/sign-in-passkeys",
		api.NewSignInPasskey{Challenge: challenge.Challenge, Label: label, Passkey: made})
}

// Passkeys lists this operator's passkeys.
func (c *Client) Passkeys(ctx context.Context) (api.SignInPasskeys, error) {
	return read[api.SignInPasskeys](ctx, c, "/v1/sign-in-passkeys", nil)
}

// RemovePasskey ends the use of one of this operator's passkeys, and what it has signed in to.
func (c *Client) RemovePasskey(ctx context.Context, credential string) (api.SignInPasskey, error) {
	return write[api.SignInPasskey](ctx, c, "/v1/sign-in-passkeys/remove", api.SignInPasskeyRemoval{Credential: credential})
}
