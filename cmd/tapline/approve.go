package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
)

// approveCmd decides second confirmations.
type approveCmd struct {
	deviceFlags
	Once     bool   `help:"End after one decision."`
	Payment  string `placeholder:"ID" help:"Decide this payment only."`
	Decide   string `enum:",approve,decline,not-me" default:"" placeholder:"WHAT" help:"Decide without asking: approve, decline or not-me."`
	CodeFile string `xor:"proof" placeholder:"FILE" help:"Take the code that the other device shows from a file, - for standard input."`
	Tap      bool   `xor:"proof" help:"Tap the same card on this device's reader in place of the code."`
	SUNURL   string `name:"sun-url" xor:"proof" placeholder:"FILE" help:"Take the URL that the same NTAG 424 DNA card wrote at a tap on this device from a file, - for standard input, in place of the code."`
	readerFlags
	jsonFlag
}

// taps reports whether the card is tapped in place of the code.
func (cmd *approveCmd) taps() bool { return cmd.Tap || cmd.SUNURL != "" }

// Help explains the decisions.
func (*approveCmd) Help() string {
	return `This is what the associated device of a card does. When somebody pays with the card on another device, you see the card
account, the amount, the payee and the payee account, who asks and since when, and decide. A rehearsal, in which no money
moves, says so in large letters; decide it as if it were a payment:

  approve   it is you: type the code that the other device shows, or, with --tap, tap the same card here
  decline   you do not want it
  not me    somebody else has your card or its number: declines, and freezes the card

It waits for payments until Ctrl-C, or --once until one was decided.

The tap counts if the card proves itself, and serves this payment only. A card that only has a number cannot.

For programs: --once --decide approve --code-file FILE asks nothing. With --json, every payment is one line with "step"
"asked" and every decision one with "step" "decided", whose "payment" has the state.`
}

// Run waits for payments and decides them.
func (cmd *approveCmd) Run(a *app) error {
	if cmd.Decide == "approve" && (cmd.CodeFile == "" && !cmd.taps() || !cmd.Once) {
		return &usageError{"--decide approve needs --once and --code-file, --tap or --sun-url", "every payment has a code and a tap of its own"}
	}
	if cmd.Decide == "" && !a.isTerminal {
		return withHint(errNobody, "without a terminal, --decide says what to decide")
	}
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	service, err := client.Service(a.ctx)
	if err != nil {
		return err
	}
	d := &decider{app: a, cmd: cmd, client: client, seen: map[string]bool{}}
	a.say("Waiting for payments to confirm on %s. Ctrl-C ends.", service.Audience)
	return d.run()
}

// decider decides one payment after the other.
type decider struct {
	*app
	cmd    *approveCmd
	client *device.Client
	seen   map[string]bool // payments that were decided, or cannot be
}

// run lists what waits whenever the event stream says that something is new. The stream is read beside the questions,
// so that it does not break while somebody thinks.
func (d *decider) run() error {
	ctx, stop := context.WithCancel(d.ctx)
	wake, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- d.client.Events(ctx, "", func(device.Event) error {
			select {
			case wake <- struct{}{}:
			default: // it is going to look anyway
			}
			return nil
		})
	}()
	running := true
	defer func() {
		stop()
		if running {
			<-ended
		}
	}()
	for {
		select {
		case <-d.ctx.Done():
			return nil
		case err := <-ended:
			running = false
			if d.ctx.Err() != nil {
				return nil
			}
			return err
		case <-wake:
			if done, err := d.decideAll(); done || err != nil {
				return err
			}
		}
	}
}

// decideAll decides what waits, the oldest first, since its time is over first.
func (d *decider) decideAll() (done bool, err error) {
	list, err := d.client.Approvals(d.ctx)
	switch {
	case d.ctx.Err() != nil:
		return true, nil // Ctrl-C ends the waiting, wherever it is
	case errors.Is(err, device.ErrStatementDiffers):
		d.say("%v", err)
	case err != nil:
		return false, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		a := list[i]
		if d.seen[a.View.ID] || d.cmd.Payment != "" && d.cmd.Payment != a.View.ID {
			continue
		}
		d.seen[a.View.ID] = true
		if err := d.decide(a); err != nil {
			return false, err
		}
		if d.cmd.Once {
			return true, nil
		}
	}
	return false, nil
}

