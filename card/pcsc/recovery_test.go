//go:build linux

package pcsc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/pcsc"
)

// place makes the socket of a pcscd reachable at path, as a pcscd that is started there is.
func place(t *testing.T, socket, path string) {
	t.Helper()
	if err := os.Symlink(socket, path+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestWaitOutlivesARestartOfPcscdAndTellsOnce(t *testing.T) {
	first, _ := startReader(t)
	path := filepath.Join(t.TempDir(), "pcscd.comm")
	place(t, first.Socket(), path)
	client, err := pcsc.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	lost := make(chan error, 8)
	found := make(chan pcsc.Reader, 1)
	failed := make(chan error, 1)
	ctx := deadline(t)
	go func() {
		in, err := client.AwaitCard(ctx, "", func(err error) { lost <- err })
		if err != nil {
			failed <- err
			return
		}
		found <- in
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-lost:
		if !errors.Is(err, &pcsc.Error{Code: pcsc.NoService}) {
			t.Errorf("told %v, want no service", err)
		}
	case err := <-failed:
		t.Fatalf("gave up: %v", err)
	case <-ctx.Done():
		t.Fatal("did not notice the end of pcscd")
	}
	second, _ := startReader(t)
	place(t, second.Socket(), path)
	if err := second.Insert(ctx, &cardtest.EMV{}); err != nil {
		t.Fatal(err)
	}
	select {
	case in := <-found:
		c, err := client.Connect(ctx, in.Name)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Disconnect()
		if got, err := card.Read(ctx, c, card.Terminal{}); err != nil || got.Number.IsZero() {
			t.Errorf("read %v, %v", got, err)
		}
	case err := <-failed:
		t.Fatalf("gave up: %v", err)
	}
	if len(lost) > 0 {
		t.Errorf("told again: %v", <-lost)
	}
	client.Close()
	requireNoGoroutine(t)
}

func TestWaitWithoutPcscdEndsWithItsContext(t *testing.T) {
	reader, client := startReader(t)
	reason := errors.New("nobody tapped")
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := client.AwaitCard(ctx, "", func(error) { cancel(reason) })
	if !errors.Is(err, reason) {
		t.Errorf("got %v, want %v", err, reason)
	}
	client.Close()
	if _, err := client.AwaitCard(t.Context(), "", nil); !errors.Is(err, pcsc.ErrClosed) {
		t.Errorf("closed: got %v, want ErrClosed", err)
	}
	requireNoGoroutine(t)
}

func TestPcscdThatEndsInTheMiddleOfReadingIsAClearError(t *testing.T) {
	reader, client := startReader(t)
	ctx := deadline(t)
	virtual := &pulled{pull: func() { syscall.Kill(reader.PID(), syscall.SIGKILL) }}
	if err := reader.Insert(ctx, virtual); err != nil {
		t.Fatal(err)
	}
	_, c := connect(t, client, "")
	got, err := card.Read(ctx, c, card.Terminal{})
	if !errors.Is(err, &pcsc.Error{Code: pcsc.NoService}) || errors.Is(err, card.ErrRemoved) || got.APDUs != 3 {
		t.Errorf("read %v, %v; want no service at command 3", got, err)
	}
	if err := c.Disconnect(); err != nil {
		t.Errorf("disconnect: %v", err)
	}
	requireNoGoroutine(t)
}

// long is a card whose answers are longer than any short APDU.
type long struct{ cardtest.EMV }

func (*long) Transmit(context.Context, []byte) ([]byte, error) {
	return append(bytes.Repeat([]byte{0x70}, 60000), 0x90, 0x00), nil
}

func TestAnswerOf60KilobytesIsMalformedAndHurtsNobody(t *testing.T) {
	reader, client := startReader(t)
	ctx := deadline(t)
	if err := reader.Insert(ctx, &long{}); err != nil {
		t.Fatal(err)
	}
	_, c := connect(t, client, "")
	got, err := card.Read(ctx, c, card.Terminal{})
	if err == nil || !got.Number.IsZero() {
		t.Errorf("read %v, %v; want an error", got, err)
	}
	t.Log(err)
	if raw, err := c.Transmit(ctx, []byte{0, 0xA4, 4, 0}); err == nil && len(raw) < 2 {
		t.Errorf("after it: %d bytes", len(raw))
	}
}

// garbled is a card whose answer to reset is none, as that of two cards on one reader may be.
type garbled struct{ cardtest.EMV }

func (*garbled) ATR() []byte { return []byte{0xFF} }

func TestCardWhoseAnswerToResetIsGarbledIsRefusedWithAdvice(t *testing.T) {
	reader, client := startReader(t)
	ctx := deadline(t)
	if err := reader.Insert(ctx, &garbled{}); err != nil {
		t.Fatal(err)
	}
	in, err := client.WaitForCard(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Connect(ctx, in.Name)
	if !errors.Is(err, &pcsc.Error{Code: pcsc.ProtocolMismatch}) || !strings.Contains(err.Error(), "keep other cards away") {
		t.Errorf("connect: %v, want a protocol mismatch and what to do", err)
	}
}

// plugging is a pcscd whose reader is there or not: each wait is answered by the next of its states.
type plugging struct {
	mu     sync.Mutex
	states [][]byte
}

// readerState is the 184 bytes of a reader in pcscd's list (winscard_msg.h); present is its state bit 0x04.
func readerState(name string, state uint32) []byte {
	raw := make([]byte, 184)
	copy(raw, name)
	binary.NativeEndian.PutUint32(raw[132:], state)
	return raw
}

func (p *plugging) serve(conn net.Conn) {
	header := make([]byte, 8)
	for {
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		body := make([]byte, binary.NativeEndian.Uint32(header))
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		if binary.NativeEndian.Uint32(header[4:]) == 0x13 {
			p.mu.Lock()
			body = make([]byte, 16*184)
			copy(body, p.states[0])
			p.states = slices.Delete(p.states, 0, 1)
			p.mu.Unlock()
		}
		if _, err := conn.Write(body); err != nil {
			return
		}
	}
}

func TestNamedReaderThatIsUnpluggedMayComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pcscd.comm")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	p := &plugging{states: [][]byte{nil, readerState("Other", 0x04), readerState("Mine", 0x04)}}
	var running sync.WaitGroup
	t.Cleanup(func() { listener.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { defer conn.Close(); p.serve(conn) })
		}
	})
	client, err := pcsc.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var told []string
	in, err := client.AwaitCard(deadline(t), "Mine", func(err error) { told = append(told, err.Error()) })
	if err != nil || in.Name != "Mine" || len(told) != 1 || !strings.Contains(told[0], "check the cable") {
		t.Errorf("found %+v, %v; told %q", in, err, told)
	}
}
