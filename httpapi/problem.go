package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/internal/strictjson"
	"tapline/order"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
	"tapline/sandbox"
)

// Code is one of the problem codes that clients can rely on.
type Code struct {
	Code      string
	Status    int    // HTTP status
	Title     string // what it means
	Retryable bool   // whether the same request may work later
}

// Codes lists every problem code, by status. docs/api.md is generated from it.
func Codes() []Code {
	codes := make([]Code, 0, len(rules))
	for _, r := range rules {
		codes = append(codes, r.Code)
	}
	return codes
}

// rule is one line of the table that turns errors into problems: the code, and the errors that mean it. Those without
// an error are used by their code.
type rule struct {
	Code
	errs []error
}

// rules is the whole table. A code's errors are looked for in this order.
var rules = []rule{
	{Code{"malformed", 400, "the body is not what this operation takes", false}, []error{consent.ErrMalformed}},
	{Code{"unknown_field", 400, "the body has a field that this operation does not know", false}, nil},
	{Code{"duplicate_field", 400, "the body has a field twice", false}, nil},
	{Code{"invalid_field", 400, "a field or parameter has a value that it cannot have", false}, []error{consent.ErrInvalid}},
	{Code{"id_mismatch", 400, "the signed message is about something else than the address", false}, nil},
	{Code{"wrong_message_type", 400, "a signed message of another type", false}, []error{consent.ErrType}},
	{Code{"wrong_algorithm", 400, "signature algorithm or key not allowed", false}, []error{consent.ErrAlgorithm}},
	{Code{"pin_format", 400, "a PIN is 4 to 12 digits", false}, []error{consent.ErrPIN}},
	{Code{"code_format", 400, "the code is mistyped", false}, []error{consent.ErrCode}},
	{Code{"text_not_shown", 400, "a text is too long or has characters that cannot be shown", false}, []error{consent.ErrText}},
	{Code{"handle_format", 400, "a payee handle looks like shop@example", false}, []error{consent.ErrHandle}},
	{Code{"idempotency_key_required", 400, "a write needs an Idempotency-Key of 1 to 128 visible ASCII characters", false}, nil},

	{Code{"token_required", 401, "this operation needs a bearer token", false}, nil},
	{Code{"invalid_token", 401, "the bearer token is not valid", false}, nil},
	{Code{"wrong_environment", 401, "the API key is one of the other environment: live keys are for live services, test keys for test services", false}, nil},
	{Code{"token_expired", 401, "the token's or assertion's time is over; get a new one", false}, []error{consent.ErrExpired}},
	{Code{"unknown_key", 401, "signed by a key that is not registered", false}, []error{consent.ErrKeyUnknown}},
	{Code{"bad_signature", 401, "the signature does not match", false}, []error{consent.ErrSignature}},
	{Code{"wrong_audience", 401, "signed for another service or environment", false}, []error{consent.ErrAudience}},
	{Code{"stale", 401, "signed too long ago or in the future; set the device's clock", false}, []error{consent.ErrStale}},

	{Code{"wrong_credential", 403, "this operation is for another kind of caller", false}, nil},
	{Code{"missing_scope", 403, "the API key may not do this; make one with the scope that the operation names", false}, []error{processor.ErrScope}},
	{Code{"only_in_test", 403, "only a service of the test environment does this", false}, nil},
	{Code{"device_revoked", 403, "the device was revoked", false}, []error{processor.ErrDeviceRevoked}},
	{Code{"unknown_operator", 403, "the operator is not enrolled", false}, []error{processor.ErrUnknownOperator}},
	{Code{"second_operator", 403, "another operator has to do this: not the one who asked for it, nor the one whom it is about", false}, []error{processor.ErrSameOperator}},
	{Code{"wrong_pin", 403, "wrong PIN", false}, nil},
	{Code{"wrong_code", 403, "wrong approval code", false}, nil},
	{Code{"tap_refused", 403, "not an authentic tap of the payment's card that was made for this approval", false}, nil},
	{Code{"authentication_paused", 403, "too many wrong tries; wait", true}, []error{consent.ErrPaused}},
	{Code{"authentication_locked", 403, "too many wrong tries; locked until the PIN is reset", false}, []error{consent.ErrLocked}},
	{Code{"activation_refused", 403, "card and code do not fit together, or the code cannot be used", false}, nil},
	{Code{"passkey_refused", 403, "the passkey's answer does not fit, or the passkey cannot be used here", false}, []error{consent.ErrPasskey}},
	{Code{"email_refused", 403, "the mailed code is wrong or used up, or its time is over; ask for another one", false}, nil},
	{Code{"reset_refused", 403, "the reset code is wrong, used up or not valid yet", false}, nil},

	{Code{"not_found", 404, "nothing is here", false}, []error{processor.ErrNoSuchOperator}},
	{Code{"unknown_payment", 404, "no such payment, or not yours to see", false}, []error{processor.ErrUnknownPayment}},
	{Code{"unknown_card", 404, "no such card, or not yours to see", false}, []error{processor.ErrUnknownCard}},
	{Code{"unknown_passkey", 404, "no such passkey", false}, []error{processor.ErrUnknownPasskey}},
	{Code{"unknown_payee", 404, "no payee with this handle", false}, []error{processor.ErrUnknownPayee}},
	{Code{"unknown_order", 404, "no such order, or not yours to see", false}, []error{processor.ErrUnknownOrder}},
	{Code{"unknown_order_template", 404, "no such order template, or not yours to see", false}, []error{processor.ErrUnknownTemplate}},
	{Code{"unknown_refund", 404, "no such refund, or not yours to see", false}, []error{processor.ErrUnknownRefund}},
	{Code{"unknown_fee", 404, "there is no such fee", false}, []error{processor.ErrUnknownTariff}},
	{Code{"unknown_account", 404, "no such account", false}, []error{processor.ErrUnknownAccount}},
	{Code{"unknown_top_up", 404, "no such top-up", false}, []error{processor.ErrUnknownTopUp}},
	{Code{"unknown_payout", 404, "no such payout, or not yours to see", false}, []error{processor.ErrUnknownPayout}},
	{Code{"unknown_payout_file", 404, "no such file of payouts", false}, nil},
	{Code{"unknown_device", 404, "no such device", false}, []error{processor.ErrUnknownDevice}},
	{Code{"unknown_api_key", 404, "no such API key", false}, []error{processor.ErrUnknownAPIKey}},
	{Code{"unknown_head", 404, "no such head: there is none of that day or size", false}, nil},
	{Code{"unknown_webhook_endpoint", 404, "no such webhook endpoint", false}, []error{processor.ErrUnknownWebhook}},
	{Code{"unknown_webhook_delivery", 404, "no such webhook delivery", false}, []error{processor.ErrUnknownDelivery}},
	{Code{"method_not_allowed", 405, "not with this method", false}, nil},

	{Code{"in_progress", 409, "the same request is still in progress", true}, []error{processor.ErrInProgress}},
	{Code{"payment_exists", 409, "the payment's id is taken", false}, []error{processor.ErrPaymentExists}},
	{Code{"ended", 409, "the payment has ended", false}, []error{payment.ErrFinal}},
	{Code{"too_late", 409, "the payment has ended and cannot be cancelled", false}, nil},
	{Code{"expired", 409, "the payment's time is over", false}, []error{payment.ErrExpired}},
	{Code{"clock_back", 409, "a test clock is only put forward, and by ten years at most", false}, []error{sandbox.ErrClock}},
	{Code{"not_now", 409, "not possible in the payment's state", false}, []error{payment.ErrNotAllowed}},
	{Code{"fee_changed", 409, "the payer pays another fee than the instruction says; look the payee up again, and show the fee", false}, []error{processor.ErrFee}},
	{Code{"statement_mismatch", 409, "not the statement that was issued", false}, []error{processor.ErrStatement}},
	{Code{"order_claimed", 409, "somebody is paying the order at this moment", true}, []error{order.ErrClaimed}},
	{Code{"order_closed", 409, "the order was paid or cancelled, or has expired", false}, []error{order.ErrClosed}},
	{Code{"order_unavailable", 409, "meanwhile somebody else pays the order, or it has ended; no money has moved", false}, nil},
	{Code{"order_template_disabled", 409, "the payee takes no more orders by this link", false}, []error{order.ErrTemplateDisabled}},
	{Code{"not_settled", 409, "only a settled payment has a receipt", false}, nil},
	{Code{"rehearsal", 409, "a rehearsal has no receipt: no money has moved", false}, nil},
	{Code{"not_refundable", 409, "only a settled payment can be refunded", false}, []error{payment.ErrNotRefundable}},
	{Code{"refunded", 409, "the payment was refunded in full", false}, []error{payment.ErrRefunded}},
	{Code{"card_state", 409, "not possible in the card's state", false}, []error{processor.ErrCardState}},
	{Code{"tap_used", 409, "the card's message was used before; tap the card again", false}, []error{processor.ErrTapUsed}},
	{Code{"day_closed", 409, "the day is closed, or a later one is", false}, []error{processor.ErrDayClosed}},
	{Code{"day_order", 409, "an earlier day has entries and is to be closed first", false}, []error{processor.ErrDayOrder}},
	{Code{"day_books", 409, "the books do not balance, so no day can be closed", false}, []error{processor.ErrDayBooks}},
	{Code{"card_exists", 409, "a card with this account number is already there", false}, []error{processor.ErrCardExists}},
	{Code{"passkey_exists", 409, "a passkey with this id is already there", false}, []error{processor.ErrPasskeyExists}},
	{Code{"passkey_in_use", 409, "the caller is signed in with this passkey; sign in otherwise to remove it", false}, []error{processor.ErrPasskeyInUse}},
	{Code{"operator_decided", 409, "the operator was confirmed or removed before", false}, []error{processor.ErrOperatorDecided}},
	{Code{"top_up_over", 409, "the top-up was confirmed or rejected, or its time is over", false}, []error{processor.ErrTopUpOver}},
	{Code{"card_not_closed", 409, "a card of the account is not closed; close it first", false}, []error{processor.ErrErasureCard}},
	{Code{"account_not_empty", 409, "there is money on the account, or some of it is held; pay it out first", false}, []error{processor.ErrErasureBalance}},
	{Code{"payment_open", 409, "a payment of the card is open; wait until it has ended", false}, []error{processor.ErrErasurePayment}},
	{Code{"no_erasure", 409, "nobody has asked to erase this, or it is done, or its time is over", false}, []error{processor.ErrNoErasure}},
	{Code{"payout_state", 409, "not possible in the payout's state", false}, []error{payout.ErrNotNow}},
	{Code{"nothing_ready", 409, "no payout is ready to be sent", false}, []error{processor.ErrNothingReady}},
	{Code{"bank_change", 409, "no such change of the bank account waits, or it is another one by now; read it again", false}, []error{processor.ErrBankChange}},
	{Code{"payee_exists", 409, "the handle is, or was, a payee's", false}, []error{processor.ErrPayeeExists}},
	{Code{"api_key_over", 409, "the API key was rotated or revoked, or its time is over", false}, []error{processor.ErrAPIKeyOver}},
	{Code{"webhook_endpoint_disabled", 409, "the webhook endpoint is disabled; enable it first", false}, []error{processor.ErrWebhookDisabled}},
	{Code{"payee_closed", 409, "the payee is closed", false}, []error{processor.ErrPayeeClosed}},
	{Code{"no_email", 409, "this service sends no e-mail", false}, nil},
	{Code{"operator_exists", 409, "an operator with this key is already there", false}, []error{processor.ErrOperatorExists}},
	{Code{"already_enrolled", 409, "the first operator is already enrolled", false}, []error{processor.ErrAlreadyEnrolled}},

	{Code{"body_too_large", 413, "the body has more than 64 KiB", false}, nil},
	{Code{"unsupported_media_type", 415, "this operation takes another content type", false}, nil},

	{Code{"idempotency_key_reused", 422, "the idempotency key was used for another request", false}, []error{processor.ErrKeyReused}},
	{Code{"pin_weak", 422, "a PIN of one repeated digit or a straight run is too easy to guess", false}, []error{consent.ErrPINWeak}},
	{Code{"insufficient_funds", 422, "there is not enough money on the card account", false}, nil},
	{Code{"limit_exceeded", 422, "more than may be paid: by a card that does not prove itself, or by a limit of the card or the payee", false}, []error{processor.ErrLimitExceeded}},
	{Code{"too_many_api_keys", 422, "the payee has as many API keys as it may have; those that ended are forgotten after 30 days", false}, []error{processor.ErrTooManyAPIKeys}},
	{Code{"too_many_webhook_endpoints", 422, "the payee has as many webhook endpoints as it may have; remove one", false}, []error{processor.ErrTooManyWebhooks}},
	{Code{"webhook_url", 422, "webhooks are sent to https addresses with a public host's name, on port 443", false}, nil},
	{Code{"webhook_type", 422, "payees are told no events of this type", false}, nil},
	{Code{"too_many_notes", 422, "there are as many notes about it as there may be", false}, []error{processor.ErrTooManyNotes}},
	{Code{"too_many_passkeys", 422, "there are as many passkeys as there may be; remove one", false}, []error{processor.ErrTooManyPasskeys}},
	{Code{"payee_unavailable", 422, "the payee account takes no money now", false}, nil},
	{Code{"order_sum", 422, "the lines, tip and tax do not sum to the amount", false}, []error{order.ErrSum}},
	{Code{"order_template_terms", 422, "a template has either an amount or bounds of one, and lines and tax only with an amount", false}, []error{order.ErrTemplate}},
	{Code{"order_template_amount", 422, "the order template does not allow this amount or tip", false}, []error{order.ErrTemplateAmount}},
	{Code{"too_many_order_templates", 422, "the payee has as many active order templates as it may have; disable one", false}, []error{processor.ErrTooManyTemplates}},
	{Code{"order_mismatch", 422, "the order is to another payee, or of another amount", false}, nil},
	{Code{"wrong_currency", 422, "the account takes another currency", false}, []error{processor.ErrCurrency, payment.ErrRefundCurrency}},
	{Code{"refund_exceeds", 422, "more than is left of the payment to be refunded", false}, []error{payment.ErrRefundTooMuch}},
	{Code{"account_balance", 422, "what is available on the account does not cover that", false}, []error{processor.ErrAccountBalance}},
	{Code{"bank_account", 422, "not a bank account: a name, and either an IBAN with right check digits or another number", false}, []error{payout.ErrBankAccount}},
	{Code{"no_bank_account", 422, "the payee has no bank account that counts yet", false}, []error{processor.ErrNoBankAccount}},
	{Code{"payout_least", 422, "less than the least that is paid out", false}, []error{processor.ErrPayoutLeast}},
	{Code{"payee_balance", 422, "the payee's balance does not cover the refund; nothing was refunded", false}, []error{processor.ErrPayeeBalance}},
	{Code{"no_rehearsals", 422, "payments to this payee cannot be rehearsed; an operator can open it to rehearsals", false}, []error{processor.ErrNoRehearsals}},
	{Code{"too_large", 422, "the account cannot hold that much", false}, []error{processor.ErrTooLarge}},
	{Code{"report_too_long", 422, "more than 10,000 entries, or 100,000 both before and since; ask for a shorter or later span", false}, nil},

	{Code{"too_many_requests", 429, "too many requests of this kind from this device or address; wait", true}, nil},
	{Code{"too_many_approvals", 429, "too many second confirmations for this card; wait", true}, []error{processor.ErrTooManyApprovals}},
	{Code{"too_many_challenges", 429, "too many tap challenges for this device; wait", true}, []error{processor.ErrTooManyChallenges}},
	{Code{"too_many_codes", 429, "too many codes were mailed for this card, or to this address; wait", true}, []error{processor.ErrTooManyCodes}},
	{Code{"too_many_streams", 429, "too many event streams are open, or long polls wait", true}, nil},

	{Code{"internal", 500, "something went wrong here; it was logged under the trace id", true}, nil},
	{Code{"busy", 503, "too much to do at the moment; send the same request again", true},
		[]error{processor.ErrBusy, consent.ErrBusy}},
	{Code{"unavailable", 503, "the service cannot do this now; send the same request again", true},
		[]error{processor.ErrClosed, processor.ErrUnavailable, processor.ErrConflict}},
}

