package webui_test

import (
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tapline/httpapi"
	"tapline/payment"
	"tapline/processor"
	"tapline/webui"
)

// scripts are the text of all modules by name.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS("files"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".js" {
			return err
		}
		text, err := os.ReadFile("files/" + name)
		found[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var entry = regexp.MustCompile(`(?m)^  ("[a-z_.]+"): (".*"),$`)

// catalogue reads the words of a language.
func catalogue(t *testing.T, language string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("files/words/" + language + ".js")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{}
	for _, m := range entry.FindAllStringSubmatch(string(text), -1) {
		var key, value string
		if err := json.Unmarshal([]byte(m[1]), &key); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(m[2]), &value); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if _, twice := words[key]; twice {
			t.Errorf("%s has %s twice", language, key)
		}
		words[key] = value
	}
	if lines := strings.Count(string(text), "\n  \""); lines != len(words) || lines == 0 {
		t.Errorf("%s has %d lines with words, of which %d can be read", language, lines, len(words))
	}
	return words
}

var languages = []string{"en", "zh"}

// cardEvents are what devices are told of their cards, after "card.": TestEveryEventOfACardHasWords compares them with
// the source.
var cardEvents = []string{
	"adjusted", "bound", "closed", "code_issued", "device_removed", "device_revoked", "email_changed",
	"email_removed", "exported", "frozen", "limits_changed", "lost", "paid_out", "passkey_added", "passkey_removed",
	"pin_alarm", "pin_changed", "replaced", "skim_suspected", "topped_up", "unfrozen",
}

var levels = []string{"tap", "authenticate", "confirm", "approve"}

func cardStates() (names []string) {
	for _, s := range processor.CardStates {
		names = append(names, string(s))
	}
	return names
}

func paymentStates() (names []string) {
	for _, s := range payment.States {
		names = append(names, string(s))
	}
	return names
}

func paymentReasons() (names []string) {
	for _, r := range payment.Reasons {
		names = append(names, string(r))
	}
	return names
}

func TestEveryEventOfACardHasWords(t *testing.T) {
	sources, err := filepath.Glob("../processor/*.go")
	if err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile(`(?:tellCard|tellHolder|moveMail|u\.change|u\.freeze)\([^"\n]*"([a-z_]+)"`)
	found := map[string]bool{}
	for _, name := range sources {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range told.FindAllStringSubmatch(string(text), -1) {
			found[m[1]] = true
		}
	}
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, cardEvents) {
		t.Errorf("processor tells of %v, the pages have words for %v", got, cardEvents)
	}
}

// made are keys that pages put together: by prefix, all there can be.
func made() map[string][]string {
	ends, reasons := []string{}, []string{}
	for _, s := range payment.States {
		if s.Final() {
			ends = append(ends, string(s))
			reasons = append(reasons, string(s))
		}
	}
	for _, r := range payment.Reasons {
		reasons = append(reasons, string(r))
	}
	codes := []string{"unreachable"}
	for _, c := range httpapi.Codes() {
		codes = append(codes, c.Code)
	}
	var kinds []string
	for _, k := range processor.WakeKinds {
		kinds = append(kinds, string(k))
	}
	return map[string][]string{
		"wake.": kinds, "wake.text_": kinds,
		"problem.": codes, "end.": ends, "end.reason.": slices.DeleteFunc(reasons, func(r string) bool { return r == "settled" }),
		"me.event.": append(slices.Clone(cardEvents), "refunded"), "me.state.": cardStates(), "me.level.": levels, "me.level_text.": levels,
		"op.section.": {"payments", "cards", "accounts", "funnel", "alarms", "audit", "operators"},
		"op.state.":   paymentStates(), "op.reason.": paymentReasons(), "op.level.": levels, "op.assurance.": {"identified", "authentic"},
		"op.step.": {"instructed", "authenticated", "confirmed", "approved", "undoable", "refunded"}, "op.by.": {"initiator", "approver", "service"},
		"op.method.": {"tap", "pin", "passkey", "signature", "code"}, "op.kind.": {"card", "payee", "fees", "issuance"},
		"op.stage.": {"instructed", "authentication", "confirmation", "approval", "settlement"}, "op.span.": {"hour", "day", "week", "month"},
		"op.event.": append(slices.Clone(cardEvents), "top_up.requested", "top_up.confirmed", "top_up.rejected",
			"operator.requested", "operator.enrolled", "operator.removed", "operator.passkey_added", "operator.passkey_removed"), "signin.kind.": {"operator", "payee"},
		"demo.": {"activate.title", "activate.text", "pay.title", "pay.text", "approve.title", "approve.text", "refund.title", "refund.text", "read.title", "read.text"}, "till.list.": {"payments", "orders"},
		"op.person.": {"confirm", "refuse", "remove"}, "op.person_is.": {"requested", "active", "removed"}, "op.": {"confirm", "reject"},
		"op.do.":    {"freeze", "unfreeze", "top_up", "activation", "rebind", "pin_reset", "lost", "replace", "payments", "close"},
		"me.limit.": {"payment", "day_sum", "month_sum", "day_count", "month_count", "known"},
		"me.do.":    {"freeze", "unfreeze", "pin", "limits", "passkeys", "devices", "lost"},
		"order.is.": {"claimed", "paid", "cancelled", "expired"}, "order.is_text.": {"claimed", "paid", "cancelled", "expired"},
		"test.card.":  {"approves", "declines", "expires", "slow", "wrong_pin", "frozen", "insufficient_funds"},
		"till.state.": {"open", "claimed", "paid", "cancelled", "expired"},
		"tap.":        {"no_account", "no_application", "card_blocked", "card_malformed", "unreadable", "nfc_refused"},
	}
}

