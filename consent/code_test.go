package consent

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tapline/keyring"
)

func TestActivationCodesAreReadHoweverTheyAreTyped(t *testing.T) {
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}-[0-9A-HJKMNP-TV-Z]$`)
	for range 200 {
		code := NewActivationCode()
		if !form.MatchString(string(code)) {
			t.Fatalf("code %s", string(code))
		}
		text := string(code)
		for _, typed := range []string{
			text, strings.ToLower(text), strings.ReplaceAll(text, "-", ""), strings.ReplaceAll(text, "-", " "), " " + text + " ",
			strings.ReplaceAll(text, "0", "O"), strings.ReplaceAll(text, "0", "o"), strings.ReplaceAll(text, "1", "I"),
			strings.ReplaceAll(text, "1", "l"), strings.Join(strings.Split(text, ""), "-"),
		} {
			if got, err := NormalizeActivationCode(typed); err != nil || got != code {
				t.Fatalf("NormalizeActivationCode(%q) = %q, %v; want %s", typed, string(got), err, text)
			}
		}
	}
}

func TestMistypedActivationCodesCostNoTry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		symbols := rapid.SliceOfN(rapid.ByteRange(0, 31), codeRandom, codeRandom).Draw(t, "symbols")
		symbols = append(symbols, checkSymbol(symbols))
		text := func(symbols []byte) string {
			var b strings.Builder
			for _, v := range symbols {
				b.WriteByte(crockford[v])
			}
			return b.String()
		}
		if _, err := NormalizeActivationCode(text(symbols)); err != nil {
			t.Fatalf("%s: %v", text(symbols), err)
		}
		i, j := rapid.IntRange(0, codeRandom).Draw(t, "i"), rapid.IntRange(0, codeRandom).Draw(t, "j")
		wrong, swapped := bytes.Clone(symbols), bytes.Clone(symbols)
		wrong[i] ^= rapid.ByteRange(1, 31).Draw(t, "change")
		swapped[i], swapped[j] = swapped[j], swapped[i]
		if _, err := NormalizeActivationCode(text(wrong)); err != ErrCode {
			t.Fatalf("%s for %s: %v, want %v", text(wrong), text(symbols), err, ErrCode)
		}
		if _, err := NormalizeActivationCode(text(swapped)); symbols[i] != symbols[j] && err != ErrCode {
			t.Fatalf("%s for %s: %v, want %v", text(swapped), text(symbols), err, ErrCode)
		}
	})
	for _, bad := range []string{"", "-", "0", strings.Repeat("0", 12), strings.Repeat("0", 14), strings.Repeat("-", 65), "0000-0000-0000-U", "0000-0000-0000-é", "0000_0000_0000_0"} {
		if _, err := NormalizeActivationCode(bad); err != ErrCode {
			t.Errorf("NormalizeActivationCode(%q): %v, want %v", bad, err, ErrCode)
		}
	}
}

func TestActivationCodesAreFoundAfterRotation(t *testing.T) {
	before, after := rotated(t)
	code := NewActivationCode()
	stored, err := ActivationCodeMAC(before, code)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := ActivationCodeMACs(after, Code(strings.ToLower(string(code))))
	if err != nil || len(sums) != 2 || sums[0].Version != 2 || !bytes.Equal(sums[1].Sum, stored.Sum) {
		t.Errorf("MACs are %v, %v; want version 2 and then %v", sums, err, stored)
	}
	if _, err := ActivationCodeMAC(before, "x"); err != ErrCode {
		t.Errorf("MAC of no code: %v", err)
	}
}

func TestApprovalCodeStaysTheSameForItsPayment(t *testing.T) {
	before, after := rotated(t)
	nonce := NewNonce(before)
	for _, digits := range []int{2, 6} {
		code, err := ApprovalCode(before, nonce, digits)
		if err != nil || len(code) != digits || !allDigits(string(code)) {
			t.Fatalf("code of %d digits: %q, %v", digits, string(code), err)
		}
		for _, keys := range []*keyring.Keyring{before, after} {
			if ok, err := CheckApprovalCode(keys, nonce, digits, code); !ok || err != nil {
				t.Errorf("right code of %d digits: %v, %v", digits, ok, err)
			}
			for _, typed := range []Code{"", "0", code + "0", code[:1], " " + code} {
				if ok, err := CheckApprovalCode(keys, nonce, digits, typed); ok || err != nil {
					t.Errorf("%q for %q: %v, %v", string(typed), string(code), ok, err)
				}
			}
		}
	}
	if !strings.HasPrefix(NewNonce(after), "2.") {
		t.Error("a new nonce is not of the current key")
	}
	if _, err := ApprovalCode(before, NewNonce(after), 2); !errors.Is(err, keyring.ErrVersion) {
		t.Errorf("nonce of a missing key: %v, want %v", err, keyring.ErrVersion)
	}
	for _, bad := range []string{"", ".", "1.", "1", "x." + NewID(), "1." + NewID() + "A", NewID()} {
		if _, err := ApprovalCode(before, bad, 2); err == nil {
			t.Errorf("nonce %q taken", bad)
		}
	}
}

func TestApprovalCodesAreSpreadEvenly(t *testing.T) {
	keys := newKeyring(t)
	const rounds = 20_000
	counts := make(map[Code]int)
	sixEndsWithTwo := 0
	for range rounds {
		nonce := NewNonce(keys)
		two, err := ApprovalCode(keys, nonce, 2)
		if err != nil {
			t.Fatal(err)
		}
		six, err := ApprovalCode(keys, nonce, 6)
		if err != nil {
			t.Fatal(err)
		}
		counts[two]++
		if strings.HasSuffix(string(six), string(two)) {
			sixEndsWithTwo++
		}
	}
	// 200 are expected of each of 100 codes; 100 off is seven standard deviations.
	for i := range 100 {
		code := Code(fmt.Sprintf("%02d", i))
		if n := counts[code]; n < 100 || n > 300 {
			t.Errorf("code %02d came %d times of %d", i, n, rounds)
		}
	}
	if sixEndsWithTwo > 300 {
		t.Errorf("the long code ends with the short one %d times of %d", sixEndsWithTwo, rounds)
	}
}
