package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tapline/api"
	"tapline/card"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
	"tapline/operator"
)

// demoCmd is "tapline demo".
type demoCmd struct {
	Once bool `help:"Exit after the story instead of keeping the service running."`
}

// Help is what the command's --help says.
func (demoCmd) Help() string {
	return `Starts a service of its own on a new database in a temporary folder, issues a virtual card, and makes three payments:
from the card's own phone; from another device, approved on the phone with a code; and one that the phone declines. Each
message is told in plain words with its duration. Then it proves the books and keeps serving until Ctrl-C.

Nothing outside of the temporary folder is touched; it is removed at the end.`
}

// demo is the stage and its actors.
type demo struct {
	narrator
	ctx      context.Context
	service  *service
	tapper   *tapper
	operator *operator.Client
	phone    *device.Client // the associated device
	laptop   *device.Client // another user device
	account  string         // of the card
	cards    demoCards      // for the pages
	shop     api.AdminPayee

	bell    chan consent.PaymentID // rings on the phone
	silence func()                 // closes the phone's event stream
}

// Run tells the story.
func (c *demoCmd) Run(a *app) (err error) {
	dir, err := os.MkdirTemp("", "tapline-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{narrator: narrator{a.stdout}, ctx: a.ctx}
	fmt.Fprintln(a.stdout, "tapline: paying online by tapping the card you carry. A story in three payments.")
	if d.tapper, err = newTapper(a.ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.tapper.close()) }()
	if err := d.start(dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.service.close()) }()
	defer func() {
		if d.silence != nil {
			d.silence()
		}
	}()
	for _, scene := range []func() error{d.furnish, d.activate, d.payFromPhone, d.payFromLaptop, d.payDeclined, d.finish} {
		if err := scene(); err != nil {
			return err
		}
	}
	if c.Once {
		return nil
	}
	if err := d.invite(); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "The service keeps running. Ctrl-C ends it and removes %s.\n", dir)
	<-a.ctx.Done()
	return nil
}

// start opens the service and enrols its first operator with the token made at first start.
func (d *demo) start(dir string) error {
	d.title("The service")
	err := d.step("start", func() (text string, err error) {
		options := demoOptions(dir)
		options.pages = d.cards.handle
		d.service, err = startService(d.ctx, options)
		if err != nil {
			return "", err
		}
		return "listens on " + d.service.url + ", SQLite database in " + dir, nil
	})
	if err != nil {
		return err
	}
	key, err := consent.NewDeviceKey()
	if err != nil {
		return err
	}
	d.operator = &operator.Client{URL: d.service.url, Key: key}
	return d.step("operator", func() (string, error) {
		token, err := os.ReadFile(filepath.Join(dir, "tapline.first-token"))
		if err != nil {
			return "", err
		}
		_, err = d.operator.EnrolFirst(d.ctx, string(token), "Olga")
		return "Olga enrols her key with the token made at first start, which is dead now", err
	})
}

// furnish issues a card with money on it, and adds a payee and two devices.
func (d *demo) furnish() error {
	d.title("What is needed: a payee, a card with money on it, two devices")
	err := d.step("payee", func() (text string, err error) {
		d.shop, err = d.operator.AddPayee(d.ctx, api.NewPayee{Handle: "books@shop", Name: "Book Shop", Currency: "CNY"})
		return "books@shop is Book Shop, with account " + d.shop.Account, err
	})
	if err != nil {
		return err
	}
	for _, who := range []struct {
		label  string
		client **device.Client
	}{{"My phone", &d.phone}, {"Borrowed laptop", &d.laptop}} {
		err := d.step("device", func() (string, error) {
			key, err := consent.NewDeviceKey()
			if err != nil {
				return "", err
			}
			*who.client = &device.Client{URL: d.service.url, Key: key}
			_, err = (*who.client).Register(d.ctx, who.label)
			return fmt.Sprintf("%q makes a key pair and registers the public half", who.label), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// activate issues the card from a tap, and binds it to the phone with the operator's code and another tap.
func (d *demo) activate() error {
	d.title("The card: a virtual one, %s", d.tapper.how)
	if d.tapper.why != "" {
		d.note("", "%s", d.tapper.why)
	}
	var reading card.Reading
	tap := func() (text string, err error) {
		reading, err = d.tapper.tap(d.ctx)
		return describeReading(reading), err
	}
	var issued api.CardCode
	issue := func() (text string, err error) {
		issued, err = d.operator.IssueCard(d.ctx, api.NewCard{AccountNumber: reading.Number.Reveal(), Label: "Campus card", Currency: "CNY"})
		d.account = issued.Card.Account
		return fmt.Sprintf("account %s\nactivation code %s, handed over apart from the card", d.account, issued.Code), err
	}
	topUp := func() (string, error) {
		_, err := d.operator.TopUp(d.ctx, d.account, api.NewTopUp{Amount: yuan(100_00), Note: "demo"})
		return "100.00 CNY credited", err
	}
	activate := func() (string, error) {
		_, err := d.phone.Activate(d.ctx, consent.Code(issued.Code), accountOf(reading), demoPIN)
		return "code + tap + a new PIN: the phone is the card's associated device now", err
	}
	for _, s := range []struct {
		topic string
		do    func() (string, error)
	}{{"tap", tap}, {"issue", issue}, {"top-up", topUp}, {"tap", tap}, {"activate", activate}} {
		if err := d.step(s.topic, s.do); err != nil {
			return err
		}
		if s.topic == "tap" {
			if err := d.tapper.lift(d.ctx); err != nil {
				return err
			}
		}
	}
	d.listen()
	return nil
}

// demoPIN is the PIN that the story's cardholder chose.
const demoPIN consent.PIN = "470916"

func yuan(fen int64) money.Amount { return money.Amount{Minor: fen, Currency: "CNY"} }
