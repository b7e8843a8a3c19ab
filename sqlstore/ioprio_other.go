//go:build !linux

package sqlstore

// yieldDisk does nothing where threads have no priority at the disk.
func yieldDisk(bool) {}
