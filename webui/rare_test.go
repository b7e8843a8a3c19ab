package webui_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"tapline/api"
	"tapline/payee"
)

// Screens that people see when something is missing, refused or over are looked at as the others are.

// withoutDemo serves no virtual cards, as "tapline serve" does.
func (w *world) withoutDemo() {
	w.replace("/demo/cards", func(string) string { return `{"cards":[]}` })
}

// touch makes a person's browser that of a phone: fingers, and no mouse.
func (p *person) touch() {
	p.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true}); err != nil {
		p.Fatal(err)
	}
}

// Each device is told of the way in which it can read a card: within the page, by the card's own address, or by a reader.
func TestEachDeviceIsToldHowItReadsACard(t *testing.T) {
	w := openWorld(t)
	w.withoutDemo()
	in := browser(t)
	for name, c := range map[string]struct {
		nfc, touch  bool
		says, never string
	}{
		"an Android phone": {true, true, "Read the card with this phone", "Hold the card to the top"},
		"another phone":    {false, true, "Hold the card to the top of your phone, and open the page that the phone offers.", "card reader"},
		"a desktop":        {false, false, "Use a card reader on this computer", "Hold the card to the top"},
	} {
		p := newPerson(t, in, name)
		if c.nfc {
			p.holds()
		}
		if c.touch {
			p.touch()
		}
		p.open(w.url + order)
		p.see(c.says)
		if strings.Contains(p.text(), c.never) {
			t.Errorf("%s is told %q:\n%s", name, c.never, p.text())
		}
		p.look(name)
		if !c.touch {
			p.press("Use a card reader on this computer")
			p.see("Reader code")
			p.look("the reader")
		}
	}
}

func TestRareScreensOfPayersAreAccessible(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "payer")
	p.activate(w)
	client := &payee.Client{URL: w.url, APIKey: w.shop.APIKey}
	cancelled := w.placed(nil)
	_, err := client.CancelOrder(w.ctx, cancelled.ID)
	w.must(err)
	late := w.placed(func(o *api.NewOrder) { o.ExpiresIn = 60 })
	w.wait(time.Minute)
	for path, says := range map[string]string{
		"/pay/" + cancelled.ID:                "Cancelled by the payee",
		"/pay/" + late.ID:                     "Too late to pay this",
		"/pay/ord_" + strings.Repeat("A", 22): "There is no such order",
		"/pay/tpl_" + strings.Repeat("A", 22): "This did not work",
		"/pay?payee=books@shop&amount=1e9":    "How much?",
	} {
		p.open(w.url + path)
		p.see(says)
		p.look(says)
	}
	p.open(w.url + order)
	p.press("City card")
	p.see("Check before you send")
	w.unplugged(true)
	p.press("Send")
	p.see("The connection is gone")
	p.look("no connection")
	w.unplugged(false)
	p.press("Ask again")
	p.see("Enter the card’s PIN")
	p.press("Cancel")
	p.see("Cancelled")
	id := p.authenticator()
	eval[string](p, `(async () => {
		const { register } = await import('/ui/passkey.js');
		return (await register({ id: '`+w.issued.Card.ID+`', label: 'City card' }, 'phone', '`+pin+`')).label;
	})()`)
	_, err = chromedp.Call(p.ctx, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: id, IsUserVerified: false})
	w.must(err)
	p.do(chromedp.Reload()) // the authenticator is known from now on
	p.press("Start again")
	p.press("City card")
	p.press("Send")
	p.see("Not confirmed. Try again, or use the PIN.")
	p.look("no gesture")
	p.press("Use the PIN instead")
	p.enter(pin)
	p.press("Pay CN¥12.50")
	p.see("Paid")
	w.replace("/.well-known/jwks.json", func(text string) string { return strings.ReplaceAll(text, `"x":"`, `"x":"AAA`) })
	p.press("Show receipt")
	p.see("This receipt’s signature does not fit.")
	p.look("a receipt that is not genuine")
}

func TestRareScreensOfApproversAreAccessible(t *testing.T) {
	var out outside
	w := openWorld(t, withPush(t, &out))
	in := browser(t)
	phone, payer := newPerson(t, in, "phone"), newPerson(t, in, "payer")
	phone.subscribes(out.browser)
	phone.lets(cdpbrowser.PermissionSettingGranted)
	phone.always(detector(t))
	w.approver(phone)
	phone.press("Wake this phone")
	phone.see("Also when money leaves your account")
	phone.look("woken")
	payer.asks(w)
	phone.press("Scan the other screen")
	phone.see("The camera cannot be used")
	phone.look("no camera")
	phone.press("Decline")
	phone.see("Declined")
	phone.look("declined")
	payer.see("Not paid: declined")
	payer.look("declined to the payer")
	phone.press("Done")
	payer.press("Start again")
	payer.press("City card")
	payer.press("Send")
	payer.enter(pin)
	payer.press("Pay CN¥12.50")
	phone.see("Is this your payment?")
	payer.press("Cancel")
	phone.see("No longer waiting")
	phone.look("no longer waiting")
	phone.press("Done")
	phone.lets(cdpbrowser.PermissionSettingDenied)
	phone.do(chromedp.Reload())
	phone.see("Notifications are not allowed for this page")
	phone.look("not allowed")
	w.unplugged(true)
	phone.do(chromedp.Reload())
	phone.see("The connection is gone")
	phone.look("no connection")
}

