package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type common struct {
	Audience string `json:"aud"`
}

type amount struct {
	Minor    int64  `json:"minor"`
	Currency string `json:"currency"`
}

type message struct {
	common
	Amount  amount            `json:"amount"`
	Second  *amount           `json:"second,omitempty"`
	List    []amount          `json:"list,omitempty"`
	Names   map[string]string `json:"names,omitempty"`
	At      time.Time         `json:"at,omitzero"`
	Any     any               `json:"any,omitempty"`
	Raw     json.RawMessage   `json:"raw,omitempty"`
	Token   string            `json:"token,omitempty"`
	Ignored string            `json:"-"`
	hidden  string
}

func TestWhatTwoReadersCouldReadDifferentlyIsRefused(t *testing.T) {
	for _, tc := range []struct{ name, text, code, field string }{
		{"empty", ``, CodeMalformed, ""},
		{"truncated", `{"aud":"x"`, CodeMalformed, ""},
		{"trailing value", `{"aud":"x"}{}`, CodeMalformed, ""},
		{"trailing text", `{"aud":"x"}x`, CodeMalformed, ""},
		{"trailing comma", `{"aud":"x",}`, CodeMalformed, ""},
		{"comment", `{"aud":"x"/**/}`, CodeMalformed, ""},
		{"invalid UTF-8", "{\"aud\":\"\xff\"}", CodeMalformed, ""},
		{"invalid UTF-8 in a name", "{\"\xff\":1}", CodeMalformed, ""},
		{"byte order mark", "\ufeff{}", CodeMalformed, ""},
		{"lone high surrogate", `{"aud":"\ud83d"}`, CodeMalformed, ""},
		{"lone low surrogate", `{"aud":"\ude00"}`, CodeMalformed, ""},
		{"surrogates in the wrong order", `{"aud":"\ude00\ud83d"}`, CodeMalformed, ""},
		{"high surrogate before a letter", `{"aud":"\ud83dA"}`, CodeMalformed, ""},
		{"high surrogate before another escape", `{"aud":"\ud83d\u0041"}`, CodeMalformed, ""},
		{"unknown", `{"evil":1}`, CodeUnknown, ""},
		{"unknown inside", `{"amount":{"evil":1}}`, CodeUnknown, "amount"},
		{"unknown in a list", `{"list":[{"minor":1},{"evil":1}]}`, CodeUnknown, "list"},
		{"unknown behind a pointer", `{"second":{"evil":1}}`, CodeUnknown, "second"},
		{"other case", `{"AUD":"x"}`, CodeUnknown, ""},
		{"Kelvin sign", "{\"to\u212Aen\":\"x\"}", CodeUnknown, ""},
		{"Go name", `{"Audience":"x"}`, CodeUnknown, ""},
		{"field left out", `{"Ignored":"x"}`, CodeUnknown, ""},
		{"unexported", `{"hidden":"x"}`, CodeUnknown, ""},
		{"empty name", `{"":"x"}`, CodeUnknown, ""},
		{"duplicate", `{"aud":"x","aud":"x"}`, CodeDuplicate, "aud"},
		{"duplicate by escape", `{"aud":"x","\u0061ud":"y"}`, CodeDuplicate, "aud"},
		{"duplicate by case", `{"aud":"x","Aud":"y"}`, CodeDuplicate, "aud"},
		{"duplicate by Kelvin sign", "{\"token\":\"x\",\"to\u212Aen\":\"y\"}", CodeDuplicate, "token"},
		{"duplicate inside", `{"amount":{"minor":1,"minor":2}}`, CodeDuplicate, "amount.minor"},
		{"duplicate in a map", `{"names":{"a":"1","a":"2"}}`, CodeDuplicate, "names"},
		{"duplicate in any", `{"any":{"a":{"b":1,"B":2}}}`, CodeDuplicate, "any"},
		{"duplicate in raw", `{"raw":[{"b":1,"b":2}]}`, CodeDuplicate, "raw"},
		{"null text", `{"aud":null}`, CodeWrongType, "aud"},
		{"null object", `{"amount":null}`, CodeWrongType, "amount"},
		{"null time", `{"at":null}`, CodeWrongType, "at"},
		{"null message", `null`, CodeWrongType, ""},
		{"list for a message", `[]`, CodeWrongType, ""},
		{"number for text", `{"aud":1}`, CodeWrongType, "aud"},
		{"text for a number", `{"amount":{"minor":"1"}}`, CodeWrongType, "amount.minor"},
		{"fraction", `{"amount":{"minor":1.5}}`, CodeWrongType, "amount.minor"},
		{"exponent", `{"amount":{"minor":1e3}}`, CodeWrongType, "amount.minor"},
		{"number out of range", `{"amount":{"minor":9223372036854775808}}`, CodeWrongType, "amount.minor"},
		{"bad time", `{"at":"4111111111111111"}`, CodeWrongType, ""},
		{"too deep", `{"any":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`, CodeMalformed, ""},
	} {
		var got message
		err := Decode([]byte(tc.text), &got)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != tc.code || e.Field != tc.field {
			t.Errorf("%s: Decode(%s) = %#v, want %s at %q", tc.name, tc.text, err, tc.code, tc.field)
		}
	}
}

