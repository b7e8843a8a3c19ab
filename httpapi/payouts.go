package httpapi

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

// payoutParams are what payouts are listed by.
func payoutParams(own ...param) []param {
	return listedInTime(append(own,
		param{name: "state", doc: "Only payouts in this state.", enum: textsOf(payout.States)},
		param{name: "currency", doc: "Only payouts of this currency."})...)
}

// payoutRoutes are what a payee does with payouts: see docs/decisions/0036-payouts.md.
func payoutRoutes() []*route {
	own := []credential{byPayee}
	return []*route{
		{
			method: "POST", path: "/v1/payouts", id: "makePayout", summary: "Have money paid out to the payee's bank account",
			text: "The money is set aside at once, and is in the operator's next file for the bank. Above the operator's limit an operator has to " +
				"approve it. Where it goes to, an operator sets; a key cannot.",
			by: own, scope: processor.ScopePayouts, in: typeOf[api.NewPayout](), status: http.StatusCreated, out: typeOf[api.Payout](), handle: (*call).makeOwnPayout,
			codes: []string{"idempotency_key_required", "unknown_payee", "wrong_currency", "no_bank_account", "account_balance", "payout_least", "too_large"},
		}, {
			method: "GET", path: "/v1/payouts", id: "listPayouts", summary: "List the payee's payouts",
			text: "By state and currency; a page at a time.",
			by:   own, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.Payouts](), handle: (*call).listPayouts, query: payoutParams(),
		}, {
			method: "GET", path: "/v1/payouts/{id}", id: "getPayout", summary: "Read a payout",
			text: "With where it goes to, of which the last four characters are shown.",
			by:   own, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.Payout](), handle: (*call).getPayout, codes: []string{"unknown_payout"},
		}, {
			method: "GET", path: "/v1/payout-plans", id: "listPayoutPlans", summary: "Tell where the payee's money is paid out to, and when",
			text: "With a bank account that is to take the place of one: whoever does not know of it should tell the operator at once.",
			by:   own, scope: processor.ScopeRead, status: http.StatusOK, out: typeOf[api.PayoutPlans](), handle: (*call).listOwnPlans,
		},
	}
}

// adminPayoutRoutes are what operators do with payouts.
func adminPayoutRoutes() []*route {
	one, plan, noted := typeOf[api.Payout](), typeOf[api.PayoutPlan](), typeOf[api.Noted]()
	steps := []string{"unknown_payout", "payout_state"}
	return []*route{
		adminWrite("/payouts", "makePayeePayout", "Have money of a payee's paid out", typeOf[api.NewPayeePayout](), one, http.StatusCreated, (*call).makePayeePayout,
			"unknown_payee", "wrong_currency", "no_bank_account", "account_balance", "too_large"),
		adminWrite("/cards/{id}/pay-out", "payOutCard", "Have what is left on the account of a closed card paid out", typeOf[api.NewCardPayout](), one, http.StatusCreated, (*call).payOutCard,
			"unknown_card", "card_state", "account_balance", "bank_account", "text_not_shown", "too_large"),
		adminRead("/payouts", "listAllPayouts", "List payouts", typeOf[api.Payouts](), (*call).listPayouts,
			payoutParams(param{name: "payee", doc: "Only payouts of this payee."})...),
		adminRead("/payouts/{id}", "getAnyPayout", "Read a payout", one, (*call).getPayout).or("unknown_payout"),
		adminWrite("/payouts/{id}/approve", "approvePayout", "Approve a payout that somebody else has asked for", noted, one, http.StatusOK, stepPayout(payout.Approve), append(steps, "second_operator")...),
		adminWrite("/payouts/{id}/cancel", "cancelPayout", "Take a payout back before it is in a file", noted, one, http.StatusOK, stepPayout(payout.Cancel), steps...),
		adminWrite("/payouts/{id}/confirm", "confirmPayout", "Say that the bank has paid a payout", noted, one, http.StatusOK, stepPayout(payout.Confirm), steps...),
		adminWrite("/payouts/{id}/return", "returnPayout", "Say that the bank has not paid a payout, or got it back", noted, one, http.StatusOK, stepPayout(payout.Return), append(steps, "second_operator", "too_large")...),
		adminWrite("/payout-files", "makePayoutFile", "Put the payouts that are ready into a file for a bank", typeOf[api.NewPayoutFile](), typeOf[api.PayoutFile](), http.StatusCreated, (*call).makePayoutFile, "bank_account", "text_not_shown", "nothing_ready"),
		adminRead("/payout-files", "listPayoutFiles", "List files of payouts", typeOf[api.PayoutFiles](), (*call).listPayoutFiles, page...),
		adminRead("/payout-files/{id}", "getPayoutFile", "Read a file of payouts", typeOf[api.PayoutFile](), (*call).getPayoutFile,
			param{name: "format", doc: "json if left out; or pain.001 (ISO 20022 pain.001.001.09), or csv (RFC 4180).", enum: []string{"json", "pain.001", "csv"}}).or("unknown_payout_file").orAs(formatTypes...),
		adminRead("/payees/{handle}/payout-plans", "listPlansOfPayee", "Tell where a payee's money is paid out to, and when", typeOf[api.PayoutPlans](), (*call).listPlansOfPayee),
		adminWrite("/payees/{handle}/bank-account", "setBankAccount", "Ask for another bank account of a payee", typeOf[api.NewBankAccount](), plan, http.StatusOK, (*call).setBankAccount, "unknown_payee", "wrong_currency", "bank_account"),
		adminWrite("/payees/{handle}/bank-account/confirm", "confirmBankAccount", "Confirm another operator's change of a bank account", typeOf[api.BankAccountDecision](), plan, http.StatusOK, decideBankAccount(true), "unknown_payee", "wrong_currency", "bank_change", "second_operator"),
		adminWrite("/payees/{handle}/bank-account/reject", "rejectBankAccount", "Reject a change of a bank account, or take one's own back", typeOf[api.BankAccountDecision](), plan, http.StatusOK, decideBankAccount(false), "unknown_payee", "wrong_currency", "bank_change"),
		adminWrite("/payees/{handle}/payout-schedule", "setPayoutSchedule", "Say when a payee is paid out", typeOf[api.NewPayoutSchedule](), plan, http.StatusOK, (*call).setPayoutSchedule, "unknown_payee", "wrong_currency"),
	}
}

