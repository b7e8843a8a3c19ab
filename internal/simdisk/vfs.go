package simdisk

import (
	"slices"
	"sync"
	"time"
	"unsafe"

	"modernc.org/libc"
	sqlite "modernc.org/sqlite/lib"
)

// at is the memory of SQLite's at an address. It is outside of what Go collects.
func at(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

func memory(address uintptr, n int) []byte { return unsafe.Slice((*byte)(at(address)), n) }

// code is the address of a function that SQLite can call: see https://go.dev/s/go11func.
func code[F any](f F) uintptr {
	box := struct{ f F }{f}
	return *(*uintptr)(unsafe.Pointer(&box))
}

// handle is an open file. SQLite keeps the first two words of it, in a place that it gives.
type handle struct {
	disk *Disk
	file *file
	path string
}

type opened struct {
	methods uintptr
	number  uintptr
}

var (
	once      sync.Once
	methods   uintptr
	handlesMu sync.Mutex
	handles   = map[uintptr]*handle{}
	lastOne   uintptr
)

func handleOf(f uintptr) *handle {
	handlesMu.Lock()
	defer handlesMu.Unlock()
	return handles[(*opened)(at(f)).number]
}

// register makes the simulated disks SQLite's default, once for the process. Files in folders without one are refused.
func register() {
	once.Do(func() {
		t := libc.NewTLS()
		if rc := sqlite.Xsqlite3_initialize(t); rc != sqlite.SQLITE_OK {
			panic("simdisk: SQLite does not start")
		}
		methods = libc.Xcalloc(t, 1, libc.Tsize_t(unsafe.Sizeof(sqlite.Tsqlite3_io_methods{})))
		*(*sqlite.Tsqlite3_io_methods)(at(methods)) = sqlite.Tsqlite3_io_methods{
			FiVersion: 2,
			FxClose:   code(xClose), FxRead: code(xRead), FxWrite: code(xWrite), FxTruncate: code(xTruncate), FxSync: code(xSync),
			FxFileSize: code(xFileSize), FxLock: code(xLock), FxUnlock: code(xUnlock), FxCheckReservedLock: code(xCheckReservedLock),
			FxFileControl: code(xFileControl), FxSectorSize: code(xSectorSize), FxDeviceCharacteristics: code(xDeviceCharacteristics),
			FxShmMap: code(xShmMap), FxShmLock: code(xShmLock), FxShmBarrier: code(xShmBarrier), FxShmUnmap: code(xShmUnmap),
		}
		name := libc.Xcalloc(t, 1, 16)
		copy(memory(name, 16), "simdisk")
		vfs := libc.Xcalloc(t, 1, libc.Tsize_t(unsafe.Sizeof(sqlite.Tsqlite3_vfs{})))
		*(*sqlite.Tsqlite3_vfs)(at(vfs)) = sqlite.Tsqlite3_vfs{
			FiVersion: 2, FszOsFile: int32(unsafe.Sizeof(opened{})), FmxPathname: maxPath, FzName: name,
			FxOpen: code(xOpen), FxDelete: code(xDelete), FxAccess: code(xAccess), FxFullPathname: code(xFullPathname),
			FxRandomness: code(xRandomness), FxSleep: code(xSleep), FxCurrentTime: code(xCurrentTime),
			FxGetLastError: code(xGetLastError), FxCurrentTimeInt64: code(xCurrentTimeInt64),
		}
		if rc := sqlite.Xsqlite3_vfs_register(t, vfs, 1); rc != sqlite.SQLITE_OK {
			panic("simdisk: SQLite does not take the disk")
		}
		if rc := sqlite.Xsqlite3_auto_extension(t, code(watch)); rc != sqlite.SQLITE_OK {
			panic("simdisk: SQLite does not take the watch")
		}
	})
}

const maxPath = 512

func path(address uintptr) string { return libc.GoString(address) }

func xOpen(_ *libc.TLS, _, name, f uintptr, flags int32, out uintptr) int32 {
	o := (*opened)(at(f))
	*o = opened{}
	if name == 0 {
		return sqlite.SQLITE_CANTOPEN // a temporary file, which nothing here needs
	}
	h := &handle{path: path(name)}
	if h.disk = diskOf(h.path); h.disk == nil {
		return sqlite.SQLITE_CANTOPEN
	}
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.disk.dead {
		return sqlite.SQLITE_IOERR
	}
	if h.file = h.disk.files[h.path]; h.file == nil {
		h.file = &file{}
		h.disk.files[h.path] = h.file
	}
	handlesMu.Lock()
	defer handlesMu.Unlock()
	lastOne++
	handles[lastOne] = h
	*o = opened{methods, lastOne}
	if out != 0 {
		*(*int32)(at(out)) = flags
	}
	return sqlite.SQLITE_OK
}

func xDelete(_ *libc.TLS, _, name uintptr, _ int32) int32 {
	d := diskOf(path(name))
	if d == nil {
		return sqlite.SQLITE_IOERR_DELETE
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.io() != well {
		return sqlite.SQLITE_IOERR_DELETE
	}
	delete(d.files, path(name))
	return sqlite.SQLITE_OK
}

func xAccess(_ *libc.TLS, _, name uintptr, _ int32, out uintptr) int32 {
	there := int32(0)
	if d := diskOf(path(name)); d != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if f := d.files[path(name)]; f != nil {
			there = 1
		}
	}
	*(*int32)(at(out)) = there
	return sqlite.SQLITE_OK
}

func xFullPathname(_ *libc.TLS, _, name uintptr, n int32, out uintptr) int32 {
	p := path(name)
	if len(p) >= int(n) {
		return sqlite.SQLITE_CANTOPEN
	}
	copy(memory(out, len(p)+1), p+"\x00")
	return sqlite.SQLITE_OK
}

func xRandomness(_ *libc.TLS, _ uintptr, n int32, out uintptr) int32 {
	for i := range memory(out, int(n)) {
		memory(out, int(n))[i] = byte(i * 37)
	}
	return n
}

func xSleep(_ *libc.TLS, _ uintptr, micro int32) int32 { return micro }

func xCurrentTime(_ *libc.TLS, _, out uintptr) int32 {
	*(*float64)(at(out)) = 2440587.5 + float64(time.Now().UnixMilli())/86_400_000 // of the Julian calendar
	return sqlite.SQLITE_OK
}

func xCurrentTimeInt64(_ *libc.TLS, _, out uintptr) int32 {
	*(*int64)(at(out)) = 210866760000000 + time.Now().UnixMilli()
	return sqlite.SQLITE_OK
}

func xGetLastError(*libc.TLS, uintptr, int32, uintptr) int32 { return 0 }

func xClose(_ *libc.TLS, f uintptr) int32 {
	o := (*opened)(at(f))
	h := handleOf(f)
	h.disk.mu.Lock()
	h.file.locks.unlock(o.number, unlocked)
	h.file.shm.leave(o.number, 0, slots)
	h.disk.mu.Unlock()
	handlesMu.Lock()
	delete(handles, o.number)
	handlesMu.Unlock()
	return sqlite.SQLITE_OK
}

func xRead(_ *libc.TLS, f, out uintptr, n int32, offset int64) int32 {
	h := handleOf(f)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.disk.read() != well {
		return sqlite.SQLITE_IOERR_READ
	}
	to, from := memory(out, int(n)), h.file.data
	if offset > int64(len(from)) {
		offset = int64(len(from))
	}
	if got := copy(to, from[offset:]); got < len(to) {
		clear(to[got:])
		return sqlite.SQLITE_IOERR_SHORT_READ
	}
	return sqlite.SQLITE_OK
}

// failure is SQLite's code for an operation's outcome.
func failure(o outcome, otherwise int32) int32 {
	switch o {
	case well:
		return sqlite.SQLITE_OK
	case noSpace:
		return sqlite.SQLITE_FULL
	}
	return otherwise
}

func (h *handle) change(c change, otherwise int32) int32 {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	o := h.disk.io()
	if o == well {
		h.file.data = c.apply(h.file.data)
	}
	if o == well || h.disk.dead { // what was being written when the power went may have come to the disk
		h.file.pending = append(h.file.pending, c)
	}
	return failure(o, otherwise)
}

func xWrite(_ *libc.TLS, f, from uintptr, n int32, offset int64) int32 {
	return handleOf(f).change(change{offset, slices.Clone(memory(from, int(n)))}, sqlite.SQLITE_IOERR_WRITE)
}

func xTruncate(_ *libc.TLS, f uintptr, size int64) int32 {
	return handleOf(f).change(change{at: size}, sqlite.SQLITE_IOERR_TRUNCATE)
}

func xSync(_ *libc.TLS, f uintptr, _ int32) int32 {
	h := handleOf(f)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	o := h.disk.io()
	if o == well {
		h.file.sync()
	}
	return failure(o, sqlite.SQLITE_IOERR_FSYNC)
}

func (f *file) sync() {
	for _, c := range f.pending {
		f.durable = c.apply(f.durable)
	}
	f.pending = nil
}

func xFileSize(_ *libc.TLS, f, out uintptr) int32 {
	h := handleOf(f)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	*(*int64)(at(out)) = int64(len(h.file.data))
	return sqlite.SQLITE_OK
}

func xLock(_ *libc.TLS, f uintptr, level int32) int32 {
	h := handleOf(f)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if !h.file.locks.lock((*opened)(at(f)).number, int(level)) {
		return sqlite.SQLITE_BUSY
	}
	return sqlite.SQLITE_OK
}

func xUnlock(_ *libc.TLS, f uintptr, level int32) int32 {
	h := handleOf(f)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	h.file.locks.unlock((*opened)(at(f)).number, int(level))
	return sqlite.SQLITE_OK
}

func xCheckReservedLock(_ *libc.TLS, f, out uintptr) int32 {
	h := handleOf(f)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	*(*int32)(at(out)) = 0
	if h.file.locks.reserved() {
		*(*int32)(at(out)) = 1
	}
	return sqlite.SQLITE_OK
}

func xFileControl(*libc.TLS, uintptr, int32, uintptr) int32 { return sqlite.SQLITE_NOTFOUND }

func xSectorSize(*libc.TLS, uintptr) int32 { return sector }

func xDeviceCharacteristics(*libc.TLS, uintptr) int32 { return 0 }

func xShmMap(t *libc.TLS, f uintptr, page, size, extend int32, out uintptr) int32 {
	h := handleOf(f)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	regions := &h.file.shm.regions
	for int(page) >= len(*regions) {
		if extend == 0 {
			*(*uintptr)(at(out)) = 0
			return sqlite.SQLITE_OK
		}
		*regions = append(*regions, libc.Xcalloc(t, 1, libc.Tsize_t(size)))
	}
	*(*uintptr)(at(out)) = (*regions)[page]
	return sqlite.SQLITE_OK
}

func xShmLock(_ *libc.TLS, f uintptr, from, n, flags int32) int32 {
	h := handleOf(f)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	number := (*opened)(at(f)).number
	if flags&sqlite.SQLITE_SHM_UNLOCK != 0 {
		h.file.shm.leave(number, int(from), int(n))
		return sqlite.SQLITE_OK
	}
	if !h.file.shm.take(number, int(from), int(n), flags&sqlite.SQLITE_SHM_EXCLUSIVE != 0) {
		return sqlite.SQLITE_BUSY
	}
	return sqlite.SQLITE_OK
}

func xShmBarrier(*libc.TLS, uintptr) {}

func xShmUnmap(t *libc.TLS, f uintptr, forget int32) int32 {
	h := handleOf(f)
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	h.file.shm.leave((*opened)(at(f)).number, 0, slots)
	if forget != 0 {
		for _, r := range h.file.shm.regions {
			libc.Xfree(t, r)
		}
		h.file.shm.regions = nil
	}
	return sqlite.SQLITE_OK
}

// watch has every new connection tell of the statements that it runs.
func watch(t *libc.TLS, db, _, _ uintptr) int32 {
	return sqlite.Xsqlite3_trace_v2(t, db, sqlite.SQLITE_TRACE_STMT, code(began), db)
}

// began interrupts the statement that was to be.
func began(t *libc.TLS, _ uint32, db, _, _ uintptr) int32 {
	name := libc.Xcalloc(t, 1, 8)
	defer libc.Xfree(t, name)
	copy(memory(name, 8), "main")
	file := sqlite.Xsqlite3_db_filename(t, db, name)
	if file == 0 {
		return 0
	}
	if d := diskOf(path(file)); d != nil && d.statement() {
		sqlite.Xsqlite3_interrupt(t, db)
	}
	return 0
}
