package main

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestConnectionsBeyondTheBoundAreClosed fills a service with connections that say nothing.
func TestConnectionsBeyondTheBoundAreClosed(t *testing.T) {
	d := startDaemon(t, "--connections", "20")
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", d.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	var open []net.Conn
	closed := 0
	for range 50 {
		conn := dial()
		if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			closed++
		} else {
			open = append(open, conn)
		}
	}
	if len(open) < 18 || len(open) > 20 { // two may be those that asked whether it was ready
		t.Errorf("%d of 50 connections are open, want 20 at most", len(open))
	}
	for _, conn := range open {
		_ = conn.Close()
	}
	p := newPurchase(d)
	p.until("there is room again", func() bool { return p.read("/healthz").status == 200 })
}