// asked is the amount and currency of a payout that is asked for.
func asked(amount *money.Amount, currency money.Currency) (int64, money.Currency, error) {
	if amount == nil {
		if currency != "" && !currency.Known() {
			return 0, "", refuseField("invalid_field", "currency")
		}
		return 0, currency, nil
	}
	if !amount.Valid() || currency != "" && currency != amount.Currency {
		return 0, "", refuseField("invalid_field", "amount")
	}
	return amount.Minor, amount.Currency, nil
}

// makeOwnPayout is POST /v1/payouts.
func (c *call) makeOwnPayout() (answer, error) {
	var in api.NewPayout
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	minor, currency, err := asked(in.Amount, in.Currency)
	if err != nil {
		return answer{}, err
	}
	note, err := consent.CleanText(in.Note, 280)
	if err != nil {
		return answer{}, refuseField("text_not_shown", "note")
	}
	key, err := c.byHeader()
	if err != nil {
		return answer{}, err
	}
	command := &processor.MakePayout{Payee: c.by.payee, Currency: currency, Minor: minor, ID: consent.NewPayoutID(), Alone: c.FourEyesAbove}
	command.Note = note
	return c.do(processor.Request{Key: key, Digest: c.digest(in), Command: command, Answer: func(time.Time) (int, []byte) {
		return http.StatusCreated, encode(c.payoutView(command.Made))
	}})
}

// makePayeePayout is POST /v1/admin/payouts.
func (c *call) makePayeePayout() (answer, error) {
	var in api.NewPayeePayout
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	minor, currency, err := asked(in.Amount, in.Currency)
	if err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	command := &processor.MakePayout{Operated: who, Payee: payment.Handle(in.Payee), Currency: currency, Account: ledger.AccountID(in.Account), Minor: minor,
		ID: consent.NewPayoutID(), Alone: c.FourEyesAbove}
	return c.operate(in, command, func(time.Time) (int, []byte) { return http.StatusCreated, encode(c.payoutView(command.Made)) })
}

// payOutCard is POST /v1/admin/cards/{id}/pay-out.
func (c *call) payOutCard() (answer, error) {
	var in api.NewCardPayout
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	to, err := bankAccount("to", in.To)
	if err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err == nil && who.Note == "" {
		err = refuseField("invalid_field", "note")
	}
	if err != nil {
		return answer{}, err
	}
	command := &processor.PayOutCard{Operated: who, Card: payment.CardID(c.r.PathValue("id")), To: to, ID: consent.NewPayoutID(), Alone: c.FourEyesAbove}
	return c.operate(in, command, func(time.Time) (int, []byte) { return http.StatusCreated, encode(c.payoutView(command.Made)) })
}

