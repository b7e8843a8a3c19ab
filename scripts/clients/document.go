package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tapline/api"
)

// document is as much of an OpenAPI document as a client needs.
type document struct {
	OpenAPI    string                           `json:"openapi"`
	Info       map[string]any                   `json:"info"`
	Paths      map[string]map[string]*operation `json:"paths"`
	Components struct {
		Schemas map[string]any `json:"schemas"`
	} `json:"components"`
	Codes []struct {
		Code string `json:"code"`
	} `json:"x-problem-codes"`

	codes []string // that the operations may answer with
}

// operation is one of a document.
type operation struct {
	ID          string                `json:"operationId"`
	Summary     string                `json:"summary"`
	Description string                `json:"description,omitempty"`
	Security    []map[string][]string `json:"security,omitempty"`
	Parameters  []parameter           `json:"parameters,omitempty"`
	Body        *body                 `json:"requestBody,omitempty"`
	Responses   map[string]*body      `json:"responses"`

	named bool // by an idempotency key
}

type parameter struct {
	Name        string         `json:"name"`
	In          string         `json:"in"`
	Description string         `json:"description,omitempty"`
	Required    bool           `json:"required,omitempty"`
	Schema      map[string]any `json:"schema"`
}

type body struct {
	Description string               `json:"description,omitempty"`
	Required    bool                 `json:"required,omitempty"`
	Content     map[string]mediaType `json:"content"`
}

type mediaType struct {
	Schema map[string]any `json:"schema"`
}

func parse(text []byte) (d document, err error) {
	err = json.Unmarshal(text, &d)
	return d, err
}

// narrow leaves what an API key may ask for, and what is answered if all goes well. Problems have one form, headers are the client's
// own business, and a payee signs nothing.
func (d *document) narrow() {
	for path, methods := range d.Paths {
		for method, op := range methods {
			if !slices.ContainsFunc(op.Security, func(s map[string][]string) bool { return s["payee_key"] != nil }) {
				delete(methods, method)
				continue
			}
			op.Security = nil
			op.named = slices.ContainsFunc(op.Parameters, func(p parameter) bool { return p.In == "header" && p.Name == api.IdempotencyHeader })
			op.Parameters = slices.DeleteFunc(op.Parameters, func(p parameter) bool { return p.In == "header" })
			if op.Body != nil && op.Body.Content["application/json"].Schema == nil {
				op.Body = nil
			}
			for status, b := range op.Responses {
				if status[0] != '2' {
					d.codes = append(d.codes, strings.Split(b.Description, ", ")...)
					delete(op.Responses, status)
				}
			}
		}
		if len(methods) == 0 {
			delete(d.Paths, path)
		}
	}
	d.prune()
}

// prune drops the schemas that nothing speaks of.
func (d *document) prune() {
	wanted := map[string]bool{}
	todo := []any{reference("Problem"), reference("Event")}
	for _, methods := range d.Paths {
		for _, op := range methods {
			for _, b := range append(slices.Collect(maps.Values(op.Responses)), op.Body) {
				if b != nil {
					for _, m := range b.Content {
						todo = append(todo, m.Schema)
					}
				}
			}
		}
	}
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		for _, name := range references(next) {
			if !wanted[name] {
				wanted[name] = true
				todo = append(todo, d.Components.Schemas[name])
			}
		}
	}
	maps.DeleteFunc(d.Components.Schemas, func(name string, _ any) bool { return !wanted[name] })
	for _, schema := range d.Components.Schemas {
		withoutExamples(schema)
	}
}

const schemas = "#/components/schemas/"

func reference(name string) any { return map[string]any{"$ref": schemas + name} }

// references are the names of the schemas that a part of a document speaks of.
func references(part any) (names []string) {
	switch part := part.(type) {
	case map[string]any:
		for key, value := range part {
			if to, ok := value.(string); ok && key == "$ref" {
				names = append(names, strings.TrimPrefix(to, schemas))
			}
			names = append(names, references(value)...)
		}
	case []any:
		for _, value := range part {
			names = append(names, references(value)...)
		}
	}
	return names
}

