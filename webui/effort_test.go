package webui_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/effort.md anew")

// act is something that a person did, as the browser saw it. What belongs to one target is one thing to think of.
type act struct {
	At   float64 // ms
	Kind string  // "click", "key", "tap" or "gesture"
	On   string  // a button's words, a field's label, or the pad
	Part bool    // of what is being entered: a key of the pad, or of the keyboard in a field

	device string // whose browser it was
}

// recordActs notes what the browser's input events are. Events made by scripts do not count.
const recordActs = `{
	globalThis.acts = [];
	const note = (kind, on, part = false) => acts.push({ At: performance.timeOrigin + performance.now(), Kind: kind, On: on, Part: part });
	const words = (e) => (e.labels?.[0] ?? e).textContent.trim();
	addEventListener('pointerdown', (e) => {
		if (!e.isTrusted) return;
		const at = e.target.closest('button, a, input');
		if (at?.closest('.keys')) note('click', 'PIN', true); else note('click', at ? words(at) : 'nothing');
	}, true);
	addEventListener('keydown', (e) => {
		if (!e.isTrusted) return;
		const inPad = e.target.closest('.pad'), typed = e.key.length === 1;
		note('key', typed && inPad ? 'PIN' : typed ? words(e.target) : e.key, typed);
	}, true);
	addEventListener('tapped', () => note('tap', 'the card'));
	if (navigator.credentials) {
		const get = navigator.credentials.get.bind(navigator.credentials);
		navigator.credentials.get = async (o) => { const given = await get(o); note('gesture', 'the passkey'); return given; };
	}
}`

// operators are those of the keystroke-level model: Card, Moran and Newell, "The keystroke-level model for user performance
// time with interactive systems", Communications of the ACM 23(7), 1980, pp. 396-410.
var operators = []struct {
	name, what string
	ms         int
}{
	{"K", "press a key of the keyboard: the average of people who are no typists (40 words a minute)", 280},
	{"B", "press a button of the mouse: a keystroke of the average skilled typist, as the source takes it", 200},
	{"P", "point at something with the mouse", 1100},
	{"H", "move the hand from one device to another", 400},
	{"M", "think of what comes next", 1350},
	{"T", "hold the card to the reader: not in the source; taken for a P", 1100},
}

// model is the sequence of operators of what was done. A hand is on the card, or at the sensor, after it has tapped. There
// is an M before each thing that is entered and before each choice, but none inside what is being entered and none before a
// key that only ends it, such as Tab (heuristics 0 to 3 of the source).
func model(acts []act) (sequence []string) {
	hand, entering := "", ""
	move := func(to string) {
		if hand != to && hand != "" {
			sequence = append(sequence, "H")
		}
		hand = to
	}
	think := func(a act) {
		if !a.Part || entering != a.On {
			sequence = append(sequence, "M")
		}
		entering = ""
		if a.Part {
			entering = a.On
		}
	}
	for _, a := range acts {
		switch a.Kind {
		case "tap":
			hand = "card"
			sequence = append(sequence, "T")
		case "gesture": // a finger on a sensor: as much as a key
			move("sensor of " + a.device)
			think(a)
			sequence = append(sequence, "K")
		case "click":
			move("mouse of " + a.device)
			think(a)
			sequence = append(sequence, "P", "B")
		case "key":
			move("keyboard of " + a.device)
			if a.Part {
				think(a)
			} else {
				entering = ""
			}
			sequence = append(sequence, "K")
		}
	}
	return sequence
}

// short writes a sequence with repeats as numbers.
func short(sequence []string) string {
	var out []string
	for i := 0; i < len(sequence); {
		for _, unit := range []int{2, 1} {
			n := 1
			for i+(n+1)*unit <= len(sequence) && slices.Equal(sequence[i:i+unit], sequence[i+n*unit:i+(n+1)*unit]) {
				n++
			}
			if n > 1 && unit == 2 && sequence[i] != sequence[i+1] {
				out = append(out, fmt.Sprintf("%d×(%s)", n, strings.Join(sequence[i:i+2], " ")))
			} else if unit == 2 {
				continue
			} else if n > 1 {
				out = append(out, fmt.Sprintf("%d×%s", n, sequence[i]))
			} else {
				out = append(out, sequence[i])
			}
			i += n * unit
			break
		}
	}
	return strings.Join(out, " ")
}

