//go:build !windows && !darwin

package pcsc

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Values of winscard.h.
const (
	scopeSystem   = 2
	shareShared   = 2
	protocolT0    = 1
	protocolT1    = 2
	leaveCard     = 0
	resetCard     = 1
	controlLength = 16    // SCARD_IO_REQUEST on 64-bit machines; pcscd does not look at it
	maxResponse   = 65548 // MAX_BUFFER_SIZE_EXTENDED
)

// sharingPoll is how often a call is tried again while another program holds the card, as pcsc-lite's own client does
// (PCSCLITE_LOCK_POLL_RATE), since pcscd gives no signal.
const sharingPoll = 100 * time.Millisecond

// disconnectTimeout bounds how long a busy pcscd may delay Disconnect.
const disconnectTimeout = time.Second

// Card is a connected card, a card.Transmitter. It is for one goroutine, and has a connection to pcscd of its own: an
// interrupted command disturbs no other card.
type Card struct {
	conn     *conn
	handle   uint32
	protocol uint32
}

// Connect powers the card in the reader and shares it with other programs; see Begin. Errors are *Error: NoCard if
// none is there, UnresponsiveCard if it does not answer.
func (c *Client) Connect(ctx context.Context, reader ReaderName) (*Card, error) {
	if len(reader) == 0 || len(reader) >= nameLength {
		return nil, &Error{Op: fmt.Sprintf("connect to reader %q", string(reader)), Code: UnknownReader}
	}
	op := "connect to the card in " + string(reader)
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := conn.call(ctx, op, cmdEstablishContext, words(scopeSystem, 0, 0), 12)
	if err == nil {
		err = status(op, answer)
	}
	if err != nil {
		conn.close()
		return nil, err
	}
	name := make([]byte, nameLength)
	copy(name, reader)
	body := append(words(word(answer, 4)), name...)
	body = append(body, words(shareShared, protocolT0|protocolT1, 0, 0, 0)...)
	answer, err = conn.call(ctx, op, cmdConnect, body, len(body))
	if err == nil {
		err = status(op, answer)
	}
	if err != nil {
		conn.close()
		return nil, err
	}
	return &Card{conn: conn, handle: word(answer, len(body)-12), protocol: word(answer, len(body)-8)}, nil
}

// Transmit sends one command APDU and returns the response with its status word. Errors are *Error, card.ErrRemoved
// among them (errors.Is), or the cause of ctx; after that one the card is disconnected.
func (c *Card) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	const op = "transmit to the card"
	if c.protocol == protocolT0 && len(command) > 5 && len(command) == 5+int(command[4])+1 {
		command = command[:len(command)-1] // T=0 has no Le behind data; the answer is 61xx (ISO/IEC 7816-3 §12.2)
	}
	body := words(c.handle, c.protocol, controlLength, uint32(len(command)), c.protocol, controlLength, maxResponse, 0)
	var response []byte
	err := c.patiently(ctx, func() error {
		answer, err := c.conn.callWith(ctx, op, cmdTransmit, body, command, len(body))
		if err == nil {
			err = status(op, answer)
		}
		if err != nil {
			return err
		}
		length := word(answer, 24)
		if length > maxResponse {
			c.conn.close()
			return &Error{Op: op, Code: CommError, Cause: fmt.Errorf("response of %d bytes", length)}
		}
		if response, err = c.conn.receive(ctx, op, int(length)); err == nil && length < 2 {
			return &Error{Op: op, Code: NotTransacted} // drivers say so of a card that left meanwhile
		}
		return err
	})
	return response, err
}

// Begin keeps other programs from the card until End. It waits for the one that has it.
func (c *Card) Begin(ctx context.Context) error {
	return c.patiently(ctx, func() error {
		return c.simple(ctx, "begin to use the card", cmdBegin, c.handle, 0)
	})
}

// End lets other programs use the card again.
func (c *Card) End(ctx context.Context) error {
	return c.simple(ctx, "end to use the card", cmdEnd, c.handle, leaveCard, 0)
}

// Disconnect resets the card, so that the next reading begins afresh, and releases it. It waits a second at most.
func (c *Card) Disconnect() error {
	ctx, cancel := context.WithTimeout(context.Background(), disconnectTimeout)
	defer cancel()
	defer c.conn.close()
	err := c.simple(ctx, "disconnect the card", cmdDisconnect, c.handle, resetCard, 0)
	if errors.Is(err, &Error{Code: NoService}) || errors.Is(err, ErrClosed) {
		return nil // the connection is gone, and with it pcscd let go of the card
	}
	return err
}

func (c *Card) simple(ctx context.Context, op string, command uint32, body ...uint32) error {
	answer, err := c.conn.call(ctx, op, command, words(body...), 4*len(body))
	if err != nil {
		return err
	}
	return status(op, answer)
}

// patiently tries again while another program holds the card.
func (c *Card) patiently(ctx context.Context, try func() error) error {
	for {
		err := try()
		if !errors.Is(err, &Error{Code: SharingViolation}) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-c.conn.client.ctx.Done():
			return ErrClosed
		case <-time.After(sharingPoll):
		}
	}
}
