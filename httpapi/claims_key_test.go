package httpapi

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// asked is a request of a payee's program.
func (s *station) asked(key, path string, in any) reply {
	s.Helper()
	body, header := "", []string{"Authorization", "Bearer " + key, api.IdempotencyHeader, consent.NewID()}
	if in != nil {
		body, header = string(encode(in)), append(header, "Content-Type", "application/json")
	}
	return s.send("POST", path, body, header...)
}

// makeKey has the operator make a key.
func (s *station) makeKey(scopes ...processor.Scope) (made api.APIKey) {
	s.Helper()
	in := api.NewAPIKey{Name: "a program"}
	for _, scope := range scopes {
		in.Scopes = append(in.Scopes, string(scope))
	}
	s.admin(s.token(s.operator), "/payees/"+handle+"/api-keys", in).into(201, &made)
	return made
}

func (s *station) listKeys(key string) map[string]api.APIKey {
	s.Helper()
	var list api.APIKeys
	s.get("/v1/api-keys", key).into(200, &list)
	byID := map[string]api.APIKey{}
	for _, k := range list.APIKeys {
		if k.Key != "" {
			s.Errorf("the list tells the key of %s", k.ID)
		}
		byID[k.ID] = k
	}
	return byID
}

// forAnyKey are the operations that need no scope: they give a key nothing that it has not. A passkey stands for the key that
// registered it, and ends with that.
var forAnyKey = []string{"getSelf", "registerSignInPasskey", "listSignInPasskeys", "removeSignInPasskey"}

// TestEveryPayeeRouteAsksForItsScope asks for every operation of payees with a key that has every scope but the one it
// needs, and with one that has only that.
func TestEveryPayeeRouteAsksForItsScope(t *testing.T) {
	s := openStation(t)
	lacking, only := map[processor.Scope]string{}, map[processor.Scope]string{}
	for _, scope := range processor.Scopes {
		others := slices.DeleteFunc(slices.Clone(processor.Scopes), func(x processor.Scope) bool { return x == scope })
		lacking[scope], only[scope] = s.makeKey(others...).Key, s.makeKey(scope).Key
	}
	place := regexp.MustCompile(`\{\w+\}`)
	seen := map[processor.Scope]bool{}
	for _, r := range routes {
		if !slices.Contains(r.by, byPayee) {
			if r.scope != anyScope {
				t.Errorf("%s needs a scope that nobody can have there", r.id)
			}
			continue
		}
		if r.scope == anyScope {
			if !slices.Contains(forAnyKey, r.id) {
				t.Errorf("%s needs no scope", r.id)
			}
			continue
		}
		if !slices.Contains(processor.Scopes, r.scope) {
			t.Errorf("%s needs the scope %q, which there is not", r.id, r.scope)
			continue
		}
		seen[r.scope] = true
		if r.sandbox {
			continue // a service that is none has no such operation; package sandbox tries them
		}
		path := place.ReplaceAllString(r.path, "none")
		s.send(r.method, path, "", "Authorization", "Bearer "+lacking[r.scope]).expect(403, "missing_scope")
		if r.out == nil {
			continue // a stream does not end
		}
		if got := s.send(r.method, path, "", "Authorization", "Bearer "+only[r.scope]); got.status == 401 || got.status == 403 {
			t.Errorf("%s with its scope: %d %s", r.id, got.status, got.body)
		}
	}
	for _, scope := range []processor.Scope{processor.ScopeOrders, processor.ScopeRead, processor.ScopeKeys} {
		if !seen[scope] {
			t.Errorf("nothing needs the scope %s", scope)
		}
	}
}

