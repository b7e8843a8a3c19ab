package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"tapline/card/oda"
	"tapline/consent"
	"tapline/history"
	"tapline/httpapi"
	"tapline/internal/egress"
	"tapline/keyring"
	"tapline/money"
	"tapline/notice"
	"tapline/payment"
	"tapline/processor"
	"tapline/sandbox"
	"tapline/sqlstore"
	"tapline/webui"
)

// serviceOptions are the settings of a service, wherever it listens.
type serviceOptions struct {
	databaseFlags `embed:""`
	Keys          string `help:"Folder of secret keys. Default: the database file's name with -keys, or tapline-keys." env:"TAPLINE_KEYS" type:"path" placeholder:"FOLDER"`
	Environment   string `help:"live, test or sandbox. A database belongs to one for ever." enum:"live,test,sandbox" default:"test" env:"TAPLINE_ENVIRONMENT"`
	Sandbox       bool   `help:"Short for --environment sandbox: for tests, with test cards and a test clock." env:"TAPLINE_SANDBOX"`

	Policy               string   `help:"What a payment needs: tap, authenticate, confirm or approve." enum:"tap,authenticate,confirm,approve" default:"approve" env:"TAPLINE_POLICY"`
	AllowIdentifiedTap   bool     `help:"Let card numbers that were only read, and may be copies, settle at level tap." env:"TAPLINE_ALLOW_IDENTIFIED_TAP"`
	TapLimit             int64    `help:"Greatest payment at level tap, minor units." default:"5000" env:"TAPLINE_TAP_LIMIT"`
	TapDailyLimit        int64    `help:"Greatest sum of a card's payments at level tap in a UTC day, minor units." default:"15000" env:"TAPLINE_TAP_DAILY_LIMIT"`
	IdentifiedLimit      int64    `help:"Greatest payment with a card number that was only read, at any level, minor units." default:"50000" env:"TAPLINE_IDENTIFIED_LIMIT"`
	IdentifiedDailyLimit int64    `help:"Greatest sum of a card's payments in a UTC day by a number that was only read, at any level, minor units." default:"100000" env:"TAPLINE_IDENTIFIED_DAILY_LIMIT"`
	DormantAfter         int      `help:"Days without a payment after which a card's next one needs everything, as if --policy were approve; 0 for never." default:"730" env:"TAPLINE_DORMANT_AFTER" placeholder:"DAYS"`
	CardLimits           spending `help:"Limits of every card that has no others: payment, day-count, day-sum, month-count, month-sum; sums in minor units." env:"TAPLINE_CARD_LIMITS" placeholder:"day-sum=100000,day-count=20"`
	PayeeLimits          spending `help:"Limits of every payee that has no others, likewise." env:"TAPLINE_PAYEE_LIMITS" placeholder:"LIMITS"`
	CodeDigits           int      `help:"Digits of approval codes: 2, or 6 to be strict." enum:"2,6" default:"2" env:"TAPLINE_CODE_DIGITS"`
	FourEyesAbove        int64    `help:"The most, in minor units, that one operator may put on an account alone; above it another one has to confirm. 0 for no limit." default:"0" env:"TAPLINE_FOUR_EYES_ABOVE"`
	SkimStep             int64    `help:"By how much the counter of a card that proves itself may rise between two taps without an alarm; 0 for none." default:"50" env:"TAPLINE_SKIM_STEP"`
	CAPK                 string   `name:"capk" help:"JSON file of the card schemes' certification authority keys and of revoked certificates, in place of the built-in keys; docs/cards.md has its form." env:"TAPLINE_CAPK" type:"path" placeholder:"FILE"`
	CAPKTest             bool     `name:"capk-test" help:"Take test keys of --capk, too: anybody can make cards that they prove. Only in the test environment." env:"TAPLINE_CAPK_TEST"`
	TapCountry           uint16   `help:"The country that payment cards are told, ISO 3166-1 numeric." default:"156" env:"TAPLINE_TAP_COUNTRY" placeholder:"NUMBER"`
	limitOptions         `embed:""`
	mailOptions          `embed:""`
	payoutOptions        `embed:""`
	PushSubject          string `help:"Whom push services may ask about this one: a mailto: or https: address. Default: --public-url, where that is https." env:"TAPLINE_PUSH_SUBJECT" placeholder:"URL"`
	WebhooksHere         bool   `help:"Let payees have webhooks sent to programs on this machine, by plain http. Only in the test environment." env:"TAPLINE_WEBHOOKS_HERE"`
	PINQueue             int    `help:"PINs that may wait to be checked; beyond, 503." default:"64" env:"TAPLINE_PIN_QUEUE"`

	log    *slog.Logger
	egress egress.Options       // what may be reached at addresses that strangers name
	pages  func(*http.ServeMux) // further ones, of a demo
}

