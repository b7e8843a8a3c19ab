package bench

import (
	"fmt"
	"slices"

	"tapline/sqlstore"
)

// Result is what was measured of one scenario. Rates and ratios are medians over the runs.
type Result struct {
	Scenario     string  `json:"scenario"`
	Store        string  `json:"store"` // sqlite, postgres, or unknown of a running service
	Clients      int     `json:"clients"`
	Accounts     int     `json:"accounts"`
	PastPayments int     `json:"past_payments"`
	Duration     float64 `json:"duration_s"` // of each run
	Runs         int     `json:"runs"`       // that were measured

	Payments int     `json:"payments"` // in all runs
	Failed   int     `json:"failed"`   // warming up and floors included
	Failure  string  `json:"failure,omitempty"`
	Rate     float64 `json:"payments_per_second"`
	RateMin  float64 `json:"payments_per_second_min"`
	RateMax  float64 `json:"payments_per_second_max"`

	Arriving float64 `json:"arriving_per_second,omitempty"` // in an open loop; 0 for a closed one
	NotBegun int     `json:"not_begun,omitempty"`           // of those, in time; they are in no step's times

	FloorRatio float64      `json:"floor_ratio,omitempty"`
	Against    []Comparison `json:"against,omitempty"`

	Steps map[string]Times `json:"steps"`
	Paced *Paced           `json:"at_rate,omitempty"`
	Sweep []Paced          `json:"sweep,omitempty"`

	Client      Spent   `json:"client"`
	Server      Spent   `json:"server"`
	Database    Spent   `json:"database"`                            // of a PostgreSQL server of bench's own
	ClientShare float64 `json:"client_cpu_share,omitempty"`          // of the CPU time of all
	Written     float64 `json:"written_bytes_per_payment,omitempty"` // to disks, by service and database
	Grown       float64 `json:"grown_bytes_per_payment,omitempty"`   // by which the database is larger, free pages included

	Confirmed     int64 `json:"confirmed"` // to clients, warming up included
	Settled       int64 `json:"settled"`   // in the database
	Checked       bool  `json:"books_checked"`
	DatabaseBytes int64 `json:"database_bytes,omitempty"`
	Interrupted   bool  `json:"interrupted,omitempty"`

	goesOn bool // the next scenario is in the same database, which is checked after the last
}

// Comparison is with what took turns with the scenario. Each run has a ratio of its own.
type Comparison struct {
	Name    string  `json:"name"`
	Rate    float64 `json:"per_second"`
	RateMin float64 `json:"per_second_min"`
	RateMax float64 `json:"per_second_max"`
	Ratio   Spread  `json:"ratio"`

	CPU      float64 `json:"cpu_us,omitempty"`    // of clients and service together, for each
	CPURatio float64 `json:"cpu_ratio,omitempty"` // of that to the scenario's own: as Ratio would be with nothing but CPU time short
}

// Spread is a median with the least and the most.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Times are quantiles of how long a step took, in milliseconds, told to one part in a thousand.
type Times struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// Paced is the open loop.
type Paced struct {
	Rate      float64          `json:"arriving_per_second"`
	Part      float64          `json:"part"` // of the full rate
	Done      int              `json:"payments"`
	PerSecond float64          `json:"payments_per_second"`
	Late      int              `json:"not_begun"` // in time; they are in no step's times
	Steps     map[string]Times `json:"steps"`
}

// Spent is what was used for one payment. Zero is not known.
type Spent struct {
	CPU       float64 `json:"cpu_us,omitempty"`
	GC        float64 `json:"gc_cpu_us,omitempty"` // of it
	Allocated float64 `json:"allocated_bytes,omitempty"`
	Objects   float64 `json:"allocated_objects,omitempty"`
	Written   float64 `json:"written_bytes,omitempty"`
	Resident  uint64  `json:"resident_bytes,omitempty"` // of the process, at last
}

func (u Usage) plus(o Usage) Usage {
	return Usage{u.CPU + o.CPU, u.Allocated + o.Allocated, u.Objects + o.Objects, u.Written + o.Written, o.Resident, u.CollectCPU + o.CollectCPU}
}

