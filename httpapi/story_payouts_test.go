package httpapi

import (
	"tapline/api"
	"tapline/payout"
)

// payOut pays the shop out.
func (x *people) payOut() {
	x.Helper()
	books := payout.BankAccount{Name: "Book Shop Ltd", IBAN: "GB82WEST12345698765432"}
	var plan api.PayoutPlan
	x.tell("setBankAccount", "The shop has written where it wants to be paid out to").
		admin(x.olga(), x.theirs+"/bank-account", api.NewBankAccount{Account: books, Note: "letter of 1 March"}).into(200, &plan)
	x.tell("confirmBankAccount", "Bob has called the shop, and confirms the change that he has seen").
		admin(x.token(x.bob), x.theirs+"/bank-account/confirm", api.BankAccountDecision{Version: plan.Version, Note: "called"})
	other := payout.BankAccount{Name: "Book Shop Ltd", IBAN: "DE89370400440532013000", BIC: "COBADEFFXXX"}
	x.admin(x.olga(), x.theirs+"/bank-account", api.NewBankAccount{Account: other}).into(200, &plan)
	x.tell("listPayoutPlans", "The shop looks where it is paid out to, and finds a change that it does not know").get("/v1/payout-plans", x.apiKey)
	x.tell("rejectBankAccount", "It has called: Bob rejects the change").
		admin(x.token(x.bob), x.theirs+"/bank-account/reject", api.BankAccountDecision{Version: plan.Version, Note: "the shop knows nothing of it"})
	x.tell("setPayoutSchedule", "The shop is paid out on Fridays, and keeps 10.00 for refunds").
		admin(x.olga(), x.theirs+"/payout-schedule", api.NewPayoutSchedule{Schedule: api.PayoutSchedule{Every: "weekly", Day: 5, At: "06:30", Least: 5_00, Keep: 10_00}})
	x.tell("listPlansOfPayee", "Olga looks at the plan").get("/v1/admin"+x.theirs+"/payout-plans", x.olga())
	for range 2 {
		x.admin(x.olga(), "/accounts/"+x.shopAccount()+"/adjustments", api.NewAdjustment{Amount: cnyOf(500_00), Note: "from the old till"}).expect(201, "")
	}
	x.paidOut(x.made())
}

// shopAccount is the shop's account.
func (x *people) shopAccount() string {
	var shop api.AdminPayee
	x.get("/v1/admin"+x.theirs, x.olga()).into(200, &shop)
	return shop.Account
}

// made are three payouts: one for the bank, one that comes back, and one that Bob has to approve.
func (x *people) made() (paid, back, big api.Payout) {
	x.Helper()
	some := cnyOf(12_00)
	x.tell("makePayout", "The shop's office has 12.00 paid out").asked(x.apiKey, "/v1/payouts", api.NewPayout{Amount: &some}).into(201, &paid)
	much := cnyOf(600_00)
	x.tell("makePayeePayout", "Olga has 600.00 paid out, which is above what one operator may do alone").
		admin(x.olga(), "/payouts", api.NewPayeePayout{Payee: handle, Amount: &much, Note: "the shop has asked for it"}).into(201, &big)
	x.tell("approvePayout", "Bob approves it").admin(x.token(x.bob), "/payouts/"+big.ID+"/approve", api.Noted{Note: "seen the letter"})
	x.asked(x.apiKey, "/v1/payouts", api.NewPayout{Amount: &some}).into(201, &back)
	var mistake api.Payout
	x.asked(x.apiKey, "/v1/payouts", api.NewPayout{Amount: &some}).into(201, &mistake)
	x.tell("cancelPayout", "One was asked for twice").admin(x.olga(), "/payouts/"+mistake.ID+"/cancel", api.Noted{Note: "asked for twice"})
	x.tell("listAllPayouts", "What is ready to be sent?").get("/v1/admin/payouts?state=ready&limit=10", x.olga())
	return paid, back, big
}

// paidOut sends them to the bank.
func (x *people) paidOut(paid, back, big api.Payout) {
	x.Helper()
	var file api.PayoutFile
	x.tell("makePayoutFile", "Olga puts them into a file for the bank").admin(x.olga(), "/payout-files", api.NewPayoutFile{
		Currency: payeeCurrency, From: payout.BankAccount{Name: "Campus Ltd", IBAN: "NO9386011117947"}, On: "2026-03-02", Note: "Monday's"}).into(201, &file)
	x.tell("listPayoutFiles", "All files").get("/v1/admin/payout-files?limit=10", x.olga())
	x.tell("getPayoutFile", "The file once more").get("/v1/admin/payout-files/"+file.ID, x.olga())
	x.tell("confirmPayout", "The bank's statement has the first").admin(x.olga(), "/payouts/"+paid.ID+"/confirm", api.Noted{Note: "statement 61"})
	x.tell("returnPayout", "The bank has not paid the second").admin(x.olga(), "/payouts/"+back.ID+"/return", api.Noted{Note: "rejected by the bank"})
	x.tell("getPayout", "The shop reads what has become of it").get("/v1/payouts/"+back.ID, x.apiKey)
	x.tell("listPayouts", "Its payouts that the bank has paid").get("/v1/payouts?state=confirmed&limit=10", x.apiKey)
	x.tell("getAnyPayout", "Olga looks at the third").get("/v1/admin/payouts/"+big.ID, x.olga())
}

// endCard gives somebody who leaves what is left on a card.
func (x *people) endCard() {
	x.Helper()
	var issued api.CardCode
	x.admin(x.olga(), "/cards", api.NewCard{AccountNumber: "6200000000000013", Label: "Guest's card", Currency: payeeCurrency}).into(201, &issued)
	x.admin(x.olga(), "/accounts/"+issued.Card.Account+"/top-ups", api.NewTopUp{Amount: cnyOf(30_00)}).expect(201, "")
	x.admin(x.olga(), "/cards/"+issued.Card.ID+"/close", api.Noted{Note: "goes home"}).expect(200, "")
	x.tell("payOutCard", "A guest goes home, and is handed what is left on the card").admin(x.olga(), "/cards/"+issued.Card.ID+"/pay-out",
		api.NewCardPayout{To: payout.BankAccount{Name: "Ada Guest", Cash: true}, Note: "passport seen"})
	var blank api.CardCode
	x.admin(x.olga(), "/cards", api.NewCard{AccountNumber: "6222020000000000078", Label: "Ada's card", Currency: payeeCurrency}).into(201, &blank)
	one := "/cards/" + blank.Card.ID
	x.admin(x.olga(), one+"/close", api.Noted{Note: "goes home"}).expect(200, "")
	x.tell("askErasure", "Another guest, whose account is empty, wants to be forgotten").admin(x.olga(), one+"/erasure", api.Noted{Note: "asked in writing"})
	x.tell("confirmErasure", "Bob has seen the letter, too").admin(x.token(x.bob), one+"/erasure/confirm", api.Noted{Note: "letter seen"})
}
