package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"tapline/internal/client"
)

// serveCmd is "tapline serve".
type serveCmd struct {
	Listen         string `help:"Address to listen on." default:"127.0.0.1:8480" env:"TAPLINE_LISTEN" placeholder:"HOST:PORT"`
	AdminListen    string `help:"Serve /v1/admin and /metrics on this address only." env:"TAPLINE_ADMIN_LISTEN" placeholder:"HOST:PORT"`
	PublicURL      string `help:"Origin by which people and devices reach the service; what they sign is for it. Default: where it listens." env:"TAPLINE_PUBLIC_URL" placeholder:"URL"`
	TLSCert        string `help:"Certificate chain, PEM." env:"TAPLINE_TLS_CERT" type:"path" placeholder:"FILE"`
	TLSKey         string `help:"Its private key, PEM." env:"TAPLINE_TLS_KEY" type:"path" placeholder:"FILE"`
	InsecureListen bool   `help:"Allow to listen in the clear beyond this machine: only behind a proxy that ends TLS." env:"TAPLINE_INSECURE_LISTEN"`

	serviceOptions `embed:""`
	LogLevel       slog.Level `help:"debug, info, warn or error." default:"info" env:"TAPLINE_LOG_LEVEL"`
}

// Help is what the command's --help says.
func (serveCmd) Help() string {
	return `Runs the service until SIGTERM or Ctrl-C; requests in flight then finish. The first start makes the database, the
keys, and a token (0600) beside the database that enrols the first operator and does nothing else:

  tapline operator enrol --name "Olga" --token-file tapline.first-token

See docs/operate.md for keys, TLS and policy.`
}

// How long connections may take, either way. Waiting for a payment and events are bounded by their handlers.
const (
	headerLimit   = 10 * time.Second
	bodyLimit     = 30 * time.Second
	idleLimit     = 2 * time.Minute
	shutdownLimit = 30 * time.Second
)

// Run serves until it is told to stop.
func (c *serveCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	c.log = newLog(a.stderr, c.LogLevel)
	collectSeldom()
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return withHint(err, "another program may listen there; try --listen 127.0.0.1:0 for a free port")
	}
	if c.PublicURL == "" {
		if c.PublicURL, err = client.Origin(c.scheme()+"://"+listener.Addr().String(), true); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	s, err := openService(a.ctx, c.PublicURL, c.AdminListen != "", c.serviceOptions)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	servers, err := c.servers(s, listener)
	if err != nil {
		return errors.Join(err, listener.Close(), s.close())
	}
	c.announce(a.stdout, s)
	err = s.serve(a.ctx, servers)
	return errors.Join(err, s.close())
}

// collectSeldom lets the heap grow to four times what is alive before garbage is collected. Little is: the database's pages,
// most of a service's memory, are not in the heap. The environment's GOGC counts, if it is set.
func collectSeldom() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300)
	}
}

// check looks at what can be seen to be wrong before anything opens.
func (c *serveCmd) check() (err error) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return &usageError{"--tls-cert and --tls-key go together", "give both, or neither"}
	}
	for _, l := range [][2]string{{"--listen", c.Listen}, {"--admin-listen", c.AdminListen}} {
		flag, address := l[0], l[1]
		if address == "" {
			continue
		}
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return &usageError{fmt.Sprintf("%s %s: want HOST:PORT", flag, address), "such as 127.0.0.1:8480"}
		}
		if ip := net.ParseIP(host); c.PublicURL == "" && flag == "--listen" && (host == "" || ip != nil && ip.IsUnspecified()) {
			return &usageError{"--listen on all addresses needs --public-url", "give the origin that people use, such as https://pay.example"}
		}
		if c.TLSCert == "" && !c.InsecureListen && !loopback(host) {
			return withHint(fmt.Errorf("%s %s: refuses to listen in the clear beyond this machine", flag, address),
				"give --tls-cert and --tls-key, or --insecure-listen behind a proxy that ends TLS")
		}
	}
	if c.PublicURL != "" {
		if c.PublicURL, err = client.Origin(c.PublicURL, true); err != nil {
			return &usageError{"--public-url: " + err.Error(), "what devices sign is for exactly this origin"}
		}
	}
	return c.serviceOptions.check()
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (c *serveCmd) scheme() string {
	if c.TLSCert != "" {
		return "https"
	}
	return "http"
}

// bound is a server with the address it is bound to.
type bound struct {
	*http.Server
	net.Listener
}

// servers binds the service's handlers to their addresses.
func (c *serveCmd) servers(s *service, listener net.Listener) ([]bound, error) {
	wrap := func(l net.Listener) (net.Listener, error) {
		if c.TLSCert == "" {
			return l, nil
		}
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}), nil
	}
	if c.Connections > 0 {
		listener = &fewConnections{Listener: listener, most: int64(c.Connections)}
	}
	main, err := wrap(listener)
	if err != nil {
		return nil, err
	}
	out := []bound{{newServer(s.api.Handler(), s.log), main}}
	if c.AdminListen == "" {
		return out, nil
	}
	l, err := net.Listen("tcp", c.AdminListen)
	if err != nil {
		return nil, err
	}
	admin, err := wrap(l)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return append(out, bound{newServer(s.api.AdminHandler(), s.log), admin}), nil
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerLimit, ReadTimeout: bodyLimit, WriteTimeout: bodyLimit, IdleTimeout: idleLimit,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// announce tells where the service is, for people and for programs that started it.
func (c *serveCmd) announce(out io.Writer, s *service) {
	fmt.Fprintf(out, "tapline serves %s (%s) on %s\n", c.PublicURL, c.Environment, c.DB)
	if s.firstToken != "" {
		admin := ""
		if c.AdminListen != "" {
			admin = " --admin-url " + c.scheme() + "://" + c.AdminListen
		}
		fmt.Fprintf(out, "first operator: tapline operator enrol --url %s%s --name NAME --token-file %s\n", c.PublicURL, admin, c.firstTokenFile())
	}
}

// serve runs the servers until ctx ends, and then lets the requests in flight finish.
func (s *service) serve(ctx context.Context, servers []bound) error {
	failed := make(chan error, len(servers))
	for _, b := range servers {
		go func() { failed <- b.Serve(b.Listener) }()
	}
	var err error
	running := len(servers)
	select {
	case <-ctx.Done():
	case err = <-failed:
		running--
	}
	s.log.Info("shutting down")
	s.api.Shutdown()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	for _, b := range servers {
		if late := b.Shutdown(limit); late != nil {
			s.log.Warn("requests were still running and are cut off", "error", late)
			err = errors.Join(err, b.Server.Close())
		}
	}
	for range running {
		if closed := <-failed; !errors.Is(closed, http.ErrServerClosed) {
			err = errors.Join(err, closed)
		}
	}
	return err
}

func newLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}
