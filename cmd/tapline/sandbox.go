package main

import (
	"fmt"
	"strings"
	"time"

	"tapline/api"
	"tapline/money"
)

// sandboxCmd is about what there is in a sandbox only.
type sandboxCmd struct {
	Clock sandboxClockCmd `cmd:"" help:"Tell the time in a sandbox, or put its clock forward."`
	Card  sandboxCardCmd  `cmd:"" help:"Make a test card that plays a part."`
	Cards sandboxCardsCmd `cmd:"" help:"List the test cards."`
	Pay   sandboxPayCmd   `cmd:"" help:"Have a test card pay one of your orders."`
}

// Help says where there is one.
func (*sandboxCmd) Help() string {
	return `A sandbox is a service for tests that "tapline serve --sandbox" starts, with a database and keys of its own. No money moves.
What test cards do is in docs/sandbox.md.`
}

// sandboxClockCmd tells the time.
type sandboxClockCmd struct {
	payeeFlags
	By time.Duration `placeholder:"24h" help:"Put it forward by so much, whole seconds."`
	To *time.Time    `placeholder:"TIME" help:"Put it forward to this time, such as 2030-01-31T12:00:00Z."`
	jsonFlag
}

// Run tells the time, and changes it before if it is to.
func (cmd *sandboxClockCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	if cmd.By != 0 && cmd.To != nil {
		return &usageError{"want --by or --to, not both", "tapline sandbox clock --by 24h"}
	}
	if cmd.By < 0 || cmd.By%time.Second != 0 {
		return &usageError{"--by: want whole seconds, forward", "tapline sandbox clock --by 90m"}
	}
	var clock api.TestClock
	if cmd.By == 0 && cmd.To == nil {
		clock, err = client.TestClock(a.ctx)
	} else {
		clock, err = client.ForwardTestClock(a.ctx, api.TestClockChange{To: cmd.To, By: int64(cmd.By / time.Second)})
	}
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, clock, pair{"now", when(clock.Now)}, pair{"ahead", (time.Duration(clock.Ahead) * time.Second).String()})
}

// behaviourWords are the behaviours of test cards, as they are typed.
const behaviourWords = "approves,declines,expires,slow,wrong-pin,frozen,insufficient-funds"

func behaviour(word string) string { return strings.ReplaceAll(word, "-", "_") }

// sandboxCardCmd makes a test card.
type sandboxCardCmd struct {
	payeeFlags
	Behaviour string         `arg:"" enum:"${behaviours}" help:"${behaviours}."`
	Currency  money.Currency `default:"CNY" env:"TAPLINE_CURRENCY" help:"Of its account (${default})."`
	Balance   string         `placeholder:"100.00" help:"On its account. Default: 10000.00, or nothing if funds are to be insufficient."`
	WrongPINs int            `name:"wrong-pins" placeholder:"N" help:"How many wrong PINs come first. Default: 1."`
	Delay     time.Duration  `placeholder:"5s" help:"After what time a slow one approves."`
	jsonFlag
}

// Run makes the card.
func (cmd *sandboxCardCmd) Run(a *app) error {
	in := api.NewTestCard{Behaviour: behaviour(cmd.Behaviour), Currency: cmd.Currency, WrongPINs: cmd.WrongPINs, Delay: int(cmd.Delay / time.Second)}
	if cmd.Balance != "" {
		balance, err := money.Parse(cmd.Balance, cmd.Currency)
		if err != nil && cmd.Balance != "0" {
			return &usageError{"--balance: " + err.Error(), "such as 100.00, or 0"}
		}
		in.Balance = &balance.Minor
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	card, err := client.MakeTestCard(a.ctx, in)
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, card, pair{"card", card.ID}, pair{"behaviour", card.Behaviour})
}

// sandboxCardsCmd lists test cards.
type sandboxCardsCmd struct {
	payeeFlags
	jsonFlag
}

// Run lists them.
func (cmd *sandboxCardsCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	cards, err := client.TestCards(a.ctx)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return a.printJSON(api.TestCards{Cards: cards})
	}
	for _, c := range cards {
		if err := a.print("%s  %s  %s  %s", c.ID, when(c.MadeAt), c.Currency, c.Behaviour); err != nil {
			return err
		}
	}
	return nil
}

// sandboxPayCmd pays an order.
type sandboxPayCmd struct {
	payeeFlags
	Order string `arg:"" help:"The order's id, or its link."`
	Card  string `default:"approves" placeholder:"CARD" help:"A test card's id, or what a new one is to do: ${behaviours} (${default})."`
	jsonFlag
}

// Run pays it.
func (cmd *sandboxPayCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	in := api.NewTestPayment{Order: cmd.Order[strings.LastIndexByte(cmd.Order, '/')+1:]}
	if strings.HasPrefix(cmd.Card, "card_") {
		in.Card = cmd.Card
	} else if in.Behaviour = behaviour(cmd.Card); !strings.Contains(","+behaviourWords+",", ","+cmd.Card+",") {
		return &usageError{fmt.Sprintf("--card: there is no test card that %q", cmd.Card), "want a card's id, or one of " + behaviourWords}
	}
	paid, err := client.MakeTestPayment(a.ctx, in)
	if err != nil {
		return err
	}
	pairs := []pair{{"payment", paid.Payment}, {"state", paid.State}, {"card", paid.Card}}
	if paid.Reason != "" {
		pairs = append(pairs, pair{"reason", paid.Reason})
	}
	if len(paid.Problems) > 0 {
		pairs = append(pairs, pair{"refused", strings.Join(paid.Problems, ", ")})
	}
	return a.result(cmd.JSON, paid, pairs...)
}