func TestWellFormedTextIsRead(t *testing.T) {
	text := ` {"aud":"\ud83d\ude00 \\ud83d","amount":{"minor":1250,"currency":"CNY"},"second":null,
		"list":[{"minor":1}],"names":{"a":"1","b":"2"},"at":"2026-01-02T03:04:05Z","any":{"x":[1,null]},"raw":{"a":1}} `
	var got message
	if err := Decode([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := message{
		common: common{Audience: "😀 \\ud83d"}, Amount: amount{1250, "CNY"}, List: []amount{{Minor: 1}},
		Names: map[string]string{"a": "1", "b": "2"}, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Any: map[string]any{"x": []any{1.0, nil}}, Raw: json.RawMessage(`{"a":1}`),
	}
	want.hidden = got.hidden
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(message{}, common{})); diff != "" {
		t.Errorf("Decode(%s): -want +got\n%s", text, diff)
	}
}

func TestNestingUpToTheLimitIsRead(t *testing.T) {
	text := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	var got any
	if err := Decode([]byte(text), &got); err != nil {
		t.Errorf("Decode of depth %d: %v", MaxDepth, err)
	}
	if err := Decode([]byte("["+text+"]"), &got); err == nil {
		t.Errorf("Decode of depth %d was taken", MaxDepth+1)
	}
}

func TestErrorsNeverRepeatTheText(t *testing.T) {
	const secret = "4111111111111111"
	for _, text := range []string{
		`{"` + secret + `":1}`, `{"names":{"` + secret + `":"1","` + secret + `":"2"}}`, `{"at":"` + secret + `"}`,
		`{"amount":"` + secret + `"}`, `{"amount":{"minor":"` + secret + `"}}`, `{"amount":{"minor":` + secret + `.5}}`,
		`{"names":{"` + secret + `":1}}`, `{"any":{"` + secret + `":1,"` + secret + `":1}}`, secret + `"`,
	} {
		var got message
		err := Decode([]byte(text), &got)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Decode(%s) = %v, which must be an error without the value", text, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"aud":"x","amount":{"minor":1,"currency":"CNY"}}`, `{"aud":"x","Aud":"y"}`, `{"aud":"\ud83d\ude00"}`,
		`{"any":[[[{"a":1,"a":2}]]]}`, `{"at":"2026-01-02T03:04:05Z","raw":{}}`, `nul`, `"\u`, `{"second":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got message
		err := Decode(data, &got)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("Decode(%q) = %T, want *Error", data, err)
			}
			return
		}
		// What is taken, encoding/json reads the same, and its own text reads back.
		var plain message
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Fatalf("Decode took %q, encoding/json says %v", data, err)
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatalf("Decode(%q) cannot be written: %v", data, err)
		}
		var again message
		if err := Decode(text, &again); err != nil {
			t.Fatalf("Decode(%q), written as %q, is refused: %v", data, text, err)
		}
		if more, _ := json.Marshal(again); !bytes.Equal(text, more) {
			t.Fatalf("Decode(%q): %q reads as %q", data, text, more)
		}
	})
}
