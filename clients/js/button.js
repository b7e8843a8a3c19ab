// @ts-check
// <tapline-pay>: a button that leads to the page where an order is paid, and watches until it is. docs/clients.md says how to use it.
// What it tells is for showing only. Whoever delivers asks the service, from a server: in a browser anybody may claim anything.
const words = {
  en: {
    pay: 'Pay by card', title: 'Scan to pay', scan: 'Scan this code with your phone, and tap your card there.', code: 'QR code of the page to pay on',
    here: 'Pay on this computer', close: 'Close', open: 'Waiting for the payment…', claimed: 'Somebody is paying…', paid: 'Paid',
    cancelled: 'The order was cancelled.', expired: 'The time to pay is over.', failed: 'This did not work. Nothing was paid. Please try again.',
  },
  zh: {
    pay: '刷卡付款', title: '扫码付款', scan: '请用手机扫描此二维码，然后在手机上刷卡。', code: '付款页面的二维码', here: '在本机付款', close: '关闭',
    open: '等待付款…', claimed: '有人正在支付…', paid: '已付款', cancelled: '订单已取消。', expired: '已过付款期限。', failed: '操作失败，没有付款。请重试。',
  },
};
const sheet = new CSSStyleSheet();
sheet.replaceSync(`
  :host { display: inline-block; --main: var(--tapline-main, #0b5c57); --ink: var(--tapline-ink, #fff); --quiet: #5a6967 }
  @supports (color: light-dark(red, red)) { :host { --quiet: light-dark(#5a6967, #9fb0ad);
    --main: var(--tapline-main, light-dark(#0b5c57, #55c2b6)); --ink: var(--tapline-ink, light-dark(#fff, #04211e)) } }
  :host([hidden]) { display: none } button, a { box-sizing: border-box; width: 100%; min-height: 3.25rem; padding: .6rem 1.2rem; border: 1px solid var(--main); border-radius: 14px;
    display: inline-flex; align-items: center; justify-content: center; font: inherit; font-weight: 650; text-decoration: none; cursor: pointer; background: none; color: inherit }
  .main { background: var(--main); color: var(--ink) }
  button:disabled { opacity: .7; cursor: default } :focus-visible { outline: 3px solid var(--main); outline-offset: 2px }
  p { margin: 0; overflow-wrap: anywhere } p:empty { display: none } h2 { margin: 0; font-size: 1.35rem; line-height: 1.3 }
  :host > p, #said { margin-top: .5rem; color: var(--quiet) }
  dialog { box-sizing: border-box; width: min(22rem, 100vw - 2rem); padding: 1.25rem; border: 1px solid GrayText; border-radius: 14px; background: Canvas; color: CanvasText; font-size: 1rem; line-height: 1.4; text-align: center }
  dialog::backdrop { background: rgb(0 0 0 / .55) } dialog > div { display: grid; gap: .8rem; justify-items: center }
  img { width: min(13rem, 100%); aspect-ratio: 1; border-radius: 8px; background: #fff }
`);
/** @param {string} tag @param {Record<string, unknown>} props @param {(Node | string)[]} inside @returns {any} */
const h = (tag, props, ...inside) => { const e = Object.assign(document.createElement(tag), props); e.append(...inside); return e; };
/** The page where an order is paid: nothing else is led to. @param {string} text */
function payPage(text) {
  const url = new URL(text), safe = url.protocol === 'https:' || url.protocol === 'http:' && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  return safe && /^\/pay\/(ord|tpl)_[\w-]{22,60}$/.test(url.pathname) && !url.username ? url.origin + url.pathname : raise('not the page of an order');
}
/** The page's own origin: nobody else is asked. @param {string} text */
const own = (text) => { const url = new URL(text, location.href); return url.origin === location.origin ? url : raise('not of the page’s own origin'); };
const raise = /** @type {(why: string) => never} */ ((why) => { throw new TypeError(why); });
/** @param {URL} url @param {RequestInit} init */
const ask = (url, init) => fetch(url, { cache: 'no-store', redirect: 'error', headers: { Accept: 'application/json' }, ...init })
  .then((a) => a.ok ? a.json() : raise('status ' + a.status));
