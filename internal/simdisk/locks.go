package simdisk

// Locks of a database file (https://www.sqlite.org/lockingv3.html) and of its shared memory in WAL mode
// (https://www.sqlite.org/walformat.html#wal_locks). Connections are named by their handles.

// Levels of locks, as SQLite numbers them.
const (
	unlocked = iota
	shared
	reserved
	pending
	exclusive
)

// locks are who has what of a file.
type locks struct {
	level map[uintptr]int
}

// lock raises a handle's lock, and reports whether that was possible.
func (l *locks) lock(h uintptr, level int) bool {
	if l.level == nil {
		l.level = map[uintptr]int{}
	}
	if l.level[h] >= level {
		return true
	}
	for other, has := range l.level {
		switch {
		case other == h:
		case level == shared && has >= pending, level >= reserved && has >= reserved:
			return false
		case level == exclusive && has >= shared:
			l.level[h] = pending
			return false
		}
	}
	l.level[h] = level
	return true
}

func (l *locks) unlock(h uintptr, level int) {
	if l.level[h] > level {
		l.level[h] = level
	}
	if level == unlocked {
		delete(l.level, h)
	}
}

// reserved reports whether anybody is about to write.
func (l *locks) reserved() bool {
	for _, has := range l.level {
		if has >= reserved {
			return true
		}
	}
	return false
}

// slots of locks on shared memory.
const slots = 8

// shm is the memory that connections to a file share.
type shm struct {
	regions []uintptr
	readers [slots]map[uintptr]bool
	writer  [slots]uintptr
}

// take takes a run of slots, alone or together with others, and reports whether that was possible.
func (s *shm) take(h uintptr, from, n int, alone bool) bool {
	for i := from; i < from+n; i++ {
		if s.writer[i] != 0 && s.writer[i] != h {
			return false
		}
		for other := range s.readers[i] {
			if alone && other != h {
				return false
			}
		}
	}
	for i := from; i < from+n; i++ {
		if alone {
			s.writer[i] = h
			continue
		}
		if s.readers[i] == nil {
			s.readers[i] = map[uintptr]bool{}
		}
		s.readers[i][h] = true
	}
	return true
}

func (s *shm) leave(h uintptr, from, n int) {
	for i := from; i < from+n; i++ {
		if s.writer[i] == h {
			s.writer[i] = 0
		}
		delete(s.readers[i], h)
	}
}
