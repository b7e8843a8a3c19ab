package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"

	"tapline/card/cardtest"
	"tapline/card/sun"
	"tapline/internal/pgtest"
)

func TestMain(m *testing.M) {
	testscript.Main(withServers{m}, programs())
}

// withServers runs the tests and then stops the servers that they started.
type withServers struct{ *testing.M }

func (m withServers) Run() int { return pgtest.Main(m.M) }

// patience is how long a script waits for a thing.
const patience = 30 * time.Second

func TestScripts(t *testing.T) { runScripts(t, "testdata/script", nil) }

// TestScriptsOnPostgreSQL gives scripts the URLs of empty databases that ask for a password. Scripts run at the same time,
// so no two use the same.
func TestScriptsOnPostgreSQL(t *testing.T) {
	server := pgtest.Shared(t)
	over := func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return server.TCP("postgres", strings.TrimPrefix(u.Path, "/"))
	}
	databases := map[string]string{"OUTER_TMP": os.TempDir()} // which the user who runs servers can reach
	for _, name := range []string{"EMPTY", "SECOND", "THIRD", "FOURTH"} {
		databases[name] = over(pgtest.Database(t, "", nil))
	}
	runScripts(t, "testdata/postgres", databases)
}

func runScripts(t *testing.T, dir string, variables map[string]string) {
	t.Helper()
	testscript.Run(t, scripts(t, dir, variables))
}

// scripts are those in a folder, which find these variables in their environment.
func scripts(t *testing.T, dir string, variables map[string]string) testscript.Params {
	t.Helper()
	transcripts, err := filepath.Abs("../../card/testdata/transcripts")
	if err != nil {
		t.Fatal(err)
	}
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			address, err := freeAddress()
			admin, adminErr := freeAddress()
			for name, value := range variables {
				env.Setenv(name, value)
			}
			env.Setenv("TRANSCRIPTS", transcripts)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "settings"))
			env.Setenv("PCSCLITE_CSOCK_NAME", filepath.Join(env.WorkDir, "no-pcscd"))
			env.Setenv("LISTEN", address)
			env.Setenv("ADMIN_LISTEN", admin)
			env.Setenv("TAPLINE_URL", "http://"+address)
			return errors.Join(err, adminErr)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "mode": mode, "ready": ready, "get": get, "field": field, "shows": shows, "await": await,
			"suntap": sunTap, "nowhere": nowhere, "misplace": misplace, "alter": alter, "measured": measured,
		},
	}
}

// freeAddress is an address on this machine where nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// exits runs a command that must end with an exit code: exits 2 tapline pay.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = ended.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// mode checks a file's permissions: mode 0600 file.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode 0600 file")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// poll tries until it works or the patience ends.
func poll(ts *testscript.TestScript, what string, try func() error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			ts.Fatalf("%s: %v", what, err)
		}
	}
}

// ready waits until the service answers.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	poll(ts, "the service is not ready", func() error {
		_, err := fetch(ts.Getenv("TAPLINE_URL") + "/v1/service")
		return err
	})
}

// get saves what is at a path of the service: get /path file.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get /path file")
	}
	body, err := fetch(ts.Getenv("TAPLINE_URL") + args[0])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), body, 0o600))
}

func fetch(url string) ([]byte, error) {
	response, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return body, err
}

// value is what stands at a dotted path in a file of JSON. Of a file with several texts, one a line, the last one counts
// that has the path.
func value(ts *testscript.TestScript, file, path string) string {
	text := ts.ReadFile(file)
	lines := append(strings.Split(strings.TrimSpace(text), "\n"), text)
	for _, line := range slices.Backward(lines) {
		var at any
		if json.Unmarshal([]byte(line), &at) != nil {
			continue
		}
		for name := range strings.SplitSeq(path, ".") {
			if list, ok := at.([]any); ok {
				if i, err := strconv.Atoi(name); err == nil && i < len(list) {
					at = list[i]
					continue
				}
			}
			object, _ := at.(map[string]any)
			at = object[name]
		}
		switch at := at.(type) {
		case string:
			return at
		case float64:
			return strconv.FormatFloat(at, 'f', -1, 64)
		}
	}
	ts.Fatalf("%s has no %s:\n%s", file, path, text)
	return ""
}

// field keeps a value of JSON in a file and an environment variable of one name: field code issued.json code.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: field name file path")
	}
	text := value(ts, args[1], args[2])
	ts.Setenv(args[0], text)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text+"\n"), 0o600))
}

// shows checks a value of JSON: shows stdout balance 100.
func shows(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: shows file path value")
	}
	if got := value(ts, args[0], args[1]); (got == args[2]) == neg {
		ts.Fatalf("%s: %s is %s, want %s", args[0], args[1], got, args[2])
	}
}

// sunTap taps a card that was written as it was issued, with the counter at a value: suntap issued.json UID counter file.
func sunTap(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: suntap issued.json UID counter file")
	}
	uid, err := sun.ParseUID(args[1])
	ts.Check(err)
	meta, err := sun.ParseKey(value(ts, args[0], "sun.meta_key"))
	ts.Check(err)
	file, err := sun.ParseKey(value(ts, args[0], "sun.file_key"))
	ts.Check(err)
	counter, err := strconv.ParseUint(args[2], 10, 24)
	ts.Check(err)
	before, _, _ := strings.Cut(value(ts, args[0], "sun.url_template"), "#")
	tag := cardtest.SUN{UID: uid, Meta: meta, File: file, Counter: uint32(counter) - 1}
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), []byte(before+"#"+tag.Tap()+"\n"), 0o600))
}

// await waits until a file that another program writes has a text: await pay.jsonl text.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await file text")
	}
	poll(ts, "no "+args[1]+" in "+args[0], func() error {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && !bytes.Contains(content, []byte(args[1])) {
			err = fmt.Errorf("it has:\n%s", content)
		}
		return err
	})
}

func TestEveryCommandAndFlagExplainsItself(t *testing.T) {
	var out bytes.Buffer
	a := &app{ctx: t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &out, now: time.Now}
	parser, err := newParser(a, &root{}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	leaves := 0
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		switch node := node.(type) {
		case *kong.Node:
			if node.Help == "" {
				t.Errorf("%s has no help", node.FullPath())
			}
			if !node.Leaf() || node.Type == kong.ApplicationNode {
				break
			}
			leaves++
			out.Reset()
			args := append(strings.Fields(node.FullPath())[1:], "--help")
			if code := run(a, args); code != exitOK || !strings.Contains(out.String(), "Usage: "+node.FullPath()) {
				t.Errorf("%s: exit code %d\n%s", args, code, &out)
			}
		case *kong.Flag:
			if node.Help == "" || !strings.HasSuffix(node.Help, ".") {
				t.Errorf("--%s has no help that is a sentence: %q", node.Name, node.Help)
			}
		}
		return next(nil)
	})
	if err != nil || leaves < 25 {
		t.Errorf("%d commands, %v", leaves, err)
	}
}
