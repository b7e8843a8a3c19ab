package httpapi

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/history"
	"tapline/processor"
)

// notLists are operations that answer with a next, and are no lists.
var notLists = map[string]string{"nextEvents": "waits for what comes; after is the number of an event"}

// shortLists come as a whole, since there are never many of them.
var shortLists = map[string]string{
	"listCards": "the cards of a device", "listPasskeys": "20 of a card", "listSignInPasskeys": "20 of an owner",
	"listAPIKeys": "50 of a payee", "listPayeeAPIKeys": "50 of a payee", "listWebhookEndpoints": "20 of a payee",
	"listPayoutPlans": "one of each currency", "listPlansOfPayee": "one of each currency",
	"listOrderTemplates": "200 of a payee", "listTestCards": "what a developer made in a sandbox",
	"listNotes": "500 about a subject",
}

// shelf is a list that comes in pages: who reads it where, and how there comes to be one thing more in it.
type shelf struct {
	read func(*shelves) (path, token string)
	add  func(*shelves)
}

// shelves is a service with something in every list.
type shelves struct {
	*station
	key      string // of the payee, for everything
	endpoint string
	payment  string // to refund of
	sealer   *history.Sealer
	n        int
}

func ofPayee(path string) func(*shelves) (string, string) {
	return func(s *shelves) (string, string) { return path, s.key }
}

func ofOperator(path string) func(*shelves) (string, string) {
	return func(s *shelves) (string, string) { return "/v1/admin" + path, s.token(s.operator) }
}

// pagedLists are all lists that come in pages. A new one gets its line here.
var pagedLists = map[string]shelf{
	"listPayments": {func(s *shelves) (string, string) { return "/v1/payments", s.token(s.kiosk) }, (*shelves).pay},
	"listOrders":   {ofPayee("/v1/orders"), func(s *shelves) { s.asked(s.key, "/v1/orders", api.NewOrder{Amount: cnyOf(5_00)}).expect(201, "") }},
	"listRefunds": {ofPayee("/v1/refunds"), func(s *shelves) {
		one := cnyOf(1)
		s.asked(s.key, "/v1/refunds", api.NewRefund{Payment: s.payment, Amount: &one}).expect(201, "")
	}},
	"listPayouts":    {ofPayee("/v1/payouts"), (*shelves).payOut},
	"listAllPayouts": {ofOperator("/payouts"), (*shelves).payOut},
	"listPayoutFiles": {ofOperator("/payout-files"), func(s *shelves) {
		s.payOut()
		s.admin(s.token(s.operator), "/payout-files", api.NewPayoutFile{Currency: payeeCurrency, From: shopsBank}).expect(201, "")
	}},
	"listWebhookDeliveries": {
		func(s *shelves) (string, string) { return "/v1/webhook-endpoints/" + s.endpoint + "/deliveries", s.key },
		func(s *shelves) { s.asked(s.key, "/v1/webhook-endpoints/"+s.endpoint+"/test", nil).expect(201, "") },
	},
	"listHeads": {func(*shelves) (string, string) { return "/v1/heads", "" }, func(s *shelves) {
		s.addCard()
		s.must(s.sealer.Seal(s.Context()))
	}},
	"searchPayments": {ofOperator("/payments"), (*shelves).pay},
	"listOperators":  {ofOperator("/operators"), (*shelves).addOperator},
	"listAllCards":   {ofOperator("/cards"), (*shelves).addCard},
	"listPayees":     {ofOperator("/payees"), func(s *shelves) { s.addPayee() }},
	"listFees": {ofOperator("/fees"), func(s *shelves) {
		s.admin(s.token(s.operator), "/fees", api.NewTariff{Payee: s.addPayee(), Currency: payeeCurrency, Fee: api.Fee{BasisPoints: 150}, BorneBy: "payee"}).expect(200, "")
	}},
	"listAccounts": {ofOperator("/accounts"), (*shelves).addCard},
	"listTopUps": {ofOperator("/top-ups"), func(s *shelves) {
		s.admin(s.token(s.operator), "/accounts/"+s.card.Account+"/top-ups", api.NewTopUp{Amount: cnyOf(600_00)}).expect(201, "")
	}},
	"listDays": {ofOperator("/days"), func(s *shelves) {
		over := s.clock.Now().Format(time.DateOnly)
		s.clock.add(24 * time.Hour)
		s.admin(s.token(s.operator), "/days/"+over+"/close", api.Noted{}).expect(201, "")
	}},
	"listDevices": {ofOperator("/devices"), func(s *shelves) {
		s.signed(s.newKey(), "/v1/devices", consent.TypDevice, &consent.DeviceRegistration{Claims: s.claims(), Label: "device"}).expect(201, "")
	}},
	"listEvents": {ofOperator("/events"), (*shelves).addOperator},
	"listAudit":  {ofOperator("/audit"), (*shelves).addCard},
}

