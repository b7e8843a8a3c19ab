package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
)

func TestEveryErrorThatCallersShouldKnowHasACode(t *testing.T) {
	for _, err := range []error{
		processor.ErrUnknownDevice, processor.ErrDeviceRevoked, processor.ErrUnknownPayment, processor.ErrUnknownCard,
		processor.ErrUnknownPayee, processor.ErrUnknownAccount, processor.ErrUnknownOperator, processor.ErrPaymentExists,
		processor.ErrCardExists, processor.ErrCardState, processor.ErrPayeeExists, processor.ErrAlreadyEnrolled,
		processor.ErrOperatorExists, processor.ErrCurrency, processor.ErrStatement, processor.ErrTooManyApprovals,
		processor.ErrTooLarge, processor.ErrBusy, processor.ErrClosed, processor.ErrInProgress, processor.ErrKeyReused,
		processor.ErrConflict, processor.ErrUnavailable, &processor.TryError{Err: consent.ErrPaused, For: time.Second},
		&processor.TryError{Err: consent.ErrLocked}, payment.ErrFinal, payment.ErrExpired, payment.ErrNotAllowed,
		consent.ErrMalformed, consent.ErrType, consent.ErrAlgorithm, consent.ErrKeyUnknown,
		consent.ErrSignature, consent.ErrAudience, consent.ErrStale, consent.ErrExpired, consent.ErrInvalid, consent.ErrPIN,
		consent.ErrPINWeak, consent.ErrCode, consent.ErrText, consent.ErrHandle, consent.ErrBusy, consent.ErrPaused,
		consent.ErrLocked,
	} {
		if r, known := explain(fmt.Errorf("wrapped: %w", err)); !known || r.code == "internal" {
			t.Errorf("%v has no code", err)
		}
	}
	if r, known := explain(fmt.Errorf("a disk fell out")); known || r.code != "internal" {
		t.Errorf("an error nobody thought of is %q", r.code)
	}
}

func TestCodesAreUniqueAndSortedByStatus(t *testing.T) {
	seen, last := map[string]bool{}, 0
	for _, c := range Codes() {
		if seen[c.Code] || c.Status < last || c.Title == "" || (c.Status >= 500) != (c.Status >= 500 && c.Retryable) {
			t.Errorf("code %+v", c)
		}
		seen[c.Code], last = true, c.Status
	}
	for code := range waits {
		if !seen[code] {
			t.Errorf("waits names %q, which is no code", code)
		}
	}
	for _, r := range routes {
		for _, code := range r.codes {
			if !seen[code] {
				t.Errorf("%s names %q, which is no code", r.id, code)
			}
		}
	}
}

