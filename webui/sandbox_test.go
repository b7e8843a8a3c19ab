package webui_test

import (
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"tapline/api"
	"tapline/httpapi"
	"tapline/payee"
	"tapline/payment"
	"tapline/processor"
	"tapline/sandbox"
	"tapline/sqlstore"
)

// inSandbox makes a world a sandbox.
func inSandbox(t *testing.T) func(*httpapi.Config) {
	return func(c *httpapi.Config) {
		store, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "box.db"), sqlstore.Options{Environment: sqlstore.Sandbox})
		if err != nil {
			t.Fatal(err)
		}
		p := processor.New(processor.Config{Store: store, Keys: c.Keys, Policy: payment.DefaultPolicy, Log: c.Log})
		c.Store, c.Processor, c.Now, c.World = store, p, store.Clock, time.Now
		c.Sandbox = sandbox.New(sandbox.Config{Store: store, Processor: p, Keys: c.Keys, URL: c.PublicURL, Log: c.Log})
		self, err := url.Parse(c.PublicURL)
		if err != nil {
			t.Fatal(err)
		}
		c.Sandbox.Through(httputil.NewSingleHostReverseProxy(self))
		t.Cleanup(func() {
			c.Sandbox.Close()
			p.Close()
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestInASandboxAPageHasATestCardPay(t *testing.T) {
	w := openWorld(t, inSandbox(t))
	shop := &payee.Client{URL: w.url, APIKey: w.shop.APIKey}
	order := func() api.PayeeOrder {
		o, err := shop.MakeOrder(w.ctx, api.NewOrder{Amount: cny(12_50), SuccessURL: "http://127.0.0.1:1/thanks"})
		w.must(err)
		return o
	}
	payer := newPerson(t, browser(t), "payer")
	first := order()
	payer.open(w.url + "/pay/" + first.ID)
	payer.see("Test: no money moves")
	payer.see("Pay with a test card")
	payer.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("details.test-cards summary").click()`))
	payer.see("Decline on the phone")
	payer.accessible("test cards")
	payer.fits("test cards")
	payer.look("pay-sandbox")
	payer.press("Decline on the phone")
	payer.see("The test card has done its part")
	payer.see("declined")
	payer.see("approver")
	payer.press("Back to the order")
	payer.see("Pay with a test card")
	payer.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("details.test-cards summary").click()`))
	payer.press("Approve everything")
	payer.see("settled")
	payer.see("Go on to Book Shop")
	payer.fits("the end of a test")
	payer.look("pay-sandbox-end")
	if o, err := shop.Order(w.ctx, first.ID); err != nil || o.State != "paid" {
		t.Errorf("the order is %s, %v", o.State, err)
	}
	for address, words := range map[string]string{"/operator": "Test: no money moves", "/me": "Test: no money moves", "/approve": "Test: no money moves", "/till": "Test: no money moves"} {
		payer.open(w.url + address)
		payer.see(words)
	}
	payer.do(chromedp.Evaluate[chromedp.Void](`localStorage.setItem('tapline.language', 'zh')`))
	payer.open(w.url + "/pay/" + order().ID)
	payer.see("测试：不会动用资金")
	payer.see("用测试卡付款")
	payer.fits("test cards in Chinese")
	payer.look("pay-sandbox-zh")
}

func TestElsewhereNoPageHasTestCards(t *testing.T) {
	for environment, marked := range map[string]bool{"test": true, "live": false} {
		t.Run(environment, func(t *testing.T) {
			w := openWorld(t, func(c *httpapi.Config) { c.Environment = environment })
			o, err := (&payee.Client{URL: w.url, APIKey: w.shop.APIKey}).MakeOrder(w.ctx, api.NewOrder{Amount: cny(12_50)})
			w.must(err)
			payer := newPerson(t, browser(t), "payer")
			payer.open(w.url + "/pay/" + o.ID)
			payer.see("Tap your card")
			payer.see("Book Shop")
			if marked {
				payer.see("Test: no money moves")
			}
			if text := payer.text(); strings.Contains(text, "Test: no money moves") != marked || strings.Contains(text, "test card") {
				t.Errorf("the page says %q", text)
			}
		})
	}
}
