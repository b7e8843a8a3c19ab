package httpapi

import (
	"net/http"
	"reflect"
	"slices"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/order"
	"tapline/payment"
	"tapline/processor"
)

// routes is every operation of the service under /v1.
var routes = slices.Concat(publicRoutes(), pushRoutes(), tapRoutes(), paymentRoutes(), orderRoutes(), templateRoutes(), refundRoutes(), payoutRoutes(), reportRoutes(), headRoutes(), keyRoutes(), cardRoutes(), emailRoutes(), stopRoutes(), eventRoutes(), webhookRoutes(), sandboxRoutes(), signInRoutes(), adminRoutes(), feeRoutes(), adminPayoutRoutes(), adminKeyRoutes(), adminSupportRoutes())

// typeOf is short for the type of what a body holds.
func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

func publicRoutes() []*route {
	return []*route{
		{
			method: "GET", path: "/v1/service", id: "getService", summary: "Tell whom one talks to",
			text:   "Name, version, environment and time of the service, and what it can do.",
			status: http.StatusOK, out: typeOf[api.Service](), handle: (*call).getService,
		}, {
			method: "POST", path: "/v1/devices", id: "registerDevice", summary: "Register a device's public key",
			text: "The key is in the protected header as jwk, and the signature by it proves possession. A device that is " +
				"known gets its new label.",
			limit: limitDevices, by: []credential{bySignature}, typ: consent.TypDevice, claims: typeOf[consent.DeviceRegistration](),
			status: http.StatusCreated, out: typeOf[api.Device](), handle: (*call).registerDevice,
		}, {
			method: "POST", path: "/v1/token", id: "getToken", summary: "Get a bearer token to read with",
			text: "OAuth 2.0 client credentials with a signed assertion (RFC 6749 §4.4, RFC 7523), for devices and operators. " +
				"The token lasts five minutes. Or with a passkey's answer to a challenge, for operators (fifteen minutes) and payees (twelve hours). " +
				"Errors have OAuth's own form (RFC 6749 §5.2).",
			form: tokenForm, status: http.StatusOK, out: typeOf[api.Token](), handle: (*call).getToken,
		}, {
			method: "GET", path: "/v1/payees/{handle}", id: "getPayee", summary: "Look a payee up by its handle",
			by: []credential{byDevice}, status: http.StatusOK, out: typeOf[api.Payee](), handle: (*call).getPayee,
			codes: []string{"unknown_payee", "wrong_currency"}, limit: limitLookups,
			query: []param{{name: "currency", doc: "In which it is to be paid: one of its currencies; its first if left out."}},
			text: "Closed payees answer like unknown ones. A device, and an address, may ask so often a minute; what finds nothing " +
				"counts five times.",
		},
	}
}

// pushRoutes let a device be woken.
func pushRoutes() []*route {
	return []*route{
		{
			method: "GET", path: "/v1/push-key", id: "getPushKey", summary: "Get the key that push services know the service by",
			text:   "For PushManager.subscribe. A subscription lasts as long as the service has the key that it was made with.",
			status: http.StatusOK, out: typeOf[api.PushKey](), handle: (*call).getPushKey,
		}, {
			method: "GET", path: "/v1/push-subscription", id: "getPushSubscription", summary: "Ask whether the device is woken",
			text: "A subscription that the push service has ended is gone.",
			by:   []credential{byDevice}, status: http.StatusOK, out: typeOf[api.PushSubscription](), handle: (*call).getPushSubscription,
		}, {
			method: "POST", path: "/v1/push-subscription", id: "subscribePush", summary: "Have the device woken when it is needed",
			text: "By Web Push (RFC 8030), when a payment waits for its approval, or something happens to a card that it is bound to. " +
				"What is sent says which of these it is, and no amount, name or number. It takes the place of the subscription before.",
			by: []credential{bySignature}, typ: consent.TypPush, claims: typeOf[consent.PushSubscription](),
			status: http.StatusOK, out: typeOf[api.PushSubscription](), handle: (*call).subscribePush,
			codes: []string{"invalid_field"},
		}, {
			method: "POST", path: "/v1/push-subscription/remove", id: "unsubscribePush", summary: "Have the device woken no more",
			text: "The subscription is forgotten; that there is none is no error.",
			by:   []credential{bySignature}, typ: consent.TypPushRemoval, claims: typeOf[consent.PushRemoval](),
			status: http.StatusOK, out: typeOf[api.PushSubscription](), handle: (*call).unsubscribePush,
		},
	}
}

