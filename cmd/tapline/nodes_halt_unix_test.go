//go:build unix

package main

import (
	"syscall"
	"testing"
	"time"

	"tapline/internal/pgtest"
)

// TestANodeThatHaltsHoldsTheOthersUpForSecondsOnly stops a node in the middle of a batch, with its connections open and its
// rows locked: to the others and to the database it is as if its machine had lost its power.
func TestANodeThatHaltsHoldsTheOthersUpForSecondsOnly(t *testing.T) {
	t.Parallel()
	c, p := startThree(t, pgtest.Database(t, "", nil), unlimited...)
	p.transport.ResponseHeaderTimeout = time.Second
	halted := c.all[1]
	gap := c.underLoad(func() {
		c.until("the others wait for what it has locked", func() bool {
			c.signal(halted, syscall.SIGSTOP)
			const heldUp = "SELECT count(*) FROM pg_stat_activity w JOIN pg_stat_activity h ON h.pid = ANY (pg_blocking_pids(w.pid))" +
				" WHERE w.datname = current_database() AND h.state = 'idle in transaction' AND clock_timestamp() - h.state_change > '100 milliseconds'"
			<-time.After(150 * time.Millisecond)
			if c.query(heldUp)[0] != "0" {
				return true
			}
			c.signal(halted, syscall.SIGCONT)
			return false
		})
		<-time.After(7 * time.Second)
		c.signal(halted, syscall.SIGCONT)
		<-time.After(500 * time.Millisecond)
	})
	if gap > 9*time.Second { // the database ends what a node leaves open after five
		t.Errorf("for %v nobody was paid", gap)
	}
}

func (c *nodes) signal(d *daemon, s syscall.Signal) {
	c.Helper()
	if err := d.process.Signal(s); err != nil {
		c.Fatal(err)
	}
}
