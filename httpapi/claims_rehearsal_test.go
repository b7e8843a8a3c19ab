package httpapi_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/payment"
	"tapline/processor"
)

// openRehearsals is a world whose payee takes rehearsals.
func openRehearsals(t testing.TB, settings ...setting) *world {
	t.Helper()
	w := openWorld(t, settings...)
	payee, err := w.operator.SetRehearsals(w.ctx, "books@shop", true, "the shop opens on Monday")
	w.must(err)
	if !payee.Rehearsals {
		t.Fatalf("the payee takes no rehearsals: %+v", payee)
	}
	return w
}

// rehearsal is a rehearsal after Send.
func (w *world) rehearsal(from *device.Client, minor int64) *device.Payment {
	w.t.Helper()
	p, err := w.rehearsalDraft(from, cardNumber, minor).Send(w.ctx)
	w.must(err)
	return p
}

func (w *world) rehearsalDraft(from *device.Client, number consent.AccountNumber, minor int64) *device.Draft {
	w.t.Helper()
	payee, err := from.Payee(w.ctx, "books@shop")
	w.must(err)
	order, err := from.Order(cny(minor), payee, consent.Order{Number: "1042", Description: "Two books"})
	w.must(err)
	order, err = order.Rehearse()
	w.must(err)
	draft, err := order.Tap(number)
	w.must(err)
	return draft
}

// rehearsing is a rehearsal that waits for the second confirmation.
func (w *world) rehearsing(minor int64) *device.Payment {
	w.t.Helper()
	p := w.rehearsal(w.kiosk, minor)
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	s, err := p.Statement()
	w.must(err)
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
	w.expectState(p, payment.ApprovalRequired)
	return p
}

// books are the rows of the ledger: accounts, entries, postings and the count of entries.
func (w *world) books() map[string][]string {
	w.t.Helper()
	all := w.dump()
	books := map[string][]string{}
	for _, table := range []string{"accounts", "entries", "postings"} {
		books[table] = all[table]
	}
	for _, row := range all["counters"] {
		if strings.Contains(row, "name=entries") {
			books["counters"] = append(books["counters"], row)
		}
	}
	if len(books["accounts"]) < 3 || len(books["entries"]) == 0 || len(books["counters"]) != 1 {
		w.t.Fatalf("these are no books: %v", books)
	}
	return books
}

// untouched does something and wants every row of the ledger to be what it was, and the trial balance to be right.
func (w *world) untouched(do func()) {
	w.t.Helper()
	before := w.books()
	do()
	if diff := cmp.Diff(before, w.books()); diff != "" {
		w.t.Errorf("the books have changed (-before +after):\n%s", diff)
	}
	w.checkBooks()
}

// eventTypes are the types of all events about a payment that somebody was told, in order.
func (w *world) eventTypes(who processor.Principal, token string, id consent.PaymentID) (types []string) {
	w.t.Helper()
	for _, block := range strings.Split(w.events(who, token).Answer, "\n\n") {
		if _, rest, found := strings.Cut(block, "event: "); found && strings.Contains(rest, string(id)) {
			name, _, _ := strings.Cut(rest, "\n")
			types = append(types, name)
		}
	}
	return types
}

func TestARehearsalTakesTheStepsOfItsLevelAndMovesNoMoney(t *testing.T) {
	tapAllowed := payment.DefaultPolicy
	tapAllowed.Level, tapAllowed.AllowIdentifiedTap = payment.LevelTap, true
	for _, tc := range []struct {
		name   string
		policy setting
		own    bool
		want   []string
	}{
		{"tap", withPolicy(tapAllowed), true, []string{"done"}},
		{"tap, not allowed for a number that was only read", atLevel(payment.LevelTap), true, []string{"authenticate", "done"}},
		{"authenticate", atLevel(payment.LevelAuthenticate), true, []string{"authenticate", "done"}},
		{"confirm", atLevel(payment.LevelConfirm), true, []string{"authenticate", "confirm", "done"}},
		{"approve, from the associated device", atLevel(payment.LevelApprove), true, []string{"authenticate", "confirm", "done"}},
		{"approve, from another device", atLevel(payment.LevelApprove), false, []string{"authenticate", "confirm", "wait_for_approval", "done"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := openRehearsals(t, tc.policy)
			from := w.kiosk
			if tc.own {
				from = w.phone
			}
			w.untouched(func() {
				p := w.rehearsal(from, 1250)
				if diff := cmp.Diff(tc.want, w.walk(p)); diff != "" {
					t.Errorf("steps (-want +got):\n%s", diff)
				}
				w.expectState(p, payment.Rehearsed)
				if view := p.View(); !view.Rehearsal || view.Reason != "" {
					t.Errorf("the view says rehearsal %t, reason %q", view.Rehearsal, view.Reason)
				}
			})
			// The real payment after it takes the same steps, and is not taken for one that was made already.
			p := w.sent(from, cardNumber, 1250)
			if diff := cmp.Diff(tc.want, w.walk(p)); diff != "" {
				t.Errorf("steps of the payment (-want +got):\n%s", diff)
			}
			w.expectState(p, payment.Settled)
			w.expectMoney(87_50, 0, 12_50)
		})
	}
}

