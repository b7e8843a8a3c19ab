package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tapline/internal/bench"
)

// measurement is one run of tapline bench. Its results are named by their scenarios.
type measurement struct {
	name  string
	args  []string
	large bool // on the large database, which is kept
}

// Sizes of the large database, as asked for and in the quick form.
const (
	fullAccounts, fullPayments   = 1_000_000, 10_000_000
	quickAccounts, quickPayments = 100_000, 200_000
)

// measurements are what there is to measure. Those on the large database are one: it is filled before and proved after them once.
var measurements = []measurement{
	{name: "tap", args: []string{"--scenario", "tap", "--rate", "70%"}},
	{name: "one-gesture", args: []string{"--scenario", "one-gesture", "--rate", "70%"}},
	{name: "tap-postgres", args: []string{"--scenario", "tap", "--store", "postgres", "--rate", "70%"}},
	{name: "one-gesture-postgres", args: []string{"--scenario", "one-gesture", "--store", "postgres", "--rate", "70%"}},
	{name: "pin", args: []string{"--scenario", "pin"}},
	{name: "approve", args: []string{"--scenario", "approve"}},
	{name: "mixed", args: []string{"--scenario", "mixed"}},
	{name: "engine", args: []string{"--scenario", "engine,engine-approve", "--beside", "pgbench,append", "--clients", "64"}},
	{name: "engine-postgres", args: []string{"--scenario", "engine,engine-approve", "--store", "postgres", "--beside", "pgbench", "--clients", "512"}},
	{name: "popular", args: []string{"--scenario", "popular"}},
	{name: "nodes", args: []string{"--scenario", "nodes", "--store", "postgres"}},
	{name: "large", args: []string{"--scenario", "large,engine-large,cold-start"}, large: true},
	{name: "start", args: []string{"--scenario", "cold-start"}},
}

// names are those of all measurements.
func names() (all []string) {
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return all
}

// form is how long and how large measurements are.
type form struct {
	duration, warmup   time.Duration
	runs               int
	accounts, payments int // of the large database
}

// Forms.
var (
	full  = form{10 * time.Second, 3 * time.Second, 5, fullAccounts, fullPayments}
	quick = form{3 * time.Second, time.Second, 3, quickAccounts, quickPayments}
)

// command is the arguments of tapline bench.
func (m measurement) command(f form, dir string) []string {
	out := append(slices.Clone(m.args), "--duration="+f.duration.String(), "--runs="+strconv.Itoa(f.runs), "--warmup="+f.warmup.String())
	if m.large {
		out = append(out, fmt.Sprintf("--db=%s/%d-%d.db", dir, f.accounts, f.payments),
			"--accounts="+strconv.Itoa(f.accounts), "--payments="+strconv.Itoa(f.payments))
	}
	return out
}

// verdict is what a row says of what was measured.
type verdict struct {
	measured, yardstick, reached string
}

// Words of verdicts.
const (
	yes      = "yes"
	no       = "no"
	reported = "reported"
)

// row is one line of the table: what is asked, and what of the measurements says whether it is so.
type row struct {
	id    string // of its note
	what  string
	asked string
	needs []string // measurements
	judge func(results) verdict
}

// results are the results of the measurements, by name of the measurement and of the scenario.
type results map[string]map[string]bench.Result

func (r results) of(measurement, scenario string) bench.Result { return r[measurement][scenario] }

