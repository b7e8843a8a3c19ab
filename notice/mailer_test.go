package notice_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tapline/consent"
	"tapline/internal/testdb"
	"tapline/ledger"
	relays "tapline/mail"
	"tapline/mail/mailtest"
	"tapline/notice"
	"tapline/payment"
	. "tapline/processor"
)

const ann = "ann@mail.example"

func (n *node) sealed(context []byte, text string) string {
	return base64.RawURLEncoding.EncodeToString(n.keys.Seal(context, []byte(text)))
}

func (n *node) address(address, language, code string) NewEmail {
	return NewEmail{Address: n.sealed(MailContext("acc_card"), address), AddressK: "mac of " + address, Language: language,
		Code: n.sealed(CodeContext("acc_card"), code), CodeMAC: "mac of " + code}
}

// tell has the card's holder told at an address.
func (n *node) tell(address, language string) *node {
	n.Helper()
	code := "code for " + address
	n.must(&AskEmailFor{Operated: Operated{By: chief}, Card: "card_1", New: n.address(address, language, code)})
	c := &ConfirmEmail{Card: "card_1", Device: n.associated(), CodeMACs: []string{"mac of " + code}}
	n.must(c)
	if c.Refused {
		n.Fatal("the code was refused")
	}
	return n
}

// mails lets the node send e-mail by a relay until stop is called, or the test ends.
func (n *node) mails(there *mailtest.Relay, change ...func(*notice.Mailer)) (stop func()) {
	n.Helper()
	relay, err := relays.ParseRelay(there.URL())
	if err != nil {
		n.Fatal(err)
	}
	relay.From, relay.Name, relay.Roots, relay.Timeout = "notices@pay.example", "Campus Pay", there.Roots(), 2*time.Second
	m := notice.NewMailer(n.keys, relay, "Campus Pay", n.Log)
	m.Processor = n.Processor
	n.mailer.Store(m)
	for _, f := range change {
		f(m)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx) }()
	once := sync.OnceFunc(func() { cancel(); <-done })
	n.Cleanup(once)
	return once
}

// letters waits until so many e-mails came, and nothing is left to send.
func (n *node) letters(r *mailtest.Relay, want int) []mailtest.Letter {
	n.Helper()
	n.until(fmt.Sprintf("%d e-mails", want), func() bool { return len(r.Letters()) >= want && n.unsent() == 0 })
	letters := r.Letters()
	if len(letters) != want {
		n.Fatalf("%d e-mails came, want %d: %v", len(letters), want, subjects(letters))
	}
	return letters
}

// unsent is how many e-mails are to be sent, now or later.
func (n *node) unsent() (waiting int) {
	n.Helper()
	n.view(func(r Reader) error {
		due, err := r.Due(time.Now().Add(1000*time.Hour), 1000)
		waiting = len(due.Mails)
		return err
	})
	return waiting
}

func subjects(letters []mailtest.Letter) (out []string) {
	for _, l := range letters {
		subject, err := new(mime.WordDecoder).DecodeHeader(l.Header().Get("Subject"))
		if err != nil {
			subject = err.Error()
		}
		out = append(out, subject)
	}
	return out
}

