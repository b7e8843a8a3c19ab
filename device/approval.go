package device

import (
	"context"
	"errors"
	"slices"

	"tapline/api"
	"tapline/consent"
)

// ErrNotAsked means that the payment does not wait for this device's second confirmation: it has been decided, or it is
// over.
var ErrNotAsked = errors.New("the payment does not wait for this device's confirmation")

// Approval is a payment that waits for this device's second confirmation. Show Statement to the user; it holds the
// exact facts that an approval is for.
type Approval struct {
	View      api.Payment
	Statement consent.Statement

	client *Client
}

// Approvals lists the payments that wait for this device's second confirmation, newest first. A payment whose
// statement contradicts the rest of what the service tells is not listed, but its error is joined into the one
// returned beside the list.
func (c *Client) Approvals(ctx context.Context) ([]*Approval, error) {
	var all []*Approval
	var wrong []error
	for before := ""; ; {
		page, err := c.Payments(ctx, api.RoleApprover, "approval_required", before, 0)
		if err != nil {
			return nil, err
		}
		for _, view := range page.Payments {
			a, err := c.approval(ctx, view)
			switch {
			case errors.Is(err, ErrNotAsked):
			case errors.Is(err, ErrStatementDiffers) || errors.Is(err, consent.ErrMalformed) || errors.Is(err, consent.ErrInvalid):
				wrong = append(wrong, err)
			case err != nil:
				return nil, err
			default:
				all = append(all, a)
			}
		}
		if page.Next == "" || page.Next == before {
			return all, errors.Join(wrong...)
		}
		before = page.Next
	}
}

// Approval asks for one payment. ErrNotAsked if it does not wait for this device's second confirmation.
func (c *Client) Approval(ctx context.Context, id consent.PaymentID) (*Approval, error) {
	view, err := c.Payment(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.approvalOf(view)
}

// approval asks for what a list may leave out.
func (c *Client) approval(ctx context.Context, view api.Payment) (*Approval, error) {
	if view.Statement == "" {
		return c.Approval(ctx, consent.PaymentID(view.ID))
	}
	return c.approvalOf(view)
}

func (c *Client) approvalOf(view api.Payment) (*Approval, error) {
	if view.Role != api.RoleApprover || view.Statement == "" {
		return nil, ErrNotAsked
	}
	s, err := consent.ParseStatement(view.Statement)
	if err != nil {
		return nil, err
	}
	if err := checkSecond(view, s); err != nil {
		return nil, err
	}
	return &Approval{View: view, Statement: s, client: c}, nil
}

// Approve is the second confirmation, with the digits that the initiating device shows. A wrong code is an
// *api.Problem with AttemptsLeft; what cannot be a code is consent.ErrInvalid and not sent.
func (a *Approval) Approve(ctx context.Context, code consent.Code) (api.Payment, error) {
	return a.decide(ctx, consent.Decision{Decision: consent.Approve, Statement: a.Statement.Text(), Code: code})
}

// ApproveTap is the second confirmation with a tap of the same card on this device, in place of the digits: the message of
// a card that proves itself, or a payment card's proof with a challenge of Client.TapChallenge for what the payment's payer pays:
// Statement.Paid.
func (a *Approval) ApproveTap(ctx context.Context, tap consent.Tap) (api.Payment, error) {
	return a.decide(ctx, consent.Decision{Decision: consent.Approve, Statement: a.Statement.Text(), Tap: &tap})
}

// TakesTap reports whether a tap of the card may stand in place of the digits.
func (a *Approval) TakesTap() bool { return slices.Contains(a.View.Next.Methods, "tap") }

// Decline ends the payment.
func (a *Approval) Decline(ctx context.Context) (api.Payment, error) {
	return a.decide(ctx, consent.Decision{Decision: consent.Decline})
}

// NotMe ends the payment and freezes the card: somebody else started it.
func (a *Approval) NotMe(ctx context.Context) (api.Payment, error) {
	return a.decide(ctx, consent.Decision{Decision: consent.NotMe})
}

func (a *Approval) decide(ctx context.Context, m consent.Decision) (api.Payment, error) {
	m.Payment = a.Statement.Payment
	if err := m.Validate(); err != nil {
		return api.Payment{}, err
	}
	view, err := write[api.Payment](ctx, a.client, paymentPath(m.Payment)+"/approval", consent.TypApproval,
		func(c consent.Claims) any {
			m.Claims = c
			return &m
		})
	if err != nil {
		return view, err
	}
	return view, checkEnd(view, a.Statement)
}