func (s *shelves) pay() { s.Helper(); s.instruct(s.kiosk, cardNumber) }

// payOut has a cent paid out.
func (s *shelves) payOut() {
	s.Helper()
	s.run(&processor.SetBankAccount{Operated: processor.Operated{By: processor.OperatorID(s.operator.ID())},
		PlanID: processor.PlanID{Payee: handle, Currency: payeeCurrency}, To: shopsBank})
	one := cnyOf(1)
	s.asked(s.key, "/v1/payouts", api.NewPayout{Amount: &one}).expect(201, "")
}

func (s *shelves) addOperator() {
	s.Helper()
	s.enrol(s.newKey(), s.token(s.operator), consent.NewID()).expect(201, "")
}

func (s *shelves) addPayee() string {
	s.Helper()
	handle := fmt.Sprintf("shop%d@town", s.n)
	s.admin(s.token(s.operator), "/payees", api.NewPayee{Handle: handle, Name: "Shop", Currency: payeeCurrency}).expect(201, "")
	return handle
}

func (s *shelves) addCard() {
	s.Helper()
	s.issue(consent.AccountNumber(fmt.Sprintf("62000000%08d", s.n)))
}

func openShelves(t *testing.T) *shelves {
	s := &shelves{}
	s.station = openStation(t, func(c *Config) {
		s.sealer = &history.Sealer{Store: c.Store.(history.Store), Keys: c.Keys, Issuer: c.PublicURL, Environment: c.Environment, Now: c.Now, Log: c.Log}
		c.History, c.FourEyesAbove = s.sealer, 500_00
	})
	s.key = s.makeKey(processor.Scopes...).Key
	s.endpoint = s.makeEndpoint(s.key).ID
	s.payment = s.settled().ID
	return s
}

// isList reports whether a route answers with a list, and whether that comes in pages.
func isList(r *route) (list, paged bool) {
	if r.method != "GET" || r.out == nil || notLists[r.id] != "" {
		return false, false
	}
	next, has := r.out.FieldByName("Next")
	paged = has && next.Type.Kind() == reflect.String && shortLists[r.id] == ""
	if paged || strings.HasPrefix(r.id, "list") || strings.HasPrefix(r.id, "search") {
		return true, paged
	}
	return false, false
}

// TestListsTakeTheSameParameters compares all lists of the document.
func TestListsTakeTheSameParameters(t *testing.T) {
	for _, r := range routes {
		list, paged := isList(r)
		if !list {
			continue
		}
		if !paged {
			if shortLists[r.id] == "" {
				t.Errorf("%s has no pages: let its answer have a next, or say in shortLists why there are never many", r.id)
			}
			continue
		}
		if _, tried := pagedLists[r.id]; !tried {
			t.Errorf("%s comes in pages and is not tried: add it to pagedLists in httpapi/lists_test.go", r.id)
		}
		byName := map[string]param{}
		for _, p := range r.query {
			byName[p.name] = p
		}
		limit := byName["limit"]
		if limit.min != 1 || limit.max != maxPage || !limit.integer || !strings.Contains(limit.doc, fmt.Sprint(defaultPage, " if left out")) {
			t.Errorf("%s: limit is %+v", r.id, limit)
		}
		if before := byName["before"]; before.doc != "The next of the page before." || before.required {
			t.Errorf("%s: before is %+v", r.id, before)
		}
		_, sorted := byName["sort"]
		_, from := byName["from"]
		if _, until := byName["until"]; from != until || from != sorted {
			t.Errorf("%s: what is listed by time has from, until and sort, all of them: listedInTime", r.id)
		}
		if _, other := byName["after"]; other {
			t.Errorf("%s: the cursor is called before", r.id)
		}
	}
}

// items reads a page: the things in it, and its next.
func (s *shelves) items(path, token string, query url.Values) (ids []string, next string) {
	s.Helper()
	var header []string
	if token != "" {
		header = []string{"Authorization", "Bearer " + token}
	}
	var page map[string]json.RawMessage
	s.send("GET", path+"?"+query.Encode(), "", header...).into(200, &page)
	for _, field := range page {
		var things []map[string]any
		if json.Unmarshal(field, &things) != nil {
			continue
		}
		for _, thing := range things {
			ids = append(ids, nameOf(thing))
		}
	}
	if page["next"] != nil {
		s.must(json.Unmarshal(page["next"], &next))
	}
	return ids, next
}

// nameOf is what tells a thing in a list from the others; what has no name is told apart by all that it is.
func nameOf(thing map[string]any) string {
	for _, name := range []string{"id", "handle", "day", "head"} {
		if v, named := thing[name]; named {
			return fmt.Sprint(v)
		}
	}
	return string(encode(thing))
}