func TestMalformedRequestsAreRefusedWithoutEcho(t *testing.T) {
	s := openStation(t)
	const marker = "SECRETMARKER77"
	token := s.token(s.operator)
	write := []string{"Authorization", "Bearer " + token, "Content-Type", "application/json", api.IdempotencyHeader, "k"}
	jose := []string{"Content-Type", api.ContentJWS}
	badAmount := s.instruction(s.kiosk, cardNumber)
	badAmount.Amount.Minor = 0
	badNumber := s.instruction(s.kiosk, marker)
	for name, tc := range map[string]struct {
		path, body string
		header     []string
		status     int
		code       string
		field      string
	}{
		"no JSON":             {"/v1/admin/payees", marker, write, 400, "malformed", ""},
		"duplicate field":     {"/v1/admin/payees", `{"name":"` + marker + `","name":"x"}`, write, 400, "duplicate_field", "name"},
		"unknown field":       {"/v1/admin/payees", `{"` + marker + `":1}`, write, 400, "unknown_field", ""},
		"wrong type":          {"/v1/admin/payees", `{"name":5}`, write, 400, "invalid_field", "name"},
		"missing field":       {"/v1/admin/payees", `{"handle":"a@b"}`, write, 400, "invalid_field", ""},
		"pattern":             {"/v1/admin/cards", `{"account_number":"` + marker + `","label":"","currency":"CNY"}`, write, 400, "invalid_field", "account_number"},
		"unknown currency":    {"/v1/admin/cards", `{"account_number":"62001234","label":"","currency":"XXX"}`, write, 400, "invalid_field", "currency"},
		"handle":              {"/v1/admin/payees", `{"handle":"` + marker + `","name":"x","currency":"CNY"}`, write, 400, "handle_format", "handle"},
		"text not shown":      {"/v1/admin/payees", `{"handle":"a@b","name":"` + marker + `\u202e","currency":"CNY"}`, write, 400, "text_not_shown", "name"},
		"zero amount":         {"/v1/admin/accounts/x/top-ups", `{"amount":{"minor":0,"currency":"CNY"}}`, write, 400, "invalid_field", "amount.minor"},
		"bad key":             {"/v1/admin/operators", `{"name":"x","public_key":{"kty":"` + marker + `"}}`, write, 400, "wrong_algorithm", "public_key"},
		"no idempotency key":  {"/v1/admin/payees", `{"handle":"a@b","name":"x","currency":"CNY"}`, write[:4], 400, "idempotency_key_required", ""},
		"too large":           {"/v1/payments", strings.Repeat("x", maxBody+1), jose, 413, "body_too_large", ""},
		"media type":          {"/v1/payments", "{}", []string{"Content-Type", "application/json"}, 415, "unsupported_media_type", ""},
		"no media type":       {"/v1/payments", "{}", nil, 415, "unsupported_media_type", ""},
		"content encoding":    {"/v1/payments", "{}", append(jose, "Content-Encoding", "gzip"), 415, "unsupported_media_type", ""},
		"no JWS":              {"/v1/payments", marker, jose, 400, "malformed", ""},
		"not the type":        {"/v1/payments", s.jws(s.kiosk, consent.TypFreeze, s.instruction(s.kiosk, cardNumber)), jose, 400, "wrong_message_type", ""},
		"alg none":            {"/v1/payments", unsigned(`{"alg":"none","typ":"tapline-instruction+jws","kid":"`+string(s.kiosk.ID())+`"}`, badAmount), jose, 400, "wrong_algorithm", ""},
		"unregistered device": {"/v1/payments", s.jws(s.newKey(), consent.TypInstruction, s.instruction(s.kiosk, cardNumber)), jose, 401, "unknown_key", ""},
		"amount":              {"/v1/payments", s.jws(s.kiosk, consent.TypInstruction, badAmount), jose, 400, "invalid_field", "amount"},
		"account number":      {"/v1/payments", s.jws(s.kiosk, consent.TypInstruction, badNumber), jose, 400, "invalid_field", "tap.account"},
		"about another":       {"/v1/payments/pay_other/cancel", s.jws(s.kiosk, consent.TypCancellation, &consent.Cancellation{Claims: s.claims(), Payment: consent.NewPaymentID()}), jose, 400, "id_mismatch", ""},
		"unknown parameter":   {"/v1/payments?" + marker + "=1", "{}", jose, 400, "unknown_field", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.send("POST", tc.path, tc.body, tc.header...)
			r.expect(tc.status, tc.code)
			if got := r.problem().Field; got != tc.field {
				t.Errorf("field %q, want %q", got, tc.field)
			}
			if strings.Contains(r.body+fmt.Sprint(r.header), marker) {
				t.Errorf("what was refused is repeated: %s", r.body)
			}
			if got := r.header.Get("Content-Type"); got != api.ContentProblem {
				t.Errorf("content type %q", got)
			}
			if p := r.problem(); p.TraceID == "" || p.TraceID != r.header.Get(TraceHeader) || p.Status != tc.status ||
				p.Type != testOrigin+"/docs#code-"+tc.code {
				t.Errorf("problem %+v with trace id %q", p, r.header.Get(TraceHeader))
			}
		})
	}
	if strings.Contains(s.log.String(), marker) {
		t.Error("what was refused is in the log")
	}
}

func TestMessagesForOthersOrOfOtherTimesAreRefused(t *testing.T) {
	s := openStation(t)
	for name, tc := range map[string]struct {
		change func(*consent.Instruction)
		code   string
	}{
		"other environment": {func(m *consent.Instruction) { m.Audience = testOrigin + "/live" }, "wrong_audience"},
		"other service":     {func(m *consent.Instruction) { m.Audience = "https://evil.example/test" }, "wrong_audience"},
		"old":               {func(m *consent.Instruction) { m.IssuedAt -= 301 }, "stale"},
		"in the future":     {func(m *consent.Instruction) { m.IssuedAt += 302 }, "stale"},
		"for another key":   {func(m *consent.Instruction) { m.Device = s.phone.ID() }, "unknown_key"},
	} {
		m := s.instruction(s.kiosk, cardNumber)
		tc.change(m)
		r := s.signed(s.kiosk, "/v1/payments", consent.TypInstruction, m)
		if r.expect(401, tc.code); r.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: a 401 without WWW-Authenticate (RFC 9110 §15.5.2)", name)
		}
	}
}

