//go:build linux

package pcsc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tapline/card/cardtest"
	"tapline/card/pcsc"
)

// relay carries one connection after the other to pcscd and reports each wait that pcscd has taken on.
type relay struct {
	path    string
	waiting chan struct{}
}

func startRelay(t *testing.T, socket string) *relay {
	t.Helper()
	r := &relay{filepath.Join(t.TempDir(), "pcscd.comm"), make(chan struct{}, 8)}
	listener, err := net.Listen("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { listener.Close(); running.Wait() })
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { r.carry(client, socket) })
		}
	})
	return r
}

func (r *relay) carry(client net.Conn, socket string) {
	defer client.Close()
	service, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer service.Close()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { io.Copy(service, client); service.Close() })
	defer client.Close()
	const states = 16 * 184
	buffer := make([]byte, states)
	for first := true; ; first = false {
		n := states
		if first {
			n = 12 // the version
		}
		if _, err := io.ReadFull(service, buffer[:n]); err != nil {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
		if !first {
			break
		}
	}
	r.waiting <- struct{}{} // pcscd has sent the states and will send the next change
	io.Copy(client, service)
}

// release runs wait through a relay, calls end while pcscd has it, and returns its error.
func release(t *testing.T, socket string, wait func(*pcsc.Client) error, end func(*pcsc.Client)) error {
	t.Helper()
	r := startRelay(t, socket)
	client, err := pcsc.Dial(t.Context(), r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	result := make(chan error, 1)
	go func() { result <- wait(client) }()
	timeout := time.After(10 * time.Second)
	select {
	case <-r.waiting:
		end(client)
	case err := <-result:
		t.Fatalf("the wait ended by itself: %v", err)
	case <-timeout:
		t.Fatal("pcscd took on no wait")
	}
	select {
	case err := <-result:
		requireNoGoroutine(t)
		return err
	case <-timeout:
		t.Fatal("the wait was not released")
		return nil
	}
}

// requireNoGoroutine fails if code of package pcsc still runs in a goroutine of its own.
func requireNoGoroutine(t *testing.T) {
	t.Helper()
	buffer := make([]byte, 1<<20)
	var stacks string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); runtime.Gosched() {
		stacks = string(buffer[:runtime.Stack(buffer, true)])
		if !strings.Contains(stacks, "card/pcsc.(") {
			return
		}
	}
	t.Errorf("a goroutine is left:\n%s", stacks)
}

func anyCard(ctx context.Context) func(*pcsc.Client) error {
	return func(c *pcsc.Client) error { _, err := c.WaitForCard(ctx, ""); return err }
}

func TestEndOfContextReleasesAWaitWithItsCause(t *testing.T) {
	reader, _ := startReader(t)
	reason := errors.New("the user went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := release(t, reader.Socket(), anyCard(ctx), func(*pcsc.Client) { cancel(reason) })
	if !errors.Is(err, reason) {
		t.Errorf("got %v, want %v", err, reason)
	}
}

func TestCloseReleasesAWait(t *testing.T) {
	reader, _ := startReader(t)
	err := release(t, reader.Socket(), anyCard(t.Context()), func(c *pcsc.Client) { c.Close() })
	if !errors.Is(err, pcsc.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestEndOfPcscdReleasesAWaitWithNoService(t *testing.T) {
	reader, _ := startReader(t)
	err := release(t, reader.Socket(), anyCard(t.Context()), func(*pcsc.Client) {
		syscall.Kill(reader.PID(), syscall.SIGKILL)
	})
	if !errors.Is(err, &pcsc.Error{Code: pcsc.NoService}) || !strings.Contains(err.Error(), "systemctl start pcscd") {
		t.Errorf("got %v, want no service and what to do", err)
	}
}

func TestACardThatWasExchangedCountsAsRemoved(t *testing.T) {
	reader, client := startReader(t)
	ctx := deadline(t)
	if err := reader.Insert(ctx, &cardtest.EMV{}); err != nil {
		t.Fatal(err)
	}
	first, err := client.WaitForCard(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	reader.Remove()
	if err := client.WaitForRemoval(ctx, first); err != nil {
		t.Fatal(err)
	}
	if err := reader.Insert(ctx, &cardtest.EMV{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.WaitForCard(ctx, ""); err != nil {
		t.Fatal(err)
	}
	if err := client.WaitForRemoval(ctx, first); err != nil {
		t.Errorf("waiting for the first card with the second in the reader: %v", err)
	}
}

// fake is a pcscd that answers connect with a protocol and transmit with prepared codes; it keeps what it is sent.
type fake struct {
	path     string
	protocol uint32
	codes    []uint32 // of transmit, one after the other; then success and 9000
	commands chan []byte
}

func startFake(t *testing.T, f *fake) *pcsc.Client {
	t.Helper()
	f.path, f.commands = filepath.Join(t.TempDir(), "pcscd.comm"), make(chan []byte, 16)
	listener, err := net.Listen("unix", f.path)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { listener.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { defer conn.Close(); f.serve(conn) })
		}
	})
	client, err := pcsc.Dial(t.Context(), f.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func (f *fake) serve(conn net.Conn) {
	header := make([]byte, 8)
	for {
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		body := make([]byte, binary.NativeEndian.Uint32(header))
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		var more []byte
		switch binary.NativeEndian.Uint32(header[4:]) {
		case 0x04:
			binary.NativeEndian.PutUint32(body[len(body)-8:], f.protocol)
		case 0x09:
			command := make([]byte, binary.NativeEndian.Uint32(body[12:]))
			if _, err := io.ReadFull(conn, command); err != nil {
				return
			}
			f.commands <- command
			if len(f.codes) > 0 {
				binary.NativeEndian.PutUint32(body[28:], f.codes[0])
				f.codes = f.codes[1:]
				break
			}
			binary.NativeEndian.PutUint32(body[24:], 2)
			more = []byte{0x90, 0x00}
		}
		if _, err := conn.Write(append(body, more...)); err != nil {
			return
		}
	}
}

func TestT0CommandsWithDataLoseTheirLe(t *testing.T) {
	for protocol, want := range map[uint32]string{1: "\x00\xA4\x04\x00\x01\x55", 2: "\x00\xA4\x04\x00\x01\x55\x00"} {
		f := &fake{protocol: protocol}
		_, c := fakeCard(t, f)
		if _, err := c.Transmit(t.Context(), []byte("\x00\xA4\x04\x00\x01\x55\x00")); err != nil {
			t.Fatal(err)
		}
		if got := <-f.commands; string(got) != want {
			t.Errorf("protocol %d: sent %X, want %X", protocol, got, want)
		}
	}
}

func TestACardHeldByAnotherProgramIsTriedAgain(t *testing.T) {
	f := &fake{protocol: 2, codes: []uint32{uint32(pcsc.SharingViolation)}}
	_, c := fakeCard(t, f)
	got, err := c.Transmit(t.Context(), []byte{0, 0xB2, 1, 12, 0})
	if err != nil || string(got) != "\x90\x00" || len(f.commands) != 2 {
		t.Errorf("got %X, %v after %d commands; want 9000 after 2", got, err, len(f.commands))
	}
}

func fakeCard(t *testing.T, f *fake) (*pcsc.Client, *pcsc.Card) {
	t.Helper()
	client := startFake(t, f)
	c, err := client.Connect(t.Context(), "Fake 00 00")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Disconnect() })
	return client, c
}
