package sqlstore

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitUnsent has a connection given up when what was sent is not acknowledged in time: tcp(7), TCP_USER_TIMEOUT.
func limitUnsent(c syscall.RawConn, limit time.Duration) error {
	var set error
	err := c.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds()))
	})
	return errors.Join(err, set)
}
