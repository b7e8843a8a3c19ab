package egress

import (
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestOnlyPublicAddressesArePublic(t *testing.T) {
	for _, text := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8",
		"192.168.1.1", "198.18.0.1", "198.19.255.255", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "::ffff:0:127.0.0.1",
		"2002:7f00:1::", "2001::1", "2001:db8::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2a00::1%eth0",
	} {
		if Public(netip.MustParseAddr(text)) {
			t.Errorf("%s is called public", text)
		}
	}
	for _, text := range []string{"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "198.20.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"} {
		if !Public(netip.MustParseAddr(text)) {
			t.Errorf("%s is not called public", text)
		}
	}
}

func TestPortsAndNetworksAreChecked(t *testing.T) {
	for address, ok := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1111]:443": true, "8.8.8.8:80": false, "8.8.8.8:25": false, "10.0.0.1:443": false, "localhost:443": false, "": false,
	} {
		if err := check("tcp4", address); (err == nil) != ok {
			t.Errorf("%q: %v, want allowed %v", address, err, ok)
		}
	}
	if err := check("udp4", "8.8.8.8:443"); !errors.Is(err, ErrForbidden) {
		t.Errorf("udp: %v", err)
	}
}

// reached is a server on this machine that counts who came.
func reached(t *testing.T, h http.HandlerFunc) (server *httptest.Server, requests *int) {
	t.Helper()
	requests = new(int)
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*requests++
		h(w, r)
	}))
	t.Cleanup(server.Close)
	return server, requests
}

func roots(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func TestNothingOnThisMachineIsReached(t *testing.T) {
	server, requests := reached(t, func(http.ResponseWriter, *http.Request) {})
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client := NewClient(Options{Roots: roots(server)})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "127.1", "2130706433"} {
		answer, err := client.Get("https://" + host + ":" + port)
		if err == nil {
			answer.Body.Close()
			t.Errorf("%s was reached", host)
		}
	}
	if *requests != 0 {
		t.Errorf("%d requests arrived", *requests)
	}
}

func TestEnvironmentNamesNoProxy(t *testing.T) {
	proxy, asked := reached(t, func(http.ResponseWriter, *http.Request) {})
	t.Setenv("HTTPS_PROXY", proxy.URL)
	server, _ := reached(t, func(http.ResponseWriter, *http.Request) {})
	answer, err := NewClient(Options{Private: true, Roots: roots(server)}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if transport := NewClient(Options{}).Transport.(*http.Transport); transport.Proxy != nil || *asked != 0 {
		t.Error("a proxy was taken from the environment")
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	other, requests := reached(t, func(http.ResponseWriter, *http.Request) {})
	server, _ := reached(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	pool := roots(server)
	pool.AddCert(other.Certificate())
	answer, err := NewClient(Options{Private: true, Roots: pool}).Post(server.URL, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusTemporaryRedirect || *requests != 0 {
		t.Errorf("answered %d, and %d requests went on", answer.StatusCode, *requests)
	}
}
