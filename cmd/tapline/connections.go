package main

import (
	"net"
	"sync"
	"sync/atomic"
)

// fewConnections is a listener that has no more than some connections at once: further ones are closed as soon as they come,
// so that whoever made them hears of it and goes elsewhere, or comes again.
type fewConnections struct {
	net.Listener
	most int64
	open atomic.Int64
}

// Accept returns the next connection that there is room for.
func (l *fewConnections) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.most {
			return &oneOfFew{conn, sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		_ = conn.Close() // nobody has said anything yet
	}
}

// oneOfFew is a connection that makes room when it is closed.
type oneOfFew struct {
	net.Conn
	left func()
}

// Close closes the connection.
func (c *oneOfFew) Close() error {
	c.left()
	return c.Conn.Close()
}
