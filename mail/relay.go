// Package mail hands e-mail to the relay that the operator has named, by SMTP (RFC 5321), over TLS (RFC 8314, RFC 3207).
//
// What it says of a failure never names whom a message is for, nor repeats what the relay has said: relays repeat addresses.
package mail

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tapline/consent"
)

// Security says how the way to a relay is protected.
type Security string

// Kinds of security. Plain is for relays on this machine alone.
const (
	TLS      Security = "smtps"         // from the first byte (RFC 8314 §3.3)
	StartTLS Security = "smtp+starttls" // before anything but greetings is said (RFC 3207); without it nothing is sent
	Plain    Security = "smtp"
)

// Relay is where e-mail is handed over, and in whose name.
type Relay struct {
	Host     string
	Port     int
	Security Security
	User     string // empty: the relay asks for nobody
	Password string
	From     string // the address that mail is from
	Name     string // of the service, beside it
	Roots    *x509.CertPool
	Timeout  time.Duration // for one message, and to connect; 0 for 20 s
}

const defaultTimeout = 20 * time.Second

// ports are those that a relay has where none is named.
var ports = map[Security]int{TLS: 465, StartTLS: 587, Plain: 25}

// ParseRelay reads a relay's address, such as smtps://relay.example:465.
func ParseRelay(text string) (Relay, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Relay{}, errors.New("it is no URL")
	}
	r := Relay{Host: u.Hostname(), Security: Security(u.Scheme)}
	standard, known := ports[r.Security]
	switch {
	case !known:
		return Relay{}, errors.New("it is to begin with smtps://, smtp+starttls:// or, on this machine, smtp://")
	case r.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return Relay{}, errors.New("it is to have a host, perhaps a port, and nothing else")
	case u.User != nil:
		return Relay{}, errors.New("user and password do not belong in it")
	case r.Security == Plain && !isHere(r.Host):
		return Relay{}, errors.New("without TLS it has to be on this machine: 127.0.0.1, ::1 or localhost")
	}
	r.Port = standard
	if port := u.Port(); port != "" {
		if r.Port, err = strconv.Atoi(port); err != nil || r.Port < 1 || r.Port > 65535 {
			return Relay{}, errors.New("its port is none")
		}
	}
	return r, nil
}

// isHere reports whether a host is this machine by its name.
func isHere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// here reports whether a connection is to this machine.
func here(c net.Conn) bool {
	addr, ok := c.RemoteAddr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// Check looks at what can be looked at before anything is sent.
func (r Relay) Check() error {
	if err := consent.CheckEmail(r.From); err != nil {
		return fmt.Errorf("the address that mail is from: %w", err)
	}
	if (r.User == "") != (r.Password == "") {
		return errors.New("user and password are given both or neither")
	}
	return nil
}

// domain is the host of the address that mail is from.
func (r Relay) domain() string {
	_, domain, _ := strings.Cut(r.From, "@")
	return domain
}
