package webui_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"tapline/httpapi"
	"tapline/internal/egress"
	"tapline/keyring"
	"tapline/notice"
	"tapline/push"
	"tapline/push/pushtest"
)

// outside is a push service, whose address a browser is made to give, and the part of the service that sends.
type outside struct {
	*pushtest.Service
	browser *pushtest.Browser
}

// withPush adds what wakes devices to a world.
func withPush(t *testing.T, out *outside) func(*httpapi.Config) {
	out.Service = pushtest.New(t)
	return func(c *httpapi.Config) {
		key, err := push.PublicKey(c.Keys, c.Keys.Current(keyring.Push))
		if err != nil {
			t.Fatal(err)
		}
		out.browser = out.Subscribe(key)
		waker := notice.NewWaker(&push.Sender{Keys: c.Keys, Subject: "mailto:ops@pay.example", Now: time.Now,
			Client: egress.NewClient(egress.Options{Private: true, Roots: out.Roots()})}, slog.New(slog.DiscardHandler))
		waker.Processor = c.Processor
		ctx, stop := context.WithCancel(context.Background())
		var done sync.WaitGroup
		done.Go(func() { waker.Run(ctx) })
		t.Cleanup(func() { stop(); done.Wait() })
	}
}

// subscribes lets a person's browser subscribe at the push service of the test: headless, Chromium has none.
func (p *person) subscribes(b *pushtest.Browser) {
	p.Helper()
	enc := base64.RawURLEncoding.EncodeToString
	p.always(fmt.Sprintf(`{
		const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0)).buffer;
		const keys = { p256dh: %q, auth: %q }, kept = 'test.subscription';
		const made = (key) => ({ endpoint: %q, options: { applicationServerKey: bytes(key) }, getKey: (name) => bytes(keys[name]),
			unsubscribe: async () => { localStorage.removeItem(kept); return true; } });
		PushManager.prototype.getSubscription = async () => localStorage.getItem(kept) ? made(localStorage.getItem(kept)) : null;
		PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
			if (!userVisibleOnly) throw new Error('silent');
			let text = '';
			for (const b of applicationServerKey) text += String.fromCharCode(b);
			localStorage.setItem(kept, btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''));
			return PushManager.prototype.getSubscription();
		};
	}`, enc(b.Key()), enc(b.Auth()), b.Endpoint()))
}

// lets answers the question whether pages may show notifications.
func (p *person) lets(setting cdpbrowser.PermissionSetting) {
	p.Helper()
	_, err := chromedp.CallBrowser(p.ctx, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
		Permission: &cdpbrowser.PermissionDescriptor{Name: "notifications"}, Setting: setting,
		BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID,
	})
	if err != nil {
		p.Fatal(err)
	}
}

// worker is what the browser calls the service worker of the approve page.
func (p *person) worker() serviceworker.RegistrationID {
	p.Helper()
	found := make(chan serviceworker.RegistrationID, 16)
	err := chromedp.Listen(p.ctx, func(ev any) {
		if e, ok := ev.(*serviceworker.EventWorkerRegistrationUpdated); ok {
			for _, r := range e.Registrations {
				if strings.HasSuffix(r.ScopeURL, "/approve") && !r.IsDeleted {
					found <- r.RegistrationID
				}
			}
		}
	})
	if err != nil {
		p.Fatal(err)
	}
	if _, err := chromedp.Call(p.ctx, serviceworker.Enable, struct{}{}); err != nil {
		p.Fatal(err)
	}
	select {
	case id := <-found:
		return id
	case <-time.After(patience):
		p.Fatal("there is no worker")
		return ""
	}
}

// wakes delivers a push message to the worker, as the browser does.
func (p *person) wakes(w *world, id serviceworker.RegistrationID, payload string) {
	p.Helper()
	_, err := chromedp.Call(p.ctx, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{
		Origin: w.url, RegistrationID: id, Data: payload})
	if err != nil {
		p.Fatal(err)
	}
}

// shown are the notifications on the phone's screen.
const shown = `navigator.serviceWorker.getRegistration('/approve').then((r) => r.getNotifications()).then((all) => all.map((n) => [n.title, n.body, n.lang, n.tag, n.data.to].join(' | ')))`

