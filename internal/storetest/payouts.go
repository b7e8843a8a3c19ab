package storetest

import (
	"fmt"
	"slices"
	"time"

	"tapline/ledger"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

// paidOut is a payout of the shop's that is ready.
func paidOut(id payout.ID) payout.Payout {
	p, _ := payout.New(payout.Payout{ID: id, Payee: "shop", Account: "shop1", Amount: cny(100), AskedBy: "payee:shop", Note: "Monday — 星期一",
		To: payout.BankAccount{Name: "书店 Books", IBAN: "GB82WEST12345698765432", BIC: "WESTGB2L"}}, false, noon)
	return p
}

func fileOf(id payout.FileID, all ...payout.Payout) processor.PayoutFile {
	f := processor.PayoutFile{ID: id, Currency: "CNY", From: payout.BankAccount{Name: "Tapline", Other: "0012 3456"}, On: "2026-03-02",
		Payouts: int64(len(all)), By: "op", Note: "the day's — 今天", At: noon}
	for _, p := range all {
		f.Total += p.Amount.Minor
	}
	return f
}

func plan(h payment.Handle) processor.PayoutPlan {
	return processor.PayoutPlan{PlanID: processor.PlanID{Payee: h, Currency: "CNY"}, To: paidOut("x").To, Version: 3, NextAt: noon.Add(time.Hour),
		Change:   processor.BankChange{To: payout.BankAccount{Name: "B", Other: "7777"}, RequestedBy: "op", RequestedAt: noon, ConfirmedBy: "op2", From: noon.Add(time.Minute)},
		Schedule: payout.Schedule{Every: payout.Weekly, Day: 1, Minute: 61, Least: 1, Keep: 2}}
}

// addPayouts adds one of each kind of row about payouts.
func addPayouts(c processor.Changes) processor.Changes {
	r := &c.New
	sent, _ := stepOut(paidOut("out_1"), "f1", payout.Send)
	returned, _ := stepOut(paidOut("out_2"), "f1", payout.Send, payout.Confirm, payout.Return)
	returned.ApprovedBy, returned.ReturnedBy = "operator:op", "operator:op2"
	r.Payouts = []payout.Payout{sent, returned, paidOut("out_3")}
	r.PayoutFiles = []processor.PayoutFile{fileOf("f1", sent, returned), fileOf("f2", sent)}
	r.PayoutPlans = []processor.PayoutPlan{plan("shop"), {PlanID: processor.PlanID{Payee: "shut", Currency: "CNY"}, Version: 1}}
	return c
}

// stepOut takes a payout through verbs, a second apart.
func stepOut(p payout.Payout, file payout.FileID, verbs ...payout.Verb) (payout.Payout, []ledger.Entry) {
	var entries []ledger.Entry
	for _, v := range verbs {
		after, e, err := p.Step(v, p.MadeAt.Add(time.Duration(p.Version)*time.Second))
		if err != nil {
			panic(err)
		}
		if v == payout.Send {
			after.File = file
		}
		if e != nil {
			entries = append(entries, *e)
		}
		p = after
	}
	return p, entries
}

// payout takes one of the shop's through verbs, a change each, and its file with it.
func (b *books) payout(id payout.ID, minor int64, verbs ...payout.Verb) {
	p := paidOut(id)
	p.Amount.Minor = minor
	p, hold := payout.New(p, verbs[0] == payout.Approve, noon)
	c := processor.Changes{New: processor.Rows{Payouts: []payout.Payout{p}}}
	b.enter(&c, hold)
	b.all = append(b.all, c)
	for _, v := range verbs {
		file := payout.FileID("f-" + id)
		var entries []ledger.Entry
		p, entries = stepOut(p, file, v)
		c := processor.Changes{Changed: processor.Rows{Payouts: []payout.Payout{p}}}
		if v == payout.Send {
			c.New.PayoutFiles = []processor.PayoutFile{fileOf(file, p)}
		}
		for _, e := range entries {
			b.enter(&c, e)
		}
		b.all = append(b.all, c)
	}
}

func (s *suite) payoutsListed() {
	s.save(world())
	var all []payout.Payout
	for i := range 10 {
		p := paidOut(payout.ID(fmt.Sprintf("out_%02d", i)))
		p.MadeAt = noon.Add(time.Duration(i/2) * time.Microsecond)
		if i%3 == 0 {
			p, _ = stepOut(p, "f1", payout.Send)
		}
		if i == 1 {
			p.Payee, p.Account = "", "card1"
		}
		all = append([]payout.Payout{p}, all...)
	}
	of := func(keep func(payout.Payout) bool) []payout.Payout {
		return slices.DeleteFunc(slices.Clone(all), func(p payout.Payout) bool { return !keep(p) })
	}
	sent := of(func(p payout.Payout) bool { return p.State == payout.Sent })
	s.save(processor.Changes{New: processor.Rows{Payouts: all, PayoutFiles: []processor.PayoutFile{fileOf("f1", sent...)}}})
	for what, c := range map[string]struct {
		query processor.PayoutQuery
		want  []payout.Payout
	}{
		"all":              {processor.PayoutQuery{Limit: 100}, all},
		"all, 3":           {processor.PayoutQuery{Limit: 3}, all[:3]},
		"payee":            {processor.PayoutQuery{Payee: "shop", Limit: 100}, of(func(p payout.Payout) bool { return p.Payee == "shop" })},
		"another payee":    {processor.PayoutQuery{Payee: "none", Limit: 3}, nil},
		"state":            {processor.PayoutQuery{State: payout.Sent, Limit: 100}, sent},
		"a state that is":  {processor.PayoutQuery{State: payout.Returned, Limit: 100}, nil},
		"file":             {processor.PayoutQuery{File: "f1", Limit: 2}, sent[:2]},
		"another currency": {processor.PayoutQuery{State: payout.Sent, Currency: "JPY", Limit: 2}, nil},
		"before an id":     {processor.PayoutQuery{Before: noon.Add(2 * time.Microsecond), BeforeID: "out_05", Limit: 100}, all[5:]},
		"oldest first":     {processor.PayoutQuery{From: noon.Add(4 * time.Microsecond), AfterID: "out_08", Oldest: true, Limit: 9}, all[:1]},
		"strange text":     {processor.PayoutQuery{Payee: "a\x00", Limit: 100}, nil},
	} {
		s.view(func(r processor.Reader) error {
			got, err := r.Payouts(c.query)
			s.equal("payouts by "+what, got, c.want)
			return err
		})
	}
}

func (s *suite) payoutPlans() {
	c := everything()
	s.save(c)
	s.view(func(r processor.Reader) error {
		got, err := r.PlansOf("shop")
		s.equal("plans", got, c.New.PayoutPlans[:1])
		return err
	})
	for _, c := range []struct {
		now  time.Time
		want []processor.PlanID
	}{{noon.Add(time.Hour - 1), nil}, {noon.Add(time.Hour), []processor.PlanID{{Payee: "shop", Currency: "CNY"}}}} {
		s.view(func(r processor.Reader) error {
			got, err := r.Due(c.now, 10)
			s.equal(fmt.Sprintf("plans due at %v", c.now), got.PayoutPlans, c.want)
			return err
		})
	}
}

func (s *suite) impossiblePayouts() {
	s.save(world())
	sent, _ := stepOut(paidOut("out_1"), "f1", payout.Send)
	s.save(processor.Changes{New: processor.Rows{PayoutFiles: []processor.PayoutFile{fileOf("f1", sent)}}})
	for what, change := range map[string]func(*payout.Payout){
		"no payee":           func(p *payout.Payout) { p.Payee = "none" },
		"no account":         func(p *payout.Payout) { p.Account = "none" },
		"no money":           func(p *payout.Payout) { p.Amount.Minor = 0 },
		"no bank account":    func(p *payout.Payout) { p.To = payout.BankAccount{} },
		"no state":           func(p *payout.Payout) { p.State = "paid" },
		"nobody asked":       func(p *payout.Payout) { p.AskedBy = "" },
		"sent in no file":    func(p *payout.Payout) { p.File = "" },
		"of an unknown file": func(p *payout.Payout) { p.File = "f2" },
		"ready in a file":    func(p *payout.Payout) { p.State = payout.Ready },
		"ended and open":     func(p *payout.Payout) { p.EndedAt = noon },
		"returned, no end":   func(p *payout.Payout) { p.State = payout.Returned },
		"confirmed, not":     func(p *payout.Payout) { p.State = payout.Confirmed },
		"confirmed and sent": func(p *payout.Payout) { p.ConfirmedAt = noon },
	} {
		p := sent
		change(&p)
		s.refused(what, processor.Changes{New: processor.Rows{Payouts: []payout.Payout{p}}})
	}
	bad := plan("none")
	s.refused("a plan of nobody", processor.Changes{New: processor.Rows{PayoutPlans: []processor.PayoutPlan{bad}}})
	f := fileOf("f3")
	s.refused("an empty file", processor.Changes{New: processor.Rows{PayoutFiles: []processor.PayoutFile{f}}})
	f.Payouts, f.Total = 1, 1
	if err := s.trySave(processor.Changes{Changed: processor.Rows{PayoutFiles: []processor.PayoutFile{f}}}); err == nil {
		s.Error("a file was changed")
	}
}