func tapRoutes() []*route {
	return []*route{
		{
			method: "POST", path: "/v1/tap-challenges", id: "challengeTap", summary: "Get the number that a payment card is to sign",
			text: "For one tap of this device, within a minute. The card is told the amount; it counts for an instruction of the " +
				"same amount only. A device gets a few of them a minute.",
			by: []credential{bySignature}, typ: consent.TypTapChallenge, claims: typeOf[consent.TapChallenge](),
			status: http.StatusCreated, out: typeOf[api.TapChallenge](), handle: (*call).challengeTap,
			codes: []string{"too_many_challenges"},
		}, {
			method: "POST", path: "/v1/taps", id: "presentTap", summary: "Ask what the card is that was tapped",
			text: "A device that is or was bound to the card is told which it is. What others are told comes from the tap alone. " +
				"A tap that proves the card is used up, as by a payment.",
			by: []credential{bySignature}, typ: consent.TypTap, claims: typeOf[consent.Presentation](),
			status: http.StatusOK, out: typeOf[api.Tap](), handle: (*call).presentTap,
			codes: []string{"tap_used"},
		},
	}
}

// stepCodes are the problems of every step of a payment, and pinCodes those of every check of a PIN: it is a card's whose
// state may forbid it, or whose PIN may be changed meanwhile.
var (
	stepCodes = []string{"id_mismatch", "unknown_payment", "ended", "expired", "not_now"}
	pinCodes  = []string{"pin_format", "wrong_pin", "authentication_paused", "authentication_locked", "card_state"}
)

func paymentRoutes() []*route {
	return []*route{
		{
			method: "POST", path: "/v1/payments", id: "instructPayment", summary: "Send an instruction: ask for a payment",
			text: "The message's jti is the payment's id, chosen by the device. Until the payer has authenticated, the answer " +
				"is the same whether the card is known or not. With rehearsal it goes through every step and moves no money.",
			limit: limitInstructions, by: []credential{bySignature}, typ: consent.TypInstruction, claims: typeOf[consent.Instruction](),
			status: http.StatusCreated, out: typeOf[api.Payment](), handle: (*call).instruct,
			codes: []string{"unknown_payee", "payment_exists", "wrong_currency", "no_rehearsals", "limit_exceeded", "card_state", "tap_used",
				"unknown_order", "order_mismatch", "order_claimed", "order_closed", "fee_changed", "too_large"},
		}, {
			method: "GET", path: "/v1/payments", id: "listPayments", summary: "List payments, newest first",
			text: "A device lists those it made (initiator) or was asked to approve (approver); a payee's key lists the payee's. By state, reference, " +
				"amount and time; a page may be short, and still have a next.",
			by: []credential{byDevice, byPayee}, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.Payments](), handle: (*call).listPayments,
			query: listedInTime(append([]param{
				{name: "role", doc: "Initiator if it is left out, or payee for a payee's key.", enum: []string{api.RoleInitiator, api.RoleApprover, api.RolePayee}},
				{name: "state", doc: "Only payments in this state.", enum: stateNames()},
				{name: "reference", doc: "Only those with this reference of an order."},
			}, byAmount...)...),
		}, {
			method: "GET", path: "/v1/payments/{id}", id: "getPayment", summary: "Read a payment, or wait for its next change",
			text: "For its initiator, its associated device once that is asked, and its payee once the payer has confirmed. For " +
				"everybody else it does not exist.",
			by: []credential{byDevice, byPayee}, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.Payment](), handle: (*call).getPayment,
			query: []param{
				{name: "wait", doc: "How many seconds to wait for a change.", integer: true, max: maxWait},
				{name: "after", doc: "The version that is known; what is newer is answered at once.", integer: true, max: 1 << 40},
				{name: "expand", doc: "What to answer with it, under expanded.", many: true, enum: []string{"order", "refunds"}},
			},
			codes: []string{"unknown_payment", "too_many_streams"},
		}, {
			method: "POST", path: "/v1/payments/{id}/authentication", id: "authenticatePayment", summary: "Authenticate with the card's PIN",
			text: "The PIN travels inside the signed message. A wrong one costs one of few tries; whether the card exists is not told.",
			by:   []credential{bySignature}, typ: consent.TypAuthentication, claims: typeOf[consent.Authentication](),
			status: http.StatusOK, out: typeOf[api.Payment](), handle: (*call).authenticatePayment,
			codes: slices.Concat(stepCodes, pinCodes, []string{"insufficient_funds", "limit_exceeded", "payee_unavailable", "order_unavailable"}),
		}, {
			method: "POST", path: "/v1/payments/{id}/confirmation", id: "confirmPayment", summary: "Give the first confirmation, or decline",
			text: "On the device that made the payment. The statement is to be returned byte for byte. With the answer of one of " +
				"the payment's passkeys it is the authentication as well.",
			by: []credential{bySignature}, typ: consent.TypConfirmation, claims: typeOf[consent.Decision](),
			status: http.StatusOK, out: typeOf[api.Payment](), handle: (*call).confirm,
			codes: append([]string{
				"statement_mismatch", "insufficient_funds", "limit_exceeded", "payee_unavailable", "too_many_approvals", "passkey_refused",
				"card_state", "order_unavailable",
			}, stepCodes...),
		}, {
			method: "POST", path: "/v1/payments/{id}/approval", id: "approvePayment", summary: "Give the second confirmation, decline, or disown",
			text: "On the card's associated device, with the digits that the initiating device shows, or with a tap of the same card on the associated device. not_me declines and freezes the card.",
			by:   []credential{bySignature}, typ: consent.TypApproval, claims: typeOf[consent.Decision](),
			status: http.StatusOK, out: typeOf[api.Payment](), handle: (*call).approve,
			codes: append([]string{"statement_mismatch", "wrong_code", "tap_refused", "tap_used", "payee_unavailable"}, stepCodes...),
		}, {
			method: "POST", path: "/v1/payments/{id}/cancel", id: "cancelPayment", summary: "Cancel a payment before money moves",
			text: "By the initiating device, or while it may be undone the card's associated device, signed; or by the payee with its key, " +
				"an Idempotency-Key and no body.",
			by: []credential{bySignature, byPayee}, scope: processor.ScopeOrders, typ: consent.TypCancellation, claims: typeOf[consent.Cancellation](),
			status: http.StatusOK, out: typeOf[api.Payment](), handle: (*call).cancel,
			codes: []string{"id_mismatch", "unknown_payment", "too_late", "expired", "idempotency_key_required"},
		}, {
			method: "GET", path: "/v1/payments/{id}/receipt", id: "getReceipt", summary: "Get the signed receipt of a settled payment",
			text: "A compact JWS by the service's key of /.well-known/jwks.json, for whoever took part. The payee's " +
				"leaves out card and devices.",
			by: []credential{byDevice, byPayee}, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.Receipt](), handle: (*call).getReceipt,
			codes: []string{"unknown_payment", "not_settled", "rehearsal"},
		},
	}
}

