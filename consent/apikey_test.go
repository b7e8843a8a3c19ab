package consent

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// scanner is what a scanner for leaked secrets would look for.
var scanner = regexp.MustCompile(`^tapline_(live|test)_[0-9A-Za-z]{49}$`)

func TestAPIKeysHaveTheirForm(t *testing.T) {
	seen := map[APIKey]bool{}
	for range 1000 {
		for _, environment := range []string{"live", "test"} {
			k := NewAPIKey(environment)
			if !scanner.MatchString(string(k)) || k.Check(environment) != nil || seen[k] {
				t.Fatalf("%q: %v", string(k), k.Check(environment))
			}
			seen[k] = true
		}
	}
	// The checksum as another program makes it: zlib.crc32 of Python gives 0x92890e93.
	const known = "tapline_test_0000000000000000000000000000000000000000000"
	if got := string(checksum([]byte(known))); got != "2gNQdH" || APIKey(known+got).Check("test") != nil {
		t.Errorf("checksum %q, want 2gNQdH", got)
	}
}

func TestAPIKeysThatAreNone(t *testing.T) {
	k := NewAPIKey("test")
	for i := len("tapline_test_"); i < len(k); i++ {
		wrong := []byte(k)
		wrong[i] = base62[(strings.IndexByte(base62, wrong[i])+1)%len(base62)]
		if APIKey(wrong).Check("test") == nil {
			t.Errorf("a wrong character at %d is not noticed", i)
		}
	}
	for _, wrong := range []APIKey{"", "tapline_test_", k[:len(k)-1], k + "0", "x" + k, k[1:], "tk_test_" + k[len("tapline_test_"):], APIKey(strings.ToUpper(string(k))),
		APIKey(strings.Replace(string(k), "_test_", "_live_", 1))} {
		for _, environment := range []string{"test", "live"} {
			if wrong.Check(environment) == nil {
				t.Errorf("%q is taken for a key", string(wrong))
			}
		}
	}
	if k.Check("live") == nil {
		t.Error("a test key is taken for a live one")
	}
}

func TestAPIKeysAreNotPrinted(t *testing.T) {
	k := NewAPIKey("live")
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%s %q %x %+v", k, k, k, struct{ K APIKey }{k}), k.LogValue().String()} {
		if strings.Contains(text, string(k[13:20])) || strings.Contains(text, fmt.Sprintf("%x", string(k[13:17]))) {
			t.Errorf("printed as %s", text)
		}
	}
	if h := k.Hint(); h != string(k[:17])+"…" {
		t.Errorf("hint %q", h)
	}
}
