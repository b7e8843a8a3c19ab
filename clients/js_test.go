// Package clients_test tries the clients in other languages than Go, against the program that users run.
package clients_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tapline/internal/clienttest"
	"tapline/internal/testenv"
)

// modules is where the npm packages are, which only tests and generators need.
const modules = "../webui/testdata/npm/node_modules/"

// have makes sure that a package is there.
func have(t testing.TB, name string) {
	t.Helper()
	_, err := os.Stat(modules + name)
	testenv.Require(t, "npm", err == nil, "run scripts/install-test-deps")
}

// reads has Go's test cache know the files that others read here.
func reads(t testing.TB, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = os.ReadFile(name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestJavaScriptClient runs the tests of clients/js, by Node's own test runner.
func TestJavaScriptClient(t *testing.T) {
	t.Parallel()
	have(t, "typescript") // and Node with it
	reads(t, "js")
	m := clienttest.NewMachine(t)
	url, _ := m.Serve("--webhooks-here")
	key := m.Asked("key", "payee", "key", "make", "--payee", "books@shop", "--name", "tests", "--scope", "orders,refunds,read,keys,webhooks")
	tests, err := filepath.Glob("js/test/*.test.js")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no tests found: %v", err)
	}
	c := exec.CommandContext(t.Context(), "node", append([]string{"--test", "--test-reporter=spec"}, tests...)...)
	c.Env = append(m.Env, "TAPLINE_API_KEY="+key, "TAPLINE_BIN="+filepath.Join(m.Dir, "tapline"), "TAPLINE_DIR="+m.Dir, "TAPLINE_URL="+url)
	out, err := c.CombinedOutput()
	if passed := strings.Count(string(out), "✔ "); err != nil || passed < 20 {
		t.Errorf("%v, and %d tests have passed\n%s", err, passed, out)
	}
	readme(t, append(c.Env, "TAPLINE_URL="+url))
	m.Tapline("check")
}

// readme runs the program of clients/js/README.md, in a folder where the client is installed.
func readme(t *testing.T, env []string) {
	t.Helper()
	text, err := os.ReadFile("js/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\n```js\n")
	program, _, _ := strings.Cut(after, "\n```\n")
	dir := t.TempDir()
	installed, err := filepath.Abs("js")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "node_modules"), 0o700), os.Symlink(installed, filepath.Join(dir, "node_modules/tapline")),
		os.WriteFile(filepath.Join(dir, "shop.mjs"), []byte(program), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), "node", "--preserve-symlinks", "shop.mjs")
	c.Dir, c.Env = dir, env
	out, err := c.CombinedOutput()
	typed(t, dir)
	for _, want := range []string{"open http://127.0.0.1:", "1042 1250\n", "it has ended\n"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("the program of the README: %v; it does not say %q:\n%s", err, want, out)
		}
	}
}

// typed has tsc look at a program that uses the installed client, as Node resolves it, with all of the client's declarations.
func typed(t *testing.T, dir string) {
	t.Helper()
	for name, text := range map[string]string{
		"tsconfig.json": `{"include": ["sell.mts"], "compilerOptions": {"strict": true, "noEmit": true, "target": "es2022", "module": "nodenext",
			"lib": ["es2023", "dom", "dom.iterable"], "types": [], "preserveSymlinks": true}}`,
		"sell.mts": `import { connect } from 'tapline';
import { verifyWebhook } from 'tapline/webhook';
export const minor: number = (await connect({ url: '', key: '' }).getOrder({ id: '' })).amount.minor;
export const id: string = (await verifyWebhook('', {}, '')).id;
// @ts-expect-error: it is a number
export const not: string = minor;
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "node", modules+"typescript/bin/tsc", "--project", dir).CombinedOutput(); err != nil {
		t.Errorf("a program in TypeScript: %v\n%s", err, out)
	}
}

// TestJavaScriptClientIsOfTheTypesThatItSays has tsc look at the client's scripts, and at what a program in TypeScript writes.
func TestJavaScriptClientIsOfTheTypesThatItSays(t *testing.T) {
	t.Parallel()
	have(t, "typescript")
	reads(t, "js")
	if out, err := exec.CommandContext(t.Context(), "node", modules+"typescript/bin/tsc", "--project", "js").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
