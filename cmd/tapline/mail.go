package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"tapline/consent"
	"tapline/keyring"
	"tapline/mail"
	"tapline/notice"
)

// mailOptions name the relay by which cardholders are told by e-mail.
type mailOptions struct {
	SMTP             string `name:"smtp" help:"Relay by which cardholders are told by e-mail: smtps://host:465, smtp+starttls://host:587, or smtp:// on this machine. Without it nobody is." env:"TAPLINE_SMTP" placeholder:"URL"`
	SMTPUser         string `name:"smtp-user" help:"User at the relay." env:"TAPLINE_SMTP_USER" placeholder:"NAME"`
	SMTPPasswordFile string `name:"smtp-password-file" help:"File with that user's password." env:"TAPLINE_SMTP_PASSWORD_FILE" type:"path" placeholder:"FILE"`
	SMTPFrom         string `name:"smtp-from" help:"Address that e-mail is from." env:"TAPLINE_SMTP_FROM" placeholder:"ADDRESS"`
	SMTPName         string `name:"smtp-name" help:"What the service is called in e-mail (${default})." default:"Tapline" env:"TAPLINE_SMTP_NAME" placeholder:"NAME"`
	SMTPCA           string `name:"smtp-ca" help:"File of certificates (PEM) by which the relay's is verified, in place of the system's." env:"TAPLINE_SMTP_CA" type:"path" placeholder:"FILE"`
}

// relay is the relay that was named, nil if none was.
func (o mailOptions) relay() (*mail.Relay, error) {
	if o.SMTP == "" {
		if o.SMTPUser != "" || o.SMTPFrom != "" || o.SMTPPasswordFile != "" {
			return nil, &usageError{"--smtp is missing", "name the relay, such as smtps://relay.example:465"}
		}
		return nil, nil
	}
	r, err := mail.ParseRelay(o.SMTP)
	if err != nil {
		return nil, &usageError{"--smtp: " + err.Error(), "such as smtps://relay.example:465"}
	}
	r.From, r.Name, r.User = o.SMTPFrom, o.SMTPName, o.SMTPUser
	if r.From == "" {
		return nil, &usageError{"--smtp-from is missing", "the address that e-mail is from, such as notices@pay.example"}
	}
	if name, err := consent.CleanText(r.Name, consent.MaxLabel); err != nil || name == "" {
		return nil, &usageError{"--smtp-name: want a name of at most 64 characters", "such as \"Campus Pay\""}
	}
	if o.SMTPPasswordFile != "" {
		text, err := os.ReadFile(o.SMTPPasswordFile)
		if err != nil {
			return nil, err
		}
		r.Password = strings.TrimRight(string(text), "\r\n")
	}
	if o.SMTPCA != "" {
		text, err := os.ReadFile(o.SMTPCA)
		if err != nil {
			return nil, err
		}
		r.Roots = x509.NewCertPool()
		if !r.Roots.AppendCertsFromPEM(text) {
			return nil, &usageError{"--smtp-ca: the file has no certificate", "want certificates in PEM"}
		}
	}
	if err := r.Check(); err != nil {
		return nil, &usageError{"--smtp-from, --smtp-user, --smtp-password-file: " + err.Error(), "an address such as notices@pay.example"}
	}
	return &r, nil
}

// newMailer makes who sends e-mail, if there is a relay.
func (s *service) newMailer(o serviceOptions, keys *keyring.Keyring, measure func(string)) error {
	relay, err := o.relay()
	if err != nil || relay == nil {
		return err
	}
	s.mailer = notice.NewMailer(keys, *relay, relay.Name, o.log)
	s.mailer.OnMail = measure
	return nil
}

// noticeCmd is about telling cardholders.
type noticeCmd struct {
	Test noticeTestCmd `cmd:"" help:"Send one e-mail by the relay, to see that it takes any."`
}

// noticeTestCmd sends one e-mail.
type noticeTestCmd struct {
	mailOptions `embed:""`
	To          string `required:"" placeholder:"ADDRESS" help:"For whom it is: an address of your own."`
}

// Help says what it needs.
func (*noticeTestCmd) Help() string {
	return `Takes the same settings as "tapline serve", and needs no service. An error says at which step the relay refused, and with
which answer (RFC 5321); what else the relay said is left out, since relays repeat addresses.`
}

// Run sends it.
func (cmd *noticeTestCmd) Run(a *app) error {
	relay, err := cmd.relay()
	if err != nil {
		return err
	}
	if relay == nil {
		return &usageError{"--smtp is missing", "name the relay, such as smtps://relay.example:465"}
	}
	if err := consent.CheckEmail(cmd.To); err != nil {
		return &usageError{"--to: " + err.Error(), "such as ops@pay.example"}
	}
	now := time.Now()
	m := mail.Message{ID: "test/" + consent.NewID(), At: now, To: cmd.To, Subject: relay.Name + ": test", Language: "en",
		Text: fmt.Sprintf("The relay %s takes e-mail of %s.\n", relay, relay.Name)}
	if err := relay.Deliver(a.ctx, []mail.Message{m})[0]; err != nil {
		switch {
		case errors.Is(err, mail.ErrRefused):
			return withHint(err, "the relay does not send to that address, or from --smtp-from")
		default:
			return withHint(err, "see that --smtp, --smtp-user and --smtp-password-file are those of the relay, and its certificate is valid")
		}
	}
	a.say("The relay has taken it.")
	return nil
}