// effort is what one way to pay asks of the payer.
type effort struct {
	name string
	acts []act
}

// row is a line of the table: actions are taps, gestures and clicks; keystrokes those of the keyboard.
func (e effort) row() string {
	count := map[string]int{}
	for _, a := range e.acts {
		count[a.Kind]++
	}
	ms := 0
	sequence := model(e.acts)
	for _, s := range sequence {
		for _, o := range operators {
			if o.name == s {
				ms += o.ms
			}
		}
	}
	actions := count["tap"] + count["gesture"] + count["click"]
	return fmt.Sprintf("| %s | %d | %d | %d | %.1f | %s |\n", e.name, actions, count["key"], actions+count["key"], float64(ms)/1000, short(sequence))
}

// story says what was done, for people.
func (e effort) story() string {
	var out []string
	for i := 0; i < len(e.acts); {
		n := 1
		for i+n < len(e.acts) && e.acts[i].Part && e.acts[i+n].Kind == e.acts[i].Kind && e.acts[i+n].On == e.acts[i].On {
			n++
		}
		switch a := e.acts[i]; {
		case a.Part && a.Kind == "key":
			out = append(out, fmt.Sprintf("%d keys into “%s”", n, a.On))
		case a.Kind == "key":
			out = append(out, "key "+a.On)
		default:
			out = append(out, a.Kind+" “"+a.On+"”")
		}
		i += n
	}
	return "- **" + e.name + "**: " + strings.Join(out, ", ") + ".\n"
}

// acted takes what persons have done so far, in the order of time.
func acted(people ...*person) (all []act) {
	for _, p := range people {
		p.Helper()
		for _, a := range eval[[]act](p, `acts.splice(0)`) {
			a.device = p.name
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b act) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		}
		return 0
	})
	return all
}

// keys types on the keyboard, wherever the focus is.
func (p *person) keys(text string) {
	p.Helper()
	p.do(chromedp.KeyEvent(text))
}

// holds plays a phone or desk that reads the card when it is tapped: the page gets what the card wrote.
func (p *person) holds() {
	p.Helper()
	p.always(`globalThis.NDEFReader = class { async scan() { globalThis.held = (url) => {
		dispatchEvent(new Event('tapped'));
		this.onreading({ message: { records: [{ recordType: 'url', data: new TextEncoder().encode(url) }] } });
	}; } };`)
}

// tapsOrder opens the order, and taps the card when the page listens: what is counted begins there.
func (w *world) tapsOrder(p *person, link string) {
	p.Helper()
	p.open(w.url + link)
	p.press("Read the card with this phone")
	p.until(`'held' in globalThis`, "listens for a card")
	acted(p)
	eval[bool](p, fmt.Sprintf(`(held(%q), true)`, w.url+"/t#"+w.tap()))
	p.see("Check before you send")
}

// byPIN pays with the PIN, typed on the keyboard, up to the first confirmation.
func (w *world) byPIN(p *person) {
	p.Helper()
	w.tapsOrder(p, order)
	p.press("Send")
	p.see("Enter the card’s PIN")
	p.keys(pin + "\r")
	p.see("Is this right?")
	p.press("Pay CN¥12.50")
}

func effortOfPasskey(t *testing.T, w *world, payer *person) effort {
	payer.authenticator()
	payer.open(w.url + "/me")
	payer.see("Live:")
	eval[string](payer, fmt.Sprintf(`(async () => {
		const { register } = await import('/ui/passkey.js');
		return (await register({ id: %q, label: 'City card' }, 'phone', %q)).label;
	})()`, w.issued.Card.ID, pin))
	w.tapsOrder(payer, strings.Replace(order, "1045", "1046", 1)) // not what was paid already
	payer.press("Send")
	payer.see("Paid")
	return effort{"tap + one gesture", acted(payer)}
}

func effortOfForm(t *testing.T, w *world, payer *person) effort {
	payer.open(w.url + "/testdata/card-form")
	payer.see("Card number")
	payer.keys("6200000000000005\t")
	payer.keys("1228\t")
	payer.keys("123\t")
	payer.keys("ANN EXAMPLE\r")
	payer.see("Your bank has sent you a code")
	payer.keys("471936\r")
	payer.see("Paid")
	return effort{"card form + one-time code", acted(payer)}
}

