package operator

import (
	"context"
	"net/url"
	"time"

	"tapline/api"
	"tapline/consent"
)

// PayeeKeys lists the API keys of a payee, newest first, with those that ended in the last 30 days.
func (c *Client) PayeeKeys(ctx context.Context, handle string) ([]api.APIKey, error) {
	if err := consent.CheckHandle(handle); err != nil {
		return nil, err
	}
	list, err := read[api.APIKeys](ctx, c, keysPath(handle), nil)
	return list.APIKeys, err
}

// MakePayeeKey makes an API key for a payee. Its text is in the answer, and nowhere else.
func (c *Client) MakePayeeKey(ctx context.Context, handle string, in api.NewAPIKey) (api.APIKey, error) {
	if err := consent.CheckHandle(handle); err != nil {
		return api.APIKey{}, err
	}
	return write[api.APIKey](ctx, c, keysPath(handle), in)
}

// RotatePayeeKey makes a key in the place of one, which works until the overlap is over.
func (c *Client) RotatePayeeKey(ctx context.Context, handle, id string, overlap time.Duration, note string) (api.APIKey, error) {
	if err := consent.CheckHandle(handle); err != nil {
		return api.APIKey{}, err
	}
	seconds := int64(overlap / time.Second)
	return write[api.APIKey](ctx, c, keysPath(handle)+"/"+url.PathEscape(id)+"/rotate", api.Rotation{Overlap: &seconds, Note: note})
}

// RevokePayeeKey ends a payee's API key at once.
func (c *Client) RevokePayeeKey(ctx context.Context, handle, id, note string) (api.APIKey, error) {
	if err := consent.CheckHandle(handle); err != nil {
		return api.APIKey{}, err
	}
	return write[api.APIKey](ctx, c, keysPath(handle)+"/"+url.PathEscape(id)+"/revoke", api.Noted{Note: note})
}

func keysPath(handle string) string {
	return payeePath(handle) + "/api-keys"
}