// maxPINQueue is as many PINs as can be checked, at some ten milliseconds each, well within the time that a check may
// take.
const maxPINQueue = 512

// maxDormantAfter is a hundred years, in days.
const maxDormantAfter = 36_500

func (o *serviceOptions) check() error {
	if err := o.databaseFlags.check(); err != nil {
		return err
	}
	for _, limit := range []int64{o.TapLimit, o.TapDailyLimit, o.IdentifiedLimit, o.IdentifiedDailyLimit} {
		if limit < 0 || limit > money.MaxMinor {
			return &usageError{
				fmt.Sprintf("--tap-limit, --tap-daily-limit, --identified-limit, --identified-daily-limit: want 0 to %d", money.MaxMinor),
				"they are minor units: 5000 is 50.00",
			}
		}
	}
	if err := o.checkSandbox(); err != nil {
		return err
	}
	if o.DormantAfter < 0 || o.DormantAfter > maxDormantAfter {
		return &usageError{fmt.Sprintf("--dormant-after: want 0 to %d days", maxDormantAfter), "730 is two years, 0 never"}
	}
	if o.FourEyesAbove < 0 {
		return &usageError{"--four-eyes-above: want at least 0", "0 lets one operator top up any amount alone"}
	}
	if o.BankAccountDelay < 0 {
		return &usageError{"--bank-account-delay: want at least 0", "24h gives a payee a day to object"}
	}
	if o.SkimStep < 0 {
		return &usageError{"--skim-step: want at least 0", "0 switches the alarm off"}
	}
	if o.PINQueue < 1 || o.PINQueue > maxPINQueue {
		return &usageError{fmt.Sprintf("--pin-queue: want 1 to %d", maxPINQueue), "a longer queue would keep people waiting for longer than a request may take"}
	}
	if err := o.limitOptions.check(); err != nil {
		return err
	}
	if o.Keys == "" {
		o.Keys = o.besideDB("-keys")
	}
	if err := o.checkPush(); err != nil {
		return err
	}
	if err := o.checkWebhooks(); err != nil {
		return err
	}
	if _, err := o.relay(); err != nil {
		return err
	}
	return o.checkProofs()
}

func (o *serviceOptions) besideDB(suffix string) string {
	if sqlstore.IsServer(o.DB) {
		return "tapline" + suffix
	}
	return strings.TrimSuffix(o.DB, filepath.Ext(o.DB)) + suffix
}

func (o *serviceOptions) firstTokenFile() string { return o.besideDB(".first-token") }

func (o *serviceOptions) policy() (payment.Policy, error) {
	level, err := payment.ParseLevel(o.Policy)
	return payment.Policy{
		Level: level, AllowIdentifiedTap: o.AllowIdentifiedTap, TapLimit: o.TapLimit, TapDailyLimit: o.TapDailyLimit,
		IdentifiedLimit: o.IdentifiedLimit, IdentifiedDailyLimit: o.IdentifiedDailyLimit,
		DormantAfter: time.Duration(o.DormantAfter) * 24 * time.Hour,
	}, err
}

// service is a running service: everything behind the listeners.
type service struct {
	url        string
	log        *slog.Logger
	store      *sqlstore.Store
	processor  *processor.Processor
	api        *httpapi.Service
	waker      *notice.Waker
	sealer     *history.Sealer
	courier    *notice.Courier
	mailer     *notice.Mailer   // nil where there is no relay
	sandbox    *sandbox.Sandbox // nil elsewhere
	firstToken string           // "" once an operator is enrolled

	stop context.CancelFunc // of what runs in the background
	done sync.WaitGroup
}

