package httpapi

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// steps is a timeline in short: what, who, how, and after how many seconds.
func steps(p api.AdminPayment) (out []string) {
	for _, s := range p.Timeline {
		text := s.Step + " by " + s.By
		if s.Method != "" {
			text += " with " + s.Method
		}
		out = append(out, text+" after "+(time.Duration(s.Millis)*time.Millisecond).String())
	}
	return out
}

func (s *station) timelineOf(id string) (p api.AdminPayment) {
	s.Helper()
	s.get("/v1/admin/payments/"+id, s.token(s.operator)).into(200, &p)
	return p
}

func TestTheTimelineTellsEveryStep(t *testing.T) {
	s := openStation(t)
	p := s.instruct(s.kiosk, cardNumber)
	s.clock.add(3 * time.Second)
	s.authenticate(s.kiosk, p.ID, rightPIN).into(200, &p)
	s.clock.add(1500 * time.Millisecond)
	s.confirm(s.kiosk, p).into(200, &p)
	s.clock.add(20 * time.Second)
	var second api.Payment
	s.get("/v1/payments/"+p.ID, s.token(s.phone)).into(200, &second)
	wrong := map[bool]string{true: "11", false: "22"}[p.Code == "22"]
	s.approve(second, wrong).expect(403, "wrong_code")
	s.approve(second, p.Code).expect(200, "")
	got := s.timelineOf(p.ID)
	want := []string{
		"instructed by initiator with tap after 0s", "authenticated by initiator with pin after 3s",
		"confirmed by initiator with signature after 1.5s", "approved by approver with code after 20s", "ended by service after 0s",
	}
	if diff := cmp.Diff(want, steps(got)); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	if got.State != "settled" || got.WrongCodes != 1 || got.Level != "approve" || got.Assurance != "identified" || got.Decoy {
		t.Errorf("payment %+v", got)
	}
	approved := got.Timeline[3]
	if approved.Device != string(s.phone.ID()) || approved.DeviceLabel != "device" || !approved.Signed || approved.Digest == "" {
		t.Errorf("the approval was %+v", approved)
	}
	if got.Timeline[1].Signed || !got.Timeline[2].Signed {
		t.Errorf("signed are %+v", got.Timeline)
	}
}