// decide shows one payment, asks, and tells the result.
func (d *decider) decide(a *device.Approval) error {
	what := "Somebody wants to pay with your card:"
	if a.Statement.Rehearsal {
		what = large("REHEARSAL") + "\nSomebody rehearses a payment with your card. NO MONEY MOVES:"
	}
	d.say("\n%s\n%s", what, table(append(statementFacts(a.Statement),
		pair{"asked on", a.Statement.DeviceLabel},
		pair{"asked at", fmt.Sprintf("%s (%s ago)", when(a.View.InstructedAt), d.now().Sub(a.View.InstructedAt).Round(time.Second))},
		pair{"time left", (time.Duration(a.View.Next.ExpiresIn) * time.Second).String()})))
	if d.cmd.JSON {
		if err := d.printJSON(step{Step: "asked", Payment: &a.View, Statement: &a.Statement}); err != nil {
			return err
		}
	}
	verdict, err := d.verdict()
	if err != nil {
		return err
	}
	view, err := d.send(a, verdict)
	problem, refused := errors.AsType[*api.Problem](err)
	if refused && problem.Status == 409 && !d.cmd.Once {
		d.say("Too late: %s.", problem.Title) // the next payment may be in time
		return nil
	}
	if err != nil {
		return err
	}
	if verdict == consent.NotMe {
		d.say(`The card is frozen. When you have it back: tapline card unfreeze`)
	}
	if d.cmd.JSON {
		return d.printJSON(step{Step: "decided", Decision: verdict, Payment: &view})
	}
	return d.print("%s %s to %s (%s): %s, payment %s",
		verdict, view.Amount, view.Payee.Name, view.Payee.Handle, ending(view), view.ID)
}

// verdict asks what to do, until the answer is one.
func (d *decider) verdict() (consent.Verdict, error) {
	switch d.cmd.Decide {
	case "approve":
		return consent.Approve, nil
	case "decline":
		return consent.Decline, nil
	case "not-me":
		return consent.NotMe, nil
	}
	for {
		text, err := d.ask("a(pprove), d(ecline) or n(ot me)?")
		if err != nil {
			return "", err
		}
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "a", "approve":
			return consent.Approve, nil
		case "d", "decline":
			return consent.Decline, nil
		case "n", "not me", "not-me":
			return consent.NotMe, nil
		}
	}
}

// send sends the decision, an approval with the code. A code that was mistyped is asked for again.
func (d *decider) send(a *device.Approval, verdict consent.Verdict) (api.Payment, error) {
	switch verdict {
	case consent.Decline:
		return a.Decline(d.ctx)
	case consent.NotMe:
		return a.NotMe(d.ctx)
	}
	if d.cmd.taps() {
		return d.byTap(a)
	}
	for {
		code, err := d.code(d.cmd.CodeFile, "The code that the other device shows:")
		if err != nil {
			return api.Payment{}, err
		}
		view, err := a.Approve(d.ctx, code)
		problem, refused := errors.AsType[*api.Problem](err)
		wrong := refused && problem.AttemptsLeft != nil && *problem.AttemptsLeft > 0
		switch {
		case d.cmd.CodeFile != "" || !wrong && !errors.Is(err, consent.ErrInvalid):
			return view, err
		case wrong:
			d.say("%s; tries left: %d", problem.Title, *problem.AttemptsLeft)
		default:
			d.say("A code is two or six digits.")
		}
	}
}

// byTap approves with a tap of the card on this device.
func (d *decider) byTap(a *device.Approval) (api.Payment, error) {
	if !a.TakesTap() {
		return api.Payment{}, withHint(errors.New("this card cannot prove itself"), "approve with the code that the other device shows")
	}
	flags := provingFlags{tapFlags{readerFlags: d.cmd.readerFlags}, d.cmd.SUNURL}
	for {
		tap, err := flags.proved(d.app, d.client, a.Statement.Paid())
		if err != nil {
			return api.Payment{}, err
		}
		if tap.Tap.Account != "" {
			return api.Payment{}, withHint(errors.New("the card was read, but did not prove itself"), "approve with the code that the other device shows")
		}
		view, err := a.ApproveTap(d.ctx, tap.Tap)
		problem, refused := errors.AsType[*api.Problem](err)
		again := refused && (problem.Code == "tap_refused" || problem.Code == "tap_used")
		if !again || !d.isTerminal || d.cmd.SUNURL != "" {
			return view, err
		}
		d.say("%s", problem.Title)
		if _, err := d.ask("Take the card away, and press Enter to tap again:"); err != nil {
			return api.Payment{}, err
		}
	}
}
