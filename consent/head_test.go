package consent

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/keyring"
)

func someHead() Head {
	root := strings.Repeat("A", 43)
	return Head{Issuer: "https://pay.example", IssuedAt: 1772323200, Environment: "test", Number: 2, Previous: root,
		Entries: TreeHead{7, root}, Audit: TreeHead{3, root}, Restores: []Restore{{"EPOCH", 5, 2, 1}}, Day: "2026-03-01", DayDigest: root}
}

func TestAHeadIsWhatTheServiceSigned(t *testing.T) {
	keys, err := keyring.OpenOrCreate(t.TempDir() + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	evil, err := keyring.OpenOrCreate(t.TempDir() + "/evil")
	if err != nil {
		t.Fatal(err)
	}
	compact, err := SignHead(keys, someHead())
	if err != nil {
		t.Fatal(err)
	}
	got, err := VerifyHead(keys.PublicJWKS(), compact)
	if diff := cmp.Diff(someHead(), got); err != nil || diff != "" {
		t.Errorf("%v, (-want +got):\n%s", err, diff)
	}
	if read, err := ReadHead(compact); err != nil || !cmp.Equal(read, someHead()) {
		t.Errorf("without a key it reads %+v, %v", read, err)
	}
	forged, err := SignHead(evil, someHead())
	if err != nil {
		t.Fatal(err)
	}
	parts, other := strings.Split(compact, "."), strings.Split(forged, ".")
	for name, tc := range map[string]struct {
		compact string
		want    error
	}{
		"by another service":             {forged, ErrKeyUnknown},
		"with its claims and our header": {parts[0] + "." + other[1] + "." + other[2], ErrSignature},
		"cut off":                        {parts[0] + "." + parts[1] + ".", ErrSignature},
		"nothing":                        {"", ErrMalformed},
	} {
		if _, err := VerifyHead(keys.PublicJWKS(), tc.compact); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	if _, err := VerifyReceipt(keys.PublicJWKS(), compact); !errors.Is(err, ErrType) {
		t.Errorf("as a receipt: %v", err)
	}
}

func TestAHeadThatSaysTooLittleIsNotSigned(t *testing.T) {
	keys, err := keyring.OpenOrCreate(t.TempDir() + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string]func(*Head){
		"iss": func(h *Head) { h.Issuer = "" }, "iat": func(h *Head) { h.IssuedAt = 0 }, "environment": func(h *Head) { h.Environment = "prod" },
		"number": func(h *Head) { h.Number = 0 }, "previous": func(h *Head) { h.Previous = "" }, "the first's previous": func(h *Head) { h.Number = 1 },
		"entries": func(h *Head) { h.Entries.Root = "" }, "audit": func(h *Head) { h.Audit.Size = -1 },
		"day": func(h *Head) { h.Day = "today" }, "day without digest": func(h *Head) { h.DayDigest = "" },
	} {
		h := someHead()
		spoil(&h)
		if _, err := SignHead(keys, h); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", field, err)
		}
	}
}