func orderRoutes() []*route {
	return []*route{
		{
			method: "POST", path: "/v1/orders", id: "makeOrder", summary: "Make an order for payers to pay",
			text: "Its url is for a link or a QR code (url and /qr.svg). It is paid at most once. Lines, tip and tax sum to the " +
				"amount; without lines, tip and tax are a part of it.",
			by: []credential{byPayee}, scope: processor.ScopeOrders, in: typeOf[api.NewOrder](), status: http.StatusCreated, out: typeOf[api.PayeeOrder](),
			handle: (*call).makeOrder,
			codes:  []string{"idempotency_key_required", "unknown_payee", "payee_closed", "wrong_currency", "order_sum"},
		}, {
			method: "GET", path: "/v1/orders", id: "listOrders", summary: "List a payee's orders, newest first",
			text: "By state, reference, amount and time; a page at a time.",
			by:   []credential{byPayee}, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.PayeeOrders](), handle: (*call).listOrders,
			query: listedInTime(append([]param{
				{name: "state", doc: "Only orders in this state.", enum: orderStateNames()},
				{name: "reference", doc: "Only orders with this reference."},
				{name: "minor", doc: "Only orders of this amount, in minor units.", integer: true, min: 1, max: money.MaxMinor},
			}, byAmount[:2]...)...),
			codes: []string{"unknown_payee"},
		}, {
			method: "GET", path: "/v1/orders/{id}", id: "getOrder", summary: "Read an order",
			text: "For its payee, and for any device that knows the id, which sees what it is asked to pay and whether it still can.",
			by:   []credential{byDevice, byPayee}, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.PayeeOrder](), handle: (*call).getOrder,
			codes: []string{"unknown_order"},
		}, {
			method: "POST", path: "/v1/orders/{id}/cancel", id: "cancelOrder", summary: "Cancel an order that is not paid",
			text: "A payment that is paying it is cancelled with it. No body.",
			by:   []credential{byPayee}, scope: processor.ScopeOrders, status: http.StatusOK, out: typeOf[api.PayeeOrder](), handle: (*call).cancelOrder,
			codes: []string{"idempotency_key_required", "unknown_order", "order_closed"},
		},
	}
}