func TestBothStatementsOfARehearsalSaySo(t *testing.T) {
	w := openRehearsals(t)
	p := w.rehearsing(1250)
	first, err := consent.ParseStatement(w.firstStatement(p))
	w.must(err)
	a := w.approval(p)
	for role, s := range map[consent.Role]consent.Statement{consent.First: first, consent.Second: a.Statement} {
		if !s.Rehearsal || s.Version != consent.RehearsalVersion || s.AmountText != "REHEARSAL, no money moves: 12.50 CNY" || s.Role != role {
			t.Errorf("%s statement: %+v", role, s)
		}
	}
	if !a.View.Rehearsal {
		t.Error("the approver's view does not say that it is a rehearsal")
	}
	_, err = a.Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
	// What was signed is kept: both signatures are over texts that say so.
	var evidence []processor.Evidence
	w.must(w.store.View(w.ctx, func(r processor.Reader) error {
		rows, err := r.Load(processor.Wants{Evidence: []payment.ID{payment.ID(p.ID())}})
		evidence = rows.Evidence
		return err
	}))
	if len(evidence) != 2 {
		t.Fatalf("%d pieces of evidence, want 2", len(evidence))
	}
	for _, e := range evidence {
		if signed := string(payload(t, e.JWS)); !strings.Contains(signed, `\"rehearsal\":true`) {
			t.Errorf("the %s confirmation was signed over %s", e.Role, signed)
		}
	}
}

func TestAPayeeThatHasNotOptedInTakesNoRehearsals(t *testing.T) {
	w := openWorld(t)
	m := func(number consent.AccountNumber, handle string) exchange {
		m := &consent.Instruction{Claims: w.claims(), Device: w.kiosk.ID(), Amount: cny(1250), Payee: handle,
			Tap: consent.Tap{Account: number}, Rehearsal: true}
		m.ID = string(consent.NewPaymentID())
		return w.post("/v1/payments", api.ContentJWS, w.signed(w.kiosk.Key, consent.TypInstruction, m))
	}
	w.unchanged(func() {
		known, unknown := m(cardNumber, "books@shop"), m(unknownNumber, "books@shop")
		expectRefusal(t, "known card", known, 422, "no_rehearsals")
		if known.plain() != unknown.plain() {
			t.Errorf("a known card differs from an unknown one:\n%s\n%s", known.plain(), unknown.plain())
		}
		expectRefusal(t, "no such payee", m(cardNumber, "nobody@shop"), 404, "unknown_payee")
	})
	// Only an operator can open it; it can be closed again, and what has begun then goes on and still moves nothing.
	for name, token := range map[string]string{"a device": w.token(w.kiosk.Key), "the payee": w.shop.APIKey} {
		e := w.post("/v1/admin/payees/books@shop/rehearsals", "application/json", `{"allowed":true}`,
			"Authorization", "Bearer "+token, api.IdempotencyHeader, "k-"+strings.Fields(name)[1])
		expectRefusal(t, name, e, 403, "wrong_credential")
	}
	_, err := w.operator.SetRehearsals(w.ctx, "books@shop", true, "try")
	w.must(err)
	w.untouched(func() {
		p := w.rehearsing(1250)
		_, err = w.operator.SetRehearsals(w.ctx, "books@shop", false, "enough")
		w.must(err)
		expectRefusal(t, "closed again", m(cardNumber, "books@shop"), 422, "no_rehearsals")
		_, err = w.approval(p).Approve(w.ctx, consent.Code(p.View().Code))
		w.must(err)
		w.expectState(p, payment.Rehearsed)
	})
	if _, err := w.operator.SetRehearsals(w.ctx, "nobody@shop", true, ""); err == nil {
		t.Error("a payee that is not there was opened")
	}
	log, err := w.operator.Audit(w.ctx, "")
	w.must(err)
	var actions []string
	for _, r := range log.Records {
		if r.Subject == "books@shop" {
			actions = append(actions, r.Action+": "+r.Note)
		}
	}
	if diff := cmp.Diff([]string{"payee.rehearsals.off: enough", "payee.rehearsals.on: try", "payee.add: "}, actions); diff != "" {
		t.Errorf("audit log, newest first (-want +got):\n%s", diff)
	}
}