class TaplinePay extends HTMLElement {
  #made = /** @type {{url: string, watch?: string} | undefined} */ (undefined);
  #watching = /** @type {AbortController | undefined} */ (undefined);
  #parts = /** @type {Record<string, any>} */ ({});
  connectedCallback() {
    if (this.shadowRoot) return;
    const w = this.words, root = this.attachShadow({ mode: 'open', delegatesFocus: true }), p = this.#parts;
    root.adoptedStyleSheets = [sheet];
    p.button = h('button', { type: 'button', className: 'main', onclick: () => this.#press() }, h('slot', {}, w.pay));
    [p.said, p.state, p.code] = [h('p', { id: 'said', role: 'status' }), h('p', { role: 'status' }), h('img', { alt: w.code })];
    p.here = h('a', { target: '_blank', rel: 'noopener', className: 'main' }, w.here);
    p.dialog = h('dialog', { ariaLabel: w.title }, h('div', {}, h('h2', {}, w.title), p.code, h('p', {}, w.scan), p.state, p.here,
      h('button', { type: 'button', onclick: () => p.dialog.close() }, w.close)));
    root.append(p.button, p.said, p.dialog);
  }
  disconnectedCallback() { this.#watching?.abort(); }
  get words() { return words[/^zh/i.test(this.closest('[lang]')?.getAttribute('lang') || navigator.language) ? 'zh' : 'en']; }
  /** @param {string} name @param {object} detail */
  #tell(name, detail) { return this.dispatchEvent(new CustomEvent('tapline-' + name, { detail: { ...this.#made, ...detail }, bubbles: true, composed: true, cancelable: true })); }
  async #press() {
    const p = this.#parts, order = this.getAttribute('order'), make = this.getAttribute('make'), form = this.closest('form');
    p.button.disabled = true; // pressed twice, it makes one order
    try {
      this.#made ??= order ? { url: order, watch: this.getAttribute('watch') ?? undefined }
        : await ask(own(make ?? raise('neither order nor make')), { method: 'POST', body: new URLSearchParams(/** @type {any} */ (form ? new FormData(form) : '')) });
      const { url, watch } = /** @type {{url: string, watch?: string}} */ (this.#made), page = payPage(url), asked = watch && own(watch);
      p.said.textContent = '';
      if (!this.#tell('open', { url: page })) return; // the page leads there in its own way
      if (matchMedia('(hover: none) and (pointer: coarse)').matches) return location.assign(page); // a phone taps the card itself
      [p.code.src, p.here.href] = [page + '/qr.svg', page];
      p.dialog.showModal();
      if (asked) this.#watch(asked);
    } catch (error) {
      this.#made = undefined;
      p.said.textContent = this.words.failed;
      this.#tell('error', { error });
    } finally { p.button.disabled = false; }
  }
  /** Asks the shop until the order is paid, or cannot be any more. @param {URL} address */
  async #watch(address) {
    this.#watching?.abort();
    const { signal } = this.#watching = new AbortController(), p = this.#parts;
    for (let last = '', wait = 2000; !signal.aborted; await new Promise((done) => setTimeout(done, document.hidden ? 10_000 : wait))) {
      const { state } = await ask(address, { signal }).catch(() => ({ state: '' }));
      wait = state ? 2000 : Math.min(wait * 2, 15_000); // a shop that is out of reach is asked less often
      if (!state || state === last || signal.aborted) continue;
      p.state.textContent = /** @type {Record<string, string>} */ (this.words)[last = state] ?? '';
      this.#tell('state', { state });
      if (state === 'open' || state === 'claimed') continue;
      p.dialog.close();
      [p.said.textContent, p.button.disabled] = [p.state.textContent, state === 'paid'];
      this.#tell(state === 'paid' ? 'paid' : 'end', { state });
      this.#made = undefined; // what was cancelled or is over can be bought anew
      return;
    }
  }
}
if (!customElements.get('tapline-pay')) customElements.define('tapline-pay', TaplinePay);