func refundRoutes() []*route {
	return []*route{
		{
			method: "POST", path: "/v1/refunds", id: "makeRefund", summary: "Give money of a settled payment back",
			text: "All that is left of it, or a part, out of the payee's balance, to the card account that paid, whatever has become of " +
				"the card. Refunds of a payment never exceed it. A refund is final, and gives the card's limits no room back.",
			by: []credential{byPayee}, scope: processor.ScopeRefunds, in: typeOf[api.NewRefund](), status: http.StatusCreated, out: typeOf[api.Refund](),
			handle: (*call).makeRefund,
			codes: []string{"idempotency_key_required", "unknown_payment", "unknown_payee", "not_refundable", "refunded", "refund_exceeds",
				"payee_balance", "wrong_currency", "too_large"},
		}, {
			method: "GET", path: "/v1/refunds", id: "listRefunds", summary: "List refunds, newest first",
			text: "Those of a payment, for whoever may see it; a payee's key lists all of the payee's without one.",
			by:   []credential{byDevice, byPayee}, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.Refunds](), handle: (*call).listRefunds,
			query: listedInTime(param{name: "payment", doc: "Only refunds of this payment; a device has to name one."}),
			codes: []string{"unknown_payment"},
		}, {
			method: "GET", path: "/v1/refunds/{id}", id: "getRefund", summary: "Read a refund",
			text: "For whoever may see its payment.",
			by:   []credential{byDevice, byPayee}, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.Refund](), handle: (*call).getRefund,
			codes: []string{"unknown_refund"},
		},
	}
}

// reportRoutes are a payee's books.
func reportRoutes() []*route {
	return []*route{
		{
			method: "GET", path: "/v1/report", id: "getOwnReport", summary: "Report the entries of the payee's account",
			text: "Opening balance, entries, closing balance. Of the account that it has in the currency now; one that it had before, an operator reports.",
			by:   []credential{byPayee}, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.Report](), also: formatTypes,
			query: []param{
				{name: "currency", doc: "Its first if left out."},
				{name: "from", doc: "RFC 3339 time, inclusive."}, {name: "until", doc: "RFC 3339 time, exclusive; now if left out."}, formats,
			},
			handle: (*call).getOwnReport, codes: []string{"unknown_payee", "wrong_currency", "report_too_long"},
		},
	}
}

func orderStateNames() (names []string) {
	for _, s := range order.States {
		names = append(names, string(s))
	}
	return names
}

func stateNames() []string {
	var names []string
	for _, s := range payment.States {
		names = append(names, string(s))
	}
	return names
}