func TestTheFlagCannotBeChangedAfterTheInstruction(t *testing.T) {
	for name, rehearses := range map[string]bool{"payment made a rehearsal": false, "rehearsal made a payment": true} {
		t.Run(name, func(t *testing.T) {
			w := openRehearsals(t)
			m := &consent.Instruction{Claims: w.claims(), Device: w.kiosk.ID(), Amount: cny(1250), Payee: "books@shop",
				Tap: consent.Tap{Account: cardNumber}, Rehearsal: rehearses}
			m.ID = string(consent.NewPaymentID())
			id := consent.PaymentID(m.ID)
			send := func() exchange {
				return w.post("/v1/payments", api.ContentJWS, w.signed(w.kiosk.Key, consent.TypInstruction, m))
			}
			if e := send(); e.Status != 201 {
				t.Fatalf("%d %s", e.Status, e.Answer)
			}
			m.Rehearsal = !rehearses
			w.unchanged(func() {
				expectRefusal(t, "the same instruction, turned round", send(), 422, "idempotency_key_reused")
			})
			e := w.post("/v1/payments/"+m.ID+"/authentication", api.ContentJWS, w.signed(w.kiosk.Key, consent.TypAuthentication,
				&consent.Authentication{Claims: w.claims(), Payment: id, PIN: rightPIN}))
			if e.Status != 200 {
				t.Fatalf("%d %s", e.Status, e.Answer)
			}
			view, err := w.kiosk.Payment(w.ctx, id)
			w.must(err)
			turned := turnedRound(t, view.Statement)
			w.unchanged(func() {
				decision := consent.Decision{Claims: w.claims(), Payment: id, Decision: consent.Approve, Statement: turned}
				expectRefusal(t, "its statement, turned round", w.post("/v1/payments/"+m.ID+"/confirmation", api.ContentJWS,
					w.signed(w.kiosk.Key, consent.TypConfirmation, &decision)), 409, "statement_mismatch")
				for path, typ := range map[string]consent.Typ{
					"confirmation": consent.TypConfirmation, "authentication": consent.TypAuthentication, "cancel": consent.TypCancellation,
				} {
					more := map[string]any{"payment": id, "rehearsal": !rehearses, "aud": w.audience(), "iat": w.clock.Now().Unix(), "jti": consent.NewID()}
					expectRefusal(t, "the flag at "+path, w.post("/v1/payments/"+m.ID+"/"+path, api.ContentJWS,
						w.signed(w.kiosk.Key, typ, more)), 400, "unknown_field")
				}
			})
			if view, err = w.kiosk.Payment(w.ctx, id); err != nil || view.Rehearsal != rehearses {
				t.Errorf("rehearsal %t, %v; want %t as ever", view.Rehearsal, err, rehearses)
			}
		})
	}
}

// turnedRound is a statement of the other kind with the same facts.
func turnedRound(t testing.TB, text string) string {
	t.Helper()
	s, err := consent.ParseStatement(text)
	if err != nil {
		t.Fatal(err)
	}
	s.Rehearsal = !s.Rehearsal
	s.Version, s.AmountText = consent.VersionOf(s.Rehearsal), consent.AmountText(s.Amount, s.Rehearsal)
	if _, err := consent.ParseStatement(s.Text()); err != nil {
		t.Fatalf("%s: %v", s.Text(), err)
	}
	return s.Text()
}

func TestAStatementOfARehearsalApprovesNoPaymentAndTheOtherWayRound(t *testing.T) {
	w := openRehearsals(t)
	kinds := map[string]*device.Payment{"payment": w.confirmed(w.kiosk, 1250), "rehearsal": w.rehearsing(1250)}
	statements := map[string]string{}
	for name, p := range kinds {
		statements[name] = w.approval(p).View.Statement
	}
	for name, other := range map[string]string{"payment": "rehearsal", "rehearsal": "payment"} {
		p := kinds[name]
		w.unchanged(func() {
			for what, text := range map[string]string{"the other's": statements[other], "its own, turned round": turnedRound(t, statements[name])} {
				e := w.decide(w.phone, "approval", consent.TypApproval, p, text, consent.Code(p.View().Code))
				expectRefusal(t, name+", "+what, e, 409, "statement_mismatch")
			}
			// The approver's real answer to the one, sent to the other.
			compact := w.signed(w.phone.Key, consent.TypApproval, &consent.Decision{Claims: w.claims(), Payment: kinds[other].ID(),
				Decision: consent.Approve, Statement: statements[other], Code: consent.Code(kinds[other].View().Code)})
			expectRefusal(t, name, w.post("/v1/payments/"+string(p.ID())+"/approval", api.ContentJWS, compact), 400, "id_mismatch")
		})
	}
	w.expectMoney(100_00, 12_50, 0)
	for name, p := range kinds {
		_, err := w.approval(p).Approve(w.ctx, consent.Code(p.View().Code))
		w.must(err)
		w.expectState(p, map[string]payment.State{"payment": payment.Settled, "rehearsal": payment.Rehearsed}[name])
	}
	w.expectMoney(87_50, 0, 12_50)
}

