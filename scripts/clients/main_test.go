package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/internal/testenv"
)

const root = "../.."

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	_, err := os.Stat(filepath.Join(root, modules, "openapi-typescript"))
	testenv.Require(t, "npm", err == nil, "run scripts/install-test-deps")
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if diff := cmp.Diff(string(want), string(got)); err != nil || diff != "" {
			t.Errorf("%s is out of date: run: make clients\n%v\n%s", name, err, diff)
		}
	}
	if len(files) < 6 {
		t.Errorf("%d files are generated: does this test still find them?", len(files))
	}
}

func TestOneNameForTwoThingsIsRefused(t *testing.T) {
	d, err := parse([]byte(`{"paths": {"/v1/orders/{id}": {"post": {"operationId": "changeOrder", "security": [{"payee_key": []}],
		"parameters": [{"name": "id", "in": "path"}], "responses": {"200": {"content": {}}},
		"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Change"}}}}}}},
		"components": {"schemas": {"Change": {"properties": {"id": {}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	d.narrow()
	if text, err := d.table(); err == nil {
		t.Errorf("id stands in the path and in the body, and this was made:\n%s", text)
	}
}
