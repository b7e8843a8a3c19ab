package device

import (
	"context"
	"encoding/json"

	"tapline/api"
	"tapline/internal/client"
)

// Types of events that say something about the stream and not about a payment or card.
const (
	// EventOpen says that the stream is open, after a break perhaps. Whoever lists what is there when it comes, and then
	// follows the events, misses nothing.
	EventOpen = client.OpenType
	// EventReset says that events were lost: list what is there.
	EventReset = "reset"
)

// Event is something that happened to a payment or card of this device. It only wakes: ask for the thing itself.
type Event struct {
	ID string // give it as lastID to resume after it
	api.Event
}

// Events gives every event after lastID to handle, one by one, and opens the stream again whenever it breaks. lastID is
// "" to begin now. It returns when ctx ends, when handle returns an error, or when the service refuses for good.
func (c *Client) Events(ctx context.Context, lastID string, handle func(Event) error) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	return conn.Stream(ctx, "/v1/events", lastID, func(raw client.Event) error {
		event := Event{ID: raw.ID}
		if len(raw.Data) > 0 && json.Unmarshal(raw.Data, &event.Event) != nil && raw.Type != EventReset {
			return ErrAnswer
		}
		if raw.Type != "" {
			event.Type = raw.Type
		}
		return handle(event)
	})
}
