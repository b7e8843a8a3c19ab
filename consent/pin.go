package consent

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"tapline/keyring"
)

// PINParams are the costs of Argon2id (RFC 9106 §3.1).
type PINParams struct {
	Memory uint32 // KiB
	Passes uint32
	Lanes  uint8
}

// DefaultPINParams cost about 8 MiB and a few milliseconds. A PIN has so few values that no cost would save a stolen
// hash: what does is the pepper, which is not in the database. The hash only slows down who has both.
var DefaultPINParams = PINParams{Memory: 8 << 10, Passes: 1, Lanes: 1}

// Bounds of the costs: more than these is a mistake or an attack.
const (
	maxPINMemory = 1 << 20 // KiB: 1 GiB
	maxPINPasses = 16
	maxPINLanes  = 16
)

func (p PINParams) valid() bool {
	return p.Memory >= 8*uint32(p.Lanes) && p.Memory <= maxPINMemory &&
		p.Passes >= 1 && p.Passes <= maxPINPasses && p.Lanes >= 1 && p.Lanes <= maxPINLanes
}

// PINRecord is what is stored of a PIN. The zero record is a decoy: checking a PIN against it takes as long as any and
// never succeeds.
type PINRecord struct {
	Salt   []byte // 16 bytes
	Sum    []byte // 32 bytes: HMAC-SHA-256(pepper, account, salt, Argon2id(pin, salt))
	Pepper int    // version of the Pepper key
	Memory uint32 // KiB
	Passes uint32
	Lanes  uint8
}

// LogValue is "[redacted]".
func (r PINRecord) LogValue() slog.Value { return slog.StringValue(redacted) }

func (r PINRecord) decoy() bool { return len(r.Sum) == 0 }

func (r PINRecord) params() PINParams { return PINParams{r.Memory, r.Passes, r.Lanes} }

const saltSize = 16

// PINHasher makes and checks PIN records. At most a given number of hashes run at once and a given number of callers
// wait for their turn, in order; memory and time stay bounded whatever arrives. It starts no goroutines and may be used
// by several.
type PINHasher struct {
	keys    *keyring.Keyring
	params  PINParams
	slots   chan struct{}
	queue   int64
	waiting atomic.Int64
}

// NewPINHasher makes a hasher that runs at most workers hashes at once, while at most queue callers wait. It panics if
// params are out of bounds, workers < 1 or queue < 0.
func NewPINHasher(keys *keyring.Keyring, params PINParams, workers, queue int) *PINHasher {
	if !params.valid() || workers < 1 || queue < 0 {
		panic(fmt.Sprintf("consent: PIN hasher with %+v, %d workers, queue of %d", params, workers, queue))
	}
	return &PINHasher{keys: keys, params: params, slots: make(chan struct{}, workers), queue: int64(queue)}
}

// Waiting is how many callers wait for their turn: a gauge for metrics.
func (h *PINHasher) Waiting() int { return int(h.waiting.Load()) }

// Running is how many hashes are being computed.
func (h *PINHasher) Running() int { return len(h.slots) }

// Places is how many callers may be inside New and Verify at once, at least, without any of them being refused with
// ErrBusy: who has to be sure of a turn bounds its own callers by it.
func (h *PINHasher) Places() int { return max(1, int(h.queue)) }

// New makes the record of a new PIN for a card account. The account's name binds the record to its row: copied to
// another account it fits no PIN. ErrPIN or ErrPINWeak if the PIN must not be set; ErrBusy if the queue is full;
// ctx's error if it ends while waiting.
func (h *PINHasher) New(ctx context.Context, account string, pin PIN) (PINRecord, error) {
	if err := pin.CheckNew(); err != nil {
		return PINRecord{}, err
	}
	r := PINRecord{
		Salt: make([]byte, saltSize), Pepper: h.keys.Current(keyring.Pepper),
		Memory: h.params.Memory, Passes: h.params.Passes, Lanes: h.params.Lanes,
	}
	rand.Read(r.Salt)
	var err error
	r.Sum, err = h.sum(ctx, account, pin, r)
	return r, err
}

// Verify tells whether pin is the record's. The caller has reserved a try before (see Tries). ErrBusy if the queue is
// full; ctx's error if it ends while waiting; keyring.ErrVersion if the record's pepper is gone.
func (h *PINHasher) Verify(ctx context.Context, account string, pin PIN, r PINRecord) (bool, error) {
	decoy := r.decoy()
	if decoy {
		r = PINRecord{
			Salt: make([]byte, saltSize), Sum: make([]byte, 32), Pepper: h.keys.Current(keyring.Pepper),
			Memory: h.params.Memory, Passes: h.params.Passes, Lanes: h.params.Lanes,
		}
	}
	if !r.params().valid() {
		return false, fmt.Errorf("stored PIN record has costs out of bounds: %+v", r.params())
	}
	sum, err := h.sum(ctx, account, pin, r)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, r.Sum) == 1 && !decoy, nil
}

// Outdated tells that a record was made with other costs or an older pepper than New would use now; after a successful
// Verify it is time to make a new one.
func (h *PINHasher) Outdated(r PINRecord) bool {
	return !r.decoy() && (r.params() != h.params || r.Pepper != h.keys.Current(keyring.Pepper))
}

func (h *PINHasher) sum(ctx context.Context, account string, pin PIN, r PINRecord) ([]byte, error) {
	if err := h.acquire(ctx); err != nil {
		return nil, err
	}
	defer func() { <-h.slots }()
	hash := argon2.IDKey([]byte(pin), r.Salt, r.Passes, r.Memory, r.Lanes, 32)
	return h.keys.MACAt(keyring.Pepper, r.Pepper, []byte(account), r.Salt, hash)
}

// acquire takes a slot, in the caller's goroutine. Senders blocked on a channel are served in order, and a slot that is
// freed goes to the first of them, so nobody jumps the queue.
func (h *PINHasher) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > h.queue {
		return ErrBusy
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
