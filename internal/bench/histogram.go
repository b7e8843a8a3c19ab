package bench

import (
	"math/bits"
	"sync"
	"time"
)

// histogram counts durations in buckets that are wider the longer they are: each is told to one part in 1,024, as HDR
// histograms do it, and a run of any length takes no more memory.
type histogram struct {
	counts []uint64
	n      uint64
	most   time.Duration
}

const (
	exactBits = 11 // durations below 2^11 ns have a bucket each
	half      = 1 << (exactBits - 1)
)

// bucket is where a duration is counted: those of s+11 bits are told to 2^s ns.
func bucket(d time.Duration) int {
	s := max(0, bits.Len64(uint64(d))-exactBits)
	return s*half + int(d>>s)
}

// longest is the longest duration of a bucket.
func longest(i int) time.Duration {
	s := max(0, i/half-1)
	return time.Duration(i-s*half+1)<<s - 1
}

func (h *histogram) note(d time.Duration) {
	d = max(d, 0)
	i := bucket(d)
	if i >= len(h.counts) {
		h.counts = append(h.counts, make([]uint64, i+1-len(h.counts))...)
	}
	h.counts[i]++
	h.n++
	h.most = max(h.most, d)
}

func (h *histogram) add(o *histogram) {
	if len(o.counts) > len(h.counts) {
		h.counts = append(h.counts, make([]uint64, len(o.counts)-len(h.counts))...)
	}
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
	h.most = max(h.most, o.most)
}

// quantile is a duration that so many of a hundred do not exceed, at most a thousandth longer than the least one.
func (h *histogram) quantile(percent int) time.Duration {
	want := max(1, (h.n*uint64(percent)+99)/100)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= want {
			return min(longest(i), h.most)
		}
	}
	return h.most
}

// times are the histograms of the steps, to which all payers add.
type times struct {
	mu    sync.Mutex
	steps map[string]*histogram
}

func newTimes() *times { return &times{steps: map[string]*histogram{}} }

func (t *times) of(step string) *histogram {
	h := t.steps[step]
	if h == nil {
		h = &histogram{}
		t.steps[step] = h
	}
	return h
}

func (t *times) note(step string, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of(step).note(d)
}

// add adds those of another that nobody writes any more.
func (t *times) add(o *times) {
	for step, h := range o.steps {
		t.of(step).add(h)
	}
}

// table is what is told of each step.
func (t *times) table() map[string]Times {
	out := map[string]Times{}
	for step, h := range t.steps {
		ms := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
		out[step] = Times{int(h.n), ms(h.quantile(50)), ms(h.quantile(95)), ms(h.quantile(99)), ms(h.most)}
	}
	return out
}
