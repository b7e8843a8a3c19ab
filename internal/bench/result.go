package bench

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

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

	FloorRatio float64      `json:"floor_ratio,omitempty"`
	Against    []Comparison `json:"against,omitempty"`

	Steps map[string]Times `json:"steps"`
	Paced *Paced           `json:"at_rate,omitempty"`

	Client      Spent   `json:"client"`
	Server      Spent   `json:"server"`
	ClientShare float64 `json:"client_cpu_share,omitempty"` // of the CPU time of both

	Confirmed     int64 `json:"confirmed"` // to clients, warming up included
	Settled       int64 `json:"settled"`   // in the database
	Checked       bool  `json:"books_checked"`
	DatabaseBytes int64 `json:"database_bytes,omitempty"`
	Interrupted   bool  `json:"interrupted,omitempty"`
}

// Comparison is with what took turns with the scenario. Each run has a ratio of its own.
type Comparison struct {
	Name  string  `json:"name"`
	Rate  float64 `json:"per_second"`
	Ratio Spread  `json:"ratio"`

	CPU      float64 `json:"cpu_us,omitempty"`    // of clients and service together, for each
	CPURatio float64 `json:"cpu_ratio,omitempty"` // of that to the scenario's own: as Ratio would be with nothing but CPU time short
}

