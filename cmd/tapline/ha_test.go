//go:build ha && linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tapline/api"
)

// The tests of this file need Debian's patroni and etcd-server, so they are only there with the build tag "ha", and then
// fail where a part is missing: make test-ha.

var outageLimit = flag.Duration("outage", 15*time.Second, "how long a failover may leave everybody without service")

// haPayers is how many clients pay all the time.
const haPayers = 6

// replicated is three PostgreSQL servers under Patroni, run by deploy/postgres-ha/cluster.
type replicated struct {
	*testing.T
	script string
	folder string
	port   int
}

func startReplicated(t *testing.T) *replicated {
	t.Helper()
	script, err := filepath.Abs("../../deploy/postgres-ha/cluster")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "tapline-ha") // PostgreSQL does not run as root, and gets at no folder below root's own
	if err != nil {
		t.Fatal(err)
	}
	r := &replicated{T: t, script: script, folder: folder, port: twelvePorts(t)}
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := exec.Command("sh", "-c", "tail -n 40 "+folder+"/log/*").Output()
			t.Logf("%s", logs)
		}
		r.do("stop")
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	r.do("start", fmt.Sprint(r.port))
	password, err := os.ReadFile(filepath.Join(folder, "tapline.password"))
	if err != nil {
		t.Fatal(err)
	}
	passwords := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(passwords, []byte("127.0.0.1:*:tapline:tapline:"+string(password)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGPASSFILE", passwords)
	return r
}

// twelvePorts finds as many in a row that nobody listens on, and returns the first.
func twelvePorts(t *testing.T) int {
	t.Helper()
search:
	for range 1000 {
		first := 20_000 + rand.IntN(11_000)
		for port := first; port < first+12; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				continue search
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		return first
	}
	t.Fatal("no ports are free")
	return 0
}

// do runs the script and returns what it says.
func (r *replicated) do(command string, args ...string) string {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.script, append([]string{command, r.folder}, args...)...)
	said := &strings.Builder{}
	cmd.Stderr, cmd.WaitDelay = said, 5*time.Second
	out, err := cmd.Output()
	if err != nil {
		r.Fatalf("cluster %s %s: %v\n%s%s", command, strings.Join(args, " "), err, out, said)
	}
	return strings.TrimSpace(string(out))
}

// leader is the number of the primary.
func (r *replicated) leader() string {
	r.Helper()
	n := r.do("leader")
	if n == "" {
		r.Fatalf("nobody leads:\n%s", r.do("status"))
	}
	return n
}

// migrate makes the tables, as their owner.
func (r *replicated) migrate(url string) {
	r.Helper()
	owner := strings.Replace(url, "tapline@", "tapline_owner@", 1)
	cmd := (&daemon{T: r.T}).command("migrate", "--db", owner, "--db-password-file", filepath.Join(r.folder, "owner.password"), "--environment", "test")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Fatalf("tapline migrate: %v\n%s", err, out)
	}
}

// steady is a client that pays all the time, through any of the services, and repeats what was not acknowledged until it is.
type steady struct {
	*hammer
	http    *http.Client
	mu      sync.Mutex
	acks    []time.Time
	longest time.Duration // from the first try of a payment to its answer
	again   int           // payments that needed more than one try
	done    int           // of which an earlier try had been done, unanswered
	refused map[int]int   // answers by status, besides 201
}

// pays pays until stop.
func (p *steady) pays(stop *atomic.Bool) {
	for !stop.Load() && !p.Failed() {
		sent, began := p.sign(), time.Now()
		for try := 1; ; try++ {
			answer, replayed, err := p.try(sent.compact)
			if err == nil {
				sent.answer, sent.at = answer, time.Now()
				p.record(sent, began, try, replayed)
				break
			}
			if !errors.Is(err, errTryAgain) || time.Since(began) > 2*time.Minute {
				p.Errorf("a payment, at try %d, after %v: %v", try, time.Since(began), err)
				return
			}
			<-time.After(50 * time.Millisecond)
		}
	}
}

func (p *steady) record(sent sentPayment, began time.Time, try int, replayed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked, p.acks = append(p.acked, sent), append(p.acks, sent.at)
	p.longest = max(p.longest, sent.at.Sub(began))
	if try > 1 {
		p.again++
		if replayed {
			p.done++
		}
	}
	if try == 1 && replayed {
		p.Errorf("%s was answered as a repeat, the first time", sent.id)
	}
}

// errTryAgain means that nobody knows whether a payment was made, or that it was not for now.
var errTryAgain = errors.New("try again")

func (p *steady) try(compact string) (answer string, replayed bool, err error) {
	ctx, cancel := context.WithTimeout(p.Context(), 40*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url()+"/v1/payments", strings.NewReader(compact))
	if err != nil {
		return "", false, err
	}
	request.GetBody = nil
	request.Header.Set("Content-Type", api.ContentJWS)
	response, err := p.http.Do(request)
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", errTryAgain, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", errTryAgain, err)
	}
	if response.StatusCode == http.StatusCreated {
		return string(body), response.Header.Get(api.ReplayedHeader) == "true", nil
	}
	p.mu.Lock()
	p.refused[response.StatusCode]++
	p.mu.Unlock()
	var problem api.Problem
	_ = json.Unmarshal(body, &problem) // of what is no problem the code is empty
	if response.StatusCode == http.StatusServiceUnavailable || problem.Code == "in_progress" {
		return "", false, fmt.Errorf("%w: %d %s", errTryAgain, response.StatusCode, problem.Code)
	}
	return "", false, fmt.Errorf("%d %s", response.StatusCode, body)
}

