// @ts-check
// What happened to this device's cards, as it happens: every payment, and everything that the holder has not done on this
// page. Where the stream stopped is kept, so that what happened while the page was closed is told when it opens.
import { listen } from '/ui/api.js';
import { announce, button, h } from '/ui/dom.js';
import { show, total } from '/ui/money.js';
import { has, t, when } from '/ui/words.js';
import { payment } from '/me/history.js';

/** @typedef {{type: string, subject: string, at: string}} Event of which nothing else is kept: no amount, no name */

const kept = { news: 'tapline.news', reached: 'tapline.reached' };
const most = 20;

/** What was done here is not told as news, for as long as its event may take. @type {{what: string, until: number}[]} */
let expected = [];

/** Says that this page is about to do something. @param {string} what of a card's events @param {string} [card] any, if left out */
export function expect(what, card = '') {
  expected.push({ what: 'card.' + what + card, until: performance.now() + 10_000 });
}

/** Whether an event is of something done here, once. @param {Event} e */
function own(e) {
  expected = expected.filter((x) => x.until > performance.now());
  const at = expected.findIndex((x) => x.what === e.type + e.subject || x.what === e.type);
  if (at >= 0) expected.splice(at, 1);
  return at >= 0;
}

const alarms = ['code_issued']; // of a card: nothing that a holder does brings it

/**
 * Keeps the news.
 * @param {{changed: () => Promise<void>, payment: (p: any) => void, again: () => Promise<void>}} to what keeps a page up to date:
 *   a card changed, a payment changed, and anything may have
 */
export function watch(to) {
  const live = h('p.live', { role: 'status' }, t('me.connecting'));
  const list = h('ul.stack.news', { 'aria-label': t('me.news') });
  /** @type {Event[]} */
  let told = JSON.parse(localStorage.getItem(kept.news) ?? '[]');
  const save = () => localStorage.setItem(kept.news, JSON.stringify(told));

  /** Shows one, above those before it. @param {Event} e @param {boolean} [now] */
  const add = async (e, now) => {
    const text = await words(e, to.payment);
    if (!text) return forget(e);
    const row = h('li.notice.' + (alarms.includes(e.type.slice(5)) ? 'bad' : e.type === 'payment.settled' ? 'good' : 'note'), {}, h('p', {}, text, ' ', h('span.when', {}, when(e.at))),
      e.type === 'payment.approval_required' && h('a.button.second', { href: '/approve' }, t('me.to_approve')),
      button(t('me.dismiss'), () => { row.remove(); forget(e); }, { kind: 'plain' }));
    row.dataset.subject = e.subject;
    if (e.subject.startsWith('pay_')) list.querySelectorAll(`[data-subject="${CSS.escape(e.subject)}"]`).forEach((/** @type {Element} */ old) => old.remove());
    list.prepend(row);
    if (now) announce(text);
  };
  const forget = (/** @type {Event} */ e) => { told = told.filter((x) => x !== e); save(); };

  const event = async (/** @type {any} */ e) => {
    if (e.type === 'reset') return to.again();
    if (e.subject.startsWith('card_')) to.changed().catch(() => {});
    const ours = own(e);
    const news = { type: e.type, subject: e.subject, at: e.at };
    if (e.subject.startsWith('pay_')) told = told.filter((x) => x.subject !== e.subject); // its state now is what counts
    if (!ours && (has('me.event.' + e.type.slice(5)) || e.subject.startsWith('pay_'))) {
      told = [...told, news].slice(-most);
      save();
      await add(news, true);
    }
    if (e.subject.startsWith('pay_')) to.changed().catch(() => {});
  };
  return { live, list,
    /** Begins to listen, and shows what was told before. */
    async start() {
      for (const e of told) add(e).catch(() => {});
      listen({ event: (e) => { event(e).catch(() => {}); }, live: lamp(live, to.again), signal: new AbortController().signal,
        last: localStorage.getItem(kept.reached) ?? '', reached: (id) => localStorage.setItem(kept.reached, id) });
    } };
}

/**
 * Says whether what is shown is live. A stream ends every few minutes with its token and comes back at once: that is no news.
 * @param {HTMLElement} element @param {() => Promise<void>} again
 */
function lamp(element, again) {
  let down = false, timer = 0;
  return (/** @type {boolean} */ up) => {
    clearTimeout(timer);
    if (!up) {
      timer = setTimeout(() => { down = true; element.textContent = t('me.not_live'); element.className = 'live down'; }, 2500);
      return;
    }
    if (element.className === 'live up') return;
    element.textContent = t('me.live');
    element.className = 'live up';
    if (down) again().catch(() => {});
    down = false;
  };
}

/**
 * What an event means, nothing if it is none of the holder's business.
 * @param {Event} e @param {(p: any) => void} seen is given the payment that it speaks of
 */
async function words(e, seen) {
  if (!e.subject.startsWith('pay_')) return has('me.event.' + e.type.slice(5)) ? t('me.event.' + e.type.slice(5)) : '';
  const p = await payment(e.subject);
  if (!p) return '';
  seen(p);
  const values = { amount: show(total(p)), payee: p.payee.name, card: p.card_account };
  if (p.refunded && e.type === 'payment.refunded') return t('me.refunded', { ...values, amount: show(p.refunded), whole: show(p.amount) });
  if (p.state === 'settled') return t('me.debited', values);
  if (p.state === 'undoable') return t('me.undoable', values);
  return p.next.action === 'approve' ? t('me.asked', values) : '';
}
