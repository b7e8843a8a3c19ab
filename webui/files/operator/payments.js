// @ts-check
// Searching payments, and all the steps of one.
import { choice, line } from '/ui/ask.js';
import { button, facts, h, notice } from '/ui/dom.js';
import { parse, show } from '/ui/money.js';
import { locale, t, when } from '/ui/words.js';
import { get, pages, short, took, where } from '/operator/session.js';

export const states = ['authentication_required', 'confirmation_required', 'approval_required', 'undoable', 'settled', 'declined', 'cancelled', 'expired', 'rejected', 'rehearsed'];

/** What was looked for last, for going back. @type {Record<string, string>} */
let sought = {};

/** Looks for the payments of a card. @param {string} card */
export function ofCard(card) {
  sought = { card };
  location.hash = '#payments';
}

/** @type {import('/operator.js').Section} */
export async function payments(place, _, signal) {
  const inputs = [
    choice('state', t('op.state'), [['', t('op.any')], ...states.map((s) => /** @type {[string, string]} */ ([s, t('op.state.' + s)]))], sought.state),
    line('payee', t('fact.payee'), { value: sought.payee, autocapitalize: 'none', spellcheck: 'false', placeholder: 'books@shop' }),
    line('last4', t('op.last_four'), { value: sought.last4, maxlength: 9, placeholder: '•••• 1234' }),
    line('reference', t('op.order_number'), { value: sought.reference }),
    line('least', t('op.least'), { value: sought.least, inputmode: 'decimal' }),
    line('most', t('op.most'), { value: sought.most, inputmode: 'decimal' }),
    line('currency', t('op.currency'), { value: sought.currency, maxlength: 3, autocapitalize: 'characters', placeholder: 'CNY' }),
    line('card', t('op.card_id'), { value: sought.card, spellcheck: 'false' }),
    line('id', t('op.payment_id'), { value: '', spellcheck: 'false', placeholder: 'pay_…' }),
    line('from', t('op.from'), { type: 'date', value: sought.from }),
    line('until', t('op.until'), { type: 'date', value: sought.until }),
  ];
  const found = h('div.stack', { 'aria-live': 'polite' });
  const search = async () => {
    const list = h('ul.items.payments');
    const more = await pages(async (before) => {
      const { least, most } = sought, currency = sought.currency || (least || most ? 'CNY' : '');
      const page = await get(where('/payments', {
        ...sought, from: day(sought.from), until: day(sought.until, 1), currency, least: minor(least, currency), most: minor(most, currency), before,
      }), signal);
      return { items: page.payments.map(row), next: page.next };
    }, list);
    found.replaceChildren(list, more);
  };
  const form = h('form.search', { role: 'search', onsubmit: (/** @type {Event} */ e) => {
    e.preventDefault();
    const { id, ...rest } = Object.fromEntries(inputs.map((i) => [i.name, i.value()]));
    if (id) { location.hash = '#payments/' + id; return; }
    const sums = inputs.filter((i) => i.name === 'least' || i.name === 'most');
    const bad = sums.filter((i) => i.value() && !minor(i.value(), rest.currency || 'CNY'));
    for (const i of sums) i.tell?.(bad.includes(i) ? t('order.bad_amount') : '');
    if (bad.length) return;
    sought = rest;
    search().catch((problem) => found.replaceChildren(notice('bad', String(problem.code ?? problem))));
  } }, inputs.map((i) => i.row), h('button.main', { type: 'submit' }, t('op.search')));
  place.replaceChildren(form, found);
  await search();
}

/** What was typed in minor units; undefined if it is no amount. @param {string | undefined} text @param {string} currency */
const minor = (text, currency) => /^[A-Z]{3}$/.test(currency) ? parse(text ?? '', currency)?.minor.toString() : undefined;

/** The beginning of a day, so many days later. @param {string | undefined} date @param {number} [later] */
function day(date, later = 0) {
  if (!date) return undefined;
  const [y, m, d] = date.split('-').map(Number);
  return new Date(y, m - 1, d + later).toISOString();
}

/** @param {any} p */
const badge = (p) => h('span.badge.' + p.state, {}, t('op.state.' + p.state), p.refunded && ' · ' + t(p.refunded.minor < p.amount.minor ? 'till.partly' : 'till.wholly'));

