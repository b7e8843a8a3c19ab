package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tapline/consent"
	"tapline/device"
	"tapline/internal/pgtest"
	"tapline/payment"
)

// query asks the nodes' database.
func (c *nodes) query(sql string) []string {
	c.Helper()
	u, err := url.Parse(c.db)
	if err != nil {
		c.Fatal(err)
	}
	return pgtest.Shared(c.T).Query(c.T, strings.TrimPrefix(u.Path, "/"), sql)
}

// insist sends a payment until it is acknowledged, and tells how many times there was no answer and whether it turned out to
// be made already.
func (h *hammer) insist(until time.Time) (lost int, made bool) {
	sent := h.sign()
	for {
		status, answer, again, err := h.post(sent.compact)
		switch {
		case err == nil && status == http.StatusCreated:
			sent.answer, sent.at = answer, time.Now()
			h.acked = append(h.acked, sent)
			return lost, again
		case err != nil || status == http.StatusBadGateway:
			lost++
		case status != http.StatusServiceUnavailable && status != http.StatusConflict:
			h.Errorf("a payment: %d %s", status, answer)
			return lost, false
		}
		if time.Since(until) > patience {
			h.Errorf("a payment had no answer for %v", patience)
			return lost, false
		}
		<-time.After(2 * time.Millisecond)
	}
}

const nodeClients = 12

// underLoad lets clients pay through the proxy, each repeating what had no answer, while something happens. Then it wants
// all payments that were acknowledged to be there, once. It tells the longest time in which none was acknowledged.
func (c *nodes) underLoad(happens func()) (gap time.Duration) {
	c.Helper()
	all := make([]*hammer, nodeClients)
	for i := range all {
		all[i] = c.newHammer(i)
	}
	var stop atomic.Bool
	var lost, made atomic.Int64
	var striking, recounting sync.WaitGroup
	began := time.Now()
	for _, h := range all {
		striking.Go(func() {
			for !stop.Load() && !c.Failed() {
				n, again := h.insist(time.Now())
				lost.Add(int64(n))
				if again {
					made.Add(1)
				}
			}
		})
	}
	happens()
	stop.Store(true)
	striking.Wait()
	for _, h := range all {
		recounting.Go(h.recount)
	}
	recounting.Wait()
	c.balanced(all)
	c.check()
	times := []time.Time{began}
	for _, h := range all {
		for _, sent := range h.acked {
			times = append(times, sent.at)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for i, at := range times[1:] {
		gap = max(gap, at.Sub(times[i]))
	}
	c.Logf("%d payments; %d requests had no answer, of which %d had been done; the longest time in which nobody was paid: %v",
		len(times)-1, lost.Load(), made.Load(), gap)
	if lost.Load() == 0 {
		c.Error("nobody was left without an answer")
	}
	return gap
}

// TestANodeThatIsKilledHarmsNobody kills one of three nodes with SIGKILL, over and over, while clients pay through a proxy that
// goes on with the others.
func TestANodeThatIsKilledHarmsNobody(t *testing.T) {
	t.Parallel()
	c, _ := startThree(t, pgtest.Database(t, "", nil), unlimited...)
	gap := c.underLoad(func() {
		for range 8 {
			<-time.After(time.Duration(150+rand.IntN(250)) * time.Millisecond)
			d := c.all[rand.IntN(len(c.all))]
			d.kill()
			<-time.After(time.Duration(100+rand.IntN(200)) * time.Millisecond)
			d.start()
		}
	})
	if gap > 5*time.Second { // locks of who is killed end with its connections
		t.Errorf("for %v nobody was paid", gap)
	}
}

// late makes the database's clock go on at a word. Services take the time from it, by a name that is looked for here first.
const late = `CREATE SCHEMA late; CREATE TABLE late.clock (by interval NOT NULL); INSERT INTO late.clock VALUES ('0');
CREATE FUNCTION late.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
AS 'SELECT pg_catalog.clock_timestamp() + by FROM late.clock';
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, late, pg_catalog', current_database()); END $$`

// TestAPaymentExpiresOnceOnThreeNodes lets the time of payments run out at all nodes at once, while their associated devices
// still confirm them.
func TestAPaymentExpiresOnceOnThreeNodes(t *testing.T) {
	t.Parallel()
	db := pgtest.Database(t, "", nil)
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Shared(t).Run(strings.TrimPrefix(u.Path, "/"), late); err != nil {
		t.Fatal(err)
	}
	c, _ := startThree(t, db, "--no-rate-limits")
	if _, err := c.kiosk.Register(c.ctx, "kiosk"); err != nil {
		t.Fatal(err)
	}
	const cards = 6
	var waiting []*device.Payment
	var approvals []*device.Approval
	for i := range cards {
		h := c.newHammer(i)
		for range 3 {
			p, a := c.held(h)
			waiting, approvals = append(waiting, p), append(approvals, a)
		}
		c.sendAs(h.number)
	}
	if got := c.query("SELECT sum(debits_pending) FROM accounts"); got[0] != fmt.Sprint(100*len(waiting)) {
		t.Fatalf("%s are held", got)
	}
	c.query("UPDATE late.clock SET by = '181 seconds'")
	got := c.atOnce(len(waiting)/3, func(_ *daemon, i int) string {
		_, err := approvals[i].Approve(c.ctx, consent.Code(waiting[i].View().Code))
		if refusedAs(err, "expired") == nil || refusedAs(err, "ended") == nil {
			return "too late"
		}
		return fmt.Sprint(err)
	})
	got.expect(t, map[string]int{"too late": len(waiting)})
	all := fmt.Sprint(len(waiting) + cards)
	c.until("all have expired", func() bool {
		return c.query("SELECT count(*) FROM payments WHERE state = 'expired'")[0] == all
	})
	for what, sql := range map[string]string{
		"events, of each payment one":     "SELECT count(*), count(DISTINCT subject) FROM events WHERE state = '" + string(payment.Expired) + "'",
		"releases, of each hold one":      "SELECT count(*), count(DISTINCT reference) FROM entries WHERE action = 'release'",
		"what is held, and may be posted": "SELECT sum(debits_pending), sum(credits_pending) FROM accounts",
	} {
		want := map[byte]string{'e': all + "|" + all, 'r': fmt.Sprintf("%d|%d", len(waiting), len(waiting)), 'w': "0|0"}[what[0]]
		if got := c.query(sql)[0]; got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	c.check()
}

// held makes a payment that waits for its second confirmation.
func (c *nodes) held(h *hammer) (*device.Payment, *device.Approval) {
	c.Helper()
	p, err := c.begin(h.number, 100, consent.Order{})
	if err == nil {
		_, err = p.Authenticate(c.ctx, killPIN)
	}
	if err != nil {
		c.Fatal(err)
	}
	s, err := p.Statement()
	if err == nil {
		_, err = p.Confirm(c.ctx, s)
	}
	if err != nil {
		c.Fatal(err)
	}
	a, err := h.client.Approval(c.ctx, p.ID())
	if err != nil {
		c.Fatal(err)
	}
	return p, a
}
