package consent

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tapline/internal/strictjson"
	"tapline/money"
)

// secretEMV is a tap with an account number in its transcript.
func secretEMV[S ~string](challenge S) *EMVTap {
	return &EMVTap{Challenge: ChallengeID(challenge), Transcript: []Exchange{
		{"00B2010C00", APDU("700A5A08" + string(secretNo) + "9000")},
	}}
}

func TestClaimsOfTapsAreChecked(t *testing.T) {
	checkClaims(t, newKey(t), map[string]claimCase{
		"transcript":             {TypTap, &Presentation{Tap: Tap{EMV: secretEMV(NewID())}}, ""},
		"no challenge":           {TypTap, &Presentation{Tap: Tap{EMV: secretEMV("")}}, ""},
		"bad challenge":          {TypTap, &Presentation{Tap: Tap{EMV: secretEMV("1")}}, "tap.emv.challenge"},
		"transcript and number":  {TypTap, &Presentation{Tap: Tap{Account: secretNo, EMV: secretEMV("")}}, "tap.emv"},
		"transcript and message": {TypTap, &Presentation{Tap: Tap{SUN: secretSUN, EMV: secretEMV("")}}, "tap.emv"},
		"no transcript":          {TypTap, &Presentation{Tap: Tap{EMV: &EMVTap{}}}, "tap.emv.transcript"},
		"message":                {TypTap, &Presentation{Tap: Tap{SUN: secretSUN}}, ""},
		"number":                 {TypTap, &Presentation{Tap: Tap{Account: secretNo}}, ""},
		"nothing":                {TypTap, &Presentation{}, "tap.account"},
		"challenge":              {TypTapChallenge, &TapChallenge{Amount: money.Amount{Minor: MaxChallenge, Currency: "JPY"}}, ""},
		"challenge for too much": {TypTapChallenge, &TapChallenge{Amount: money.Amount{Minor: MaxChallenge + 1, Currency: "CNY"}}, "amount"},
		"challenge for nothing":  {TypTapChallenge, &TapChallenge{}, "amount"},
	})
}

func TestTranscriptsAreBounded(t *testing.T) {
	e := Exchange{"00B2010C00", "9000"}
	tap := func(change func(*EMVTap)) Tap {
		m := secretEMV("")
		change(m)
		return Tap{EMV: m}
	}
	for name, c := range map[string]struct {
		tap Tap
		ok  bool
	}{
		"most exchanges":                {tap(func(m *EMVTap) { m.Transcript = make([]Exchange, MaxExchanges); fill(m.Transcript, e) }), true},
		"one more":                      {tap(func(m *EMVTap) { m.Transcript = make([]Exchange, MaxExchanges+1); fill(m.Transcript, e) }), false},
		"longest answer":                {tap(func(m *EMVTap) { m.Transcript[0].Response = APDU(strings.Repeat("aF", 4096)) }), true},
		"longer answer":                 {tap(func(m *EMVTap) { m.Transcript[0].Response = APDU(strings.Repeat("aF", 4097)) }), false},
		"longest command":               {tap(func(m *EMVTap) { m.Transcript[0].Command = APDU(strings.Repeat("00", 261)) }), true},
		"longer command":                {tap(func(m *EMVTap) { m.Transcript[0].Command = APDU(strings.Repeat("00", 262)) }), false},
		"short command":                 {tap(func(m *EMVTap) { m.Transcript[0].Command = "00B201" }), false},
		"no status word":                {tap(func(m *EMVTap) { m.Transcript[0].Response = "90" }), false},
		"half a byte":                   {tap(func(m *EMVTap) { m.Transcript[0].Response = "90000" }), false},
		"not hexadecimal":               {tap(func(m *EMVTap) { m.Transcript[0].Response = "900g" }), false},
		"control character for a digit": {tap(func(m *EMVTap) { m.Transcript[0].Response = "900\x10" }), false},
		"too long in all": {tap(func(m *EMVTap) {
			m.Transcript = make([]Exchange, 3)
			fill(m.Transcript, Exchange{"00B2010C00", APDU(strings.Repeat("00", 3000))})
		}), false},
	} {
		if err := c.tap.Validate(); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func fill(all []Exchange, e Exchange) {
	for i := range all {
		all[i] = e
	}
}

// FuzzTap reads a tap as the claims of a message are read: what is taken can be read on, is bounded and does not print.
func FuzzTap(f *testing.F) {
	for _, seed := range []Tap{{Account: secretNo}, {SUN: secretSUN}, {EMV: secretEMV(NewID())}} {
		text, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"emv":{"transcript":[{"c":"00A4040000","r":"6A82"},{"c":"80A8000002830000","r":"77009000"}]}}`)
	f.Add(`{"emv":{"challenge":"AAAAAAAAAAAAAAAAAAAAAA","transcript":null}}`)
	f.Add(`{"emv":null}`)
	f.Fuzz(func(t *testing.T, text string) {
		var tap Tap
		if strictjson.Decode([]byte(text), &tap) != nil || tap.Validate() != nil {
			return
		}
		if tap.EMV == nil {
			return
		}
		bytes := 0
		for _, e := range tap.EMV.Transcript {
			command, response := e.Command.Bytes(), e.Response.Bytes()
			if len(command) < 4 || len(response) < 2 || !strings.EqualFold(string(NewAPDU(response)), string(e.Response)) {
				t.Errorf("%d and %d bytes of %q", len(command), len(response), text)
			}
			bytes += len(command) + len(response)
		}
		if bytes > MaxTranscript || len(tap.EMV.Transcript) > MaxExchanges {
			t.Errorf("%d bytes in %d exchanges are taken", bytes, len(tap.EMV.Transcript))
		}
		if out := fmt.Sprintf("%v %+v %#v %s", *tap.EMV, tap.EMV.Transcript, tap.EMV.Transcript[0], tap.EMV.Transcript[0].Response); strings.Contains(out, string(tap.EMV.Transcript[0].Command)) {
			t.Errorf("a transcript prints as %s", out)
		}
	})
}
