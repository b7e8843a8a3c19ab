package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
)

var (
	overloadFor  = flag.Duration("overload", 5*time.Second, "how long TestOverload asks for three times of what the service can do")
	overloadCore = flag.Int("overload-core", -1, "a core for TestOverload's service alone; whoever starts the test keeps it off that")
)

// crowd are people who ask for more than a service can do, without waiting for each other.
type crowd struct {
	*purchase
	all   []*hammer
	lines chan *line

	mu      sync.Mutex
	refused []sentPayment // to be sent again
}

// What crowds do.
const (
	crowdCards  = 16
	crowdPayers = 64 // as many pay at once where the most is measured
	crowdLines  = 2048
)

func newCrowd(p *purchase) *crowd {
	p.Helper()
	c := &crowd{purchase: p, lines: make(chan *line, crowdLines)}
	for range crowdLines {
		c.lines <- &line{}
	}
	for i := range crowdCards {
		c.all = append(c.all, p.newHammer(i))
	}
	return c
}

// outcome is what became of what a crowd asked for.
type outcome struct {
	mu      sync.Mutex
	took    []time.Duration // to be done, since it was sent
	late    time.Duration   // the longest from when something was due until it was sent
	refused int             // told to come again, and when
	failed  map[string]int  // all else
	until   time.Time       // when it was not asked for any more
	inTime  int             // done by then
	elapsed time.Duration   // until then
}

func (o *outcome) perSecond() float64 { return float64(o.inTime) / o.elapsed.Seconds() }

// within is the time within which such a part was done.
func (o *outcome) within(part float64) time.Duration {
	if len(o.took) == 0 {
		return 0
	}
	slices.Sort(o.took)
	return o.took[min(len(o.took)-1, int(float64(len(o.took))*part))]
}

func (o *outcome) String() string {
	return fmt.Sprintf("%.0f done a second, 50 %% within %v, 99 %% within %v, all within %v of being sent, up to %v late; %d told to come again; failed: %v",
		o.perSecond(), o.within(.5).Round(time.Millisecond), o.within(.99).Round(time.Millisecond), o.within(1).Round(time.Millisecond),
		o.late.Round(time.Millisecond), o.refused, o.failed)
}

// reply is what came back.
type reply struct {
	sent       time.Time // when the request went out
	status     int
	retryAfter string
	err        error
}

// note takes note of a reply.
func (o *outcome) note(due time.Time, r reply) (refused bool) {
	took := time.Since(r.sent)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.late = max(o.late, r.sent.Sub(due))
	seconds, _ := strconv.Atoi(r.retryAfter)
	switch {
	case r.err == nil && (r.status == http.StatusCreated || r.status == http.StatusOK):
		o.took = append(o.took, took)
		if time.Now().Before(o.until) {
			o.inTime++
		}
	case r.err == nil && (r.status == http.StatusServiceUnavailable || r.status == http.StatusTooManyRequests) && seconds > 0:
		o.refused++
		return true
	default:
		if o.failed == nil {
			o.failed = map[string]int{}
		}
		text := strconv.Itoa(r.status)
		if r.err != nil {
			text = r.err.Error()
		}
		o.failed[text]++
	}
	return false
}

// next is a payment that was refused before, or a new one.
func (c *crowd) next() sentPayment {
	c.mu.Lock()
	if n := len(c.refused); n > 0 {
		sent := c.refused[n-1]
		c.refused = c.refused[:n-1]
		c.mu.Unlock()
		return sent
	}
	c.mu.Unlock()
	return c.all[rand.IntN(len(c.all))].sign()
}

// pay pays once.
func (c *crowd) pay(due time.Time, o *outcome) {
	sent := c.next()
	if o.note(due, c.send(http.MethodPost, "/v1/payments", sent.compact)) {
		c.mu.Lock()
		c.refused = append(c.refused, sent)
		c.mu.Unlock()
	}
}

