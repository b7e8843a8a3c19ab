package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// stepStart is tapline serve from its start, as a process, to its first answer.
const stepStart = "start"

var servedAt = regexp.MustCompile(`http://[^ ]+`)

// starts measures cold starts: on an empty database one that has never been served, so that its tables and the service's
// keys are made as well; else on the one that was filled. The files are in the system's cache.
func (m *meter) starts(ctx context.Context) error {
	for r := range m.Runs {
		if ctx.Err() != nil {
			return nil
		}
		m.Status(fmt.Sprintf("%s: run %d of %d", m.Name, r+1, m.Runs), 0, 0)
		db, keys := m.db, m.keysDir
		if m.Payments == 0 && m.DB == "" {
			var err error
			if db, keys, err = m.never(); err != nil {
				return err
			}
		}
		t := tally{record: record{times: newTimes()}}
		took, err := m.start(ctx, db, keys)
		if err != nil {
			return err
		}
		t.elapsed = took
		t.times.note(stepStart, took)
		m.tallies[sideReal] = append(m.tallies[sideReal], t)
	}
	return nil
}

// never names a database that has never been opened.
func (m *meter) never() (db, keys string, err error) {
	dir, err := os.MkdirTemp(m.Config.Dir, "start-")
	db, keys = filepath.Join(dir, "tapline.db"), filepath.Join(dir, "keys")
	if err != nil || m.Store != Postgres {
		return db, keys, err
	}
	name, db, err := m.server.database(m.Status)
	m.later(func() error { return m.server.drop(name) })
	return db, keys, err
}

// start starts a service once, and ends it.
func (m *meter) start(ctx context.Context, db, keys string) (took time.Duration, err error) {
	began := time.Now()
	p, err := m.Command(ctx, db, keys)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.In.Close(), p.Wait()) }()
	out := bufio.NewReader(p.Out)
	line, err := out.ReadString('\n')
	address := servedAt.FindString(line)
	if address == "" {
		return 0, errors.Join(fmt.Errorf("tapline serve did not say where it is: %q", line), err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/v1/service", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.ReadAll(response.Body)
	took = time.Since(began)
	http.DefaultClient.CloseIdleConnections()
	if err = errors.Join(err, response.Body.Close()); err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the first answer is %d", response.StatusCode)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // until it has ended
	return took, err
}