func TestEveryLanguageHasTheWordsThatPagesUse(t *testing.T) {
	// A text of the form of a key, with a first part that keys have, is one.
	used, parts := map[string]bool{}, map[string]bool{}
	for key := range catalogue(t, "en") {
		part, _, _ := strings.Cut(key, ".")
		parts[part] = true
	}
	literal := regexp.MustCompile(`'(([a-z]+)\.[a-z_.]*[a-z])'`)
	for name, text := range scripts(t) {
		for _, m := range literal.FindAllStringSubmatch(text, -1) {
			if parts[m[2]] && !strings.HasPrefix(name, "words/") {
				used[m[1]] = true
			}
		}
	}
	for prefix, ends := range made() {
		for _, end := range ends {
			used[prefix+end] = true
		}
	}
	for _, language := range languages {
		words := catalogue(t, language)
		for _, key := range slices.Sorted(maps.Keys(used)) {
			if words[key] == "" {
				t.Errorf("%s has no words for %s", language, key)
			}
		}
	}
	for key := range catalogue(t, "en") {
		if !used[key] && !strings.HasPrefix(key, "problem.invalid_") {
			t.Errorf("nobody uses the words for %s", key)
		}
	}
}

func TestLanguagesSayTheSame(t *testing.T) {
	value := regexp.MustCompile(`\{\w+\}`)
	english := catalogue(t, "en")
	for _, language := range languages[1:] {
		other := catalogue(t, language)
		for key, text := range english {
			a, b := value.FindAllString(text, -1), value.FindAllString(other[key], -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("%s: English has the values %v, %s has %v", key, a, language, b)
			}
		}
		for key := range other {
			if _, ok := english[key]; !ok {
				t.Errorf("%s has words for %s, which English has not", language, key)
			}
		}
	}
}

func TestScriptsReadNoMarkupAndKeepNoStyles(t *testing.T) {
	refused := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function|\.style\b|javascript:|console\.|srcdoc`)
	for name, text := range scripts(t) {
		if m := refused.FindString(text); m != "" {
			t.Errorf("%s uses %s", name, m)
		}
		if !strings.HasPrefix(text, "// @ts-check\n") {
			t.Errorf("%s does not begin with // @ts-check", name)
		}
	}
}

// transferred is how many bytes of body a browser loads for a page, compressed as they are sent.
func transferred(t *testing.T, address string) (total int) {
	t.Helper()
	mux := http.NewServeMux()
	webui.Handle(mux)
	server := httptest.NewServer(mux)
	defer server.Close()
	next, seen := []string{address, "/ui/icon.svg", "/words/zh.js"}, map[string]bool{}
	reference := regexp.MustCompile(`(?:from |import |import\(|register\(|href=|src=)['"]([^'"]+\.(?:js|css|webmanifest))['"]`)
	for ; len(next) > 0; next = next[1:] {
		if seen[next[0]] || next[0] == "/words/en.js" { // one language is loaded
			continue
		}
		seen[next[0]] = true
		for _, encoding := range []string{"gzip", "identity"} {
			request, err := http.NewRequest("GET", server.URL+next[0], nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Accept-Encoding", encoding)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || response.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s %v", next[0], response.Status, err)
			}
			if encoding == "gzip" {
				total += len(body)
				continue
			}
			for _, m := range reference.FindAllStringSubmatch(string(body), -1) {
				to := m[1]
				if !strings.HasPrefix(to, "/") {
					to = path.Join(path.Dir(next[0]), to)
				}
				next = append(next, to)
			}
		}
	}
	return total
}

func TestPayerPagesWeighLittle(t *testing.T) {
	const most = 60_000
	for _, address := range []string{"/pay", "/t", "/approve", "/me"} {
		if got := transferred(t, address); got > most {
			t.Errorf("%s transfers %d bytes, want at most %d", address, got, most)
		} else {
			t.Logf("%s transfers %d bytes", address, got)
		}
	}
}