// TestEffortOfPaying counts what the payer does, from the tap to "Paid", in the browser's own input events. It writes
// docs/effort.md with -update, and compares it otherwise.
func TestEffortOfPaying(t *testing.T) {
	in := browser(t)
	w := openWorld(t)
	w.server.Config.Handler = withForm(t, w.server.Config.Handler)
	payer, borrowed := newPerson(t, in, "payer"), newPerson(t, in, "payer at a borrowed device")
	for _, p := range []*person{payer, borrowed} {
		p.do(chromedp.EmulateViewport(1280, 800))
		p.always(recordActs)
		p.holds()
	}
	w.activate(payer)

	w.byPIN(payer)
	payer.see("Paid")
	efforts := []effort{{"tap + PIN", acted(payer)}}

	payer.open(w.url + "/approve")
	payer.see("Live")
	w.byPIN(borrowed)
	borrowed.see("Confirm on your own device")
	payer.see("Is this your payment?")
	payer.do(chromedp.Click("input.digits"))
	payer.keys(eval[string](borrowed, `document.querySelector('.code').textContent`))
	payer.press("Approve CN¥12.50")
	payer.see("Approved")
	borrowed.see("Paid")
	efforts = append(efforts, effort{"tap + PIN + second confirmation", acted(payer, borrowed)})

	efforts = append([]effort{effortOfPasskey(t, w, payer)}, efforts...)
	efforts = append(efforts, effortOfForm(t, w, payer))

	const at = "../docs/effort.md"
	want := effortPage(efforts)
	if *update {
		if err := os.WriteFile(at, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(want)); diff != "" {
		t.Errorf("what paying asks of people has changed; if it is meant, run go test ./webui -run %s -update (-docs +counted):\n%s", t.Name(), diff)
	}
}

// withForm serves the card form that is compared with, beside the service.
func withForm(t *testing.T, service http.Handler) http.Handler {
	form, err := os.ReadFile("testdata/effort/card-form.html")
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/testdata/card-form" {
			service.ServeHTTP(out, r)
			return
		}
		out.Header().Set("Content-Type", "text/html; charset=utf-8")
		if _, err := out.Write(form); err != nil {
			t.Log(err)
		}
	})
}

// effortPage is the whole document.
func effortPage(efforts []effort) []byte {
	var out bytes.Buffer
	out.WriteString(`# What paying asks of the payer

` + "`TestEffortOfPaying`" + ` (package webui) writes this page: it pays in Chromium and counts the browser's own input events, from the
tap of the card to the word "Paid". Taps, gestures and clicks are actions; keystrokes are those of the keyboard.

| way to pay | actions | keystrokes | both | model, seconds | operators, in order |
|---|---|---|---|---|---|
`)
	for _, e := range efforts {
		out.WriteString(e.row())
	}
	out.WriteString("\nWhat was done:\n\n")
	for _, e := range efforts {
		out.WriteString(e.story())
	}
	out.WriteString(`
The seconds are those of the keystroke-level model (Card, Moran and Newell, "The keystroke-level model for user performance time
with interactive systems", Communications of the ACM 23(7), 1980, pages 396 to 410), for somebody who knows the way and makes no
mistake, at a desk with mouse and keyboard:

| operator | what | seconds |
|---|---|---|
`)
	for _, o := range operators {
		fmt.Fprintf(&out, "| %s | %s | %.2f |\n", o.name, o.what, float64(o.ms)/1000)
	}
	out.WriteString(`
Clicks are P and B, in the order pointing, pressing. An M stands before each choice and each thing that is entered, none within
what is being entered and none before a key that only ends it (heuristics 0 to 3 of the source). An H stands where the hand
changes between card, mouse, keyboard and sensor. A gesture is a finger on a sensor, counted as a K; how long the device takes to
know its user is not the model's.

What favours the card form: nothing is counted for finding the card's numbers on the card and reading them off, for waiting
for the one-time code, picking the phone up and reading the code from it, nor for typing errors; the focus is always in the next
field, and Tab and Enter end what is typed. The PIN has six digits here. For the second confirmation two devices are used; the
approve page is open on the second one, and taking it up is counted as an H. What favours tapline: no browser
that has kept card and name fills the form in. Answers of the service are not counted for either. Touch screens are not
modelled.
`)
	return out.Bytes()
}