// openService opens database and keys and starts the processor.
func openService(ctx context.Context, publicURL string, separateAdmin bool, o serviceOptions) (*service, error) {
	policy, err := o.policy()
	if err != nil {
		return nil, err
	}
	if policy.Level == payment.LevelTap && policy.AllowIdentifiedTap {
		o.log.Warn("identified taps may settle: whoever once read a card can pay from its associated device under the tap limits")
	}
	schemes, err := loadAuthorities(o.CAPK, o.CAPKTest)
	if err != nil {
		return nil, err
	}
	tellAuthorities(o.log, schemes)
	options := o.options(sqlstore.Options{Environment: o.Environment})
	there, err := sqlstore.Exists(ctx, o.DB, options)
	if err != nil {
		return nil, err
	}
	keys, err := o.openKeys(!there)
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(ctx, o.DB, options)
	if err != nil {
		return nil, err
	}
	s := &service{url: publicURL, log: o.log, store: store}
	if err := s.open(ctx, separateAdmin, policy, o, keys, schemes); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.done.Go(func() { s.processor.Sweep(background) })
	s.done.Go(func() { s.waker.Run(background) })
	s.done.Go(func() { s.courier.Run(background) })
	if s.mailer != nil {
		s.done.Go(func() { s.mailer.Run(background) })
	}
	s.done.Go(func() { s.purge(background) })
	s.done.Go(func() { s.sealer.Run(background) })
	return s, nil
}

func (s *service) open(ctx context.Context, separateAdmin bool, policy payment.Policy, o serviceOptions, keys *keyring.Keyring, schemes *oda.Authorities) (err error) {
	if err := belong(ctx, s.store, keys); err != nil {
		return err
	}
	if s.firstToken, err = firstToken(ctx, s.store, o.firstTokenFile()); err != nil {
		return err
	}
	epoch, err := s.store.Epoch(ctx)
	if err != nil {
		return err
	}
	metrics := httpapi.NewMetrics()
	if err := s.newMailer(o, keys, metrics.OnMail); err != nil {
		return err
	}
	s.newProcessor(o, keys, policy, metrics)
	s.sealer = &history.Sealer{Store: s.store, Keys: keys, Issuer: s.url, Environment: o.said(), Log: o.log}
	s.makeSandbox(o, keys)
	s.api = httpapi.New(httpapi.Config{
		Processor: s.processor, Store: s.store, Keys: keys, Policy: policy,
		PINs:      consent.NewPINHasher(keys, consent.DefaultPINParams, runtime.GOMAXPROCS(0), o.PINQueue),
		PublicURL: s.url, Environment: o.said(), Sandbox: s.sandbox, Now: s.clock(), World: time.Now, Version: version, Epoch: epoch, History: s.sealer, CodeDigits: o.CodeDigits, SkimStep: o.SkimStep, FourEyesAbove: o.FourEyesAbove, BankAccountDelay: o.BankAccountDelay, Authorities: schemes, TerminalCountry: o.TapCountry, SeparateAdmin: separateAdmin, Mails: s.mailer != nil, WebhooksHere: o.WebhooksHere,
		Limits: o.limits(), InFlight: o.InFlight,
		FirstToken: func() (string, bool) { return s.firstToken, s.firstToken != "" },
		Metrics:    metrics, Log: o.log,
		Pages: func(mux *http.ServeMux) {
			webui.Handle(mux)
			if o.pages != nil {
				o.pages(mux)
			}
		},
	})
	if s.sandbox != nil {
		s.sandbox.Through(s.api.Handler())
	}
	return nil
}

// purgeEvery is how often the service looks for what need no longer be kept.
const purgeEvery = 10 * time.Minute

// purge deletes what need no longer be kept, until ctx is done.
func (s *service) purge(ctx context.Context) {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		deleted, err := s.store.Purge(ctx, time.Now()) // in the world, also in a sandbox: signatures are judged by its time
		if err != nil && ctx.Err() == nil {
			s.log.Warn("old rows were not deleted", "error", err)
		}
		if deleted > 0 && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// close ends what runs in the background and closes the database. The listeners are closed before.
func (s *service) close() error {
	s.stop()
	s.done.Wait()
	if s.sandbox != nil {
		s.sandbox.Close()
	}
	s.processor.Close()
	return s.store.Close()
}

// openKeys opens the keys, and makes them only together with a new database: new keys beside an old database would make
// every PIN and card in it unknown.
func openKeys(dir string, newDB bool) (*keyring.Keyring, error) {
	if newDB {
		return keyring.OpenOrCreate(dir)
	}
	keys, err := keyring.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(err, "the database is there but its keys are not; restore the keys folder, or name it with --keys")
	}
	return keys, err
}