func TestUnknownAddressesAndMethodsAreProblems(t *testing.T) {
	s := openEmpty(t)
	for _, tc := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/nowhere", 404, "not_found"},
		{"GET", "/v1", 404, "not_found"},
		{"GET", "/v1/nothing", 404, "not_found"},
		{"GET", "/v1//service", 404, "not_found"},
		{"GET", "/v1/service/", 404, "not_found"},
		{"GET", "/v1/../v1/service", 404, "not_found"},
		{"DELETE", "/v1/payments", 405, "method_not_allowed"},
		{"PUT", "/v1/devices", 405, "method_not_allowed"},
		{"POST", "/healthz", 405, "method_not_allowed"},
		{"HACK", "/v1/service", 405, "method_not_allowed"},
		{"GET", "/v1/payees/" + strings.Repeat("x", 600), 404, "not_found"},
	} {
		r := s.send(tc.method, tc.path, "")
		if r.expect(tc.status, tc.code); tc.status == 405 && r.header.Get("Allow") == "" {
			t.Errorf("%s %s: 405 without Allow", tc.method, tc.path)
		}
	}
}

func TestSecurityHeadersAreOnEveryAnswer(t *testing.T) {
	s := openEmpty(t, func(c *Config) { c.PublicURL = "https://pay.example/" })
	for _, path := range []string{"/v1/service", "/docs", "/openapi.json", "/nothing", "/healthz", "/.well-known/jwks.json"} {
		h := s.send("GET", path, "").header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") ||
			h.Get("Strict-Transport-Security") == "" || len(h.Get(TraceHeader)) != 32 {
			t.Errorf("%s: %v", path, h)
		}
		if noStore := h.Get("Cache-Control") == "no-store"; noStore != (strings.HasPrefix(path, "/v1/") || path == "/healthz") {
			t.Errorf("%s: Cache-Control %q", path, h.Get("Cache-Control"))
		}
	}
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	r := s.send("GET", "/v1/service", "", "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	if r.header.Get(TraceHeader) != trace || !strings.Contains(s.log.String(), trace) {
		t.Errorf("the caller's trace id is not taken over: %q", r.header.Get(TraceHeader))
	}
	if got := s.send("GET", "/v1/service", "", "Traceparent", "00-"+strings.Repeat("0", 32)+"-00f067aa0ba902b7-01").header.Get(TraceHeader); strings.Trim(got, "0") == "" {
		t.Errorf("an all-zero trace id was taken over")
	}
	var service api.Service
	s.send("GET", "/v1/service", "").into(200, &service)
	if service.Audience != "https://pay.example/test" || service.CodeDigits != 2 {
		t.Errorf("service %+v", service)
	}
}

func TestBearerTokensAreReadStrictly(t *testing.T) {
	s := openStation(t)
	device, operator := s.token(s.kiosk), s.token(s.operator)
	live := string(consent.NewAPIKey("live"))
	for name, tc := range map[string]struct {
		path   string
		header []string
		status int
		code   string
	}{
		"none":                     {"/v1/payments", nil, 401, "token_required"},
		"basic":                    {"/v1/payments", []string{"Authorization", "Basic " + device}, 401, "invalid_token"},
		"two":                      {"/v1/payments", []string{"Authorization", "Bearer " + device, "Authorization", "Bearer " + device}, 401, "invalid_token"},
		"two spaces":               {"/v1/payments", []string{"Authorization", "Bearer  " + device}, 401, "invalid_token"},
		"changed":                  {"/v1/payments", []string{"Authorization", "Bearer " + device[:len(device)-2] + "AA"}, 401, "invalid_token"},
		"unknown API key":          {"/v1/payments", []string{"Authorization", "Bearer " + string(consent.NewAPIKey("test"))}, 401, "invalid_token"},
		"API key of live":          {"/v1/payments", []string{"Authorization", "Bearer " + live}, 401, "wrong_environment"},
		"operator for devices":     {"/v1/cards", []string{"Authorization", "Bearer " + operator}, 403, "wrong_credential"},
		"device for operators":     {"/v1/admin/cards", []string{"Authorization", "Bearer " + device}, 403, "wrong_credential"},
		"payee for operators":      {"/v1/admin/cards", []string{"Authorization", "Bearer " + s.apiKey}, 403, "wrong_credential"},
		"first token for the rest": {"/v1/admin/cards", []string{"Authorization", "Bearer " + firstToken}, 401, "invalid_token"},
		"lower case":               {"/v1/payments", []string{"Authorization", "bearer " + device}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) { s.send("GET", tc.path, "", tc.header...).expect(tc.status, tc.code) })
	}
	s.clock.add(consent.TokenLife)
	s.get("/v1/payments", device).expect(401, "token_expired")
	s.admin(s.token(s.operator), "/devices/"+string(s.kiosk.ID())+"/revoke", api.Noted{}).expect(200, "")
	s.signed(s.kiosk, "/v1/payments", consent.TypInstruction, s.instruction(s.kiosk, cardNumber)).expect(403, "device_revoked")
}

