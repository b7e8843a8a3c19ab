package main

import (
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/payment"
)

// TestBackupsUnderLoadHoldWhatWasAcknowledged makes backups while clients pay, loses the service, and goes on with the
// last one.
func TestBackupsUnderLoadHoldWhatWasAcknowledged(t *testing.T) {
	d := startDaemon(t, unlimited...)
	p := newPurchase(d)
	for _, s := range p.preparing()[:2] {
		p.run(s)
	}
	all := make([]*hammer, hammers)
	for i := range all {
		all[i] = p.newHammer(i)
	}
	var striking sync.WaitGroup
	for _, h := range all {
		striking.Go(h.strike)
	}
	var began time.Time
	var last string
	for n := range 4 {
		<-time.After(200 * time.Millisecond) // of paying
		began, last = time.Now(), filepath.Join(t.TempDir(), strconv.Itoa(n)+".backup")
		if out, err := d.command("backup", last, "--db", d.db).CombinedOutput(); err != nil {
			t.Fatalf("backup %d: %v\n%s", n, err, out)
		}
	}
	d.kill()
	striking.Wait()

	lost, db := d.db, filepath.Join(t.TempDir(), "restored.db")
	restore := d.command("restore", last, "--db", db, "--keys", strings.TrimSuffix(lost, ".db")+"-keys", "--lost", lost, "--json")
	out, err := restore.Output()
	if err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	var report restored
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	d.flags = append(d.flags, "--keys", strings.TrimSuffix(lost, ".db")+"-keys")
	d.db = db
	d.check()
	d.start()
	var missing, unanswered int
	for _, h := range all {
		missing += h.missing(began)
		unanswered += len(h.open)
	}
	if n := len(report.Lost); !report.More && (n < missing || n > missing+unanswered) {
		t.Errorf("%d payments are missing, of %d nobody knows, and %d are reported as lost", missing, unanswered, n)
	}
	for _, h := range all {
		h.pay()
	}
	d.check()
}

// missing counts the acknowledged payments that are not in the books. None that was acknowledged before a time may be.
func (h *hammer) missing(before time.Time) (n int) {
	there := h.payments()
	for _, sent := range h.acked {
		if there[string(sent.id)] == string(payment.Settled) {
			continue
		}
		if n++; sent.at.Before(before) {
			h.Errorf("%s was acknowledged before the backup and is %q", sent.id, there[string(sent.id)])
		}
	}
	return n
}
