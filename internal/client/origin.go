package client

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Origin is the origin of a service's address in its one written form (RFC 6454 §6.2). ErrURL if the address is no
// origin, or plain http to another machine and that is not allowed.
func Origin(address string, insecure bool) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return "", fmt.Errorf("%w: want one such as https://pay.example", ErrURL)
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%w: want scheme and host only, such as https://pay.example", ErrURL)
	}
	host := strings.ToLower(u.Hostname())
	if u.Scheme == "http" && !insecure && !isLoopback(host) {
		return "", fmt.Errorf("%w: plain http shows tokens to everybody on the way, and is for this machine only", ErrURL)
	}
	port := u.Port()
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		port = ""
	}
	switch {
	case port != "":
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host, nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 §6.3
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