// rows are the table.
var rows = []row{
	{"tap", "complete payments over HTTP, policy `tap` (one signed request), SQLite", "≥ 0.75 of its floor", []string{"tap"},
		against("tap", "tap", "floor-tap", 0.75)},
	{"one-gesture", "authentication and first confirmation in one gesture (two signed requests), SQLite", "≥ 0.75 of its floor", []string{"one-gesture"},
		against("one-gesture", "one-gesture", "floor-one-gesture", 0.75)},
	{"tap-postgres", "`tap` on PostgreSQL, on the same cores", "≥ 0.5 of its floor", []string{"tap-postgres"},
		against("tap-postgres", "tap", "floor-tap", 0.5)},
	{"one-gesture-postgres", "`one-gesture` on PostgreSQL, on the same cores", "≥ 0.5 of its floor", []string{"one-gesture-postgres"},
		against("one-gesture-postgres", "one-gesture", "floor-one-gesture", 0.5)},
	{"pin", "complete payments over HTTP with PIN (three requests, default Argon2id)", "≥ 0.8 of the hash alone", []string{"pin"},
		against("pin", "pin", "PIN hashes alone", 0.8)},
	{"approve", "`approve`: as `pin` from a borrowed device, approved by the associated one", "", []string{"approve"},
		against("approve", "approve", "PIN hashes alone", 0)},
	{"mixed", "`mixed`: 60 `tap`, 30 `one-gesture`, 8 `pin`, 2 `approve`, and reads", "", []string{"mixed"},
		against("mixed", "mixed", "floor-mixed", 0)},
	{"engine", "processor and SQLite, 64 callers: instruction, authentication, confirmation, posting", "≥ 4 × pgbench", []string{"engine"},
		against("engine", "engine", "pgbench", 4)},
	{"engine-approve", "the same with hold, second confirmation, post", "≥ 4 × pgbench", []string{"engine"},
		against("engine", "engine-approve", "pgbench", 4)},
	{"engine-append", "the same as `engine`, against one append with fdatasync after the other", "", []string{"engine"},
		against("engine", "engine", "append and fdatasync", 0)},
	{"engine-postgres", "processor and PostgreSQL, 512 callers: instruction, authentication, confirmation, posting", "≥ 2.5 × pgbench", []string{"engine-postgres"},
		against("engine-postgres", "engine", "pgbench", 2.5)},
	{"engine-postgres-approve", "the same with hold, second confirmation, post", "≥ 2.5 × pgbench", []string{"engine-postgres"},
		against("engine-postgres", "engine-approve", "pgbench", 2.5)},
	{"popular", "one popular payee against 10,000 payees", "≥ 0.95", []string{"popular"},
		against("popular", "popular", "10000 payees", 0.95)},
	{"large", "over HTTP: 1,000,000 accounts and 10,000,000 past payments against an empty database", "≥ 0.85", []string{"large"},
		sized("large", "large", against("large", "large", "a small database", 0.85))},
	{"engine-large", "the same for the engine", "reported; aim 0.5", []string{"large"},
		sized("large", "engine-large", against("large", "engine-large", "a small database", 0))},
	{"p99", "p99 of any step at 70 % of the full rate, SQLite", "≤ 25 ms", []string{"tap", "one-gesture"}, slowest("")},
	{"p99-postgres", "p99 of any step at 70 % of the full rate, PostgreSQL", "≤ 25 ms", []string{"tap-postgres", "one-gesture-postgres"}, slowest("-postgres")},
	{"nodes", "two nodes on one PostgreSQL and the same cores, popular payee, against one node", "≥ 0.85", []string{"nodes"},
		against("nodes", "nodes", "one service", 0.85)},
	{"memory", "resident memory at full load with 1,000,000 accounts", "≤ 200 MB", []string{"large"}, sized("large", "large", memory)},
	{"start", "cold start of `tapline serve` to its first answer, empty database", "≤ 200 ms", []string{"start"}, start("start", 200)},
	{"start-large", "cold start with 10,000,000 past payments", "≤ 1 s", []string{"large"}, sized("large", "cold-start", start("large", 1000))},
	{"bytes", "bytes written to disk for a payment by `tap`, log included, 10,000 accounts", "reported", []string{"tap"}, written("tap", "tap")},
	{"bytes-large", "the same with 1,000,000 accounts", "reported", []string{"large"}, sized("large", "large", written("large", "large"))},
	{"bytes-postgres", "the same on PostgreSQL, 10,000 accounts", "reported", []string{"tap-postgres"}, written("tap-postgres", "tap")},
}

