package webui_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"tapline/consent"
	"tapline/internal/testenv"
)

// modules is where the packages of package.json are, which only tests need.
const modules = "testdata/npm/node_modules/"

// have makes sure that a package is there.
func have(t *testing.T, name string) {
	t.Helper()
	_, err := os.Stat(modules + name)
	testenv.Require(t, "npm", err == nil, "npm install --no-package-lock --ignore-scripts --prefix webui/testdata/npm")
}

func TestScriptsAreOfTheTypesThatTheySay(t *testing.T) {
	have(t, "typescript")
	if out, err := exec.CommandContext(t.Context(), "node", modules+"typescript/bin/tsc", "--project", "testdata/npm").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// axeCore is axe-core, which is read once.
var axeCore = sync.OnceValues(func() ([]byte, error) { return os.ReadFile(modules + "axe-core/axe.min.js") })

// accessible has axe-core look at what the page shows (WCAG 2.2, levels A and AA, and axe-core's best practices).
func (p *person) accessible(state string) {
	p.Helper()
	p.axe(state, `{}`, 10)
}

// legible has axe-core look at the contrast only: all that can differ between day and night.
func (p *person) legible(state string) {
	p.Helper()
	p.axe(state, `{ runOnly: ['color-contrast'] }`, 1)
}

// axe has axe-core look at the page, where at least so many of its rules find something to look at.
func (p *person) axe(state, options string, least int) {
	p.Helper()
	have(p.T, "axe-core")
	if !eval[bool](p, `'axe' in globalThis`) {
		axe, err := axeCore()
		if err != nil {
			p.Fatal(err)
		}
		p.do(chromedp.Evaluate[chromedp.Void](string(axe)+";undefined", chromedp.EvalAsValue))
	}
	found := eval[[]string](p, fmt.Sprintf(`(async () => {
		const { violations, passes } = await axe.run(%s);
		if (passes.length < %d) throw new Error('axe-core has looked at next to nothing');
		return violations.map((v) => v.id + ': ' + v.help + '\n  ' + v.nodes.map((n) => n.html + '\n    ' + n.failureSummary).join('\n  '));
	})()`, options, least))
	for _, f := range found {
		p.Errorf("%s: %s", state, f)
	}
	p.picture(state)
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9]+`)

// picture takes pictures of the page, as on a phone and on a desktop, where TAPLINE_SHOTS names a folder for them: see
// "make screens".
func (p *person) picture(state string) {
	p.Helper()
	dir := os.Getenv("TAPLINE_SHOTS")
	if dir == "" {
		return
	}
	name := strings.Trim(notInNames.ReplaceAllString(p.Name()+" "+state, "-"), "-")
	for size, by := range map[string][2]int64{"desktop": {1280, 800}, "phone": {375, 740}} {
		p.do(chromedp.EmulateViewport(by[0], by[1]))
		p.shot(filepath.Join(dir, name+"-"+size+".png"))
	}
	p.do(chromedp.EmulateViewport(375, 740))
}

func TestTillAndOrdersAreAccessibleInEveryState(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	till, payer := newPerson(t, in, "till"), newPerson(t, in, "payer")
	w.activate(payer)
	sees := func(p *person, text string) {
		t.Helper()
		p.see(text)
		p.accessible(text)
	}
	till.open(w.url + "/till")
	sees(till, "Sign in to the till")
	w.cashier(till)
	sees(till, "Nothing was paid yet.")
	till.press("Orders")
	sees(till, "There are no such orders.")
	till.types("12.50")
	till.press("Ask for")
	link := till.link()
	sees(till, "Waits to be paid")
	payer.open(link)
	sees(payer, "Tap your card")
	payer.press("City card")
	payer.press("Send")
	payer.see("Enter the card’s PIN")
	payer.enter(pin)
	payer.see("Is this right?")
	sees(till, "Somebody is paying")
	payer.press("Pay CN¥12.50")
	sees(payer, "Paid")
	till.press("Receipt and refund")
	sees(till, "the signature was verified on this device")
	till.press("Next order")
	till.see("1 payment")
	till.do(chromedp.Click(".item summary"))
	sees(till, "the signature was verified on this device")
	till.dark()
	till.legible("the desk by night")
}

func TestPayPageIsAccessibleInEveryState(t *testing.T) {
	in := browser(t)
	for _, dark := range []bool{false, true} {
		t.Run(fmt.Sprintf("dark=%v", dark), func(t *testing.T) {
			w := openWorld(t)
			phone := w.phone()
			payer := newPerson(t, in, "payer")
			if dark {
				payer.dark()
			}
			sees := func(text string) {
				t.Helper()
				payer.see(text)
				if dark {
					payer.legible(text)
				} else {
					payer.accessible(text)
				}
			}
			payer.open(w.url + "/pay")
			sees("Nothing to pay")
			payer.open(w.url + "/pay?payee=books@shop")
			sees("How much?")
			payer.open(w.url + order)
			sees("Tap your card")
			payer.press("City card")
			sees("Check before you send")
			payer.press("Send")
			sees("Enter the card’s PIN")
			payer.enter("471111")
			sees("That PIN is wrong")
			payer.enter(pin)
			sees("Is this right?")
			payer.press("Pay CN¥12.50")
			sees("Confirm on your own device")
			payer.open(w.url + "/pay?payee=books@shop&amount=3")
			sees("Another payment is under way")
			payer.press("Continue that payment")
			payer.see("Confirm on your own device")
			_, err := w.asked(phone).Approve(w.ctx, consent.Code(strings.TrimSpace(eval[string](payer, `document.querySelector('.code').textContent`))))
			w.must(err)
			sees("Paid")
			payer.press("Show receipt")
			sees("the signature was verified on this device")
			payer.do(chromedp.Reload())
			payer.see("CN¥3.00") // the address asks for another payment
			payer.send(w.url)
			payer.see("Enter the card’s PIN")
			payer.press("Cancel")
			sees("You said no")
			payer.open(w.url + "/pay?payee=nobody@shop&amount=1")
			sees("This did not work")
			payer.send(w.url)
			payer.see("Enter the card’s PIN")
			w.wait(3 * time.Minute)
			payer.do(chromedp.Reload())
			sees("time ran out")
			payer.open(w.url + "/t#" + w.tap())
			sees("Your card")
		})
	}
}
