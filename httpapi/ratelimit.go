package httpapi

import (
	"math"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"tapline/payment"
)

// Rate is how often somebody may ask: so many times a minute on average, and that many at once. 0 for any number.
type Rate int

// Limits are how often devices may ask for what tells a stranger something, or is kept. The zero value limits nothing.
type Limits struct {
	Lookups      Rates // of payees; one that finds nothing counts five times
	Devices      Rates // registered; of these only the address's is of use, for each device is a new one
	Instructions Rates
	Templates    Rates // of orders, read, or orders made from them
	// Proxies are the peers whose X-Forwarded-For is believed. Nobody else's is: whoever likes can write that header.
	Proxies []netip.Prefix
}

// Rates are those of one device, and of all that come from one address.
type Rates struct{ Device, Address Rate }

// limit is which of the limits a route has.
type limit int

const (
	unlimited limit = iota
	limitLookups
	limitDevices
	limitInstructions
	limitTemplates
	limits // how many there are
)

// missCosts is how often a look-up counts that finds nothing: whoever guesses handles misses, and whoever pays does not.
const missCosts = 5

// maxBuckets bounds how many devices, or addresses, are told apart at a time for one limit: some 5 MB. Beyond, new ones share a
// bucket, so that whoever has many addresses gains nothing by them.
const maxBuckets = 50_000

// limiters are the buckets of all limits.
type limiters struct {
	proxies []netip.Prefix
	device  [limits]*buckets
	address [limits]*buckets
}

func newLimiters(l Limits) *limiters {
	out := &limiters{proxies: l.Proxies}
	for i, r := range [limits]Rates{limitLookups: l.Lookups, limitDevices: l.Devices, limitInstructions: l.Instructions, limitTemplates: l.Templates} {
		out.device[i], out.address[i] = newBuckets(r.Device), newBuckets(r.Address)
	}
	return out
}

// forget is after how long a bucket that nobody has touched is full, whatever it owed, and so the same as none.
const forget = 2 * time.Minute

// buckets are token buckets of one rate.
type buckets struct {
	rate Rate

	mu       sync.Mutex
	turned   time.Time // when young became old
	young    map[string]bucket
	old      map[string]bucket
	overflow bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newBuckets(r Rate) *buckets { return &buckets{rate: r, young: map[string]bucket{}} }

// take takes a token of whom's bucket. If it has none, it tells after how long there is one.
func (b *buckets) take(whom string, now time.Time) (wait time.Duration) {
	b.use(whom, now, func(tokens, perSecond float64) float64 {
		if tokens < 1 {
			wait = time.Duration(math.Ceil((1-tokens)/perSecond)) * time.Second
			return tokens
		}
		return tokens - 1
	})
	return wait
}

// charge takes tokens for what was taken already and turns out to cost more. The bucket may owe as much as it can hold.
func (b *buckets) charge(whom string, n float64, now time.Time) {
	b.use(whom, now, func(tokens, perSecond float64) float64 { return max(-60*perSecond, tokens-n) })
}

// use changes the number of tokens in whom's bucket.
func (b *buckets) use(whom string, now time.Time, change func(tokens, perSecond float64) float64) {
	if b.rate <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if age := now.Sub(b.turned); age >= forget || age < 0 {
		b.old, b.young, b.turned = b.young, map[string]bucket{}, now
		if age >= 2*forget {
			b.old = nil
		}
	}
	mine, inYoung := b.young[whom]
	known := inYoung
	if !known {
		mine, known = b.old[whom]
	}
	full := float64(b.rate)
	// Those that were known go on, up to the bound once more.
	shared := !inYoung && (len(b.young) >= 2*maxBuckets || !known && len(b.young) >= maxBuckets)
	if shared {
		full *= 10
		mine, known = b.overflow, !b.overflow.at.IsZero()
	}
	if !known {
		mine = bucket{full, now}
	}
	tokens := min(full, mine.tokens+full/60*max(0, now.Sub(mine.at).Seconds()))
	mine = bucket{change(tokens, full/60), now}
	if shared {
		b.overflow = mine
	} else {
		b.young[whom] = mine
	}
}

// limitAddress refuses a request if too many of its kind came from its address.
func (c *call) limitAddress() error {
	if c.route.limit == unlimited {
		return nil
	}
	return tooMany(c.limiters.address[c.route.limit].take(c.limiters.from(c.r), c.world()))
}

// limitDevice refuses a request if too many of its kind came from the device, which has proved that it is that.
func (c *call) limitDevice(id payment.DeviceID) error {
	if c.route.limit == unlimited {
		return nil
	}
	return tooMany(c.limiters.device[c.route.limit].take(string(id), c.world()))
}

// lookUp takes a look-up for a device that names a payee in passing: nobody guesses handles by that more often than by asking
// for them. Call chargeLookups with what it comes to cost: -1 if the payee is there.
func (c *call) lookUp(device payment.DeviceID) error {
	now, from := c.world(), c.limiters.from(c.r)
	if err := tooMany(c.limiters.device[limitLookups].take(string(device), now)); err != nil {
		return err
	}
	err := tooMany(c.limiters.address[limitLookups].take(from, now))
	if err != nil {
		c.limiters.device[limitLookups].charge(string(device), -1, now)
	}
	return err
}

// chargeLookups counts look-ups of a device that are not counted yet. One that has found nothing counts missCosts in all.
func (c *call) chargeLookups(device payment.DeviceID, n float64) {
	now := c.world()
	c.limiters.device[limitLookups].charge(string(device), n, now)
	c.limiters.address[limitLookups].charge(c.limiters.from(c.r), n, now)
}

func tooMany(wait time.Duration) error {
	if wait == 0 {
		return nil
	}
	return &refusal{code: "too_many_requests", retryAfter: int(wait / time.Second)}
}

// from is where a request comes from: the peer or, if that is a proxy that is believed, whoever it says. An IPv6 host has
// 2^64 addresses (RFC 4291 §2.5.4), so its network counts.
func (l *limiters) from(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "" // not a network's: all such are one
	}
	address := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && l.believes(address); i-- { // each proxy adds whom it heard
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = hop.Unmap().WithZone("")
	}
	if address.Is6() {
		network, _ := address.Prefix(64) // 64 is in range
		return network.String()
	}
	return address.String()
}

func (l *limiters) believes(a netip.Addr) bool {
	for _, p := range l.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
