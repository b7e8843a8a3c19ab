package sim

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
)

// town is who lives in a run: names, and what people know.
type town struct {
	cards     []*card
	devices   []string
	payees    []string
	operators []string
	orders    []string
	topUps    []string
	serial    int
	views     map[string]payment.Payment // payments as devices last saw them
	passkeys  []*passkey
	codes     []string // one-use codes that were ever given
	waiting   []challenge
}

// card is a piece of plastic.
type card struct {
	id      string
	number  consent.AccountNumber // of a card that only tells it
	uid     []byte                // of one that proves itself
	counter int64                 // its taps
	old     []tap                 // messages that somebody has seen
	pin     string                // that the holder knows
	code    string                // that the holder was given last
}

type passkey struct {
	id, card, device string
	counter          uint32
}

type challenge struct {
	device, id string
	minor      int64
}

// request is what somebody asks for: with one key, however often it is sent.
type request struct {
	name   string
	key    processor.KeyID
	digest string
	phase  processor.Phase
	sent   bool

	make   func() processor.Command
	result func(processor.Command) string // what came of it, where it was not refused
	expect func(*model, timeOf) string    // what has to come of it
	told   func(*sending)                 // the answer has come to whoever asked
}

// next is a new id.
func (r *run) next(prefix string) string {
	r.serial++
	return fmt.Sprintf("%s_%d", prefix, r.serial)
}

// by makes a request of somebody's.
func (r *run) by(who processor.Principal, format string, args ...any) *request {
	key := processor.KeyID{Principal: who, Key: r.next("key")}
	name := fmt.Sprintf(format, args...)
	return &request{name: key.Key + " " + name, key: key, digest: digestOf(name)}
}

func (r *run) device(d, format string, args ...any) *request {
	return r.by(processor.DevicePrincipal(payment.DeviceID(d)), d+" "+format, args...)
}

func (r *run) operator(o, format string, args ...any) *request {
	return r.by(processor.OperatorPrincipal(processor.OperatorID(o)), o+" "+format, args...)
}

func (r *run) payee(p, format string, args ...any) *request {
	return r.by(processor.PayeePrincipal(payment.Handle(p)), p+" "+format, args...)
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "1." + base64.RawURLEncoding.EncodeToString(sum[:])
}

// nonceOf is a payment's nonce: consent.NewNonce with other bits.
func nonceOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "1." + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// any1 is one of a list.
func any1[T any](r *run, list []T) T { return list[r.rng.IntN(len(list))] }

// record is what is stored of a PIN. The hash is not the real one, which has tests of its own and takes long.
func record(pin string) consent.PINRecord {
	if pin == "" {
		return consent.PINRecord{}
	}
	sum := sha256.Sum256([]byte(pin))
	return consent.PINRecord{Salt: sum[:16], Sum: sum[:], Pepper: 1, Memory: 8, Passes: 1, Lanes: 1}
}

// pinOf is the PIN of a record.
func pinOf(r consent.PINRecord) string {
	for n := range pins {
		if pin := fmt.Sprint("pin-", n); string(record(pin).Sum) == string(r.Sum) {
			return pin
		}
	}
	return ""
}

// pins is how many there are.
const pins = 4

func (r *run) anyPIN() string { return fmt.Sprint("pin-", r.rng.IntN(pins)) }

// newCard is a piece of plastic that nobody has issued yet.
func (r *run) newCard() *card {
	c := &card{id: r.next("card")}
	if r.rng.IntN(2) == 0 {
		c.number = consent.AccountNumber(fmt.Sprintf("62220200000000%05d", r.serial))
	} else {
		c.uid = []byte(fmt.Sprintf("uid%04d", r.serial))
	}
	return c
}

// key is what the card is stored under.
func (r *run) keyOf(c *card) processor.CardKey {
	if c.uid != nil {
		return processor.KeyOfUID(r.keys, c.uid)
	}
	return processor.KeyOfNumber(r.keys, c.number)
}

func (c *card) version() int {
	if c.uid != nil {
		return 1
	}
	return 0
}

