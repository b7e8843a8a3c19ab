package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"tapline/internal/bench"
	"tapline/money"
)

// benchCmd is "tapline bench".
type benchCmd struct {
	Scenario []string      `help:"What to measure; see below. Default: tap,one-gesture, or the engine." placeholder:"NAME,…"`
	Engine   bool          `help:"Call the processor, without HTTP and signatures: tap, pin, approve, popular, large."`
	Duration time.Duration `help:"How long each run lasts." default:"10s"`
	Runs     int           `help:"How many runs there are." default:"5"`
	Warmup   time.Duration `help:"How long to pay before, without measuring." default:"2s"`
	Clients  int           `help:"How many pay at the same time, each its next payment as soon as the last is settled (a closed loop)." default:"64"`
	Rate     string        `help:"An open loop: so many payments begin in a second, whatever became of those before. With a percent sign: time the steps at that part of the closed loop's rate as well, such as 70%." placeholder:"N|N%"`
	Beside   []string      `help:"Yardsticks that take turns with it: pgbench (TPC-B, scale 50, 16 clients), append (1 kB and fdatasync)." placeholder:"NAME,…"`

	Store          string `help:"Where new databases are made: sqlite, a file each; postgres, on a server of its own with PostgreSQL's defaults." enum:"sqlite,postgres" default:"sqlite"`
	DB             string `help:"A FILE, or the URL of an empty PostgreSQL database, in place of that. What is made there is measured again the next time." placeholder:"FILE|URL"`
	DBPasswordFile string `name:"db-password-file" help:"File (0600) with the password for the PostgreSQL server." type:"path" placeholder:"FILE"`
	Keys           string `help:"Folder of the service's keys, to measure a PostgreSQL database again." type:"path" placeholder:"FOLDER"`
	Accounts       int    `aliases:"cards" help:"Cards, each with an account; of the first 20,000 each has a device." default:"10000"`
	Payees         int    `help:"Payees, paid at random." default:"100"`
	Payments       int    `help:"Past payments to begin with." default:"0"`

	URL string `name:"url" help:"Measure this running test service on this machine, with tap, one-gesture or pin, and cards that an operator of it makes; there is no floor then." placeholder:"URL"`
	operatorKeyFlag

	Plot       string `help:"Draw latency against rate, from open loops at eight rates, as SVG; for one scenario." type:"path" placeholder:"FILE"`
	CPUProfile string `name:"cpuprofile" help:"Write a profile of the service's CPU time, for go tool pprof; for one scenario." type:"path" placeholder:"FILE"`
	JSON       bool   `name:"json" help:"Print a line of JSON for each scenario."`
}

// sweep is the parts of the full rate at which --plot measures.
var sweep = []float64{0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1}

// Help lists the scenarios.
func (benchCmd) Help() string {
	var list strings.Builder
	for _, s := range bench.Scenarios() {
		fmt.Fprintf(&list, "  %-15s %s\n", s.Name, s.About)
	}
	return `Starts a service of its own on this machine, in a process of its own and with a database in a temporary folder, lets
software devices, cards and passkeys with real keys pay there, and tells how fast that was, beside its floor: the same
requests to a handler that does nothing but verify their signatures. Then it proves the books. It ends by itself; Ctrl-C
ends it early with what was measured until then.

Scenarios, and floor-NAME for the floor of one alone:

` + list.String() + `
See docs/bench.md for what is measured and how.`
}

// scenarios are those that were asked for.
func (c *benchCmd) scenarios() []string {
	switch {
	case len(c.Scenario) == 0 && c.Engine:
		return []string{bench.OfEngine("pin")}
	case len(c.Scenario) == 0:
		return []string{"tap", "one-gesture"}
	}
	out := slices.Clone(c.Scenario)
	for i, name := range out {
		if c.Engine && name != bench.OfEngine("pin") && !strings.HasPrefix(name, bench.OfEngine("")) {
			out[i] = bench.OfEngine(name)
		}
	}
	return out
}

