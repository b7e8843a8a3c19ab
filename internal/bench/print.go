package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

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
	if r.Arriving > 0 {
		fmt.Fprintf(w, "  open loop: %.0f/s arrive, %d were not begun in time\n", r.Arriving, r.NotBegun)
	}
	if r.Payments > 0 {
		fmt.Fprintf(w, "  %.0f payments/s (%.0f to %.0f); %d in all, %d failed %s\n", r.Rate, r.RateMin, r.RateMax, r.Payments, r.Failed, r.Failure)
	}
	for _, c := range r.Against {
		fmt.Fprintf(w, "  %.3f of %s (%.3f to %.3f), which made %.0f/s", c.Ratio.Median, c.Name, c.Ratio.Min, c.Ratio.Max, c.Rate)
		if c.CPURatio > 0 {
			fmt.Fprintf(w, "; by CPU time %.3f", c.CPURatio)
		}
		fmt.Fprintln(w)
	}
	printSteps(w, "step", r.Steps)
	if r.Paced != nil {
		r.Paced.print(w)
	}
	for _, p := range r.Sweep {
		p.print(w)
	}
	printSpent(w, "clients", r.Client)
	printSpent(w, "service", r.Server)
	printSpent(w, "PostgreSQL", r.Database)
	if r.ClientShare > 0 {
		fmt.Fprintf(w, "  clients took %.0f %% of the CPU time\n", 100*r.ClientShare)
	}
	if r.DatabaseBytes > 0 {
		fmt.Fprintf(w, "  database %.1f MB", float64(r.DatabaseBytes)/1e6)
		if r.Payments > 0 {
			fmt.Fprintf(w, "; for one payment %.1f kB written to disk, of which it grows by %.1f kB", r.Written/1000, r.Grown/1000)
		}
		fmt.Fprintln(w)
	}
	books := "the books are right"
	switch {
	case r.goesOn:
		books = "the books are proved after the last scenario in this database"
	case !r.Checked:
		books = "the books are for \"tapline check\" to prove"
	}
	fmt.Fprintf(w, "  %s: %d payments confirmed to clients, %d settled\n", books, r.Confirmed, r.Settled)
}

func (p Paced) print(w io.Writer) {
	fmt.Fprintf(w, "  open loop at %.2g of the full rate, %.0f/s: %d payments, %d not begun in time\n", p.Part, p.Rate, p.Done, p.Late)
	printSteps(w, "step", p.Steps)
}

func printSteps(w io.Writer, head string, steps map[string]Times) {
	fmt.Fprintf(w, "\t%s\tp50 ms\tp95 ms\tp99 ms\tmax ms\t\n", head)
	for _, name := range []string{"payee", "instruct", "authenticate", "confirm", "look", "approve", "receipt", stepWhole, stepStart} {
		if t, ok := steps[name]; ok {
			fmt.Fprintf(w, "\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t\n", name, t.P50, t.P95, t.P99, t.Max)
		}
	}
}

func printSpent(w io.Writer, who string, s Spent) {
	if s == (Spent{}) || s.CPU == 0 {
		return
	}
	fmt.Fprintf(w, "  %s, for one payment: %.0f µs of CPU", who, s.CPU)
	if s.Objects > 0 {
		fmt.Fprintf(w, " (%.0f collecting garbage), %.1f kB in %.0f allocations", s.GC, s.Allocated/1000, s.Objects)
	}
	fmt.Fprintf(w, ", %.1f kB written to disk", s.Written/1000)
	if s.Resident > 0 {
		fmt.Fprintf(w, "; %.0f MB resident", float64(s.Resident)/1e6)
	}
	fmt.Fprintln(w)
}
