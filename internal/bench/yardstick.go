package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"tapline/internal/pgserver"
)

// PgbenchScale is the scale of pgbench's TPC-B: 50 branches, 5,000,000 accounts.
const PgbenchScale = 50

// pgbenchClients is how many clients pgbench plays.
const pgbenchClients = 16

// pgbenchLane is PostgreSQL's own benchmark on a server of one's own, the one that is measured if there is one. Its tables are
// made once for all scenarios.
func (m *meter) pgbenchLane(ctx context.Context) (lane, error) {
	program, err := pgserver.Program("pgbench")
	if err != nil {
		return lane{}, fmt.Errorf("there is no pgbench: %w", err)
	}
	run := func(ctx context.Context, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, program, append(args, m.server.tpcb)...)
		cmd.WaitDelay = time.Second
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("pgbench: %w: %s", err, out)
		}
		return string(out), err
	}
	if m.server.tpcb == "" {
		if _, m.server.tpcb, err = m.server.database(m.Status); err != nil {
			return lane{}, err
		}
		m.Status("making pgbench's tables", 0, 0)
		if _, err := run(ctx, "--initialize", "--quiet", "--scale="+strconv.Itoa(cmp.Or(m.pgbenchScale, PgbenchScale))); err != nil {
			m.server.tpcb = ""
			return lane{}, err
		}
	}
	return lane{side: sidePgbench, work: func(ctx context.Context, d time.Duration) (t tally, err error) {
		seconds := max(1, int(d.Round(time.Second).Seconds()))
		text, err := run(ctx, "--client="+strconv.Itoa(pgbenchClients), "--jobs=2", "--time="+strconv.Itoa(seconds))
		if err != nil {
			return t, err
		}
		return saidByPgbench(text)
	}}, nil
}

var (
	pgbenchRate = regexp.MustCompile(`tps = ([0-9.]+)`)
	pgbenchDone = regexp.MustCompile(`transactions actually processed: ([0-9]+)`)
)

// saidByPgbench reads the last lines of pgbench. Its rate leaves out the time that connecting takes.
func saidByPgbench(text string) (t tally, err error) {
	rate, done := pgbenchRate.FindStringSubmatch(text), pgbenchDone.FindStringSubmatch(text)
	if rate == nil || done == nil {
		return t, fmt.Errorf("pgbench says no rate: %s", text)
	}
	perSecond, err := strconv.ParseFloat(rate[1], 64)
	if err != nil {
		return t, err
	}
	if t.payments, err = strconv.Atoi(done[1]); err != nil {
		return t, err
	}
	t.times = newTimes()
	t.elapsed = time.Duration(float64(t.payments) / perSecond * float64(time.Second))
	return t, nil
}

// appending is a payer that appends a kilobyte to a file and waits until the disk has it: about what one commit of one
// payment costs at least, where nothing is shared.
type appending struct{ file *os.File }

func (m *meter) appendLane() (lane, error) {
	file, err := os.Create(filepath.Join(m.Config.Dir, "append"))
	if err != nil {
		return lane{}, err
	}
	m.lanes.later(file.Close)
	return lane{side: sideAppend, payers: []payer{appending{file}}}, nil
}

func (a appending) pay(time.Time, *record) error {
	if _, err := a.file.Write(make([]byte, 1024)); err != nil {
		return err
	}
	return datasync(a.file)
}