// decided are the ends of a rehearsal that its people decide, each with the state that it comes to.
func (w *world) decided() map[string]func() (*device.Payment, payment.State) {
	return map[string]func() (*device.Payment, payment.State){
		"approved": func() (*device.Payment, payment.State) {
			p := w.rehearsing(1250)
			_, err := w.approval(p).Approve(w.ctx, consent.Code(p.View().Code))
			w.must(err)
			return p, payment.Rehearsed
		},
		"declined at the first": func() (*device.Payment, payment.State) {
			p := w.rehearsal(w.kiosk, 1250)
			_, err := p.Authenticate(w.ctx, rightPIN)
			w.must(err)
			_, err = p.Decline(w.ctx)
			w.must(err)
			return p, payment.Declined
		},
		"declined at the second": func() (*device.Payment, payment.State) {
			p := w.rehearsing(1250)
			_, err := w.approval(p).Decline(w.ctx)
			w.must(err)
			return p, payment.Declined
		},
		"three wrong codes": func() (*device.Payment, payment.State) {
			p := w.rehearsing(1250)
			for range payment.CodeTries {
				_, err := w.approval(p).Approve(w.ctx, wrongCode(p.View().Code))
				expectProblem(w.t, err, "wrong_code")
			}
			return p, payment.Declined
		},
		"disowned": func() (*device.Payment, payment.State) {
			p := w.rehearsing(1250)
			_, err := w.approval(p).NotMe(w.ctx)
			w.must(err)
			_, err = w.phone.Unfreeze(w.ctx, consent.CardID(w.card.ID), rightPIN)
			w.must(err)
			return p, payment.Declined
		},
	}
}

// undone are the other ends.
func (w *world) undone() map[string]func() (*device.Payment, payment.State) {
	return map[string]func() (*device.Payment, payment.State){
		"cancelled by the payer": func() (*device.Payment, payment.State) {
			p := w.rehearsing(1250)
			_, err := p.Cancel(w.ctx)
			w.must(err)
			return p, payment.Cancelled
		},
		"cancelled by the payee": func() (*device.Payment, payment.State) {
			p := w.rehearsing(1250)
			e := w.post("/v1/payments/"+string(p.ID())+"/cancel", "", "", "Authorization", "Bearer "+w.shop.APIKey, api.IdempotencyHeader, "cancel-it")
			if e.Status != 200 {
				w.t.Errorf("cancel: %d %s", e.Status, e.Answer)
			}
			return p, payment.Cancelled
		},
		"expired": func() (*device.Payment, payment.State) {
			p := w.rehearsing(1250)
			w.clock.Advance(payment.ApprovalWait)
			return p, payment.Expired
		},
		"wrong PINs": func() (*device.Payment, payment.State) {
			p := w.rehearsal(w.kiosk, 1250)
			for range 3 {
				_, _ = p.Authenticate(w.ctx, wrongPIN)
			}
			return p, payment.Rejected
		},
		"more than there is": func() (*device.Payment, payment.State) {
			p := w.rehearsal(w.kiosk, 100_01)
			_, err := p.Authenticate(w.ctx, rightPIN)
			w.must(err)
			s, err := p.Statement()
			w.must(err)
			_, err = p.Confirm(w.ctx, s)
			expectProblem(w.t, err, "insufficient_funds")
			return p, payment.Rejected
		},
	}
}

func TestWhateverBecomesOfARehearsalTheBooksStayAsTheyWere(t *testing.T) {
	w := openRehearsals(t)
	ends := w.undone()
	maps.Copy(ends, w.decided())
	for _, name := range slices.Sorted(maps.Keys(ends)) {
		w.untouched(func() {
			p, want := ends[name]()
			if got := w.state(p); got != string(want) {
				t.Errorf("%s: the rehearsal is %s, want %s", name, got, want)
			}
			e := w.get("/v1/payments/"+string(p.ID())+"/receipt", w.token(w.kiosk.Key))
			expectRefusal(t, name+", receipt", e, 409, "rehearsal")
		})
		w.clock.Advance(24 * time.Hour) // so that no limit of the hour or pause is met
	}
	w.expectMoney(100_00, 0, 0)
}

