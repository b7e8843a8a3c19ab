// Package simdisk is a disk that loses what was not synced and fails when it is told to, for SQLite in simulations.
//
// SQLite itself is the real one: it reads and writes through a VFS (https://www.sqlite.org/vfs.html) that keeps files in
// memory. Each file remembers what a real disk would still have after a power cut: what was there at the last sync, and of
// what was written since any part, in any order, torn at sectors. Failures are counted in operations, so that the same
// count fails at the same place.
package simdisk

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"modernc.org/libc"
)

// sector is what a disk writes as a whole.
const sector = 512

// Fault is when and how a disk fails. The zero value is a sound disk. Counts are from 1, from the moment it is given.
type Fault struct {
	IO   int  // this write, sync or change of a file's length fails ...
	Full bool // ... for want of space rather than for a broken disk
	For  int  // and so do those after it, this many in all; 0 for one
	Read int  // this read fails

	Statement int // this SQL statement is interrupted

	Crash int // at this write, sync or change of length everything stops: it and all that follows fail
}

// Disk is a disk with files. Its methods are safe for several goroutines.
type Disk struct {
	mu    sync.Mutex
	dir   string
	files map[string]*file
	rng   *rand.Rand

	fault                   Fault
	ios, reads, statements  int
	dead                    bool
	faulted                 bool
	WritesKept, WritesTotal int // of those that were not synced at crashes
}

// file is a file, as programs see it and as it would be after a power cut.
type file struct {
	data    []byte
	durable []byte
	pending []change // since the last sync

	locks locks
	shm   shm
}

// change is one that is not synced: bytes at a place, or with nil bytes a new length.
type change struct {
	at    int64
	bytes []byte
}

var (
	disksMu sync.Mutex
	disks   = map[string]*Disk{}
)

// New makes an empty disk for the files of a folder: those that SQLite opens there from now on are on it. What survives a
// crash is decided by rng. Remove it when it is not needed any more.
func New(dir string, rng *rand.Rand) *Disk {
	register()
	d := &Disk{dir: dir, files: map[string]*file{}, rng: rng}
	disksMu.Lock()
	defer disksMu.Unlock()
	disks[dir] = d
	return d
}

// Remove takes the disk away. Nobody may have a file of it open.
func (d *Disk) Remove() {
	for _, f := range d.files {
		f.forget()
	}
	disksMu.Lock()
	defer disksMu.Unlock()
	delete(disks, d.dir)
}

// diskOf is the disk that a path is on, nil if there is none.
func diskOf(path string) *Disk {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return nil
	}
	disksMu.Lock()
	defer disksMu.Unlock()
	return disks[path[:i]]
}

// Fail makes the disk fail as told, from now on.
func (d *Disk) Fail(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault, d.ios, d.reads, d.statements, d.faulted = f, 0, 0, 0, false
}

// Failed reports whether anything has failed since the last call of Fail, and whether the disk is dead since.
func (d *Disk) Failed() (failed, dead bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.faulted, d.dead
}

// Kill stops the disk: everything fails until Revive.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
}

// Revive is the disk after a power cut: of what was not synced some is lost.
func (d *Disk) Revive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead, d.fault = false, Fault{}
	names := make([]string, 0, len(d.files))
	for name := range d.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f := d.files[name]
		d.cut(f)
		f.forget()
	}
}

// forget takes locks and shared memory away, which are those of programs that are no more.
func (f *file) forget() {
	t := libc.NewTLS()
	defer t.Close()
	for _, r := range f.shm.regions {
		libc.Xfree(t, r)
	}
	f.locks, f.shm = locks{}, shm{}
}

// cut applies to what was synced a part of what was not.
func (d *Disk) cut(f *file) {
	image := f.durable
	mode := d.rng.IntN(4) // all of it, nothing, or any part
	for _, c := range f.pending {
		d.WritesTotal++
		keep := mode == 0 || mode > 1 && d.rng.IntN(2) == 0
		if !keep {
			continue
		}
		d.WritesKept++
		if mode == 3 && len(c.bytes) > sector && d.rng.IntN(4) == 0 {
			c.bytes = c.bytes[:sector*(1+d.rng.IntN(len(c.bytes)/sector))]
		}
		image = c.apply(image)
	}
	f.data, f.durable, f.pending = slices.Clone(image), image, nil
}

func (c change) apply(to []byte) []byte {
	if c.bytes == nil {
		return resize(to, c.at)
	}
	if end := c.at + int64(len(c.bytes)); int64(len(to)) < end {
		to = resize(to, end)
	}
	copy(to[c.at:], c.bytes)
	return to
}

func resize(b []byte, n int64) []byte {
	if int64(len(b)) >= n {
		return b[:n]
	}
	return append(b, make([]byte, n-int64(len(b)))...)
}

// Image is a copy of the files as programs see them.
func (d *Disk) Image() map[string][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	image := map[string][]byte{}
	for name, f := range d.files {
		image[name[len(d.dir):]] = slices.Clone(f.data)
	}
	return image
}

// Load puts an image on an empty disk, as if it had been synced.
func (d *Disk) Load(image map[string][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, data := range image {
		d.files[d.dir+name] = &file{data: slices.Clone(data), durable: slices.Clone(data)}
	}
}

// outcome is what becomes of an operation.
type outcome int

const (
	well outcome = iota
	broken
	noSpace
)

// io counts an operation that changes files, and says what becomes of it. The caller holds the lock.
func (d *Disk) io() outcome {
	if d.dead {
		return broken
	}
	d.ios++
	switch {
	case d.fault.Crash > 0 && d.ios >= d.fault.Crash:
		d.dead, d.faulted = true, true
		return broken
	case d.fault.IO > 0 && d.ios >= d.fault.IO && d.ios < d.fault.IO+max(1, d.fault.For):
		d.faulted = true
		if d.fault.Full {
			return noSpace
		}
		return broken
	}
	return well
}

// read counts a read.
func (d *Disk) read() outcome {
	if d.dead {
		return broken
	}
	d.reads++
	if d.reads == d.fault.Read {
		d.faulted = true
		return broken
	}
	return well
}

// statement counts an SQL statement, and reports whether it is to be interrupted.
func (d *Disk) statement() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.statements++
	if d.fault.Statement > 0 && d.statements == d.fault.Statement {
		d.faulted = true
		return true
	}
	return false
}
