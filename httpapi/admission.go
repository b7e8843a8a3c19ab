package httpapi

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultInFlight is how many requests are worked on at once where a Config does not say.
const DefaultInFlight = 512

// How the service takes in no more than it can do: docs/decisions/0026-overload.md.
const (
	beginners        = 4  // one request of so many may begin something: look up, register, instruct
	operatorsInOne   = 32 // requests of operators, besides all others
	waitersFor       = 4  // as many as these may wait for each that is worked on
	admissionWait    = 500 * time.Millisecond
	busyAgain        = 1 // seconds, after which who was refused may come again: at least,
	busyAgainScatter = 3 // and less than so many more, or all would come at once
)

// entrance lets a number of requests in at once. Some more wait for a short time, in order; all others are refused at once, so
// that they cost next to nothing, and those that are let in do not wait for longer than their callers do.
type entrance struct {
	places  chan struct{}
	waiting atomic.Int64
}

func newEntrance(places int) *entrance { return &entrance{places: make(chan struct{}, places)} }

// enter takes a place, to be left once. It refuses whoever would wait for too long.
func (e *entrance) enter(ctx context.Context) (leave func(), err error) {
	leave = sync.OnceFunc(func() { <-e.places })
	select {
	case e.places <- struct{}{}:
		return leave, nil
	default:
	}
	defer e.waiting.Add(-1)
	if e.waiting.Add(1) > int64(waitersFor*cap(e.places)) {
		return nil, errBusy()
	}
	patience := time.NewTimer(admissionWait)
	defer patience.Stop()
	select {
	case e.places <- struct{}{}:
		return leave, nil
	case <-patience.C:
		return nil, errBusy()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func errBusy() error {
	return &refusal{code: "busy", retryAfter: busyAgain + rand.IntN(busyAgainScatter)}
}

// admission are the entrances of all routes. What begins something has one of its own, and a smaller one: whoever has begun to
// pay comes to the end, however many more would begin.
type admission struct {
	begin, goOn, operators *entrance
}

// newAdmission makes entrances for so many requests in all. Requests that wait for PINs to be hashed come on top: they take
// none of the others' places.
func newAdmission(inFlight, pins int) admission {
	begin := max(1, inFlight/beginners)
	return admission{newEntrance(begin), newEntrance(max(1, inFlight-begin) + pins), newEntrance(operatorsInOne)}
}

// of is the entrance of a route.
func (a admission) of(r *route) *entrance {
	switch {
	case r.admin:
		return a.operators
	case r.limit != unlimited:
		return a.begin
	}
	return a.goOn
}

// inside is how many requests are worked on.
func (a admission) inside() (n int) {
	for _, e := range []*entrance{a.begin, a.goOn, a.operators} {
		n += len(e.places)
	}
	return n
}

// outside is how many requests wait to be let in.
func (a admission) outside() (n int) {
	for _, e := range []*entrance{a.begin, a.goOn, a.operators} {
		n += int(e.waiting.Load())
	}
	return n
}
