package consent

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"tapline/money"
)

// claimCase is a message with the field of its refusal: "" if it is taken, "-" if the refusal names none.
type claimCase struct {
	typ   Typ
	m     Message
	field string
}

func checkClaims(t *testing.T, key *DeviceKey, cases map[string]claimCase) {
	t.Helper()
	for name, tc := range cases {
		if c := tc.m.Common(); c.ID == "" {
			*c = NewClaims(audience, now)
		}
		into := reflect.New(reflect.TypeOf(tc.m).Elem()).Interface().(Message)
		err := receive(mustSign(t, key, tc.typ, tc.m), tc.typ, key.Public(), into)
		if tc.field == "-" {
			if e, ok := errors.AsType[*Error](err); !ok || e.Field != "" {
				t.Errorf("%s: %v, want a refusal of the whole", name, err)
			}
			continue
		}
		wantField(t, name, err, tc.field)
		if err == nil && !reflect.DeepEqual(into, tc.m) {
			t.Errorf("%s: read %s, want %s", name, toJSON(t, into), toJSON(t, tc.m))
		}
	}
}

func TestClaimsOfRegistrationActivationAndInstructionAreChecked(t *testing.T) {
	key, code := newKey(t), NewActivationCode()
	instruct := func(change func(m *Instruction)) Message {
		m := instruction(key.ID())
		change(m)
		return m
	}
	checkClaims(t, key, map[string]claimCase{
		"label":                 {TypDevice, &DeviceRegistration{Label: "Mei's phone"}, ""},
		"no label":              {TypDevice, &DeviceRegistration{Label: "  "}, "label"},
		"label turned round":    {TypDevice, &DeviceRegistration{Label: "a\u202eb"}, "label"},
		"label too long":        {TypDevice, &DeviceRegistration{Label: strings.Repeat("a", MaxLabel+1)}, "label"},
		"activation":            {TypActivation, &Activation{Code: code, Tap: Tap{Account: secretNo}, PIN: "8305"}, ""},
		"activation, no PIN":    {TypActivation, &Activation{Code: code, Tap: Tap{Account: secretNo}}, ""},
		"activation, weak PIN":  {TypActivation, &Activation{Code: code, Tap: Tap{Account: secretNo}, PIN: "1234"}, "-"},
		"activation, no tap":    {TypActivation, &Activation{Code: code, PIN: "8305"}, "tap.account"},
		"activation, bad code":  {TypActivation, &Activation{Code: "0000-0000-0000-1", Tap: Tap{Account: secretNo}}, "-"},
		"instruction":           {TypInstruction, instruct(func(*Instruction) {}), ""},
		"rehearsal":             {TypInstruction, instruct(func(m *Instruction) { m.Rehearsal = true }), ""},
		"no order":              {TypInstruction, instruct(func(m *Instruction) { m.Order = Order{} }), ""},
		"id of no payment":      {TypInstruction, instruct(func(m *Instruction) { m.ID = NewID() }), "jti"},
		"longest payment id":    {TypInstruction, instruct(func(m *Instruction) { m.ID = "pay_" + strings.Repeat("a", 60) }), ""},
		"device of another":     {TypInstruction, instruct(func(m *Instruction) { m.Device = newKey(t).ID() }), "-"},
		"no device":             {TypInstruction, instruct(func(m *Instruction) { m.Device = "" }), "-"},
		"no amount":             {TypInstruction, instruct(func(m *Instruction) { m.Amount = money.Amount{} }), "amount"},
		"zero":                  {TypInstruction, instruct(func(m *Instruction) { m.Amount.Minor = 0 }), "amount"},
		"negative":              {TypInstruction, instruct(func(m *Instruction) { m.Amount.Minor = -1 }), "amount"},
		"too much":              {TypInstruction, instruct(func(m *Instruction) { m.Amount.Minor = money.MaxMinor + 1 }), "amount"},
		"unknown currency":      {TypInstruction, instruct(func(m *Instruction) { m.Amount.Currency = "XXX" }), "amount"},
		"no payee":              {TypInstruction, instruct(func(m *Instruction) { m.Payee = "" }), "payee"},
		"payee in capitals":     {TypInstruction, instruct(func(m *Instruction) { m.Payee = "Shop@example" }), "payee"},
		"message of a card":     {TypInstruction, instruct(func(m *Instruction) { m.Tap = Tap{SUN: secretSUN} }), ""},
		"message and number":    {TypInstruction, instruct(func(m *Instruction) { m.Tap.SUN = secretSUN }), "tap.sun"},
		"message too short":     {TypInstruction, instruct(func(m *Instruction) { m.Tap = Tap{SUN: "e=1&c=2"} }), "tap.sun"},
		"message with a space":  {TypInstruction, instruct(func(m *Instruction) { m.Tap = Tap{SUN: secretSUN + " x"} }), "tap.sun"},
		"no card":               {TypInstruction, instruct(func(m *Instruction) { m.Tap = Tap{} }), "tap.account"},
		"order number with NUL": {TypInstruction, instruct(func(m *Instruction) { m.Order.Number = "a\x00" }), "order.number"},
		"order too long": {TypInstruction, instruct(func(m *Instruction) {
			m.Order.Description = strings.Repeat("a", MaxOrderDescription+1)
		}), "order.description"},
	})
}

