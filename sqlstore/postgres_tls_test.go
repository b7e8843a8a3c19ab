package sqlstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapline/internal/pgtest"
)

// authority signs certificates of servers.
type authority struct {
	*testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{T: t, file: filepath.Join(t.TempDir(), "ca.crt")}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	var text []byte
	a.key, a.cert, text = certify(t, template, nil)
	if err := os.WriteFile(a.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// certify makes a key and a certificate for it, by an authority or by itself.
func certify(t *testing.T, template *x509.Certificate, by *authority) (*ecdsa.PrivateKey, *x509.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// present has a server show a certificate for a name and for addresses.
func (a *authority) present(server *pgtest.Server, name string, addresses ...net.IP) {
	a.Helper()
	key, _, cert := certify(a.T, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: addresses, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour)}, a)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.Fatal(err)
	}
	// The server writes them itself, into its folder: it may run as somebody else.
	write := func(file string, text []byte) error {
		return server.Run("postgres", "COPY (SELECT unnest(string_to_array('"+strings.TrimSpace(string(text))+"', E'\\n'))) TO PROGRAM 'umask 077; cat > "+file+"'")
	}
	err = errors.Join(write("server.crt", cert), write("server.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
		server.Run("postgres", "ALTER SYSTEM SET ssl = on"), server.Run("postgres", "SELECT pg_reload_conf()"))
	if err != nil {
		a.Fatal(err)
	}
}

// TestTLSModesDoWhatTheySay connects to a server that has a certificate for one of its names, in every mode.
func TestTLSModesDoWhatTheySay(t *testing.T) {
	server := pgtest.Start(t)
	t.Setenv("PGPASSWORD", pgtest.Password)
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	_, port, err := net.SplitHostPort(server.Address())
	if err != nil {
		t.Fatal(err)
	}
	open := func(host, options string) (tls string, err error) {
		s, err := Open(t.Context(), "postgres://postgres@"+host+":"+port+"/postgres?"+options, Options{Environment: "test"})
		if err != nil {
			return "", err
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		err = s.db.view(t.Context(), func(in session) error {
			rows, err := in.(*postgresConn).texts("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
			for _, r := range rows {
				tls += r[0]
			}
			return err
		})
		return tls, err
	}
	for _, mode := range []string{"require", "verify-ca", "verify-full"} {
		if _, err := open("127.0.0.1", "sslmode="+mode+"&sslrootcert="+ours.file); err == nil {
			t.Errorf("%s of a server without TLS gave no error", mode)
		}
	}
	ours.present(server, "db.example", net.IPv4(127, 0, 0, 1))
	await(t, "the server has TLS", func() bool {
		_, err := open("127.0.0.1", "sslmode=require")
		return err == nil
	})
	for _, c := range []struct {
		host, options string
		want          string // part of the error; empty if it connects by TLS; "none" if in the clear
	}{
		{"127.0.0.1", "sslmode=disable", "none"},
		{"127.0.0.1", "sslmode=require", ""},
		{"127.0.0.1", "sslmode=verify-full&sslrootcert=" + ours.file, ""},
		{"localhost", "sslmode=verify-full&sslrootcert=" + ours.file, "not localhost"}, // another name of the same server
		{"localhost", "sslmode=verify-ca&sslrootcert=" + ours.file, ""},
		{"127.0.0.1", "sslmode=verify-full&sslrootcert=" + theirs.file, "unknown authority"},
		{"127.0.0.1", "sslmode=verify-ca&sslrootcert=" + theirs.file, "unknown authority"},
		{"127.0.0.1", "sslmode=verify-full&sslrootcert=/nowhere", "unable to read CA file"},
		{"127.0.0.1", "sslmode=verify-full", "unknown authority"}, // nobody whom this machine trusts has signed it
	} {
		tls, err := open(c.host, c.options)
		switch {
		case c.want == "" && (err != nil || !strings.HasPrefix(tls, "TLSv1.")), c.want == "none" && (err != nil || tls != ""):
			t.Errorf("%s %s: TLS %q, %v", c.host, c.options, tls, err)
		case c.want != "" && c.want != "none" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s %s: %v, want %q", c.host, c.options, err, c.want)
		}
	}
}
