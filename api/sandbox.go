package api

import (
	"time"

	"tapline/money"
)

// TestClock is the clock of a sandbox.
type TestClock struct {
	Now   time.Time `json:"now" doc:"The time by which the sandbox judges whatever has an end."`
	World time.Time `json:"world" doc:"The time in the world, by which signatures and tokens are judged."`
	Ahead int64     `json:"ahead" doc:"Seconds that the clock is ahead of the world."`
}

// TestClockChange puts the clock of a sandbox forward: either to a time or by some seconds.
type TestClockChange struct {
	To *time.Time `json:"to,omitempty" doc:"To this time."`
	By int64      `json:"by,omitempty" minimum:"1" maximum:"316224000" doc:"By so many seconds."`
}

// Behaviours of test cards: what whoever pays with it does, or what is the matter with the card.
const (
	CardApproves          = "approves"
	CardDeclines          = "declines"
	CardExpires           = "expires"
	CardSlow              = "slow"
	CardWrongPIN          = "wrong_pin"
	CardFrozen            = "frozen"
	CardInsufficientFunds = "insufficient_funds"
)

// NewTestCard asks for a test card.
type NewTestCard struct {
	Behaviour string         `json:"behaviour" enum:"approves,declines,expires,slow,wrong_pin,frozen,insufficient_funds" doc:"approves: every payment. declines: the associated device declines. expires: it never answers. slow: it approves after some seconds. wrong_pin: wrong PINs are typed before the right one. frozen: the card is. insufficient_funds: there is no money on it."`
	Currency  money.Currency `json:"currency,omitempty" doc:"CNY if it is left out."`
	Balance   *int64         `json:"balance,omitempty" minimum:"0" maximum:"1000000000000" doc:"Minor units that are put on its account; 10,000.00 if it is left out, and nothing where the funds are to be insufficient."`
	WrongPINs int            `json:"wrong_pins,omitempty" minimum:"1" maximum:"5" doc:"How many wrong PINs come first; 1 if it is left out. At the second one the service makes the card wait."`
	Delay     int            `json:"delay,omitempty" minimum:"1" maximum:"60" doc:"After how many seconds in the world a slow one approves; 5 if it is left out."`
}

// TestCard is a card of a sandbox that plays a part.
type TestCard struct {
	ID        string         `json:"id"`
	Behaviour string         `json:"behaviour" enum:"approves,declines,expires,slow,wrong_pin,frozen,insufficient_funds"`
	Currency  money.Currency `json:"currency"`
	WrongPINs int            `json:"wrong_pins,omitempty"`
	Delay     int            `json:"delay,omitempty"`
	MadeAt    time.Time      `json:"made_at"`
}

// TestCards are the test cards of a sandbox.
type TestCards struct {
	Cards []TestCard `json:"cards"`
}

// NewTestPayment has a test card pay an order.
type NewTestPayment struct {
	Order     string `json:"order" doc:"The order's id."`
	Card      string `json:"card,omitempty" doc:"The test card's id. Without it a card is made for this payment, in the order's currency."`
	Behaviour string `json:"behaviour,omitempty" enum:"approves,declines,expires,slow,wrong_pin,frozen,insufficient_funds" doc:"That card's; approves if it is left out. Not with card."`
}

// TestPayment is what became of a payment with a test card, as far as it has come.
type TestPayment struct {
	Payment    string   `json:"payment" doc:"Its id."`
	Card       string   `json:"card" doc:"The test card's id."`
	State      string   `json:"state" doc:"Of the payment: settled, for instance, or approval_required while the approver does not answer."`
	Reason     string   `json:"reason,omitempty" doc:"Why it ended unsettled."`
	SuccessURL string   `json:"success_url,omitempty" doc:"Where whoever has paid the order may go."`
	Problems   []string `json:"problems" doc:"The codes of what the service refused on the way."`
}
