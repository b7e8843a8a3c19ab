//go:build !windows && !darwin

package pcsc

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// Commands of pcscd's socket (winscard_msg.h, enum pcsc_msg_commands).
const (
	cmdEstablishContext = 0x01
	cmdConnect          = 0x04
	cmdDisconnect       = 0x06
	cmdBegin            = 0x07
	cmdEnd              = 0x08
	cmdTransmit         = 0x09
	cmdVersion          = 0x11
	cmdReaderStates     = 0x12
	cmdWaitForChange    = 0x13
)

// Sizes of what pcscd sends (winscard_msg.h, pcsclite.h).
const (
	nameLength   = 128
	stateLength  = 184
	maxReaders   = 16
	statesLength = maxReaders * stateLength
	maxATR       = 33
)

const (
	versionMajor = 4
	versionMinor = 4
)

// conn is one connection to pcscd. Numbers on it are in the byte order of the machine. It is for one goroutine.
type conn struct {
	net.Conn
	client *Client
	detach func() bool // of Close of the client
}

func (c *Client) dial(ctx context.Context) (*conn, error) {
	if err := context.Cause(c.ctx); err != nil {
		return nil, err
	}
	raw, err := new(net.Dialer).DialContext(ctx, "unix", c.socket)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &Error{Op: "connect to pcscd", Code: NoService, Cause: err}
	}
	co := &conn{Conn: raw, client: c}
	co.detach = context.AfterFunc(c.ctx, func() { raw.Close() })
	answer, err := co.call(ctx, "agree on a protocol", cmdVersion, words(versionMajor, versionMinor, 0), 12)
	if err == nil {
		err = status("agree on a protocol 4.4", answer)
	}
	if err != nil {
		co.close()
		return nil, err
	}
	return co, nil
}

func (co *conn) close() {
	co.detach()
	co.Conn.Close()
}

// call sends one request and reads an answer of a fixed length.
func (co *conn) call(ctx context.Context, op string, command uint32, body []byte, length int) ([]byte, error) {
	return co.callWith(ctx, op, command, body, nil, length)
}

// callWith is call with data behind the request that are not counted as its body.
func (co *conn) callWith(ctx context.Context, op string, command uint32, body, extra []byte, length int) ([]byte, error) {
	request := append(words(uint32(len(body)), command), body...)
	request = append(request, extra...)
	err := co.guard(ctx, op, func() error {
		_, err := co.Write(request)
		return err
	})
	if err != nil {
		return nil, err
	}
	return co.receive(ctx, op, length)
}

func (co *conn) receive(ctx context.Context, op string, length int) ([]byte, error) {
	answer := make([]byte, length)
	err := co.guard(ctx, op, func() error {
		_, err := io.ReadFull(co, answer)
		return err
	})
	return answer, err
}

// guard runs an operation on the connection that the end of ctx interrupts. An interrupted connection is out of step
// and gets closed.
func (co *conn) guard(ctx context.Context, op string, operate func() error) error {
	stop := context.AfterFunc(ctx, func() { co.SetDeadline(time.Unix(1, 0)) })
	err := operate()
	if !stop() {
		co.close()
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	if err == nil {
		return nil
	}
	co.close()
	if closed := context.Cause(co.client.ctx); closed != nil {
		return closed
	}
	return &Error{Op: op, Code: NoService, Cause: err}
}

// status turns the code in the last word of an answer into an error.
func status(op string, answer []byte) error {
	if code := Code(word(answer, len(answer)-4)); code != 0 {
		return &Error{Op: op, Code: code}
	}
	return nil
}

func parseReaders(states []byte) []Reader {
	const (
		eventsAt = nameLength
		stateAt  = eventsAt + 4
		atrAt    = stateAt + 8 // after the number of sharers
		lengthAt = stateLength - 8
		present  = 0x04
	)
	var readers []Reader
	for at := 0; at < statesLength; at += stateLength {
		state := states[at : at+stateLength]
		name, _, _ := bytes.Cut(state[:nameLength], []byte{0})
		if len(name) == 0 {
			continue
		}
		reader := Reader{Name: ReaderName(name), Present: word(state, stateAt)&present != 0, events: word(state, eventsAt)}
		if n := word(state, lengthAt); reader.Present && n > 0 && n <= maxATR {
			reader.ATR = bytes.Clone(state[atrAt : atrAt+n])
		}
		readers = append(readers, reader)
	}
	return readers
}

func words(values ...uint32) []byte {
	var raw []byte
	for _, v := range values {
		raw = binary.NativeEndian.AppendUint32(raw, v)
	}
	return raw
}

func word(raw []byte, at int) uint32 { return binary.NativeEndian.Uint32(raw[at:]) }