func TestClaimsOfAuthenticationAndDecisionAreChecked(t *testing.T) {
	pay := NewPaymentID()
	decide := func(verdict Verdict, statement string, code Code) Message {
		return &Decision{Payment: pay, Decision: verdict, Statement: statement, Code: code}
	}
	checkClaims(t, newKey(t), map[string]claimCase{
		"authentication":         {TypAuthentication, &Authentication{Payment: pay, PIN: "8305"}, ""},
		"weak PIN, once set":     {TypAuthentication, &Authentication{Payment: pay, PIN: "1111"}, ""},
		"PIN of letters":         {TypAuthentication, &Authentication{Payment: pay, PIN: "abcd"}, "-"},
		"PIN of other digits":    {TypAuthentication, &Authentication{Payment: pay, PIN: "١٢٣٤"}, "-"},
		"no payment":             {TypAuthentication, &Authentication{PIN: "8305"}, "payment"},
		"approved":               {TypConfirmation, decide(Approve, "{}", ""), ""},
		"approved, no statement": {TypConfirmation, decide(Approve, "", ""), "statement"},
		"declined":               {TypConfirmation, decide(Decline, "", ""), ""},
		"no verdict":             {TypConfirmation, decide("", "{}", ""), "decision"},
		"verdict in capitals":    {TypConfirmation, decide("Approve", "{}", ""), "decision"},
		"not me, at first":       {TypConfirmation, decide(NotMe, "", ""), "decision"},
		"code, at first":         {TypConfirmation, decide(Approve, "{}", "12"), "code"},
		"second":                 {TypApproval, decide(Approve, "{}", "12"), ""},
		"second, six digits":     {TypApproval, decide(Approve, "{}", "123456"), ""},
		"second, card tapped":    {TypApproval, decide(Approve, "{}", ""), ""},
		"second, not me":         {TypApproval, decide(NotMe, "", ""), ""},
		"second, long code":      {TypApproval, decide(Approve, "{}", "1234567"), "code"},
		"second, letters":        {TypApproval, decide(Approve, "{}", "1a"), "code"},
	})
}

func ruled(r SpendingRules) *Limits { return &Limits{Card: "card_1", PIN: "8305", Rules: &r} }