// walk reads a list in pages of two. between happens after the first.
func (s *shelves) walk(id string, query url.Values, between func()) (all []string) {
	s.Helper()
	path, token := pagedLists[id].read(s)
	query.Set("limit", "2")
	for {
		ids, next := s.items(path, token, query)
		if len(ids) > 2 {
			s.Fatalf("%s: a page of %d", id, len(ids))
		}
		all = append(all, ids...)
		if next == "" {
			return all
		}
		query.Set("before", next)
		if between != nil {
			between()
			between = nil
			path, token = pagedLists[id].read(s)
		}
	}
}

// TestPagesVisitEverythingOnce walks every list while something is added to it, from both ends where there are two.
func TestPagesVisitEverythingOnce(t *testing.T) {
	for _, r := range routes {
		list, tried := pagedLists[r.id]
		if !tried {
			continue
		}
		t.Run(r.id, func(t *testing.T) {
			s := openShelves(t)
			s.TB = t
			add := func() {
				s.n++
				s.clock.add(time.Millisecond)
				list.add(s)
			}
			for range 5 {
				add()
			}
			there := s.walk(r.id, url.Values{}, nil)
			if len(there) < 5 || len(slices.Compact(slices.Sorted(slices.Values(there)))) != len(there) {
				t.Fatalf("at rest there are %d: %q", len(there), there)
			}
			if diff := cmp.Diff(there, s.walk(r.id, url.Values{}, nil)); diff != "" {
				t.Errorf("again it is in another order:\n%s", diff)
			}
			grown := s.walk(r.id, url.Values{}, add)
			seen := map[string]int{}
			for _, id := range grown {
				seen[id]++
			}
			for id, n := range seen {
				if n > 1 {
					t.Errorf("%s is there %d times", id, n)
				}
			}
			for _, id := range there {
				if seen[id] != 1 {
					t.Errorf("%s is there %d times while the list grows", id, seen[id])
				}
			}
			s.turned(t, r, add)
			s.refusals(t, r)
		})
	}
}

// turned walks a list from its other end: what is new comes last, and is found.
func (s *shelves) turned(t *testing.T, r *route, add func()) {
	if !slices.ContainsFunc(r.query, func(p param) bool { return p.name == "sort" }) {
		return
	}
	newest := s.walk(r.id, url.Values{"sort": {sortNewest}}, nil)
	oldest := s.walk(r.id, url.Values{"sort": {sortOldest}}, add)
	slices.Reverse(newest)
	if len(oldest) != len(newest)+1 || !slices.Equal(oldest[:len(newest)], newest) {
		t.Errorf("oldest first, with one that was added:\n%q\nnewest first, turned:\n%q", oldest, newest)
	}
	if last := s.walk(r.id, url.Values{"until": {s.clock.Now().Format(time.RFC3339Nano)}}, nil); !slices.Contains(oldest[:len(oldest)-1], last[0]) {
		t.Errorf("until now there is %q, which is of now", last[0])
	}
	if last := s.walk(r.id, url.Values{"from": {s.clock.Now().Format(time.RFC3339Nano)}}, nil); !slices.Equal(last, oldest[len(oldest)-1:]) {
		t.Errorf("from now on there are %q", last)
	}
}

// refusals asks for what there is not.
func (s *shelves) refusals(t *testing.T, r *route) {
	path, token := pagedLists[r.id].read(s)
	for query, code := range map[string]string{
		"?nonce=1": "unknown_field", "?limit=0": "invalid_field", "?limit=201": "invalid_field", "?limit=2&limit=3": "duplicate_field", "?limit=x": "invalid_field",
		"?before=%21": "invalid_field", "?before=%27+OR+1%3D1+--": "invalid_field", "?before=%00": "invalid_field",
	} {
		if got := s.get(path+query, token); got.status != 400 || got.problem().Code != code {
			t.Errorf("%s answers %d %s, want 400 %s", query, got.status, got.body, code)
		}
	}
}

// TestAPageHasFiftyIfNobodySays counts.
func TestAPageHasFiftyIfNobodySays(t *testing.T) {
	s := openShelves(t)
	for range defaultPage + 1 {
		pagedLists["listOrders"].add(s)
	}
	ids, next := s.items("/v1/orders", s.key, url.Values{})
	if len(ids) != defaultPage || next == "" {
		t.Errorf("a page has %d, and next is %q", len(ids), next)
	}
}

// Notes of one moment stand in one order, however the database finds them.
func TestNotesOfOneMomentAreInTheOrderOfTheirIDs(t *testing.T) {
	s := openStation(t)
	token, subject := s.token(s.operator), "payee:"+handle
	for range 20 {
		s.admin(token, "/notes", api.NewNote{Subject: subject, Text: "seen"}).expect(201, "")
	}
	var got api.Notes
	s.get("/v1/admin/notes?subject="+subject, token).into(200, &got)
	if list := got.Notes; len(list) != 20 || !slices.IsSortedFunc(list, func(a, b api.Note) int { return strings.Compare(b.ID, a.ID) }) {
		t.Errorf("got %v, want 20 by falling id", list)
	}
}
