package main

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"tapline/api"
	"tapline/payee"
)

// webhookCmd is about where a payee's events are sent.
type webhookCmd struct {
	Add        webhookAddCmd        `cmd:"" help:"Have events sent to an address. Its secret is told this once."`
	List       webhookListCmd       `cmd:"" help:"List where events are sent."`
	Show       webhookShowCmd       `cmd:"" help:"Show one address."`
	Change     webhookChangeCmd     `cmd:"" help:"Change the address, or which events are sent."`
	Rotate     webhookRotateCmd     `cmd:"" help:"Get new keys. The old ones sign, too, for a while."`
	Disable    webhookDisableCmd    `cmd:"" help:"Send nothing for now."`
	Enable     webhookEnableCmd     `cmd:"" help:"Send again, and what was missed."`
	Remove     webhookRemoveCmd     `cmd:"" help:"Send nothing any more."`
	Test       webhookTestCmd       `cmd:"" help:"Send a message that tells of nothing."`
	Deliveries webhookDeliveriesCmd `cmd:"" help:"List what was sent, and what became of it, newest first."`
	Replay     webhookReplayCmd     `cmd:"" help:"Send a delivery again, or all that failed since a time."`
}

// endpointFlags are what commands about one endpoint take.
type endpointFlags struct {
	payeeFlags
	payeeWriteFlags
	ID string `arg:"" help:"The endpoint's id."`
	jsonFlag
}

// change runs a write about one endpoint and shows it.
func (f endpointFlags) change(a *app, write func(*app, *payee.Client) (api.WebhookEndpoint, error)) error {
	client, err := f.client(a)
	if err != nil {
		return err
	}
	return f.once(a, func(a *app) error {
		e, err := write(a, client)
		if err != nil {
			return err
		}
		return a.endpoint(f.JSON, e)
	})
}

const secretToldOnce = "The secret is told this once. Whoever knows it can make messages that your program believes."

// endpoint shows an endpoint, with its secret if that is told.
func (a *app) endpoint(asJSON bool, e api.WebhookEndpoint) error {
	if e.Secret != "" {
		a.say(secretToldOnce)
	}
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return when(*t)
	}
	return a.result(asJSON, e, pair{"id", e.ID}, pair{"address", e.URL}, pair{"events", cmp.Or(strings.Join(e.Types, ", "), "all")},
		pair{"state", e.State}, pair{"why", whyDisabled[e.Why]}, pair{"failing since", at(e.FailingSince)}, pair{"made by", e.MadeBy},
		pair{"made", when(e.CreatedAt)}, pair{"old keys until", at(e.OldKeysUntil)}, pair{"public key", e.PublicKey}, pair{"secret", e.Secret})
}

// whyDisabled says why an endpoint is disabled.
var whyDisabled = map[string]string{
	"asked": "you have disabled it", "gone": "it has answered 410", "failing": "it has taken nothing for 75 hours",
}

// webhookAddCmd makes an endpoint.
type webhookAddCmd struct {
	payeeFlags
	payeeWriteFlags
	URL  string   `arg:"" help:"https, with a public host's name, on port 443."`
	Type []string `placeholder:"payment.settled" help:"Which events to send, such as payment.settled, or payment.* for all that begin so; all if left out. May be given again."`
	jsonFlag
}

// Help explains what comes of it.
func (*webhookAddCmd) Help() string {
	return `Every event that the payee is told from now on is sent there by POST, signed, until it is answered with 2xx, for up to 75 hours.
docs/webhooks.md says how to receive it. A service that was started with --webhooks-here sends to http://127.0.0.1 too; to try
programs on another machine use "tapline listen".

  tapline webhook add https://shop.example/hooks/tapline --type payment.settled --type payment.refunded`
}

// Run makes the endpoint.
func (cmd *webhookAddCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		e, err := client.MakeWebhook(a.ctx, api.NewWebhookEndpoint{URL: cmd.URL, Types: cmd.Type})
		if err != nil {
			return err
		}
		return a.endpoint(cmd.JSON, e)
	})
}

// webhookListCmd lists endpoints.
type webhookListCmd struct {
	payeeFlags
	jsonFlag
}

