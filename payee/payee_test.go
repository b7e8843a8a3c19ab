package payee_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"tapline/api"
	"tapline/payee"
	"tapline/webhook"
)

func isCode(err error, code api.Code) bool {
	p, ok := errors.AsType[*api.Problem](err)
	return errors.Is(err, code) && !errors.Is(err, code+"_") && ok && p.Code == string(code)
}

// at makes the header of a message that was sent then.
func at(t *testing.T, d time.Duration, keys ...webhook.Keys) http.Header {
	t.Helper()
	m := message(paid)
	m.Time = m.Time.Add(d)
	h, err := m.Header(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestWebhooksAreVerifiedThroughARotation(t *testing.T) {
	older, newer, other := webhook.NewKeys(), webhook.NewKeys(), webhook.NewKeys()
	for _, c := range []struct {
		name    string
		signed  []webhook.Keys
		secrets []string
		want    error
	}{
		{"before", []webhook.Keys{older}, []string{older.Secret()}, nil},
		{"the old secret in the overlap", []webhook.Keys{newer, older}, []string{older.Secret()}, nil},
		{"the new secret in the overlap", []webhook.Keys{newer, older}, []string{newer.Secret()}, nil},
		{"both, after the overlap", []webhook.Keys{newer}, []string{newer.Secret(), older.Secret()}, nil},
		{"both in the other order", []webhook.Keys{newer}, []string{older.Secret(), newer.Secret()}, nil},
		{"both ways", []webhook.Keys{newer}, []string{older.PublicKey(), newer.PublicKey()}, nil},
		{"only the old one, after the overlap", []webhook.Keys{newer}, []string{older.Secret()}, payee.ErrWebhookSignature},
		{"somebody else's", []webhook.Keys{other}, []string{older.Secret(), newer.PublicKey()}, payee.ErrWebhookSignature},
		{"no secret", []webhook.Keys{newer}, nil, payee.ErrWebhookSecret},
		{"one that is none", []webhook.Keys{newer}, []string{newer.Secret(), ""}, payee.ErrWebhookSecret},
		{"one that is none first", []webhook.Keys{newer}, []string{"secret", newer.Secret()}, payee.ErrWebhookSecret},
	} {
		w, err := payee.VerifyWebhook([]byte(paid), at(t, 0, c.signed...), c.secrets...)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if believed := w.Data.ID == "pay_书" && w.ID == "whd_1"; believed != (c.want == nil) {
			t.Errorf("%s: the message is %+v", c.name, w)
		}
	}
}

func TestWebhooksOfAnotherTimeOrBodyAreNotBelieved(t *testing.T) {
	keys := webhook.NewKeys()
	for d, want := range map[time.Duration]error{
		-4 * time.Minute: nil, 4 * time.Minute: nil, -6 * time.Minute: payee.ErrWebhookTime, 6 * time.Minute: payee.ErrWebhookTime,
	} {
		if _, err := payee.VerifyWebhook([]byte(paid), at(t, d, keys), keys.Secret()); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("sent %v from now: %v, want %v", d, err, want)
		}
	}
	// A thief has the signature of one message and wants another one believed.
	forged := strings.Replace(paid, `"pay_书"`, `"pay_2"`, 1)
	if _, err := payee.VerifyWebhook([]byte(forged), at(t, 0, keys), keys.Secret(), keys.PublicKey()); !errors.Is(err, payee.ErrWebhookSignature) {
		t.Errorf("another body: %v", err)
	}
	later := at(t, 0, keys)
	later.Set("Webhook-Id", "whd_2")
	if _, err := payee.VerifyWebhook([]byte(paid), later, keys.Secret()); !errors.Is(err, payee.ErrWebhookSignature) {
		t.Errorf("another id: %v", err)
	}
}
