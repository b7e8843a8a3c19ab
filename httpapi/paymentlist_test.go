package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/payment"
	"tapline/processor"
)

// TestPayeesSearchTheirOwnPaymentsAndNoOthers looks for a rival's payments, and for what a payee is not told of a card.
func TestPayeesSearchTheirOwnPaymentsAndNoOthers(t *testing.T) {
	s := openStation(t)
	rival := s.rival()
	pay := func(number string, minor int64) string {
		m := s.instruction(s.kiosk, cardNumber)
		m.Order.Number, m.Amount = number, cnyOf(minor)
		var p, second api.Payment
		s.signed(s.kiosk, "/v1/payments", consent.TypInstruction, m).into(201, &p)
		s.authenticate(s.kiosk, p.ID, rightPIN).into(200, &p)
		s.confirm(s.kiosk, p).into(200, &p)
		s.get("/v1/payments/"+p.ID, s.token(s.phone)).into(200, &second)
		s.approve(second, p.Code).expect(200, "")
		s.clock.add(time.Second)
		return p.ID
	}
	first, second := pay("A-1", 5_00), pay("A-2", 7_50)
	hidden := s.instruct(s.kiosk, cardNumber).ID // its payee is not told of it before its payer has confirmed
	for query, want := range map[string][]string{
		"":                                {second, first},
		"sort=oldest":                     {first, second},
		"reference=A-1":                   {first},
		"reference=A-1&least=501":         nil,
		"least=500&most=749":              {first},
		"currency=JPY":                    nil,
		"reference=1042":                  nil, // the hidden one's
		"state=authentication_required":   nil,
		"from=2000-01-01T00:00:00Z":       {second, first},
		"until=2000-01-01T00:00:00%2B01:": nil,
	} {
		if strings.HasSuffix(query, ":") {
			s.get("/v1/payments?"+query, s.apiKey).expect(400, "invalid_field")
			continue
		}
		for key, want := range map[string][]string{s.apiKey: want, rival: nil} {
			var page api.Payments
			s.get("/v1/payments?"+query, key).into(200, &page)
			var got []string
			for _, p := range page.Payments {
				got = append(got, p.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s\n(hidden is %s)", query, diff, hidden)
			}
		}
	}
	for _, stranger := range []string{"last4=1234", "card=" + s.card.ID, "payee=" + handle, "device=" + string(s.kiosk.ID())} {
		s.get("/v1/payments?"+stranger, s.apiKey).expect(400, "unknown_field")
	}
}

// TestASearchLooksAtABoundedNumber has more payments than one request may look at, of which the last one is wanted.
func TestASearchLooksAtABoundedNumber(t *testing.T) {
	s := openStation(t)
	oldest := s.settled()
	rows := s.rows(processor.Wants{Payments: []payment.ID{payment.ID(oldest.ID)}})
	more := rows
	more.Payments = nil
	for i := range maxLookedAt + 2 {
		p := rows.Payments[0]
		p.ID = payment.ID(fmt.Sprintf("pay_%022d", i))
		p.OrderNumber, p.InstructedAt = "other", p.InstructedAt.Add(time.Duration(i+1)*time.Microsecond)
		more.Payments = append(more.Payments, p)
	}
	s.must(s.store.Update(t.Context(), func(tx processor.Tx) error {
		return tx.Save(processor.Changes{New: processor.Rows{Payments: more.Payments}})
	}))
	var page, rest api.Payments
	s.get("/v1/payments?reference=1042&limit=1", s.apiKey).into(200, &page)
	if len(page.Payments) != 0 || page.Next == "" {
		t.Fatalf("the first request finds %d and goes on at %q", len(page.Payments), page.Next)
	}
	s.get("/v1/payments?reference=1042&limit=1&before="+page.Next, s.apiKey).into(200, &rest)
	if len(rest.Payments) != 1 || rest.Payments[0].ID != oldest.ID {
		t.Errorf("the second one finds %+v", rest)
	}
}
