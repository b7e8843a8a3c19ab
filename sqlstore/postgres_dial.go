package sqlstore

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// postgresDial makes one connection to a server, and those by which the server is asked to stop what it does on it.
type postgresDial struct {
	closed atomic.Bool // it makes none now
}

// A server whose machine is lost without a word, or to which the network is cut, is given up after about ten seconds;
// otherwise the system would go on for a quarter of an hour.
const (
	keepAliveIdle     = 4 * time.Second
	keepAliveInterval = 2 * time.Second
	keepAliveCount    = 3
	unsentPatience    = keepAliveIdle + keepAliveInterval*keepAliveCount
)

var errNoDial = errors.New("the server is not asked to stop a commit")

func (d *postgresDial) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.closed.Load() {
		return nil, errNoDial
	}
	dialer := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount},
		Control: func(network, _ string, c syscall.RawConn) error {
			if network == "unix" {
				return nil
			}
			return limitUnsent(c, unsentPatience)
		},
	}
	return dialer.DialContext(ctx, network, address)
}
