// Package processor runs commands in batches. While one database transaction commits, the commands that arrive
// meanwhile gather into the next; a batch loads all the rows it needs, runs each command over them in order, writes
// once and commits once, and only then is anybody answered. So a popular payee is one row update per batch, and one
// fsync serves many payments; an idle service adds no delay.
//
// Each file of this package but the first few is one command: what rows it wants, and what it does to them. The rules
// of a payment's life are in package payment, those of the books in package ledger.
package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"tapline/keyring"
	"tapline/payment"
)

// Bounds of the processor.
const (
	QueueLength = 4096             // commands waiting; beyond, ErrBusy
	BatchLength = 512              // commands in one database transaction
	updateLimit = 30 * time.Second // for one database transaction, before it is given up
	keepAnswers = 7 * 24 * time.Hour
	lease       = 10 * time.Second // after which a request in progress counts as abandoned by a process that died
)

// Errors of Do, besides those of the command.
var (
	ErrBusy       = errors.New("too many commands are waiting")
	ErrClosed     = errors.New("the processor is shutting down")
	ErrInProgress = errors.New("the request is still in progress")
	ErrKeyReused  = errors.New("the idempotency key was used for another request")
)

// Command is one request's work inside a batch. It may be run again from the start, so Do sets results in the command
// and keeps nothing else.
type Command interface {
	// Wants adds the rows that the command needs, given those that are loaded. It is called until it adds nothing new,
	// so that a row can be named by another: a card's account by the card.
	Wants(u *Unit, w *Wants)
	// Do reads and stages rows. An error means that nothing of it happens, and nothing is remembered of the request.
	Do(u *Unit) error
}

// Phase says which part of a request a command is.
type Phase int

// Phases. A request whose PIN has to be hashed between two transactions begins in one and finishes in another.
const (
	Whole Phase = iota
	Begin
	Finish
)

// Request is a command with its idempotency key. The same key with the same digest gets the same answer, and has one
// effect; a request without a key (the service's own) is simply done.
type Request struct {
	Key     KeyID
	Digest  string
	Phase   Phase
	Command Command
	// Answer gives the HTTP status and body to remember, once Do has succeeded. It runs inside the transaction.
	Answer func(now time.Time) (status int, body []byte)
}

// Answer is what a request is told.
type Answer struct {
	Status   int
	Body     []byte
	Replayed bool // it was given before
}

// Batch describes a committed batch, to be measured.
type Batch struct {
	Commands int
	Took     time.Duration
	Changed  []payment.Payment // as they are now
	WakeUps  int               // that are to be sent
	Mails    int               // likewise
}

// Config is what a Processor needs.
type Config struct {
	Store   Store
	Keys    *keyring.Keyring
	Policy  payment.Policy
	Limits  Limits
	Now     func() time.Time // nil: the store's clock, which is one for all nodes
	OnBatch func(Batch)      // nil: nobody measures; called by one goroutine
	Log     *slog.Logger

	// PayoutsAlone is the most, in minor units, that is paid out by a schedule without an operator; 0 for no limit.
	PayoutsAlone int64
}

// Processor runs commands. Its methods are safe for several goroutines.
type Processor struct {
	Config
	queue chan *job
	done  chan struct{}

	closing sync.RWMutex // held for reading while a job is put into the queue
	closed  bool
}

type job struct {
	ctx    context.Context
	req    Request
	answer Answer
	err    error
	again  bool // it wants what others of its batch have made
	done   chan struct{}
}

// New starts a processor. Close it.
func New(c Config) *Processor {
	p := &Processor{Config: c, queue: make(chan *job, QueueLength), done: make(chan struct{})}
	go p.loop()
	return p
}

// Close lets the commands that were taken finish and takes no more.
func (p *Processor) Close() {
	p.closing.Lock()
	if !p.closed {
		p.closed = true
		close(p.queue)
	}
	p.closing.Unlock()
	<-p.done
}

// Do runs a request in the next batch and returns when that has been committed. If ctx ends first the command may
// still happen: ask again with the same key.
func (p *Processor) Do(ctx context.Context, r Request) (Answer, error) {
	j := &job{ctx: ctx, req: r, done: make(chan struct{})}
	if err := p.enqueue(j); err != nil {
		return Answer{}, err
	}
	select {
	case <-j.done:
		return j.answer, j.err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

func (p *Processor) enqueue(j *job) error {
	p.closing.RLock()
	defer p.closing.RUnlock()
	if p.closed {
		return ErrClosed
	}
	select {
	case p.queue <- j:
		return nil
	default:
		return ErrBusy
	}
}

// loop takes whatever is waiting, runs it, and does so again.
func (p *Processor) loop() {
	defer close(p.done)
	for first := range p.queue {
		jobs := []*job{first}
	gather:
		for len(jobs) < BatchLength {
			select {
			case j, open := <-p.queue:
				if !open {
					break gather
				}
				jobs = append(jobs, j)
			default:
				break gather
			}
		}
		p.batch(jobs)
	}
}

// batch runs jobs in one transaction. When the transaction fails for a reason that is not the database's own, one of
// the jobs is to blame: each is tried alone, and only that one fails.
func (p *Processor) batch(jobs []*job) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), updateLimit)
	defer cancel()
	var u *Unit
	err := p.Store.Update(ctx, func(tx Tx) (err error) {
		u, err = p.run(tx, jobs)
		return err
	})
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil && len(jobs) > 1 && !errors.Is(err, ErrUnavailable) {
		for _, j := range jobs {
			p.batch([]*job{j})
		}
		return
	}
	var again []*job
	for _, j := range jobs {
		if err == nil && j.again {
			again = append(again, j)
			continue
		}
		if err != nil {
			j.answer, j.err = Answer{}, err
		}
		close(j.done)
	}
	if err == nil && p.OnBatch != nil {
		created, changed := u.Payments.split()
		p.OnBatch(Batch{Commands: len(jobs), Took: time.Since(began), Changed: append(created, changed...), WakeUps: u.wakeUps(), Mails: u.mails()})
	}
	for _, j := range again {
		p.batch([]*job{j})
	}
}

