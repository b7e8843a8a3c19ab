package payee

import (
	"context"
	"net/url"
	"time"

	"tapline/api"
)

// Self tells whose the client's API key is, and what it may do.
func (c *Client) Self(ctx context.Context) (self api.Self, err error) {
	err = c.read(ctx, "/v1/payee", nil, &self)
	return self, err
}

// Keys lists the payee's API keys, newest first. This and the rest about keys needs a key with the scope keys.
func (c *Client) Keys(ctx context.Context) ([]api.APIKey, error) {
	var list api.APIKeys
	err := c.read(ctx, "/v1/api-keys", nil, &list)
	return list.APIKeys, err
}

// MakeKey makes an API key, with no scope that the client's own key has not, and for no longer than that. Its text is in the
// answer, and nowhere else.
func (c *Client) MakeKey(ctx context.Context, in api.NewAPIKey) (api.APIKey, error) {
	return write[api.APIKey](ctx, c, "/v1/api-keys", in)
}

// RotateKey makes a key in the place of one, which works until the overlap is over. The client goes on with its APIKey: if
// that was rotated, make another Client with the new one.
func (c *Client) RotateKey(ctx context.Context, id string, overlap time.Duration) (api.APIKey, error) {
	seconds := int64(overlap / time.Second)
	return write[api.APIKey](ctx, c, "/v1/api-keys/"+url.PathEscape(id)+"/rotate", api.Rotation{Overlap: &seconds})
}

// RevokeKey ends a key at once.
func (c *Client) RevokeKey(ctx context.Context, id string) (api.APIKey, error) {
	return write[api.APIKey](ctx, c, "/v1/api-keys/"+url.PathEscape(id)+"/revoke", nil)
}

// Passkeys lists the passkeys that stand for the API key when a person signs in to the till with one.
func (c *Client) Passkeys(ctx context.Context) (list api.SignInPasskeys, err error) {
	err = c.read(ctx, "/v1/sign-in-passkeys", nil, &list)
	return list, err
}

// RemovePasskey ends a passkey, and whoever is signed in with it. What is made in a browser has to be registered there.
func (c *Client) RemovePasskey(ctx context.Context, credential string) (api.SignInPasskey, error) {
	return write[api.SignInPasskey](ctx, c, "/v1/sign-in-passkeys/remove", api.SignInPasskeyRemoval{Credential: credential})
}
