// @ts-check
// What was sold today, and the orders there are: searched, shown a page at a time, taken away as a table.
import { read } from '/ui/api.js';
import { button, facts, field, h, notice } from '/ui/dom.js';
import { parse, plain, show } from '/ui/money.js';
import { linesOf, termsOf } from '/ui/order.js';
import { receiptCard } from '/ui/receipt.js';
import { explain, t, when } from '/ui/words.js';
import { save, table } from '/till/csv.js';
import { refunds } from '/till/refund.js';

/** @typedef {import('/ui/api.js').Bearer} Bearer */

const states = ['open', 'claimed', 'paid', 'cancelled', 'expired'];
const mostOrders = 10_000;
const heading = ['order', 'state', 'amount', 'currency', 'reference', 'description', 'made', 'ended', 'payment'];

/** @param {any} o */
const cells = (o) => [o.id, o.state, plain(o.amount), o.amount.currency, o.reference ?? '', o.description ?? '', o.created_at, o.ended_at ?? '', o.payment ?? ''];

const slack = 11 * 60_000; // ms: a payment settles at most ten minutes after its instruction

/**
 * What was paid and given back today, by this browser's time, to this payee: all payments, also those of orders that payers made.
 * @param {Bearer} bearer @param {string} currency the payee's
 */
export function today(bearer, currency) {
  /** @type {Map<string, {at: number, amount: import('/ui/money.js').Amount}>} */
  const settled = new Map(), given = new Map();
  let readTill = 0;
  const count = h('span.quiet'), sums = h('div.stack');
  const element = h('section.panel', { 'aria-labelledby': 'today' }, h('div.totals', {}, h('h2', { id: 'today' }, t('till.today')), count), sums);
  const draw = () => {
    const midnight = new Date().setHours(0, 0, 0, 0);
    const [taken, back] = [settled, given].map((all) => [...all.values()].filter((p) => p.at >= midnight));
    const currencies = [...new Set([currency, ...[...taken, ...back].map((p) => p.amount.currency)])];
    const of = (/** @type {typeof taken} */ all, /** @type {string} */ currency) => all.reduce((n, p) => n + (p.amount.currency === currency ? p.amount.minor : 0), 0);
    sums.replaceChildren(...currencies.map((currency) => {
      const gross = of(taken, currency), refunded = of(back, currency);
      const money = (/** @type {number} */ minor) => show({ minor, currency });
      return h('div.day', {}, h('p.sum', { 'aria-label': t('till.net') + ' ' + money(gross - refunded) }, money(gross - refunded)),
        refunded > 0 && facts([[t('till.gross'), money(gross)], [t('till.given'), money(-refunded)]]));
    }));
    count.textContent = taken.length === 1 ? t('till.one_payment') : t('till.payments', { n: taken.length });
  };
  draw();
  return { element,
    /** Reads what came since. @param {AbortSignal} [signal] */
    async refresh(signal) {
      const began = Date.now(), from = Math.max(new Date().setHours(0, 0, 0, 0), readTill) - slack;
      await Promise.all([
        through('/v1/payments?role=payee&state=settled', 'payments', from, (p) => p.instructed_at, (p) => settled.set(p.id, { at: Date.parse(p.ended_at), amount: p.amount })),
        through('/v1/refunds?', 'refunds', from, (r) => r.refunded_at, (r) => given.set(r.id, { at: Date.parse(r.refunded_at), amount: r.amount })),
      ]);
      readTill = began;
      draw();
    } };

  /** Reads a list, newest first, back to a time. @param {string} path @param {string} name @param {number} from @param {(x: any) => string} at @param {(x: any) => void} take */
  async function through(path, name, from, at, take) {
    for (let before = ''; ;) {
      const page = await read(path + '&limit=200' + (before && '&before=' + encodeURIComponent(before)), { bearer });
      page[name].forEach(take);
      before = page.next ?? '';
      if (!before || page[name].length && Date.parse(at(page[name].at(-1))) < from) return;
    }
  }
}

/** The orders. @param {{bearer: Bearer, may: boolean, currency: string, open: (o: any) => void}} at open shows an order's code */
export function orders({ bearer, may, currency, open }) {
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
    const row = item(o, { bearer, may, open }, Boolean(had?.row.querySelector('[open]')));
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
      save('orders.csv', table(heading, all.map(cells)));
    } catch (e) { tell(e); }
  }, { kind: 'second' });
  const element = h('div.stack', {},
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

/** One order, to be opened. @param {any} o @param {{bearer: Bearer, may: boolean, open: (o: any) => void}} at @param {boolean} isOpen */
function item(o, { bearer, may, open }, isOpen) {
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
      !o.ended_at && button(t('till.show'), () => open(o), { kind: 'second' }),
    ].filter(Boolean));
    if (o.state === 'paid') more.append(await paidWith(o.payment, { bearer, may }));
  };
  element.addEventListener('toggle', fill);
  if (isOpen) fill();
  return h('li', {}, element);
}

/** The payment of an order: its refunds and its receipt. @param {string} id @param {{bearer: Bearer, may: boolean}} at */
export async function paidWith(id, at) {
  try {
    return h('div.stack', {}, refunds(await read('/v1/payments/' + id, { bearer: at.bearer }), at).element, await receiptCard(id, at.bearer));
  } catch (e) {
    return notice('bad', explain(e));
  }
}
