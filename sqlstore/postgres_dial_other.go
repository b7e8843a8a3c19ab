//go:build !linux

package sqlstore

import (
	"syscall"
	"time"
)

// limitUnsent does nothing: how long a system goes on sending is its own setting here.
func limitUnsent(syscall.RawConn, time.Duration) error { return nil }
