package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"tapline/api"
	"tapline/card"
	"tapline/card/cardtest"
	"tapline/card/pcsc"
	"tapline/card/sun"
	"tapline/internal/testenv"
)

var blankUID = sun.UID{0x04, 0x95, 0x8C, 0xAA, 0x5C, 0x5E, 0x80}

// cardDesk is an operator and a payer at one desk: a service, a real pcscd with a virtual reader, and settings of their own.
type cardDesk struct {
	*testing.T
	reader *cardtest.Reader
	client *pcsc.Client
	in     pcsc.Reader // as it was when the card was laid on it
	daemon *daemon
	dir    string
}

func openDesk(t *testing.T, flags ...string) *cardDesk {
	t.Helper()
	reader, err := cardtest.StartReader(t.Context())
	unavailable, missing := errors.AsType[*cardtest.UnavailableError](err)
	if missing {
		testenv.Require(t, "pcscd", false, unavailable.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	client, err := pcsc.Dial(t.Context(), reader.Socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &cardDesk{T: t, reader: reader, client: client, daemon: startDaemon(t, flags...), dir: t.TempDir()}
	t.Setenv("PCSCLITE_CSOCK_NAME", reader.Socket())
	t.Setenv("XDG_CONFIG_HOME", d.dir)
	t.Setenv("TAPLINE_URL", d.daemon.url())
	d.must("operator", "enrol", "--name", "Olga", "--token-file", strings.TrimSuffix(d.daemon.db, ".db")+".first-token")
	d.must("payee", "add", "--handle", "books@shop", "--name", "Book Shop")
	d.must("device", "make")
	d.must("device", "register", "--label", "Desk")
	d.file("pin", "470916")
	return d
}

func (d *cardDesk) file(name, text string) string {
	d.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		d.Fatal(err)
	}
	return path
}

// run runs a command of the desk's people.
func (d *cardDesk) run(args ...string) (int, string, string) {
	d.Helper()
	return runQuietly(d.Context(), args...)
}

func (d *cardDesk) must(args ...string) string {
	d.Helper()
	code, out, errs := d.run(args...)
	if code != 0 {
		d.Fatalf("%v: exit code %d\n%s%s", args, code, out, errs)
	}
	return out
}

// refused runs a command that must fail and say something.
func (d *cardDesk) refused(says string, args ...string) {
	d.Helper()
	if code, out, errs := d.run(args...); code == 0 || !strings.Contains(errs, says) {
		d.Errorf("%v: exit code %d, want %q\n%s%s", args, code, says, out, errs)
	}
}

// lay puts a card on the reader until take, and waits until the reader has noticed.
func (d *cardDesk) lay(c cardtest.Card) {
	d.Helper()
	err := d.reader.Insert(d.Context(), c)
	if err == nil {
		d.in, err = d.client.WaitForCard(d.Context(), "")
	}
	if err != nil {
		d.Fatal(err)
	}
}

// take takes the card away, and waits likewise.
func (d *cardDesk) take() {
	d.Helper()
	d.reader.Remove()
	if err := d.client.WaitForRemoval(d.Context(), d.in); err != nil {
		d.Error(err)
	}
}

// putBack puts a card that was torn out back until the reader notices it: the virtual one, where a command was cut off, may
// lose the first that come.
func (d *cardDesk) putBack(c cardtest.Card) (err error) {
	for range 20 {
		d.reader.Remove()
		if err = d.reader.Insert(d.Context(), c); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(d.Context(), time.Second)
		_, err = d.client.WaitForCard(ctx, "")
		cancel()
		if err == nil {
			return nil
		}
	}
	return err
}

// unfinished lists what is kept of unfinished cards.
func (d *cardDesk) unfinished() []string {
	d.Helper()
	files, err := filepath.Glob(filepath.Join(d.dir, "tapline", "unfinished-*"))
	if err != nil {
		d.Fatal(err)
	}
	return files
}

// assurance is that of the one payment there is.
func (d *cardDesk) assurance() (found string) {
	d.Helper()
	books, err := sqlite.OpenConn(d.daemon.db, sqlite.OpenReadOnly)
	if err != nil {
		d.Fatal(err)
	}
	defer books.Close()
	err = sqlitex.Execute(books, "SELECT assurance FROM payments", &sqlitex.ExecOptions{ResultFunc: func(row *sqlite.Stmt) error {
		found += row.ColumnText(0)
		return nil
	}})
	if err != nil {
		d.Fatal(err)
	}
	return found
}

func decoded[V any](t *testing.T, text string) (v V) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return v
}

// finished is what personalise prints for programs.
type finished struct {
	api.CardCode
	Personalised personalised `json:"personalised"`
}

func TestBlankCardIsIssuedTappedActivatedAndPaysThroughPCSC(t *testing.T) {
	d := openDesk(t, "--policy", "tap")
	blank := cardtest.NewNTAG424(blankUID)
	d.lay(blank)
	out := d.must("card", "personalise", "--label", "Campus card", "--json")
	done := decoded[finished](t, out)
	if done.SUN != nil || strings.Contains(out, "key\":\"") || done.Personalised.UID != blankUID.String() || done.Personalised.Counter != 1 {
		t.Errorf("personalise says %s", out)
	}
	if left := d.unfinished(); len(left) > 0 {
		t.Errorf("keys are left behind: %v", left)
	}
	d.must("account", "top-up", done.Card.Account, "--amount", "100")
	d.take()

	reading := decoded[map[string]any](t, func() string { d.lay(blank); return d.must("card", "read", "--json") }())
	d.take()
	if reading["scheme"] != "sun" || reading["account"] != nil && reading["account"] != "" {
		t.Errorf("the card reads as %v", reading)
	}

	d.lay(blank)
	d.must("card", "activate", "--code-file", d.file("code", done.Code), "--pin-file", filepath.Join(d.dir, "pin"))
	d.take()
	d.lay(blank)
	paid := d.must("pay", "--amount", "12.50", "--payee", "books@shop", "--pin-file", filepath.Join(d.dir, "pin"), "--yes", "--json")
	d.take()
	if strings.Contains(paid, `"step":"authenticated"`) || !strings.Contains(paid, `"state":"settled"`) {
		t.Errorf("a tap that proved itself should settle by itself:\n%s", paid)
	}
	if assurance := d.assurance(); assurance != "authentic" {
		t.Errorf("the payment was made with assurance %q", assurance)
	}

	d.lay(blank)
	d.refused("the card has been personalised with other keys", "card", "personalise", "--label", "Again")
	d.take()
}

// A message is good once, at the service of its card: a device does not tell it to another.
func TestMessageForAnotherServiceIsNotSent(t *testing.T) {
	const service = "https://pay.example"
	const signed = "e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086"
	for url, mine := range map[string]bool{
		service + "/t#" + signed: true, service + "/t?" + signed: true, service + "/t#x=1&" + signed: true,
		"https://other.example/t#" + signed: false, service + ".evil.example/t#" + signed: false, service + "/other#" + signed: false,
		"http://pay.example/t#" + signed: false, service + "@evil.example/t#" + signed: false,
	} {
		message, err := card.ParseNDEF(append([]byte{0xD1, 1, byte(1 + len(url)), 'U', 0}, url...))
		if err != nil && mine {
			t.Fatal(err)
		}
		tap, err := tapAt(service, card.Reading{NDEF: &message}, "")
		if (err == nil) != mine || (tap.SUN != "") != mine {
			t.Errorf("%s: %v", url, err)
		}
	}
	if _, err := tapAt(service, card.Reading{}, ""); !errors.Is(err, card.ErrNoAccount) {
		t.Error(err)
	}
}

// torn is a card that leaves the field after some commands, until it is mended.
type torn struct {
	*cardtest.NTAG424
	left int
	gone func()
}

func (c *torn) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if c.left--; c.left == 0 {
		c.gone()
		return nil, card.ErrRemoved // ends the connection to the virtual reader: the card is out
	}
	return c.NTAG424.Transmit(ctx, command)
}