func cardRoutes() []*route {
	return []*route{
		{
			method: "POST", path: "/v1/cards/activate", id: "activateCard", summary: "Bind the device to a card with a code and a tap",
			text: "The first time with the card's first PIN; with a code that rebinds the card, or of a card that replaces another, " +
				"without one. Why it is refused is not told.",
			by: []credential{bySignature}, typ: consent.TypActivation, claims: typeOf[consent.Activation](),
			status: http.StatusOK, out: typeOf[api.Card](), handle: (*call).activate,
			codes: []string{"pin_format", "pin_weak", "code_format", "activation_refused"},
		}, {
			method: "GET", path: "/v1/cards", id: "listCards", summary: "List the cards the device is or was bound to",
			text: "Also those that it was unbound from, which tell no more than that.",
			by:   []credential{byDevice}, status: http.StatusOK, out: typeOf[api.Cards](), handle: (*call).listCards,
		}, {
			method: "GET", path: "/v1/cards/{id}", id: "getCard", summary: "Read a card",
			text: "Balance, devices and limits are for its associated device.",
			by:   []credential{byDevice}, status: http.StatusOK, out: typeOf[api.Card](), handle: (*call).getCard,
			codes: []string{"unknown_card"},
		}, {
			method: "POST", path: "/v1/cards/{id}/limits", id: "limitCard", summary: "Set the least that payments with the card need",
			text: "By its associated device, with the PIN. It can only ask for more than the operator's policy.",
			by:   []credential{bySignature}, typ: consent.TypLimits, claims: typeOf[consent.Limits](),
			status: http.StatusOK, out: typeOf[api.Card](), handle: (*call).limitCard,
			codes: append([]string{"id_mismatch", "unknown_card"}, pinCodes...),
		}, {
			method: "POST", path: "/v1/cards/{id}/pin", id: "changePIN", summary: "Change the PIN",
			text: "By its associated device, with the old PIN or with an operator's code.",
			by:   []credential{bySignature}, typ: consent.TypPIN, claims: typeOf[consent.PINChange](),
			status: http.StatusOK, out: typeOf[api.Card](), handle: (*call).changePIN,
			codes: append([]string{"id_mismatch", "unknown_card", "pin_weak", "code_format", "reset_refused"}, pinCodes...),
		}, {
			method: "POST", path: "/v1/cards/{id}/passkeys", id: "registerPasskey", summary: "Register a passkey to pay with",
			text: "By its associated device, with the PIN. The passkey is made for the card's id as user handle, with its user " +
				"verified, and serves while this device is the card's associated device.",
			by: []credential{bySignature}, typ: consent.TypPasskey, claims: typeOf[consent.PasskeyRegistration](),
			status: http.StatusCreated, out: typeOf[api.Passkey](), handle: (*call).registerPasskey,
			codes: append([]string{"id_mismatch", "unknown_card", "passkey_refused", "passkey_exists", "too_many_passkeys"}, pinCodes...),
		}, {
			method: "GET", path: "/v1/cards/{id}/passkeys", id: "listPasskeys", summary: "List a card's passkeys",
			text: "Also those that were removed.",
			by:   []credential{byDevice}, status: http.StatusOK, out: typeOf[api.Passkeys](), handle: (*call).listPasskeys,
			codes: []string{"unknown_card"},
		}, {
			method: "POST", path: "/v1/cards/{id}/passkeys/remove", id: "removePasskey", summary: "Remove a passkey",
			text: "By its associated device.",
			by:   []credential{bySignature}, typ: consent.TypPasskeyRemoval, claims: typeOf[consent.PasskeyRemoval](),
			status: http.StatusOK, out: typeOf[api.Passkey](), handle: (*call).removePasskey,
			codes: []string{"id_mismatch", "unknown_card", "unknown_passkey"},
		}, {
			method: "POST", path: "/v1/cards/{id}/associated-device", id: "rebindCard", summary: "Make another device the associated device",
			text: "Signed by the old one. Open payments are cancelled.",
			by:   []credential{bySignature}, typ: consent.TypRebind, claims: typeOf[consent.Rebind](),
			status: http.StatusOK, out: typeOf[api.Card](), handle: (*call).rebindCard,
			codes: []string{"id_mismatch", "unknown_card", "unknown_device", "card_state"},
		}, {
			method: "POST", path: "/v1/cards/{id}/devices/remove", id: "removeDevice", summary: "Remove a device that was bound to the card before",
			text: "By the associated device, with the PIN; that device itself cannot be removed. The other one cannot see or freeze the " +
				"card any more and is told nothing more of it; its passkeys for the card are removed and open payments are cancelled.",
			by: []credential{bySignature}, typ: consent.TypDeviceRemoval, claims: typeOf[consent.DeviceRemoval](),
			status: http.StatusOK, out: typeOf[api.Card](), handle: (*call).removeDevice,
			codes: append([]string{"id_mismatch", "unknown_card", "unknown_device"}, pinCodes...),
		},
	}
}

// stopRoutes stop a card and let it go on.
func stopRoutes() []*route {
	return []*route{
		{
			method: "POST", path: "/v1/cards/{id}/freeze", id: "freezeCard", summary: "Freeze a card at once",
			text: "By any device that is or was bound to it. Its open payments are cancelled.",
			by:   []credential{bySignature}, typ: consent.TypFreeze, claims: typeOf[consent.Freeze](),
			status: http.StatusOK, out: typeOf[api.Card](), handle: (*call).freezeCard,
			codes: []string{"id_mismatch", "unknown_card", "card_state"},
		}, {
			method: "POST", path: "/v1/cards/{id}/lost", id: "loseCard", summary: "Report a card lost",
			text: "By its associated device. The card is frozen, its open payments are cancelled, and only an operator can unfreeze " +
				"or replace it.",
			by: []credential{bySignature}, typ: consent.TypLoss, claims: typeOf[consent.Loss](),
			status: http.StatusOK, out: typeOf[api.Card](), handle: (*call).loseCard,
			codes: []string{"id_mismatch", "unknown_card", "card_state"},
		}, {
			method: "POST", path: "/v1/cards/{id}/unfreeze", id: "unfreezeCard", summary: "Let a frozen card pay again",
			text: "By its associated device, with the PIN.",
			by:   []credential{bySignature}, typ: consent.TypUnfreeze, claims: typeOf[consent.Unfreeze](),
			status: http.StatusOK, out: typeOf[api.Card](), handle: (*call).unfreezeCard,
			codes: append([]string{"id_mismatch", "unknown_card"}, pinCodes...),
		},
	}
}