// ha is services on a replicated database, with payers.
type ha struct {
	*nodes
	cluster *replicated
	payers  []*steady
}

// acks are the times of all acknowledged payments since a time, in order.
func (h *ha) acks(since time.Time) (all []time.Time) {
	for _, p := range h.payers {
		p.mu.Lock()
		for _, at := range p.acks {
			if at.After(since) {
				all = append(all, at)
			}
		}
		p.mu.Unlock()
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// fault does something to the cluster under load, waits until payments are made again, and tells for how long there were
// none.
func (h *ha) fault(what string, limit time.Duration, do func()) {
	h.Helper()
	before := time.Now()
	do()
	after := time.Now()
	over := time.After(2 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(h.acks(after.Add(time.Second))) < 50 && !h.Failed() {
		select {
		case <-tick.C:
		case <-over:
			h.Fatalf("%s: two minutes later nobody can pay:\n%s", what, h.cluster.do("status"))
		}
	}
	outage, last := time.Duration(0), before
	for _, at := range h.acks(before) {
		outage, last = max(outage, at.Sub(last)), at
	}
	h.Logf("%s: %v without service", what, outage.Round(10*time.Millisecond))
	if outage > limit {
		h.Errorf("%s: %v without service is more than %v", what, outage, limit)
	}
}

// whole waits until one server leads and two follow, at the end of what it has written.
func (h *ha) whole() {
	h.Helper()
	h.cluster.do("wait", "120")
}

// failover does something to the primary, wants another to take its place, and brings the old one back as a replica.
func (h *ha) failover(what, command string, back ...string) {
	h.Helper()
	old := h.cluster.leader()
	limit := *outageLimit
	if command == "freeze" { // its system still answers for it, so services wait before they give it up
		limit += 15 * time.Second
	}
	h.fault(what, limit, func() { h.cluster.do(command, old) })
	for _, command := range back {
		h.cluster.do(command, old)
	}
	h.whole()
	if now := h.cluster.leader(); now == old {
		h.Errorf("%s: server %s still leads", what, old)
	}
}

// TestReplicatedPostgreSQL has clients pay through two services on three servers while one server after the other is lost,
// comes back, and hands over. It wants every acknowledged payment to be there, once, and every other to be made once when
// it is sent again; and the books of all three servers to balance in the end.
func TestReplicatedPostgreSQL(t *testing.T) {
	r := startReplicated(t)
	url := r.do("url")
	r.migrate(url)
	h := &ha{nodes: startNodes(t, url, 2), cluster: r}
	var paying sync.WaitGroup
	var stop atomic.Bool
	defer func() { stop.Store(true); paying.Wait() }()
	for i := range haPayers {
		p := &steady{hammer: h.newHammer(i), http: h.through(), refused: map[int]int{}}
		h.payers = append(h.payers, p)
		paying.Go(func() { p.pays(&stop) })
	}
	h.fault("nothing", time.Second, func() {})
	h.failover("kill -9 of the primary and its Patroni", "kill", "up")
	h.failover("kill -9 of the next primary and its Patroni", "kill", "up")
	h.failover("kill -9 of the primary alone", "kill-postgres")
	h.failover("a primary that is paused, and goes on later", "freeze", "thaw")
	h.failover("a planned switchover", "switchover")
	h.fault("kill -9 of a synchronous replica and its Patroni", *outageLimit, func() { h.cluster.do("kill", h.cluster.do("sync")) })
	for n := range 3 {
		h.cluster.do("up", fmt.Sprint(n+1))
	}
	h.whole()
	stop.Store(true)
	paying.Wait()
	h.judge()
}

// judge counts everything.
func (h *ha) judge() {
	h.Helper()
	var all []*hammer
	again, done, longest, refused := 0, 0, time.Duration(0), map[int]int{}
	for _, p := range h.payers {
		p.recount()
		all = append(all, p.hammer)
		again, done, longest = again+p.again, done+p.done, max(longest, p.longest)
		for status, n := range p.refused {
			refused[status] += n
		}
	}
	made := h.balanced(all)
	h.Logf("%d payments, %d sent more than once, of which %d had been made unanswered; the longest took %v; refused by status: %v",
		made, again, done, longest.Round(10*time.Millisecond), refused)
	if again == 0 {
		h.Error("nothing had to be sent again, so nothing was tried")
	}
	h.check()
	h.whole()
	for n := range 3 { // replicas have the same books
		one := strings.Split(h.cluster.do("url"), "@")[0] + fmt.Sprintf("@127.0.0.1:%d/tapline?sslmode=verify-full&sslrootcert=%s/tls/ca.crt",
			h.cluster.port+n, h.cluster.folder)
		if out, err := h.command("check", "--db", one).CombinedOutput(); err != nil {
			h.Errorf("tapline check of server %d: %v\n%s", n+1, err, out)
		}
	}
}
