package clients_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"tapline/internal/clienttest"
	"tapline/webhook"
)

// TestJavaScriptClientInABrowser runs the client in Chromium, as a page of a payee's own office might: the page's server passes on what
// is asked.
func TestJavaScriptClientInABrowser(t *testing.T) {
	t.Parallel()
	reads(t, "js")
	w, err := clienttest.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	service, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/js/", http.StripPrefix("/js/", http.FileServer(http.Dir("js"))))
	mux.Handle("/v1/", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(service) }, FlushInterval: -1})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<!doctype html><title>office</title>")
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	b := openTab(t)
	b.open(server.URL)

	keys := webhook.NewKeys()
	m := webhook.Message{ID: "whd_1", Time: time.Now(), Body: []byte(`{"type":"order.paid","timestamp":"2026-01-01T00:00:00Z","data":{"id":"书"}}`)}
	header, err := m.Header(keys)
	if err != nil {
		t.Fatal(err)
	}
	got := evaluate[string](b, fmt.Sprintf(`(async () => {
		const { connect, verifyWebhook } = await import('/js/src/index.js');
		const url = %q;
		const tapline = connect({ url, key: %q, fetch: (to, init) => fetch(to.replace(url, ''), init) });
		const events = tapline.events({ after: (await tapline.nextEvents()).next });
		const order = await tapline.makeOrder({ amount: { minor: 1250, currency: 'CNY' }, reference: 'office' });
		const { value } = await events.next();
		await events.return();
		const said = [value.type, value.subject === order.id];
		for await (const o of tapline.each.listOrders({ reference: 'office' })) said.push(o.state);
		said.push(await tapline.cancelOrder({ id: 'ord_x' }).catch((e) => e.code));
		const headers = new Headers({ 'webhook-id': %q, 'webhook-timestamp': %q, 'webhook-signature': %q });
		for (const secret of [%q, %q]) said.push((await verifyWebhook(%q, headers, secret)).data.id);
		said.push(await verifyWebhook('{}', headers, %q).catch((e) => e.reason));
		return said.join(' ');
	})()`, w.URL, w.APIKey, m.ID, header.Get("Webhook-Timestamp"), header.Get("Webhook-Signature"), keys.Secret(), keys.PublicKey(), m.Body, keys.Secret()))
	if want := "order.open true open unknown_order 书 书 signature"; strings.TrimSpace(got) != want {
		t.Errorf("the page says %s, want %s", got, want)
	}
	if found := b.complaints(); len(found) > 0 {
		t.Errorf("the console: %q", found)
	}
}
