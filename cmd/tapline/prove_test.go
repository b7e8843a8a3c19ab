package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/card/oda"
	"tapline/consent"
	"tapline/device"
	"tapline/internal/testenv"
	"tapline/money"
	"tapline/operator"
)

// checkout is a shop's counter: a service that trusts a card's authority, a payee, and this device with a reader.
type checkout struct {
	t       *testing.T
	service *service
	log     *bytes.Buffer // read only after the service is closed
	reader  *cardtest.Reader
	pin     string // a file
}

const testCardNumber = "4111111111111111"

func openCheckout(t *testing.T, virtual *cardtest.EMV) *checkout {
	t.Helper()
	reader, err := cardtest.StartReader(t.Context())
	if unavailable, missing := errors.AsType[*cardtest.UnavailableError](err); missing {
		testenv.Require(t, "pcscd", false, unavailable.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	c := &checkout{t: t, reader: reader, log: &bytes.Buffer{}, pin: filepath.Join(dir, "pin")}
	o := demoOptions(dir)
	o.CAPK, o.CAPKTest, o.Policy = filepath.Join(dir, "capk.json"), true, "tap"
	o.log = slog.New(slog.NewTextHandler(c.log, nil))
	c.must(os.WriteFile(o.CAPK, virtual.Proof.Authorities(virtual), 0o600))
	c.must(os.WriteFile(c.pin, []byte("470916\n"), 0o600))
	c.service, err = startService(t.Context(), o)
	c.must(err)
	t.Cleanup(func() {
		if c.service != nil {
			c.must(c.service.close())
		}
	})
	key, err := device.MakeKey(filepath.Join(dir, "device.pem"))
	c.must(err)
	for name, value := range map[string]string{
		"PCSCLITE_CSOCK_NAME": reader.Socket(), "TAPLINE_URL": c.service.url, "TAPLINE_KEY": filepath.Join(dir, "device.pem"),
	} {
		t.Setenv(name, value)
	}
	c.furnish(&device.Client{URL: c.service.url, Key: key, Now: time.Now})
	return c
}

func (c *checkout) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// furnish makes the payee, and the card whose associated device this one is.
func (c *checkout) furnish(here *device.Client) {
	c.t.Helper()
	key, err := consent.NewDeviceKey()
	c.must(err)
	boss := &operator.Client{URL: c.service.url, Key: key, Now: time.Now}
	_, err = boss.EnrolFirst(c.t.Context(), c.service.firstToken, "Olga")
	c.must(err)
	_, err = boss.AddPayee(c.t.Context(), api.NewPayee{Handle: "books@shop", Name: "Book Shop", Currency: "CNY"})
	c.must(err)
	issued, err := boss.IssueCard(c.t.Context(), api.NewCard{AccountNumber: testCardNumber, Label: "Visa", Currency: "CNY"})
	c.must(err)
	_, err = boss.TopUp(c.t.Context(), issued.Card.Account, api.NewTopUp{Amount: money.Amount{Minor: 100_00, Currency: "CNY"}})
	c.must(err)
	_, err = here.Register(c.t.Context(), "counter")
	c.must(err)
	_, err = here.Activate(c.t.Context(), consent.Code(issued.Code), testCardNumber, "470916")
	c.must(err)
}

func (c *checkout) identify() (found api.Tap) {
	c.t.Helper()
	code, out, errs := runQuietly(c.t.Context(), "card", "identify", "--json")
	if err := json.Unmarshal([]byte(out), &found); code != 0 || err != nil {
		c.t.Fatalf("card identify: %d, %v\n%s%s", code, err, out, errs)
	}
	return found
}

func TestPaymentCardProvesItselfToTheServiceOnARealReader(t *testing.T) {
	virtual := &cardtest.EMV{Number: cardtest.Number(testCardNumber), AID: "A0000000031010", Proof: cardtest.NewProof(oda.FDDA)}
	c := openCheckout(t, virtual)
	c.must(c.reader.Insert(t.Context(), virtual))
	found := c.identify()
	if found.Kind != api.TapEMV || found.Assurance != "authentic" || found.Card == nil || found.Card.Label != "Visa" {
		t.Errorf("the genuine card is %+v", found)
	}
	// A tap of a genuine card on its own device is all that a small payment needs.
	code, out, errs := runQuietly(t.Context(), "pay", "--amount", "1.00", "--payee", "books@shop", "--yes", "--json", "--pin-file", c.pin)
	if code != 0 || strings.Contains(out, `"step":"authenticated"`) || !strings.Contains(out, `"state":"settled"`) {
		t.Errorf("pay: %d\n%s%s", code, out, errs)
	}
	if strings.Contains(out+errs, testCardNumber) {
		t.Errorf("the number is shown:\n%s%s", out, errs)
	}
	copied := &cardtest.EMV{Number: cardtest.Number(testCardNumber), AID: "A0000000031010"}
	c.reader.Remove()
	c.must(c.reader.Insert(t.Context(), copied))
	if found := c.identify(); found.Assurance != "identified" || found.Card == nil {
		t.Errorf("the copy is %+v", found)
	}
	code, out, errs = runQuietly(t.Context(), "pay", "--amount", "1.00", "--payee", "books@shop", "--yes", "--json", "--pin-file", c.pin)
	if code != 0 || !strings.Contains(out, `"step":"authenticated"`) {
		t.Errorf("pay with a copy: %d\n%s%s", code, out, errs)
	}
	service := c.service
	c.service = nil
	c.must(service.close())
	if !strings.Contains(c.log.String(), "TEST KEYS") || strings.Contains(c.log.String(), testCardNumber) {
		t.Errorf("the log:\n%s", c.log)
	}
}

func TestServiceRefusesKeysThatDoNotFit(t *testing.T) {
	o := demoOptions(t.TempDir())
	o.CAPK = filepath.Join(filepath.Dir(o.DB), "capk.json")
	refusedWith(t, o, "no such file")
	if err := os.WriteFile(o.CAPK, []byte(`{"keys": [{"rid": "A000000003", "index": "01", "modulus": "00"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, o, "--capk "+o.CAPK)
	if _, err := os.Stat(o.DB); err == nil {
		t.Error("a database was made all the same")
	}
	for name, change := range map[string]func(*serviceOptions){
		"--tap-country":                         func(o *serviceOptions) { o.TapCountry = 1000 },
		"--capk-test needs --capk":              func(o *serviceOptions) { o.CAPK, o.CAPKTest = "", true },
		"--capk-test is refused in the live en": func(o *serviceOptions) { o.CAPKTest, o.Environment = true, "live" },
	} {
		bad := o
		change(&bad)
		if err := bad.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
