package main

import (
	"fmt"
	"strings"
	"time"
)

// kept is docs/performance.json: everything that was measured, from which the document is written.
type kept struct {
	Machine  machine         `json:"machine"`
	Measured map[string]done `json:"measured"` // by measurement
}

// done is a measurement that was made.
type done struct {
	At      time.Time `json:"at"`
	Quick   bool      `json:"quick"`
	Version string    `json:"version"` // of tapline
	Load    string    `json:"load"`    // of the machine just before, over one minute
	Command string    `json:"command"`
	Seconds float64   `json:"seconds"` // all of it
	Results scenarios `json:"results"`
}

// document writes docs/performance.md out of what was measured, and of notes by row.
func (k kept) document(notes map[string]string) string {
	var b strings.Builder
	b.WriteString(head)
	m := k.Machine
	for _, line := range [][2]string{
		{"CPU", fmt.Sprintf("%s, %d cores", m.CPU, m.Cores)}, {"memory", m.Memory}, {"kernel", m.Kernel}, {"file system", m.FileSystem},
		{"Go", m.Go}, {"SQLite", m.SQLite}, {"PostgreSQL", m.Postgres},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", line[0], line[1])
	}
	b.WriteString(tableHead)
	all := k.results()
	var missed []row
	for _, r := range rows {
		v := k.judge(r, all)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.what, r.asked, v.measured, v.yardstick, v.reached)
		if v.reached == no || notes[r.id] != "" {
			missed = append(missed, r)
		}
	}
	b.WriteString("\n" + peers + "\n## What bounds it\n")
	for _, r := range missed {
		text := notes[r.id]
		if text == "" {
			text = "Not reached, and not explained yet."
		}
		fmt.Fprintf(&b, "\n**%s.** %s\n", strings.ToUpper(r.what[:1])+r.what[1:], text)
	}
	b.WriteString(commandsHead)
	for _, m := range measurements {
		if d, ok := k.Measured[m.name]; ok {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %.0f s |\n", m.name, d.Command, d.At.UTC().Format("2006-01-02 15:04"), d.Version, d.Load, d.Seconds)
		}
	}
	b.WriteString(foot)
	return b.String()
}

func (k kept) results() results {
	all := results{}
	for name, d := range k.Measured {
		all[name] = d.Results
	}
	return all
}

func (k kept) judge(r row, all results) verdict {
	for _, name := range r.needs {
		if _, ok := k.Measured[name]; !ok {
			return verdict{"", "", "not measured"}
		}
	}
	v := r.judge(all)
	if k.Measured[r.needs[0]].Quick {
		v.reached += " (quick)"
		v.reached = strings.Replace(v.reached, no+" (quick)", no, 1)
	}
	return v
}

// sections are the texts of a file of notes, by heading.
func sections(text string) map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split("\n"+text, "\n## ")[1:] { // what stands before is for whoever opens the file
		id, body, _ := strings.Cut(part, "\n")
		if body = strings.TrimSpace(body); body != "" {
			out[strings.TrimSpace(id)] = body
		}
	}
	return out
}

const head = `# Performance

Written by ` + "`make bench`" + ` from docs/performance.json, which has all that was measured, and docs/performance-notes.md; do not edit.
[bench.md](bench.md) says what is measured, and how. Clients, service and database share the machine's cores. Figures of rates say
little but on the machine they were measured on, and on a busy one not much even there: what counts is the ratio to a yardstick
that took turns with the scenario. Each ratio is the median of the runs', with the least and the greatest; "by CPU time" is the ratio
that CPU time alone would allow, which other work on the machine hardly changes.

## Machine

| | |
|---|---|
`

const tableHead = `
## Figures

| what | asked | measured | yardstick | reached |
|---|---|---|---|---|
`

const peers = `"Quick" runs are shorter and fewer, on smaller databases; "not measured" waits for a run of ` + "`make bench`" + `.

## Peers, for orientation

Seen by others on machines with two cores. None of them authenticates or confirms anything: they make entries between two accounts.

| | two-account entries per second |
|---|---|
| Formance Ledger v2, over HTTP | 210 to 290 |
| Formance Ledger v3 alpha, over HTTP, 64 clients | up to 4,070 |
| Blnk | 160 to 500 |
| TigerBeetle 0.15, 64 workers, one at a time | 5,000 to 8,900 |
| TigerBeetle 0.15, two-phase | 1,150 to 5,000 |
| PostgreSQL, pgbench TPC-B, scale 50, 16 clients | 1,900 to 3,300 |
| PostgreSQL, batches of 1,000 entries | 37,000 to 54,000 |
| a file, append and fdatasync one after the other | 3,500 to 6,000 |
`

const commandsHead = `
## How to repeat it

` + "```" + `
make bench                      # everything; on two cores about an hour, and half an hour before to fill the large database
make bench QUICK=1              # shorter, fewer, smaller: about ten minutes
make bench ROWS=tap,engine      # these alone, beside what was measured before
make bench ROWS=large BENCHFLAGS="-accounts 1000000 -payments 1000000"
` + "```" + `

The large database takes 23 GB, and stays in ` + "`bench-data`" + ` (` + "`BENCH_DIR`" + `) for the next time. What was run, by the names that ` + "`ROWS`" + ` takes:

| | tapline bench | when (UTC) | tapline | load before | took |
|---|---|---|---|---|---|
`

const foot = `
"Load before" is the machine's load average over a minute, just before: what others did at the same time takes from both sides of a
ratio, but not evenly.
`