func TestAKeysLife(t *testing.T) {
	s := openStation(t)
	manager := s.makeKey(processor.Scopes...)
	var made, self = api.APIKey{}, api.Self{}
	s.asked(manager.Key, "/v1/api-keys", api.NewAPIKey{Name: "till", Scopes: []string{"read", "orders", "read"}}).into(201, &made)
	if consent.APIKey(made.Key).Check("test") != nil || !strings.HasPrefix(made.Key, strings.TrimSuffix(made.Hint, "…")) {
		t.Errorf("key %q, hint %q", made.Key, made.Hint)
	}
	s.get("/v1/payee", made.Key).into(200, &self)
	want := made
	want.Key = ""
	self.APIKey.LastUsedAt = nil
	if diff := cmp.Diff(want, self.APIKey); diff != "" || self.Payee.Handle != handle || made.MadeBy != manager.ID || manager.MadeBy != api.MadeByOperator {
		t.Errorf("self (-want +got):\n%s%+v", diff, self.Payee)
	}
	if diff := cmp.Diff([]string{"orders", "read"}, made.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}

	var next api.APIKey
	hour := int64(3600)
	s.asked(manager.Key, "/v1/api-keys/"+made.ID+"/rotate", api.Rotation{Overlap: &hour}).into(201, &next)
	if next.Name != "till" || cmp.Diff(made.Scopes, next.Scopes) != "" || next.Replaces != made.ID || !next.OldUntil.Equal(s.clock.Now().Add(time.Hour)) || next.ExpiresAt != nil {
		t.Errorf("rotated: %+v", next)
	}
	s.asked(manager.Key, "/v1/api-keys/"+made.ID+"/rotate", api.Rotation{}).expect(409, "api_key_over")
	s.clock.add(time.Hour - time.Second)
	s.get("/v1/orders", made.Key).expect(200, "")
	s.get("/v1/orders", next.Key).expect(200, "")
	s.clock.add(time.Second)
	s.get("/v1/orders", made.Key).expect(401, "invalid_token")
	s.get("/v1/orders", next.Key).expect(200, "")

	var ended api.APIKey
	s.asked(manager.Key, "/v1/api-keys/"+next.ID+"/revoke", nil).into(200, &ended)
	s.asked(manager.Key, "/v1/api-keys/"+next.ID+"/revoke", nil).expect(200, "")
	s.get("/v1/orders", next.Key).expect(401, "invalid_token")
	s.asked(manager.Key, "/v1/api-keys/"+next.ID+"/rotate", api.Rotation{}).expect(409, "api_key_over")
	all := s.listKeys(manager.Key)
	if ended.RevokedAt == nil || all[made.ID].ReplacedBy != next.ID || all[next.ID].RevokedAt == nil || all[next.ID].Key+all[made.ID].Key != "" {
		t.Errorf("ended %+v, listed %+v", ended, all)
	}

	// By itself, too.
	var short api.APIKey
	s.asked(manager.Key, "/v1/api-keys", api.NewAPIKey{Name: "for today", Scopes: []string{"read"}, ExpiresIn: 60}).into(201, &short)
	s.clock.add(time.Minute)
	s.get("/v1/orders", short.Key).expect(401, "invalid_token")
	s.listKeys(s.makeKey(processor.ScopeKeys).Key)
	for _, key := range []string{manager.Key, made.Key, next.Key, short.Key} {
		if strings.Contains(s.log.String(), key) {
			t.Error("the log has a key")
		}
	}
}

// TestAKeyGivesNoMoreThanItHas is about a thief who has found a key that may manage keys.
func TestAKeyGivesNoMoreThanItHas(t *testing.T) {
	s := openStation(t)
	found, rich := s.makeKey(processor.ScopeKeys, processor.ScopeRead), s.makeKey(processor.ScopeRefunds, processor.ScopeRead)
	for _, scope := range []string{"refunds", "orders"} {
		s.asked(found.Key, "/v1/api-keys", api.NewAPIKey{Name: "x", Scopes: []string{"read", scope}}).expect(403, "missing_scope")
	}
	s.asked(found.Key, "/v1/api-keys", api.NewAPIKey{Name: "x", Scopes: []string{"everything"}}).expect(400, "invalid_field")
	s.asked(found.Key, "/v1/api-keys", api.NewAPIKey{Name: "x", Scopes: []string{}}).expect(400, "invalid_field")
	s.asked(found.Key, "/v1/api-keys/"+rich.ID+"/rotate", api.Rotation{}).expect(403, "missing_scope") // would tell its text
	s.get("/v1/orders", rich.Key).expect(200, "")

	// The owner notices, and rotates it. What the thief makes until then ends with it.
	var kept, child, grown api.APIKey
	hour := int64(3600)
	s.admin(s.token(s.operator), "/payees/"+handle+"/api-keys/"+found.ID+"/rotate", api.Rotation{Overlap: &hour, Note: "leaked?"}).into(201, &kept)
	s.asked(found.Key, "/v1/api-keys", api.NewAPIKey{Name: "x", Scopes: []string{"read", "keys"}, ExpiresIn: 999_999}).into(201, &child)
	s.asked(child.Key, "/v1/api-keys", api.NewAPIKey{Name: "y", Scopes: []string{"keys"}}).into(201, &grown)
	s.clock.add(time.Hour)
	for _, k := range []api.APIKey{found, child, grown} {
		s.get("/v1/api-keys", k.Key).expect(401, "invalid_token")
	}
	s.get("/v1/api-keys", kept.Key).expect(200, "")

	// Of another payee, there is none of this.
	var other api.AdminPayee
	s.admin(s.token(s.operator), "/payees", api.NewPayee{Handle: "tea@house", Name: "Tea", Currency: payeeCurrency}).into(201, &other)
	var strange api.APIKey
	s.admin(s.token(s.operator), "/payees/tea@house/api-keys", api.NewAPIKey{Name: "z", Scopes: []string{"keys", "read", "refunds", "orders"}}).into(201, &strange)
	for _, what := range []string{"revoke", "rotate"} {
		in := any(api.Rotation{})
		if what == "revoke" {
			in = nil
		}
		s.asked(strange.Key, "/v1/api-keys/"+rich.ID+"/"+what, in).expect(404, "unknown_api_key")
		s.admin(s.token(s.operator), "/payees/tea@house/api-keys/"+rich.ID+"/"+what, api.Noted{}).expect(404, "unknown_api_key")
	}
	if len(s.listKeys(strange.Key)) != 2 {
		t.Errorf("another payee's list: %v", s.listKeys(strange.Key))
	}
	s.admin(s.token(s.operator), "/payees/none@here/api-keys", api.NewAPIKey{Name: "z", Scopes: []string{"read"}}).expect(404, "unknown_payee")
	s.asked(strange.Key, "/v1/api-keys", api.NewAPIKey{Name: "z", Scopes: []string{"read"}, Note: "x"}).expect(400, "unknown_field")
}