/** One payment in the list. @param {any} p */
const row = (p) => h('li', {}, h('a.payment', { href: '#payments/' + p.id },
  h('span.sum', {}, show(p.amount)),
  h('span.what', {}, h('b', {}, h('bdi', {}, p.payee_name)), h('span.quiet', {}, h('bdi', {}, [p.payee, p.order.number].filter(Boolean).join(' · ')))),
  h('span.quiet', {}, [p.card_account, p.decoy && t('op.decoy'), p.rehearsal && t('op.rehearsal')].filter(Boolean).join(' · ')),
  h('span.quiet', {}, when(p.instructed_at)), badge(p)));

/** One payment with its steps; an open one is looked at again and again. @type {import('/operator.js').Section} */
export async function payment(place, id, signal) {
  let text = '';
  for (;;) {
    const p = await get('/payments/' + encodeURIComponent(id), signal);
    if (signal.aborted) return;
    if (JSON.stringify(p) !== text) {
      text = JSON.stringify(p);
      place.replaceChildren(h('p', {}, h('a', { href: '#payments' }, t('op.back_to_payments'))), summary(p), h('h2', {}, t('op.timeline')), timeline(p));
    }
    if (p.ended_at) return;
    place.removeAttribute('aria-busy');
    await new Promise((done) => { setTimeout(done, 1500); });
    if (signal.aborted) return;
  }
}

/** @param {any} p */
function summary(p) {
  return h('section.panel', { 'aria-label': t('fact.payment') },
    h('div.row', {}, h('p.amount', {}, show(p.amount)), badge(p)),
    h('p.payee', {}, h('b', {}, h('bdi', {}, p.payee_name)), ' ', h('bdi.quiet', {}, p.payee)),
    p.decoy && notice('note', t('op.decoy_text')), p.rehearsal && notice('note', t('op.rehearsal_text')),
    p.reason && notice('note', t('op.reason.' + p.reason)),
    h('div.columns', {}, facts([
      [t('fact.order'), p.order.number || p.order.description ? h('bdi', {}, [p.order.number, p.order.description].filter(Boolean).join(' · ')) : null],
      [t('fact.card'), h('span', {}, h('bdi', {}, p.card_label), ' ', p.card_account)],
      [t('op.level'), t('op.level.' + p.level)],
      [t('op.assurance'), t('op.assurance.' + p.assurance)],
      [t('op.wrong_codes'), p.wrong_codes ? String(p.wrong_codes) : null],
    ]), facts([
      [t('op.payment_id'), h('code', {}, p.id)],
      [t('op.card_id'), p.card ? h('code', {}, p.card) : null],
      [t('fact.payee_account'), h('code', {}, p.payee_account)],
      [t('op.deadline'), p.deadline ? when(p.deadline) : null],
      [t('fact.fee'), p.fee ? show(p.fee) : null],
      [t('fact.payee_fee'), p.payee_fee ? show(p.payee_fee) : null],
      [t('till.given'), p.refunded ? show(p.refunded) : null],
    ])),
    p.card && button(t('op.payments_of_card'), () => ofCard(p.card), { kind: 'plain' }));
}

/** The steps along a line, with how long each took. @param {any} p */
function timeline(p) {
  const clock = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' });
  return h('ol.timeline', {}, p.timeline.map((/** @type {any} */ s, /** @type {number} */ i) => h(s.step === 'ended' ? 'li.step.' + p.state : 'li.step', {},
    i > 0 && h('p.wait', {}, t('op.after', { time: took(s.milliseconds) })),
    h('div.event', {}, h('p', {}, h('b', {}, s.step === 'ended' ? t('op.state.' + p.state) : t('op.step.' + s.step), s.amount && ' ' + show(s.amount)), ' ', h('time.quiet', { datetime: s.at }, clock.format(new Date(s.at)))),
    h('p.quiet', {}, who(s, p), s.method && ' · ' + t('op.method.' + s.method), s.signed && ' · ' + t('op.signed'))))),
  !p.ended_at && h('li.step.open', {}, h('div.event', {}, h('b', {}, t('op.state.' + p.state)))));
}

/** Who took a step. @param {any} s @param {any} p */
function who(s, p) {
  if (s.by === 'payee') return h('bdi', {}, p.payee);
  if (s.by === 'service') return t('op.by.service');
  return h('span', {}, t('op.by.' + s.by), ': ', h('bdi', {}, s.device_label), ' ', s.device && short(s.device));
}
