package sqlstore

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// logRows is how many rows may change before the write-ahead log is moved into the database. A changed row costs about one
// page of log, of 4 KiB, when many accounts pay (decisions/0002).
const logRows = 16 << 10

// checkpointer moves the log into the database beside the connection that writes, so that no commit waits until megabytes
// are on the disk. SQLite's own way (wal_autocheckpoint) has the commit that fills the log do it.
// https://www.sqlite.org/wal.html#ckpt
type checkpointer struct {
	conn    *sqliteConn
	every   int // rows, see logRows
	due     chan struct{}
	working sync.WaitGroup

	changed int         // rows since it was due; of the one who holds the writer
	full    atomic.Bool // the log has what was erased
}

// restartWait is how long nobody writes because somebody still reads what is in the log. A request is done reading in less; a
// backup or a report is not waited for, and the log grows until the next time.
const restartWait = 20 * time.Millisecond

// So many times is tried to leave no more in the log than so many pages, for which nobody may write: a few milliseconds.
const (
	catchUps    = 8
	littlePages = 256
)

// emptyAgain is how long after a try to empty the log, which somebody read, the next one comes.
const emptyAgain = 2 * time.Second

var (
	passiveCheckpoint = plain("PRAGMA wal_checkpoint(PASSIVE)")
	restartCheckpoint = plain("PRAGMA wal_checkpoint(RESTART)")
	emptyCheckpoint   = plain("PRAGMA wal_checkpoint(TRUNCATE)")
)

// note counts rows that a transaction has changed.
func (k *checkpointer) note(rows int) {
	if k.changed += rows; k.changed < k.every {
		return
	}
	k.changed = 0
	k.wake()
}

// run works until the database is closed. What it cannot move stays in the log, and comes with the next; a disk that takes
// nothing more is found by who commits.
func (k *checkpointer) run(d *sqliteDB) {
	runtime.LockOSThread() // for yieldDisk; it ends with this
	for {
		select {
		case <-d.closing:
			return
		case <-k.due:
		}
		if k.full.Load() {
			select {
			case <-d.closing:
				return
			case <-time.After(emptyAgain):
			}
		}
		if err := k.catchUp(); err != nil {
			if k.full.Load() {
				k.wake()
			}
			continue
		}
		// The log begins anew when nothing is left in it that anybody reads: what was added meanwhile is moved while nobody writes.
		select {
		case <-d.closing:
			return
		case w := <-d.writer:
			if k.full.Load() {
				k.empty(k.conn, restartWait)
			} else {
				_ = k.conn.exec(restartCheckpoint)
			}
			d.writer <- w
		}
	}
}

// catchUp moves what is in the log, and what is added meanwhile, until little is left, or those who write are faster. The disk has
// what commits wait for before it.
func (k *checkpointer) catchUp() error {
	yieldDisk(true)
	defer yieldDisk(false) // whoever holds the writer yields to nobody
	var moved, before int64
	for range catchUps {
		if _, err := k.conn.run(passiveCheckpoint, 1, nil, func(row scanner) { moved = row.integer(2) }); err != nil {
			return err
		}
		if moved-before < littlePages {
			break
		}
		before = moved
	}
	return nil
}

// empty makes the log an empty file, so that nothing of what was erased is left in it. While somebody reads what is in the log
// that cannot be, and run tries again. Who calls it holds the writer, and says how long the connection waits for locks afterwards.
func (k *checkpointer) empty(c *sqliteConn, wait time.Duration) {
	c.conn.SetBusyTimeout(restartWait)
	defer c.conn.SetBusyTimeout(wait)
	busy := int64(1)
	_, err := c.run(emptyCheckpoint, 1, nil, func(row scanner) { busy = row.integer(0) })
	full := err != nil || busy != 0
	if k.full.Store(full); full {
		k.wake()
	}
}

// wake has run work, unless it is going to anyway.
func (k *checkpointer) wake() {
	select {
	case k.due <- struct{}{}:
	default:
	}
}

// close waits until nothing is being moved.
func (k *checkpointer) close() error {
	k.working.Wait()
	return k.conn.conn.Close()
}
