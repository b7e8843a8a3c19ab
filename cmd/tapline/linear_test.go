package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"tapline/api"
	"tapline/consent"
	"tapline/internal/pgtest"
)

var linearFor = flag.Duration("linear", 4*time.Second, "how long histories are recorded")

// What is linearizable is checked from the outside: histories of requests to real processes, with the times at which each
// was sent and answered, are compared with an account and its idempotency keys as one register
// (https://github.com/anishathalye/porcupine). Each account is a history of its own.

// asked is a request in a history.
type asked struct {
	verb  string // pay, top-up or read
	key   string
	minor int64
}

// told is its answer.
type told struct {
	text    string // what came of it, or the balance
	again   bool   // it was given before
	unknown bool   // there was none: it may have been done, at any time since
}

// register is an account: its balance, and what was answered to each key.
type register struct {
	balance int64
	keys    string // "key minor answer;", in order
}

func (r register) find(key string) (minor int64, answer string, there bool) {
	for line := range strings.SplitSeq(r.keys, ";") {
		if rest, ok := strings.CutPrefix(line, key+" "); ok {
			_, _ = fmt.Sscanf(rest, "%d %s", &minor, &answer)
			return minor, answer, true
		}
	}
	return 0, "", false
}

func (r register) with(in asked, answer string) register {
	lines := append(strings.Split(strings.TrimSuffix(r.keys, ";"), ";"), fmt.Sprintf("%s %d %s", in.key, in.minor, answer))
	slices.Sort(lines)
	r.keys = strings.Trim(strings.Join(lines, ";"), ";") + ";"
	return r
}

const keyReused = "idempotency_key_reused"

// step is what the service has to do to an account.
func (r register) step(in asked) (told, register) {
	if in.verb == "read" {
		return told{text: fmt.Sprint(r.balance)}, r
	}
	if minor, answer, there := r.find(in.key); there {
		if minor != in.minor {
			return told{text: keyReused}, r
		}
		return told{text: answer, again: true}, r
	}
	answer := "settled"
	switch {
	case in.verb == "top-up":
		r.balance += in.minor
		answer = fmt.Sprint(r.balance)
	case r.balance < in.minor:
		answer = "rejected"
	default:
		r.balance -= in.minor
	}
	return told{text: answer}, r.with(in, answer)
}

var accountModel = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		want, after := state.(register).step(input.(asked))
		got := output.(told)
		return got.unknown || got == want, after
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
}

// nodes are services on one database.
type nodes struct {
	*purchase // at the address that they have in common
	all       []*daemon
	began     time.Time
	token     string
	stop      atomic.Bool
}

// startNodes starts some services with a payee, on one database: that of a URL, or a file. People reach them at the address
// of the first.
func startNodes(t *testing.T, db string, n int) *nodes {
	t.Helper()
	c := startNodesAt(t, "", db, n, unlimited...)
	c.furnish()
	return c
}

// startNodesAt starts services that people reach at another address.
func startNodesAt(t *testing.T, address, db string, n int, flags ...string) *nodes {
	t.Helper()
	dir := t.TempDir()
	if db == "" {
		db = filepath.Join(dir, "tapline.db")
	}
	c := &nodes{began: time.Now()}
	for range n {
		d := &daemon{T: t, address: lastingAddress(t), db: db, dir: dir, flags: append([]string{"--keys", filepath.Join(dir, "keys")}, flags...)}
		if address == "" {
			address = d.address
		}
		d.public = "http://" + address
		c.all = append(c.all, d)
		d.start()
		t.Cleanup(func() {
			if d.process != nil {
				d.kill()
			}
		})
	}
	c.purchase = newPurchase(&daemon{T: t, address: address, db: db, dir: dir})
	return c
}

// furnish enrols an operator and adds a payee.
func (c *nodes) furnish() {
	c.Helper()
	token, err := os.ReadFile(filepath.Join(c.dir, "tapline.first-token"))
	if err == nil {
		_, err = c.operator.EnrolFirst(c.ctx, string(token), "Olga")
	}
	if err == nil {
		_, err = c.operator.AddPayee(c.ctx, api.NewPayee{Handle: "books@shop", Name: "Book Shop", Currency: "CNY"})
	}
	if err == nil {
		_, err = c.operator.Accounts(c.ctx)
	}
	if err != nil {
		c.Fatal(err)
	}
	c.token = c.recorder.bearer
}

// through is a client whose connections go to any of the nodes, each to another.
func (c *nodes) through() *http.Client { return c.by(func() int { return rand.IntN(len(c.all)) }) }

// by is a client that makes a connection for each request, to the node that pick says.
func (c *nodes) by(pick func() int) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, c.all[pick()].address)
		},
	}}
}

// recording is what was recorded of one account.
type recording struct {
	*nodes
	*hammer
	http *http.Client
	mu   sync.Mutex
	ops  []porcupine.Operation
	sent []asked // by the payer, with what was signed
	text map[asked]string
}

func (h *recording) now() int64 { return int64(time.Since(h.began)) }

