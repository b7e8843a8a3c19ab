// @ts-check
// The payments that were settled: of orders made here, and of those that payers made themselves. Looked through, given back,
// taken away as a table.
import { read } from '/ui/api.js';
import { button, facts, field, h, notice } from '/ui/dom.js';
import { plain, show } from '/ui/money.js';
import { receiptCard } from '/ui/receipt.js';
import { explain, t, when } from '/ui/words.js';
import { save, table } from '/till/csv.js';
import { left, refundBadge, refunds } from '/till/refund.js';

/** @typedef {import('/ui/api.js').Bearer} Bearer */

const most = 10_000, pageSize = 20, looked = 1000;

const heading = ['payment', 'settled', 'amount', 'refunded', 'fee', 'net', 'currency', 'number', 'description'];

/** @param {any} p */
const nothing = (p) => ({ ...p.amount, minor: 0 });

/** What is left of it for the payee: the fee stays with the operator. @param {any} p */
const net = (p) => ({ ...left(p), minor: left(p).minor - (p.payee_fee?.minor ?? 0) });

/** @param {any} p */
const cells = (p) => [p.id, p.ended_at, plain(p.amount), plain(p.refunded ?? nothing(p)), plain(p.payee_fee ?? nothing(p)), plain(net(p)), p.amount.currency, p.order.number ?? '', p.order.description ?? ''];

/** Whether a payment has all the words that are looked for, somewhere. @param {any} p @param {string} words */
function has(p, words) {
  const text = [p.id, plain(p.amount), show(p.amount), p.order.number, p.order.description].join(' ').toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** @param {{bearer: Bearer, may: boolean}} at */
export function payments({ bearer, may }) {
  const words = field(t('till.find_payment'), { maxlength: 64, type: 'search' }, t('till.find_payment_help'));
  const rows = h('ul.items'), trouble = h('div', { role: 'alert' });
  /** @type {Map<string, {update: (p: any) => void, row: HTMLElement, at: string}>} */
  let known = new Map();
  let next = '', begun = false, sought = '';
  const tell = (/** @type {any} */ e) => trouble.replaceChildren(notice('bad', explain(e)));
  const page = (/** @type {string} */ before, /** @type {number} */ limit, /** @type {AbortSignal | undefined} */ signal = undefined) =>
    read(`/v1/payments?role=payee&state=settled&limit=${limit}` + (before && '&before=' + encodeURIComponent(before)), { bearer, signal });
  const put = (/** @type {any} */ p) => {
    const had = known.get(p.id);
    if (had) return had.update(p);
    if (sought && !has(p, sought)) return;
    const made = item(p, { bearer, may });
    rows.insertBefore(made.row, [...known.values()].filter((k) => k.at < p.instructed_at).sort((a, b) => a.at < b.at ? 1 : -1)[0]?.row ?? null);
    known.set(p.id, { ...made, at: p.instructed_at });
  };
  const more = button(t('till.more'), () => on().catch(tell), { kind: 'second' });
  const on = async () => {
    const before = known.size;
    for (let seen = 0; seen < looked;) {
      const got = await page(next, sought ? 200 : pageSize);
      got.payments.forEach(put);
      next = got.next ?? '';
      begun = true;
      seen += sought ? 200 : pageSize;
      if (!next || known.size >= before + pageSize || !sought) break;
    }
    more.hidden = !next;
    trouble.replaceChildren(known.size ? '' : h('p.quiet', {}, t(sought ? 'till.no_match' : 'till.no_payments')));
  };
  const find = async (/** @type {Event} */ e) => {
    e.preventDefault();
    sought = words.input.value.trim();
    known = new Map();
    next = '';
    rows.replaceChildren();
    await on().catch(tell);
  };
  const csv = button(t('till.csv'), async () => {
    try {
      const all = [];
      for (let before = ''; ;) {
        const got = await page(before, 200);
        all.push(...got.payments.filter((/** @type {any} */ p) => !sought || has(p, sought)));
        before = got.next ?? '';
        if (!before) break;
        if (all.length >= most) return trouble.replaceChildren(notice('bad', t('till.too_many')));
      }
      save('payments.csv', table(heading, all.map(cells)));
    } catch (e) { tell(e); }
  }, { kind: 'second' });
  const element = h('div.stack', {}, h('form.stack', { role: 'search', onsubmit: find }, words.row, h('button.second', { type: 'submit' }, t('till.find'))), rows, trouble, more, csv);
  return { element,
    /** Reads the newest again. @param {AbortSignal} [signal] */
    async refresh(signal) {
      if (!begun) return on();
      (await page('', pageSize, signal)).payments.forEach(put);
      if (known.size) trouble.replaceChildren();
    } };
}

/** One payment, to be opened. @param {any} p @param {{bearer: Bearer, may: boolean}} at */
function item(p, { bearer, may }) {
  const more = h('div.stack'), badge = h('span'), sum = h('span.sum', {}, show(p.amount));
  const name = p.order.description || p.order.number || p.id.slice(0, 12) + '…';
  const element = h('details.item', {}, h('summary', {}, h('span.what', {}, h('bdi', {}, name),
    h('span.quiet', {}, [p.order.description && p.order.number, when(p.ended_at)].filter(Boolean).join(' · ')), badge), sum), more);
  /** @type {ReturnType<typeof refunds> | undefined} */
  let given;
  const update = (/** @type {any} */ now) => {
    p = now;
    badge.replaceChildren(...[refundBadge(p)].filter(Boolean));
    given?.update(p);
  };
  element.addEventListener('toggle', async () => {
    if (given || !element.open) return;
    given = refunds(p, { bearer, may, changed: update });
    more.replaceChildren(facts([[t('fact.order'), h('bdi', {}, [p.order.number, p.order.description].filter(Boolean).join(' · ') || p.id)], [t('fact.payment'), h('code', {}, p.id)]]), given.element,
      await receiptCard(p.id, bearer));
  });
  update(p);
  return { row: h('li', {}, element), update };
}
