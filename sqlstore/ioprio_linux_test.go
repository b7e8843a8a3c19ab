package sqlstore

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAThreadYieldsTheDiskForAWhile(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	class := func() uintptr {
		const ofProcess, self = 1, 0
		got, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ofProcess, self, 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		return got >> 13
	}
	before := class()
	yieldDisk(true)
	if got := class(); got != 3 {
		t.Errorf("class %d, want 3, idle", got)
	}
	yieldDisk(false)
	if got := class(); got != before {
		t.Errorf("class %d, want %d as before", got, before)
	}
}
