package main

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"tapline/api"
	"tapline/payment"
)

var crashes = flag.Int("crashes", 20, "how often TestCrashes kills the service")

// striking is how many clients pay while the service is killed over and over.
const crashClients = 6

// TestCrashes kills the service with SIGKILL at random moments under load, over and over: make crash does so 200 times. It
// wants each acknowledged payment to be there, once, and each that had no answer to be made once when it is sent again.
func TestCrashes(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, unlimited...)
	p := newPurchase(d)
	for _, s := range p.preparing()[:2] {
		p.run(s)
	}
	all := make([]*hammer, crashClients)
	counts := make([]*counted, len(all))
	for i := range all {
		all[i] = p.newHammer(i)
		counts[i] = &counted{hammer: all[i], there: map[string]bool{}}
	}
	unanswered, between, made := 0, 0, 0
	for range *crashes {
		var striking, counting sync.WaitGroup
		for _, h := range all {
			striking.Go(h.strike)
		}
		<-time.After(time.Duration(5+rand.IntN(250)) * time.Millisecond)
		d.kill()
		striking.Wait()
		d.start()
		for _, c := range counts {
			unanswered += len(c.open)
			counting.Go(c.count)
		}
		counting.Wait()
		made = p.balanced(all)
		if t.Failed() {
			break
		}
	}
	for _, c := range counts {
		between += c.between
	}
	d.check()
	t.Logf("%d crashes, %d payments without an answer, of which %d had been made", *crashes, unanswered, between)
	if unanswered == 0 || made <= unanswered {
		t.Errorf("too little happened: %d payments, %d without an answer", made, unanswered)
	}
}

// counted is a client that remembers what it has counted before.
type counted struct {
	*hammer
	there   map[string]bool // settled payments that were counted
	checked int             // how many of acked were
	between int             // how many had no answer and were made
}

// count is recount for what has come since the last time.
func (c *counted) count() {
	for before := ""; ; {
		page, err := c.client.Payments(c.Context(), api.RoleInitiator, "", before, 200)
		if err != nil {
			c.Error(err)
			return
		}
		fresh := 0
		for _, view := range page.Payments {
			if !c.there[view.ID] {
				fresh++
			}
			if c.there[view.ID] = true; view.State != string(payment.Settled) {
				c.Errorf("%s is %s", view.ID, view.State)
			}
		}
		if before = page.Next; before == "" || fresh == 0 {
			break
		}
	}
	for _, sent := range c.acked[c.checked:] {
		if !c.there[string(sent.id)] {
			c.Errorf("%s was acknowledged, and is not there", sent.id)
		}
	}
	for _, sent := range c.open {
		status, answer, replayed, err := c.post(sent.compact)
		if done := c.there[string(sent.id)]; err != nil || status != 201 || done != replayed {
			c.Errorf("%s, which had no answer: %d %s (there: %v, replayed: %v) %v", sent.id, status, answer, done, replayed, err)
		}
		if replayed {
			c.between++
		}
		c.there[string(sent.id)] = true
		sent.answer = answer
		c.acked = append(c.acked, sent)
	}
	c.open, c.checked = nil, len(c.acked)
	if len(c.there) != len(c.acked) {
		c.Errorf("there are %d payments, %d were sent", len(c.there), len(c.acked))
	}
}
