// @ts-check
// What was sold today, and the orders there are: searched, shown a page at a time, taken away as a table.
import { read } from '/ui/api.js';
import { button, facts, field, h, notice } from '/ui/dom.js';
import { parse, show } from '/ui/money.js';
import { linesOf, termsOf } from '/ui/order.js';
import { receiptCard } from '/ui/receipt.js';
import { explain, t, when } from '/ui/words.js';
import { table } from '/till/csv.js';

/** @typedef {import('/ui/api.js').Bearer} Bearer */

const states = ['open', 'claimed', 'paid', 'cancelled', 'expired'];
const mostOrders = 10_000;
const slack = 11 * 60_000; // ms: a payment settles at most ten minutes after its instruction

/** What was paid today, to this payee: all payments, also those of orders that payers made. @param {Bearer} bearer @param {string} currency */
export function today(bearer, currency) {
  /** @type {Map<string, {at: number, minor: number}>} */
  const settled = new Map();
  let readTill = 0;
  const count = h('span.quiet'), sum = h('span.sum');
  const element = h('section.panel', { 'aria-labelledby': 'today' }, h('h2', { id: 'today' }, t('till.today')), h('p.totals', {}, sum, count));
  const draw = () => {
    const midnight = new Date().setHours(0, 0, 0, 0);
    const all = [...settled.values()].filter((p) => p.at >= midnight);
    sum.textContent = show({ minor: all.reduce((n, p) => n + p.minor, 0), currency });
    count.textContent = all.length === 1 ? t('till.one_payment') : t('till.payments', { n: all.length });
  };
  draw();
  return { element,
    /** Reads what came since. @param {AbortSignal} [signal] */
    async refresh(signal) {
      const began = Date.now(), from = Math.max(new Date().setHours(0, 0, 0, 0), readTill) - slack;
      for (let before = ''; ;) {
        const { payments, next } = await read('/v1/payments?state=settled&limit=200' + (before && '&before=' + encodeURIComponent(before)), { bearer, signal });
        for (const p of payments) settled.set(p.id, { at: Date.parse(p.ended_at), minor: p.amount.currency === currency ? p.amount.minor : 0 });
        before = next;
        if (!next || Date.parse(payments.at(-1).instructed_at) < from) break;
      }
      readTill = began;
      draw();
    } };
}

/** The orders. @param {Bearer} bearer @param {string} currency @param {(o: any) => void} open shows an order's code */
export function orders(bearer, currency, open) {
  const reference = field(t('till.find_reference'), { maxlength: 64 });
  const amount = field(t('till.find_amount'), { inputmode: 'decimal' });
  const state = h('select', { id: 'state' }, h('option', { value: '' }, t('till.any')), states.map((s) => h('option', { value: s }, t('till.state.' + s))));
  const rows = h('ul.items'), trouble = h('div', { role: 'alert' });
  let query = '', next = '';
  /** @type {Map<string, {version: number, at: string, row: HTMLElement}>} */
  let known = new Map();

  const tell = (/** @type {any} */ e) => trouble.replaceChildren(notice('bad', explain(e)));
  const put = (/** @type {any} */ o) => {
    const had = known.get(o.id);
    if (had && had.version >= o.version) return;
    const row = item(o, bearer, open, Boolean(had?.row.querySelector('[open]')));
    if (had) had.row.replaceWith(row);
    else rows.insertBefore(row, [...known.values()].filter((k) => k.at < o.created_at).sort((a, b) => a.at < b.at ? 1 : -1)[0]?.row ?? null);
    known.set(o.id, { version: o.version, at: o.created_at, row });
  };
  const page = (/** @type {string} */ before, /** @type {number} */ limit, /** @type {AbortSignal | undefined} */ signal = undefined) =>
    read(`/v1/orders?limit=${limit}${query}` + (before && '&before=' + encodeURIComponent(before)), { bearer, signal });
  const more = button(t('till.more'), () => on(next).catch(tell), { kind: 'second' });
  const on = async (/** @type {string} */ from) => {
    const got = await page(from, 20);
    got.orders.forEach(put);
    next = got.next ?? '';
    more.hidden = !next;
    trouble.replaceChildren(known.size ? '' : h('p.quiet', {}, t('till.none')));
  };
  const find = async (/** @type {Event} */ e) => {
    e.preventDefault();
    const wanted = amount.input.value.trim() ? parse(amount.input.value, currency) : undefined;
    if (amount.input.value.trim() && !wanted) return amount.tell(t('order.bad_amount'));
    amount.tell('');
    query = (reference.input.value.trim() && '&reference=' + encodeURIComponent(reference.input.value.trim())) +
      (wanted ? '&minor=' + wanted.minor : '') + (state.value && '&state=' + state.value);
    known = new Map();
    rows.replaceChildren();
    await on('').catch(tell);
  };
  const csv = button(t('till.csv'), async () => {
    try {
      const all = [];
      for (let before = ''; ;) {
        const got = await page(before, 200);
        all.push(...got.orders);
        before = got.next ?? '';
        if (!before) break;
        if (all.length >= mostOrders) return trouble.replaceChildren(notice('bad', t('till.too_many')));
      }
      const link = h('a', { href: URL.createObjectURL(new Blob([table(all)], { type: 'text/csv;charset=utf-8' })), download: 'orders.csv' });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (e) { tell(e); }
  }, { kind: 'second' });
  const element = h('section.stack', { 'aria-labelledby': 'orders' }, h('h2', { id: 'orders' }, t('till.history')),
    h('form', { onsubmit: find }, h('div.find', {}, reference.row, amount.row, h('div.field', {}, h('label', { for: 'state' }, t('till.find_state')), state)),
      h('button.second', { type: 'submit' }, t('till.find'))), rows, trouble, more, csv);
  return { element,
    /** Reads the newest again. @param {AbortSignal} [signal] */
    async refresh(signal) {
      if (!next && !known.size) return on('');
      (await page('', 20, signal)).orders.forEach(put);
      if (known.size) trouble.replaceChildren();
    } };
}

/** One order, to be opened. @param {any} o @param {Bearer} bearer @param {(o: any) => void} show_ @param {boolean} isOpen */
function item(o, bearer, show_, isOpen) {
  const more = h('div.stack');
  const name = o.reference || o.description || o.id.slice(0, 12) + '…';
  const element = h('details.item', { open: isOpen }, h('summary', {},
    h('span.what', {}, h('bdi', {}, name), h('span.quiet', {}, `${when(o.created_at)} · ${t('till.state.' + o.state)}`)),
    h('span' + (o.state === 'paid' ? '.sum' : '.sum.quiet'), {}, show(o.amount))), more);
  let filled = false;
  const fill = async () => {
    if (filled || !element.open) return;
    filled = true;
    more.replaceChildren(...[
      facts([[t('fact.order'), h('bdi', {}, [o.reference, o.description].filter(Boolean).join(' · ') || o.id)], [t('fact.payment'), o.payment && h('code', {}, o.payment)]]),
      linesOf(termsOf(o)),
      !o.ended_at && button(t('till.show'), () => show_(o), { kind: 'second' }),
    ].filter(Boolean));
    if (o.state === 'paid') more.append(await receiptCard(o.payment, bearer));
  };
  element.addEventListener('toggle', fill);
  if (isOpen) fill();
  return h('li', {}, element);
}
