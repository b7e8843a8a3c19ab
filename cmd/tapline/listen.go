package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tapline/api"
	"tapline/payee"
	"tapline/webhook"
)

// listenCmd prints a payee's events, and forwards them.
type listenCmd struct {
	payeeFlags
	ForwardTo string   `placeholder:"URL" help:"Where to send each event, such as http://127.0.0.1:3000/hook: as a webhook, signed with a secret that is told at the start."`
	Type      []string `placeholder:"payment.settled" help:"Only these events, such as payment.settled, or payment.* for all that begin so. May be given again."`
	Since     string   `placeholder:"NUMBER" help:"Go on after this event; without it, from now on."`
	jsonFlag
}

// Help explains how to try a program.
func (*listenCmd) Help() string {
	return `To try the program that receives your webhooks before it is on the internet: it gets what the service would send, from here. The
secret is the same each time that you use the same API key, and no endpoint's. What the program does not take is not sent
again. "tapline trigger" makes an event.

  tapline listen --forward-to http://127.0.0.1:3000/hook`
}

// Run prints and forwards until it is interrupted.
func (cmd *listenCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	forward := func(payee.Event) string { return "" }
	if cmd.ForwardTo != "" {
		if !strings.HasPrefix(cmd.ForwardTo, "http://") && !strings.HasPrefix(cmd.ForwardTo, "https://") {
			return &usageError{"--forward-to: not an http address", "write it like --forward-to http://127.0.0.1:3000/hook"}
		}
		keys := listenKeys(client.APIKey)
		a.say("secret: %s\npublic key: %s", keys.Secret(), keys.PublicKey())
		forward = forwarder(a.ctx, cmd.ForwardTo, keys)
	}
	err = client.Events(a.ctx, cmd.Since, func(e payee.Event) error {
		if e.Type == payee.EventReset {
			a.say("events were lost: too many happened since that number, or it was never one")
			return nil
		}
		if !cmd.wants(e.Type) {
			return nil
		}
		if cmd.JSON {
			if err := a.printJSON(e); err != nil {
				return err
			}
		} else if err := a.print("%s", eventLine(e)); err != nil {
			return err
		}
		if result := forward(e); result != "" {
			a.say("  %s", result)
		}
		return nil
	})
	if a.ctx.Err() != nil {
		return nil // it was interrupted, which is how it ends
	}
	return err
}

func (cmd *listenCmd) wants(eventType string) bool {
	for _, t := range cmd.Type {
		if family, all := strings.CutSuffix(t, "*"); t == eventType || all && strings.HasPrefix(eventType, family) {
			return true
		}
	}
	return len(cmd.Type) == 0
}

func eventLine(e payee.Event) string {
	test := ""
	if e.Test {
		test = "  test"
	}
	return fmt.Sprintf("%s  %s  %s  %s%s", e.ID, when(e.At), e.Type, e.Subject, test)
}

// listenKeys are the keys that sign what is forwarded for whoever has an API key.
func listenKeys(apiKey string) webhook.Keys {
	mac := hmac.New(sha512.New, []byte(strings.TrimSpace(apiKey)))
	mac.Write([]byte("tapline listen"))
	return webhook.Keys(mac.Sum(nil))
}

// forwarder sends events as webhooks and tells what came of it.
func forwarder(ctx context.Context, url string, keys webhook.Keys) func(payee.Event) string {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	poster := &webhook.Poster{Client: client, Local: client}
	return func(e payee.Event) string {
		body, err := json.Marshal(api.WebhookMessage{Type: e.Type, Timestamp: e.At,
			Data: api.WebhookData{ID: e.Subject, State: e.State, Version: e.Version, Test: e.Test}})
		if err != nil {
			return err.Error()
		}
		r := poster.Post(ctx, url, webhook.Message{ID: "listen_" + e.ID, Time: time.Now(), Body: body}, keys)
		switch {
		case r.Status == 0:
			return fmt.Sprintf("not forwarded: %s", r.Failure)
		case r.Failure != webhook.None:
			return fmt.Sprintf("not taken: %d %s", r.Status, r.Answer)
		}
		return fmt.Sprintf("taken: %d in %d ms", r.Status, r.Took.Milliseconds())
	}
}