// stepPayout is POST /v1/admin/payouts/{id}/approve, cancel, confirm or return.
func stepPayout(v payout.Verb) func(*call) (answer, error) {
	return func(c *call) (answer, error) {
		var in api.Noted
		who, err := c.noted(&in)
		if err != nil {
			return answer{}, err
		}
		command := &processor.StepPayout{Operated: who, ID: payout.ID(c.r.PathValue("id")), Verb: v, Alone: c.FourEyesAbove}
		return c.operate(in, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(c.payoutView(command.After)) })
	}
}

// payoutView is a payout as the caller sees it.
func (c *call) payoutView(p payout.Payout) api.Payout {
	v := api.Payout{
		ID: string(p.ID), Payee: string(p.Payee), Account: string(p.Account), Amount: p.Amount, State: string(p.State), Version: p.Version, To: p.To,
		EndToEnd: p.ID.EndToEnd(), AskedBy: p.AskedBy, Note: p.Note, ApprovedBy: p.ApprovedBy, ReturnedBy: p.ReturnedBy, File: string(p.File),
		MadeAt: p.MadeAt, SentAt: when(p.SentAt), ConfirmedAt: when(p.ConfirmedAt), EndedAt: when(p.EndedAt),
	}
	if c.by.who == byPayee { // who of the operators it was is not told
		v.To, v.ApprovedBy, v.ReturnedBy = p.To.Masked(), "", ""
		if strings.HasPrefix(p.AskedBy, string(processor.OperatorPrincipal(""))) {
			v.AskedBy, v.Note = "operator", ""
		}
	}
	return v
}

// getPayout is GET /v1/payouts/{id}, and GET /v1/admin/payouts/{id}.
func (c *call) getPayout() (answer, error) {
	rows, err := c.load(c.r.Context(), processor.Wants{Payouts: []payout.ID{payout.ID(c.r.PathValue("id"))}})
	if err != nil {
		return answer{}, err
	}
	if len(rows.Payouts) == 0 || c.by.who == byPayee && rows.Payouts[0].Payee != c.by.payee {
		return answer{}, processor.ErrUnknownPayout
	}
	return ok(c.payoutView(rows.Payouts[0]))
}

