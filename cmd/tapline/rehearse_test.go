package main

import (
	"bytes"
	"strings"
	"testing"

	"tapline/api"
)

// A service that settles in place of rehearsing has taken money: nobody may read that as a success.
func TestARehearsalThatWasSettledIsAnError(t *testing.T) {
	for _, tc := range []struct {
		view api.Payment
		want string // of the error; "" for none
	}{
		{api.Payment{ID: "pay_1", State: "rehearsed", Rehearsal: true}, ""},
		{api.Payment{ID: "pay_1", State: "settled", Rehearsal: true}, "MONEY HAS MOVED"},
		{api.Payment{ID: "pay_1", State: "settled"}, "MONEY HAS MOVED"},
		{api.Payment{ID: "pay_1", State: "rehearsed"}, "did not come to its end"},
		{api.Payment{ID: "pay_1", State: "declined", Reason: "approver", Rehearsal: true}, "declined (approver)"},
	} {
		var out bytes.Buffer
		p := &payer{app: &app{stdout: &out, stderr: &out}, cmd: &payCmd{Rehearse: true}}
		err := p.finish(tc.view)
		if tc.want == "" && (err != nil || !strings.Contains(out.String(), "no money has moved")) {
			t.Errorf("%+v: %v, said %q", tc.view, err, out.String())
		}
		if tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || out.Len() > 0) {
			t.Errorf("%+v: %v, said %q; want an error with %q", tc.view, err, out.String(), tc.want)
		}
	}
}
