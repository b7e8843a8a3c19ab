// Package notice tells cardholders what happens to their cards and payments while they do not look, and the programs of payees what
// happens to theirs.
//
// What is to be told is written in the transaction of what it is about, so that nothing is lost if the service dies: see
// processor.WakeUp. Any number of nodes send; of all who find something to send, one claims it.
package notice

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
	"tapline/push"
)

// How devices are woken.
const (
	lookEvery  = 2 * time.Second  // for what other nodes have left over
	lookAt     = 256              // wake-ups at once
	atOnce     = 32               // messages under way, and of them
	atOnceHost = 8                // to one push service, so that a slow one leaves room for others
	sendLimit  = 10 * time.Second // for one message
	firstPause = 2 * time.Second  // before a message is tried again; it doubles each time
	longPause  = 10 * time.Minute
)

// Waker wakes devices. Run it.
type Waker struct {
	Processor *processor.Processor
	Push      *push.Sender
	Log       *slog.Logger

	kick chan struct{}

	mu      sync.Mutex
	devices map[payment.DeviceID]bool // that are being told something
	hosts   map[string]int
	sending sync.WaitGroup
}

// NewWaker makes a waker. It is to be given a processor before it is run; Kick may be called before.
func NewWaker(s *push.Sender, log *slog.Logger) *Waker {
	return &Waker{Push: s, Log: log, kick: make(chan struct{}, 1), devices: map[payment.DeviceID]bool{}, hosts: map[string]int{}}
}

// Kick says that there is something to send. It never waits.
func (w *Waker) Kick() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// Run sends what is to be sent until ctx is done, and returns when nothing is under way any more.
func (w *Waker) Run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	defer w.sending.Wait()
	for {
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			w.Log.Warn("devices cannot be woken", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-w.kick:
		case <-tick.C:
		}
	}
}

// look claims what is due and can be sent now, and begins to send it.
func (w *Waker) look(ctx context.Context) error {
	due, err := w.Processor.DueWakeUps(ctx, lookAt)
	if err != nil {
		return err
	}
	claim := &processor.ClaimWakeUps{IDs: w.choose(due)}
	if len(claim.IDs) == 0 {
		return nil
	}
	if _, err := w.Processor.Do(ctx, processor.Request{Command: claim}); err != nil {
		return err
	}
	for _, claimed := range claim.Claimed {
		host := hostOf(claimed.Push)
		w.count(claimed.Device, host, 1)
		w.sending.Go(func() {
			w.send(ctx, claimed, claim.Now)
			w.count(claimed.Device, host, -1)
			w.Kick() // there is room again
		})
	}
	return nil
}

// choose takes what there is room for: one message for each device, some for each push service. What cannot be sent at all
// is taken, too, so that it is given up.
func (w *Waker) choose(due []processor.DueWakeUp) (ids []processor.WakeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	devices, hosts := map[payment.DeviceID]bool{}, map[string]int{}
	for _, d := range due {
		host := hostOf(d.Push)
		if w.devices[d.Device] || devices[d.Device] || w.hosts[host]+hosts[host] >= atOnceHost || len(w.devices)+len(devices) >= atOnce {
			continue
		}
		devices[d.Device] = true
		hosts[host]++
		ids = append(ids, d.WakeID)
	}
	return ids
}

// count takes note of a message under way, or of its end.
func (w *Waker) count(device payment.DeviceID, host string, change int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[host] += change
	if change > 0 {
		w.devices[device] = true
		return
	}
	delete(w.devices, device)
	if w.hosts[host] == 0 {
		delete(w.hosts, host)
	}
}

func hostOf(p processor.PushSubscription) string {
	u, err := url.Parse(p.Endpoint)
	if err != nil {
		return ""
	}
	return u.Host
}

// send sends one message and says what became of it.
func (w *Waker) send(ctx context.Context, c processor.ClaimedWakeUp, now time.Time) {
	limited, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	err := w.Push.Send(limited, push.Subscription{Endpoint: c.Push.Endpoint, Key: c.Push.Key, Auth: c.Push.Auth, Version: c.Push.Version},
		message(c, now))
	finish := &processor.FinishWakeUp{Claimed: c}
	delay, asked := errors.AsType[*push.Delay](err)
	switch {
	case err == nil:
	case errors.Is(err, push.ErrGone):
		finish.Gone = true
	case ctx.Err() != nil:
		finish.Again = time.Millisecond // by whoever runs then
	case errors.Is(err, push.ErrLater), errors.Is(err, keyring.ErrVersion): // another node may have the key already
		finish.Again = pause(c.Attempts)
		if asked {
			finish.Again = max(finish.Again, delay.After)
		}
	}
	if err != nil && ctx.Err() == nil {
		w.Log.Warn("a device was not woken", "device", c.Device, "kind", c.Kind, "attempt", c.Attempts, "error", err)
	}
	// Even if the service is shutting down. If it cannot be said, the lease ends by itself.
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), sendLimit)
	defer stop()
	if _, err := w.Processor.Do(end, processor.Request{Command: finish}); err != nil {
		w.Log.Warn("what became of a wake-up was not kept", "error", err)
	}
}

// message is what a device is told: the kind, and nothing else.
func message(c processor.ClaimedWakeUp, now time.Time) push.Message {
	m := push.Message{Payload: []byte(`{"wake":"` + string(c.Kind) + `"}`), TTL: c.Until.Sub(now), Urgency: push.High, Topic: string(c.Kind)}
	if c.Kind == processor.WakeDebit {
		m.Urgency = push.Normal
	}
	return m
}

// pause is how long to wait after some attempts that failed: twice as long each time, and never quite the same for all.
func pause(attempts int) time.Duration {
	d := min(firstPause<<min(max(attempts-1, 0), 16), longPause)
	return d - d/5 + rand.N(2*d/5)
}