func (p *Processor) run(tx Tx, jobs []*job) (u *Unit, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = p.panicked(broken)
		}
	}()
	u = newUnit(p.Limits)
	if err := u.load(tx, jobs); err != nil {
		return nil, err
	}
	if u.Now, err = p.now(tx); err != nil {
		return nil, err
	}
	u.expire(func(id payment.ID, err error) {
		p.Log.Error("an overdue payment cannot be ended", "payment", id, "error", err)
	})
	for _, j := range jobs {
		j.answer, j.err, j.again = Answer{}, nil, false
		if j.err = j.ctx.Err(); j.err == nil {
			p.runOne(u, j, len(jobs) == 1)
		}
	}
	return u, tx.Save(u.changes())
}

// now is the time by the store's clock, so that all nodes agree on what has expired, or that of the configuration.
func (p *Processor) now(store interface{ Now() (time.Time, error) }) (now time.Time, err error) {
	if p.Now != nil {
		now = p.Now()
	} else {
		now, err = store.Now()
	}
	return now.UTC().Truncate(time.Microsecond), err
}

// ErrNotWanted is what a command panics with that reads a row which it has not named. One that was not there when the batch was
// loaded, such as those of a card that another command of the batch issues, cannot be named: then the command runs again
// after its batch.
var ErrNotWanted = errors.New("processor: a command reads a row that it did not want")

// runOne runs one job and stages what it did, or nothing. A command that panics has met a broken invariant; it fails
// alone, too.
func (p *Processor) runOne(u *Unit, j *job, alone bool) {
	defer func() {
		if broken := recover(); broken != nil {
			u.drop()
			if broken == any(ErrNotWanted) && !alone {
				j.again = true
				return
			}
			j.answer, j.err = Answer{}, p.panicked(broken)
		}
	}()
	if j.req.Key != (KeyID{}) {
		if answered, err := p.known(u, j); answered || err != nil {
			j.err = err
			return
		}
	}
	if j.err = j.req.Command.Do(u); j.err != nil {
		u.drop()
		return
	}
	if j.req.Answer != nil {
		j.answer.Status, j.answer.Body = j.req.Answer(u.Now)
	}
	if j.req.Key != (KeyID{}) {
		k := Key{KeyID: j.req.Key, Digest: j.req.Digest, At: u.Now, KeepTill: u.Now.Add(keepAnswers)}
		if j.req.Phase != Begin {
			k.Status = j.answer.Status
			k.Answer = p.Keys.Seal(k.aad(), j.answer.Body)
		}
		u.Keys.Put(k.KeyID, k)
	}
	u.keep()
}

func (p *Processor) panicked(broken any) error {
	p.Log.Error("command panicked", "panic", fmt.Sprint(broken), "stack", string(debug.Stack()))
	return errors.New("a command met a broken invariant")
}

// known answers a request that was answered before, and refuses one that is in progress or whose key was used for
// something else.
func (p *Processor) known(u *Unit, j *job) (answered bool, err error) {
	k, ok := u.Keys.Get(j.req.Key)
	switch {
	case !ok && j.req.Phase == Finish:
		return false, ErrInProgress
	case !ok:
		return false, nil
	case k.Digest != j.req.Digest:
		return false, ErrKeyReused
	case k.Status == 0 && j.req.Phase != Finish && u.Now.Sub(k.At) < lease:
		return false, ErrInProgress
	case k.Status == 0:
		return false, nil
	}
	body, err := p.Keys.Unseal(k.aad(), k.Answer)
	if err != nil {
		return false, fmt.Errorf("unsealing a stored answer: %w", err)
	}
	j.answer = Answer{Status: k.Status, Body: body, Replayed: true}
	return true, nil
}

// aad binds a sealed answer to its request, so that answers cannot be exchanged in the database.
func (k Key) aad() []byte {
	return []byte(strconv.Itoa(k.Status) + " " + string(k.Principal) + " " + k.Key)
}

// Waiting is how many commands are queued for the next batch.
func (p *Processor) Waiting() int { return len(p.queue) }
