// Package pcsc talks to smart-card readers through pcscd, the PC/SC service of Unix systems. It speaks protocol 4.4 of
// pcscd's own socket (pcsc-lite, winscard_msg.h), which pcscd 1.8 and later understand, so that no C library is needed.
package pcsc

import (
	"cmp"
	"context"
	"errors"
	"os"
	"time"
)

// DefaultSocket is where pcscd listens. The environment variable PCSCLITE_CSOCK_NAME names another place.
const DefaultSocket = "/run/pcscd/pcscd.comm"

// ReaderName names a reader as pcscd does, like "ACS ACR122U 00 00". Empty stands for any reader.
type ReaderName string

// Reader is a reader at one moment.
type Reader struct {
	Name    ReaderName
	Present bool   // a card is in it
	ATR     []byte // of the card, nil if none is there or it has not been powered yet

	events uint32 // counts insertions and removals
}

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

// Close releases every call that waits and disconnects every card; both then fail with ErrClosed.
func (c *Client) Close() error {
	c.close(ErrClosed)
	return nil
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

// WaitForCard waits until a card is in the named reader, or in any reader if name is empty, and returns that reader.
// It returns at once if there is one already. Without a reader it waits for one to be plugged in, but a named reader
// that is not there is an *Error with code UnknownReader. If pcscd ends meanwhile, the error has code NoService.
func (c *Client) WaitForCard(ctx context.Context, name ReaderName) (Reader, error) {
	return c.wait(ctx, "wait for a card", func(readers []Reader) (Reader, bool, error) {
		for _, r := range readers {
			if r.Present && (name == "" || r.Name == name) {
				return r, true, nil
			}
		}
		if _, found := find(readers, name); name != "" && !found {
			return Reader{}, false, &Error{Op: "wait for a card in " + string(name), Code: UnknownReader}
		}
		return Reader{}, false, nil
	})
}

// Bounds on the pauses between attempts to reach pcscd again.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// AwaitCard is WaitForCard that outlives a restart of pcscd and an unplugged reader: it tries again with growing pauses
// until ctx ends. lost, which may be nil, is called once with what was lost, as an *Error. Other errors are as of
// WaitForCard; if ctx ends meanwhile, the error is its cause.
func (c *Client) AwaitCard(ctx context.Context, name ReaderName, lost func(error)) (Reader, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		reader, err := c.WaitForCard(ctx, name)
		if err == nil || !canReturn(err) {
			return reader, err
		}
		if lost != nil {
			lost(err)
			lost = nil
		}
		select {
		case <-ctx.Done():
			return Reader{}, context.Cause(ctx)
		case <-c.ctx.Done():
			return Reader{}, ErrClosed
		case <-time.After(pause):
		}
	}
}

// canReturn reports errors of a service or a reader that may come back.
func canReturn(err error) bool {
	for _, code := range []Code{NoService, ServiceStopped, UnknownReader, ReaderUnavailable, NoReaders, SystemCancelled} {
		if errors.Is(err, &Error{Code: code}) {
			return true
		}
	}
	return false
}

// WaitForRemoval waits until the card that was in reader, as WaitForCard returned it, is gone, even if another has
// taken its place. A reader that is unplugged takes its card with it.
func (c *Client) WaitForRemoval(ctx context.Context, reader Reader) error {
	_, err := c.wait(ctx, "wait for removal of the card", func(readers []Reader) (Reader, bool, error) {
		now, found := find(readers, reader.Name)
		return now, !found || !now.Present || now.events != reader.events, nil
	})
	return err
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

func find(readers []Reader, name ReaderName) (Reader, bool) {
	for _, r := range readers {
		if r.Name == name {
			return r, true
		}
	}
	return Reader{}, false
}