func TestTheFirstTokenEnrolsOneOperatorOnly(t *testing.T) {
	s := openEmpty(t)
	first, second := s.newKey(), s.newKey()
	s.enrol(first, "not-the-token", "a").expect(401, "invalid_token")
	s.enrol(first, firstToken, "a").expect(201, "")
	if r := s.enrol(first, firstToken, "a").expect(201, ""); r.header.Get(api.ReplayedHeader) != "true" {
		t.Error("the repeat is not called one")
	}
	s.enrol(second, firstToken, "b").expect(409, "already_enrolled")
	s.enrol(second, s.token(first), "c").expect(201, "")
	s.enrol(second, s.token(first), "d").expect(409, "operator_exists")
}

func TestTokenErrorsHaveOAuthsForm(t *testing.T) {
	s := openStation(t)
	form := func(name, value string) string {
		f := s.tokenForm(s.kiosk)
		f.Set(name, value)
		return f.Encode()
	}
	twice := s.tokenForm(s.kiosk)
	twice.Add("grant_type", grantType)
	used := s.tokenForm(s.kiosk).Encode()
	s.send("POST", "/v1/token", used, "Content-Type", formType).expect(200, "")
	late := consent.NewTokenAssertion(s.kiosk.ID(), s.audience, s.clock.Now().Add(-6*time.Minute))
	for name, tc := range map[string]struct {
		body, kind string
		status     int
		code       string
	}{
		"no form":             {"{}", "application/json", 400, "invalid_request"},
		"empty":               {"", formType, 400, "invalid_request"},
		"password":            {form("grant_type", "password"), formType, 400, "unsupported_grant_type"},
		"other assertion":     {form("client_assertion_type", "saml"), formType, 400, "invalid_request"},
		"twice":               {twice.Encode(), formType, 400, "invalid_request"},
		"too large":           {"x=" + strings.Repeat("x", maxBody), formType, 400, "invalid_request"},
		"no JWS":              {form("client_assertion", "x"), formType, 401, "invalid_client"},
		"unknown key":         {s.tokenForm(s.newKey()).Encode(), formType, 401, "invalid_client"},
		"other message":       {form("client_assertion", s.jws(s.kiosk, consent.TypFreeze, &consent.Freeze{Claims: s.claims(), Card: "c"})), formType, 401, "invalid_client"},
		"expired":             {form("client_assertion", s.jws(s.kiosk, consent.TypAssertion, &late)), formType, 401, "invalid_client"},
		"used":                {used, formType, 401, "invalid_client"},
		"in another's name":   {form("client_assertion", s.jws(s.kiosk, consent.TypAssertion, consent.NewTokenAssertion(s.phone.ID(), s.audience, s.clock.Now()))), formType, 401, "invalid_client"},
		"parameters in query": {s.tokenForm(s.kiosk).Encode(), formType, 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/v1/token"
			if name == "parameters in query" {
				path += "?scope=all"
			}
			r := s.send("POST", path, tc.body, "Content-Type", tc.kind)
			var e api.TokenError
			if err := json.Unmarshal([]byte(r.body), &e); err != nil || r.status != tc.status || e.Code != tc.code {
				t.Errorf("answered %d %s, want %d %s", r.status, r.body, tc.status, tc.code)
			}
			if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", r.header)
			}
		})
	}
}

