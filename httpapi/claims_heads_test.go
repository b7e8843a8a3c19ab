package httpapi_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/history"
	"tapline/httpapi"
	"tapline/processor"
)

// openPast is a world whose history is sealed when a test says so, or a day is closed.
func openPast(t *testing.T) (w *world, sealer *history.Sealer) {
	w = openWorld(t, func(_ *processor.Config, c *httpapi.Config) {
		sealer = &history.Sealer{Store: c.Store.(history.Store), Keys: c.Keys, Issuer: "https://pay.example", Environment: "test", Log: slog.New(slog.DiscardHandler)}
		c.History = sealer
	})
	return w, sealer
}

// head reads a head without any credential, and checks its signature.
func (w *world) head(which string) (api.Head, consent.Head) {
	w.t.Helper()
	var h api.Head
	w.must(json.Unmarshal([]byte(w.get("/v1/heads/"+which, "").Answer), &h))
	claims, err := consent.VerifyHead([]byte(w.get("/.well-known/jwks.json", "").Answer), h.Head)
	w.must(err)
	return h, claims
}

func TestAnybodyHoldsTheServiceToItsPast(t *testing.T) {
	w, sealer := openPast(t)
	if e := w.get("/v1/heads/latest", ""); e.problem(t).Code != "unknown_head" {
		t.Errorf("before the first head: %s", e.Answer)
	}
	w.settled(12_50)
	w.must(sealer.Seal(w.ctx))
	_, first := w.head("latest")
	w.settled(1_00)
	day := w.clock.Now().UTC().Format(time.DateOnly)
	_, err := w.operator.CloseDay(w.ctx, day, "")
	w.must(err)
	_, second := w.head("latest")
	ofDay, closed := w.head(day)
	if first.Entries.Size >= second.Entries.Size || second.Day != "" || closed.Day != day || closed.Entries != second.Entries || ofDay.Day != day {
		t.Errorf("the heads are\n%+v\n%+v\n%+v", first, second, closed)
	}
	if _, bySize := w.head(fmt.Sprint(first.Entries.Size)); bySize.Number != first.Number {
		t.Errorf("of %d entries there is %+v", first.Entries.Size, bySize)
	}
	for log, x := range map[string][2]consent.TreeHead{"entries": {first.Entries, second.Entries}, "audit": {first.Audit, second.Audit}} {
		var proof api.ConsistencyProof
		w.must(json.Unmarshal([]byte(w.get(fmt.Sprintf("/v1/heads/consistency?log=%s&from=%d&to=%d", log, x[0].Size, x[1].Size), "").Answer), &proof))
		if err := history.VerifyConsistency(x[0].Size, x[1].Size, proof.Hashes, x[0].Root, x[1].Root); err != nil {
			t.Errorf("%s: %v", log, err)
		}
	}
	var list api.Heads
	w.must(json.Unmarshal([]byte(w.get("/v1/heads?limit=2", "").Answer), &list))
	if len(list.Heads) != 2 || list.Heads[0].Number != 3 || list.Next != "2" {
		t.Errorf("the list is %+v", list)
	}
	for path, code := range map[string]string{
		"/v1/heads/2001-01-01": "unknown_head", "/v1/heads/9999": "unknown_head", "/v1/heads/0": "unknown_head", "/v1/heads/x": "unknown_head",
		"/v1/heads/99999999999999999999":            "unknown_head",
		"/v1/heads/consistency?from=1&to=9999":      "unknown_head",
		"/v1/heads/consistency?from=2&to=1":         "invalid_field",
		"/v1/heads/consistency?from=1":              "invalid_field",
		"/v1/heads/consistency?from=-1&to=1":        "invalid_field",
		"/v1/heads/consistency?from=1&to=2&log=all": "invalid_field",
	} {
		if e := w.get(path, ""); e.problem(t).Code != code {
			t.Errorf("%s: %s, want %s", path, e.Answer, code)
		}
	}
}
