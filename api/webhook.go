package api

import "time"

// NewWebhookEndpoint asks that a payee's events be sent to an address.
type NewWebhookEndpoint struct {
	URL   string   `json:"url" minLength:"1" maxLength:"1024" doc:"https, with a host name, on port 443."`
	Types []string `json:"types,omitempty" maxItems:"50" doc:"Of events to send, such as payment.settled, or payment.* for all that begin so. All if left out."`
}

// WebhookChange changes an endpoint. What is left out stays.
type WebhookChange struct {
	URL     *string   `json:"url,omitempty" minLength:"1" maxLength:"1024"`
	Types   *[]string `json:"types,omitempty" maxItems:"50" doc:"Empty for all."`
	Enabled *bool     `json:"enabled,omitempty" doc:"An endpoint that is enabled again is sent what it has missed, up to 30 days."`
}

// WebhookRotation asks for new keys for an endpoint.
type WebhookRotation struct {
	Overlap *int64 `json:"overlap,omitempty" minimum:"0" maximum:"2592000" doc:"Seconds in which messages are signed with the old keys, too; a day if left out."`
}

// WebhookEndpoint is where a payee's events are sent. Secret is told once, when it is made.
type WebhookEndpoint struct {
	ID           string     `json:"id"`
	URL          string     `json:"url"`
	Types        []string   `json:"types" doc:"Of events that are sent; empty for all."`
	State        string     `json:"state" enum:"enabled,disabled,removed"`
	Why          string     `json:"why,omitempty" enum:"asked,gone,failing" doc:"Why it is disabled: the payee asked for it, it has answered 410, or it has taken nothing for 75 hours."`
	PublicKey    string     `json:"public_key,omitempty" doc:"whpk_…, to verify signatures v1a with. No secret."`
	Secret       string     `json:"secret,omitempty" doc:"whsec_…, to verify signatures v1 with. Whoever knows it can make messages."`
	OldKeysUntil *time.Time `json:"old_keys_until,omitempty" doc:"Until then messages are signed with the keys before, too."`
	MadeBy       string     `json:"made_by" doc:"The id of the payee's API key that made it."`
	CreatedAt    time.Time  `json:"created_at"`
	FailingSince *time.Time `json:"failing_since,omitempty" doc:"When it failed first since it last took something."`
}

// WebhookEndpoints are all endpoints of a payee, oldest first.
type WebhookEndpoints struct {
	Endpoints []WebhookEndpoint `json:"endpoints"`
}

// WebhookMessage is the body of what is sent to endpoints.
type WebhookMessage struct {
	Type      string      `json:"type"`
	Timestamp time.Time   `json:"timestamp"`
	Data      WebhookData `json:"data"`
}

// WebhookData says what an event is about, and no more: whoever gets it asks for the rest.
type WebhookData struct {
	ID      string `json:"id"`
	State   string `json:"state,omitempty"`
	Version int64  `json:"version,omitempty"`
	Test    bool   `json:"test,omitempty"`
}

// WebhookDelivery is an event on its way to an endpoint.
type WebhookDelivery struct {
	ID       string         `json:"id" doc:"The header webhook-id."`
	Endpoint string         `json:"endpoint"`
	Message  WebhookMessage `json:"message"`
	State    string         `json:"state" enum:"pending,delivered,failed"`
	Attempts int            `json:"attempts" doc:"Since it was last wanted."`
	NextAt   *time.Time     `json:"next_at,omitempty" doc:"When it is sent, or sent again, if it is pending."`
	TriedAt  *time.Time     `json:"tried_at,omitempty" doc:"The end of the last attempt, of which the rest tells."`
	Failure  string         `json:"failure,omitempty" enum:"status,redirect,timeout,connection,certificate,address,keys"`
	Status   int            `json:"status,omitempty"`
	Answer   string         `json:"answer,omitempty" doc:"Its beginning."`
	Millis   int64          `json:"millis,omitempty" doc:"How long it took."`
}

// WebhookDeliveries is a page of deliveries, newest event first.
type WebhookDeliveries struct {
	Deliveries []WebhookDelivery `json:"deliveries"`
	Next       string            `json:"next,omitempty" doc:"Give it as before to get the next page."`
}

// WebhookReplay asks for what failed to be sent again.
type WebhookReplay struct {
	Since time.Time `json:"since" doc:"The first of the events."`
}

// WebhookReplayed says what is sent again.
type WebhookReplayed struct {
	Deliveries int  `json:"deliveries"`
	More       bool `json:"more,omitempty" doc:"There are more, older ones: ask once more when these were sent."`
}

// NewTestEvent asks for an event to test programs with.
type NewTestEvent struct {
	Type string `json:"type" maxLength:"64" doc:"Of a payment or an order, such as payment.settled."`
}
