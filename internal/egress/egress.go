// Package egress is a client for HTTPS addresses that strangers name. It connects to public addresses only, looked at
// after their names were resolved and at every connection, so that a name that means another address the next time
// gets nowhere; it follows no redirect, and takes no proxy from the environment.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// ErrForbidden is returned for a connection to an address or port that is not for strangers to name.
var ErrForbidden = errors.New("not a public address")

// Options change what a client may reach.
type Options struct {
	// Private lets it reach every address and port, this machine's own among them. It is for tests.
	Private bool
	// Here lets it reach this machine, on every port and by plain http, and nothing else.
	Here bool
	// Roots are whom to believe about names; nil for the system's.
	Roots *x509.CertPool
}

// How long each step of a request may take. The whole is bounded by the request's context.
const (
	dialLimit   = 5 * time.Second
	tlsLimit    = 5 * time.Second
	headerLimit = 10 * time.Second
	headerBytes = 16 << 10
)

// NewClient makes a client. It may be used by several goroutines.
func NewClient(o Options) *http.Client {
	dialer := &net.Dialer{Timeout: dialLimit, KeepAlive: 30 * time.Second}
	look := check
	if o.Here {
		look = checkHere
	}
	if !o.Private {
		dialer.ControlContext = func(_ context.Context, network, address string, _ syscall.RawConn) error {
			return look(network, address)
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: nil, DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
			TLSHandshakeTimeout: tlsLimit, ResponseHeaderTimeout: headerLimit, MaxResponseHeaderBytes: headerBytes,
			MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// check looks at what a connection is about to be made to.
func check(network, address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" || to.Port() != 443 || !Public(to.Addr()) {
		return fmt.Errorf("%w: %s", ErrForbidden, address)
	}
	return nil
}

// checkHere looks at what a connection within this machine is about to be made to.
func checkHere(_, address string) error {
	if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%w: %s", ErrForbidden, address)
	}
	return nil
}

// special are addresses that mean no host of the public network, or one that is named elsewhere in them (IANA special-purpose
// address registries, RFC 6890), besides those that Public asks package netip for.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"240.0.0.0/4", "::/8", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	"5f00::/16", "fec0::/10",
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// Public reports whether an address is a host's on the public network.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Zone() != "" {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}
