package device

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"sync"
	"time"

	"tapline/api"
	"tapline/consent"
)

// longPoll is how long the service may keep a question for news.
const longPoll = 25 * time.Second

// Payment is a payment that this device has sent. It remembers what was asked for, and takes no answer of the service
// that speaks of something else (ErrStatementDiffers). It may be used by several goroutines.
type Payment struct {
	client *Client
	id     consent.PaymentID
	asked  asked

	lock sync.Mutex
	view api.Payment
}

// ID names the payment.
func (p *Payment) ID() consent.PaymentID { return p.id }

// View is the payment as the service told it last.
func (p *Payment) View() api.Payment {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.view
}

// take checks and keeps what the service tells, unless it has told something newer.
func (p *Payment) take(view api.Payment) error {
	if err := p.asked.checkView(p.id, view); err != nil {
		return err
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	if view.Version >= p.view.Version {
		p.view = view
	}
	return nil
}

// answer is take of a write's answer.
func (p *Payment) answer(view api.Payment, err error) (api.Payment, error) {
	if err == nil {
		err = p.take(view)
	}
	return p.View(), err
}

// Authenticate answers who is paying. A wrong PIN is an *api.Problem with AttemptsLeft.
func (p *Payment) Authenticate(ctx context.Context, pin consent.PIN) (api.Payment, error) {
	if err := pin.Check(); err != nil {
		return p.View(), err
	}
	return p.answer(write[api.Payment](ctx, p.client, paymentPath(p.id)+"/authentication", consent.TypAuthentication,
		func(c consent.Claims) any { return &consent.Authentication{Claims: c, Payment: p.id, PIN: pin} }))
}

// Statement is what the user is to be shown and asked to confirm, when it is that time. ErrStatementDiffers if any of
// its facts is not what this device asked for.
func (p *Payment) Statement() (consent.Statement, error) {
	s, err := consent.ParseStatement(p.View().Statement)
	if err != nil {
		return consent.Statement{}, err
	}
	return s, p.asked.checkStatement(p.id, s)
}

// Confirm is the first confirmation of the statement that the user was shown. It is checked once more.
func (p *Payment) Confirm(ctx context.Context, s consent.Statement) (api.Payment, error) {
	if err := s.Validate(); err != nil {
		return p.View(), err
	}
	if err := p.asked.checkStatement(p.id, s); err != nil {
		return p.View(), err
	}
	return p.confirmation(ctx, consent.Approve, s.Text(), nil)
}

// ConfirmWith is authentication and first confirmation in one gesture: a passkey's answer to the statement that the user
// was shown. The statement is checked once more.
func (p *Payment) ConfirmWith(ctx context.Context, s consent.Statement, a consent.PasskeyAssertion) (api.Payment, error) {
	if err := s.Validate(); err != nil {
		return p.View(), err
	}
	if err := p.asked.checkStatement(p.id, s); err != nil {
		return p.View(), err
	}
	return p.confirmation(ctx, consent.Approve, s.Text(), &a)
}

// Decline ends the payment in place of a confirmation.
func (p *Payment) Decline(ctx context.Context) (api.Payment, error) {
	return p.confirmation(ctx, consent.Decline, "", nil)
}

func (p *Payment) confirmation(ctx context.Context, verdict consent.Verdict, text string, by *consent.PasskeyAssertion) (api.Payment, error) {
	return p.answer(write[api.Payment](ctx, p.client, paymentPath(p.id)+"/confirmation", consent.TypConfirmation,
		func(c consent.Claims) any {
			return &consent.Decision{Claims: c, Payment: p.id, Decision: verdict, Statement: text, Passkey: by}
		}))
}

// Cancel gives the payment up. An *api.Problem if it is too late.
func (p *Payment) Cancel(ctx context.Context) (api.Payment, error) {
	return p.answer(p.client.Cancel(ctx, p.id))
}

// Refresh asks for the payment as it is now.
func (p *Payment) Refresh(ctx context.Context) (api.Payment, error) {
	return p.answer(p.client.Payment(ctx, p.id))
}

// Wait waits until the payment has changed since View.
func (p *Payment) Wait(ctx context.Context) (api.Payment, error) {
	return p.answer(p.client.Wait(ctx, p.id, p.View().Version))
}

// Receipt is the signed receipt of the settled payment. Its signature and its facts are checked.
func (p *Payment) Receipt(ctx context.Context) (Receipt, error) {
	r, err := p.client.Receipt(ctx, p.id)
	if err != nil {
		return Receipt{}, err
	}
	return r, p.asked.checkReceipt(r.Receipt)
}

// Payment asks for a payment in which this device has a part. The outcome of a payment is never unknown: this tells.
func (c *Client) Payment(ctx context.Context, id consent.PaymentID) (api.Payment, error) {
	if err := id.Check(); err != nil {
		return api.Payment{}, err
	}
	view, err := read[api.Payment](ctx, c, paymentPath(id), nil, 0)
	if err == nil && view.ID != string(id) {
		return api.Payment{}, &DifferenceError{"payment"}
	}
	return view, err
}

// Wait waits until the payment's version is above after, for as long as ctx allows, whatever happens to the
// connection.
func (c *Client) Wait(ctx context.Context, id consent.PaymentID, after int64) (api.Payment, error) {
	if err := id.Check(); err != nil {
		return api.Payment{}, err
	}
	query := url.Values{
		"wait":  {strconv.Itoa(int(longPoll / time.Second))},
		"after": {strconv.FormatInt(after, 10)},
	}
	for pause := time.Duration(0); ; pause = nextPause(pause) {
		if err := sleep(ctx, pause); err != nil {
			return api.Payment{}, err
		}
		asked := time.Now()
		view, err := read[api.Payment](ctx, c, paymentPath(id), query, longPoll)
		switch {
		case ctx.Err() != nil:
			return api.Payment{}, context.Cause(ctx)
		case err != nil && !passing(err):
			return api.Payment{}, err
		case err == nil && view.ID != string(id):
			return api.Payment{}, &DifferenceError{"payment"}
		case err == nil && view.Version > after:
			return view, nil
		case err == nil && time.Since(asked) > time.Second:
			pause = 0 // it has been waiting over there; nextPause begins anew
		}
	}
}

// Payments lists payments of one role, api.RoleInitiator or api.RoleApprover, in one state or any, newest first. before
// is the Next of the page before, or "". limit 0 leaves the number to the service.
func (c *Client) Payments(ctx context.Context, role, state, before string, limit int) (api.Payments, error) {
	query := url.Values{"role": {role}}
	if state != "" {
		query.Set("state", state)
	}
	if before != "" {
		query.Set("before", before)
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	return read[api.Payments](ctx, c, "/v1/payments", query, 0)
}

// EachPayment gives all payments of one role, in one state or any, newest first, asking for a page when the one before is used up. After
// an error it ends.
func (c *Client) EachPayment(ctx context.Context, role, state string) iter.Seq2[api.Payment, error] {
	return func(yield func(api.Payment, error) bool) {
		for before := ""; ; {
			page, err := c.Payments(ctx, role, state, before, 0)
			if err != nil {
				yield(api.Payment{}, err)
				return
			}
			for _, p := range page.Payments {
				if !yield(p, nil) {
					return
				}
			}
			switch page.Next {
			case "":
				return
			case before:
				yield(api.Payment{}, fmt.Errorf("%w: a page is followed by itself", ErrAnswer))
				return
			}
			before = page.Next
		}
	}
}

// Refunds lists what the payee of a payment gave back of it, newest first. before is the Next of the page before, or "".
func (c *Client) Refunds(ctx context.Context, id consent.PaymentID, before string) (api.Refunds, error) {
	if err := id.Check(); err != nil {
		return api.Refunds{}, err
	}
	query := url.Values{"payment": {string(id)}}
	if before != "" {
		query.Set("before", before)
	}
	return read[api.Refunds](ctx, c, "/v1/refunds", query, 0)
}

// Cancel gives a payment up that this device has sent.
func (c *Client) Cancel(ctx context.Context, id consent.PaymentID) (api.Payment, error) {
	if err := id.Check(); err != nil {
		return api.Payment{}, err
	}
	return write[api.Payment](ctx, c, paymentPath(id)+"/cancel", consent.TypCancellation,
		func(claims consent.Claims) any { return &consent.Cancellation{Claims: claims, Payment: id} })
}

func paymentPath(id consent.PaymentID) string { return "/v1/payments/" + string(id) }
