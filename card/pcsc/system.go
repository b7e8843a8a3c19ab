//go:build windows || darwin

package pcsc

import (
	"context"
)

// Client finds readers and cards. It may be used by several goroutines. It keeps nothing between calls.
type Client struct {
	library *winscard
	ctx     context.Context // ends with Close
	close   context.CancelCauseFunc
}

// Dial loads the system's library. There is no socket to name. If the library cannot be loaded, the error is an *Error
// with code NoService.
func Dial(ctx context.Context, socket string) (*Client, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	library, err := load()
	if err != nil {
		return nil, &Error{Op: "load the smart card library", Code: NoService, Cause: err}
	}
	c := &Client{library: library}
	c.ctx, c.close = context.WithCancelCause(context.Background())
	return c, nil
}

// Readers lists the readers in the system's order; there may be none.
func (c *Client) Readers(ctx context.Context) ([]Reader, error) {
	if err := context.Cause(c.ctx); err != nil {
		return nil, err
	}
	return c.library.readers()
}

// wait returns what done accepts, asking again at each change.
func (c *Client) wait(ctx context.Context, op string, done func([]Reader) (Reader, bool, error)) (Reader, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(ErrClosed) })()
	return c.library.wait(ctx, op, done)
}

// Card is a connected card, a card.Transmitter, for one goroutine.
type Card struct{ *systemCard }

// Connect powers the card in the reader and shares it with other programs; see Begin. Errors are *Error: NoCard if
// none is there, UnresponsiveCard if it does not answer.
func (c *Client) Connect(ctx context.Context, reader ReaderName) (*Card, error) {
	connected, err := c.library.connect(ctx, reader, func() error { return context.Cause(c.ctx) })
	if err != nil {
		return nil, err
	}
	return &Card{connected}, nil
}
