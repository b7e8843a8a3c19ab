package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"tapline/processor"
)

// How the last uses of API keys are written down: for one key at most once in useEvery, and all that were used within
// usePause of the first in one command.
const (
	useEvery  = time.Minute
	usePause  = 10 * time.Second
	maxUses   = 10_000 // keys whose use waits; beyond, it is forgotten
	usesLimit = 5 * time.Second
)

// keyUses remembers which API keys were used, and writes that down now and then.
type keyUses struct {
	processor *processor.Processor
	log       *slog.Logger

	mu  sync.Mutex
	due processor.NoteUses

	wake   chan struct{} // holds one, if there are any due
	ending chan struct{}
	once   sync.Once
	done   chan struct{}
}

func newKeyUses(p *processor.Processor, log *slog.Logger) *keyUses {
	k := &keyUses{processor: p, log: log, due: processor.NoteUses{}, wake: make(chan struct{}, 1), ending: make(chan struct{}), done: make(chan struct{})}
	go k.run()
	return k
}

// close writes down what is due and returns.
func (k *keyUses) close() {
	k.once.Do(func() { close(k.ending) })
	<-k.done
}

// note remembers that a key is used now.
func (k *keyUses) note(key processor.APIKey, now time.Time) {
	if now.Sub(key.UsedAt) < useEvery {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, there := k.due[key.MAC]; !there && len(k.due) >= maxUses {
		return
	}
	k.due[key.MAC] = now
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keyUses) run() {
	defer close(k.done)
	for {
		select {
		case <-k.wake:
		case <-k.ending:
			k.write()
			return
		}
		select {
		case <-time.After(usePause):
		case <-k.ending:
		}
		k.write()
	}
}

// write writes down what is due. What cannot be written is forgotten: the next use comes.
func (k *keyUses) write() {
	k.mu.Lock()
	due := k.due
	k.due = processor.NoteUses{}
	k.mu.Unlock()
	if len(due) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), usesLimit)
	defer cancel()
	if _, err := k.processor.Do(ctx, processor.Request{Command: due}); err != nil && !errors.Is(err, processor.ErrClosed) {
		k.log.Warn("the last uses of API keys were not written down", "keys", len(due), "error", err)
	}
}
