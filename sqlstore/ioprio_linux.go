package sqlstore

import "golang.org/x/sys/unix"

// yieldDisk has the disk do what this thread asks for only while nobody else asks for anything, or no longer so, as far as the disk's
// scheduler knows of priorities: ioprio_set(2). The caller is locked to its thread.
func yieldDisk(yield bool) {
	const self, ofProcess, classShift, none, idle = 0, 1, 13, 0, 3
	class := uintptr(none)
	if yield {
		class = idle
	}
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ofProcess, self, class<<classShift)
}
