// Package pgserver starts real PostgreSQL servers of one's own, for tests and for measuring. A server runs as an
// unprivileged user, with PostgreSQL's own settings, in a temporary folder, on a unix socket and on a free port of
// loopback, and ends with the process that started it.
package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Server is a PostgreSQL server with its data.
type Server struct {
	programs string
	dir      string // of the data and the socket
	port     int
	as       account // nil: as whoever runs this program

	process *os.Process // nil while it does not run
	ended   chan struct{}
}

// patience bounds how long anything takes that a server is asked for.
const patience = time.Minute

// Errors of New, where there is nothing to start or nobody to run it as.
var (
	ErrMissing    = errors.New("there is no initdb and postgres; hint: apt-get install postgresql")
	ErrPrivileged = errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
)

// Available tells why no server can be started here; nil if one can.
func Available() error {
	if _, err := programs(); err != nil {
		return ErrMissing
	}
	if _, err := unprivileged(); err != nil {
		return ErrPrivileged
	}
	return nil
}

// New makes and starts a server. Its role "postgres" has a password, which nobody asks for over the unix socket.
func New(password string) (_ *Server, err error) {
	if err := Available(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgserver")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.programs, err = programs(); err != nil {
		return nil, err
	}
	if s.as, err = unprivileged(); err != nil {
		return nil, err
	}
	passwordFile := filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
		return nil, err
	}
	if err := errors.Join(s.as.own(dir), s.as.own(passwordFile)); err != nil {
		return nil, err
	}
	// Another order than that of bytes, so that what relies on it is found out.
	initdb := s.command("initdb", "--pgdata="+s.data(), "--username=postgres", "--pwfile="+passwordFile, "--no-sync", "--encoding=UTF8",
		"--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en", "--auth-local=trust", "--auth-host=scram-sha-256")
	out, err := initdb.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("initdb: %v; hint: the user who runs PostgreSQL has to reach the temporary folder that TMPDIR names", err)
	}
	if err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s, s.Start()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.programs, program), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = s.as.attributes()
	// Nothing of this process's environment names another server, or another language for messages.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC"}
	return cmd
}

// Start starts the server where it ran before, and returns when it takes connections.
func (s *Server) Start() error {
	var errs []error
	for range 3 { // another may take the port first
		if s.port == 0 {
			port, err := freePort()
			if err != nil {
				return err
			}
			s.port = port
		}
		err := s.startOnce()
		if err == nil {
			return nil
		}
		errs = append(errs, err)
		if s.ran() {
			break // its port is known to others
		}
		s.port = 0
	}
	return errors.Join(errs...)
}

// ran tells whether the server has run before.
func (s *Server) ran() bool {
	_, err := os.Stat(filepath.Join(s.dir, "ran"))
	return err == nil
}

func (s *Server) startOnce() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command("postgres", "-D", s.data(), "-k", s.dir, "-h", "127.0.0.1", "-p", strconv.Itoa(s.port))
	cmd.Stdout, cmd.Stderr = log, log
	ended := make(chan struct{})
	started := make(chan error)
	go func() {
		// If this process is killed, the server is told to stop. The signal comes when the thread that started it ends, so that
		// thread stays as long as the server does.
		runtime.LockOSThread()
		endWithThread(cmd.SysProcAttr)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.ended = cmd.Process, ended
	if err := s.await(); err != nil {
		text, readErr := os.ReadFile(filepath.Join(s.dir, "log"))
		return errors.Join(fmt.Errorf("%w: %s", err, text), readErr, s.Kill())
	}
	return os.WriteFile(filepath.Join(s.dir, "ran"), nil, 0o600)
}

// await waits until the server takes connections. Its pid file says so in line 8.
func (s *Server) await() error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	over := time.After(patience)
	for {
		text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
		if lines := bytes.Split(text, []byte("\n")); err == nil && len(lines) > 7 &&
			string(lines[0]) == strconv.Itoa(s.process.Pid) && strings.TrimSpace(string(lines[7])) == "ready" {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return errors.New("the server ended at once")
		case <-over:
			return errors.New("the server takes no connections")
		}
	}
}

// PID is the process that runs the server, the parent of all its others; 0 while it does not run.
func (s *Server) PID() int {
	if s.process == nil {
		return 0
	}
	return s.process.Pid
}

// Stop stops the server as its operator would: connections are cut off, nothing that was committed is lost.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Kill stops the server as a crash would: at once, without a word to anybody.
func (s *Server) Kill() error { return s.end(syscall.SIGQUIT) }

func (s *Server) end(signal os.Signal) error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		return errors.New("the server does not stop")
	}
	s.process = nil
	return nil
}

// Close ends the server and removes its data.
func (s *Server) Close() error { return errors.Join(s.Kill(), os.RemoveAll(s.dir)) }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// programs finds the folder of PostgreSQL's programs: on PATH, or where Debian puts them, the newest version first.
func programs() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(found); err == nil {
			return filepath.Dir(real), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.Join(exec.ErrNotFound, err)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// Program is the path of one of PostgreSQL's programs, such as pgbench.
func Program(name string) (string, error) {
	dir, err := programs()
	if err != nil {
		return "", ErrMissing
	}
	path := filepath.Join(dir, name)
	_, err = os.Stat(path)
	return path, err
}

// URL names a database of the server for the role "postgres", by the unix socket.
func (s *Server) URL(database string) string { return s.url("postgres", "", database) }

// TCP names a database of the server by its address, for a role that will be asked for its password.
func (s *Server) TCP(role, database string) string { return s.url(role, s.Address(), database) }

// Address is where the server listens on loopback.
func (s *Server) Address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

func (s *Server) url(role, host, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Host: host, Path: "/" + database}
	if host == "" {
		u.RawQuery = url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}}.Encode()
	}
	return u.String()
}

// CreateDatabase makes a database that is a copy of another.
func (s *Server) CreateDatabase(name, template string) error {
	return s.Run("postgres", "CREATE DATABASE "+name+" TEMPLATE "+template)
}

// Run runs SQL on one of the server's databases as the role "postgres".
func (s *Server) Run(database, sql string) error {
	_, err := s.Query(database, sql)
	return err
}

// Query runs SQL as Run does and returns the rows that come out, each a line with "|" between columns.
func (s *Server) Query(database, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.programs, "psql"), "--no-psqlrc", "--quiet", "--no-align", "--tuples-only",
		"--set=ON_ERROR_STOP=1", "--command="+sql, s.URL(database))
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, problems.String())
	}
	return string(out), nil
}