func TestTheSameJTIMeansTheSameRequest(t *testing.T) {
	s := openStation(t)
	m := s.instruction(s.kiosk, cardNumber)
	first := s.signed(s.kiosk, "/v1/payments", consent.TypInstruction, m).expect(201, "")
	if first.header.Get(api.ReplayedHeader) != "" || first.header.Get("Location") != "/v1/payments/"+m.ID {
		t.Errorf("headers of the first answer: %v", first.header)
	}
	s.clock.add(time.Minute)
	m.IssuedAt += 60 // signed anew: still the same request
	again := s.signed(s.kiosk, "/v1/payments", consent.TypInstruction, m).expect(201, "")
	if again.body != first.body || again.header.Get(api.ReplayedHeader) != "true" {
		t.Errorf("again: %s\n first: %s", again.body, first.body)
	}
	m.Amount.Minor++
	s.signed(s.kiosk, "/v1/payments", consent.TypInstruction, m).expect(422, "idempotency_key_reused")
	m.Device = s.phone.ID()
	s.signed(s.phone, "/v1/payments", consent.TypInstruction, m).expect(409, "payment_exists")

	answer := &consent.Authentication{Claims: s.claims(), Payment: consent.PaymentID(m.ID), PIN: wrongPIN}
	path := "/v1/payments/" + m.ID + "/authentication"
	wrong := s.signed(s.kiosk, path, consent.TypAuthentication, answer).expect(403, "wrong_pin")
	if again := s.signed(s.kiosk, path, consent.TypAuthentication, answer).expect(403, "wrong_pin"); again.body != wrong.body ||
		again.header.Get(api.ReplayedHeader) != "true" || again.header.Get("Content-Type") != api.ContentProblem {
		t.Errorf("again: %s, first: %s", again.body, wrong.body)
	}
	s.admin(s.token(s.operator), "/devices/"+string(s.kiosk.ID())+"/revoke", api.Noted{}).expect(200, "")
	m.Device = s.kiosk.ID()
	m.Amount.Minor--
	s.signed(s.kiosk, "/v1/payments", consent.TypInstruction, m).expect(403, "device_revoked")
}

func TestWhatIsNotYoursIsAsAbsentAsWhatIsNot(t *testing.T) {
	s := openStation(t)
	phone, kiosk := s.token(s.phone), s.token(s.kiosk)
	early := s.instruct(s.kiosk, cardNumber)
	decoy := s.instruct(s.kiosk, otherNumber)
	absent := string(consent.NewPaymentID())
	bare := func(r reply) string {
		var p api.Problem
		s.must(json.Unmarshal([]byte(r.body), &p))
		p.TraceID = ""
		r.header.Del(TraceHeader)
		r.header.Del("Date")
		return fmt.Sprint(r.status, p, r.header)
	}
	for _, path := range []string{"/v1/payments/%s", "/v1/payments/%s/receipt"} {
		for _, by := range []string{phone, s.apiKey} {
			want := bare(s.get(fmt.Sprintf(path, absent), by))
			for _, id := range []string{early.ID, decoy.ID} {
				if diff := cmp.Diff(want, bare(s.get(fmt.Sprintf(path, id), by))); diff != "" {
					t.Errorf("%s (-absent +there):\n%s", path, diff)
				}
			}
		}
		s.get(fmt.Sprintf(path, absent), kiosk).expect(404, "unknown_payment")
	}
	stranger := s.newKey()
	s.signed(stranger, "/v1/devices", consent.TypDevice, &consent.DeviceRegistration{Claims: s.claims(), Label: "x"}).expect(201, "")
	token := s.token(stranger)
	settled := s.settled()
	if want, got := bare(s.get("/v1/payments/"+absent, token)), bare(s.get("/v1/payments/"+settled.ID, token)); got != want {
		t.Errorf("a stranger sees %s, of an absent one %s", got, want)
	}
	if want, got := bare(s.cancelBy(stranger, absent)), bare(s.cancelBy(stranger, settled.ID)); got != want {
		t.Errorf("a stranger cancels: %s, an absent one: %s", got, want)
	}
	for path, by := range map[string]string{"/v1/payments?role=approver": phone, "/v1/payments": s.apiKey} {
		var list api.Payments
		s.get(path, by).into(200, &list)
		if len(list.Payments) != 1 || list.Payments[0].ID != settled.ID {
			t.Errorf("%s lists %+v", path, list.Payments)
		}
	}
}