// Run lists the endpoints.
func (cmd *webhookListCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	endpoints, err := client.Webhooks(a.ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, e := range endpoints {
		state := e.State
		if e.State == "enabled" && e.FailingSince != nil {
			state = "failing since " + when(*e.FailingSince)
		}
		rows = append(rows, []string{e.ID, e.URL, cmp.Or(strings.Join(e.Types, ","), "all"), state, e.MadeBy})
	}
	return a.list(cmd.JSON, api.WebhookEndpoints{Endpoints: append([]api.WebhookEndpoint{}, endpoints...)},
		[]string{"ID", "ADDRESS", "EVENTS", "STATE", "MADE BY"}, rows)
}

// webhookShowCmd shows an endpoint.
type webhookShowCmd struct {
	payeeFlags
	ID string `arg:"" help:"The endpoint's id."`
	jsonFlag
}

// Run shows the endpoint.
func (cmd *webhookShowCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	e, err := client.WebhookEndpoint(a.ctx, cmd.ID)
	if err != nil {
		return err
	}
	return a.endpoint(cmd.JSON, e)
}

// webhookChangeCmd changes an endpoint.
type webhookChangeCmd struct {
	endpointFlags
	NewURL string   `name:"to" placeholder:"URL" help:"The new address."`
	Type   []string `placeholder:"payment.settled" xor:"types" help:"Which events to send in place of those before. May be given again."`
	All    bool     `name:"all-types" xor:"types" help:"Send all events."`
}

// Run changes the endpoint.
func (cmd *webhookChangeCmd) Run(a *app) error {
	var in api.WebhookChange
	if cmd.NewURL != "" {
		in.URL = &cmd.NewURL
	}
	if types := append([]string{}, cmd.Type...); len(types) > 0 || cmd.All {
		in.Types = &types
	}
	if in.URL == nil && in.Types == nil {
		return &usageError{"nothing to change", "give --to URL, --type or --all-types"}
	}
	return cmd.change(a, func(a *app, c *payee.Client) (api.WebhookEndpoint, error) { return c.ChangeWebhook(a.ctx, cmd.ID, in) })
}

// webhookRotateCmd gives an endpoint new keys.
type webhookRotateCmd struct {
	endpointFlags
	Overlap time.Duration `default:"24h" help:"How long the old keys sign, too, at most 720h (${default})."`
}

// Run rotates the keys.
func (cmd *webhookRotateCmd) Run(a *app) error {
	return cmd.change(a, func(a *app, c *payee.Client) (api.WebhookEndpoint, error) {
		return c.RotateWebhook(a.ctx, cmd.ID, cmd.Overlap)
	})
}

// webhookDisableCmd disables an endpoint.
type webhookDisableCmd struct{ endpointFlags }

// Run disables the endpoint.
func (cmd *webhookDisableCmd) Run(a *app) error { return cmd.enable(a, false) }

// webhookEnableCmd enables an endpoint.
type webhookEnableCmd struct{ endpointFlags }

// Run enables the endpoint.
func (cmd *webhookEnableCmd) Run(a *app) error { return cmd.enable(a, true) }

func (f endpointFlags) enable(a *app, enabled bool) error {
	return f.change(a, func(a *app, c *payee.Client) (api.WebhookEndpoint, error) {
		return c.ChangeWebhook(a.ctx, f.ID, api.WebhookChange{Enabled: &enabled})
	})
}

// webhookRemoveCmd removes an endpoint.
type webhookRemoveCmd struct{ endpointFlags }

// Run removes the endpoint.
func (cmd *webhookRemoveCmd) Run(a *app) error {
	return cmd.change(a, func(a *app, c *payee.Client) (api.WebhookEndpoint, error) { return c.RemoveWebhook(a.ctx, cmd.ID) })
}

// webhookTestCmd tests an endpoint.
type webhookTestCmd struct{ endpointFlags }

// Run sends a message.
func (cmd *webhookTestCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		d, err := client.TestWebhook(a.ctx, cmd.ID)
		if err != nil {
			return err
		}
		return a.delivery(cmd.JSON, d)
	})
}

// delivery shows a delivery.
func (a *app) delivery(asJSON bool, d api.WebhookDelivery) error {
	return a.result(asJSON, d, pair{"id", d.ID}, pair{"endpoint", d.Endpoint}, pair{"event", d.Message.Type}, pair{"of", d.Message.Data.ID},
		pair{"state", d.State}, pair{"last answer", lastAnswer(d)})
}

// lastAnswer is what became of a delivery's last attempt.
func lastAnswer(d api.WebhookDelivery) string {
	switch {
	case d.TriedAt == nil:
		return ""
	case d.Status == 0:
		return d.Failure
	}
	return strings.TrimSpace(strconv.Itoa(d.Status) + " " + d.Answer)
}

// webhookDeliveriesCmd lists deliveries.
type webhookDeliveriesCmd struct {
	payeeFlags
	ID     string `arg:"" help:"The endpoint's id."`
	State  string `enum:",pending,delivered,failed" default:"" placeholder:"STATE" help:"Only those that are pending, delivered or failed."`
	Limit  int    `default:"50" help:"How many, at most 200 (${default})."`
	Before string `placeholder:"CURSOR" help:"The page after the one that ended with this."`
	jsonFlag
}

// Run lists the deliveries.
func (cmd *webhookDeliveriesCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	page, err := client.Deliveries(a.ctx, cmd.ID, payee.DeliveryQuery{State: cmd.State, Limit: cmd.Limit, Before: cmd.Before})
	if err != nil {
		return err
	}
	var rows [][]string
	for _, d := range page.Deliveries {
		next := ""
		if d.NextAt != nil {
			next = when(*d.NextAt)
		}
		rows = append(rows, []string{d.ID, when(d.Message.Timestamp), d.Message.Type, d.Message.Data.ID, d.State, strconv.Itoa(d.Attempts), lastAnswer(d), next})
	}
	if err := a.list(cmd.JSON, page, []string{"ID", "EVENT AT", "TYPE", "OF", "STATE", "ATTEMPTS", "LAST ANSWER", "NEXT"}, rows); err != nil {
		return err
	}
	if page.Next != "" && !cmd.JSON {
		a.say("there may be more: --before %s", page.Next)
	}
	return nil
}

// webhookReplayCmd sends deliveries again.
type webhookReplayCmd struct {
	payeeFlags
	payeeWriteFlags
	ID          string `arg:"" help:"The delivery's id, or with --failed-since the endpoint's."`
	FailedSince string `placeholder:"TIME" help:"Send all again that failed, of events since then, such as 2026-01-31 or 2026-01-31T12:00:00Z."`
	jsonFlag
}

// Run sends them again.
func (cmd *webhookReplayCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	since, err := parseTime("--failed-since", cmd.FailedSince)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		if cmd.FailedSince == "" {
			d, err := client.Replay(a.ctx, cmd.ID)
			if err != nil {
				return err
			}
			return a.delivery(cmd.JSON, d)
		}
		again, err := client.ReplayFailed(a.ctx, cmd.ID, since)
		if err != nil {
			return err
		}
		if again.More {
			a.say("there are more, older ones: run this again when these were sent")
		}
		return a.result(cmd.JSON, again, pair{"deliveries sent again", strconv.Itoa(again.Deliveries)})
	})
}