// rate reads --rate: payments per second, or a part.
func (c *benchCmd) rate(out *bench.Config) (err error) {
	number, part := strings.CutSuffix(c.Rate, "%")
	if c.Rate == "" {
		return nil
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0) {
		return &usageError{"--rate: want payments per second, or a part of the full rate", "such as 500, or 70%"}
	}
	if part {
		out.Part = n / 100
	} else {
		out.Rate = n
	}
	return nil
}

// config checks the command line.
func (c *benchCmd) config(a *app) (bench.Config, error) {
	out := bench.Config{
		Scenarios: c.scenarios(), Duration: c.Duration, Warmup: c.Warmup, Runs: c.Runs, Clients: c.Clients, Beside: c.Beside,
		Accounts: c.Accounts, Payees: c.Payees, Payments: c.Payments, Store: c.Store, DB: c.DB, Keys: c.Keys, PasswordFile: c.DBPasswordFile,
		Profile: c.CPUProfile, Process: benchProcess(a.stderr), Command: benchCommand(a.stderr, c.DBPasswordFile),
	}
	if err := errors.Join((databaseFlags{DB: c.DB}).check(), c.rate(&out)); err != nil {
		return out, err
	}
	if c.Plot != "" {
		out.Sweep = sweep
	}
	if err := out.Check(); err != nil {
		return out, &usageError{err.Error(), `"tapline bench --help" lists the scenarios`}
	}
	for flag, given := range map[string]bool{"--cpuprofile": c.CPUProfile != "", "--plot": c.Plot != ""} {
		if given && len(out.Scenarios) > 1 {
			return out, &usageError{flag + " is of one scenario", "give one --scenario"}
		}
	}
	if c.Plot != "" && out.Rate > 0 {
		return out, &usageError{"--plot measures at rates of its own", "leave out --rate, or give a part of the full rate"}
	}
	if c.URL != "" {
		key, err := c.load()
		if err != nil {
			return out, err
		}
		out.Service = &bench.Service{URL: strings.TrimSuffix(c.URL, "/"), Key: key}
	}
	return out, nil
}

// Run measures.
func (c *benchCmd) Run(a *app) (err error) {
	config, err := c.config(a)
	if err != nil {
		return err
	}
	if config.Dir, err = os.MkdirTemp("", "tapline-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(config.Dir)) }()
	line := progressLine{out: a.stderr, shown: a.isTerminal}
	config.Status = line.tell
	config.Said = func(r bench.Result) {
		line.clear()
		if c.JSON || err != nil {
			return
		}
		err = bench.Print(a.stdout, []bench.Result{r})
	}
	results, runErr := bench.Run(a.ctx, config)
	line.clear()
	for _, r := range results {
		if c.JSON {
			err = errors.Join(err, a.printJSON(r))
		}
		if c.Plot != "" && len(r.Sweep) > 0 {
			err = errors.Join(err, os.WriteFile(c.Plot, bench.Plot(r), 0o644))
		}
	}
	if runErr == nil && len(results) == 0 {
		runErr = errors.New("it was interrupted before anything was measured")
	}
	return errors.Join(runErr, err)
}

// progressLine is one line of a terminal that says how far something is.
type progressLine struct {
	out   io.Writer
	shown bool
	used  bool
}

// A line that did not fit a terminal of the usual width would not go away.
const (
	barWidth    = 30 // characters of a full bar
	statusWidth = 79 - barWidth - len("[] 100 % ")
)

func (p *progressLine) tell(what string, done, of int) {
	if !p.shown {
		return
	}
	bar := ""
	if of > 0 {
		n := barWidth * min(done, of) / of
		bar = fmt.Sprintf("[%s%s] %3d %% ", strings.Repeat("=", n), strings.Repeat(" ", barWidth-n), 100*min(done, of)/of)
	}
	if len(what) > statusWidth { // in ASCII
		what = what[:statusWidth-3] + "..."
	}
	fmt.Fprintf(p.out, "\r\033[K%s%s", bar, what)
	p.used = true
}

func (p *progressLine) clear() {
	if p.used {
		fmt.Fprint(p.out, "\r\033[K")
	}
	p.used = false
}

// benchProcess starts this program once more, to serve what is measured.
func benchProcess(stderr io.Writer) func(context.Context) (bench.Process, error) {
	return func(context.Context) (bench.Process, error) {
		program, err := os.Executable()
		if err != nil {
			return bench.Process{}, err
		}
		cmd := exec.Command(program, "bench-serve")
		cmd.Args[0] = "tapline"
		cmd.Stderr = stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			return bench.Process{}, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return bench.Process{}, err
		}
		return bench.Process{In: in, Out: out, Wait: cmd.Wait}, cmd.Start()
	}
}

