// Command clients writes the generated files of clients/js from the OpenAPI document: what there is to call for an API key, and the
// types of all of it. "make clients" runs it; a test fails when a file is out of date. It needs the npm packages that
// scripts/install-test-deps installs.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"tapline/httpapi"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: clients ROOT-OF-THE-REPOSITORY")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
		os.Exit(1)
	}
}

// run writes every generated file.
func run(root string) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

const (
	operationsFile = "clients/js/src/operations.js"
	schemaFile     = "clients/js/types/schema.d.ts"
	typesFolder    = "clients/js/types"
	modules        = "webui/testdata/npm/node_modules"
)

// generate returns every generated file, by its path from the root.
func generate(root string) (map[string][]byte, error) {
	d, err := parse(httpapi.Document("https://pay.example", "any"))
	if err != nil {
		return nil, err
	}
	d.narrow()
	table, err := d.table()
	if err != nil {
		return nil, err
	}
	schema, err := types(root, d)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{operationsFile: table, schemaFile: schema}
	declared, err := declarations(root, files)
	if err != nil {
		return nil, err
	}
	for name, text := range declared {
		files[name] = text
	}
	return files, nil
}

// types has openapi-typescript make the types.
func types(root string, d document) ([]byte, error) {
	dir, err := os.MkdirTemp("", "tapline-clients")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	in, out := filepath.Join(dir, "openapi.json"), filepath.Join(dir, "schema.d.ts")
	if err := os.WriteFile(in, text, 0o600); err != nil {
		return nil, err
	}
	if err := node(root, "openapi-typescript/bin/cli.js", in, "-o", out); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// declaring tells tsc to write declarations only.
const declaring = `{"include": ["src"], "compilerOptions": {"allowJs": true, "checkJs": true, "strict": true, "declaration": true,
	"emitDeclarationOnly": true, "newLine": "lf", "target": "es2022", "module": "es2022", "moduleResolution": "bundler",
	"lib": ["es2023", "dom", "dom.iterable", "dom.asynciterable"], "types": [], "rootDir": "src", "rootDirs": ["src", "types"], "outDir": "types"}}`

// declarations has tsc say of what types the scripts are: with the generated files as they will be.
func declarations(root string, generated map[string][]byte) (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "tapline-clients")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(filepath.Join(dir, "clients/js/src"), os.DirFS(filepath.Join(root, "clients/js/src"))); err != nil {
		return nil, err
	}
	written, err := os.ReadFile(filepath.Join(root, typesFolder, "client.d.ts"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{typesFolder + "/client.d.ts": written, operationsFile: generated[operationsFile], schemaFile: generated[schemaFile]}
	if err := os.Mkdir(filepath.Join(dir, typesFolder), 0o700); err != nil {
		return nil, err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	scripts, err := filepath.Glob(filepath.Join(dir, "clients/js/src/*.js"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "clients/js/tsconfig.json"), []byte(declaring), 0o600); err != nil {
		return nil, err
	}
	if err := node(root, "typescript/bin/tsc", "--project", filepath.Join(dir, "clients/js")); err != nil {
		return nil, err
	}
	made := map[string][]byte{}
	for _, script := range scripts {
		name := typesFolder + "/" + filepath.Base(script[:len(script)-len(".js")]) + ".d.ts"
		if made[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// node runs a program of an npm package.
func node(root, program string, args ...string) error {
	path, err := filepath.Abs(filepath.Join(root, modules, program))
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return errors.New("there is no " + program + "; hint: scripts/install-test-deps")
	}
	var said bytes.Buffer
	c := exec.Command("node", append([]string{path}, args...)...)
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, &said)
	}
	return nil
}
