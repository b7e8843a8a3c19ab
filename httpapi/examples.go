package httpapi

import (
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// exampleFiles are the examples of all operations, each in a file of its name, and story.json, which has their names in the order
// in which they were told. TestExamples writes them: decisions/0039.
//
//go:embed examples
var exampleFiles embed.FS

// example is a request and the answer that a service gave to it. Those of all operations are one story.
type example struct {
	Operation string         `json:"operation"`
	Summary   string         `json:"summary"`
	Request   exampleRequest `json:"request"`
	Answer    exampleAnswer  `json:"answer"`
}

// exampleRequest is what was asked. Parameters are those of path, query and header by name, as text. What is no JSON is a JSON text
// in Body.
type exampleRequest struct {
	By          credential        `json:"by,omitempty"`
	Parameters  map[string]string `json:"parameters,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	Body        json.RawMessage   `json:"body,omitempty"`
	Signed      *exampleSigned    `json:"signed,omitempty"`
}

// exampleSigned is what a JWS says.
type exampleSigned struct {
	Header json.RawMessage `json:"header"`
	Claims json.RawMessage `json:"claims"`
}

type exampleAnswer struct {
	Status      int             `json:"status"`
	ContentType string          `json:"content_type"`
	Body        json.RawMessage `json:"body"`
}

// exampleName is what examples are called in the document.
const exampleName = "story"

// examples are those that are embedded, by operation, and the story that they tell. It panics if one is not as TestExamples writes it.
var examples = sync.OnceValues(func() (all map[string]example, story []string) {
	all = map[string]example{}
	read := func(name string, v any) {
		text, err := exampleFiles.ReadFile("examples/" + name + ".json")
		if err == nil {
			err = json.Unmarshal(text, v)
		}
		if err != nil {
			panic(fmt.Sprintf("httpapi: example %s: %v", name, err))
		}
	}
	read("story", &story)
	for _, id := range story {
		var e example
		read(id, &e)
		all[id] = e
	}
	return all, story
})

// tell puts the story into the document: which operations in which order, and what happens in each.
func tell(doc *huma.OpenAPI) {
	all, story := examples()
	told := []map[string]string{}
	for _, id := range story {
		told = append(told, map[string]string{"operation": id, "summary": all[id].Summary})
	}
	doc.Extensions["x-story"] = told
}

// show puts an example into its operation: what each parameter was, the body, and the answer. What a signed body says stands beside
// it, and who asked stands in the operation.
func (e example) show(r *route, op *huma.Operation) {
	for _, p := range op.Parameters {
		if text, given := e.Request.Parameters[p.Name]; given {
			p.Example = exampleValue(r, p.Name, text)
		}
	}
	said := map[string]any{"summary": e.Summary}
	if e.Request.By != "" {
		said["by"] = e.Request.By
	}
	if op.Extensions == nil {
		op.Extensions = map[string]any{}
	}
	op.Extensions["x-example"] = said
	if op.RequestBody != nil && e.Request.Body != nil {
		shown := &huma.Example{Summary: e.Summary, Value: e.Request.Body}
		if e.Request.Signed != nil {
			shown.Extensions = map[string]any{"x-signed": e.Request.Signed}
		}
		op.RequestBody.Content[e.Request.ContentType].Examples = map[string]*huma.Example{exampleName: shown}
	}
	if media := op.Responses[strconv.Itoa(e.Answer.Status)].Content[e.Answer.ContentType]; media != nil {
		media.Examples = map[string]*huma.Example{exampleName: {Summary: e.Summary, Value: e.Answer.Body}}
	}
}

// exampleValue is a parameter as its schema has it.
func exampleValue(r *route, name, text string) any {
	for _, p := range r.query {
		if p.name == name && p.many {
			return strings.Split(text, ",")
		}
		if n, err := strconv.ParseInt(text, 10, 64); p.name == name && p.integer && err == nil {
			return n
		}
	}
	return text
}