// TestAnAnswerWithAKeyIsNotRepeatedToAnotherKey: an idempotency key that leaked must not tell what the answer told.
func TestAnAnswerWithAKeyIsNotRepeatedToAnotherKey(t *testing.T) {
	s := openStation(t)
	owner, thief := s.makeKey(processor.Scopes...), s.makeKey(processor.ScopeKeys)
	body := string(encode(api.NewAPIKey{Name: "till", Scopes: []string{"refunds"}}))
	ask := func(key string) reply {
		return s.send("POST", "/v1/api-keys", body, "Authorization", "Bearer "+key, "Content-Type", "application/json", api.IdempotencyHeader, "once")
	}
	var first, again api.APIKey
	ask(owner.Key).into(201, &first)
	r := ask(owner.Key)
	r.into(201, &again)
	if again.Key != first.Key || r.header.Get(api.ReplayedHeader) != "true" || len(s.listKeys(owner.Key)) != 4 {
		t.Errorf("not repeated: %v; keys %v", r, s.listKeys(owner.Key))
	}
	ask(thief.Key).expect(403, "missing_scope")
}

// TestAKeyThatWasRevokedMeanwhileMakesNone: the command asks again what was asked before it.
func TestAKeyThatWasRevokedMeanwhileMakesNone(t *testing.T) {
	s := openStation(t)
	k := s.makeKey(processor.ScopeKeys)
	rows, err := s.load(t.Context(), processor.Wants{APIKeysOf: []payment.Handle{handle}})
	s.must(err)
	i := slices.IndexFunc(rows.APIKeys, func(r processor.APIKey) bool { return r.ID == k.ID })
	work := processor.KeyWork{Payee: handle, With: rows.APIKeys[i].MAC}
	s.asked(k.Key, "/v1/api-keys/"+k.ID+"/revoke", nil).expect(200, "")
	_, err = s.Processor.Do(t.Context(), processor.Request{Command: &processor.MakeAPIKey{KeyWork: work, Key: processor.APIKey{ID: "x", MAC: "x", Payee: handle}}})
	if err != processor.ErrAPIKeyOver {
		t.Errorf("made with a revoked key: %v", err)
	}
}

func TestAPayeeHasSoManyKeys(t *testing.T) {
	s := openStation(t)
	manager := s.makeKey(processor.Scopes...)
	// Many at once: a count that is not locked would let more through.
	var done sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for range processor.MaxAPIKeys + 5 {
		done.Go(func() {
			r := s.asked(manager.Key, "/v1/api-keys", api.NewAPIKey{Name: "x", Scopes: []string{"read"}})
			mu.Lock()
			defer mu.Unlock()
			got[r.status]++
		})
	}
	done.Wait()
	if want := (map[int]int{201: processor.MaxAPIKeys - 2, 422: 7}); cmp.Diff(want, got) != "" {
		t.Errorf("answers %v, want %v", got, want)
	}
	s.asked(manager.Key, "/v1/api-keys/"+manager.ID+"/rotate", api.Rotation{}).expect(422, "too_many_api_keys")
}

