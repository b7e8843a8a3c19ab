package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/payment"
)

// first opens a service once and returns its options, to be opened again.
func first(t *testing.T) serviceOptions {
	t.Helper()
	o := demoOptions(t.TempDir())
	s, err := openService(t.Context(), "http://127.0.0.1:1", false, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	return o
}

// refusedWith opens a service that must not open.
func refusedWith(t *testing.T, o serviceOptions, want string) {
	t.Helper()
	s, err := openService(t.Context(), "http://127.0.0.1:1", false, o)
	if err == nil {
		t.Fatalf("it opened: %v", s.close())
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not say %q", err, want)
	}
}

func TestADatabaseOpensOnlyWithItsOwnKeys(t *testing.T) {
	o := first(t)
	o.Keys = first(t).Keys
	refusedWith(t, o, "not those of this database")
}

func TestADatabaseDoesNotOpenWithoutItsKeys(t *testing.T) {
	o := first(t)
	if err := os.RemoveAll(o.Keys); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, o, o.Keys)
	if _, err := os.Stat(o.Keys); err == nil {
		t.Error("new keys were made beside an old database")
	}
}

func TestAFailedFirstStartLeavesNothingThatFailsTheNext(t *testing.T) {
	o := demoOptions(t.TempDir())
	good := o.Keys
	o.Keys = filepath.Join(o.DB, "keys") // in a folder that cannot be
	if err := os.WriteFile(o.DB, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, o, "keys")
	if err := os.Remove(o.DB); err != nil {
		t.Fatal(err)
	}
	o.Keys = good
	s, err := openService(t.Context(), "http://127.0.0.1:1", false, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFirstTokenThatIsEmptyOrReadableIsRefused(t *testing.T) {
	o := first(t)
	if err := os.WriteFile(o.firstTokenFile(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, o, "holds no token")
	if err := os.Chmod(o.firstTokenFile(), 0o644); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, o, "can be read by others")
}

func TestServeChecksItsFlagsBeforeAnythingOpens(t *testing.T) {
	for name, c := range map[string]serveCmd{
		"in the clear beyond this machine": {Listen: "192.0.2.1:8480", PublicURL: "http://pay.example"},
		"all addresses without an origin":  {Listen: ":8480", InsecureListen: true},
		"admin in the clear":               {Listen: "127.0.0.1:0", AdminListen: "192.0.2.1:1"},
		"no port":                          {Listen: "foo"},
		"a certificate without its key":    {Listen: "127.0.0.1:0", TLSCert: "c.pem"},
		"an origin with a path":            {Listen: "127.0.0.1:0", PublicURL: "https://pay.example/pay"},
		"an origin with a user":            {Listen: "127.0.0.1:0", PublicURL: "https://me@pay.example"},
		"a queue of no length":             {Listen: "127.0.0.1:0"},
	} {
		if name != "a queue of no length" {
			c.PINQueue = 64
		}
		if err := c.check(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	c := serveCmd{Listen: "127.0.0.1:0", PublicURL: "HTTPS://Pay.Example:443/", serviceOptions: serviceOptions{PINQueue: 64}}
	if err := c.check(); err != nil || c.PublicURL != "https://pay.example" {
		t.Errorf("public URL %q, %v; want the one written form", c.PublicURL, err)
	}
	var usage *usageError
	if err := (&serveCmd{Listen: "foo"}).check(); !errors.As(err, &usage) {
		t.Errorf("a mistake in the command line is %v, not a usage error", err)
	}
}

func TestServeHasTheDefaultPolicyByDefault(t *testing.T) {
	var r root
	parser, err := newParser(&app{stdout: io.Discard, stderr: io.Discard}, &r, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"serve"}); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]serviceOptions{"serve": r.Serve.serviceOptions, "demo": demoOptions(t.TempDir())} {
		got, err := o.policy()
		if diff := cmp.Diff(payment.DefaultPolicy, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}