func TestADecoyCannotBeToldFromAPayment(t *testing.T) {
	s := openStation(t)
	s.issue(otherNumber) // known, but not activated
	token := s.token(s.kiosk)
	tale := func(number consent.AccountNumber) string {
		var told bytes.Buffer
		for range 2 {
			p := s.instruct(s.kiosk, number)
			note := func(r reply) {
				text := strings.NewReplacer(p.ID, "ID", number.Last4(), "LAST", r.header.Get(TraceHeader), "TRACE").Replace(r.body)
				r.header.Del(TraceHeader)
				r.header.Del("Date")
				r.header.Del("Content-Length")
				fmt.Fprintln(&told, r.status, text, r.header)
			}
			for range 3 {
				note(s.get("/v1/payments/"+p.ID, token))
				note(s.authenticate(s.kiosk, p.ID, wrongPIN))
				s.clock.add(5 * time.Second)
			}
			s.clock.add(payment.AuthenticationWait)
			note(s.get("/v1/payments/"+p.ID, token))
		}
		return told.String()
	}
	began := s.clock.Now()
	tell := func(number consent.AccountNumber) string {
		s.clock.mu.Lock()
		s.clock.now = began
		s.clock.mu.Unlock()
		return tale(number)
	}
	real := tell(cardNumber)
	for name, number := range map[string]consent.AccountNumber{"unknown": "6200555566661111", "not activated": otherNumber} {
		if diff := cmp.Diff(real, tell(number)); diff != "" {
			t.Errorf("%s (-real +decoy):\n%s", name, diff)
		}
	}
	if !strings.Contains(real, "wrong_pin") || !strings.Contains(real, "authentication_paused") {
		t.Errorf("the tale is not what it should be:\n%s", real)
	}
}

func TestViewsShowEachRoleItsOwn(t *testing.T) {
	s := openStation(t)
	p := s.confirmed()
	var initiator, approver, payee api.Payment
	s.get("/v1/payments/"+p.ID, s.token(s.kiosk)).into(200, &initiator)
	s.get("/v1/payments/"+p.ID, s.token(s.phone)).into(200, &approver)
	s.get("/v1/payments/"+p.ID, s.apiKey).into(200, &payee)
	type shown struct {
		Role, Action                         string
		Card, Code, Statement, Label, Reason bool
	}
	of := func(p api.Payment) shown {
		return shown{p.Role, p.Next.Action, p.CardAccount != "", p.Code != "", p.Statement != "", p.DeviceLabel != "", p.Reason != ""}
	}
	want := []shown{
		{"initiator", "wait_for_approval", true, true, false, false, false},
		{"approver", "approve", true, false, true, true, false},
		{"payee", "wait_for_approval", false, false, false, false, false},
	}
	if diff := cmp.Diff(want, []shown{of(initiator), of(approver), of(payee)}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	wrong := "00"
	if initiator.Code == wrong {
		wrong = "11"
	}
	r := s.approve(approver, wrong).expect(403, "wrong_code")
	if p := r.problem(); p.AttemptsLeft == nil || *p.AttemptsLeft != payment.CodeTries-1 || p.State != "approval_required" {
		t.Errorf("problem %+v", p)
	}
}

func TestReceiptsSayTheSameEachTime(t *testing.T) {
	s := openStation(t)
	waiting := s.confirmed()
	s.get("/v1/payments/"+waiting.ID+"/receipt", s.token(s.kiosk)).expect(409, "not_settled")
	s.cancelBy(s.kiosk, waiting.ID).expect(200, "")
	p := s.settled()
	var first, second api.Receipt
	s.get("/v1/payments/"+p.ID+"/receipt", s.token(s.kiosk)).into(200, &first)
	s.clock.add(time.Hour)
	s.get("/v1/payments/"+p.ID+"/receipt", s.token(s.phone)).into(200, &second)
	jwks := []byte(s.send("GET", "/.well-known/jwks.json", "").body)
	a, err := consent.VerifyReceipt(jwks, first.Receipt)
	s.must(err)
	b, err := consent.VerifyReceipt(jwks, second.Receipt)
	s.must(err)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("-first +second:\n%s", diff)
	}
	var copied api.Receipt
	s.get("/v1/payments/"+p.ID+"/receipt", s.apiKey).into(200, &copied)
	c, err := consent.VerifyReceipt(jwks, copied.Receipt)
	s.must(err)
	if diff := cmp.Diff(a.PayeeCopy(), c); diff != "" {
		t.Errorf("the payee's copy (-want +got):\n%s", diff)
	}
	if a.Associated != s.phone.ID() || a.SecondDigest == "" || a.Level != "approve" {
		t.Errorf("receipt %+v", a)
	}
}