func (n *node) text(l mailtest.Letter) string {
	n.Helper()
	m, err := mail.ReadMessage(strings.NewReader(l.Raw))
	if err != nil {
		n.Fatal(err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		n.Fatal(err)
	}
	return string(text)
}

// told is something that a cardholder must be told.
type told struct {
	name             string
	do               func(*node)
	event            string
	kind             WakeKind
	english, chinese string
}

var (
	byChief = Operated{By: chief}
	newPIN  = consent.PINRecord{Salt: []byte("0123456789abcdef"), Sum: []byte("fedcba9876543210fedcba9876543210"), Pepper: 1, Memory: 8, Passes: 1, Lanes: 1}
	newKey  = Passkey{ID: "key_1", PublicKey: []byte("{}"), Label: "My phone"}
)

// begun is a PIN check on the card's associated device.
func (n *node) begun() *ReserveTry {
	n.Helper()
	r := &ReserveTry{Device: n.associated(), Card: "card_1"}
	n.must(r)
	return r
}

// moneyAndState are debits, credits, and what stops a card.
var moneyAndState = []told{
	{"debit", func(n *node) { n.settled() }, "payment.settled", WakeDebit, "You paid 12.50 CNY", "您已付款 12.50 CNY"},
	{"refund", func(n *node) {
		n.must(&Refund{Payment: n.settled().ID, By: payee, Refund: payment.Refund{ID: "ref_1", APIKey: "key_1", Amount: cny(250)}})
	}, "payment.refunded", WakeDebit, "You got 2.50 CNY back", "您已收到退款 2.50 CNY"},
	{"top-up", func(n *node) { n.must(&TopUp{Operated: byChief, ID: "top_2", Account: "acc_card", Amount: cny(500)}) },
		"card.topped_up", WakeDebit, "5.00 CNY was put on your card", "您的卡已充值 5.00 CNY"},
	{"adjustment", func(n *node) {
		n.must(&Adjust{Operated: byChief, ID: "adj_1", Account: "acc_card", Debit: true, Amount: cny(100)})
	}, "card.adjusted", WakeDebit, "The balance of your card was corrected by -1.00 CNY", "您的卡余额已更正 -1.00 CNY"},
	{"freeze", func(n *node) { n.must(&Freeze{Card: "card_1", Device: phone}) }, "card.frozen", WakeAlarm, "Your card is frozen", "您的卡已冻结"},
	{"unfreeze", func(n *node) {
		n.must(&Freeze{Card: "card_1", Device: phone})
		n.must(NewUnfreeze(n.begun(), true))
	}, "card.unfrozen", WakeAlarm, "Your card can pay again", "您的卡已恢复付款"},
	{"loss", func(n *node) { n.must(&ReportLost{Card: "card_1", Device: phone}) }, "card.lost", WakeAlarm, "Your card was reported lost", "您的卡已挂失"},
	{"end", func(n *node) { n.must(&SetCardState{Operated: byChief, Card: "card_1", To: CardClosed}) }, "card.closed", WakeAlarm, "Your card is closed", "您的卡已注销"},
	{"replacement", func(n *node) {
		n.must(&ReplaceCard{Operated: byChief, Old: "card_1", Card: Card{ID: "card_2", Key: "1.new", Last4: "0099", Code: OneUseCode{MAC: "x"}}})
	}, "card.replaced", WakeAlarm, "Your card was replaced", "您的卡已更换"},
}

// devicesAndSecrets are what could make another person the holder.
var devicesAndSecrets = []told{
	{"new device", func(n *node) { n.must(&Rebind{Card: "card_1", Device: phone, NewDevice: kiosk}) },
		"card.bound", WakeAlarm, "Another device confirms payments with your card now", "您的卡已改由另一台设备确认付款"},
	{"removed device", func(n *node) {
		n.must(&Rebind{Card: "card_1", Device: phone, NewDevice: kiosk})
		n.must(NewRemoveDevice(n.begun(), true, phone))
	}, "card.device_removed", WakeAlarm, "A device of your card was removed", "您的卡已移除一台设备"},
	{"revoked device", func(n *node) {
		n.must(&Rebind{Card: "card_1", Device: phone, NewDevice: kiosk})
		n.must(&RevokeDevice{Operated: byChief, Device: kiosk})
	}, "card.device_revoked", WakeAlarm, "A device of your card may not act any more", "您的卡的一台设备已被停用"},
	{"passkey", func(n *node) { n.must(NewRegisterPasskey(n.begun(), true, newKey)) }, "card.passkey_added", WakeAlarm, "A passkey for your card was added", "您的卡已添加通行密钥"},
	{"removed passkey", func(n *node) {
		n.must(NewRegisterPasskey(n.begun(), true, newKey))
		n.must(&RemovePasskey{Card: "card_1", Device: phone, ID: "key_1"})
	}, "card.passkey_removed", WakeAlarm, "A passkey for your card was removed", "您的卡已移除通行密钥"},
	{"PIN", func(n *node) { n.must(NewChangePIN(n.begun(), true, newPIN)) }, "card.pin_changed", WakeAlarm, "The PIN of your card was changed", "您的卡的 PIN 已更改"},
	{"own limits", func(n *node) { n.must(NewSetLevel(n.begun(), true, payment.LevelApprove)) },
		"card.limits_changed", WakeAlarm, "The limits of your card were changed", "您的卡的限额已更改"},
	{"operator's limits", func(n *node) {
		n.must(&SetLimits{Operated: byChief, Account: "acc_card", Limits: ledger.Limits{DaySum: 5}})
	}, "card.limits_changed", WakeAlarm, "The limits of your card were changed", "您的卡的限额已更改"},
	{"code", func(n *node) { n.must(&GiveCode{Operated: byChief, Card: "card_1", Purpose: CodeRebinds, MAC: "y"}) },
		"card.code_issued", WakeAlarm, "A code was made that can change devices or PIN of your card", "已生成可更改您的卡的设备或 PIN 的代码"},
	{"wrong PINs on the phone", func(n *node) {
		for range 3 {
			n.must(NewUnfreeze(n.begun(), false))
		}
	}, "card.pin_alarm", WakeAlarm, "Too many wrong PINs for your card", "您的卡 PIN 错误次数过多"},
	{"a stranger's wrong PINs", func(n *node) { n.guess(kiosk, 2) }, "card.pin_alarm", WakeAlarm, "Too many wrong PINs for your card", "您的卡 PIN 错误次数过多"},
}

// TestCardholdersAreToldOfEverything goes through all that a cardholder must be told: each is an event to the phone, wakes it, and is
// mailed, in either language.
func TestCardholdersAreToldOfEverything(t *testing.T) {
	for i, c := range slices.Concat(moneyAndState, devicesAndSecrets) {
		for _, language := range notice.Languages()[i%2 : i%2+1] { // TestEveryKindHasWords has the rest
			t.Run(c.name+" "+language, func(t *testing.T) {
				n := found(t, testdb.New(t)).open("a").furnish().tell(ann, language)
				relay := mailtest.New(t, "smtps")
				n.mails(relay)
				n.letters(relay, 2) // the code, and that the address is taken
				browser := n.subscribe(phone, true)
				n.run()
				before := n.newest()
				c.do(n)
				n.until("the e-mail", func() bool {
					want := c.english
					if language == "zh" {
						want = c.chinese
					}
					return slices.Contains(subjects(relay.Letters()), want)
				})
				n.until("the push", func() bool {
					return slices.Contains(payloads(browser.Got()), `{"wake":"`+string(c.kind)+`"}`)
				})
				n.view(func(r Reader) error {
					events, _, err := r.Events(before, 100, DevicePrincipal(phone))
					if !slices.ContainsFunc(events, func(e Event) bool { return e.Type == c.event }) {
						t.Errorf("the phone is told %v", events)
					}
					return err
				})
				for _, l := range relay.Letters()[2:] {
					if text := n.text(l); !strings.Contains(text, "•••• 0003") || strings.Contains(text, "http") || strings.Contains(text, string(number)) || strings.Contains(text, "phone") {
						t.Errorf("an e-mail says %q", text)
					}
				}
			})
		}
	}
}

// guess tries wrong PINs for a payment from a device.
func (n *node) guess(from payment.DeviceID, times int) {
	n.Helper()
	i := &Instruct{ID: payment.ID("pay_" + n.serial + consent.NewID()), Device: from, Amount: cny(1250), Payee: payee, CardKeys: KeysOfNumber(n.keys, number),
		CardLast4: "0003", Assurance: payment.Identified, Nonce: consent.NewNonce(n.keys), Policy: n.Policy}
	n.must(i)
	for range times {
		n.must(&ReserveTry{Device: from, Payment: i.ID})
		n.must(&Authenticate{Payment: i.ID, Device: from, Policy: n.Policy})
	}
}

func TestAnAddressThatIsLeftIsToldSo(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().tell(ann, "en").tell("thief@mail.example", "zh")
	relay := mailtest.New(t, "smtp")
	n.mails(relay)
	told := map[string][]string{}
	letters := n.letters(relay, 5)
	for i, s := range subjects(letters) {
		told[letters[i].To] = append(told[letters[i].To], s)
	}
	if !slices.Contains(told[ann], "This address is told nothing of your card any more") || len(told["thief@mail.example"]) != 2 {
		t.Errorf("told is %v", told)
	}
	n.must(NewRemoveEmailFor(Operated{By: chief}, "card_1"))
	n.settled()
	if letters := n.letters(relay, 6); letters[5].To != "thief@mail.example" {
		t.Errorf("the last is to %s", letters[5].To)
	}
}

func TestNoCodeNoMail(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish()
	relay := mailtest.New(t, "smtp")
	n.mails(relay)
	ask := &AskEmailFor{Operated: Operated{By: chief}, Card: "card_1", New: n.address(ann, "en", "right")}
	n.must(ask)
	confirm := func(mac string) bool {
		c := &ConfirmEmail{Card: "card_1", Device: phone, CodeMACs: []string{mac}}
		n.must(c)
		return !c.Refused
	}
	for range EmailCodeTries {
		if confirm("mac of wrong") {
			t.Fatal("a wrong code was taken")
		}
	}
	if confirm("mac of right") {
		t.Error("the code was taken after all its tries")
	}
	n.must(ask)
	n.letters(relay, 2)
	n.wait(EmailCodeLife)
	if confirm("mac of right") {
		t.Error("the code was taken after its time")
	}
	n.settled()
	n.letters(relay, 2) // the codes
	if _, err := n.Do(t.Context(), Request{Command: &ConfirmEmail{Card: "card_1", Device: kiosk, CodeMACs: []string{"mac of right"}}}); err != ErrUnknownCard {
		t.Errorf("another device confirms: %v", err)
	}
}

func TestCodesAreFew(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish()
	taken := 0
	for i := range 10 {
		_, err := n.Do(t.Context(), Request{Command: &AskEmailFor{Operated: Operated{By: chief}, Card: "card_1",
			New: n.address(fmt.Sprintf("a%d@mail.example", i), "en", "code")}})
		if err == nil {
			taken++
		}
	}
	if taken != 3 || n.unsent() != 3 {
		t.Errorf("%d codes were mailed, %d wait; want 3", taken, n.unsent())
	}
	n.wait(time.Hour)
	if _, err := n.Do(t.Context(), Request{Command: &AskEmailFor{Operated: Operated{By: chief}, Card: "card_1", New: n.address(ann, "en", "code")}}); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

func TestARelaysNoIsTriedAgainOrNever(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().tell(ann, "en")
	relay := mailtest.New(t, "smtp+starttls")
	var later, never atomic.Int64
	relay.Answer(func(step, about string) error {
		switch {
		case step == "rcpt" && about == ann && later.Add(1) <= 2:
			return mailtest.Refusal(450, "mailbox of "+ann+" busy")
		case step == "rcpt" && about == "gone@mail.example":
			never.Add(1)
			return mailtest.Refusal(550, "no such user gone@mail.example")
		}
		return nil
	})
	n.mails(relay)
	n.until("two refusals, and then none", func() bool {
		if later.Load() >= 2 {
			n.wait(5 * time.Second) // the pauses, which begin when a refusal was noted
		}
		return len(relay.Letters()) >= 2
	})
	n.letters(relay, 2)
	n.tell("gone@mail.example", "en")
	n.until("refusals", func() bool { return never.Load() >= 2 && n.unsent() == 0 })
	n.wait(time.Hour)
	if len(relay.Letters()) != 3 || never.Load() != 2 { // code and news of the new address are refused for good, the old one is told
		t.Errorf("%d letters, %d refusals for good", len(relay.Letters()), never.Load())
	}
	if log := n.log.String(); strings.Contains(log, "mail.example") || !strings.Contains(log, "550") {
		t.Errorf("the log says %s", log)
	}
}

func TestARelayThatIsDownDelaysNothingAndLosesNothing(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().tell(ann, "en")
	relay := mailtest.New(t, "smtp")
	relay.Stop()
	var failed atomic.Int64
	n.mails(relay, func(m *notice.Mailer) {
		m.OnMail = func(failure string) {
			if failure == notice.FailureMailRelay {
				failed.Add(1)
			}
		}
	})
	browser := n.subscribe(phone, true)
	n.run()
	n.settled()
	n.until("the push", func() bool { return slices.Contains(payloads(browser.Got()), `{"wake":"debit"}`) })
	n.until("an attempt in vain", func() bool { return failed.Load() > 0 })
	relay.Start()
	n.until("e-mails after that", func() bool { n.wait(time.Second); return len(relay.Letters()) >= 3 })
	n.letters(relay, 3)
}

func TestARelayThatHangsLosesNothing(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().tell(ann, "en")
	relay := mailtest.New(t, "smtp")
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hangs.Close() })
	stop := n.mails(relay, func(m *notice.Mailer) {
		m.Relay.Port, m.Relay.Timeout = hangs.Addr().(*net.TCPAddr).Port, 200*time.Millisecond
	})
	n.until("an attempt in vain", func() bool { return strings.Contains(n.log.String(), "greeting") })
	stop()
	n.wait(10 * time.Minute)
	n.mails(relay)
	n.letters(relay, 2)
}

