package mail

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"tapline/consent"
)

// Message is one e-mail in plain text.
type Message struct {
	ID       string // the same each time that it is sent, so that whoever gets it twice can tell
	At       time.Time
	To       string
	Subject  string
	Text     string
	Language string
}

// What failed.
var (
	ErrRelay   = errors.New("the relay takes no mail")          // now: nothing is wrong with the message
	ErrLater   = errors.New("the relay takes it later")         // RFC 5321 §4.2.1, 4yz
	ErrRefused = errors.New("the relay does not take it")       // 5yz: never
	ErrUnsent  = errors.New("it was not sent for want of time") // nothing was tried
)

// Failure is why a message was not taken: one of the errors above, with the relay's answer if it gave one.
type Failure struct {
	Err    error
	Step   string // such as "connect" or "recipient"
	Status int    // RFC 5321 §4.2; 0 for none
}

// Error says what, at which step, with which answer, and not more.
func (f *Failure) Error() string {
	if f.Status == 0 {
		return f.Err.Error() + " (" + f.Step + ")"
	}
	return f.Err.Error() + " (" + f.Step + ", " + strconv.Itoa(f.Status) + ")"
}

// Unwrap is what failed.
func (f *Failure) Unwrap() error { return f.Err }

// Deliver hands messages over, one after the other on one connection, and says of each what became of it: nil once the relay has taken
// it. After a failure of the relay's own, and when ctx is done, the rest is not sent.
func (r Relay) Deliver(ctx context.Context, messages []Message) []error {
	results := make([]error, len(messages))
	rest := func(from int, err error) []error {
		for i := from; i < len(results); i++ {
			results[i] = err
		}
		return results
	}
	s, err := r.connect(ctx)
	if err != nil {
		return rest(0, err)
	}
	defer s.close()
	for i, m := range messages {
		if ctx.Err() != nil {
			return rest(i, &Failure{Err: ErrUnsent, Step: "queue"})
		}
		results[i] = s.send(m)
		if errors.Is(results[i], ErrRelay) {
			return rest(i+1, &Failure{Err: ErrUnsent, Step: "queue"})
		}
	}
	return results
}

// session is a connection to a relay that takes mail.
type session struct {
	relay  Relay
	client *gomail.Client
	conn   net.Conn
}

func (s *session) close() {
	_ = s.client.Close() // says QUIT; what was taken was taken
	_ = s.conn.Close()
}

// connect greets the relay, over TLS unless it is on this machine, and proves who we are if that was given.
func (r Relay) connect(ctx context.Context) (*session, error) {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	config := &tls.Config{ServerName: r.Host, RootCAs: r.Roots, MinVersion: tls.VersionTLS12}
	s := &session{relay: r}
	dial := func(ctx context.Context, network, address string) (c net.Conn, err error) {
		if r.Security == TLS {
			c, err = (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
		} else {
			c, err = (&net.Dialer{}).DialContext(ctx, network, address)
		}
		if err == nil && r.Security == Plain && !here(c) {
			return nil, errors.Join(errors.New("not on this machine"), c.Close())
		}
		s.conn = c
		return c, err
	}
	options := []gomail.Option{
		gomail.WithPort(r.Port), gomail.WithTimeout(timeout), gomail.WithTLSConfig(config), gomail.WithDialContextFunc(dial),
		gomail.WithHELO(r.domain()), gomail.WithoutSMTPUTF8(),
	}
	switch r.Security {
	case TLS:
		options = append(options, gomail.WithSSL())
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if r.User != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&proof{relay: r}))
	}
	client, err := gomail.NewClient(r.Host, options...)
	if err != nil {
		return nil, &Failure{Err: ErrRelay, Step: "settings"}
	}
	s.client = client
	if err := client.DialWithContext(ctx); err != nil {
		if s.conn == nil {
			return nil, &Failure{Err: ErrRelay, Step: "connect"}
		}
		_ = s.conn.Close() // the library leaves it open
		return nil, &Failure{Err: ErrRelay, Step: "greeting", Status: statusOf(err)}
	}
	return s, nil
}

// proof proves who we are with user and password: by PLAIN (RFC 4616), or LOGIN where a relay knows no better. Neither hides the
// password, so that both need TLS, unless the relay is on this machine.
type proof struct {
	relay Relay
	smtp.Auth
}

// Start chooses what the relay knows.
func (p *proof) Start(server *smtp.ServerInfo) (string, []byte, error) {
	here := p.relay.Security == Plain
	switch {
	case slices.Contains(server.Auth, "PLAIN"):
		p.Auth = smtp.PlainAuth("", p.relay.User, p.relay.Password, p.relay.Host, here)
	case slices.Contains(server.Auth, "LOGIN"):
		p.Auth = smtp.LoginAuth(p.relay.User, p.relay.Password, p.relay.Host, here)
	default:
		return "", nil, errors.New("the relay takes no user and password")
	}
	return p.Auth.Start(server)
}

// send hands one message over.
func (s *session) send(m Message) error {
	letter, err := s.relay.compose(m)
	if err != nil {
		return &Failure{Err: ErrRefused, Step: "address"}
	}
	err = s.client.Send(letter)
	if letter.IsDelivered() {
		return nil // whatever the relay said afterwards
	}
	failure := &Failure{Err: ErrRelay, Step: "sending", Status: statusOf(err)}
	problem, ok := errors.AsType[*gomail.SendError](err)
	if !ok {
		return failure
	}
	switch problem.Reason {
	case gomail.ErrSMTPRcptTo:
		failure.Step = "recipient"
	case gomail.ErrSMTPData, gomail.ErrSMTPDataClose, gomail.ErrWriteContent:
		failure.Step = "content"
	default: // the sender or the connection: no other message would be taken
		return failure
	}
	switch {
	case failure.Status == 421: // RFC 5321 §3.8: it closes the connection
	case failure.Status >= 500:
		failure.Err = ErrRefused
	case failure.Status >= 400:
		failure.Err = ErrLater
	}
	return failure
}

// statusOf is the relay's answer behind an error; 0 if it gave none.
func statusOf(err error) int {
	if problem, ok := errors.AsType[*gomail.SendError](err); ok && problem.ErrorCode() != 0 {
		return problem.ErrorCode()
	}
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		return answer.Code
	}
	return 0
}

// compose writes a message as RFC 5322 has it.
func (r Relay) compose(m Message) (*gomail.Msg, error) {
	if err := consent.CheckEmail(m.To); err != nil {
		return nil, err
	}
	letter := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP))
	if err := letter.FromFormat(oneLine(r.Name), r.From); err != nil {
		return nil, err
	}
	if err := letter.To(m.To); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(m.ID)) // ids may hold what a header must not
	letter.SetMessageIDWithValue(base64.RawURLEncoding.EncodeToString(sum[:18]) + "@" + r.domain())
	letter.SetDateWithValue(m.At)
	letter.Subject(oneLine(m.Subject))
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: nothing answers it by itself
	letter.SetGenHeader("Content-Language", oneLine(m.Language))
	letter.SetBodyString(gomail.TypeTextPlain, shown(m.Text))
	return letter, nil
}

// oneLine is a text fit for a header: one line of what can be shown.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(shown(text), func(r rune) bool { return r == '\n' || r == ' ' }), " ")
}

// shown is a text without characters that cannot be shown, or turn others around; line ends stay.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r) {
			return r
		}
		return -1
	}, text)
}

// String names the relay, not the password.
func (r Relay) String() string { return fmt.Sprintf("%s://%s:%d", r.Security, r.Host, r.Port) }
