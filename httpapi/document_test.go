package httpapi

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
)

var update = flag.Bool("update", false, "write the golden files anew")

// document reads /openapi.json.
func (s *station) readDocument() (doc map[string]any, text string) {
	s.Helper()
	r := s.send("GET", "/openapi.json", "")
	s.must(json.Unmarshal([]byte(r.body), &doc))
	return doc, r.body
}

// operations yields each operation with its method and path.
func operations(doc map[string]any, see func(method, path string, op map[string]any)) {
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			see(strings.ToUpper(method), path, op.(map[string]any))
		}
	}
}

func TestRoutesAreThoseOfTheGoldenFile(t *testing.T) {
	s := openEmpty(t)
	doc, _ := s.readDocument()
	var lines []string
	operations(doc, func(method, path string, op map[string]any) {
		var by []string
		security, _ := op["security"].([]any)
		for _, one := range security {
			name := string(bySignature)
			for key := range one.(map[string]any) {
				name = key
			}
			by = append(by, name)
		}
		var statuses []string
		for status := range op["responses"].(map[string]any) {
			statuses = append(statuses, status)
		}
		slices.Sort(statuses)
		lines = append(lines, fmt.Sprintf("%s %s | %s | %s | %s", path, method, op["operationId"], strings.Join(by, ", "), strings.Join(statuses, " ")))
	})
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	const golden = "testdata/routes.golden"
	if *update {
		s.must(os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	s.must(err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("a change of contract; if it is meant, run go test ./httpapi -run %s -update (-want +got):\n%s", t.Name(), diff)
	}
}

func TestTheDocumentIsComplete(t *testing.T) {
	s := openEmpty(t)
	doc, text := s.readDocument()
	if doc["openapi"] != "3.1.0" || doc["info"].(map[string]any)["title"] == "" {
		t.Errorf("openapi %v, info %v", doc["openapi"], doc["info"])
	}
	if strings.Contains(text, "$schema") {
		t.Error("the document has $schema fields that no body has")
	}
	ids := map[any]bool{}
	operations(doc, func(method, path string, op map[string]any) {
		where := method + " " + path
		if ids[op["operationId"]] || op["operationId"] == "" || op["summary"] == "" || len(op["responses"].(map[string]any)) < 2 {
			t.Errorf("%s: %v", where, op)
		}
		ids[op["operationId"]] = true
		declared := map[string]bool{}
		parameters, _ := op["parameters"].([]any)
		for _, p := range parameters {
			declared[p.(map[string]any)["name"].(string)] = true
		}
		for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
			if !declared[m[1]] {
				t.Errorf("%s: path parameter %s is not declared", where, m[1])
			}
		}
		if body, ok := op["requestBody"].(map[string]any); ok {
			jws, signed := body["content"].(map[string]any)[api.ContentJWS].(map[string]any)
			if signed && jws["schema"].(map[string]any)["contentSchema"] == nil {
				t.Errorf("%s: the JWS has no schema of its claims", where)
			}
		}
	})
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	for _, ref := range regexp.MustCompile(`"\$ref":"#/components/schemas/(\w+)"`).FindAllStringSubmatch(text, -1) {
		if schemas[ref[1]] == nil {
			t.Errorf("%s leads nowhere", ref[0])
		}
	}
	for _, name := range []string{"SignedInstruction", "SignedDecision", "Payment", "Problem", "Event"} {
		if schemas[name] == nil {
			t.Errorf("there is no schema %s", name)
		}
	}
	if got := len(doc["x-problem-codes"].([]any)); got != len(Codes()) {
		t.Errorf("%d problem codes of %d", got, len(Codes()))
	}
}

// TestAnswersAreAsDocumented compares the fields of answers with their schemas.
func TestAnswersAreAsDocumented(t *testing.T) {
	s := openStation(t)
	p := s.settled()
	doc, _ := s.readDocument()
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	for schema, r := range map[string]reply{
		"Payment":  s.get("/v1/payments/"+p.ID, s.token(s.kiosk)),
		"Payments": s.get("/v1/payments", s.apiKey),
		"Cards":    s.get("/v1/cards", s.token(s.phone)),
		"Card":     s.get("/v1/cards/"+s.card.ID, s.token(s.phone)),
		"Payee":    s.get("/v1/payees/"+handle, s.token(s.phone)),
		"Accounts": s.get("/v1/admin/accounts", s.token(s.operator)),
		"AuditLog": s.get("/v1/admin/audit", s.token(s.operator)),
		"Problem":  s.get("/v1/payments/none", s.token(s.phone)),
	} {
		var got map[string]any
		s.must(json.Unmarshal([]byte(r.body), &got))
		known := schemas[schema].(map[string]any)
		for name := range got {
			if known["properties"].(map[string]any)[name] == nil {
				t.Errorf("%s has a field %s that is not in its schema", schema, name)
			}
		}
		for _, name := range known["required"].([]any) {
			if got[name.(string)] == nil {
				t.Errorf("%s lacks the required field %s: %s", schema, name, r.body)
			}
		}
	}
}

func TestPagesLoadNothingFromElsewhere(t *testing.T) {
	s := openEmpty(t)
	for path, kind := range map[string]string{"/": "text/html", "/home.css": "text/css", "/docs": "text/html", "/docs/docs.css": "text/css", "/docs/docs.js": "text/javascript"} {
		r := s.send("GET", path, "")
		if r.status != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), kind) {
			t.Errorf("%s: %d, %v", path, r.status, r.header)
		}
		for _, banned := range []string{"http://", "https://", "//cdn", "innerHTML", " style=", "onclick"} {
			if strings.Contains(r.body, banned) {
				t.Errorf("%s has %q", path, banned)
			}
		}
	}
}

