//go:build !linux

package bench

import "os"

// datasync waits until a file is on its disk.
func datasync(f *os.File) error { return f.Sync() }
