package httpapi

import (
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/order"
	"tapline/processor"
)

// people are those to whom the story happens, and what they have.
type people struct {
	*story
	bob     *consent.DeviceKey // the second operator
	theirs  string             // where the shop is, for operators
	order   api.PayeeOrder
	payment api.Payment
	refund  api.Refund
}

// tellAll is the whole story. A new operation gets its place where it happens in the life of a shop; TestExamples then writes down
// what was sent and answered. Tell each operation once, as simply as it is used.
func (x *story) tellAll() {
	x.Helper()
	p := &people{story: x}
	for _, chapter := range []struct {
		begins string // so that a new one before it changes nothing in it
		happen func()
	}{
		{"09:00", p.begin}, {"09:30", p.openShop}, {"10:00", p.issueCard}, {"10:30", p.sell}, {"11:00", p.payOrder}, {"11:30", p.giveBack}, {"11:45", p.payOut},
		{"12:00", p.keepKeys}, {"12:30", p.listen}, {"13:00", p.templates}, {"13:30", p.cardholder}, {"14:00", p.signIn}, {"14:30", p.changePayee},
		{"15:00", p.loseCard}, {"22:00", p.countUp}, {"22:30", p.prove}, {"23:00", p.leave}, {"23:10", p.support}, {"23:30", p.play},
	} {
		x.settleUp()
		at, err := time.Parse(time.DateTime, "2026-03-01 "+chapter.begins+":00")
		x.must(err)
		if at.Before(x.clock.Now()) {
			x.Fatalf("the chapter before that of %s takes longer", chapter.begins)
		}
		x.clock.add(at.Sub(x.clock.Now()))
		chapter.happen()
	}
	x.settleUp()
}

func cnyOf(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: payeeCurrency} }

// olga is the first operator's token.
func (x *people) olga() string { x.Helper(); return x.token(x.operator) }

// begin enrols operators, and registers devices.
func (x *people) begin() {
	x.Helper()
	x.operator, x.bob, x.phone, x.kiosk = x.newKey(), x.newKey(), x.newKey(), x.newKey()
	x.tell("getService", "A program asks whom it talks to, before it signs anything").send("GET", "/v1/service", "")
	x.tell("enrolOperator", "Olga becomes the first operator, with the token of the first start").enrol(x.operator, firstToken, firstIdemKey)
	x.tell("getToken", "Olga signs an assertion with her key, and gets a token for five minutes").token(x.operator)
	var invite api.Invite
	x.tell("inviteOperator", "She invites Bob").admin(x.olga(), "/invites", api.Noted{Note: "Bob from accounts"}).into(201, &invite)
	x.enrol(x.bob, invite.Invite, "bob-1").expect(201, "")
	eve := x.newKey()
	x.enrol(eve, x.olga(), "eve-1").expect(201, "")
	x.tell("confirmOperator", "Bob confirms Eve, whom Olga has enrolled").
		admin(x.token(x.bob), "/operators/"+string(eve.ID())+"/confirm", api.Noted{Note: "I know her"})
	x.tell("listOperators", "Who are the operators?").get("/v1/admin/operators", x.olga())
	x.tell("removeOperator", "Eve leaves").admin(x.olga(), "/operators/"+string(eve.ID())+"/remove", api.Noted{Note: "has left us"})
	x.tell("registerDevice", "A phone registers its public key").
		signed(x.phone, "/v1/devices", consent.TypDevice, &consent.DeviceRegistration{Claims: x.claims(), Label: "Wei's phone"})
	x.signed(x.kiosk, "/v1/devices", consent.TypDevice, &consent.DeviceRegistration{Claims: x.claims(), Label: "Kiosk at the door"}).expect(201, "")
}

// openShop adds the payee.
func (x *people) openShop() {
	x.Helper()
	var shop api.AdminPayee
	x.tell("addPayee", "Olga adds the book shop, which gets its first API key").
		admin(x.olga(), "/payees", api.NewPayee{Handle: handle, Name: "Book Shop", Currency: payeeCurrency}).into(201, &shop)
	x.theirs = "/payees/" + handle
	var key api.APIKey
	x.tell("makePayeeAPIKey", "She makes a key for the shop's office, which may do everything").
		admin(x.olga(), x.theirs+"/api-keys", api.NewAPIKey{Name: "office", Scopes: textsOf(processor.Scopes), Note: "asked for by the owner"}).into(201, &key)
	x.apiKey = key.Key
	x.tell("renamePayee", "She has verified its name").
		admin(x.olga(), x.theirs+"/name", api.VerifiedName{Name: "Book Shop Ltd", Kind: "company", Note: "extract of the register"})
	x.tell("aliasPayee", "The shop is to be found by a second handle").admin(x.olga(), x.theirs+"/aliases", api.PayeeAlias{Alias: "shop@books"})
	x.tell("setRehearsals", "Payments to it may be rehearsed").admin(x.olga(), x.theirs+"/rehearsals", api.NewRehearsals{Allowed: true})
	x.tell("getAnyPayee", "Olga looks at the shop").get("/v1/admin"+x.theirs, x.olga())
	x.tell("listPayees", "All payees").get("/v1/admin/payees?limit=10", x.olga())
	x.tell("getSelf", "The shop's program asks whose key it has").get("/v1/payee", x.apiKey)
	x.tell("getPayee", "The kiosk looks the shop up by its handle").get("/v1/payees/"+handle, x.token(x.kiosk))
}