func TestSeveralNodesMailOnce(t *testing.T) {
	w := found(t, testdb.Postgres(t))
	a := w.open("a").furnish().tell(ann, "en")
	b := w.open("b")
	relay := mailtest.New(t, "smtp")
	a.mails(relay)
	b.mails(relay)
	for range 2 { // a card has a bound of second confirmations in an hour
		a.settled()
		b.settled()
	}
	a.letters(relay, 6)
}

func TestAClaimOfADeadNodeIsTakenOver(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().tell(ann, "en")
	var due []string
	n.view(func(r Reader) error {
		w, err := r.Due(n.now(), 10)
		due = w.Mails
		return err
	})
	n.must(&ClaimMails{IDs: due}) // and dies
	relay := mailtest.New(t, "smtp")
	n.mails(relay)
	again := &ClaimMails{IDs: due}
	n.must(again)
	if len(again.Claimed) != 0 || len(relay.Letters()) != 0 {
		t.Error("what was claimed is sent before the lease is over")
	}
	n.wait(MailLease)
	n.letters(relay, 2)
}

func TestMailThatNobodyTakesIsGivenUp(t *testing.T) {
	n := found(t, testdb.New(t)).open("a").furnish().tell(ann, "en")
	n.wait(MailLife)
	relay := mailtest.New(t, "smtp")
	n.mails(relay)
	n.until("its end", func() bool { return n.unsent() == 0 })
	if len(relay.Letters()) != 0 {
		t.Error("it was sent after its time")
	}
}
