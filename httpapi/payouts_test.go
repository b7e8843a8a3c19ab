package httpapi

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"tapline/api"
	"tapline/payout"
	"tapline/processor"
)

var shopsBank = payout.BankAccount{Name: "书店 Books", IBAN: "GB82WEST12345698765432"}

// TestNobodySeesThePayoutsOfAnother asks for them as another payee, and as a device.
func TestNobodySeesThePayoutsOfAnother(t *testing.T) {
	s := openStation(t)
	s.admin(s.token(s.operator), "/payees/"+url.PathEscape(handle)+"/bank-account", api.NewBankAccount{Account: shopsBank}).expect(200, "")
	s.settled()
	own, rival := s.makeKey(processor.ScopePayouts, processor.ScopeRead).Key, s.rival()
	var p api.Payout
	s.asked(own, "/v1/payouts", api.NewPayout{}).into(201, &p)
	s.get("/v1/payouts/"+p.ID, own).expect(200, "")
	s.get("/v1/payouts/"+p.ID, rival).expect(404, "unknown_payout")
	s.get("/v1/admin/payouts/"+p.ID, rival).expect(403, "wrong_credential")
	s.get("/v1/payouts/"+p.ID, s.token(s.phone)).expect(403, "wrong_credential")
	var list api.Payouts
	s.get("/v1/payouts", rival).into(200, &list)
	var plans api.PayoutPlans
	s.get("/v1/payout-plans", rival).into(200, &plans)
	if len(list.Payouts)+len(plans.Plans) > 0 {
		t.Errorf("the rival sees %+v and %+v", list, plans)
	}
	s.get("/v1/payout-plans", own).into(200, &plans)
	if len(plans.Plans) != 1 || plans.Plans[0].To.IBAN != "…5432" {
		t.Errorf("the payee sees %+v", plans)
	}
	s.asked(rival, "/v1/payouts", api.NewPayout{}).expect(422, "no_bank_account")
}

func TestBankAccountsAndSchedulesThatCannotBeAreRefused(t *testing.T) {
	s := openStation(t)
	token, path := s.token(s.operator), "/payees/"+url.PathEscape(handle)
	for name, b := range map[string]payout.BankAccount{
		"mistyped": {Name: "A", IBAN: "GB82WEST12345698765431"}, "none": {Name: "A"}, "cash": {Name: "A", Cash: true},
	} {
		if r := s.admin(token, path+"/bank-account", api.NewBankAccount{Account: b}); strings.Contains(string(r.body), "5698") {
			t.Errorf("%s: the problem repeats the account", name)
		} else {
			r.expect(422, "bank_account")
		}
	}
	s.admin(token, path+"/bank-account", api.NewBankAccount{Account: payout.BankAccount{Name: "a\u202eb", Other: "1234"}}).expect(400, "text_not_shown")
	s.admin(token, path+"/bank-account", api.NewBankAccount{Currency: "JPY", Account: shopsBank}).expect(422, "wrong_currency")
	s.admin(token, "/payees/none@shop/bank-account", api.NewBankAccount{Account: shopsBank}).expect(404, "unknown_payee")
	for _, bad := range []api.PayoutSchedule{{Every: "weekly"}, {Every: "monthly", Day: 28, At: "25:00"}, {Every: "daily", Day: 1}, {Every: "daily", Least: -1}} {
		s.admin(token, path+"/payout-schedule", api.NewPayoutSchedule{Schedule: bad}).expect(400, "invalid_field")
	}
	var plan api.PayoutPlan
	s.admin(token, path+"/payout-schedule", api.NewPayoutSchedule{Schedule: api.PayoutSchedule{Every: "weekly", Day: 5, At: "06:30", Least: 100, Keep: 5}}).into(200, &plan)
	if plan.Schedule != (api.PayoutSchedule{Every: "weekly", Day: 5, At: "06:30", Least: 100, Keep: 5}) || plan.NextAt.Weekday() != time.Friday || plan.NextAt.Format("15:04") != "06:30" {
		t.Errorf("the plan is %+v", plan)
	}
}