// issueCard gives Wei a card with money on it.
func (x *people) issueCard() {
	x.Helper()
	issued := x.tellIssued()
	x.tell("listAllCards", "All cards").get("/v1/admin/cards?limit=10", x.olga())
	var again api.CardCode
	x.tell("giveActivationCode", "The letter with the code is lost, so there is a new one").
		admin(x.olga(), "/cards/"+issued.ID+"/activation-code", api.Noted{Note: "letter lost"}).into(201, &again)
	x.tell("activateCard", "Wei's phone binds itself to the card, with the code, a tap, and the PIN that Wei chooses").
		activate(x.phone, again.Code, cardNumber, rightPIN).into(200, &x.card)
	x.tell("listCards", "The phone's cards").get("/v1/cards", x.token(x.phone))
	x.tell("getCard", "One of them, as the card's associated device sees it").get("/v1/cards/"+x.card.ID, x.token(x.phone))
	x.tell("getAnyCard", "The same card, as Olga sees it").get("/v1/admin/cards/"+x.card.ID, x.olga())
	account := "/accounts/" + x.card.Account
	x.tell("topUp", "Wei pays 100.00 in cash, and Olga puts it on the card's account").
		admin(x.olga(), account+"/top-ups", api.NewTopUp{Amount: cnyOf(100_00), Note: "cash"})
	held := func() string {
		var a api.Account
		x.admin(x.olga(), account+"/top-ups", api.NewTopUp{Amount: cnyOf(600_00), Note: "wages"}).into(201, &a)
		return a.Held.ID
	}
	first, second := held(), held()
	x.tell("listTopUps", "Two top-ups are above what one operator may do alone").get("/v1/admin/top-ups", x.olga())
	x.tell("confirmTopUp", "Bob confirms one").admin(x.token(x.bob), "/top-ups/"+first+"/confirm", api.Noted{Note: "counted"})
	x.tell("rejectTopUp", "The other was entered twice").admin(x.token(x.bob), "/top-ups/"+second+"/reject", api.Noted{Note: "entered twice"})
	x.tell("adjustAccount", "A cent too much was counted").
		admin(x.olga(), account+"/adjustments", api.NewAdjustment{Amount: cnyOf(1), Debit: true, Note: "counted anew"})
	x.tell("setLimits", "The card may pay 300.00 at once, and ten times a day").
		admin(x.olga(), account+"/limits", api.NewLimits{Limits: consent.SpendingLimits{Payment: 300_00, DayCount: 10}})
	x.fees()
	x.tell("getAccount", "The account now").get("/v1/admin"+account, x.olga())
	x.tell("listAccounts", "All accounts").get("/v1/admin/accounts?limit=10", x.olga())
}

// tellIssued issues the card.
func (x *people) tellIssued() api.Card {
	x.Helper()
	var issued api.CardCode
	x.tell("issueCard", "Olga issues a card to Wei").admin(x.olga(), "/cards",
		api.NewCard{AccountNumber: string(cardNumber), Label: "Wei's card", Currency: payeeCurrency, Note: "passport seen"}).into(201, &issued)
	return issued.Card
}

// sell makes an order, and an endpoint where the shop is told of it.
func (x *people) sell() {
	x.Helper()
	var hook api.WebhookEndpoint
	x.tell("makeWebhookEndpoint", "The shop has its events sent to it").
		asked(x.apiKey, "/v1/webhook-endpoints", api.NewWebhookEndpoint{URL: hookURL}).into(201, &hook)
	x.tell("makeOrder", "The shop makes an order of two books").asked(x.apiKey, "/v1/orders", api.NewOrder{
		Amount: cnyOf(45_00), Reference: "1042", Description: "Two books", Tax: 4_10,
		Lines:      []order.Line{{Description: "Book", Quantity: 2, Amount: 40_90}},
		SuccessURL: "https://shop.example/thanks", CancelURL: "https://shop.example/basket", Metadata: map[string]string{"basket": "77"},
	}).into(201, &x.order)
	x.tell("getOrder", "The kiosk reads the order, to show it").get("/v1/orders/"+x.order.ID, x.token(x.kiosk))
	x.tell("listOrders", "The shop's open orders").get("/v1/orders?state=open&limit=10", x.apiKey)
	x.subscribes()
}

