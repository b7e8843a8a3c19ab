package webui_test

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// demo runs "tapline demo" and returns the one address that it tells people to open.
func demo(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "tapline")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "tapline/cmd/tapline").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.Command(binary, "demo")
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		_ = run.Process.Signal(syscall.SIGTERM) // it may have ended
		<-ended
		_ = run.Wait()
	})
	found := make(chan string, 1)
	go func() {
		defer close(ended)
		address := regexp.MustCompile(`open\s+(http://localhost:\d+/demo)\s*$`)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := address.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
		close(found)
	}()
	address, ok := <-found
	if !ok {
		t.Fatal("the demo ended without an address to open")
	}
	return address
}

// follow goes where a link leads that opens another tab: to the same window, as if its user had changed to that tab.
func (p *person) follow(words string) {
	p.Helper()
	p.see(words)
	href := eval[string](p, `[...document.querySelectorAll('main a')].find((a) => a.textContent.includes('`+words+`')).href`)
	p.open("about:blank")
	p.open(href)
}

func TestOnePersonWithTwoWindowsGoesThroughTheDemo(t *testing.T) {
	address := demo(t)
	in := browser(t)
	mine, lent := newPerson(t, in, "mine"), newPerson(t, in, "lent")
	mine.open(address)
	mine.see("Try it with two windows")
	mine.look("demo")
	mine.follow("Bind the card")
	mine.press("City card")
	mine.see("Choose a PIN")
	mine.enter(pin)
	mine.see("Enter it again")
	mine.enter(pin)
	mine.see("The card is bound to this device.")
	mine.open(address)
	mine.until(`document.querySelector('.next h2')?.textContent.includes('borrowed')`, "goes on to the payment")
	link := eval[string](mine, `document.querySelector('.next a').href`)

	lent.open(link)
	lent.press("City card")
	lent.see("Check before you send")
	lent.press("Send")
	lent.see("Enter the card’s PIN")
	lent.enter(pin)
	lent.see("Is this right?")
	lent.press("Pay CN¥12.50")
	lent.see("Confirm on your own device")
	digits := strings.TrimSpace(eval[string](lent, `document.querySelector('.code').textContent`))
	mine.until(`document.querySelector('.next h2')?.textContent.includes('Approve')`, "goes on by itself")
	mine.follow("Open your phone")
	mine.see("Book Shop")
	mine.fill("Digits on the other device", digits+"\r")
	lent.see("Paid")

	mine.open(address)
	mine.until(`document.querySelector('.next h2')?.textContent.includes('Give it back')`, "goes on to the till")
	key := eval[string](mine, `document.querySelector('.secret').textContent`)
	mine.follow("Open the till")
	mine.fill("API key", key)
	mine.press("Sign in")
	mine.press("Two books")
	mine.press("Give money back")
	mine.dialog("Give it back")
	mine.see("CN¥12.50 was given back.")

	mine.open(address)
	mine.until(`document.querySelector('.next h2')?.textContent.includes('operator')`, "goes on to the operator")
	mine.look("demo-done")
	mine.follow("Become an operator")
	mine.fill("Your name", "Whoever watches")
	mine.press("Become an operator")
	mine.press("Not now")
	mine.see("given back")
	mine.press("books@shop · 1045")
	mine.see("Second confirmation")
	mine.see("Given back CN¥12.50")
	mine.see("code of the other screen")
	mine.look("demo-timeline")

	mine.open(address)
	mine.see("That was all of it")
	mine.see("Open the operator’s page")
	mine.look("demo-over")
}
