//go:build !windows && !darwin

package pcsc

import (
	"cmp"
	"context"
	"os"
)

// DefaultSocket is where pcscd listens. The environment variable PCSCLITE_CSOCK_NAME names another place.
const DefaultSocket = "/run/pcscd/pcscd.comm"

// serviceHint says what to do without a service.
const serviceHint = "is pcscd running? try: apt-get install pcscd; systemctl start pcscd"

// Client finds readers and cards. It may be used by several goroutines. It keeps no connection between calls: after
// a restart of pcscd, the next call works again.
type Client struct {
	socket string
	ctx    context.Context // ends with Close
	close  context.CancelCauseFunc
}

// Dial checks that pcscd answers at socket. If that is empty, PCSCLITE_CSOCK_NAME counts, then DefaultSocket. If
// pcscd does not answer, the error is an *Error with code NoService.
func Dial(ctx context.Context, socket string) (*Client, error) {
	c := &Client{socket: cmp.Or(socket, os.Getenv("PCSCLITE_CSOCK_NAME"), DefaultSocket)}
	c.ctx, c.close = context.WithCancelCause(context.Background())
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	conn.close()
	return c, nil
}

// Readers lists the readers in pcscd's order; there may be none.
func (c *Client) Readers(ctx context.Context) ([]Reader, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.close()
	answer, err := conn.call(ctx, "list readers", cmdReaderStates, nil, statesLength)
	if err != nil {
		return nil, err
	}
	return parseReaders(answer), nil
}

// wait returns what done accepts, asking again at each change. Its connection is its own, so closing it is enough to
// give up.
func (c *Client) wait(ctx context.Context, op string, done func([]Reader) (Reader, bool, error)) (Reader, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return Reader{}, err
	}
	defer conn.close()
	for {
		// pcscd answers with the state of all readers at once, and with eight bytes more when it has changed.
		answer, err := conn.call(ctx, op, cmdWaitForChange, nil, statesLength)
		if err != nil {
			return Reader{}, err
		}
		reader, ok, err := done(parseReaders(answer))
		if ok || err != nil {
			return reader, err
		}
		if _, err = conn.receive(ctx, op, 8); err != nil {
			return Reader{}, err
		}
	}
}