// listPayouts is GET /v1/payouts, and GET /v1/admin/payouts.
func (c *call) listPayouts() (answer, error) {
	s, err := c.span(func(id string) error { return consent.CheckPayoutID(payout.ID(id)) })
	if err != nil {
		return answer{}, err
	}
	q := processor.PayoutQuery{Payee: payment.Handle(c.query["payee"]), State: payout.State(c.query["state"]), Currency: money.Currency(c.query["currency"]),
		From: s.from, Before: s.before, BeforeID: payout.ID(s.beforeID), Oldest: s.oldest, AfterID: payout.ID(s.afterID), Limit: s.limit}
	if c.by.who == byPayee {
		q.Payee = c.by.payee
	}
	list := api.Payouts{Payouts: []api.Payout{}}
	err = c.Store.View(c.r.Context(), func(r processor.Reader) error {
		found, err := r.Payouts(q)
		for _, p := range found {
			list.Payouts = append(list.Payouts, c.payoutView(p))
		}
		if len(found) == q.Limit {
			last := found[len(found)-1]
			list.Next = cursor(last.MadeAt, string(last.ID))
		}
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return ok(list)
}

// bankAccount is a bank account as it is kept.
func bankAccount(field string, b payout.BankAccount) (payout.BankAccount, error) {
	name, err := consent.CleanText(b.Name, 70)
	if err != nil {
		return b, refuseField("text_not_shown", field+".name")
	}
	b.Name = name
	if b, err = b.Clean(); err != nil {
		return b, refuseField("bank_account", field)
	}
	return b, nil
}

// planOf names a payee's plan in a currency; the payee's first if that is empty.
func (c *call) planOf(currency money.Currency) (processor.PlanID, error) {
	id := processor.PlanID{Payee: payment.Handle(c.r.PathValue("handle")), Currency: currency}
	if currency != "" {
		return id, knownCurrency(currency)
	}
	rows, err := c.load(c.r.Context(), processor.Wants{Payees: []payment.Handle{id.Payee}})
	if err == nil && len(rows.Payees) == 0 {
		err = processor.ErrUnknownPayee
	}
	if err == nil {
		id.Currency = rows.Payees[0].Currency
	}
	return id, err
}

// setBankAccount is POST /v1/admin/payees/{handle}/bank-account.
func (c *call) setBankAccount() (answer, error) {
	var in api.NewBankAccount
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	to, err := bankAccount("bank_account", in.Account)
	if err == nil && to.Cash {
		err = refuseField("bank_account", "bank_account")
	}
	if err != nil {
		return answer{}, err
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	id, err := c.planOf(in.Currency)
	if err != nil {
		return answer{}, err
	}
	command := &processor.SetBankAccount{Operated: who, PlanID: id, To: to, FourEyes: c.FourEyesAbove > 0, Delay: c.BankAccountDelay}
	return c.operate(in, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(c.planView(command.After)) })
}

// decideBankAccount is POST /v1/admin/payees/{handle}/bank-account/confirm or reject.
func decideBankAccount(confirm bool) func(*call) (answer, error) {
	return func(c *call) (answer, error) {
		var in api.BankAccountDecision
		if err := c.decode(&in); err != nil {
			return answer{}, err
		}
		who, err := c.operated(in.Note)
		if err != nil {
			return answer{}, err
		}
		id, err := c.planOf(in.Currency)
		if err != nil {
			return answer{}, err
		}
		command := &processor.DecideBankAccount{Operated: who, PlanID: id, Confirm: confirm, Version: in.Version, Delay: c.BankAccountDelay}
		return c.operate(in, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(c.planView(command.After)) })
	}
}

// setPayoutSchedule is POST /v1/admin/payees/{handle}/payout-schedule.
func (c *call) setPayoutSchedule() (answer, error) {
	var in api.NewPayoutSchedule
	if err := c.decode(&in); err != nil {
		return answer{}, err
	}
	at, err := time.Parse("15:04", cmp.Or(in.Schedule.At, "00:00"))
	if err != nil {
		return answer{}, refuseField("invalid_field", "schedule.at")
	}
	s := payout.Schedule{Every: payout.Every(in.Schedule.Every), Day: in.Schedule.Day, Minute: at.Hour()*60 + at.Minute(), Least: in.Schedule.Least, Keep: in.Schedule.Keep}
	if s.Every == "never" {
		s.Every, s.Minute = "", 0
	}
	if errors.Is(s.Check(), payout.ErrSchedule) {
		return answer{}, refuseField("invalid_field", "schedule.day")
	}
	who, err := c.operated(in.Note)
	if err != nil {
		return answer{}, err
	}
	id, err := c.planOf(in.Currency)
	if err != nil {
		return answer{}, err
	}
	command := &processor.SetPayoutSchedule{Operated: who, PlanID: id, Schedule: s}
	return c.operate(in, command, func(time.Time) (int, []byte) { return http.StatusOK, encode(c.planView(command.After)) })
}

// planView is a payout plan as the caller sees it.
func (c *call) planView(row processor.PayoutPlan) api.PayoutPlan {
	p := row.At(c.now())
	s := p.Schedule
	v := api.PayoutPlan{Payee: string(p.Payee), Currency: p.Currency, NextAt: when(p.NextAt), Version: p.Version,
		Schedule: api.PayoutSchedule{Every: cmp.Or(string(s.Every), "never"), Day: s.Day, Least: s.Least, Keep: s.Keep}}
	if s.Every != "" {
		v.Schedule.At = time.Unix(int64(s.Minute)*60, 0).UTC().Format("15:04")
	}
	show := func(b payout.BankAccount) payout.BankAccount {
		if c.by.who == byPayee {
			return b.Masked()
		}
		return b
	}
	if to := show(p.To); to != (payout.BankAccount{}) {
		v.To = &to
	}
	if p.Change != (processor.BankChange{}) {
		v.Change = &api.BankChange{To: show(p.Change.To), RequestedAt: p.Change.RequestedAt, CountsFrom: when(p.Change.From)}
		if c.by.who != byPayee {
			v.Change.RequestedBy, v.Change.ConfirmedBy = string(p.Change.RequestedBy), string(p.Change.ConfirmedBy)
		}
	}
	return v
}

// plans are a payee's.
func (c *call) plans(h payment.Handle) (answer, error) {
	list := api.PayoutPlans{Plans: []api.PayoutPlan{}}
	err := c.Store.View(c.r.Context(), func(r processor.Reader) error {
		found, err := r.PlansOf(h)
		for _, p := range found {
			list.Plans = append(list.Plans, c.planView(p))
		}
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return ok(list)
}

// listOwnPlans is GET /v1/payout-plans.
func (c *call) listOwnPlans() (answer, error) { return c.plans(c.by.payee) }

// listPlansOfPayee is GET /v1/admin/payees/{handle}/payout-plans.
func (c *call) listPlansOfPayee() (answer, error) {
	return c.plans(payment.Handle(c.r.PathValue("handle")))
}
