package operator

import (
	"context"
	"net/url"

	"tapline/api"
)

// CloseDay closes a UTC day, such as 2026-03-01, for ever.
func (c *Client) CloseDay(ctx context.Context, day, note string) (api.ClosedDay, error) {
	return write[api.ClosedDay](ctx, c, "/v1/admin/days/"+url.PathEscape(day)+"/close", api.Noted{Note: note})
}

// ClosedDays is a page of closed days, newest first, before a day or from the newest on.
func (c *Client) ClosedDays(ctx context.Context, after string) (api.ClosedDays, error) {
	return read[api.ClosedDays](ctx, c, "/v1/admin/days", page(after))
}
