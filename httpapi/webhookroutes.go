package httpapi

import (
	"net/http"
	"strings"

	"tapline/api"
	"tapline/processor"
)

// webhookRoutes are what a payee's programs do with webhooks.
func webhookRoutes() []*route {
	const all, one = "/v1/webhook-endpoints", "/v1/webhook-endpoints/{id}"
	endpoint, delivery := typeOf[api.WebhookEndpoint](), typeOf[api.WebhookDelivery]()
	routes := []*route{
		{
			method: "POST", path: all, id: "makeWebhookEndpoint", summary: "Have the payee's events sent to an address",
			text: "As Standard Webhooks has it, signed in two ways; docs/webhooks.md says how to receive them. What happens from now on is " +
				"sent. The secret is told this once.",
			in: typeOf[api.NewWebhookEndpoint](), status: http.StatusCreated, out: endpoint, handle: (*call).makeWebhook,
			codes: []string{"payee_closed", "webhook_url", "webhook_type", "too_many_webhook_endpoints"},
		}, {
			method: "GET", path: all, id: "listWebhookEndpoints", summary: "List where the payee's events are sent",
			text:   "With the types that are sent, whether it is enabled, and why not. Secrets are not told again.",
			status: http.StatusOK, out: typeOf[api.WebhookEndpoints](), handle: (*call).listWebhooks,
		}, {
			method: "GET", path: one, id: "getWebhookEndpoint", summary: "Look at one address",
			text:   "Its secret is not told again.",
			status: http.StatusOK, out: endpoint, handle: (*call).getWebhook,
		}, {
			method: "POST", path: one, id: "changeWebhookEndpoint", summary: "Change its address or types, enable or disable it",
			text: "What is left out stays. Once it is enabled again it gets what it has missed.",
			in:   typeOf[api.WebhookChange](), status: http.StatusOK, out: endpoint, handle: (*call).changeWebhook,
			codes: []string{"webhook_url", "webhook_type"},
		}, {
			method: "POST", path: one + "/rotate-secret", id: "rotateWebhookSecret", summary: "Get new keys",
			text: "The new secret is told this once. Messages are signed with the old keys, too, until the overlap is over.",
			in:   typeOf[api.WebhookRotation](), status: http.StatusOK, out: endpoint, handle: (*call).rotateWebhook,
		}, {
			method: "POST", path: one + "/remove", id: "removeWebhookEndpoint", summary: "Send nothing there any more",
			text:   "No body. What was not sent is not sent.",
			status: http.StatusOK, out: endpoint, handle: (*call).removeWebhook,
		}, {
			method: "POST", path: one + "/test", id: "testWebhookEndpoint", summary: "Send a message that tells of nothing",
			text:   "No body. Its type is webhook_endpoint.test, whatever types are sent. What became of it is among the deliveries.",
			status: http.StatusCreated, out: delivery, handle: (*call).testWebhook, codes: []string{"webhook_endpoint_disabled"},
		}, {
			method: "GET", path: one + "/deliveries", id: "listWebhookDeliveries", summary: "List what was sent, and what became of it",
			text:   "By the time of their events. Deliveries are kept for 30 days after the event.",
			status: http.StatusOK, out: typeOf[api.WebhookDeliveries](), handle: (*call).listDeliveries,
			query: listedInTime(param{name: "state", doc: "Only those in this state.", enum: textsOf(processor.DeliveryStates)}),
		}, {
			method: "POST", path: one + "/replay", id: "replayFailedWebhooks", summary: "Send again what failed since a time",
			text: "With all attempts anew; at most 1,000 deliveries, newest event first.",
			in:   typeOf[api.WebhookReplay](), status: http.StatusOK, out: typeOf[api.WebhookReplayed](), handle: (*call).replayFailed,
			codes: []string{"webhook_endpoint_disabled"},
		}, {
			method: "POST", path: "/v1/webhook-deliveries/{id}/replay", id: "replayWebhookDelivery", summary: "Send a delivery again",
			text:   "No body. Whatever became of it, under the same webhook-id.",
			status: http.StatusOK, out: delivery, handle: (*call).replayDelivery,
			codes: []string{"unknown_webhook_delivery", "webhook_endpoint_disabled"},
		}, {
			method: "POST", path: "/v1/test/events", id: "makeTestEvent", summary: "Make an event that tells of nothing, to test programs",
			text: "Only in the test environment. It is sent to the payee's endpoints, and told on its streams, with test true. There is " +
				"nothing by its id.",
			in: typeOf[api.NewTestEvent](), status: http.StatusCreated, out: typeOf[api.Event](), handle: (*call).makeTestEvent,
			codes: []string{"webhook_type", "only_in_test"},
		},
	}
	return ofWebhooks(routes, one)
}

// ofWebhooks gives the routes what all of them have.
func ofWebhooks(routes []*route, one string) []*route {
	for _, r := range routes {
		r.by, r.scope = []credential{byPayee}, processor.ScopeWebhooks
		r.codes = append(r.codes, "unknown_payee")
		if r.method == http.MethodPost {
			r.codes = append(r.codes, "idempotency_key_required", "api_key_over")
		}
		if strings.HasPrefix(r.path, one) {
			r.codes = append(r.codes, "unknown_webhook_endpoint")
		}
	}
	return routes
}

// textsOf are the texts of a list of codes.
func textsOf[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}