func TestRareScreensOfHoldersAreAccessible(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	p.press("Change PIN")
	p.see("First the PIN that you have now")
	p.look("the old PIN")
	p.press("I do not know the PIN")
	p.see("Code from the operator")
	p.look("a code instead")
	p.press("Back")
	p.press("Change PIN")
	p.enter("470917")
	p.see("Choose a PIN")
	p.enter("835261")
	p.see("Enter it again")
	p.look("again")
	p.enter("835261")
	p.see("That PIN is wrong.")
	p.look("refused")
	p.press("Back")
	p.press("Card is lost")
	p.look("lost?")
	p.press("Back")
	p.see("Live:")
	w.unplugged(true)
	p.see("Not live")
	p.look("not live")
}

// The till, the operator's page and the service's own pages where nothing answers, or there is little.
func TestRareScreensOfStaffAreAccessible(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	till, op, reader := newPerson(t, in, "till"), newPerson(t, in, "operator"), newPerson(t, in, "reader")
	w.cashier(till)
	w.newOperator(op)
	op.section("operators", "operator")
	op.look("operators")
	op.section("alarms", "The service is well")
	reader.open(w.url + "/")
	reader.see("tapline")
	reader.look("the first page")
	reader.open(w.url + "/docs")
	reader.see("/v1/payments")
	reader.fits("the description of the API")
	w.unplugged(true)
	op.see("The service is not well")
	op.look("not well")
	op.do(chromedp.EmulateViewport(1280, 800), chromedp.Click(`.sections a[href="#audit"]`))
	op.see("Try again")
	op.look("nothing answers")
	till.see("No connection: what is shown here may be old.")
	till.press("Search")
	till.look("the till without answers")
	w.unplugged(false)
	op.press("Try again")
	op.see("card.issue")
	till.see("Live:")
}

// Whoever watches over the service sees that it is not well as soon as it says so.
func TestTheOperatorSeesThatTheServiceIsNotWell(t *testing.T) {
	w := openWorld(t)
	op := newPerson(t, browser(t), "operator")
	w.newOperator(op)
	service := w.server.Config.Handler
	w.server.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			http.Error(out, "database: no answer", http.StatusServiceUnavailable)
			return
		}
		service.ServeHTTP(out, r)
	})
	op.section("alarms", "The service is not well: database: no answer")
	w.server.Config.Handler = service
	op.see("The service is well")
}

// An alarm that is raised while the stream is broken is told when it is back, once.
func TestTheOperatorMissesNoAlarmWhileTheStreamIsBroken(t *testing.T) {
	w := openWorld(t)
	w.phone()
	op := newPerson(t, browser(t), "operator")
	w.newOperator(op)
	op.section("alarms", "Live: changes show at once.")
	_, err := w.operator.FreezeCard(w.ctx, w.id(), "asked for")
	w.must(err)
	op.see("Card frozen")
	service := w.server.Config.Handler
	var broken atomic.Bool
	w.server.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if broken.Load() && r.URL.Path == "/v1/events" {
			panic(http.ErrAbortHandler)
		}
		service.ServeHTTP(out, r)
	})
	broken.Store(true)
	w.cut()
	op.see("Not live")
	_, err = w.operator.ReportLost(w.ctx, w.id(), "stolen")
	w.must(err)
	broken.Store(false)
	op.see("Live: changes show at once.")
	op.see("Card lost")
	told := eval[[]string](op, `[...document.querySelectorAll('.news b')].map((b) => b.textContent)`)
	if n := len(slices.DeleteFunc(told, func(text string) bool { return text != "Card lost" && text != "Card frozen" })); n != 2 {
		t.Errorf("the alarms are %q", told)
	}
}

// Whatever is pressed is at least 44 pixels high and wide (WCAG 2.2, 2.5.5), and the first thing to do spans the width, where
// either thumb reaches it.
func TestButtonsAreLargeEnoughForThumbs(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "payer")
	w.activate(p)
	p.do(chromedp.EmulateViewport(320, 640))
	fit := func(state string) {
		t.Helper()
		p.see(state)
		small := eval[[]string](p, `[...document.querySelectorAll('button, .button, summary, select, .option, input:not([type=radio]), nav a')].filter((e) => e.checkVisibility()).map((e) => [e, e.getBoundingClientRect()])
			.filter(([e, r]) => r.height < 43.9 || r.width < 43.9 && !e.closest('nav') || e.matches('main button.main') && r.width < 280)
			.map(([e, r]) => e.outerHTML.slice(0, 120) + ' is ' + r.width + ' by ' + r.height)`)
		if len(small) > 0 {
			t.Errorf("%s: %q", state, small)
		}
	}
	for _, at := range w.places() {
		if at.path != "/" && at.path != "/docs" && at.path != "/operator" { // for people at desks
			p.open(w.url + at.path)
			fit(at.ready)
		}
	}
	p.send(w.url)
	fit("Enter the card’s PIN")
	p.enter(pin)
	fit("Is this right?")
	p.press("Pay CN¥12.50")
	fit("Paid")
	w.cashier(p)
	fit("Type the amount")
	p.open(w.url + "/me")
	for _, words := range []string{"Change PIN", "Limits", "Devices", "Passkeys"} {
		p.see("Live:")
		p.press(words)
		p.until("!document.body.innerText.includes('Card is lost')", "goes to "+words)
		fit("Back")
		p.press("Back")
	}
}