func reachedIf(is bool) string {
	if is {
		return yes
	}
	return no
}

// against is the ratio to what a scenario took turns with, which has to be so much; 0 for no matter.
func against(measurement, scenario, with string, want float64) func(results) verdict {
	return func(all results) verdict {
		r := all.of(measurement, scenario)
		i := slices.IndexFunc(r.Against, func(c bench.Comparison) bool { return c.Name == with })
		if i < 0 {
			return verdict{"", "", "not compared with " + with}
		}
		c := r.Against[i]
		v := verdict{
			measured:  fmt.Sprintf("**%.2f** (%.2f to %.2f); %s/s", c.Ratio.Median, c.Ratio.Min, c.Ratio.Max, spread(r.Rate, r.RateMin, r.RateMax)),
			yardstick: fmt.Sprintf("%s: %s/s", with, spread(c.Rate, c.RateMin, c.RateMax)),
			reached:   reported,
		}
		if c.CPURatio > 0 {
			v.measured += fmt.Sprintf("; by CPU time %.2f", c.CPURatio)
		}
		if want > 0 {
			v.reached = reachedIf(c.Ratio.Median >= want)
		}
		return v
	}
}

// spread is a median with the least and the greatest.
func spread(median, least, greatest float64) string {
	return fmt.Sprintf("%s (%s to %s)", number(median), number(least), number(greatest))
}

// number is a whole number with its thousands apart.
func number(f float64) string {
	text := strconv.Itoa(int(f + 0.5))
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// sized says with how many accounts and past payments that was, and whether that was as many as was asked for.
func sized(measurement, scenario string, judge func(results) verdict) func(results) verdict {
	return func(all results) verdict {
		r, v := all.of(measurement, scenario), judge(all)
		v.measured += fmt.Sprintf("; %s accounts, %s past payments", number(float64(r.Accounts)), number(float64(r.PastPayments)))
		if !r.Checked {
			v.measured += "; books unchecked"
		}
		if v.reached == yes && (r.Accounts < fullAccounts || r.PastPayments < fullPayments) {
			v.reached = "yes, at this size"
		}
		return v
	}
}

// slowest is the greatest p99 of the steps of tap and one-gesture at a part of the full rate.
func slowest(suffix string) func(results) verdict {
	return func(all results) verdict {
		var said []string
		most := 0.0
		for _, scenario := range []string{"tap", "one-gesture"} {
			p := all.of(scenario+suffix, scenario).Paced
			if p == nil {
				return verdict{"", "", "not timed at a rate"}
			}
			one := 0.0
			for step, t := range p.Steps {
				if step != "payment" {
					one = max(one, t.P99)
				}
			}
			said = append(said, fmt.Sprintf("`%s` **%.1f ms** at %s/s", scenario, one, number(p.Rate)))
			most = max(most, one)
		}
		return verdict{strings.Join(said, ", "), "", reachedIf(most <= 25)}
	}
}

func memory(all results) verdict {
	r := all.of("large", "large")
	mb := float64(r.Server.Resident) / 1e6
	return verdict{fmt.Sprintf("**%.0f MB**", mb), "", reachedIf(mb > 0 && mb <= 200)}
}

// start is the median of starts, in milliseconds.
func start(measurement string, most float64) func(results) verdict {
	return func(all results) verdict {
		t := all.of(measurement, "cold-start").Steps["start"]
		return verdict{fmt.Sprintf("**%.0f ms**, at most %.0f ms of %d", t.P50, t.Max, t.Count), "", reachedIf(t.Count > 0 && t.P50 <= most)}
	}
}

func written(measurement, scenario string) func(results) verdict {
	return func(all results) verdict {
		r := all.of(measurement, scenario)
		text := fmt.Sprintf("**%.1f kB**, of which the database grows by %.1f kB", r.Written/1000, r.Grown/1000)
		if r.Store == bench.Postgres {
			text += fmt.Sprintf("; %.1f kB of it by the server", r.Database.Written/1000)
		}
		return verdict{text, "", reported}
	}
}
