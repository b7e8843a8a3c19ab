//go:build unix

package bench

import (
	"syscall"
	"time"
)

// processCPU is the CPU time that this process has used, user's and system's.
func processCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