func TestPayeesCancelWithTheirKey(t *testing.T) {
	s := openStation(t)
	p := s.confirmed()
	cancel := func(key string, header ...string) reply {
		return s.send("POST", "/v1/payments/"+p.ID+"/cancel", "", append(header, "Authorization", "Bearer "+key)...)
	}
	cancel(s.apiKey).expect(400, "idempotency_key_required")
	var view api.Payment
	cancel(s.apiKey, api.IdempotencyHeader, "stop").into(200, &view)
	if view.Role != "payee" || view.State != "cancelled" || view.Reason != "payee" || view.CardAccount != "" {
		t.Errorf("view %+v", view)
	}
	if r := cancel(s.apiKey, api.IdempotencyHeader, "stop").expect(200, ""); r.header.Get(api.ReplayedHeader) != "true" {
		t.Error("the repeat is not called one")
	}
	cancel(s.apiKey, api.IdempotencyHeader, "again").expect(409, "too_late")
	s.cancelBy(s.kiosk, p.ID).expect(409, "too_late")
	cancel(s.token(s.kiosk), api.IdempotencyHeader, "x").expect(403, "wrong_credential")
}

func TestListsComeInPages(t *testing.T) {
	s := openStation(t)
	want := []string{}
	for range 5 {
		want = append(want, s.instruct(s.kiosk, cardNumber).ID)
		s.clock.add(time.Second)
	}
	slices.Reverse(want)
	var got []string
	next, pages := "", 0
	for {
		var list api.Payments
		path := "/v1/payments?limit=2"
		if next != "" {
			path += "&before=" + next
		}
		s.get(path, s.token(s.kiosk)).into(200, &list)
		for _, p := range list.Payments {
			got = append(got, p.ID)
		}
		if pages++; list.Next == "" {
			break
		}
		next = list.Next
	}
	if diff := cmp.Diff(want, got); diff != "" || pages != 3 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=+2", "limit=2&limit=2", "before=x", "state=lost", "role=payee"} {
		if r := s.get("/v1/payments?"+query, s.token(s.kiosk)); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	if r := s.get("/v1/admin/audit?limit=1", s.token(s.operator)); !strings.Contains(r.body, `"next":"`) {
		t.Errorf("audit: %s", r.body)
	}
	s.get("/v1/admin/audit?after=x", s.token(s.operator)).expect(400, "invalid_field")
}

func TestReportsOpenAndCloseWithPostedBalances(t *testing.T) {
	s := openStation(t)
	middle := s.clock.Now()
	s.clock.add(time.Minute)
	s.settled()
	token := s.token(s.operator)
	var whole, late api.Report
	s.get("/v1/admin/accounts/"+s.card.Account+"/report", token).into(200, &whole)
	s.get("/v1/admin/accounts/"+s.card.Account+"/report?from="+middle.Add(time.Second).Format(time.RFC3339Nano), token).into(200, &late)
	if whole.Opening != 0 || whole.Closing != 8750 || len(whole.Lines) != 3 || whole.Account.Balance != 8750 {
		t.Errorf("the whole: %+v", whole)
	}
	if late.Opening != 100_00 || late.Closing != 8750 || len(late.Lines) != 2 {
		t.Errorf("after the top-up: %+v", late)
	}
	for _, query := range []string{"from=yesterday", "from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"} {
		s.get("/v1/admin/accounts/"+s.card.Account+"/report?"+query, token).expect(400, "invalid_field")
	}
	s.get("/v1/admin/accounts/none/report", token).expect(404, "unknown_account")
}

