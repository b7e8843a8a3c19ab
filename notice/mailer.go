package notice

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"tapline/keyring"
	"tapline/mail"
	"tapline/processor"
)

// How e-mail is sent.
const (
	mailsEvery    = 2 * time.Second // to look for what other nodes have left over
	mailsAtOnce   = 8               // on one connection
	mailLines     = 4               // connections at once
	mailLimit     = 90 * time.Second
	mailFirst     = 30 * time.Second // before a message is tried again; it doubles each time
	mailLongest   = 2 * time.Hour
	relayFirst    = 2 * time.Second // before a relay that takes nothing is asked again, likewise
	relayLongest  = time.Minute
	mailsLookedAt = mailsAtOnce * mailLines
)

// What became of an e-mail, besides what a relay says.
const (
	FailureMailKeys  = "keys"  // this node cannot open the address
	FailureMailRelay = "relay" // the relay takes nothing
	FailureMailLater = "later" // the relay takes it later
	FailureMailNever = "refused"
)

// Mailer tells cardholders by e-mail. Run it.
//
// It claims what is due, so that of several nodes one sends it. A node that dies leaves what it claimed to whoever finds it when
// processor.MailLease is over: so an e-mail may come twice, with the same Message-ID, but it comes.
type Mailer struct {
	Processor *processor.Processor
	Keys      *keyring.Keyring
	Relay     mail.Relay
	Service   string // what the service is called in e-mails
	Log       *slog.Logger
	OnMail    func(failure string) // nil: nobody measures; called by several goroutines

	kick chan struct{}

	mu      sync.Mutex
	lines   int       // connections under way
	failed  int       // times in a row that the relay took nothing
	quiet   time.Time // until then the relay is not asked
	sending sync.WaitGroup
}

// NewMailer makes a mailer. It is to be given a processor before it is run; Kick may be called before.
func NewMailer(keys *keyring.Keyring, relay mail.Relay, service string, log *slog.Logger) *Mailer {
	return &Mailer{Keys: keys, Relay: relay, Service: service, Log: log, kick: make(chan struct{}, 1)}
}

// Kick says that there is something to send. It never waits.
func (m *Mailer) Kick() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// Run sends what is to be sent until ctx is done, and returns when nothing is under way any more.
func (m *Mailer) Run(ctx context.Context) {
	tick := time.NewTicker(mailsEvery)
	defer tick.Stop()
	defer m.sending.Wait()
	for {
		if err := m.look(ctx); err != nil && ctx.Err() == nil {
			m.Log.Warn("e-mail cannot be sent", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-m.kick:
		case <-tick.C:
		}
	}
}

// look claims what is due and there is room for, and begins to send it.
func (m *Mailer) look(ctx context.Context) error {
	room := m.room()
	if room == 0 {
		return nil
	}
	var due []string
	err := m.Processor.Store.View(ctx, func(r processor.Reader) error {
		now, err := m.Processor.TimeIn(r)
		if err != nil {
			return err
		}
		found, err := r.Due(now, min(room, mailsLookedAt))
		due = found.Mails
		return err
	})
	if err != nil || len(due) == 0 {
		return err
	}
	claim := &processor.ClaimMails{IDs: due}
	if _, err := m.Processor.Do(ctx, processor.Request{Command: claim}); err != nil {
		return err
	}
	for claimed := claim.Claimed; len(claimed) > 0; {
		n := min(len(claimed), mailsAtOnce)
		batch := claimed[:n:n]
		claimed = claimed[n:]
		m.count(1)
		m.sending.Go(func() {
			m.deliver(ctx, batch)
			m.count(-1)
			m.Kick() // there is room again
		})
	}
	return nil
}

// room is how many more e-mails may be claimed. A relay that took nothing is asked by one connection, once its pause is over.
func (m *Mailer) room() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.failed > 0 && (m.lines > 0 || time.Now().Before(m.quiet)):
		return 0
	case m.failed > 0:
		return mailsAtOnce
	}
	return (mailLines - m.lines) * mailsAtOnce
}