func eventRoutes() []*route {
	return []*route{
		{
			method: "GET", path: "/v1/events", id: "streamEvents", summary: "Be told of changes as they happen",
			text: "Server-sent events: id is the event's number, event its type, data an Event. After a break, send the last " +
				"id as Last-Event-ID; an event of type reset says that too much was missed, and that everything is to be read " +
				"anew. A comment comes every 15 seconds. The stream ends with the token, or soon after whoever holds it was revoked.",
			by: []credential{byDevice, byPayee, byOperator}, scope: processor.ScopeRead, status: http.StatusOK, handle: (*call).streamEvents,
			codes: []string{"too_many_streams", "invalid_field"},
		}, {
			method: "GET", path: "/v1/events/next", id: "nextEvents", summary: "Be told of changes, or wait for the next",
			text: "The same as the stream tells, for clients that no stream gets through to. Begin without after.",
			by:   []credential{byDevice, byPayee, byOperator}, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.Events](), handle: (*call).nextEvents,
			query: []param{
				{name: "wait", doc: "How many seconds to wait for an event.", integer: true, max: maxWait},
				{name: "after", doc: "The next of the answer before.", integer: true, max: 1<<62 - 1},
			},
			codes: []string{"too_many_streams"},
		},
	}
}

// signInRoutes are for passkeys that operators and payees sign in with.
func signInRoutes() []*route {
	own := []credential{byOperator, byPayee}
	return []*route{
		{
			method: "POST", path: "/v1/sign-in-challenges", id: "challengeSignIn", summary: "Get a challenge to sign in with a passkey",
			text:   "For one sign-in, or one passkey to be registered for that, within five minutes. No body.",
			status: http.StatusOK, out: typeOf[api.SignInChallenge](), handle: (*call).challengeSignIn,
		}, {
			method: "POST", path: "/v1/sign-in-passkeys", id: "registerSignInPasskey", summary: "Register a passkey to sign in with",
			text: "As the caller: an operator, or a payee with an API key, which the passkey then stands for. Made with the owner's id as user " +
				"handle, discoverable, and with its user verified. All operators are told of an operator's, the payee of its own.",
			by: own, in: typeOf[api.NewSignInPasskey](), status: http.StatusCreated, out: typeOf[api.SignInPasskey](), handle: (*call).registerSignIn,
			codes: []string{"idempotency_key_required", "unknown_operator", "api_key_over", "passkey_refused", "passkey_exists", "too_many_passkeys", "text_not_shown"},
		}, {
			method: "GET", path: "/v1/sign-in-passkeys", id: "listSignInPasskeys", summary: "List the caller's passkeys to sign in with",
			text: "With labels, when they were made and last used.",
			by:   own, status: http.StatusOK, out: typeOf[api.SignInPasskeys](), handle: (*call).listSignIns,
		}, {
			method: "POST", path: "/v1/sign-in-passkeys/remove", id: "removeSignInPasskey", summary: "Remove a passkey to sign in with",
			text: "Its tokens are over at once. Not the one that the caller is signed in with.",
			by:   own, in: typeOf[api.SignInPasskeyRemoval](), status: http.StatusOK, out: typeOf[api.SignInPasskey](), handle: (*call).removeSignIn,
			codes: []string{"idempotency_key_required", "unknown_operator", "api_key_over", "unknown_passkey", "passkey_in_use"},
		},
	}
}

// adminRead is an operator's operation that reads.
func adminRead(path, id, summary string, out reflect.Type, handle func(*call) (answer, error), query ...param) *route {
	return &route{
		method: "GET", path: "/v1/admin" + path, id: id, summary: summary, text: adminTexts[id], by: []credential{byOperator}, query: query,
		status: http.StatusOK, out: out, admin: true, handle: handle,
	}
}

// or is the route with problems of its own.
func (r *route) or(codes ...string) *route {
	r.codes = append(r.codes, codes...)
	return r
}

// orAs is the route with further forms of its answer.
func (r *route) orAs(types ...string) *route {
	r.also = types
	return r
}

// adminWrite is an operator's operation that writes.
func adminWrite(path, id, summary string, in, out reflect.Type, status int, handle func(*call) (answer, error), codes ...string) *route {
	return &route{
		method: "POST", path: "/v1/admin" + path, id: id, summary: summary, text: adminTexts[id], by: []credential{byOperator}, in: in,
		status: status, out: out, admin: true, handle: handle,
		codes: append([]string{"idempotency_key_required", "unknown_operator"}, codes...),
	}
}