func TestClaimsAboutACardAreChecked(t *testing.T) {
	key, pay, code := newKey(t), NewPaymentID(), NewActivationCode()
	change := func(oldPIN, newPIN PIN, reset Code) Message {
		return &PINChange{Card: "card_1", OldPIN: oldPIN, NewPIN: newPIN, ResetCode: reset}
	}
	checkClaims(t, key, map[string]claimCase{
		"cancelled":            {TypCancellation, &Cancellation{Payment: pay}, ""},
		"cancelled nothing":    {TypCancellation, &Cancellation{Payment: "pay_1"}, "payment"},
		"frozen":               {TypFreeze, &Freeze{Card: "card_1"}, ""},
		"frozen by path":       {TypFreeze, &Freeze{Card: "../card"}, "card"},
		"lost":                 {TypLoss, &Loss{Card: "card_1"}, ""},
		"lost by path":         {TypLoss, &Loss{Card: "../card"}, "card"},
		"mailed":               {TypEmail, &EmailChange{Card: "card_1", PIN: "8305", Address: "ann@mail.example", Language: "en"}, ""},
		"mailed to two":        {TypEmail, &EmailChange{Card: "card_1", PIN: "8305", Address: "a@b.example, c@d.example", Language: "en"}, "address"},
		"mailed in nothing":    {TypEmail, &EmailChange{Card: "card_1", PIN: "8305", Address: "ann@mail.example"}, "language"},
		"limited":              {TypLimits, &Limits{Card: "card_1", PIN: "8305", Level: "confirm"}, ""},
		"limited to nonsense":  {TypLimits, &Limits{Card: "card_1", PIN: "8305", Level: "none"}, "level"},
		"limited to nothing":   {TypLimits, &Limits{Card: "card_1", PIN: "8305"}, "level"},
		"ruled":                {TypLimits, ruled(SpendingRules{Night: &Night{"22:00", "06:00", "Asia/Shanghai"}, KnownPayees: 1}), ""},
		"ruled below nothing":  {TypLimits, ruled(SpendingRules{Limits: SpendingLimits{DaySum: -1}}), "rules.limits.day_sum"},
		"known below nothing":  {TypLimits, ruled(SpendingRules{KnownPayees: -1}), "rules.known_payees"},
		"night nowhere":        {TypLimits, ruled(SpendingRules{Night: &Night{"22:00", "06:00", "Asia/Atlantis"}}), "rules.night.zone"},
		"night at the server":  {TypLimits, ruled(SpendingRules{Night: &Night{"22:00", "06:00", "Local"}}), "rules.night.zone"},
		"night of no length":   {TypLimits, ruled(SpendingRules{Night: &Night{"22:00", "22:00", "UTC"}}), "rules.night.until"},
		"night out of the day": {TypLimits, ruled(SpendingRules{Night: &Night{"22:00", "24:00", "UTC"}}), "rules.night"},
		"unfrozen":             {TypUnfreeze, &Unfreeze{Card: "card_1", PIN: "8305"}, ""},
		"unfrozen without PIN": {TypUnfreeze, &Unfreeze{Card: "card_1"}, "-"},
		"PIN changed":          {TypPIN, change("8305", "2790", ""), ""},
		"old PIN may be weak":  {TypPIN, change("1111", "2790", ""), ""},
		"PIN reset":            {TypPIN, change("", "2790", code), ""},
		"PIN by both":          {TypPIN, change("8305", "2790", code), "old_pin"},
		"PIN by neither":       {TypPIN, change("", "2790", ""), "old_pin"},
		"PIN by a bad code":    {TypPIN, change("", "2790", "x"), "-"},
		"new PIN weak":         {TypPIN, change("8305", "9876", ""), "-"},
		"no new PIN":           {TypPIN, change("8305", "", ""), "-"},
		"rebound":              {TypRebind, &Rebind{Card: "card_1", NewDevice: newKey(t).ID()}, ""},
		"rebound to itself":    {TypRebind, &Rebind{Card: "card_1", NewDevice: key.ID()}, "new_device"},
		"rebound to nothing":   {TypRebind, &Rebind{Card: "card_1", NewDevice: "x"}, "new_device"},
	})
}

func TestPINsThatAreSetAreNotTrivial(t *testing.T) {
	for pin, want := range map[PIN]*Error{
		"8305": nil, "1212": nil, "1235": nil, "12346": nil, "0007": nil, "830512345678": nil,
		"1111": ErrPINWeak, "000000": ErrPINWeak, "1234": ErrPINWeak, "4321": ErrPINWeak, "7890": ErrPINWeak,
		"0123456789": ErrPINWeak, "0987": ErrPINWeak, "890123": ErrPINWeak, "210987": ErrPINWeak,
		"": ErrPIN, "123": ErrPIN, "1234567890123": ErrPIN, "12a4": ErrPIN, " 8305": ErrPIN, "8305\n": ErrPIN, "８３０５": ErrPIN,
	} {
		err := pin.CheckNew()
		if want == nil && err != nil || want != nil && err != want {
			t.Errorf("CheckNew(%q) = %v, want %v", string(pin), err, want)
		}
	}
}

func TestAccountNumbersShowFourDigits(t *testing.T) {
	for number, want := range map[AccountNumber]string{
		secretNo: "•••• 4444", "12345678": "•••• 5678", "1234567": "•••• ", "": "•••• ",
	} {
		if got := number.Masked(); got != want {
			t.Errorf("Masked of %d digits is %q, want %q", len(number), got, want)
		}
	}
	for _, bad := range []AccountNumber{"", "1234567", "12345678901234567890", "1234 5678", "1234567x", "１２３４５６７８"} {
		if bad.Check() == nil {
			t.Errorf("%q is taken for an account number", string(bad))
		}
	}
}

