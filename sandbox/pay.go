package sandbox

import (
	"context"
	"errors"
	"sync"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/order"
	"tapline/payment"
	"tapline/processor"
)

// Pay has a test card pay an order: the card is tapped on a device that is not its holder's, and what else is asked for is
// given, or not, as its part says. It returns when the payment has ended, or waits for somebody who answers later or never.
// What the service refuses before there is a payment is an *api.Problem. The order has to be of a payee, unless that is empty.
func (s *Sandbox) Pay(ctx context.Context, in api.NewTestPayment, of payment.Handle) (api.TestPayment, error) {
	if in.Card != "" && in.Behaviour != "" {
		return api.TestPayment{}, ErrAsked
	}
	o, err := s.order(ctx, payment.OrderID(in.Order), of)
	if err != nil {
		return api.TestPayment{}, err
	}
	a, err := s.actorFor(ctx, in, o)
	if err != nil {
		return api.TestPayment{}, err
	}
	if in.Card != "" { // others have it, too
		hand, _ := s.hands.LoadOrStore(a.ID, new(sync.Mutex))
		hand.(*sync.Mutex).Lock()
		defer hand.(*sync.Mutex).Unlock()
	}
	play, err := s.stage(ctx, a, o)
	if err != nil {
		return api.TestPayment{}, err
	}
	for range maxSteps {
		view := play.paid.View()
		if over, err := play.step(ctx, view); err != nil || over {
			return play.told(), err
		}
	}
	return play.told(), nil
}

// maxSteps bounds a play: three are the most that a payment asks of people, and a PIN may be typed some times.
const maxSteps = 16

// actorFor is the test card that is to pay. One that is made for the payment has the order's currency.
func (s *Sandbox) actorFor(ctx context.Context, in api.NewTestPayment, o order.Order) (*actor, error) {
	if in.Card != "" {
		if consent.CardID(in.Card).Check() != nil {
			return nil, ErrUnknownCard // the beginning of an id would have all cards looked at
		}
		found, err := s.actors(ctx, in.Card)
		if err != nil || len(found) != 1 || found[0].ID != in.Card {
			return nil, errorOr(err, ErrUnknownCard)
		}
		return found[0], nil
	}
	behaviour := in.Behaviour
	if behaviour == "" {
		behaviour = api.CardApproves
	}
	return s.cast(ctx, api.NewTestCard{Behaviour: behaviour, Currency: o.Amount.Currency})
}

// order is an order of a payee.
func (s *Sandbox) order(ctx context.Context, id payment.OrderID, of payment.Handle) (o order.Order, err error) {
	err = s.Store.View(ctx, func(r processor.Reader) error {
		rows, err := r.Load(processor.Wants{Orders: []payment.OrderID{id}})
		if err != nil {
			return err
		}
		if len(rows.Orders) == 0 || of != "" && rows.Orders[0].Payee != of {
			return processor.ErrUnknownOrder
		}
		o = rows.Orders[0]
		return nil
	})
	return o, err
}

// play is a payment with a test card.
type play struct {
	*Sandbox
	actor    *actor
	order    order.Order
	phone    *device.Client
	paid     *device.Payment
	wrong    int // PINs that were typed wrong
	problems []string
}

// stage taps the card for an order and sends the instruction.
func (s *Sandbox) stage(ctx context.Context, a *actor, o order.Order) (*play, error) {
	payer, err := consent.ParseDeviceKey(a.Payer)
	if err != nil {
		return nil, err
	}
	phone, err := consent.ParseDeviceKey(a.Phone)
	if err != nil {
		return nil, err
	}
	terminal := s.device(payer, a.UID)
	placed, err := terminal.PlacedOrder(ctx, payment.OrderID(o.ID))
	if err != nil {
		return nil, err
	}
	agreed, err := terminal.Pay(placed)
	if err != nil {
		return nil, err
	}
	message, err := s.tap(ctx, a)
	if err != nil {
		return nil, err
	}
	draft, err := agreed.TapSUN(message)
	if err != nil {
		return nil, err
	}
	paid, err := draft.Send(ctx)
	return &play{Sandbox: s, actor: a, order: o, phone: s.device(phone, a.UID), paid: paid}, err
}

// told is what has become of the payment.
func (p *play) told() api.TestPayment {
	view := p.paid.View()
	problems := p.problems
	if problems == nil {
		problems = []string{}
	}
	to := ""
	if view.State == "settled" || view.State == "undoable" {
		to = p.order.SuccessURL
	}
	return api.TestPayment{SuccessURL: to, Payment: view.ID, Card: p.actor.ID, State: view.State, Reason: view.Reason, Problems: problems}
}

// step gives what the payment waits for. over means that nothing more is given now.
func (p *play) step(ctx context.Context, view api.Payment) (over bool, err error) {
	switch view.Next.Action {
	case api.ActionAuthenticate:
		_, err = p.paid.Authenticate(ctx, p.pin())
	case api.ActionConfirm:
		var s consent.Statement
		if s, err = p.paid.Statement(); err == nil {
			_, err = p.paid.Confirm(ctx, s)
		}
	case api.ActionWait:
		return p.answer(ctx, view)
	default: // it has ended, or may be undone
		return true, nil
	}
	problem, refused := errors.AsType[*api.Problem](err)
	if !refused {
		return err != nil, err
	}
	p.problems = append(p.problems, problem.Code)
	if view, err = p.paid.Refresh(ctx); err != nil {
		return true, err
	}
	if view.EndedAt != nil {
		return true, nil
	}
	if problem.Code == "wrong_pin" && p.wrong <= p.actor.WrongPINs {
		return false, nil // another try
	}
	_, err = p.paid.Cancel(ctx) // whoever cannot pay goes away
	return true, err
}

// pin is what is typed: the right PIN, or another one first.
func (p *play) pin() consent.PIN {
	if p.wrong >= p.actor.WrongPINs {
		p.wrong++
		return p.actor.PIN
	}
	p.wrong++
	other := []byte(p.actor.PIN)
	other[0] = '0' + (other[0]-'0'+1)%10
	return consent.PIN(other)
}

// answer is the second confirmation, on the associated device, with the digits that the initiating one shows.
func (p *play) answer(ctx context.Context, view api.Payment) (over bool, err error) {
	switch p.actor.Behaviour {
	case api.CardExpires:
		return true, nil
	case api.CardSlow:
		p.playing.Go(func() { p.answerLater(view) })
		return true, nil
	}
	asked, err := p.phone.Approval(ctx, p.paid.ID())
	if err != nil {
		return true, err
	}
	if p.actor.Behaviour == api.CardDeclines {
		_, err = asked.Decline(ctx)
	} else {
		_, err = asked.Approve(ctx, consent.Code(view.Code))
	}
	if problem, refused := errors.AsType[*api.Problem](err); refused {
		p.problems = append(p.problems, problem.Code)
		err = nil
	}
	if err == nil {
		_, err = p.paid.Refresh(ctx)
	}
	return true, err
}

// answerLater approves after the card's delay, unless the service ends before.
func (p *play) answerLater(view api.Payment) {
	select {
	case <-p.ended.Done():
		return
	case <-time.After(time.Duration(p.actor.Delay) * time.Second):
	}
	asked, err := p.phone.Approval(p.ended, p.paid.ID())
	if err == nil {
		_, err = asked.Approve(p.ended, consent.Code(view.Code))
	}
	if err != nil && p.ended.Err() == nil {
		p.Log.Warn("a slow test card was too late", "payment", p.paid.ID(), "error", err)
	}
}
