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
	"strings"
	"time"

	"tapline/internal/bench"
	"tapline/money"
)

// benchCmd is "tapline bench".
type benchCmd struct {
	Scenario []string      `help:"What to measure; see below." default:"tap,gesture" placeholder:"NAME,…"`
	Duration time.Duration `help:"How long each run lasts." default:"10s"`
	Runs     int           `help:"How many runs there are." default:"5"`
	Warmup   time.Duration `help:"How long to pay before, without measuring." default:"2s"`
	Clients  int           `help:"How many pay at the same time." default:"64"`
	Rate     float64       `help:"Time the steps in an open loop, too, at this part of the full rate, such as 0.7." placeholder:"PART"`

	DB             string `help:"Where to keep it all: sqlite, a new file each time; a FILE; or the URL of an empty PostgreSQL database. What is made there is measured again the next time." default:"sqlite" placeholder:"sqlite|FILE|URL"`
	DBPasswordFile string `name:"db-password-file" help:"File (0600) with the password for the PostgreSQL server." type:"path" placeholder:"FILE"`
	Keys           string `help:"Folder of the service's keys, to measure a PostgreSQL database again." type:"path" placeholder:"FOLDER"`
	Accounts       int    `help:"Cards, each with an account." default:"10000"`
	Payees         int    `help:"Payees, paid at random." default:"100"`
	Payments       int    `help:"Past payments to begin with." default:"0"`

	URL string `name:"url" help:"Measure this running test service on this machine, with tap, gesture or pin, and cards that an operator of it makes; there is no floor then." placeholder:"URL"`
	operatorKeyFlag

	CPUProfile string `name:"cpuprofile" help:"Write a profile of the service's CPU time, for go tool pprof; for one scenario." type:"path" placeholder:"FILE"`
	jsonFlag
}

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

// config checks the command line.
func (c *benchCmd) config(a *app) (bench.Config, error) {
	out := bench.Config{
		Scenarios: c.Scenario, Duration: c.Duration, Warmup: c.Warmup, Runs: c.Runs, Clients: c.Clients, Rate: c.Rate,
		Accounts: c.Accounts, Payees: c.Payees, Payments: c.Payments, DB: c.DB, Keys: c.Keys, PasswordFile: c.DBPasswordFile,
		Profile: c.CPUProfile, Process: benchProcess(a.stderr),
	}
	if err := (databaseFlags{DB: c.DB}).check(); err != nil {
		return out, err
	}
	if err := out.Check(); err != nil {
		return out, &usageError{err.Error(), `"tapline bench --help" lists the scenarios`}
	}
	if c.CPUProfile != "" && len(c.Scenario) > 1 {
		return out, &usageError{"--cpuprofile is of one scenario", "give one --scenario"}
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
	if c.JSON && len(results) > 0 {
		err = errors.Join(err, a.printJSON(results))
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

// barWidth is how many characters a full bar has.
const barWidth = 30

func (p *progressLine) tell(what string, done, of int) {
	if !p.shown {
		return
	}
	bar := ""
	if of > 0 {
		n := barWidth * min(done, of) / of
		bar = fmt.Sprintf("[%s%s] %3d %% ", strings.Repeat("=", n), strings.Repeat(" ", barWidth-n), 100*min(done, of)/of)
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
