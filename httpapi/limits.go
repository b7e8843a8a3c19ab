package httpapi

import (
	"net/http"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

// setLimits is POST /v1/admin/accounts/{id}/limits.
func (c *call) setLimits() (answer, error) {
	var in api.NewLimits
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	if err := in.Limits.Check("limits."); err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	command := &processor.SetLimits{Operated: who, Account: ledger.AccountID(c.r.PathValue("id")), Limits: ledger.Limits(in.Limits)}
	return c.operate(in, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(accountView(command.After)) })
}

// limitsView is an account's own limits; nil for none.
func limitsView(l ledger.Limits) *consent.SpendingLimits {
	if l == (ledger.Limits{}) {
		return nil
	}
	v := consent.SpendingLimits(l)
	return &v
}

// spentView is what counts for an account's limits; nil for nothing.
func spentView(t ledger.Turnover) *api.Spent {
	if t.Day.IsZero() {
		return nil
	}
	return &api.Spent{
		Day: t.Day.Format(time.DateOnly), DayCount: t.DayCount, DaySum: t.DaySum, MonthCount: t.MonthCount, MonthSum: t.MonthSum,
	}
}

// rulesOf are a cardholder's rules as they are kept; nil for those that stay as they are. Their form was checked.
func rulesOf(m *consent.SpendingRules) (*payment.Rules, error) {
	if m == nil {
		return nil, nil
	}
	r := payment.Rules{Limits: ledger.Limits(m.Limits), KnownPayees: m.KnownPayees}
	if m.Night != nil {
		from, until, err := m.Night.Minutes()
		if err != nil {
			return nil, err
		}
		r.Night = payment.Night{From: from, Until: until, Zone: m.Night.Zone}
	}
	return &r, nil
}

// rulesView is a cardholder's rules; nil for none.
func rulesView(r payment.Rules) *consent.SpendingRules {
	if r == (payment.Rules{}) {
		return nil
	}
	v := consent.SpendingRules{Limits: consent.SpendingLimits(r.Limits), KnownPayees: r.KnownPayees}
	if r.Night != (payment.Night{}) {
		v.Night = &consent.Night{From: consent.ClockTime(r.Night.From), Until: consent.ClockTime(r.Night.Until), Zone: r.Night.Zone}
	}
	return &v
}