func (m *Mailer) count(change int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines += change
}

// deliver sends claimed e-mails on one connection, and says what became of each.
func (m *Mailer) deliver(ctx context.Context, claimed []processor.Mail) {
	finish := &processor.FinishMails{}
	var messages []mail.Message
	var of []processor.Mail
	for _, c := range claimed {
		message, err := m.message(c)
		if err != nil {
			m.Log.Error("an e-mail's address cannot be opened", "mail", c.ID, "error", err)
			finish.Results = append(finish.Results, processor.MailResult{Mail: c, Failure: FailureMailKeys, Again: again(c.Attempts)})
			continue
		}
		messages, of = append(messages, message), append(of, c)
	}
	if len(messages) > 0 {
		limited, cancel := context.WithTimeout(ctx, mailLimit)
		errs := m.Relay.Deliver(limited, messages)
		cancel()
		for i, err := range errs {
			finish.Results = append(finish.Results, m.result(ctx, of[i], err))
		}
	}
	// Even if the service is shutting down. If it cannot be said, the lease ends by itself.
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), finishLimit)
	defer stop()
	if _, err := m.Processor.Do(end, processor.Request{Command: finish}); err != nil {
		m.Log.Warn("what became of e-mails was not kept", "error", err)
	}
}

// result is what became of one e-mail. Neither log nor result name whom it was for.
func (m *Mailer) result(ctx context.Context, c processor.Mail, err error) processor.MailResult {
	r := processor.MailResult{Mail: c}
	failure, _ := errors.AsType[*mail.Failure](err)
	if failure != nil {
		r.Status = failure.Status
	}
	switch {
	case err == nil:
	case errors.Is(err, mail.ErrUnsent) || ctx.Err() != nil:
		r.Interrupted = true
		return r
	case errors.Is(err, mail.ErrRelay):
		r.Failure, r.Again = FailureMailRelay, pauseOf(c.Attempts, relayFirst, relayLongest) // the relay's pause is the mailer's
	case errors.Is(err, mail.ErrLater):
		r.Failure, r.Again = FailureMailLater, again(c.Attempts)
	default:
		r.Failure = FailureMailNever
	}
	m.judge(err == nil || !errors.Is(err, mail.ErrRelay))
	if err != nil {
		m.Log.Warn("an e-mail was not sent", "mail", c.ID, "kind", c.Kind, "attempt", c.Attempts, "error", err)
	}
	if m.OnMail != nil {
		m.OnMail(r.Failure)
	}
	return r
}

// judge takes note of whether the relay takes anything.
func (m *Mailer) judge(works bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if works {
		m.failed, m.quiet = 0, time.Time{}
		return
	}
	m.failed++
	m.quiet = time.Now().Add(pauseOf(m.failed, relayFirst, relayLongest))
}

// message is what is sent.
func (m *Mailer) message(c processor.Mail) (mail.Message, error) {
	address, err := m.open(processor.MailContext(c.Account), c.Address)
	if err != nil {
		return mail.Message{}, err
	}
	code := ""
	if c.Facts.Code != "" {
		if code, err = m.open(processor.CodeContext(c.Account), c.Facts.Code); err != nil {
			return mail.Message{}, err
		}
	}
	subject, text := letter(c, m.Service, code)
	return mail.Message{ID: c.ID, At: c.At, To: address, Subject: subject, Text: text, Language: c.Language}, nil
}

func (m *Mailer) open(context []byte, box string) (string, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(box)
	if err != nil {
		return "", err
	}
	text, err := m.Keys.Unseal(context, sealed)
	return string(text), err
}

// again is how long to wait with an e-mail after some attempts that failed.
func again(attempts int) time.Duration { return pauseOf(attempts, mailFirst, mailLongest) }

// pauseOf is twice as long each time, and never quite the same for all.
func pauseOf(attempts int, first, longest time.Duration) time.Duration {
	d := min(first<<min(max(attempts-1, 0), 16), longest)
	return d - d/5 + rand.N(2*d/5)
}
