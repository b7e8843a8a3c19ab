package main

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"strings"
	"time"
	"unicode"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
)

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// withHint adds what to do to an error.
func withHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hinted{err, hint}
}

// usageError is a mistake in the command line that the parser cannot see.
type usageError struct{ text, hint string }

func (e *usageError) Error() string { return e.text }

// codeHints say what to do about a problem of the service, by its code.
var codeHints = map[string]string{
	"unknown_key":            `the service does not know this key: run "tapline device register", or "tapline operator enrol"`,
	"invalid_client":         `the service does not know this key, or has revoked it: run "tapline device register", or make a new one; operators are enrolled with "tapline operator enrol"`,
	"unknown_device":         `that device is not registered: run "tapline device register" on it`,
	"second_operator":        `ask another operator to do it`,
	"card_not_closed":        `"tapline card close"; of a card that was replaced, the one in its place as well`,
	"account_not_empty":      `"tapline payout card" pays out what is left`,
	"no_erasure":             `"tapline card erase" without --confirm asks for it; that holds for a day`,
	"unknown_top_up":         `"tapline account pending" lists those that wait`,
	"unknown_operator":       `ask an operator to run "tapline operator add" with your public key`,
	"device_revoked":         `make and register a new key: "tapline device make --key FILE"`,
	"unknown_payee":          "check the handle with the payee; it looks like books@shop",
	"missing_scope":          `see what the key may do with "tapline payee key list", and make one that may`,
	"unknown_api_key":        `"tapline payee key list" has the ids`,
	"api_key_over":           `"tapline payee key list" has the key in its place`,
	"too_many_api_keys":      "those that ended are forgotten after 30 days; make fewer, for longer",
	"unknown_order":          "check the order's id, and whose API key or service it is",
	"order_claimed":          "wait a few minutes: if that payment ends unsettled, the order is open again",
	"order_closed":           "it can be neither paid nor cancelled any more; a new order is needed",
	"order_unavailable":      "somebody else was faster, or the order has ended; nothing was paid",
	"order_mismatch":         "pay it with --order-id, which takes payee and amount from the order",
	"order_sum":              "items, --tip and --tax have to sum to --amount",
	"unknown_payment":        "only those who take part in a payment see it; check the key",
	"unknown_refund":         "check the refund's id, and whose API key or service it is",
	"not_refundable":         "wait until it is settled; one that has ended otherwise has moved no money",
	"refund_exceeds":         `see what is left with "tapline refund list --payment ID"; without --amount all of that is refunded`,
	"refunded":               `"tapline refund list --payment ID" lists its refunds`,
	"payee_balance":          "refund less, or when more has come in; nothing was refunded",
	"unknown_card":           `only a card's own devices see it: run "tapline card list"`,
	"stale":                  "set this device's clock",
	"wrong_audience":         "give the service's own address with --url",
	"activation_refused":     "check code and card; after five wrong tries or 14 days ask the operator for a new code",
	"reset_refused":          `ask the operator for a code: "tapline card pin CARD --operator"`,
	"authentication_paused":  "wait, then try again",
	"report_too_long":        "ask for a shorter span with --from and --until",
	"wrong_credential":       "this is for another kind of key: an operator's, a device's or a payee's",
	"authentication_locked":  `ask the operator for a code: "tapline card pin CARD --operator"`,
	"too_many_requests":      "wait a minute; an operator sets the limits with serve --lookup-limit, --device-limit, --instruction-limit and --template-limit",
	"too_many_approvals":     "this card has had too many payments from other devices; wait, or pay from its own",
	"insufficient_funds":     `ask the operator: "tapline account top-up ACCOUNT --amount …"`,
	"limit_exceeded":         "pay less, or tomorrow (UTC), or with a card that proves itself; the operator sets the limits",
	"tap_used":               "tap the card again: each tap pays once",
	"no_rehearsals":          `an operator opens a payee that wants it: "tapline payee rehearsals HANDLE on"`,
	"rehearsal":              "nothing was paid, so there is nothing to prove",
	"card_exists":            `find it with "tapline card list --operator"`,
	"payee_closed":           `an operator opens it again: "tapline payee close HANDLE --reopen"`,
	"day_order":              `"tapline close" without a day closes all days that are over, in their order`,
	"day_closed":             `"tapline close --list" lists the closed days; what came later belongs to the next one`,
	"unknown_head":           `a head is signed within ten seconds of the first entry; "tapline heads list" lists them`,
	"day_books":              `run "tapline check": it says what is wrong`,
	"payee_exists":           `find it with "tapline payee list"`,
	"already_enrolled":       `ask an operator to run "tapline operator add" with your public key`,
	"card_state":             `see its state with "tapline card list"`,
	"idempotency_key_reused": "the key was used for something else; leave --idempotency-key out for a new action",
	"pin_weak":               "choose digits that do not repeat or run",
}

// hintFor says what to do about an error, "" if nobody knows.
func hintFor(err error) string {
	if h, ok := errors.AsType[*hinted](err); ok {
		return h.hint
	}
	if p, ok := errors.AsType[*api.Problem](err); ok {
		if p.Code == "authentication_paused" && p.RetryAfter > 0 {
			return "wait " + (time.Duration(p.RetryAfter) * time.Second).String() + ", then try again"
		}
		if codeHints[p.Code] != "" {
			return codeHints[p.Code]
		}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "nothing was sent; is --url right? A private authority's certificate must be among those that this machine trusts (SSL_CERT_FILE)"
	}
	switch {
	case errors.Is(err, device.ErrAudience):
		return "give the service's own address with --url, as it calls itself; if that is not the one you meant, stop here"
	case errors.Is(err, device.ErrURL):
		return "set --url or TAPLINE_URL, such as https://pay.example; --insecure allows plain http"
	case errors.Is(err, device.ErrRedirect):
		return "give the address that it redirects to with --url, if you trust it"
	case errors.Is(err, device.ErrStatementDiffers):
		return "do not confirm anything on this service before you know why; tell its operator"
	case errors.Is(err, device.ErrNoRehearsals):
		return "nothing was sent; if the payee wants rehearsals, an operator opens it: \"tapline payee rehearsals HANDLE on\""
	case errors.Is(err, device.ErrNotSent):
		return "nothing was sent; is the service running, and is --url its address?"
	case errors.Is(err, device.ErrNoAnswer):
		return "is the service running, and is --url its address? an operator's write may be sent again with its idempotency key"
	case errors.Is(err, device.ErrKeyReadable):
		return "if nobody else has read it: chmod 600 on it; else make a new key"
	case errors.Is(err, consent.ErrCode):
		return "type the code as it was printed, such as 8Z2P-TSPR-BT4G-H"
	case errors.Is(err, consent.ErrPINWeak):
		return codeHints["pin_weak"]
	case errors.Is(err, money.ErrAmount), errors.Is(err, money.ErrCurrency):
		return "write it like --amount 12.50 --currency CNY"
	case errors.Is(err, device.ErrKeyFile):
		return `name the file that "tapline device make" or "tapline operator make" wrote with --key or --operator-key`
	case errors.Is(err, fs.ErrPermission):
		return "check who owns the file"
	}
	return ""
}

// plain is text from elsewhere made harmless for a terminal: what cannot be seen becomes a question mark.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsGraphic(r) {
			return r
		}
		return '?'
	}, text)
}
