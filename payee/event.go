package payee

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"tapline/api"
	"tapline/internal/client"
)

// EventReset is the type of the event that says that events were lost: list what is there.
const EventReset = "reset"

// Event is something that happened to the payee. It only wakes: ask for the thing itself.
type Event struct {
	ID string // give it as lastID to resume after it
	api.Event
}

// Events gives every event after lastID to handle, one by one, and opens the stream again whenever it breaks. lastID is "" to begin
// now. It returns when ctx ends, when handle returns an error, or when the service refuses for good.
func (c *Client) Events(ctx context.Context, lastID string, handle func(Event) error) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	return conn.StreamAs(ctx, c.APIKey, "/v1/events", lastID, func(raw client.Event) error {
		event := Event{ID: raw.ID}
		switch {
		case raw.Type == client.OpenType:
			return nil
		case raw.Type == EventReset:
			event.Type = EventReset
		case json.Unmarshal(raw.Data, &event.Event) != nil:
			return ErrAnswer
		}
		return handle(event)
	})
}

// NextEvents lists what has happened after a number, or waits as long for something, 25 seconds at most: what Events tells, for
// networks that no stream gets through. after is "" to begin, and the Next of the answer before from then on.
func (c *Client) NextEvents(ctx context.Context, after string, wait time.Duration) (events api.Events, err error) {
	query := url.Values{}
	if after != "" {
		query.Set("after", after)
	}
	err = c.wait(ctx, "/v1/events/next", query, wait, &events)
	return events, err
}