// refusal is an error that is already a problem but for what belongs to the request.
type refusal struct {
	code         string
	field        string
	state        string
	limit        string // that a payment exceeded
	attemptsLeft *int
	retryAfter   int // seconds
}

func (e *refusal) Error() string { return e.code }

func refuse(code string) error { return &refusal{code: code} }

func refuseField(code, field string) error { return &refusal{code: code, field: field} }

// jsonCodes are the codes of what strictjson refuses.
var jsonCodes = map[string]string{
	strictjson.CodeMalformed: "malformed",
	strictjson.CodeUnknown:   "unknown_field",
	strictjson.CodeDuplicate: "duplicate_field",
	strictjson.CodeWrongType: "invalid_field",
}

// waits are how many seconds to wait before a retryable request is sent again, where the error does not say.
var waits = map[string]int{"in_progress": 1, "busy": 2, "unavailable": 2, "too_many_approvals": 60, "too_many_streams": 30, "too_many_challenges": 60, "order_claimed": 30, "too_many_codes": 3600}

// explain turns an error into a refusal. ok is false for an error that nobody thought of.
func explain(err error) (_ *refusal, ok bool) {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r, true
	}
	if bad, ok := errors.AsType[*strictjson.Error](err); ok {
		return &refusal{code: jsonCodes[bad.Code], field: bad.Field}, true
	}
	if bad, ok := errors.AsType[*processor.OrderMismatch](err); ok {
		return &refusal{code: "order_mismatch", field: bad.Field}, true
	}
	for _, rule := range rules {
		for _, target := range rule.errs {
			if errors.Is(err, target) {
				return withFacts(rule.Code.Code, err), true
			}
		}
	}
	return &refusal{code: "internal"}, false
}