// benchCommand starts "tapline serve" of this program on a database. Closing its input stops it.
func benchCommand(stderr io.Writer, passwordFile string) func(ctx context.Context, db, keys string) (bench.Process, error) {
	return func(_ context.Context, db, keys string) (bench.Process, error) {
		program, err := os.Executable()
		if err != nil {
			return bench.Process{}, err
		}
		args := []string{"serve", "--listen", "127.0.0.1:0", "--environment", "test", "--db", db, "--keys", keys, "--log-level", "error"}
		if passwordFile != "" {
			args = append(args, "--db-password-file", passwordFile)
		}
		cmd := exec.Command(program, args...)
		cmd.Args[0] = "tapline"
		cmd.Stderr = stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			return bench.Process{}, err
		}
		stop := func() error {
			if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return cmd.Process.Kill() // where nothing can be interrupted
			}
			return nil
		}
		return bench.Process{In: stopper(stop), Out: out, Wait: cmd.Wait}, cmd.Start()
	}
}

// stopper stops a process when it is closed.
type stopper func() error

func (stopper) Write(b []byte) (int, error) { return len(b), nil }

// Close stops it.
func (s stopper) Close() error { return s() }

// benchServeCmd is what bench starts. It serves until its input ends, and so until whoever started it is gone. An
// interrupt is for that one to heed: it lets payments that have begun come to their end.
type benchServeCmd struct{}

// Run serves.
func (benchServeCmd) Run(a *app) error {
	collectSeldom()
	return bench.Serve(context.WithoutCancel(a.ctx), a.stdin, a.stdout, bench.Stage{
		Service: func(ctx context.Context, spec bench.Spec) (bench.Opened, error) {
			return openMeasured(ctx, a.stderr, spec)
		},
		Handler: openHandler,
	})
}

// openMeasured opens a service as serve does, with a policy under which every card can pay all the time.
func openMeasured(ctx context.Context, stderr io.Writer, spec bench.Spec) (bench.Opened, error) {
	o := demoOptions(spec.Keys)
	o.databaseFlags = databaseFlags{DB: spec.DB, DBPasswordFile: spec.Password}
	o.Keys, o.Policy, o.PINQueue = spec.Keys, spec.Level, spec.PINQueue
	o.TapLimit, o.TapDailyLimit = money.MaxMinor, money.MaxMinor
	o.InFlight = maxInFlight // as many as there are clients: how long they wait is to be measured
	o.log = newLog(stderr, slog.LevelError)
	if err := o.check(); err != nil {
		return bench.Opened{}, err
	}
	s, err := startService(ctx, o)
	if err != nil {
		return bench.Opened{}, err
	}
	return bench.Opened{URL: s.url, Store: s.store, Close: s.close}, nil
}

// openHandler serves a handler as a service is served.
func openHandler(_ context.Context, h func(origin string) (http.Handler, error)) (bench.Opened, error) {
	listener, origin, err := listenHere()
	if err != nil {
		return bench.Opened{}, err
	}
	handler, err := h(origin)
	if err != nil {
		return bench.Opened{}, errors.Join(err, listener.Close())
	}
	server := newServer(handler, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return bench.Opened{URL: origin, Close: func() error {
		err := server.Close()
		if end := <-served; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
		return err
	}}, nil
}
