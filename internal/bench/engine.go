package bench

import (
	"context"
	"errors"
	"fmt"
	weak "math/rand/v2"
	"time"

	"tapline/consent"
	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
)

// engine is a processor that is called without HTTP and signatures.
type engine struct {
	Town
	*processor.Processor
	flow     flow
	keys     *keyring.Keyring
	version  int      // of the cards' master key
	counters []uint32 // of the cards' taps
	devices  []payment.DeviceID
}

// payer is caller i of n, with cards of its own.
func (e *engine) payer(payees, i, n int) payer {
	return &caller{engine: e, payees: payees, deck: newDeck(e.Town, e.flow, i, n)}
}

type caller struct {
	*engine
	*deck
	payees int
}

// What stands for the parts that handlers make: a keyed digest of the request, an answer, and a signed message, as long as
// they are.
const (
	anyDigest = "1.n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg"
	anyJWS    = "e30.e30.AA"
)

var anyAnswer = make([]byte, 600)

func (c *caller) pay(due time.Time, r *record) error {
	card, err := c.draw()
	if err != nil {
		return err
	}
	owner := c.devices[card%c.Devices]
	from := owner
	if c.engine.flow == flowEngineApprove {
		from = c.devices[(card%c.Devices+1)%c.Devices]
	}
	uid := c.uid(card)
	c.counters[card]++
	in := &processor.Instruct{
		ID: payment.ID(consent.NewPaymentID()), Device: from, Amount: one, Payee: c.handle(weak.IntN(c.payees)),
		CardKeys: processor.KeysOfUID(c.keys, uid[:]), CardLast4: "1234", Assurance: payment.Authentic,
		SUN: processor.SUNTap{
			Version: c.version, Counter: int64(c.counters[card]), Stranger: processor.StrangersKey(c.keys, uid[:]), SkimStep: 50,
		},
		OrderNumber: orderNumber, OrderDescription: orderText, Nonce: consent.NewNonce(c.keys), Policy: c.Policy,
	}
	if err := c.do(r, "instruct", due, from, in.ID, in); err != nil {
		return err
	}
	if c.engine.flow == flowEngineTap {
		return ended(in.Payment)
	}
	a := &processor.Authenticate{Payment: in.ID, Device: from, Right: true, Policy: c.Policy}
	if err := c.do(r, "authenticate", time.Time{}, from, in.ID+"/a", a); err != nil {
		return err
	}
	f := &processor.Confirm{Payment: in.ID, Device: from, Decision: consent.Approve, Statement: processor.Statement(a.After), JWS: anyJWS}
	if err := c.do(r, "confirm", time.Time{}, from, in.ID+"/c", f); err != nil {
		return err
	}
	if c.engine.flow == flowEngine {
		return ended(f.After)
	}
	code, err := consent.ApprovalCode(c.keys, f.After.Nonce, 2)
	if err != nil {
		return err
	}
	s := &processor.Approve{Payment: in.ID, Device: owner, Decision: consent.Approve, Statement: processor.Statement(f.After),
		Code: code, JWS: anyJWS, Keys: c.keys, Digits: 2}
	if err := c.do(r, "approve", time.Time{}, owner, in.ID+"/d", s); err != nil {
		return err
	}
	return ended(s.After)
}

func (c *caller) do(r *record, step string, due time.Time, by payment.DeviceID, key payment.ID, command processor.Command) error {
	if due.IsZero() {
		due = time.Now()
	}
	_, err := c.Do(context.Background(), processor.Request{
		Key: processor.KeyID{Principal: processor.DevicePrincipal(by), Key: string(key)}, Digest: anyDigest, Command: command,
		Answer: func(time.Time) (int, []byte) { return 200, anyAnswer },
	})
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	r.took(step, due)
	return nil
}

func ended(p payment.Payment) error {
	if p.State != payment.Settled {
		return fmt.Errorf("a payment ended as %s %s", p.State, p.Reason)
	}
	return nil
}

// hashing is a payer that only hashes PINs, as the service does: what bounds every payment with a PIN.
type hashing struct {
	hasher *consent.PINHasher
	record consent.PINRecord
}

// hashers are as many as there may be hashes at once.
func hashers(ctx context.Context, keys *keyring.Keyring, n int) ([]payer, error) {
	h := consent.NewPINHasher(keys, consent.DefaultPINParams, n, n)
	record, err := h.New(ctx, "bench", pin)
	if err != nil {
		return nil, err
	}
	out := make([]payer, n)
	for i := range out {
		out[i] = hashing{h, record}
	}
	return out, nil
}

func (h hashing) pay(time.Time, *record) error {
	right, err := h.hasher.Verify(context.Background(), "bench", pin, h.record)
	if err == nil && !right {
		err = errors.New("the right PIN is wrong")
	}
	return err
}
