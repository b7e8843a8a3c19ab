// @ts-check
// What this device paid and approved: two lists of the API as one, newest first, a page at a time.
import { Problem, read } from '/ui/api.js';
import { button, facts, h, notice } from '/ui/dom.js';
import { show, total } from '/ui/money.js';
import { receiptCard } from '/ui/receipt.js';
import { explain, t, when } from '/ui/words.js';

const page = 10;

/** One of the two lists, as far as it was read. */
class Source {
  /** @param {string} role */
  constructor(role) {
    this.role = role;
    /** @type {any[]} read and not shown yet */
    this.ahead = [];
    /** @type {string | undefined} where to go on; undefined at the end */
    this.next = '';
  }

  /** Reads on until something is ahead, or there is no more. */
  async fill() {
    while (!this.ahead.length && this.next !== undefined) {
      const from = this.next && '&before=' + encodeURIComponent(this.next);
      const { payments, next } = await read(`/v1/payments?role=${this.role}&limit=20${from}`);
      this.ahead = payments;
      this.next = next;
    }
  }
}

/** The list, and what keeps it up to date. */
export function history() {
  const rows = h('ul.items');
  const trouble = h('div', { role: 'alert' });
  const more = button(t('me.more'), () => on().catch(tell), { kind: 'second' });
  const element = h('section.stack', { 'aria-labelledby': 'history' }, h('h2', { id: 'history' }, t('me.history')), rows, trouble, more);
  /** @type {Source[]} */
  let sources = [];
  /** @type {Map<string, {at: number, version: number, row: HTMLElement}>} */
  const known = new Map();

  const tell = (/** @type {any} */ e) => trouble.replaceChildren(notice('bad', explain(e)));

  /** Puts a payment into its place. @param {any} p */
  const put = (p) => {
    const had = known.get(p.id);
    if (had && had.version >= p.version) return;
    const at = Date.parse(p.instructed_at), row = item(p, Boolean(had?.row.querySelector('[open]')));
    if (had) had.row.replaceWith(row);
    else {
      const after = [...known.values()].filter((k) => k.at < at).sort((a, b) => b.at - a.at)[0];
      rows.insertBefore(row, after?.row ?? null);
    }
    known.set(p.id, { at, version: p.version, row });
  };

  /** Shows the next page. */
  const on = async () => {
    const [a, b] = sources;
    for (let n = 0; n < page; n++) {
      await Promise.all([a.fill(), b.fill()]);
      const from = !b.ahead.length || a.ahead.length && a.ahead[0].instructed_at >= b.ahead[0].instructed_at ? a : b;
      const next = from.ahead.shift();
      if (!next) break;
      put(next);
    }
    await Promise.all([a.fill(), b.fill()]);
    trouble.replaceChildren();
    if (!known.size) trouble.append(h('p.quiet', {}, t('me.no_history')));
    more.hidden = !a.ahead.length && !b.ahead.length;
  };

  return { element,
    /** Shows the first page. */
    async load() {
      sources = [new Source('initiator'), new Source('approver')];
      known.clear();
      rows.replaceChildren();
      await on().catch(tell);
    },
    /** A payment changed. @param {any} p */
    changed(p) {
      trouble.replaceChildren();
      put(p);
    } };
}

/** One payment, to be opened. @param {any} p @param {boolean} open */
function item(p, open) {
  const paid = p.state === 'settled', over = p.next.action === 'done';
  const more = h('div.stack');
  const element = h('details.item', { open }, h('summary', {},
    h('span.what', {}, h('bdi', {}, p.payee.name), h('span.quiet', {}, `${when(p.instructed_at)} · ${over ? t('end.' + p.state) : p.state === 'undoable' ? t('me.open_undoable') : t('me.open')}`,
      p.refunded && ` · ${t('fact.refunded')} ${show(p.refunded)}`)),
    h('span' + (paid ? '.sum' : '.sum.quiet'), {}, show(total(p)))), more);
  let filled = false;
  const fill = async () => {
    if (filled || !element.open) return;
    filled = true;
    /** @type {{refunds: any[]}} */
    const { refunds } = p.refunded ? await read('/v1/refunds?limit=200&payment=' + p.id).catch(() => ({ refunds: [{ amount: p.refunded }] })) : { refunds: [] };
    more.replaceChildren(...parts(p, refunds));
    if (paid) more.append(await receiptCard(p.id));
  };
  element.addEventListener('toggle', fill);
  return h('li', {}, element);
}

/** What is told of a payment besides its receipt. @param {any} p @param {any[]} refunds */
function parts(p, refunds) {
  const reason = p.next.action === 'done' && p.state !== 'settled' && t('end.reason.' + (p.reason || p.state));
  const details = p.state === 'settled' ? [] : /** @type {[string, any][]} */ ([
    [t('fact.payee'), h('bdi', {}, p.payee.handle)], [t('fact.card'), p.card_account],
    [t('fact.order'), (p.order.number || p.order.description) && h('bdi', {}, [p.order.number, p.order.description].filter(Boolean).join(' · '))],
  ]);
  return [
    reason && h('p', {}, reason),
    facts([...details, ...refunds.map(refund), [t('fact.device'), p.initiating_device_label && h('bdi', {}, p.initiating_device_label)]]),
    p.next.action === 'approve' && h('a.button.main', { href: '/approve' }, t('me.to_approve')),
    p.role === 'initiator' && p.next.action !== 'done' && h('a.button.second', { href: '/pay' }, t('pay.continue')),
  ].filter(Boolean);
}

/** What was given back, when and why. @param {any} r @returns {[string, any]} */
const refund = (r) => [t('fact.refunded'), h('span', {}, show(r.amount), r.refunded_at && ` · ${when(r.refunded_at)}`, r.reason && ' · ', r.reason && h('bdi', {}, r.reason))];

/** A payment that this device may see, if there is one. @param {string} id */
export async function payment(id) {
  try {
    return await read('/v1/payments/' + id);
  } catch (e) {
    if (e instanceof Problem) return undefined; // another's, or not this device's any more
    throw e;
  }
}