// belong checks that keys and database belong together: with other keys no card would be known and every PIN be wrong,
// and a card could be issued twice.
func belong(ctx context.Context, store *sqlstore.Store, keys *keyring.Keyring) error {
	const what = "the keys that belong to this database"
	mark := func(version int, sum []byte) string {
		return strconv.Itoa(version) + "." + base64.RawURLEncoding.EncodeToString(sum)
	}
	now := keys.MAC(keyring.Number, []byte(what))
	kept, err := store.Remember(ctx, "keys", mark(now.Version, now.Sum))
	if err != nil {
		return err
	}
	for _, v := range keys.MACs(keyring.Number, []byte(what)) {
		if mark(v.Version, v.Sum) == kept {
			return nil
		}
	}
	return withHint(errors.New("the keys are not those of this database"), "name the folder that was made with it with --keys")
}

// firstToken makes or reads the token that enrols the first operator, and removes it once there is one.
func firstToken(ctx context.Context, store processor.Store, file string) (string, error) {
	var rows processor.Rows
	err := store.View(ctx, func(r processor.Reader) (err error) {
		rows, err = r.Load(processor.Wants{AnyOf: true})
		return err
	})
	if err != nil {
		return "", err
	}
	if len(rows.Operators) > 0 {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		return "", nil
	}
	token := "tfo_" + rand.Text() + rand.Text()
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return token, writeWhole(file, token+"\n")
	case err != nil:
		return "", err
	case info.Mode().Perm()&0o077 != 0:
		return "", withHint(fmt.Errorf("%s can be read by others", file), "remove it; the next start makes a new token")
	}
	old, err := os.ReadFile(file)
	text := strings.TrimSpace(string(old))
	if err == nil && len(text) != len(token) {
		return "", withHint(fmt.Errorf("%s holds no token", file), "remove it; the next start makes a new token")
	}
	return text, err
}

// writeWhole writes a file that only its owner can read, whole or not at all, and durably.
func writeWhole(path, text string) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// demoOptions are those of the demo's service, in a folder of its own.
func demoOptions(dir string) serviceOptions {
	o := serviceOptions{
		databaseFlags: databaseFlags{DB: filepath.Join(dir, "tapline.db")}, Environment: "test", Policy: payment.DefaultPolicy.Level.String(),
		TapLimit: payment.DefaultPolicy.TapLimit, TapDailyLimit: payment.DefaultPolicy.TapDailyLimit,
		IdentifiedLimit: payment.DefaultPolicy.IdentifiedLimit, IdentifiedDailyLimit: payment.DefaultPolicy.IdentifiedDailyLimit,
		DormantAfter: int(payment.DefaultPolicy.DormantAfter / (24 * time.Hour)),
		CodeDigits:   2, SkimStep: 50, PINQueue: 64, log: slog.New(slog.DiscardHandler),
	}
	o.Keys = o.besideDB("-keys")
	return o
}

// startService opens a service and serves it on a free port of this machine until it is closed.
func startService(ctx context.Context, o serviceOptions) (*service, error) {
	listener, origin, err := listenHere()
	if err != nil {
		return nil, err
	}
	s, err := openService(ctx, origin, false, o)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	background := s.stop
	served := make(chan struct{})
	s.stop = func() { stop(); <-served; background() }
	go func() {
		defer close(served)
		if err := s.serve(serving, []bound{{newServer(s.api.Handler(), s.log), listener}}); err != nil {
			s.log.Error("serving", "error", err)
		}
	}()
	return s, nil
}

// listenHere listens on a free port of this machine. The origin is by name, not by number: browsers make passkeys for
// names only.
func listenHere() (net.Listener, string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String()) // it is one
	return listener, "http://localhost:" + port, nil
}