// withoutExamples takes examples out of a schema: they change more often than types do.
func withoutExamples(schema any) {
	s, ok := schema.(map[string]any)
	if !ok {
		return
	}
	delete(s, "example")
	delete(s, "examples")
	properties, _ := s["properties"].(map[string]any)
	for _, p := range properties {
		withoutExamples(p)
	}
	withoutExamples(s["items"])
	withoutExamples(s["additionalProperties"])
}

// table is the script that says how each operation is asked for.
func (d *document) table() ([]byte, error) {
	var lines []string
	for path, methods := range d.Paths {
		for method, op := range methods {
			if op.streams() {
				continue
			}
			line, err := d.line(strings.ToUpper(method), path, op)
			if err != nil {
				return nil, err
			}
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	var codes strings.Builder
	for _, c := range d.Codes {
		if slices.Contains(d.codes, c.Code) {
			fmt.Fprintf(&codes, "  '%s',\n", c.Code)
		}
	}
	return []byte("// Generated from the OpenAPI document by scripts/clients; run: make clients\n\n" +
		"/** How each operation is asked for: what goes into the path and the query, and the list of an answer that has pages. */\n" +
		"export const operations = /** @type {const} */ ({\n" + strings.Join(lines, "") + "});\n\n" +
		"/** Every code that the service may refuse these operations with. */\n" +
		"export const problemCodes = /** @type {const} */ ([\n" + codes.String() + "]);\n"), nil
}

// streams tells an operation whose answer does not end, which the client knows by itself.
func (op *operation) streams() bool {
	for _, b := range op.Responses {
		for kind := range b.Content {
			if kind == "text/event-stream" {
				return true
			}
		}
	}
	return false
}

// line is an operation in the table. Parameters and body make one object for whoever calls it, so no two may have one name.
func (d *document) line(method, path string, op *operation) (string, error) {
	var query, names []string
	for _, p := range op.Parameters {
		names = append(names, p.Name)
		if p.In == "query" {
			query = append(query, p.Name)
		}
	}
	if op.Body != nil {
		for name := range d.properties(op.Body.Content["application/json"].Schema) {
			if slices.Contains(names, name) {
				return "", fmt.Errorf("%s has %s in its body and beside it: rename one, or teach scripts/clients", op.ID, name)
			}
		}
	}
	line := fmt.Sprintf("  %s: { method: '%s', path: '%s'", op.ID, method, path)
	if len(query) > 0 {
		line += ", query: ['" + strings.Join(query, "', '") + "']"
	}
	if op.Body != nil {
		line += ", body: true"
	}
	if method != "GET" && !op.named {
		line += ", unnamed: true"
	}
	if list := d.list(op); list != "" && slices.Contains(query, "before") {
		line += ", list: '" + list + "'"
	}
	return line + " },\n", nil
}

// properties are those of a schema, or of the one that it refers to.
func (d *document) properties(schema map[string]any) map[string]any {
	if to, ok := schema["$ref"].(string); ok {
		schema, _ = d.Components.Schemas[strings.TrimPrefix(to, schemas)].(map[string]any)
	}
	properties, _ := schema["properties"].(map[string]any)
	return properties
}

// list is the name of the one list in an answer that has a next; empty if it has none.
func (d *document) list(op *operation) (name string) {
	for _, b := range op.Responses {
		properties := d.properties(b.Content["application/json"].Schema)
		if properties["next"] == nil {
			return ""
		}
		for property, schema := range properties {
			if s, ok := schema.(map[string]any); ok && (s["type"] == "array" || slices.Equal(asStrings(s["type"]), []string{"array", "null"})) {
				name = property
			}
		}
	}
	return name
}

func asStrings(list any) (out []string) {
	items, _ := list.([]any)
	for _, item := range items {
		text, _ := item.(string)
		out = append(out, text)
	}
	return out
}
