package httpapi

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
)

// subscription is a valid one of a browser that was given the service's key.
func (s *station) subscription() *consent.PushSubscription {
	s.Helper()
	var key api.PushKey
	s.send("GET", "/v1/push-key", "").into(200, &key)
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	s.must(err)
	enc := base64.RawURLEncoding.EncodeToString
	return &consent.PushSubscription{Claims: s.claims(), Endpoint: "https://push.example/sub/SECRET-OF-THE-PHONE", P256DH: enc(own.PublicKey().Bytes()),
		Auth: enc([]byte("sixteen bytes ok")), Key: key.Key, Debits: true}
}

func (s *station) subscribe(m *consent.PushSubscription) reply {
	s.Helper()
	return s.signed(s.phone, "/v1/push-subscription", consent.TypPush, m)
}

func TestDeviceSaysWhereItIsWoken(t *testing.T) {
	s := openStation(t)
	token := s.token(s.phone)
	read := func(token string) (got api.PushSubscription) {
		s.get("/v1/push-subscription", token).into(200, &got)
		return got
	}
	if diff := cmp.Diff(api.PushSubscription{}, read(token)); diff != "" {
		t.Errorf("before: %s", diff)
	}
	var got api.PushSubscription
	m := s.subscription()
	s.subscribe(m).into(200, &got)
	since := s.clock.Now()
	want := api.PushSubscription{Active: true, Endpoint: m.Endpoint, Key: m.Key, Debits: true, Since: &since}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(api.PushSubscription{}, read(s.token(s.kiosk))); diff != "" {
		t.Errorf("another device sees %s", diff)
	}
	s.clock.add(time.Second)
	again := *m
	again.Claims, again.Debits, want.Debits = s.claims(), false, false
	s.subscribe(&again).expect(200, "")
	if diff := cmp.Diff(want, read(token)); diff != "" {
		t.Errorf("once more, without debits: %s", diff)
	}
	if strings.Contains(s.log.String(), "SECRET-OF-THE-PHONE") {
		t.Error("the log has the address")
	}
	s.signed(s.phone, "/v1/push-subscription/remove", consent.TypPushRemoval, &consent.PushRemoval{Claims: s.claims()}).expect(200, "")
	if diff := cmp.Diff(api.PushSubscription{}, read(token)); diff != "" {
		t.Errorf("after it was removed: %s", diff)
	}
	s.subscribe(m).expect(200, "") // an old message, seen again: answered as before,
	if read(token).Active {        // and without effect
		t.Error("a repeated message subscribed again")
	}
}

func TestSubscriptionsOfThievesAreRefused(t *testing.T) {
	s := openStation(t)
	for name, c := range map[string]struct {
		change func(*consent.PushSubscription)
		code   string
	}{
		"http":           {func(m *consent.PushSubscription) { m.Endpoint = "http://push.example/x" }, "invalid_field"},
		"file":           {func(m *consent.PushSubscription) { m.Endpoint = "file:///etc/passwd" }, "invalid_field"},
		"password":       {func(m *consent.PushSubscription) { m.Endpoint = "https://a:b@push.example/x" }, "invalid_field"},
		"empty":          {func(m *consent.PushSubscription) { m.Endpoint = "" }, "invalid_field"},
		"long":           {func(m *consent.PushSubscription) { m.Endpoint += strings.Repeat("x", 1024) }, "invalid_field"},
		"line ends":      {func(m *consent.PushSubscription) { m.Endpoint = "https://push.example/\r\nX: y" }, "invalid_field"},
		"no point":       {func(m *consent.PushSubscription) { m.P256DH = base64.RawURLEncoding.EncodeToString(make([]byte, 65)) }, "invalid_field"},
		"not base64":     {func(m *consent.PushSubscription) { m.Auth = "!" }, "invalid_field"},
		"short secret":   {func(m *consent.PushSubscription) { m.Auth = "AAAA" }, "invalid_field"},
		"a foreign key":  {func(m *consent.PushSubscription) { m.Key = m.P256DH }, "invalid_field"},
		"other audience": {func(m *consent.PushSubscription) { m.Audience += "x" }, "wrong_audience"},
		"yesterday":      {func(m *consent.PushSubscription) { m.IssuedAt -= 86400 }, "stale"},
	} {
		m := s.subscription()
		c.change(m)
		status := http.StatusBadRequest
		if c.code != "invalid_field" {
			status = http.StatusUnauthorized
		}
		if got := s.subscribe(m).expect(status, c.code); strings.Contains(got.body, "push.example") {
			t.Errorf("%s: the answer repeats the address: %s", name, got.body)
		}
	}
	s.signed(s.newKey(), "/v1/push-subscription", consent.TypPush, s.subscription()).expect(401, "unknown_key")
	s.signed(s.phone, "/v1/push-subscription", consent.TypPushRemoval, &consent.PushRemoval{Claims: s.claims()}).expect(400, "wrong_message_type")
	s.send("GET", "/v1/push-subscription", "").expect(401, "token_required")
	s.get("/v1/push-subscription", s.apiKey).expect(403, "wrong_credential")
}

func TestRevokedDeviceHasNoSubscription(t *testing.T) {
	s := openStation(t)
	s.subscribe(s.subscription()).expect(200, "")
	s.admin(s.token(s.operator), "/devices/"+string(s.phone.ID())+"/revoke", api.Noted{Note: "stolen"}).expect(200, "")
	s.subscribe(s.subscription()).expect(403, "device_revoked")
}
