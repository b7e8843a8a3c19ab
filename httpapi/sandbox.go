package httpapi

import (
	"errors"
	"net/http"

	"tapline/api"
	"tapline/payment"
	"tapline/processor"
	"tapline/sandbox"
)

// sandboxRoutes are there in a sandbox only. They take no idempotency key: whoever gets no answer asks what there is.
func sandboxRoutes() []*route {
	routes := []*route{
		{
			method: "GET", path: "/v1/test/clock", id: "getTestClock", summary: "Tell the time in a sandbox",
			text:  "It goes on by itself, ahead of the world's by as much as it was put forward.",
			scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.TestClock](), handle: (*call).getTestClock,
		}, {
			method: "POST", path: "/v1/test/clock", id: "forwardTestClock", summary: "Put the clock of a sandbox forward",
			text: "To a time, or by some seconds; never back. What is over by then has ended when this answers: payments, orders and the " +
				"time to undo; webhooks that are due are sent. To the sandbox it is as if the service had been off meanwhile. Signatures and " +
				"tokens go by the world's time.",
			scope: processor.ScopeOrders, in: typeOf[api.TestClockChange](), status: http.StatusOK, out: typeOf[api.TestClock](),
			handle: (*call).forwardTestClock, codes: []string{"clock_back"},
		}, {
			method: "POST", path: "/v1/test/cards", id: "makeTestCard", summary: "Make a test card that plays a part",
			text: "With money on it that nobody has paid, and two devices of its own that sign and approve as everybody's do. It has no " +
				"account number: it proves itself.",
			scope: processor.ScopeOrders, in: typeOf[api.NewTestCard](), status: http.StatusCreated, out: typeOf[api.TestCard](),
			handle: (*call).makeTestCard, codes: []string{"wrong_currency"},
		}, {
			method: "GET", path: "/v1/test/cards", id: "listTestCards", summary: "List the test cards, newest first",
			text:  "Those that were made for one payment, too.",
			scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.TestCards](), handle: (*call).listTestCards,
		}, {
			method: "POST", path: "/v1/test/payments", id: "makeTestPayment", summary: "Have a test card pay an order",
			text: "From the tap to the second confirmation, by the same operations that people's devices use. It answers when the payment " +
				"has ended, or waits for an approver who answers later or never. A payee's key has its own orders paid; so does any device that " +
				"knows the order's id, for pages.",
			by:    []credential{byDevice},
			scope: processor.ScopeOrders, in: typeOf[api.NewTestPayment](), status: http.StatusCreated, out: typeOf[api.TestPayment](),
			handle: (*call).makeTestPayment,
			codes:  []string{"unknown_order", "order_claimed", "order_closed", "unknown_card", "card_state", "limit_exceeded", "tap_used"},
		},
	}
	for _, r := range routes {
		r.by, r.sandbox = append(r.by, byPayee, byOperator), true
	}
	return routes
}

// played answers for a sandbox. What the service refused a test card's devices is refused here.
func played(status int, v any, err error) (answer, error) {
	problem, refused := errors.AsType[*api.Problem](err)
	switch {
	case err == nil:
		return answer{status: status, body: encode(v)}, nil
	case refused:
		return answer{}, &refusal{code: problem.Code}
	case errors.Is(err, sandbox.ErrUnknownCard):
		return answer{}, processor.ErrUnknownCard
	case errors.Is(err, sandbox.ErrAsked):
		return answer{}, refuse("malformed")
	}
	return answer{}, err
}

// getTestClock is GET /v1/test/clock.
func (c *call) getTestClock() (answer, error) {
	clock, err := c.Sandbox.Clock(c.r.Context())
	return played(http.StatusOK, clock, err)
}

// forwardTestClock is POST /v1/test/clock.
func (c *call) forwardTestClock() (answer, error) {
	var in api.TestClockChange
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	clock, err := c.Sandbox.Forward(c.r.Context(), in)
	return played(http.StatusOK, clock, err)
}

// makeTestCard is POST /v1/test/cards.
func (c *call) makeTestCard() (answer, error) {
	var in api.NewTestCard
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	if in.Currency != "" {
		if err := knownCurrency(in.Currency); err != nil {
			return answer{}, err
		}
	}
	c.leave() // its devices take places of their own
	card, err := c.Sandbox.MakeCard(c.r.Context(), in)
	return played(http.StatusCreated, card, err)
}

// listTestCards is GET /v1/test/cards.
func (c *call) listTestCards() (answer, error) {
	cards, err := c.Sandbox.Cards(c.r.Context())
	return played(http.StatusOK, cards, err)
}

// makeTestPayment is POST /v1/test/payments.
func (c *call) makeTestPayment() (answer, error) {
	var in api.NewTestPayment
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	of := payment.Handle("")
	switch c.by.who {
	case byPayee:
		of = c.by.payee
	case byDevice: // anybody's, so as often as anybody may instruct
		if err := tooMany(c.limiters.address[limitInstructions].take(c.limiters.from(c.r), c.world())); err != nil {
			return answer{}, err
		}
	}
	c.leave()
	paid, err := c.Sandbox.Pay(c.r.Context(), in, of)
	return played(http.StatusCreated, paid, err)
}