func TestTheTimelineTellsWhoEndedAPayment(t *testing.T) {
	s := openStation(t)
	cancelled := s.instruct(s.kiosk, cardNumber)
	s.cancelBy(s.kiosk, cancelled.ID).expect(200, "")
	late := s.instruct(s.kiosk, cardNumber)
	s.clock.add(payment.AuthenticationWait)
	disowned := s.confirmed()
	var second api.Payment
	s.get("/v1/payments/"+disowned.ID, s.token(s.phone)).into(200, &second)
	s.signed(s.phone, "/v1/payments/"+disowned.ID+"/approval", consent.TypApproval, &consent.Decision{
		Claims: s.claims(), Payment: consent.PaymentID(disowned.ID), Decision: consent.NotMe,
	}).expect(200, "")
	for id, want := range map[string]string{
		cancelled.ID: "cancelled payer initiator", late.ID: "expired timed_out service", disowned.ID: "declined not_me approver",
	} {
		p := s.timelineOf(id)
		last := p.Timeline[len(p.Timeline)-1]
		if got := p.State + " " + p.Reason + " " + last.By; got != want || last.Step != "ended" {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

func TestOperatorsSeeNothingThatTheyCouldActWith(t *testing.T) {
	s := openStation(t)
	p := s.confirmed()
	if len(p.Code) != 2 {
		t.Fatalf("the payment waits with code %q", p.Code)
	}
	row, err := s.load(t.Context(), processor.Wants{Payments: []payment.ID{payment.ID(p.ID)}})
	s.must(err)
	token := s.token(s.operator)
	for _, path := range []string{"/v1/admin/payments", "/v1/admin/payments/" + p.ID, "/v1/admin/funnel", "/v1/admin/events"} {
		body := s.get(path, token).expect(200, "").body
		for what, secret := range map[string]string{
			"the approval code": `"` + p.Code + `"`, "the nonce": row.Payments[0].Nonce, "the card's number": string(cardNumber),
			"the card's key": row.Payments[0].CardKey, "the PIN": string(rightPIN), "a signature": "eyJ", "a statement": "tapline-statement",
		} {
			if secret == "" || strings.Contains(body, secret) {
				t.Errorf("%s tells %s: %s", path, what, body)
			}
		}
		for _, stranger := range []string{s.token(s.phone), s.apiKey} {
			s.get(path, stranger).expect(403, "wrong_credential")
		}
		s.send("GET", path, "").expect(401, "token_required")
	}
}

func TestOperatorsSearchPayments(t *testing.T) {
	s := openStation(t)
	settled := s.settled()
	s.clock.add(time.Minute)
	from := s.clock.Now()
	decoy := s.instruct(s.kiosk, otherNumber)
	s.clock.add(time.Second)
	other := s.instruction(s.kiosk, cardNumber)
	other.Order.Number = "1050"
	open := api.Payment{}
	s.signed(s.kiosk, "/v1/payments", consent.TypInstruction, other).into(201, &open)
	token := s.token(s.operator)
	for query, want := range map[string][]string{
		"":                  {open.ID, decoy.ID, settled.ID},
		"state=settled":     {settled.ID},
		"state=expired":     nil,
		"payee=books@shop":  {open.ID, decoy.ID, settled.ID},
		"payee=nobody@shop": nil,
		"card=" + s.card.ID: {open.ID, settled.ID},
		"card=none":         nil,
		"last4=1234":        {open.ID, settled.ID},
		"last4=7777":        {decoy.ID},
		"last4=%E2%80%A2%E2%80%A2%E2%80%A2%E2%80%A2+7777": {decoy.ID}, // as it is shown: •••• 7777
		"last4=34":                  {open.ID, settled.ID},
		"order=1050":                {open.ID},
		"reference=1050":            {open.ID},
		"reference=1050&last4=7777": nil,
		"least=1250&most=1250":      {open.ID, decoy.ID, settled.ID},
		"least=1251":                nil,
		"most=1249":                 nil,
		"least=1250&state=settled&currency=CNY&payee=books@shop": {settled.ID},
		"least=1250&currency=JPY":                                nil,
		"sort=oldest":                                            {settled.ID, decoy.ID, open.ID},
		"sort=oldest&last4=1234&card=" + s.card.ID:               {settled.ID, open.ID},
		"last4=1234&state=settled":                               {settled.ID},
		"from=" + stamp(from):                                    {open.ID, decoy.ID},
		"until=" + stamp(from):                                   {settled.ID},
		"limit=2":                                                {open.ID, decoy.ID},
		"card=none&payee=books@shop":                             nil,
		"payee=none&card=" + s.card.ID:                           nil,
	} {
		var page api.AdminPayments
		s.get("/v1/admin/payments?"+query, token).into(200, &page)
		var got []string
		for _, p := range page.Payments {
			got = append(got, p.ID)
			if len(p.Timeline) > 0 {
				t.Errorf("%s: a list has timelines", query)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	var first, rest api.AdminPayments
	s.get("/v1/admin/payments?limit=2", token).into(200, &first)
	s.get("/v1/admin/payments?limit=2&before="+url.QueryEscape(first.Next), token).into(200, &rest)
	if len(rest.Payments) != 1 || rest.Payments[0].ID != settled.ID || rest.Next != "" {
		t.Errorf("the next page is %+v", rest)
	}
	if p := s.timelineOf(decoy.ID); !p.Decoy || p.Card != "" || p.Deadline == nil {
		t.Errorf("the decoy is %+v", p)
	}
	for _, bad := range []string{"state=open", "from=yesterday", "until=1", "before=x", "limit=0", "nonce=1",
		"last4=12345", "last4=%25", "last4=1' OR '1'='1", "last4=%E2%80%A2", "least=0", "least=-1", "most=1e3", "least=9223372036854775808", "sort=asc", "sort=newest,oldest"} {
		s.get("/v1/admin/payments?"+strings.ReplaceAll(bad, " ", "+"), token).expect(400, map[bool]string{true: "unknown_field", false: "invalid_field"}[bad == "nonce=1"])
	}
	s.get("/v1/admin/payments/pay_AAAAAAAAAAAAAAAAAAAAAA", token).expect(404, "unknown_payment")
}

func stamp(at time.Time) string { return url.QueryEscape(at.Format(time.RFC3339Nano)) }

func TestASearchIsBounded(t *testing.T) {
	s := openStation(t)
	const many = maxSearched + 2*searchedOnce
	rows := make([]payment.Payment, many)
	for i := range rows {
		at := s.clock.Now().Add(-time.Duration(many-i) * time.Second)
		rows[i] = payment.Payment{
			Terms: payment.Terms{
				ID: payment.ID(consent.NewPaymentID()), Amount: money.Amount{Minor: 1, Currency: payeeCurrency}, PayeeHandle: handle,
				PayeeAccount: s.payeeAccount(), CardLast4: "0001", CardKey: "1.none", Initiator: payment.DeviceID(s.kiosk.ID()),
				Level: payment.LevelApprove, Assurance: payment.Identified, Nonce: "n",
			},
			State: payment.Expired, Reason: payment.TimedOut, Version: 2, InstructedAt: at, EndedAt: at.Add(time.Minute),
		}
	}
	rows[0].CardLast4 = "0002"
	s.must(s.store.Update(t.Context(), func(tx processor.Tx) error { return tx.Save(processor.Changes{New: processor.Rows{Payments: rows}}) }))
	token := s.token(s.operator)
	var page api.AdminPayments
	s.get("/v1/admin/payments?last4=0002", token).into(200, &page)
	if len(page.Payments) != 0 || page.Next == "" {
		t.Fatalf("one request found %d of %d", len(page.Payments), many)
	}
	s.get("/v1/admin/payments?last4=0002&before="+url.QueryEscape(page.Next), token).into(200, &page)
	if len(page.Payments) != 1 || page.Payments[0].ID != string(rows[0].ID) {
		t.Errorf("searching further back found %+v", page)
	}
}

// payeeAccount is the ledger account of the payee.
func (s *station) payeeAccount() (account ledger.AccountID) {
	s.Helper()
	rows, err := s.load(s.Context(), processor.Wants{Payees: []payment.Handle{handle}})
	s.must(err)
	return rows.Payees[0].Account
}

func TestTheFunnelCountsEveryStep(t *testing.T) {
	s := openStation(t)
	s.settled() // all within one instant
	s.clock.add(time.Minute)
	p := s.instruct(s.kiosk, cardNumber)
	s.clock.add(4 * time.Second)
	s.authenticate(s.kiosk, p.ID, rightPIN).into(200, &p)
	s.clock.add(2 * time.Second)
	s.confirm(s.kiosk, p).into(200, &p) // waits for approval
	s.instruct(s.kiosk, otherNumber)    // a decoy
	own := s.instruct(s.phone, cardNumber)
	s.clock.add(6 * time.Second)
	s.authenticate(s.phone, own.ID, rightPIN).into(200, &own)
	s.confirm(s.phone, own).into(200, &own) // no second confirmation is needed
	cancelled := s.instruct(s.kiosk, cardNumber)
	s.cancelBy(s.kiosk, cancelled.ID).expect(200, "")
	var got api.Funnel
	s.get("/v1/admin/funnel", s.token(s.operator)).into(200, &got)
	want := api.Funnel{
		From: got.From, Until: got.Until, Complete: true, Instructed: 4, Decoys: 1,
		Stages: []api.FunnelStage{
			{Stage: "authentication", Asked: 4, Passed: 3, Median: 4000, P95: 6000},
			{Stage: "confirmation", Asked: 3, Passed: 3, Median: 0, P95: 2000},
			{Stage: "approval", Asked: 2, Passed: 1},
			{Stage: "settlement", Asked: 4, Passed: 2, Median: 0, P95: 6000},
		},
		Outcomes: []api.Outcome{
			{State: "settled", Count: 2}, {State: "approval_required", Count: 1}, {State: "cancelled", Reason: "payer", Count: 1},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("funnel (-want +got):\n%s", diff)
	}
	if span := got.Until.Sub(got.From); span < 24*time.Hour || span > 24*time.Hour+time.Second {
		t.Errorf("it counts %v", span)
	}
	var none api.Funnel
	s.get("/v1/admin/funnel?until="+stamp(s.clock.Now().Add(-time.Hour)), s.token(s.operator)).into(200, &none)
	if none.Instructed != 0 || len(none.Stages) != 4 || none.Outcomes == nil {
		t.Errorf("of an hour ago: %+v", none)
	}
	s.get("/v1/admin/funnel?from="+stamp(s.clock.Now())+"&until="+stamp(s.clock.Now().Add(-time.Hour)), s.token(s.operator)).
		expect(400, "invalid_field")
}

func TestPercentilesAreTheNearestRank(t *testing.T) {
	twenty := make([]int64, 20)
	for i := range twenty {
		twenty[i] = int64(i + 1)
	}
	for _, tc := range []struct {
		of   []int64
		n    int
		want int64
	}{{nil, 50, 0}, {[]int64{7}, 50, 7}, {[]int64{7}, 95, 7}, {[]int64{1, 2}, 50, 1}, {twenty, 50, 10}, {twenty, 95, 19}, {twenty[:19], 95, 19}} {
		if got := percentile(tc.of, tc.n); got != tc.want {
			t.Errorf("percentile %d of %v = %d, want %d", tc.n, tc.of, got, tc.want)
		}
	}
}

func TestOperatorsReadWhatTheyWereTold(t *testing.T) {
	s := openStation(t)
	token := s.token(s.operator)
	s.admin(token, "/cards/"+s.card.ID+"/freeze", api.Noted{Note: "asked"}).expect(200, "")
	s.admin(token, "/cards/"+s.card.ID+"/lost", api.Noted{Note: "gone"}).expect(200, "")
	var list, next api.AdminEvents
	s.get("/v1/admin/events?limit=2", token).into(200, &list)
	if len(list.Events) != 2 || list.Events[0].Type != "card.lost" || list.Events[1].Type != "card.frozen" || list.Events[0].Subject != s.card.ID {
		t.Errorf("operators were told %+v", list)
	}
	s.get("/v1/admin/events?after="+list.Next, token).into(200, &next)
	for _, e := range next.Events {
		if e.ID >= list.Events[1].ID || strings.HasPrefix(e.Type, "payment.") {
			t.Errorf("before that they were told %+v", e)
		}
	}
	s.get("/v1/admin/events?after=x", token).expect(400, "invalid_field")
}