// Everybody who is told of a payment is told of its rehearsal, in the same order, but of no settlement.
func TestARehearsalIsNeverToldAsSettled(t *testing.T) {
	w := openRehearsals(t)
	told := map[string]processor.Principal{
		"kiosk": processor.DevicePrincipal(payment.DeviceID(w.kiosk.ID())),
		"phone": processor.DevicePrincipal(payment.DeviceID(w.phone.ID())),
		"payee": processor.PayeePrincipal("books@shop"),
	}
	tokens := map[string]string{"kiosk": w.token(w.kiosk.Key), "phone": w.token(w.phone.Key), "payee": w.shop.APIKey}
	rehearsed, paid := w.rehearsing(1250), w.confirmed(w.kiosk, 1250)
	for _, p := range []*device.Payment{rehearsed, paid} {
		_, err := w.approval(p).Approve(w.ctx, consent.Code(p.View().Code))
		w.must(err)
	}
	for name, who := range told {
		got, want := w.eventTypes(who, tokens[name], rehearsed.ID()), w.eventTypes(who, tokens[name], paid.ID())
		if len(want) < 2 || want[len(want)-1] != "payment.settled" {
			t.Fatalf("%s was told of the payment: %v", name, want)
		}
		want[len(want)-1] = "payment.rehearsed"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s was told of the rehearsal (-want +got):\n%s", name, diff)
		}
		view := w.get("/v1/payments/"+string(rehearsed.ID()), tokens[name])
		if view.Status != 200 || !strings.Contains(view.Answer, `"rehearsal":true`) || !strings.Contains(view.Answer, `"state":"rehearsed"`) {
			t.Errorf("%s sees %d %s", name, view.Status, view.Answer)
		}
		expectRefusal(t, name, w.get("/v1/payments/"+string(rehearsed.ID())+"/receipt", tokens[name]), 409, "rehearsal")
		if list := w.get("/v1/payments?state=settled", tokens[name]); strings.Contains(list.Answer, string(rehearsed.ID())) {
			t.Errorf("%s finds the rehearsal among settled payments", name)
		}
		if e := w.get("/v1/payments/"+string(paid.ID()), tokens[name]); strings.Contains(e.Answer, "rehears") {
			t.Errorf("%s is told of a rehearsal in %s", name, e.Answer)
		}
	}
	// What the account reports say is the payment alone.
	for _, id := range []string{w.card.Account, w.shop.Account} {
		report, err := w.operator.Report(w.ctx, id, time.Time{}, time.Time{})
		w.must(err)
		if len(report.Lines) == 0 {
			t.Errorf("the report of %s is empty", id)
		}
		for _, line := range report.Lines {
			if line.Reference == string(rehearsed.ID()) {
				t.Errorf("the report of %s has the rehearsal: %+v", id, line)
			}
		}
	}
}

func TestNobodyCanTellAnActiveCardByRehearsing(t *testing.T) {
	for _, level := range []payment.Level{payment.LevelTap, payment.LevelApprove} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			w := openRehearsals(t, atLevel(level))
			all := w.subjects()
			for _, s := range all {
				s.rehearses = true
			}
			codes := w.compare(t, all, story(15*time.Minute, 30*time.Minute))
			for _, code := range []string{"wrong_pin", "authentication_paused", "not_now", "too_late", "expired", "unknown_payment", "rehearsal"} {
				if codes[code] == 0 {
					t.Errorf("the story never came to %s: %v", code, codes)
				}
			}
			w.expectMoney(100_00, 0, 0)
		})
	}
}

func TestTheServiceSaysThatItKnowsRehearsals(t *testing.T) {
	w := openWorld(t)
	for open := range 2 {
		_, err := w.operator.SetRehearsals(w.ctx, "books@shop", open == 1, "")
		w.must(err)
		service, err := w.kiosk.Service(w.ctx)
		w.must(err)
		payee, err := w.kiosk.Payee(w.ctx, "books@shop")
		w.must(err)
		if !service.Rehearsals || payee.Rehearsals != (open == 1) {
			t.Errorf("the service says %t, the payee %t; want true and %t", service.Rehearsals, payee.Rehearsals, open == 1)
		}
	}
}
