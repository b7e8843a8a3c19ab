// Package pcsc talks to smart-card readers through the operating system's PC/SC service. Where that is pcscd, it speaks
// protocol 4.4 of pcscd's own socket (pcsc-lite, winscard_msg.h), which pcscd 1.8 and later understand, so that no C
// library is needed. On Windows and macOS it calls the system's library.
package pcsc

import (
	"context"
	"errors"
	"time"
)

// ReaderName names a reader as pcscd does, like "ACS ACR122U 00 00". Empty stands for any reader.
type ReaderName string

// Reader is a reader at one moment.
type Reader struct {
	Name    ReaderName
	Present bool   // a card is in it
	ATR     []byte // of the card, nil if none is there or it has not been powered yet

	events uint32 // counts insertions and removals
}

// Close releases every call that waits and disconnects every card; both then fail with ErrClosed.
func (c *Client) Close() error {
	c.close(ErrClosed)
	return nil
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

func find(readers []Reader, name ReaderName) (Reader, bool) {
	for _, r := range readers {
		if r.Name == name {
			return r, true
		}
	}
	return Reader{}, false
}