func TestABusyHasherTakesNoTry(t *testing.T) {
	s := openStation(t, func(c *Config) {
		c.PINs = consent.NewPINHasher(c.Keys, consent.PINParams{Memory: 64, Passes: 1, Lanes: 1}, 1, 1)
	})
	p := s.instruct(s.kiosk, cardNumber)
	release, err := (&call{Service: s.Service}).place()
	s.must(err)
	m := &consent.Authentication{Claims: s.claims(), Payment: consent.PaymentID(p.ID), PIN: rightPIN}
	for range 10 {
		r := s.signed(s.kiosk, "/v1/payments/"+p.ID+"/authentication", consent.TypAuthentication, m).expect(503, "busy")
		if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || seconds < 1 {
			t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
		}
	}
	release()
	s.signed(s.kiosk, "/v1/payments/"+p.ID+"/authentication", consent.TypAuthentication, m).into(200, &p)
	if p.State != "confirmation_required" {
		t.Errorf("the payment is %s", p.State)
	}
}

func TestNoTokensAreGivenWhenNoMoreAssertionsCanBeRemembered(t *testing.T) {
	s := openEmpty(t)
	s.operator = s.newKey()
	s.enrol(s.operator, firstToken, firstIdemKey).expect(201, "")
	s.token(s.operator) // so that the span of time has begun
	for n := range maxAssertions {
		s.used.seen[0][strconv.Itoa(n)] = true
	}
	ask := func() reply {
		return s.send("POST", "/v1/token", s.tokenForm(s.operator).Encode(), "Content-Type", formType)
	}
	if ask().expect(503, "busy").header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.clock.add(time.Hour) // all of them are over
	ask().expect(200, "")
}

func TestAStreamHasNoHead(t *testing.T) {
	s := openEmpty(t)
	if r := s.send("HEAD", "/v1/events", ""); r.status != 405 || r.header.Get("Allow") != "GET" {
		t.Errorf("HEAD answered %d, Allow: %q", r.status, r.header.Get("Allow"))
	}
}

func TestACardsOwnDeviceIsToldThatItCannotPay(t *testing.T) {
	s := openStation(t)
	before := s.instruct(s.phone, cardNumber)
	path := "/v1/cards/" + s.card.ID
	id := consent.CardID(s.card.ID)
	s.signed(s.phone, path+"/freeze", consent.TypFreeze, &consent.Freeze{Claims: s.claims(), Card: id}).expect(200, "")
	s.signed(s.phone, "/v1/payments", consent.TypInstruction, s.instruction(s.phone, cardNumber)).expect(409, "card_state")
	s.authenticate(s.phone, before.ID, rightPIN).expect(409, "card_state")
	s.signed(s.phone, path+"/associated-device", consent.TypRebind, &consent.Rebind{Claims: s.claims(), Card: id, NewDevice: s.kiosk.ID()}).expect(409, "card_state")
}

func TestAnyParameterIsRefusedWhereNoneIsKnown(t *testing.T) {
	s := openEmpty(t)
	s.send("GET", "/v1/service?x=1", "").expect(400, "unknown_field")
	s.send("GET", "/v1/service?%zz", "").expect(400, "malformed")
}

func TestOperatorsFindTheDeviceToRevoke(t *testing.T) {
	s := openStation(t)
	s.admin(s.token(s.operator), "/devices/"+string(s.kiosk.ID())+"/revoke", api.Noted{}).expect(200, "")
	revoked := s.clock.Now()
	want := []api.Device{
		{ID: string(s.phone.ID()), Label: "device", CreatedAt: revoked, UsedAt: &revoked},
		{ID: string(s.kiosk.ID()), Label: "device", CreatedAt: revoked, UsedAt: &revoked, RevokedAt: &revoked},
	}
	slices.SortFunc(want, func(a, b api.Device) int { return strings.Compare(a.ID, b.ID) })
	var got, rest api.Devices
	s.get("/v1/admin/devices?limit=1", s.token(s.operator)).into(200, &got)
	s.get("/v1/admin/devices?limit=2&after="+got.Next, s.token(s.operator)).into(200, &rest)
	if diff := cmp.Diff(want, append(got.Devices, rest.Devices...)); diff != "" || rest.Next != "" {
		t.Errorf("next %q (-want +got):\n%s", rest.Next, diff)
	}
	s.get("/v1/admin/devices", s.token(s.phone)).expect(403, "wrong_credential")
}
