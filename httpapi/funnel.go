package httpapi

import (
	"cmp"
	"slices"
	"time"

	"tapline/api"
	"tapline/payment"
	"tapline/processor"
)

// maxCounted bounds how many payments one funnel counts: the newest.
const maxCounted = 20_000

// getFunnel is GET /v1/admin/funnel.
func (c *call) getFunnel() (answer, error) {
	now := c.now()
	from, until := now.Add(-24*time.Hour), now.Add(time.Microsecond)
	if err := c.times(&from, &until); err != nil {
		return answer{}, err
	}
	if until.Before(from) {
		return answer{}, refuseField("invalid_field", "until")
	}
	f := newFunnel(from, until)
	q := processor.PaymentQuery{All: true, From: from, Before: until, Limit: searchedOnce}
	for counted := 0; ; {
		var found []payment.Payment
		err := c.Store.View(c.r.Context(), func(r processor.Reader) (err error) {
			found, err = r.Payments(q)
			return err
		})
		if err != nil {
			return answer{}, err
		}
		for _, p := range found {
			f.count(p)
		}
		counted += len(found)
		if len(found) < searchedOnce {
			return ok(f.result(from, true))
		}
		last := found[len(found)-1]
		q.Before, q.BeforeID = last.InstructedAt, last.ID
		if counted >= maxCounted {
			return ok(f.result(last.InstructedAt, false))
		}
	}
}

// funnel counts payments.
type funnel struct {
	api.Funnel
	stages   [4]stage // in the order of stageNames
	outcomes map[api.Outcome]int
}

var stageNames = [4]string{"authentication", "confirmation", "approval", "settlement"}

// stage is one step that payments pass.
type stage struct {
	asked int
	took  []int64 // milliseconds of those that passed
}

func newFunnel(from, until time.Time) *funnel {
	return &funnel{Funnel: api.Funnel{From: from, Until: until}, outcomes: map[api.Outcome]int{}}
}

// count adds a payment. An open one counts as far as it has come.
func (f *funnel) count(p payment.Payment) {
	switch {
	case p.Decoy():
		f.Decoys++
		return
	case p.Rehearsal:
		f.Rehearsals++
		return
	}
	f.Instructed++
	f.outcomes[api.Outcome{State: string(p.State), Reason: string(p.Reason.Told())}]++
	rejected := p.State == payment.Rejected && p.AuthenticatedAt.IsZero() && p.Reason != payment.AuthenticationFailed
	f.stages[0].pass(p.Level >= payment.LevelAuthenticate && !rejected, p.InstructedAt, p.AuthenticatedAt)
	f.stages[1].pass(p.Level >= payment.LevelConfirm && !p.AuthenticatedAt.IsZero(), p.AuthenticatedAt, p.ConfirmedAt)
	f.stages[2].pass(p.NeedsSecond() && !p.ConfirmedAt.IsZero(), p.ConfirmedAt, p.ApprovedAt)
	settled := time.Time{}
	if p.State == payment.Settled {
		settled = p.EndedAt
	}
	f.stages[3].pass(true, p.InstructedAt, settled)
}

// pass counts a payment that was asked for a step, and how long it took if it passed.
func (s *stage) pass(asked bool, from, at time.Time) {
	if !asked {
		return
	}
	s.asked++
	if !at.IsZero() {
		s.took = append(s.took, at.Sub(from).Milliseconds())
	}
}

// result is what was counted.
func (f *funnel) result(from time.Time, complete bool) api.Funnel {
	f.From, f.Complete = from, complete
	for i, s := range f.stages {
		slices.Sort(s.took)
		f.Stages = append(f.Stages, api.FunnelStage{
			Stage: stageNames[i], Asked: s.asked, Passed: len(s.took), Median: percentile(s.took, 50), P95: percentile(s.took, 95),
		})
	}
	f.Outcomes = []api.Outcome{}
	for o, n := range f.outcomes {
		o.Count = n
		f.Outcomes = append(f.Outcomes, o)
	}
	slices.SortFunc(f.Outcomes, func(a, b api.Outcome) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.State, b.State), cmp.Compare(a.Reason, b.Reason))
	})
	return f.Funnel
}

// percentile is the nearest rank: the least value that n of 100 are not above; 0 of none.
func percentile(sorted []int64, n int) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*n+99)/100-1]
}

// listEvents is GET /v1/admin/events, newest first.
func (c *call) listEvents() (answer, error) {
	if err := c.numbered(); err != nil {
		return answer{}, err
	}
	rows, limit, err := c.list("events")
	if err != nil {
		return answer{}, err
	}
	list := api.AdminEvents{Events: []api.AdminEvent{}}
	for _, e := range rows.Events {
		list.Events = append(list.Events, api.AdminEvent{
			ID: e.Seq, Event: eventView(e),
		})
	}
	list.Next = after(rows.Events, limit, func(e processor.Event) string { return seq(e.Seq) })
	return ok(list)
}
