package httpapi

import (
	"testing"

	"tapline/api"
	"tapline/consent"
)

func TestEventsCanBeAskedForOneAfterTheOther(t *testing.T) {
	s := openStation(t)
	token := s.token(s.phone)
	next := func(query string) (got api.Events) {
		t.Helper()
		s.get("/v1/events/next"+query, token).into(200, &got)
		return got
	}
	first := next("")
	if !first.Reset || len(first.Events) != 0 {
		t.Fatalf("who knows nothing is told %+v", first)
	}
	if got := next("?after=" + first.Next); got.Reset || len(got.Events) != 0 || got.Next != first.Next {
		t.Errorf("nothing has happened, and it is told %+v", got)
	}
	waiting := make(chan api.Events)
	go func() {
		var got api.Events
		s.get("/v1/events/next?wait=20&after="+first.Next, token).into(200, &got)
		waiting <- got
	}()
	p := s.confirmed()
	got := <-waiting
	if len(got.Events) != 1 || got.Events[0].Subject != p.ID || got.Reset || got.Next == first.Next {
		t.Fatalf("it is told %+v", got)
	}
	for _, far := range []string{"?after=999999999", "?after=999999999&wait=20"} {
		if got := next(far); !got.Reset {
			t.Errorf("%s: a number that was never handed out: %+v", far, got)
		}
	}
	if other := next("?after=" + got.Next); other.Reset {
		t.Errorf("then: %+v", other)
	}
	s.get("/v1/events/next?wait=26", token).expect(400, "invalid_field")
	s.get("/v1/events/next?after=-1", token).expect(400, "invalid_field")
	s.send("GET", "/v1/events/next", "").expect(401, "token_required")
	stranger := s.newKey()
	s.signed(stranger, "/v1/devices", consent.TypDevice, &consent.DeviceRegistration{Claims: s.claims(), Label: "stranger"}).expect(201, "")
	var kiosk, shop api.Events
	s.get("/v1/events/next?after="+first.Next, s.token(stranger)).into(200, &kiosk)
	if len(kiosk.Events) != 0 {
		t.Errorf("a stranger is told %+v", kiosk.Events)
	}
	s.get("/v1/events/next?after="+first.Next, s.apiKey).into(200, &shop)
	for _, e := range shop.Events {
		if e.Subject != p.ID {
			t.Errorf("the payee is told %+v", e)
		}
	}
}
