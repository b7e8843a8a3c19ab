package httpapi

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/processor"
)

// TestAPaymentIsExpandedAsTheCallerMaySeeIt compares what is answered at once with what its own operations answer, to everybody.
func TestAPaymentIsExpandedAsTheCallerMaySeeIt(t *testing.T) {
	s := openStation(t)
	key := s.makeKey(processor.Scopes...).Key
	var o api.PayeeOrder
	s.asked(key, "/v1/orders", api.NewOrder{Amount: cnyOf(12_50), Reference: "7", Metadata: map[string]string{"margin": "0.40"},
		SuccessURL: "https://shop.example/thanks"}).into(201, &o)
	m := s.instruction(s.kiosk, cardNumber)
	m.Order = consent.Order{ID: o.ID}
	var p, second api.Payment
	s.signed(s.kiosk, "/v1/payments", consent.TypInstruction, m).into(201, &p)
	s.authenticate(s.kiosk, p.ID, rightPIN).into(200, &p)
	s.confirm(s.kiosk, p).into(200, &p)
	s.get("/v1/payments/"+p.ID, s.token(s.phone)).into(200, &second)
	s.approve(second, p.Code).expect(200, "")
	s.asked(key, "/v1/refunds", api.NewRefund{Payment: p.ID, Reason: "returned"}).expect(201, "")
	for who, token := range map[string]string{"payee": key, "initiator": s.token(s.kiosk), "approver": s.token(s.phone)} {
		var whole, plain api.Payment
		var order api.PayeeOrder
		var refunds api.Refunds
		s.get("/v1/payments/"+p.ID+"?expand=refunds,order", token).into(200, &whole)
		s.get("/v1/payments/"+p.ID, token).into(200, &plain)
		s.get("/v1/orders/"+o.ID, token).into(200, &order)
		s.get("/v1/refunds?payment="+p.ID, token).into(200, &refunds)
		if diff := cmp.Diff(&api.PaymentExpansion{Order: &order, Refunds: refunds.Refunds}, whole.Expanded); diff != "" || len(refunds.Refunds) != 1 {
			t.Errorf("%s (-its own operations +expanded):\n%s", who, diff)
		}
		if whole.Expanded = nil; !cmp.Equal(whole, plain) {
			t.Errorf("%s: the rest differs: %s", who, cmp.Diff(plain, whole))
		}
		if (order.Metadata != nil) != (who == "payee") {
			t.Errorf("%s sees the metadata %v", who, order.Metadata)
		}
	}
	for _, bad := range []string{"evidence", "order,order", "", "order,", ",", "order;refunds", "ORDER"} {
		s.get("/v1/payments/"+p.ID+"?expand="+bad, key).expect(400, bad400(bad))
	}
	s.get("/v1/payments/"+p.ID+"?expand=order", s.rival()).expect(404, "unknown_payment")
}

// bad400 is the code that a value of expand is refused with.
func bad400(value string) string {
	if value == "order;refunds" {
		return "malformed" // no query (net/url)
	}
	return "invalid_field"
}