// record sends a request until there is an answer. A try that may have been done, without anybody knowing, is in the
// history once, without an end.
func (h *recording) record(client int, in asked, send func(context.Context) (told, error)) {
	lost := false
	for !h.stop.Load() || lost {
		ctx, cancel := context.WithTimeout(h.nodes.ctx, 10*time.Second)
		if rand.IntN(8) == 0 { // the connection is dropped
			ctx, cancel = context.WithTimeout(h.nodes.ctx, time.Duration(rand.IntN(8000))*time.Microsecond)
		}
		began := h.now()
		out, err := send(ctx)
		ended := h.now()
		cancel()
		switch {
		case err == nil:
			h.add(porcupine.Operation{ClientId: client, Input: in, Output: out, Call: began, Return: ended})
			return
		case errors.Is(err, errNotDone):
		case in.verb == "read":
			return // nobody knows what it would have said
		case !lost:
			lost = true
			h.add(porcupine.Operation{ClientId: client + 100*len(h.ops), Input: in, Output: told{unknown: true}, Call: began, Return: math.MaxInt64})
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (h *recording) add(op porcupine.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
}

// errNotDone means that a try was not done and will not be.
var errNotDone = errors.New("not done")

// ask sends a request once.
func (h *recording) ask(ctx context.Context, method, path, contentType, key, body string) (status int, answer []byte, again bool, err error) {
	request, err := http.NewRequestWithContext(ctx, method, h.nodes.url()+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, false, err
	}
	request.GetBody = nil
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if contentType != api.ContentJWS {
		request.Header.Set("Authorization", h.token)
	}
	if key != "" {
		request.Header.Set(api.IdempotencyHeader, key)
	}
	response, err := h.http.Do(request)
	if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" {
		return 0, nil, false, errNotDone
	}
	if err != nil {
		return 0, nil, false, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	var problem api.Problem
	if err == nil && response.StatusCode >= 400 && json.Unmarshal(answer, &problem) == nil {
		switch problem.Code {
		case "in_progress", "busy", "too_many_requests":
			return 0, nil, false, errNotDone
		}
		if response.StatusCode >= 500 {
			return 0, nil, false, fmt.Errorf("%d %s", response.StatusCode, problem.Code)
		}
	}
	return response.StatusCode, bytes.TrimSpace(answer), response.Header.Get(api.ReplayedHeader) == "true", err
}

// told is an answer as the model has it.
func (h *recording) told(status int, answer []byte, again bool, want int, text func() string) told {
	var problem api.Problem
	if status == want {
		return told{text: text(), again: again}
	}
	_ = json.Unmarshal(answer, &problem) // of what is no problem the code is empty
	if problem.Code != keyReused {
		h.nodes.Errorf("%d %s", status, answer)
	}
	return told{text: problem.Code}
}

// pays instructs payments, repeats some, and uses keys again for others.
func (h *recording) pays() {
	for !h.stop.Load() {
		in := asked{verb: "pay", key: string(consent.NewPaymentID()), minor: 1 + rand.Int64N(40)}
		if n := rand.IntN(10); n < 4 && len(h.sent) > 0 {
			in = h.sent[len(h.sent)-1-rand.IntN(min(3, len(h.sent)))]
			if n == 0 {
				in.minor++
			}
		}
		compact, ok := h.text[in]
		if !ok {
			m := &consent.Instruction{
				Claims: consent.NewClaims(consent.Audience(h.nodes.url(), "test"), time.Now()), Device: h.client.ID(),
				Amount: yuan(in.minor), Payee: "books@shop", Tap: consent.Tap{Account: h.number},
			}
			m.ID = in.key
			var err error
			if compact, err = consent.Sign(h.client.Key, consent.TypInstruction, m); err != nil {
				h.nodes.Error(err)
				return
			}
			h.text[in] = compact
			h.sent = append(h.sent, in)
		}
		h.record(1, in, func(ctx context.Context) (told, error) {
			status, answer, again, err := h.ask(ctx, http.MethodPost, "/v1/payments", api.ContentJWS, "", compact)
			if err != nil {
				return told{}, err
			}
			return h.told(status, answer, again, http.StatusCreated, func() string {
				var p struct{ State string }
				_ = json.Unmarshal(answer, &p) // an empty state fits nothing
				return p.State
			}), nil
		})
		<-time.After(time.Duration(rand.IntN(15)) * time.Millisecond)
	}
}

// topsUp tops the account up, and repeats some.
func (h *recording) topsUp() {
	last := asked{}
	for !h.stop.Load() {
		in := asked{verb: "top-up", key: consent.NewID(), minor: 1 + rand.Int64N(60)}
		if rand.IntN(3) == 0 && last.key != "" {
			in = last
		}
		last = in
		body := fmt.Sprintf(`{"amount":{"minor":%d,"currency":"CNY"}}`, in.minor)
		h.record(2, in, func(ctx context.Context) (told, error) {
			status, answer, again, err := h.ask(ctx, http.MethodPost, "/v1/admin/accounts/"+h.account+"/top-ups", "application/json", in.key, body)
			if err != nil {
				return told{}, err
			}
			return h.told(status, answer, again, http.StatusCreated, func() string { return balanceIn(answer) }), nil
		})
		<-time.After(time.Duration(rand.IntN(25)) * time.Millisecond)
	}
}

func balanceIn(answer []byte) string {
	a := api.Account{Balance: -1}
	_ = json.Unmarshal(answer, &a) // no account has less than nothing
	return fmt.Sprint(a.Balance)
}

// reads asks what the account has.
func (h *recording) reads(client int) {
	for !h.stop.Load() {
		h.record(client, asked{verb: "read"}, func(ctx context.Context) (told, error) {
			status, answer, _, err := h.ask(ctx, http.MethodGet, "/v1/admin/accounts/"+h.account, "", "", "")
			if err != nil {
				return told{}, err
			}
			return h.told(status, answer, false, http.StatusOK, func() string { return balanceIn(answer) }), nil
		})
		<-time.After(time.Duration(rand.IntN(10)) * time.Millisecond)
	}
}

// linear records histories while nodes are killed, and checks them.
func (c *nodes) linear(accounts int) {
	c.Helper()
	var all []*recording
	for i := range accounts {
		h := &recording{nodes: c, http: c.through(), text: map[asked]string{}}
		h.hammer = c.newHammerOf(i, 0)
		all = append(all, h)
	}
	var clients sync.WaitGroup
	for _, h := range all {
		clients.Go(h.pays)
		clients.Go(h.topsUp)
		clients.Go(func() { h.reads(3) })
		clients.Go(func() { h.reads(4) })
	}
	kills := 0
	for over := time.After(*linearFor); ; kills++ {
		select {
		case <-over:
			c.stop.Store(true)
			clients.Wait()
			c.judge(all, kills)
			return
		case <-time.After(time.Duration(200+rand.IntN(600)) * time.Millisecond):
		}
		d := c.all[rand.IntN(len(c.all))]
		d.kill()
		d.start()
	}
}

// judge checks what was recorded.
func (c *nodes) judge(all []*recording, kills int) {
	c.Helper()
	var judging sync.WaitGroup
	operations, lost := atomic.Int64{}, atomic.Int64{}
	for _, h := range all {
		judging.Go(func() {
			for _, op := range h.ops {
				operations.Add(1)
				if op.Output.(told).unknown {
					lost.Add(1)
				}
			}
			result, info := porcupine.CheckOperationsVerbose(accountModel, h.ops, time.Minute)
			if result == porcupine.Ok {
				return
			}
			c.Errorf("account %s: %s", h.account, result)
			if f, err := os.CreateTemp("", "tapline-history-*.html"); err == nil {
				if err := errors.Join(porcupine.Visualize(accountModel, info, f), f.Close()); err == nil {
					c.Logf("the history is in %s", f.Name())
				}
			}
		})
	}
	judging.Wait()
	c.Logf("%d requests for %d accounts, %d of them without an answer, %d kills", operations.Load(), len(all), lost.Load(), kills)
	if kills == 0 || lost.Load() == 0 || operations.Load() < 100 {
		c.Error("nothing was tried")
	}
	c.check()
}

func TestAccountsAndKeysAreLinearizableOnOneNode(t *testing.T) {
	startNodes(t, "", 1).linear(3)
}

func TestAccountsAndKeysAreLinearizableOnThreeNodes(t *testing.T) {
	startNodes(t, pgtest.Database(t, "", nil), 3).linear(3)
}

// TestTheCheckOfHistoriesFindsWhatIsWrong gives it histories that no account can have.
func TestTheCheckOfHistoriesFindsWhatIsWrong(t *testing.T) {
	op := func(call, end int64, in asked, out told) porcupine.Operation {
		return porcupine.Operation{Call: call, Return: end, Input: in, Output: out}
	}
	topped := op(0, 1, asked{"top-up", "a", 100}, told{text: "100"})
	good := []porcupine.Operation{topped, op(2, 5, asked{"pay", "b", 60}, told{text: "settled"}), op(3, 4, asked{verb: "read"}, told{text: "100"}),
		op(6, 7, asked{"pay", "b", 60}, told{text: "settled", again: true}), op(6, 9, asked{"pay", "b", 61}, told{text: keyReused}),
		op(8, math.MaxInt64, asked{"pay", "c", 40}, told{unknown: true}), op(10, 11, asked{verb: "read"}, told{text: "0"})}
	if !porcupine.CheckOperations(accountModel, good) {
		t.Error("a good history is refused")
	}
	for name, bad := range map[string]porcupine.Operation{
		"money that is not there":        op(2, 3, asked{"pay", "b", 101}, told{text: "settled"}),
		"a stale read":                   op(2, 3, asked{verb: "read"}, told{text: "0"}),
		"a repeat that is done again":    op(2, 3, asked{"top-up", "a", 100}, told{text: "200"}),
		"a key that is used for another": op(2, 3, asked{"top-up", "a", 50}, told{text: "150"}),
		"an answer from nowhere":         op(2, 3, asked{"pay", "b", 10}, told{text: "settled", again: true}),
	} {
		if porcupine.CheckOperations(accountModel, []porcupine.Operation{topped, bad}) {
			t.Errorf("%s is taken for good", name)
		}
	}
}
