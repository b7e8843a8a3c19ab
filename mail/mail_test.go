package mail_test

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/mail"
	"tapline/mail/mailtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func message(id string) mail.Message {
	return mail.Message{ID: id, At: noon, To: "ann@mail.example", Subject: "You paid 12.50 CNY — 付款", Text: "Card: •••• 0003\nPaid to: 书店\n", Language: "en"}
}

// relayOf is a relay of a kind and how to reach it.
func relayOf(t *testing.T, scheme string) (*mailtest.Relay, mail.Relay) {
	t.Helper()
	there := mailtest.New(t, scheme)
	r, err := mail.ParseRelay(there.URL())
	if err != nil {
		t.Fatal(err)
	}
	r.From, r.Name, r.Roots, r.Timeout = "notices@pay.example", "Campus Pay", there.Roots(), 5*time.Second
	return there, r
}

func deliver(t *testing.T, r mail.Relay, messages ...mail.Message) []error {
	t.Helper()
	return r.Deliver(t.Context(), messages)
}

func TestRelaysAreNamedByURL(t *testing.T) {
	for text, want := range map[string]mail.Relay{
		"smtps://relay.example":               {Host: "relay.example", Port: 465, Security: mail.TLS},
		"smtps://relay.example:10465/":        {Host: "relay.example", Port: 10465, Security: mail.TLS},
		"smtp+starttls://relay.example":       {Host: "relay.example", Port: 587, Security: mail.StartTLS},
		"smtp://127.0.0.1:2525":               {Host: "127.0.0.1", Port: 2525, Security: mail.Plain},
		"smtp://[::1]":                        {Host: "::1", Port: 25, Security: mail.Plain},
		"smtp://localhost":                    {Host: "localhost", Port: 25, Security: mail.Plain},
		"smtp://relay.example":                {}, // in clear, over the network
		"smtp://127.0.0.1.evil.example":       {},
		"smtps://ann:secret@relay.example":    {}, // seen in lists of processes
		"http://relay.example":                {},
		"relay.example:465":                   {},
		"smtps://":                            {},
		"smtps://relay.example?tls=insecure":  {},
		"smtps://relay.example/path":          {},
		"smtps://relay.example:0":             {},
		"smtps://relay.example:99999":         {},
		"smtps://relay.example:465#x":         {},
		"smtp+starttls://relay.example:port/": {},
	} {
		got, err := mail.ParseRelay(text)
		if (err == nil) != (want != mail.Relay{}) || !cmp.Equal(got, want, cmp.AllowUnexported()) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestMailIsTakenOverEachKindOfRelay(t *testing.T) {
	for _, scheme := range []string{"smtps", "smtp+starttls", "smtp"} {
		for _, user := range []string{"", "tapline"} {
			t.Run(scheme+" "+user, func(t *testing.T) {
				there, r := relayOf(t, scheme)
				if user != "" {
					there.Demand(user, "secret")
					r.User, r.Password = user, "secret"
				}
				if errs := deliver(t, r, message("a"), message("b")); errors.Join(errs...) != nil {
					t.Fatal(errs)
				}
				letters := there.Letters()
				if len(letters) != 2 || letters[0].From != r.From || letters[0].To != "ann@mail.example" || letters[0].TLS != (scheme != "smtp") {
					t.Fatalf("the relay took %+v", letters)
				}
				h := letters[0].Header()
				subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
				if err != nil || subject != message("a").Subject {
					t.Errorf("the subject is %q, %v", subject, err)
				}
				if date, err := h.Date(); err != nil || !date.Equal(noon) {
					t.Errorf("the date is %v, %v", date, err)
				}
				if got := h.Get("Auto-Submitted"); got != "auto-generated" {
					t.Errorf("Auto-Submitted is %q", got)
				}
				if h.Get("Message-ID") == "" || h.Get("Message-ID") == letters[1].Header().Get("Message-ID") {
					t.Errorf("the Message-IDs are %q and %q", h.Get("Message-ID"), letters[1].Header().Get("Message-ID"))
				}
				if text := body(t, letters[0]); text != message("a").Text {
					t.Errorf("the text is %q", text)
				}
			})
		}
	}
}

func body(t *testing.T, l mailtest.Letter) string {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(l.Raw))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

func TestARelayThatCannotBeTrustedGetsNothing(t *testing.T) {
	plain, _ := relayOf(t, "smtp")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(plain.URL(), "smtp://"))
	number, _ := strconv.Atoi(port)
	trusted, r := relayOf(t, "smtps")
	unknown := r
	unknown.Roots = nil
	otherName := r
	otherName.Host = "localhost"
	stripped := r
	stripped.Port, stripped.Security, stripped.User, stripped.Password = number, mail.StartTLS, "tapline", "secret" // it offers no STARTTLS
	wrong := r
	wrong.User, wrong.Password = "tapline", "guess"
	trusted.Demand("tapline", "secret")
	for what, r := range map[string]mail.Relay{"an unknown issuer": unknown, "another name": otherName, "no STARTTLS": stripped, "a wrong password": wrong} {
		errs := deliver(t, r, message("a"))
		if !errors.Is(errs[0], mail.ErrRelay) {
			t.Errorf("%s: %v", what, errs[0])
		}
		for _, secret := range []string{"secret", "guess", "ann@mail.example"} {
			if strings.Contains(fmt.Sprintf("%v %+v", errs[0], r), secret) {
				t.Errorf("%s: %q is told in %v %+v", what, secret, errs[0], r)
			}
		}
	}
	if n := len(trusted.Letters()) + len(plain.Letters()); n != 0 {
		t.Errorf("%d letters were sent", n)
	}
}

func TestWhatARelayAnswersIsTheMessagesOrTheRelays(t *testing.T) {
	for _, c := range []struct {
		step   string
		status int
		want   error
		next   error // of the message after it
	}{
		{"mail", 451, mail.ErrRelay, mail.ErrUnsent}, {"mail", 550, mail.ErrRelay, mail.ErrUnsent},
		{"rcpt", 450, mail.ErrLater, nil}, {"rcpt", 550, mail.ErrRefused, nil}, {"rcpt", 421, mail.ErrRelay, mail.ErrUnsent},
		{"data", 452, mail.ErrLater, nil}, {"data", 554, mail.ErrRefused, nil},
	} {
		t.Run(fmt.Sprint(c.step, c.status), func(t *testing.T) {
			there, r := relayOf(t, "smtp")
			asked := false
			there.Answer(func(step, about string) error {
				if step != c.step || asked {
					return nil
				}
				asked = true
				return mailtest.Refusal(c.status, "no mail for ann@mail.example here")
			})
			errs := deliver(t, r, message("a"), message("b"))
			if !errors.Is(errs[0], c.want) || !errors.Is(errs[1], c.next) {
				t.Errorf("got %v; want %v, then %v", errs, c.want, c.next)
			}
			if text := fmt.Sprint(errs); strings.Contains(text, "ann") || !strings.Contains(text, strconv.Itoa(c.status)) {
				t.Errorf("told is %q", text)
			}
		})
	}
}

func TestARelayThatHangsIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	r, err := mail.ParseRelay("smtp://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r.From, r.Timeout = "notices@pay.example", 300*time.Millisecond
	began := time.Now()
	errs := deliver(t, r, message("a"))
	if took := time.Since(began); !errors.Is(errs[0], mail.ErrRelay) || took > 10*time.Second {
		t.Errorf("%v after %v", errs[0], took)
	}
	_ = listener.Close()
	if errs := deliver(t, r, message("a")); !errors.Is(errs[0], mail.ErrRelay) {
		t.Errorf("of a relay that is down: %v", errs[0])
	}
}

func TestNobodysNameAddsHeadersOrLines(t *testing.T) {
	const evil = "Shop\r\nBcc: eve@evil.example\r\n\r\nClick here\x00\x1b[31m\u202e"
	there, r := relayOf(t, "smtp")
	r.Name = evil
	m := message("a\r\nX-Evil: yes")
	m.Subject, m.Language, m.Text = evil, "en\r\nX-Evil: yes", "Paid to: "+evil+"\n.\nQUIT\n"
	if errs := deliver(t, r, m); errs[0] != nil {
		t.Fatal(errs)
	}
	letters := there.Letters()
	if len(letters) != 1 || letters[0].To != "ann@mail.example" {
		t.Fatalf("the relay took %+v", letters)
	}
	h := letters[0].Header()
	for _, name := range []string{"Bcc", "X-Evil"} {
		if h.Get(name) != "" {
			t.Errorf("there is a header %s: %q", name, h.Get(name))
		}
	}
	if from, err := h.AddressList("From"); err != nil || len(from) != 1 || from[0].Address != "notices@pay.example" {
		t.Errorf("it is from %v, %v", from, err)
	}
	if text := body(t, letters[0]); strings.ContainsAny(text, "\x00\x1b\r\u202e") || !strings.Contains(text, "\n.\nQUIT\n") {
		t.Errorf("the text is %q", text)
	}
	for _, to := range []string{"ann@mail.example\r\nRCPT TO:<eve@evil.example>", "ann@mail.example, eve@evil.example", "<ann@mail.example>", "\"a b\"@mail.example", "", "ann"} {
		m.To = to
		if errs := deliver(t, r, m); !errors.Is(errs[0], mail.ErrRefused) {
			t.Errorf("to %q: %v", to, errs[0])
		}
	}
	if n := len(there.Letters()); n != 1 {
		t.Errorf("%d letters were sent", n)
	}
}
