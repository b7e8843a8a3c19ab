package cardtest

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// Control bytes of vpcd (vsmartcard, vpcd.h). Each message, both ways, is a 16-bit big-endian length and a payload.
const (
	controlPowerOff = 0x00
	controlPowerOn  = 0x01
	controlReset    = 0x02
	controlATR      = 0x04
)

// ServeVPCD puts a card into the virtual reader at addr, a vpcd like "127.0.0.1:35963". It returns nil when ctx ends,
// which removes the card, and an error if the reader cannot be reached or goes away. Within the call the card belongs
// to it.
func ServeVPCD(ctx context.Context, addr string, c Card) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("no virtual reader at %s; install vsmartcard-vpcd and start pcscd: %w", addr, err)
	}
	return serve(ctx, conn, c)
}

// serve plays the card on a connection and closes it.
func serve(ctx context.Context, conn net.Conn, c Card) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	input := bufio.NewReader(quickReader{conn})
	for {
		message, err := receive(input)
		if err == nil {
			err = answer(ctx, conn, c, message)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the virtual reader went away: %w", err)
		}
	}
}

func receive(input *bufio.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(input, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(input, message)
	return message, err
}

// answer does what one message asks for. Only the ATR and commands have an answer.
func answer(ctx context.Context, conn net.Conn, c Card, message []byte) error {
	var response []byte
	switch {
	case len(message) == 0:
		return nil
	case len(message) == 1 && message[0] == controlATR:
		response = c.ATR()
	case len(message) == 1:
		if message[0] == controlPowerOff || message[0] == controlPowerOn || message[0] == controlReset {
			c.Reset()
		}
		return nil
	default:
		var err error
		if response, err = c.Transmit(ctx, message); err != nil {
			return err
		}
	}
	frame := binary.BigEndian.AppendUint16(nil, uint16(len(response)))
	_, err := conn.Write(append(frame, response...))
	return err
}

// quickReader acknowledges at once what it reads. vpcd sends length and payload in two packets, and the second waits
// for the acknowledgement of the first: 40 ms for each command.
type quickReader struct{ conn net.Conn }

func (r quickReader) Read(p []byte) (int, error) {
	quickAck(r.conn)
	return r.conn.Read(p)
}