func TestTheFirstKeySells(t *testing.T) {
	s := openStation(t)
	var self api.Self
	s.get("/v1/payee", s.apiKey).into(200, &self)
	if diff := cmp.Diff([]string{"orders", "refunds", "read"}, self.APIKey.Scopes); diff != "" || self.APIKey.Name != "first" {
		t.Errorf("the first key is %+v (-want +got):\n%s", self.APIKey, diff)
	}
	s.asked(s.apiKey, "/v1/orders", api.NewOrder{Amount: money.Amount{Minor: 100, Currency: payeeCurrency}}).expect(201, "")
	s.get("/v1/api-keys", s.apiKey).expect(403, "missing_scope")
	s.get("/v1/payee", s.token(s.kiosk)).expect(403, "wrong_credential")
}

func TestOperatorsWorkOnKeysIsAudited(t *testing.T) {
	s := openStation(t)
	token := s.token(s.operator)
	k := s.makeKey(processor.ScopeRead)
	var next api.APIKey
	s.admin(token, "/payees/"+handle+"/api-keys/"+k.ID+"/rotate", api.Rotation{Note: "yearly"}).into(201, &next)
	s.admin(token, "/payees/"+handle+"/api-keys/"+next.ID+"/revoke", api.Noted{Note: "lost"}).expect(200, "")
	var log api.AuditLog
	s.get("/v1/admin/audit?limit=3", token).into(200, &log)
	var got []string
	for _, r := range log.Records {
		got = append(got, fmt.Sprint(r.Action, " ", r.Subject, " ", r.Note))
	}
	want := []string{"payee.key.revoke books@shop " + next.ID + " lost", "payee.key.rotate books@shop " + k.ID + " yearly", "payee.key.make books@shop " + k.ID + " "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	var list api.APIKeys
	s.get("/v1/admin/payees/"+handle+"/api-keys", token).into(200, &list)
	if len(list.APIKeys) != 3 || !slices.ContainsFunc(list.APIKeys, func(k api.APIKey) bool { return k.Name == "first" }) {
		t.Errorf("listed %+v", list)
	}
}

// TestTheLastUseIsWrittenOnceAMinute: however often a key is used, and when the service ends.
func TestTheLastUseIsWrittenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := furnished(t)
		used := func() (at time.Time, due int) {
			rows, err := s.load(s.Context(), processor.Wants{APIKeysOf: []payment.Handle{handle}})
			s.must(err)
			s.keyUses.mu.Lock()
			defer s.keyUses.mu.Unlock()
			return rows.APIKeys[0].UsedAt, len(s.keyUses.due)
		}
		ask := func() {
			for range 20 {
				s.get("/v1/orders", s.apiKey).expect(200, "")
			}
		}
		ask()
		if at, due := used(); !at.IsZero() || due != 1 {
			t.Errorf("at once: used %v, %d due", at, due)
		}
		time.Sleep(usePause + time.Second)
		synctest.Wait()
		first := s.clock.Now()
		ask()
		if at, due := used(); !at.Equal(first) || due != 0 {
			t.Errorf("a moment later: used %v, want %v; %d due", at, first, due)
		}
		s.clock.add(useEvery)
		s.get("/v1/payee", "tapline_test_wrong").expect(401, "invalid_token")
		if _, due := used(); due != 0 {
			t.Errorf("a wrong key counts as use: %d due", due)
		}
		ask()
		s.Shutdown()
		if at, due := used(); !at.Equal(s.clock.Now()) || due != 0 {
			t.Errorf("in the end: used %v, want %v; %d due", at, s.clock.Now(), due)
		}
	})
}

// closePayee adds a payee that is closed.
func (s *station) closePayee(handle payment.Handle) {
	s.Helper()
	s.admin(s.token(s.operator), "/payees", api.NewPayee{Handle: string(handle), Name: "Shut", Currency: payeeCurrency}).expect(201, "")
	s.must(s.store.Update(s.Context(), func(tx processor.Tx) error {
		rows, err := tx.Load(processor.Wants{Payees: []payment.Handle{handle}})
		if err != nil {
			return err
		}
		rows.Payees[0].Closed = true
		return tx.Save(processor.Changes{Changed: processor.Rows{Payees: rows.Payees}})
	}))
}