func withFacts(code string, err error) *refusal {
	r := &refusal{code: code}
	if bad, ok := errors.AsType[*consent.Error](err); ok {
		r.field = bad.Field
	}
	if of, ok := errors.AsType[*processor.OrderError](err); ok {
		r.state = string(of.State)
	}
	if of, ok := errors.AsType[*processor.RefundError](err); ok {
		r.state = string(of.State)
	}
	if of, ok := errors.AsType[*processor.PayoutError](err); ok {
		r.state = string(of.State)
	}
	if try, ok := errors.AsType[*processor.TryError](err); ok && code == "authentication_paused" {
		r.retryAfter = int((try.For + time.Second - 1) / time.Second)
	}
	return r
}

// problem is a refusal as it goes out.
func (s *Service) problem(r *refusal, trace string) *api.Problem {
	p := &api.Problem{
		Type: s.PublicURL + "/docs#code-" + r.code, Code: r.code, Field: r.field, State: r.state,
		AttemptsLeft: r.attemptsLeft, Limit: r.limit, RetryAfter: r.retryAfter, TraceID: trace,
	}
	for _, rule := range rules {
		if rule.Code.Code == r.code {
			p.Status, p.Title, p.Retryable = rule.Status, rule.Title, rule.Retryable
		}
	}
	if p.Status == 0 {
		panic("httpapi: problem code " + r.code + " is not in the table")
	}
	if p.RetryAfter == 0 {
		p.RetryAfter = waits[r.code]
	}
	return p
}

// writeProblem answers with a problem (RFC 9457 §3).
func writeProblem(w http.ResponseWriter, p *api.Problem) {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // plain texts and numbers
	}
	h := w.Header()
	h.Set("Content-Type", api.ContentProblem)
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", challenge(p.Code))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body)
}

// challenge is what RFC 9110 §11.6.1 wants of every 401, in the words of RFC 6750 §3 where it is about a token.
func challenge(code string) string {
	switch code {
	case "token_required":
		return `Bearer realm="tapline"`
	case "invalid_token", "wrong_environment", "token_expired":
		return `Bearer realm="tapline", error="invalid_token"`
	}
	return `JWS realm="tapline"` // the body's signature
}
