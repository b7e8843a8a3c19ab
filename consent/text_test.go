package consent

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestTextFromStrangersIsWhatItLooksLike(t *testing.T) {
	for text, want := range map[string]string{
		"":                "",
		"two cups of tea": "two cups of tea",
		"  tea \t\n":      "tea",
		"\u00a0tea\u3000": "tea",
		"茶两杯，12元":         "茶两杯，12元",
		"cafe\u0301":      "café",
		"❤\ufe0f":         "❤\ufe0f",
		"ภาษาไทยน้ำ":      "ภาษาไทยน้ำ",
		"😀":               "😀",
		"a <b>&\"'</b>":   "a <b>&\"'</b>",
		"שלום":            "שלום",
	} {
		if got, err := CleanText(text, 20); err != nil || got != want {
			t.Errorf("CleanText(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for name, text := range map[string]string{
		"NUL": "a\x00b", "line end": "a\nb", "tab": "a\tb", "escape": "a\x1b[31m", "delete": "a\x7f", "C1": "a\u0085b",
		"left-to-right mark": "a\u200eb", "right-to-left override": "a\u202eb", "isolate": "a\u2066b\u2069",
		"Arabic letter mark": "a\u061cb", "zero-width space": "a\u200bb", "zero-width joiner": "a\u200db", "soft hyphen": "a\u00adb",
		"byte order mark": "a\ufeffb", "word joiner": "a\u2060b", "tag": "a\U000e0041", "interlinear": "a\ufff9b",
		"line separator": "a\u2028b", "paragraph separator": "a\u2029b", "private use": "\ue000", "private plane": "\U000f0000",
		"unassigned": "\u0378", "not a character": "a\uffff", "replacement character": "a\ufffd",
		"Hangul filler": "a\u3164b", "half-width filler": "a\uffa0b", "Hangul choseong filler": "a\u115fb",
		"grapheme joiner": "a\u034fb", "Braille blank": "a\u2800b", "variation selector": "a\ufe00b", "Mongolian selector": "a\u180bb",
		"mark at the beginning": "\u0301a", "heap of marks": "a" + strings.Repeat("\u0300", maxMarks+2), "invalid": "a\xff", "surrogate": "a\xed\xa0\x80",
		"too long": strings.Repeat("a", 21), "far too long": strings.Repeat(" ", 1000), "too long in runes": strings.Repeat("茶", 21),
	} {
		if got, err := CleanText(text, 20); err != ErrText {
			t.Errorf("%s: CleanText(%q) = %q, %v; want %v", name, text, got, err, ErrText)
		}
	}
}

func TestHandlesAreLowerCaseASCII(t *testing.T) {
	for _, good := range []string{"a@b", "shop@example", "tea.house-2_x@pay.example", strings.Repeat("a", 32) + "@" + strings.Repeat("b", 32)} {
		if err := CheckHandle(good); err != nil {
			t.Errorf("CheckHandle(%q) = %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "@", "shop", "shop@", "@example", "Shop@example", "shop@example@x", ".shop@example", "shop.@example", "shop@-x",
		"shop@x_y", "sh op@example", "shop@example\n", "ѕhop@example", "shop@exämple", strings.Repeat("a", 33) + "@b", "a@" + strings.Repeat("b", 33),
	} {
		if CheckHandle(bad) == nil {
			t.Errorf("CheckHandle(%q) takes it", bad)
		}
	}
}

func FuzzCleanText(f *testing.F) {
	for _, seed := range []string{"tea", " cafe\u0301 ", "a\u202eb", "\xff", "❤\ufe0f", "가\u11a8", "\u1100\u1161", "ﬁ", "Å"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := CleanText(text, 30)
		if err != nil {
			return
		}
		if utf8.RuneCountInString(got) > 30 || !norm.NFC.IsNormalString(got) || strings.TrimSpace(got) != got {
			t.Fatalf("CleanText(%q) = %q", text, got)
		}
		for _, r := range got {
			if unicode.In(r, unicode.C) || r == '\u2028' || r == '\u2029' {
				t.Fatalf("CleanText(%q) lets %U through", text, r)
			}
		}
		if again, err := CleanText(got, 30); err != nil || again != got {
			t.Fatalf("CleanText(%q) = %q, and of that %q, %v", text, got, again, err)
		}
	})
}