// subscribes has the phone woken.
func (x *people) subscribes() {
	x.Helper()
	x.tell("getPushKey", "A browser on the phone asks for the key to subscribe with").send("GET", "/v1/push-key", "")
	m := x.subscription()
	m.Endpoint = "https://push.example/send/b7c1"
	x.tell("subscribePush", "Wei's phone wants to be woken").subscribe(m)
	x.tell("getPushSubscription", "Is it?").get("/v1/push-subscription", x.token(x.phone))
}

// payOrder is the payment: from the kiosk, and approved on the phone.
func (x *people) payOrder() {
	x.Helper()
	x.tell("challengeTap", "The kiosk gets the number that a payment card would have to sign").
		signed(x.kiosk, "/v1/tap-challenges", consent.TypTapChallenge, &consent.TapChallenge{Claims: x.claims(), Amount: cnyOf(45_00)})
	x.tell("presentTap", "The phone asks what card was tapped").
		signed(x.phone, "/v1/taps", consent.TypTap, &consent.Presentation{Claims: x.claims(), Tap: consent.Tap{Account: cardNumber}})
	m := x.instruction(x.kiosk, cardNumber)
	m.ID, m.Amount, m.Order = "pay_"+consent.NewIDAt(x.clock.Now()), cnyOf(45_00), consent.Order{ID: x.order.ID}
	x.tell("instructPayment", "Wei taps the card at the kiosk, which asks for the payment of the order").
		signed(x.kiosk, "/v1/payments", consent.TypInstruction, m).into(201, &x.payment)
	x.tell("authenticatePayment", "Wei enters the PIN").authenticate(x.kiosk, x.payment.ID, rightPIN).into(200, &x.payment)
	x.tell("confirmPayment", "Wei reads the statement on the kiosk and confirms it").confirm(x.kiosk, x.payment).into(200, &x.payment)
	var asked api.Payments
	x.tell("listPayments", "The phone looks what waits for its approval").
		get("/v1/payments?role=approver&state=approval_required", x.token(x.phone)).into(200, &asked)
	x.tell("approvePayment", "Wei compares the statement and types the digits that the kiosk shows: the money moves").
		approve(asked.Payments[0], x.payment.Code).expect(200, "")
	x.tell("getPayment", "The shop reads the payment, and its order with it").get("/v1/payments/"+x.payment.ID+"?expand=order", x.apiKey)
	x.tell("getReceipt", "The kiosk gets the receipt, signed by the service").get("/v1/payments/"+x.payment.ID+"/receipt", x.token(x.kiosk))
	x.tell("getAnyPayment", "Olga looks at every step of it").get("/v1/admin/payments/"+x.payment.ID, x.olga())
	x.tell("searchPayments", "She finds it by the last digits of the card").get("/v1/admin/payments?last4=1234&state=settled", x.olga())
}

// giveBack refunds a part, and cancels what nobody pays.
func (x *people) giveBack() {
	x.Helper()
	part := cnyOf(20_00)
	x.tell("makeRefund", "One of the books comes back").
		asked(x.apiKey, "/v1/refunds", api.NewRefund{Payment: x.payment.ID, Amount: &part, Reason: "One book returned"}).into(201, &x.refund)
	x.tell("getRefund", "The kiosk reads the refund").get("/v1/refunds/"+x.refund.ID, x.token(x.kiosk))
	x.tell("listRefunds", "All refunds of the payment").get("/v1/refunds?payment="+x.payment.ID, x.apiKey)
	x.tell("getAnyRefund", "The refund, as Olga sees it").get("/v1/admin/refunds/"+x.refund.ID, x.olga())
	var o api.PayeeOrder
	x.asked(x.apiKey, "/v1/orders", api.NewOrder{Amount: cnyOf(30_00), Reference: "1043"}).into(201, &o)
	x.tell("cancelOrder", "The shop takes back an order that nobody has paid").asked(x.apiKey, "/v1/orders/"+o.ID+"/cancel", nil)
	x.tell("setUndo", "From now on payments to the shop can be undone for half a minute").asked(x.apiKey, "/v1/payee/undo", api.NewUndo{Undo: 30})
	m := x.instruction(x.kiosk, cardNumber)
	m.ID = "pay_" + consent.NewIDAt(x.clock.Now())
	x.signed(x.kiosk, "/v1/payments", consent.TypInstruction, m).expect(201, "")
	x.tell("cancelPayment", "Wei changes his mind at the kiosk").cancelBy(x.kiosk, m.ID)
	x.tell("getOwnReport", "The shop's account today").get("/v1/report?from=2026-03-01T00:00:00Z&until=2026-03-02T00:00:00Z", x.apiKey)
}
