package httpapi

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/keyring"
	"tapline/payment"
	"tapline/processor"
)

// digest stands for what a request asks: other words under the same idempotency key are another request. It is keyed,
// because requests hold what is easily guessed. PINs are to be left out of what.
func (c *call) digest(what any) string {
	return mac(c.Keys.MAC(keyring.Digest, []byte(c.r.Method), []byte(c.r.URL.Path), encode(what)))
}

var idempotencyForm = regexp.MustCompile(`^[!-~]{1,128}$`)

// firstPrincipal is whoever holds the first-start token.
const firstPrincipal processor.Principal = "first-start"

// invitePrincipal is whoever holds an operator's invite.
const invitePrincipal processor.Principal = "invite"

// byHeader is the idempotency key of an operator's or payee's write. Its scope is the caller, method and path.
func (c *call) byHeader() (processor.KeyID, error) {
	values := c.r.Header.Values(api.IdempotencyHeader)
	if len(values) != 1 || !idempotencyForm.MatchString(values[0]) {
		return processor.KeyID{}, refuse("idempotency_key_required")
	}
	who := firstPrincipal
	switch c.by.who {
	case byOperator:
		who = processor.OperatorPrincipal(c.by.operator)
	case byPayee:
		who = processor.PayeePrincipal(c.by.payee)
	case byInvite:
		return processor.KeyID{Principal: invitePrincipal, Key: c.by.invite}, nil // one enrolment, whatever it is called
	}
	// Hashed without the service's keys: a key's rotation must not make an old request new.
	return processor.KeyID{Principal: who, Key: c.r.Method + " " + c.r.URL.Path + " " + values[0]}, nil
}

// do runs a write in one database transaction.
func (c *call) do(r processor.Request) (answer, error) { return c.doIn(c.r.Context(), r) }

func (c *call) doIn(ctx context.Context, r processor.Request) (answer, error) {
	a, err := c.Processor.Do(ctx, r)
	if err != nil {
		return answer{}, err
	}
	if a.Replayed && c.by.who == "" && r.Key.Principal != firstPrincipal {
		// What was answered before is told only to who may still ask.
		if err := c.stillActive(r.Key.Principal); err != nil {
			return answer{}, err
		}
	}
	return answer{status: a.Status, body: a.Body, replayed: a.Replayed}, nil
}

// stillActive refuses a device that was revoked since.
func (c *call) stillActive(p processor.Principal) error {
	id := payment.DeviceID(p[len(processor.DevicePrincipal("")):])
	rows, err := c.load(c.r.Context(), processor.Wants{Devices: []payment.DeviceID{id}})
	if err == nil && len(rows.Devices) > 0 && !rows.Devices[0].RevokedAt.IsZero() {
		return processor.ErrDeviceRevoked
	}
	return err
}

// refused is a problem as the answer of a write, to be remembered with it.
func (c *call) refused(r refusal) (status int, body []byte) {
	p := c.problem(&r, c.trace)
	return p.Status, encode(p)
}

// check is a request whose PIN is hashed between two database transactions.
type check struct {
	key     processor.KeyID
	digest  string
	reserve *processor.ReserveTry
	pin     consent.PIN
	// finish makes the command that settles the try, and its answer.
	finish func(ctx context.Context, right bool) (processor.Command, func(time.Time) (int, []byte), error)
}

// How long a PIN check may take in all once its try is reserved, and how often its end is tried again when the database
// or the queue is not available. It is less than the processor's lease on the request.
const (
	checkLimit = 8 * time.Second
	checkPause = 50 * time.Millisecond
)

// place takes one of the places at the PIN hasher, before anything is reserved: with it, the hasher will not be too
// busy.
func (c *call) place() (release func(), err error) {
	select {
	case c.pins <- struct{}{}:
		return func() { <-c.pins }, nil
	default:
		return nil, consent.ErrBusy
	}
}

// checkPIN reserves a try, looks at the PIN, and settles the try. Once it is reserved, the client's going away changes
// nothing: the answer is kept for when it comes back with the same jti.
func (c *call) checkPIN(k check) (answer, error) {
	release, err := c.place()
	if err != nil {
		return answer{}, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), checkLimit)
	defer cancel()
	began, err := c.doIn(ctx, processor.Request{Key: k.key, Digest: k.digest, Phase: processor.Begin, Command: k.reserve})
	if err != nil || began.replayed {
		return began, err
	}
	right, err := c.PINs.Verify(ctx, k.reserve.Subject, k.pin, k.reserve.Record)
	if err != nil {
		return answer{}, err
	}
	command, render, err := k.finish(ctx, right)
	if err != nil {
		return answer{}, err
	}
	for {
		a, err := c.doIn(ctx, processor.Request{Key: k.key, Digest: k.digest, Phase: processor.Finish, Command: command, Answer: render})
		if !errors.Is(err, processor.ErrBusy) && !errors.Is(err, processor.ErrUnavailable) {
			return a, err
		}
		select {
		case <-ctx.Done():
			return answer{}, err
		case <-time.After(checkPause):
		}
	}
}

// wrongTry is the answer to a wrong PIN.
func (c *call) wrongTry(t processor.TryResult, state string) (int, []byte) {
	left := t.Left
	return c.refused(refusal{code: "wrong_pin", attemptsLeft: &left, retryAfter: int(t.PausedFor), state: state})
}

// created answers 201 with the address of what was made.
func (a answer) created(path string) answer {
	if a.status == http.StatusCreated {
		a.header = map[string]string{"Location": path}
	}
	return a
}
