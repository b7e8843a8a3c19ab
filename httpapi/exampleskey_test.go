package httpapi

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"tapline/consent"
)

// TestSignedExamplesVerify verifies what the phone of the examples has signed, with the key that it registers there. Whoever builds a
// client can do the same.
func TestSignedExamplesVerify(t *testing.T) {
	all, _ := examples()
	compact := func(e example) (text string) {
		if err := json.Unmarshal(e.Request.Body, &text); err != nil {
			t.Fatalf("%s: %v", e.Operation, err)
		}
		return text
	}
	registration, err := consent.Read(compact(all["registerDevice"]), consent.TypDevice)
	if err != nil {
		t.Fatal(err)
	}
	verified := 0
	for _, r := range routes {
		e := all[r.id]
		if e.Request.Signed == nil {
			continue
		}
		signed, err := consent.Read(compact(e), r.typ)
		if err != nil {
			t.Errorf("%s: %v", r.id, err)
			continue
		}
		if signed.Device() != registration.Device() {
			continue // another device's, whose key is not shown
		}
		var said consent.Claims
		if err := json.Unmarshal(e.Request.Signed.Claims, &said); err != nil {
			t.Errorf("%s: %v", r.id, err)
		}
		m := reflect.New(r.claims).Interface().(consent.Message)
		if err := signed.Verify(registration.Key(), "https://pay.example/test", time.Unix(said.IssuedAt, 0), m); err != nil {
			t.Errorf("%s: %v", r.id, err)
		}
		verified++
	}
	if verified < 10 {
		t.Errorf("only %d were signed by the phone", verified)
	}
}