func adminRoutes() []*route {
	noted, card, code := typeOf[api.Noted](), typeOf[api.Card](), typeOf[api.CardCode]()
	enrol := adminWrite("/operators", "enrolOperator", "Enrol an operator", typeOf[api.NewOperator](), typeOf[api.Operator](),
		http.StatusCreated, (*call).enrolOperator, "operator_exists", "already_enrolled", "wrong_algorithm")
	enrol.by = append(enrol.by, byFirst, byInvite)
	enrol.text = "The first operator is enrolled with the token that the service made at its first start; then by operators, or with an " +
		"operator's invite. Where top-ups take two operators, another one has to confirm the new one as well."
	return []*route{
		enrol,
		adminRead("/operators", "listOperators", "List operators", typeOf[api.Operators](), (*call).listOperators, page...),
		adminWrite("/operators/{id}/confirm", "confirmOperator", "Confirm an operator whom another one has enrolled", noted, typeOf[api.Operator](), http.StatusOK, (*call).confirmOperator, "not_found", "operator_decided", "second_operator"),
		adminWrite("/operators/{id}/remove", "removeOperator", "Take an operator's right to act away, for ever", noted, typeOf[api.Operator](), http.StatusOK, (*call).removeOperator, "not_found", "operator_decided", "second_operator"),
		adminWrite("/invites", "inviteOperator", "Invite somebody to enrol as an operator, within a day", noted, typeOf[api.Invite](), http.StatusCreated, (*call).inviteOperator),
		adminWrite("/cards", "issueCard", "Issue a card and get its activation code", typeOf[api.NewCard](), code, http.StatusCreated, (*call).issueCard, "card_exists"),
		adminRead("/cards", "listAllCards", "List cards", typeOf[api.Cards](), (*call).listAllCards, page...),
		adminRead("/cards/{id}", "getAnyCard", "Read a card", card, (*call).getAnyCard).or("unknown_card"),
		adminWrite("/cards/{id}/freeze", "freezeAnyCard", "Freeze a card", noted, card, http.StatusOK, setCardState(processor.CardFrozen), "unknown_card", "card_state"),
		adminWrite("/cards/{id}/unfreeze", "unfreezeAnyCard", "Unfreeze a card", noted, card, http.StatusOK, setCardState(processor.CardActive), "unknown_card", "card_state"),
		adminWrite("/cards/{id}/close", "closeCard", "Close a card for ever", noted, card, http.StatusOK, setCardState(processor.CardClosed), "unknown_card", "card_state"),
		adminWrite("/cards/{id}/lost", "loseAnyCard", "Report a card lost", noted, card, http.StatusOK, (*call).loseAnyCard, "unknown_card", "card_state"),
		adminWrite("/cards/{id}/replace", "replaceCard", "Put a new card in the place of one, for ever", typeOf[api.Replacement](), code, http.StatusCreated, (*call).replaceCard, "unknown_card", "card_state", "card_exists"),
		adminWrite("/cards/{id}/activation-code", "giveActivationCode", "Get a new code to activate a card", noted, code, http.StatusCreated, giveCode(processor.CodeActivates), "unknown_card", "card_state"),
		adminWrite("/cards/{id}/rebind", "giveRebindCode", "Get a code to bind another device, usable after a day", noted, code, http.StatusCreated, giveCode(processor.CodeRebinds), "unknown_card", "card_state"),
		adminWrite("/cards/{id}/pin-reset", "givePINCode", "Get a code to set a new PIN", noted, code, http.StatusCreated, giveCode(processor.CodeResetsPIN), "unknown_card", "card_state"),
		adminWrite("/payees", "addPayee", "Add a payee and get its API key", typeOf[api.NewPayee](), typeOf[api.AdminPayee](), http.StatusCreated, (*call).addPayee, "payee_exists", "handle_format"),
		adminRead("/payees", "listPayees", "List payees", typeOf[api.Payees](), (*call).listPayees, page...),
		adminRead("/payees/{handle}", "getAnyPayee", "Read a payee", typeOf[api.AdminPayee](), (*call).getAnyPayee).or("unknown_payee"),
		adminWrite("/payees/{handle}/account", "movePayee", "Give a payee a new account, or one in another currency", typeOf[api.NewPayeeAccount](), typeOf[api.AdminPayee](), http.StatusOK, (*call).movePayee, "unknown_payee", "payee_closed"),
		adminWrite("/payees/{handle}/closed", "closePayee", "Close a payee, or open it again", typeOf[api.PayeeClosed](), typeOf[api.AdminPayee](), http.StatusOK, (*call).closePayee, "unknown_payee"),
		adminWrite("/payees/{handle}/name", "renamePayee", "Set the name of a payee that was verified", typeOf[api.VerifiedName](), typeOf[api.AdminPayee](), http.StatusOK, (*call).renamePayee, "unknown_payee"),
		adminWrite("/payees/{handle}/aliases", "aliasPayee", "Make a handle lead to a payee as well, or no more", typeOf[api.PayeeAlias](), typeOf[api.AdminPayee](), http.StatusOK, (*call).aliasPayee, "unknown_payee", "payee_exists", "handle_format"),
		adminWrite("/payees/{handle}/rehearsals", "setRehearsals", "Open a payee to rehearsals, or close it", typeOf[api.NewRehearsals](), typeOf[api.AdminPayee](), http.StatusOK, (*call).setRehearsals, "unknown_payee"),
		adminRead("/accounts", "listAccounts", "List accounts", typeOf[api.Accounts](), (*call).listAccounts,
			append([]param{{name: "unused_since", doc: "RFC 3339 time: only accounts of cards and payees that had no payment since then, to the day; a new card's is not among them."}}, page...)...),
		adminRead("/accounts/{id}", "getAccount", "Read an account", typeOf[api.Account](), (*call).getAccount).or("unknown_account"),
		adminRead("/accounts/{id}/report", "getReport", "Report an account's entries", typeOf[api.Report](), (*call).getReport,
			param{name: "from", doc: "RFC 3339 time, inclusive."}, param{name: "until", doc: "RFC 3339 time, exclusive; now if left out."}, formats).or("unknown_account", "report_too_long").orAs(formatTypes...),
		adminWrite("/accounts/{id}/limits", "setLimits", "Set the limits of the payments of a card's or a payee's account", typeOf[api.NewLimits](), typeOf[api.Account](), http.StatusOK, (*call).setLimits, "unknown_account"),
		adminWrite("/accounts/{id}/top-ups", "topUp", "Credit a card account with money that came in", typeOf[api.NewTopUp](), typeOf[api.Account](), http.StatusCreated, (*call).topUp, "unknown_account", "wrong_currency", "too_large", "card_state"),
		adminWrite("/accounts/{id}/adjustments", "adjustAccount", "Correct an account's balance, for a reason", typeOf[api.NewAdjustment](), typeOf[api.Account](), http.StatusCreated, (*call).adjust, "unknown_account", "wrong_currency", "too_large", "account_balance"),
		adminRead("/top-ups", "listTopUps", "List the top-ups and adjustments that wait for another operator", typeOf[api.TopUps](), (*call).listTopUps, page...),
		adminWrite("/top-ups/{id}/confirm", "confirmTopUp", "Confirm another operator's top-up", noted, typeOf[api.TopUp](), http.StatusOK, decideTopUp(true), "unknown_top_up", "top_up_over", "second_operator", "unknown_account", "wrong_currency", "too_large", "account_balance", "card_state"),
		adminWrite("/top-ups/{id}/reject", "rejectTopUp", "Reject a top-up, or take one's own back", noted, typeOf[api.TopUp](), http.StatusOK, decideTopUp(false), "unknown_top_up", "top_up_over"),
		adminRead("/days", "listDays", "List closed days, newest first", typeOf[api.ClosedDays](), (*call).listDays, page...),
		adminWrite("/days/{day}/close", "closeDay", "Close a day for ever", noted, typeOf[api.ClosedDay](), http.StatusCreated, (*call).closeDay, "day_closed", "day_order", "day_books"),
		adminRead("/devices", "listDevices", "List devices", typeOf[api.Devices](), (*call).listDevices, page...),
		adminWrite("/devices/{id}/revoke", "revokeDevice", "Take a device's right to act away", noted, typeOf[api.Revoked](), http.StatusOK, (*call).revokeDevice, "unknown_device"),
		adminRead("/payments", "searchPayments", "Search payments, newest first", typeOf[api.AdminPayments](), (*call).searchPayments, searchParams...),
		adminRead("/payments/{id}", "getAnyPayment", "Read a payment with all its steps", typeOf[api.AdminPayment](), (*call).getAnyPayment).or("unknown_payment"),
		adminRead("/refunds/{id}", "getAnyRefund", "Read a refund", typeOf[api.Refund](), (*call).getRefund).or("unknown_refund"),
		adminRead("/funnel", "getFunnel", "Count how far payments came, and how long each step took", typeOf[api.Funnel](), (*call).getFunnel,
			param{name: "from", doc: "RFC 3339 time, inclusive; a day ago if left out."}, param{name: "until", doc: "RFC 3339 time, exclusive; now if left out."}),
		adminRead("/events", "listEvents", "Read what operators were told, newest first", typeOf[api.AdminEvents](), (*call).listEvents, page...),
		adminRead("/audit", "listAudit", "Read what operators did, newest first", typeOf[api.AuditLog](), (*call).listAudit, page...),
	}
}