// Spread is a median with the least and the most.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Times are quantiles of how long a step took, in milliseconds. They are exact.
type Times struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// Paced is the open loop.
type Paced struct {
	Rate  float64          `json:"payments_per_second"`
	Part  float64          `json:"part"` // of the full rate
	Done  int              `json:"payments"`
	Late  int              `json:"not_begun"` // in time; they are in no step's times
	Steps map[string]Times `json:"steps"`
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

// timesOf are the quantiles of durations: the least one that so many of a hundred do not exceed.
func timesOf(all []time.Duration) Times {
	if len(all) == 0 {
		return Times{}
	}
	slices.Sort(all)
	at := func(percent int) float64 {
		i := (len(all)*percent + 99) / 100
		return float64(all[max(i, 1)-1].Nanoseconds()) / 1e6
	}
	return Times{len(all), at(50), at(95), at(99), at(100)}
}

func stepTimes(r record) map[string]Times {
	out := map[string]Times{}
	for step, all := range r.steps {
		out[step] = timesOf(all)
	}
	return out
}

// result is what the meter has measured until now.
func (m *meter) result() Result {
	main := m.tallies[m.main()]
	name := m.Name
	if m.alone {
		name = FloorPrefix + name
	}
	whole := record{steps: map[string][]time.Duration{}}
	for _, t := range main {
		whole.add(t.record)
	}
	rate := spreadOf(rates(main))
	r := Result{
		Scenario: name, Store: "sqlite", Clients: m.Clients, Accounts: m.town.Accounts, PastPayments: m.town.Payments,
		Duration: m.Duration.Seconds(), Runs: len(main), Payments: whole.payments, Failed: m.failed,
		Rate: rate.Median, RateMin: rate.Min, RateMax: rate.Max, Steps: stepTimes(whole),
		Client: m.client[m.main()].per(whole.payments), Server: m.server[m.main()].per(whole.payments),
	}
	if m.flow.engine() {
		r.Client, r.Server = Spent{}, r.Client // it is all one process
	}
	if m.Service != nil {
		r.Store = "unknown"
	} else if sqlstore.IsServer(m.db) {
		r.Store = "postgres"
	}
	if m.first != nil {
		r.Failure = m.first.Error()
	}
	if r.Client.CPU > 0 && r.Server.CPU > 0 {
		r.ClientShare = r.Client.CPU / (r.Client.CPU + r.Server.CPU)
	}
	for _, s := range m.sides(m.alone) {
		if m.Service == nil && s != m.main() && len(m.tallies[s]) > 0 {
			c := m.against(s, main, r.Client.CPU+r.Server.CPU)
			r.Against = append(r.Against, c)
			if s == sideFloor {
				r.FloorRatio = c.Ratio.Median
			}
		}
	}
	if m.open != nil {
		r.Paced = &Paced{Rate: m.atRate, Part: m.Rate, Done: m.open.payments, Late: m.open.late, Steps: stepTimes(m.open.record)}
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
	names := map[side]string{sideFloor: FloorPrefix + m.Name, sideHash: "PIN hashes alone", sideMany: fmt.Sprintf("%d payees", m.many)}
	c := Comparison{Name: names[s], Rate: spreadOf(rates(m.tallies[s])).Median, Ratio: spreadOf(ratios)}
	c.CPU = m.client[s].per(payments).CPU + m.server[s].per(payments).CPU
	if cpu > 0 {
		c.CPURatio = c.CPU / cpu
	}
	return c
}

// Print writes results as tables for people.
func Print(out io.Writer, results []Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, r := range results {
		if i > 0 {
			fmt.Fprintln(w)
		}
		r.print(w)
	}
	return w.Flush()
}

func (r Result) print(w io.Writer) {
	cut := ""
	if r.Interrupted {
		cut = ", interrupted"
	}
	fmt.Fprintf(w, "%s on %s: %d clients, %d accounts, %d past payments, %d × %.3g s%s\n",
		r.Scenario, r.Store, r.Clients, r.Accounts, r.PastPayments, r.Runs, r.Duration, cut)
	fmt.Fprintf(w, "  %.0f payments/s (%.0f to %.0f); %d in all, %d failed %s\n", r.Rate, r.RateMin, r.RateMax, r.Payments, r.Failed, r.Failure)
	for _, c := range r.Against {
		fmt.Fprintf(w, "  %.3f of %s (%.3f to %.3f), which made %.0f/s; by CPU time %.3f\n",
			c.Ratio.Median, c.Name, c.Ratio.Min, c.Ratio.Max, c.Rate, c.CPURatio)
	}
	printSteps(w, "step", r.Steps)
	if p := r.Paced; p != nil {
		fmt.Fprintf(w, "  open loop at %.2g of the full rate, %.0f/s: %d payments, %d not begun in time\n", p.Part, p.Rate, p.Done, p.Late)
		printSteps(w, "step", p.Steps)
	}
	printSpent(w, "clients", r.Client)
	printSpent(w, "service", r.Server)
	if r.ClientShare > 0 {
		fmt.Fprintf(w, "  clients took %.0f %% of the CPU time\n", 100*r.ClientShare)
	}
	if r.DatabaseBytes > 0 {
		fmt.Fprintf(w, "  database %.1f MB\n", float64(r.DatabaseBytes)/1e6)
	}
	books := "the books are right"
	if !r.Checked {
		books = "the books are for \"tapline check\" to prove"
	}
	fmt.Fprintf(w, "  %s: %d payments confirmed to clients, %d settled\n", books, r.Confirmed, r.Settled)
}

func printSteps(w io.Writer, head string, steps map[string]Times) {
	fmt.Fprintf(w, "\t%s\tp50 ms\tp95 ms\tp99 ms\tmax ms\t\n", head)
	for _, name := range []string{"instruct", "authenticate", "confirm", "look", "approve", stepWhole} {
		if t, ok := steps[name]; ok {
			fmt.Fprintf(w, "\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t\n", name, t.P50, t.P95, t.P99, t.Max)
		}
	}
}

func printSpent(w io.Writer, who string, s Spent) {
	if s == (Spent{}) {
		return
	}
	fmt.Fprintf(w, "  %s, for one payment: %.0f µs of CPU (%.0f collecting garbage), %.1f kB in %.0f allocations, %.1f kB written to disk; %.0f MB resident\n",
		who, s.CPU, s.GC, s.Allocated/1000, s.Objects, s.Written/1000, float64(s.Resident)/1e6)
}