// tap taps a card, or shows a message of it again, or a forged one; or the number of a card that nobody has.
func (r *run) tap(c *card) tap {
	if c.uid == nil {
		number := c.number
		if r.rng.IntN(20) == 0 {
			number = "6222020000000099999"
		}
		return tap{keys: processor.KeysOfNumber(r.keys, number)}
	}
	stranger := processor.StrangersKey(r.keys, c.uid)
	switch n := r.rng.IntN(20); {
	case n == 0:
		return tap{keys: []processor.CardKey{stranger}, sun: processor.SUNTap{Stranger: stranger}}
	case n < 4 && len(c.old) > 0:
		return any1(r, c.old)
	}
	c.counter += 1 + int64(r.rng.IntN(3))/2
	t := tap{
		keys: processor.KeysOfUID(r.keys, c.uid), authentic: true,
		sun: processor.SUNTap{Version: 1, Counter: c.counter, Stranger: stranger, SkimStep: 5},
	}
	c.old = append(c.old, t)
	if r.rng.IntN(10) == 0 { // a message that is kept for later
		return any1(r, c.old)
	}
	return t
}

// assurance is what the tap proves.
func (t tap) assurance() payment.Assurance {
	if t.authentic {
		return payment.Authentic
	}
	return payment.Identified
}

func (t tap) challengeOf(device string) processor.ChallengeID {
	if t.challenge == "" {
		return processor.ChallengeID{}
	}
	return processor.ChallengeID{Device: payment.DeviceID(device), ID: consent.ChallengeID(t.challenge)}
}

// furnish makes the town.
func (r *run) furnish() {
	r.views = map[string]payment.Payment{}
	r.operators = []string{"olga", "otto"}
	first := r.by("first", "enrol olga")
	first.make = func() processor.Command {
		return &processor.EnrolOperator{New: processor.Operator{ID: "olga", Name: "Olga", PublicKey: []byte("{}")}}
	}
	r.plain(first, func(*model) string { return "done" })
	second := r.operator("olga", "enrol otto")
	second.make = func() processor.Command {
		return &processor.EnrolOperator{Operated: processor.Operated{By: "olga"}, New: processor.Operator{ID: "otto", Name: "Otto", PublicKey: []byte("{}")}}
	}
	r.plain(second, func(*model) string { return "done" })
	all := []*request{first, second}
	for i := range 3 + r.rng.IntN(3) {
		all = append(all, r.newDevice(fmt.Sprint("device-", i)))
	}
	for i := range 2 {
		all = append(all, r.newPayee(fmt.Sprintf("payee%d@sim", i)))
	}
	for range 2 + r.rng.IntN(3) {
		all = append(all, r.issue())
	}
	r.sendAll(all)
	all = nil
	if r.rng.IntN(2) == 0 {
		all = append(all, r.undo())
	}
	if payee := any1(r, r.payees); r.rng.IntN(3) > 0 {
		all = append(all, r.newBank("olga", payee, false, 0), r.correct("otto", "acc_"+payee, false, 50_00), r.schedule("otto", payee), r.rehearsals("olga"))
	}
	for i, c := range r.cards {
		d := r.devices[i%len(r.devices)]
		all = append(all, r.activate(d, c, r.fresh(c), c.code, c.pin), r.topUp("olga", c, 40_00), r.topUp("otto", c, 40_00))
	}
	r.sendAll(all)
}

// fresh is a true tap of a card.
func (r *run) fresh(c *card) tap {
	t := tap{keys: processor.KeysOfNumber(r.keys, c.number)}
	if c.uid != nil {
		c.counter++
		t = tap{keys: processor.KeysOfUID(r.keys, c.uid), authentic: true, sun: processor.SUNTap{
			Version: 1, Counter: c.counter, Stranger: processor.StrangersKey(r.keys, c.uid), SkimStep: 5}}
	}
	return t
}

// sendAll sends requests one after the other, and wants each to be done.
func (r *run) sendAll(all []*request) {
	for _, q := range all {
		s := r.send(q)
		<-s.done
		r.settle()
		if s.err != nil && !isCancelled(s.err) {
			r.Fatalf("%s: %v", q.name, s.err)
		}
		if s.told != nil {
			s.told(s)
		}
	}
}