// notified waits for that many notifications, and returns them.
func (p *person) notified(n int) []string {
	p.Helper()
	for {
		if got := eval[[]string](p, shown); len(got) >= n {
			return got
		}
		select {
		case <-p.ctx.Done():
			p.Fatal("nothing is shown")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestPhoneIsWokenWhileThePageIsClosed(t *testing.T) {
	var out outside
	w := openWorld(t, withPush(t, &out))
	in := browser(t)
	phone, payer := newPerson(t, in, "phone"), newPerson(t, in, "payer")
	phone.subscribes(out.browser)
	phone.lets(cdpbrowser.PermissionSettingGranted)
	w.approver(phone)
	phone.see("Now you see requests only while this page is open.")
	phone.press("Wake this phone")
	phone.see("You get a notification when a payment waits for you")
	phone.until(`document.querySelector('[role=switch]').getAttribute('aria-checked') === 'true'`, "the switch is on")
	worker := phone.worker()
	phone.open(w.url + "/me") // the approve page is closed
	phone.see("City card")
	payer.asks(w)
	got := out.browser.Wait(2) // the first tells that another device has tapped the card
	if diff := cmp.Diff([]string{`{"wake":"card"}`, `{"wake":"approve"}`}, []string{got[0].Payload, got[1].Payload}); diff != "" {
		t.Error(diff)
	}
	phone.wakes(w, worker, got[1].Payload)
	want := []string{"A payment waits for you | Open to approve or decline it. | en-US | tapline-approve | /approve"}
	if diff := cmp.Diff(want, phone.notified(1)); diff != "" {
		t.Error(diff)
	}
	phone.open(w.url + "/approve")
	phone.see("Is this your payment?")
	phone.until(`(globalThis.n = 9, `+shown+`.then((all) => { globalThis.n = all.length; }), true)`, "looked")
	phone.until(`(`+shown+`.then((all) => { globalThis.left = all.length; }), globalThis.left === 0)`, "took the notification away")
	phone.wakes(w, worker, `{"wake":"approve"}`) // it is on the screen already
	phone.wakes(w, worker, `{"wake":"card"}`)
	want = []string{"Something about your card | Open to see what it is. | en-US | tapline-card | /me"}
	if diff := cmp.Diff(want, phone.notified(1)); diff != "" {
		t.Error(diff)
	}
}

func TestSwitchIsKeptAndCanBeTurnedOff(t *testing.T) {
	var out outside
	w := openWorld(t, withPush(t, &out))
	phone := newPerson(t, browser(t), "phone")
	phone.subscribes(out.browser)
	phone.lets(cdpbrowser.PermissionSettingGranted)
	w.approver(phone)
	phone.press("Wake this phone")
	phone.see("Also when money leaves your account")
	phone.press("Also when money leaves your account")
	phone.until(`document.querySelectorAll('[role=switch]')[1]?.getAttribute('aria-checked') === 'false'`, "the second switch is off")
	phone.do(chromedp.Reload())
	phone.until(`[...document.querySelectorAll('[role=switch]')].map((s) => s.getAttribute('aria-checked')).join() === 'true,false'`, "the switches are as they were")
	phone.press("Wake this phone")
	phone.see("Now you see requests only while this page is open.")
	if kept := eval[*string](phone, `localStorage.getItem('test.subscription')`); kept != nil {
		t.Error("the browser is still subscribed")
	}
}

func TestRefusedPermissionIsSaidClearly(t *testing.T) {
	var out outside
	w := openWorld(t, withPush(t, &out))
	phone := newPerson(t, browser(t), "phone")
	phone.subscribes(out.browser)
	phone.lets(cdpbrowser.PermissionSettingDenied)
	w.approver(phone)
	phone.see("Notifications are not allowed for this page")
	if got := eval[int](phone, `document.querySelectorAll('[role=switch]').length`); got != 0 {
		t.Errorf("%d switches that do nothing", got)
	}
}

func TestBrowserWithoutPushSaysSo(t *testing.T) {
	w := openWorld(t)
	phone := newPerson(t, browser(t), "phone")
	phone.always(`delete globalThis.PushManager`)
	w.approver(phone)
	phone.see("This browser cannot be woken.")
}

func TestWorkerSpeaksTheLanguageThatWasChosen(t *testing.T) {
	var out outside
	w := openWorld(t, withPush(t, &out))
	phone := newPerson(t, browser(t), "phone")
	phone.subscribes(out.browser)
	phone.lets(cdpbrowser.PermissionSettingGranted)
	w.approver(phone)
	phone.press("简体中文")
	phone.see("唤醒本手机")
	worker := phone.worker()
	phone.open(w.url + "/me")
	phone.see("City card")
	phone.wakes(w, worker, `not even JSON`)
	want := []string{"有一笔付款等待您 | 打开以确认或拒绝。 | zh-CN | tapline-approve | /approve"}
	if diff := cmp.Diff(want, phone.notified(1)); diff != "" {
		t.Error(diff)
	}
}
