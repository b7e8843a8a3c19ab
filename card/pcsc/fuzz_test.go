//go:build linux

package pcsc_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/card/pcsc"
)

// FuzzService: whatever answers in the place of pcscd, the client neither panics nor hangs, and a response has a status
// word.
func FuzzService(f *testing.F) {
	version := "\x04\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00"
	states := string(readerState("Reader 00 00", 0x34)) + strings.Repeat("\x00", 15*184)
	f.Add([]byte(version + states))
	f.Add([]byte(version + version + states))
	f.Add([]byte(version[:7]))
	f.Add([]byte(version + strings.Repeat("\xFF", 16*184+8)))
	f.Add([]byte(version + version + strings.Repeat("\x00", 148) + strings.Repeat("\x00", 24) + "\x02\x00\x00\x00\x00\x00\x00\x00\x90\x00"))
	dir, err := filepath.EvalSymlinks(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		f.Fatal(err)
	}
	var mu sync.Mutex
	var answer []byte
	var running sync.WaitGroup
	f.Cleanup(func() { listener.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conn.Write(answer)
			mu.Unlock()
			conn.(*net.UnixConn).CloseWrite()
			running.Go(func() { discard(conn) })
		}
	})
	f.Fuzz(func(t *testing.T, said []byte) {
		mu.Lock()
		answer = said
		mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		client, err := pcsc.Dial(ctx, path)
		if err != nil {
			return
		}
		defer client.Close()
		if readers, err := client.Readers(ctx); err == nil && len(readers) > 16 {
			t.Errorf("%d readers", len(readers))
		}
		if reader, err := client.WaitForCard(ctx, ""); err == nil && (!reader.Present || reader.Name == "") {
			t.Errorf("found %+v", reader)
		}
		c, err := client.Connect(ctx, "Reader 00 00")
		if err == nil {
			if response, err := c.Transmit(ctx, []byte{0, 0xB2, 1, 12, 0}); err == nil && len(response) < 2 {
				t.Errorf("response %X", response)
			}
			c.Disconnect()
		}
		if ctx.Err() != nil {
			t.Error("it took more than five seconds")
		}
	})
}

// discard reads what the client sends until it is gone.
func discard(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 4096)
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
}
