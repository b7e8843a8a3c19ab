package webhook

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// MaxURL is the greatest length of an address, in bytes.
const MaxURL = 1024

// ErrURL is returned for an address that nothing is sent to.
var ErrURL = errors.New("not an https address that webhooks can be sent to")

// CheckURL refuses an address that nothing could be sent to. It must be https, on port 443, without a user or a fragment; with
// local it may be this machine's own, by plain http on any port, too. Where its name leads is looked at when it is connected to.
func CheckURL(text string, local bool) error {
	if text == "" || len(text) > MaxURL {
		return ErrURL
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>\^{|}`+"`", c) >= 0 {
			return ErrURL
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Opaque != "" || strings.Contains(text, "#") {
		return ErrURL
	}
	switch {
	case u.Scheme == "https" && (u.Port() == "" && !strings.HasSuffix(u.Host, ":") || u.Port() == "443") && named(u.Hostname()):
		return nil
	case u.Scheme == "http" && local && isLocal(u.Hostname()):
		return nil
	}
	return ErrURL
}

// named refuses hosts that are written as numbers, in any of the ways that resolvers understand: a host that receives webhooks has
// a certificate, which is for a name.
func named(host string) bool {
	if net.ParseIP(host) != nil || strings.ContainsAny(host, "%:[]") {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 {
			return false
		}
	}
	last := labels[len(labels)-1]
	// WHATWG URL §3.5: a host whose last label is a number is an IPv4 address.
	return len(labels) > 1 && strings.Trim(last, "0123456789") != "" && !strings.HasPrefix(strings.ToLower(last), "0x")
}

// isLocal reports whether a host is this machine, without asking anybody.
func isLocal(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