// send sends a request once, on a connection that is kept.
func (c *crowd) send(method, path, compact string) reply {
	l := <-c.lines
	defer func() { c.lines <- l }()
	r := reply{sent: time.Now()}
	if l.conn == nil {
		if l.conn, r.err = net.Dial("tcp", c.address); r.err != nil {
			return r
		}
		l.in = bufio.NewReader(l.conn)
	}
	l.ask(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, path, c.address, api.ContentJWS, len(compact), compact), &r)
	if r.err != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
	return r
}

// line is a connection, which costs little: whoever asks takes of the same cores as the service.
type line struct {
	conn net.Conn
	in   *bufio.Reader
}

func (l *line) ask(request string, r *reply) {
	if r.err = l.conn.SetDeadline(time.Now().Add(patience)); r.err == nil {
		_, r.err = io.WriteString(l.conn, request)
	}
	if r.err == nil {
		r.err = r.read(l.in)
	}
}

// read reads an answer that says how long it is (RFC 9112 §6.3), but not its body. http.ReadResponse takes three times as much of the
// cores.
func (r *reply) read(in *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		text, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		text = strings.TrimSuffix(text, "\r\n")
		switch name, value, _ := strings.Cut(text, ": "); {
		case first:
			_, code, _ := strings.Cut(text, " ")
			if r.status, err = strconv.Atoi(code[:min(3, len(code))]); err != nil {
				return err
			}
		case name == "Retry-After":
			r.retryAfter = value
		case name == "Content-Length":
			if length, err = strconv.Atoi(value); err != nil {
				return err
			}
		case text == "":
			if length < 0 {
				return fmt.Errorf("an answer %d of unknown length", r.status)
			}
			_, err = in.Discard(length)
			return err
		}
	}
}

// closed lets as many do a thing at once, each again and again.
func closed(clients int, d time.Duration, do func(due time.Time, o *outcome)) *outcome {
	began := time.Now()
	o := &outcome{until: began.Add(d), elapsed: d}
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for time.Since(began) < d {
				do(time.Now(), o)
			}
		})
	}
	all.Wait()
	return o
}

// open has a thing done so often a second, whatever becomes of it.
func open(rate float64, d time.Duration, do func(due time.Time, o *outcome)) *outcome {
	began := time.Now()
	o := &outcome{until: began.Add(d), elapsed: d}
	var all sync.WaitGroup
	for n := 0; ; n++ {
		due := began.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		if due.Sub(began) >= d {
			break
		}
		<-time.After(time.Until(due))
		all.Go(func() { do(due, o) })
	}
	all.Wait()
	return o
}

// resident is the memory of the service's process, in MB; 0 where the system does not tell.
func (d *daemon) resident() int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.process.Pid))
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kilobytes, _ := strconv.Atoi(fields[0])
	return kilobytes >> 10
}