func TestCardThatIsPulledAwayIsFinishedByTheSameCommand(t *testing.T) {
	d := openDesk(t)
	blank := cardtest.NewNTAG424(blankUID)
	for _, commands := range []int{5, 30, 35} { // before it is issued, among its keys, at its last key
		gone := make(chan struct{})
		d.lay(&torn{NTAG424: blank, left: commands, gone: func() { close(gone) }})
		code, out, errs := d.run("card", "personalise", "--label", "Campus card", "--tap-timeout", "3s")
		d.take()
		select {
		case <-gone:
		default:
			t.Fatalf("there were fewer than %d commands", commands)
		}
		if code == 0 || !strings.Contains(errs, "the card was removed too early") {
			t.Fatalf("pulled away after %d commands: exit code %d\n%s%s", commands, code, out, errs)
		}
		if commands > 20 && (!strings.Contains(errs, "run the same command") || len(d.unfinished()) != 1) {
			t.Errorf("pulled away after %d commands: %v\n%s", commands, d.unfinished(), errs)
		}
	}
	info, err := os.Stat(d.unfinished()[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the keys have mode %v, %v", info.Mode(), err)
	}
	d.lay(blank)
	done := decoded[finished](t, d.must("card", "personalise", "--json"))
	d.take()
	if done.Card.Label != "Campus card" || len(d.unfinished()) != 0 {
		t.Errorf("%+v, %v", done.Card, d.unfinished())
	}
	if cards := d.must("card", "list", "--operator", "--json"); strings.Count(cards, `"card_account"`) != 1 {
		t.Errorf("the card was issued more than once: %s", cards)
	}
}

// While the command runs, the card may come and go.
func TestCardThatComesBackIsFinishedWithoutAsking(t *testing.T) {
	d := openDesk(t)
	blank := cardtest.NewNTAG424(blankUID)
	gone := make(chan struct{})
	d.lay(&torn{NTAG424: blank, left: 40, gone: func() { close(gone) }})
	back := make(chan error, 1)
	go func() {
		<-gone
		back <- d.putBack(blank)
	}()
	d.must("card", "personalise", "--label", "Campus card", "--tap-timeout", "20s")
	if err := <-back; err != nil {
		t.Error(err)
	}
	d.take()
}

func TestCardIsWrittenFromWhatWasIssuedBefore(t *testing.T) {
	d := openDesk(t)
	file := d.file("issued.json", d.must("card", "issue", "--sun", blankUID.String(), "--label", "Campus card", "--json"))
	d.lay(cardtest.NewNTAG424(sun.UID{0x04, 1}))
	d.refused("made for a card with another UID", "card", "personalise", "--from", file)
	d.take()
	hidden := cardtest.NewNTAG424(blankUID)
	hidden.RandomUID()
	d.lay(hidden)
	d.refused("shows a random UID", "card", "personalise", "--from", file)
	d.take()
	d.lay(&cardtest.EMV{})
	d.refused("this is not an NTAG 424 DNA", "card", "personalise", "--from", file)
	d.take()
	foreign := cardtest.NewNTAG424(blankUID)
	foreign.SetKey(3, sun.NewKey([16]byte{1}), 1)
	d.lay(foreign)
	d.refused("the card has been personalised with other keys (key 3)", "card", "personalise", "--from", file)
	d.take()
	blank := cardtest.NewNTAG424(blankUID)
	d.lay(blank)
	d.must("card", "personalise", "--from", file)
	done := decoded[finished](t, d.must("card", "personalise", "--from", file, "--json"))
	d.take()
	if done.Personalised.Counter != 2 {
		t.Errorf("a second time: %+v", done.Personalised)
	}
	d.refused("not what was printed", "card", "personalise", "--from", filepath.Join(d.dir, "pin"))
}

// The answer to issuing was lost, and the program with it: the same is asked again, and not another card.
func TestLostAnswerToIssuingIsGotAgain(t *testing.T) {
	d := openDesk(t)
	const key = "personalise-4711-0815-key"
	issued := decoded[api.CardCode](t, d.must("card", "issue", "--sun", blankUID.String(), "--label", "Campus card", "--idempotency-key", key, "--json"))
	kept, err := json.Marshal(keptIssue{
		URL: d.daemon.url(), IdempotencyKey: key,
		Request: api.NewCard{SUN: &api.NewSUN{UID: blankUID.String()}, Label: "Campus card", Currency: "CNY"},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.file("tapline/unfinished-card-"+strings.ToLower(blankUID.String())+".json", string(kept))
	d.lay(cardtest.NewNTAG424(blankUID))
	done := decoded[finished](t, d.must("card", "personalise", "--json"))
	d.take()
	if done.Code != issued.Code || done.Card.ID != issued.Card.ID {
		t.Errorf("card %s with another code, want %s", done.Card.ID, issued.Card.ID)
	}
	d.refused("half way to another service", func() []string {
		kept := strings.Replace(string(kept), d.daemon.url(), "https://other.example", 1)
		d.file("tapline/unfinished-card-"+strings.ToLower(blankUID.String())+".json", kept)
		d.lay(cardtest.NewNTAG424(blankUID))
		return []string{"card", "personalise"}
	}()...)
	d.take()
}

func TestNothingIsIssuedForACardThatCannotBeWritten(t *testing.T) {
	d := openDesk(t)
	foreign := cardtest.NewNTAG424(blankUID)
	foreign.SetKey(4, sun.NewKey([16]byte{1}), 1)
	d.lay(foreign)
	d.refused("the card has been personalised with other keys (key 4)", "card", "personalise", "--label", "Campus card")
	d.take()
	d.lay(cardtest.NewNTAG424(blankUID))
	d.refused("--label is missing", "card", "personalise")
	d.take()
	d.lay(cardtest.NewNTAG424(blankUID))
	d.refused("cannot be reached", "card", "personalise", "--label", "Campus card", "--url", "http://127.0.0.1:1")
	d.take()
	if cards := d.must("card", "list", "--operator", "--json"); strings.Contains(cards, "card_account") {
		t.Errorf("a card was issued: %s", cards)
	}
	if left := d.unfinished(); len(left) > 0 {
		t.Errorf("something is kept: %v", left)
	}
}

func TestDryRunShowsEveryCommandAndNoKey(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("PCSCLITE_CSOCK_NAME", filepath.Join(dir, "no-pcscd"))
	issued := api.CardCode{SUN: &api.SUNSetup{
		UID: blankUID.String(), URLTemplate: "https://pay.example/t#e=" + strings.Repeat("0", 32) + "&c=" + strings.Repeat("0", 16), KeyVersion: 1,
		ApplicationKey: strings.Repeat("A0", 16), MetaKey: strings.Repeat("A1", 16), FileKey: strings.Repeat("A2", 16),
		DataKey: strings.Repeat("A3", 16), SpareKey: strings.Repeat("A4", 16),
	}}
	text, err := json.Marshal(issued)
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		a := &app{ctx: t.Context(), stdin: bytes.NewReader(text), stdout: &out, stderr: &errs, now: time.Now}
		code := run(a, append([]string{"card", "personalise", "--dry-run"}, args...))
		return code, out.String(), errs.String()
	}
	code, out, errs := run("--from", "-")
	if code != 0 || !strings.Contains(out, "# changing key 0\n") || !strings.Contains(out, "> 90C400002900 [41 bytes: the key, encrypted, and a MAC]") {
		t.Errorf("%d\n%s%s", code, out, errs)
	}
	if n := strings.Count(out, "\n> "); n != 46 {
		t.Errorf("%d commands", n)
	}
	if strings.Contains(out, "A0A0A0") || strings.Contains(out+errs, "90C4000029009") {
		t.Errorf("a key shows:\n%s", out)
	}
	if _, out, _ := run("--from", "-", "--show-keys"); !strings.Contains(out, "# changing key 2 to "+issued.SUN.FileKey) || strings.Contains(out, "encrypted") {
		t.Errorf("keys do not show:\n%s", out)
	}
	if code, out, _ := run("--json"); code != 0 || strings.Count(out, `"command":`) != 46 {
		t.Errorf("%d\n%s", code, out)
	}
	if code, _, errs := runQuietly(t.Context(), "card", "personalise", "--show-keys", "--label", "x"); code != exitUsage {
		t.Errorf("%d\n%s", code, errs)
	}
}

func TestEmulatedSUNCardIsTheSameTheNextTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "card.json")
	first := &cardEmulateCmd{Kind: "sun", State: path}
	a := &app{ctx: t.Context(), stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, now: time.Now}
	uidOf := func(cmd *cardEmulateCmd) string {
		t.Helper()
		c, err := cmd.card(a)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.Transmit(t.Context(), []byte{0xFF, 0xCA, 0, 0, 0})
		if err != nil {
			t.Fatal(err)
		}
		// A write that is answered is kept.
		for _, command := range []string{"\x00\xA4\x04\x00\x07\xD2\x76\x00\x00\x85\x01\x01\x00", "\x00\xD6\x82\x00\x02\x00\x07"} {
			if answer, err := c.Transmit(t.Context(), []byte(command)); err != nil || string(answer) != "\x90\x00" {
				t.Fatalf("%X, %v", answer, err)
			}
		}
		return string(answer)
	}
	if a, b := uidOf(first), uidOf(&cardEmulateCmd{Kind: "sun", State: path}); a != b {
		t.Errorf("UID %X, then %X", a, b)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), `"data":"0007`) {
		t.Errorf("%v\n%s", err, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := (&cardEmulateCmd{Kind: "emv", State: path}).card(a); err == nil {
		t.Error("a payment card has a state")
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := first.card(a); err == nil {
		t.Error("a file that is no card is taken")
	}
}