// TestNothingSecretIsToldElsewhere makes all kinds of requests, and then looks for what went over the wire in secret.
func TestNothingSecretIsToldElsewhere(t *testing.T) {
	s := openStation(t)
	s.settled()
	p := s.confirmed()
	kiosk, operator := s.token(s.kiosk), s.token(s.operator)
	decoy := s.instruct(s.kiosk, otherNumber)
	s.authenticate(s.kiosk, decoy.ID, wrongPIN).expect(403, "wrong_pin")
	s.activate(s.kiosk, s.code, otherNumber, wrongPIN).expect(403, "activation_refused")
	m := &consent.PINChange{Claims: s.claims(), Card: consent.CardID(s.card.ID), OldPIN: rightPIN, NewPIN: "860251473920"}
	s.signed(s.phone, "/v1/cards/"+s.card.ID+"/pin", consent.TypPIN, m).expect(200, "")
	s.send("GET", "/v1/payments?secret="+kiosk, "", "Authorization", "Bearer "+kiosk).expect(400, "unknown_field")
	s.send("GET", "/v1/nothing/"+kiosk, "")
	metrics := s.send("GET", "/metrics", "").body
	secrets := map[string]string{
		"account number": string(cardNumber), "other account number": string(otherNumber), "PIN": string(rightPIN),
		"wrong PIN": string(wrongPIN), "new PIN": "860251473920", "activation code": s.code, "API key": s.apiKey, "token": kiosk,
		"operator's token": operator, "first token": firstToken, "payment": p.ID, "device": string(s.kiosk.ID()),
	}
	for what, secret := range secrets {
		if secret == "" {
			t.Fatalf("no %s to look for", what)
		}
		if strings.Contains(metrics, secret) {
			t.Errorf("the metrics tell the %s", what)
		}
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log tells the %s", what)
		}
	}
	if strings.Contains(metrics, "approval_code") || !strings.Contains(s.log.String(), `"route":"POST /v1/payments/{id}/authentication","status":403`) {
		t.Errorf("the log has not what it should have:\n%s", s.log)
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+)$`)
	for text := range strings.Lines(metrics) {
		if !line.MatchString(strings.TrimSuffix(text, "\n")) {
			t.Errorf("not a line of Prometheus's text format: %q", text)
		}
	}
	for _, want := range []string{
		`tapline_payments_total{state="settled"} 1`, `tapline_payment_stage_duration_seconds_count{stage="second_confirmation"} 1`,
		`tapline_batch_commands_count `, `tapline_http_requests_total{route="none",status="404"} 1`, "tapline_pin_hashes_waiting 0",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}
}

func TestAdminCanListenElsewhere(t *testing.T) {
	s := openEmpty(t, func(c *Config) { c.SeparateAdmin = true })
	for _, path := range []string{"/v1/admin/cards", "/metrics"} {
		s.send("GET", path, "").expect(404, "not_found")
	}
	s.handler = s.AdminHandler()
	s.server.Config.Handler = s.handler
	s.enrol(s.newKey(), firstToken, firstIdemKey).expect(201, "")
	if r := s.send("GET", "/metrics", ""); r.status != 200 {
		t.Errorf("metrics: %d", r.status)
	}
	s.send("POST", "/v1/payments", "").expect(404, "not_found")
}

func TestAPanicIsABareProblem(t *testing.T) {
	s := openEmpty(t)
	s.handler = s.wrap(panicking())
	s.server.Config.Handler = s.handler
	r := s.send("GET", "/broken", "").expect(500, "internal")
	if strings.Contains(r.body, "SECRET") || !strings.Contains(s.log.String(), "request panicked") {
		t.Errorf("answered %s; log:\n%s", r.body, s.log)
	}
}

func TestEveryCodeBelongsToAnOperation(t *testing.T) {
	documented := map[string]bool{
		"not_found": true, "method_not_allowed": true, // of no operation
	}
	for _, r := range routes {
		for _, codes := range r.problems() {
			for _, code := range codes {
				documented[code] = true
			}
		}
	}
	for _, c := range Codes() {
		if !documented[c.Code] {
			t.Errorf("%s belongs to no operation", c.Code)
		}
	}
}