// most is the most memory that the service's process has while something happens.
func (d *daemon) most(happens func()) (megabytes int) {
	done, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		for {
			megabytes = max(megabytes, d.resident())
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	happens()
	close(done)
	<-looked
	return megabytes
}

// startCrowded starts a service that people pay at by tapping, without limits.
func startCrowded(t *testing.T) *crowd {
	t.Helper()
	d := newDaemon(t, append([]string{"--log-level", "warn"}, unlimited...)...)
	if *overloadCore >= 0 {
		d.within = []string{"taskset", "--cpu-list", strconv.Itoa(*overloadCore)}
	}
	d.start()
	p := newPurchase(d)
	for _, s := range p.preparing()[:2] {
		p.run(s)
	}
	return newCrowd(p)
}

// TestOverload asks for three times as many payments as the service can make, for a while. Only make overload, which does so
// for a minute on a machine that has nothing else to do, and with a core for the service alone, holds rates and times against
// bounds: on cores that both share, what is left depends on what whoever asks takes.
func TestOverload(t *testing.T) {
	c := startCrowded(t)
	closed(crowdPayers, time.Second, c.pay)
	before := c.resident()
	full := closed(crowdPayers, max(2*time.Second, *overloadFor/6), c.pay)
	t.Logf("%d payers: %v", crowdPayers, full)
	var over, after *outcome
	most := c.most(func() { over = open(3*full.perSecond(), *overloadFor, c.pay) })
	t.Logf("three times as many: %v; memory %d MB, before %d MB", over, most, before)
	began := time.Now()
	for {
		after = open(full.perSecond()/4, time.Second/2, c.pay)
		if after.refused == 0 && after.within(.99) < 250*time.Millisecond || time.Since(began) > 30*time.Second {
			break
		}
	}
	normal := time.Since(began)
	t.Logf("afterwards: %v, since %v", after, normal)
	again := closed(crowdPayers, 2*time.Second, c.pay)
	t.Logf("%d payers again: %v", crowdPayers, again)
	if len(full.failed)+len(over.failed)+len(after.failed)+len(again.failed) > 0 || full.refused > 0 {
		t.Error("requests failed")
	}
	if over.refused == 0 || over.inTime == 0 {
		t.Errorf("of three times as many %d were done and %d told to come again", over.inTime, over.refused)
	}
	if most > 400 {
		t.Errorf("the service took %d MB", most)
	}
	if after.refused > 0 {
		t.Errorf("%v after it ended people are still told to come again", normal)
	}
	if *overloadFor >= time.Minute && *overloadCore >= 0 {
		measureOverload(t, full, over, again, normal)
	}
	c.check()
}

// measureOverload holds what was measured against bounds.
func measureOverload(t *testing.T, full, over, again *outcome, normal time.Duration) {
	t.Helper()
	if can := max(full.perSecond(), again.perSecond()); over.perSecond() < .8*can {
		t.Errorf("of %.0f payments a second %.0f were left", can, over.perSecond())
	}
	// Half a second for a place; all else is work.
	if got, bound := over.within(.99), 2*time.Second+10*full.within(.99); got > bound {
		t.Errorf("who was let in waited for %v, more than %v", got, bound)
	}
	if normal > 5*time.Second {
		t.Error("after five seconds it is not as before")
	}
}

// TestAFloodOfPINsLeavesRoomForOthers keeps the queue of PINs full, while others tap and read.
func TestAFloodOfPINsLeavesRoomForOthers(t *testing.T) {
	c := startCrowded(t)
	if _, err := c.kiosk.Register(c.ctx, "kiosk"); err != nil {
		t.Fatal(err)
	}
	var unproved []consent.PaymentID // by cards that nobody knows: their PINs are hashed, too
	var mu sync.Mutex
	var sending sync.WaitGroup
	for i := range 8 {
		sending.Go(func() {
			for j := range 100 {
				id := c.sendAs(consent.AccountNumber(fmt.Sprintf("6200000000%05d0", 100*i+j)))
				mu.Lock()
				unproved = append(unproved, id)
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	var read atomic.Bool
	others := func(due time.Time, o *outcome) {
		if read.Swap(!read.Load()) {
			c.pay(due, o)
			return
		}
		o.note(due, c.send(http.MethodGet, "/v1/service", ""))
	}
	alone := open(100, time.Second, others)
	var next atomic.Int64
	var flood *outcome
	var flooding sync.WaitGroup
	flooding.Go(func() {
		flood = closed(3*64, 3*time.Second, func(due time.Time, o *outcome) {
			m := c.pinMessage(unproved[int(next.Add(1))%len(unproved)], killWrongPIN)
			r := c.send(http.MethodPost, m.path, m.compact)
			if r.status == http.StatusForbidden || r.status == http.StatusConflict {
				r.status = http.StatusOK // it was looked at, or there were too many
			}
			if o.note(due, r) {
				<-time.After(20 * time.Millisecond)
			}
		})
	})
	<-time.After(200 * time.Millisecond)
	beside := open(100, 2500*time.Millisecond, others)
	flooding.Wait()
	t.Logf("alone: %v", alone)
	t.Logf("beside PINs: %v", beside)
	t.Logf("PINs: %v", flood)
	if flood.refused == 0 {
		t.Error("the queue of PINs was never full")
	}
	if len(beside.failed)+len(flood.failed) > 0 || beside.refused > 0 || beside.within(.5) > 2*time.Second {
		t.Error("PINs kept others out")
	}
}