func (u Usage) per(payments int) Spent {
	n := float64(max(payments, 1))
	return Spent{
		CPU: float64(u.CPU.Microseconds()) / n, GC: float64(u.CollectCPU.Microseconds()) / n, Allocated: float64(u.Allocated) / n,
		Objects: float64(u.Objects) / n, Written: float64(u.Written) / n, Resident: u.Resident,
	}
}

func rates(all []tally) (out []float64) {
	for _, t := range all {
		out = append(out, t.perSecond())
	}
	return out
}

// spreadOf is the spread of numbers; zero of none. Of an even number the median is between the two in the middle.
func spreadOf(all []float64) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(all))
	n := len(s)
	return Spread{(s[(n-1)/2] + s[n/2]) / 2, s[0], s[n-1]}
}

// result is what the meter has measured until now.
func (m *meter) result() Result {
	main := m.tallies[m.main()]
	name := m.Name
	if m.alone {
		name = FloorPrefix + name
	}
	whole := record{times: newTimes()}
	late := 0
	for _, t := range main {
		whole.add(t.record)
		whole.times.add(t.times)
		late += t.late
	}
	rate, used := spreadOf(rates(main)), m.used[m.main()]
	r := Result{
		Scenario: name, Store: SQLite, Clients: m.Clients, Accounts: m.town.Accounts, PastPayments: m.town.Payments,
		Duration: m.Duration.Seconds(), Runs: len(main), Payments: whole.payments, Failed: m.failed, Arriving: m.Rate, NotBegun: late,
		Rate: rate.Median, RateMin: rate.Min, RateMax: rate.Max, Steps: whole.times.table(), Paced: m.paced, Sweep: m.sweep,
		Client: used[clients].per(whole.payments), Server: used[services].per(whole.payments), Database: used[database].per(whole.payments),
	}
	if m.flow.engine() {
		r.Client, r.Server = Spent{}, r.Client // it is all one process
	}
	if m.Service != nil {
		r.Store = "unknown"
	} else if sqlstore.IsServer(m.db) {
		r.Store = Postgres
	} else {
		r.Database = Spent{} // a server that runs beside for pgbench
	}
	r.Written = r.Server.Written + r.Database.Written
	if m.first != nil {
		r.Failure = m.first.Error()
	}
	all := r.Client.CPU + r.Server.CPU + r.Database.CPU
	if r.Client.CPU > 0 && r.Server.CPU > 0 {
		r.ClientShare = r.Client.CPU / all
	}
	for _, s := range m.turns() {
		if m.Service == nil && s != m.main() && len(m.tallies[s]) > 0 {
			c := m.against(s, main, all)
			r.Against = append(r.Against, c)
			if s == sideFloor {
				r.FloorRatio = c.Ratio.Median
			}
		}
	}
	return r
}

// against compares run by run.
func (m *meter) against(s side, main []tally, cpu float64) Comparison {
	var ratios []float64
	payments := 0
	for i, t := range m.tallies[s] {
		payments += t.payments
		if i < len(main) && t.perSecond() > 0 {
			ratios = append(ratios, main[i].perSecond()/t.perSecond())
		}
	}
	names := map[side]string{
		sideFloor: FloorPrefix + m.Name, sideHash: "PIN hashes alone", sideMany: fmt.Sprintf("%d payees", m.many), sideOne: "one service",
		sideSmall: "a small database", sidePgbench: "pgbench", sideAppend: "append and fdatasync",
	}
	rate := spreadOf(rates(m.tallies[s]))
	c := Comparison{Name: names[s], Rate: rate.Median, RateMin: rate.Min, RateMax: rate.Max, Ratio: spreadOf(ratios)}
	if s == sidePgbench || s == sideAppend {
		return c // CPU time is not what they are about
	}
	for _, u := range m.used[s] {
		c.CPU += u.per(payments).CPU
	}
	if cpu > 0 {
		c.CPURatio = c.CPU / cpu
	}
	return c
}