// TestSecretsDoNotPrint puts every message and secret through the verbs of fmt and both handlers of slog.
func TestSecretsDoNotPrint(t *testing.T) {
	const pin, newPIN, digits = "830518264097", "279064158302", "739164028517" // long: ids in hexadecimal have digits, too
	code := NewActivationCode()
	c := NewClaims(audience, now)
	secrets := []any{
		PIN(pin), code, Code(digits), secretNo, Tap{Account: secretNo}, *instruction(newKey(t).ID()), instruction(newKey(t).ID()),
		secretEMV("").Transcript, *secretEMV(""), Tap{EMV: secretEMV("")}, Presentation{Tap: Tap{EMV: secretEMV("")}},
		secretSUN, Tap{SUN: secretSUN}, &struct{ Tap Tap }{Tap{SUN: secretSUN}},
		Activation{c, code, Tap{Account: secretNo}, pin}, &Activation{c, code, Tap{Account: secretNo}, pin},
		&Authentication{c, NewPaymentID(), pin}, Authentication{c, NewPaymentID(), pin}, &Unfreeze{c, "card_1", pin},
		&PINChange{c, "card_1", pin, newPIN, code}, &Decision{Claims: c, Code: digits},
		struct{ PIN PIN }{pin}, []PIN{pin}, map[string]any{"pin": PIN(pin), "number": secretNo}, &struct{ Tap Tap }{Tap{Account: secretNo}},
	}
	var logged bytes.Buffer
	text, json := slog.New(slog.NewTextHandler(&logged, nil)), slog.New(slog.NewJSONHandler(&logged, nil))
	for _, v := range secrets {
		out := printed(v)
		text.Info("x", "v", v)
		// slog's JSON handler asks only the outermost value; a secret inside a plain struct is beyond us.
		if _, ok := v.(slog.LogValuer); ok {
			json.Info("x", "v", v)
		}
		out += logged.String()
		logged.Reset()
		for _, s := range []string{pin, newPIN, digits, string(code), string(secretSUN[2:20]), string(secretNo), string(secretNo[4:12])} {
			if strings.Contains(out, s) || strings.Contains(out, fmt.Sprintf("%x", s)) {
				t.Errorf("%T shows %s:\n%s", v, s, out)
			}
		}
	}
}

func TestErrorsRepeatNothing(t *testing.T) {
	key := newKey(t)
	m := messages(key.ID())
	for typ, message := range m {
		text := toJSON(t, message)
		header := fmt.Sprintf(`{"alg":"ES256","typ":%q,"kid":%q%s}`, typ, key.ID(),
			map[bool]string{true: `,"jwk":` + string(key.Public().JWK())}[typ == TypDevice])
		for _, evil := range []string{"evil", "4111222233334444", "\u202e"} {
			for _, payload := range []string{
				strings.Replace(text, "{", `{"`+evil+`":1,`, 1),
				strings.Replace(text, `":"`, `":"`+evil, 1),
				regexp.MustCompile(`:"[^"]*"`).ReplaceAllString(text, `:"`+evil+`"`),
			} {
				err := receive(forge(header, payload, es256(t, key)), typ, key.Public(), m[typ])
				if err == nil || strings.Contains(err.Error(), evil) {
					t.Errorf("%s: error is %v", typ, err)
				}
			}
		}
	}
}

func TestIdsMadeLaterAreGreater(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	last := NewIDAt(at)
	for _, later := range []time.Duration{time.Millisecond, 63 * time.Millisecond, 64 * time.Millisecond, time.Second, time.Hour, 1000 * 24 * time.Hour} {
		id := NewIDAt(at.Add(later))
		if id <= last || !idForm.MatchString(id) || len(id) != 22 {
			t.Errorf("the id made %v later is %s, which does not follow %s", later, id, last)
		}
		last = id
	}
	if again := NewIDAt(at); again == NewIDAt(at) {
		t.Errorf("two ids of one moment are %s", again)
	}
	if id := NewPaymentID(); id.Check() != nil {
		t.Errorf("%s is no payment's id", id)
	}
}
