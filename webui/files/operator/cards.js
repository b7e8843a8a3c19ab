// @ts-check
// Cards: issuing them, stopping them, letting them go on, and putting money on them.
import { ask, line, once } from '/ui/ask.js';
import { button, facts, h, notice } from '/ui/dom.js';
import { parse, show } from '/ui/money.js';
import { t, when } from '/ui/words.js';
import { get, note, pages, post, short } from '/operator/session.js';
import { ofCard } from '/operator/payments.js';

/** @type {import('/operator.js').Section} */
export async function cards(place, _, signal) {
  const said = h('div', { 'aria-live': 'polite' });
  const list = h('ul.items.issued');
  const again = (/** @type {string} */ words) => cards(place, _, signal).then(() => place.prepend(notice('good', words)));
  const more = await pages(async (after) => {
    const page = await get('/cards' + (after && '?before=' + encodeURIComponent(after)), signal);
    return { items: page.cards.map((/** @type {any} */ c) => item(c, again)), next: page.next };
  }, list);
  place.replaceChildren(said, button(t('op.issue'), () => issue(again), { icon: 'tap' }), list, more);
}

/** One card. @param {any} c @param {(words: string) => Promise<void>} again */
function item(c, again) {
  const money = (/** @type {number} */ minor) => show({ minor, currency: c.currency });
  return h('li', {}, h('details.item', {},
    h('summary', {}, h('span.what', {}, h('b', {}, h('bdi', {}, c.label || t('op.no_label'))), h('span.quiet', {}, c.card_account)),
      h('span.sum', {}, money(c.available)), h('span.badge.' + c.state, {}, t('me.state.' + c.state))),
    h('div.stack', {},
      c.lost_at && notice('bad', t('op.lost_since', { time: when(c.lost_at) })),
      facts([
        [t('op.balance'), money(c.balance)], [t('op.held'), c.balance !== c.available ? money(c.balance - c.available) : null],
        [t('op.card_id'), h('code', {}, c.id)], [t('op.account'), h('code', {}, c.account)],
        [t('op.devices'), c.devices?.length ? h('ul', {}, c.devices.map((/** @type {any} */ d) => h('li', {}, h('bdi', {}, d.label), ' ', short(d.id),
          d.id === c.associated_device && h('span.quiet', {}, ' ', t('op.associated'))))) : null],
        [t('op.replaces'), c.replaces ? h('code', {}, c.replaces) : null], [t('op.replaced_by'), c.replaced_by ? h('code', {}, c.replaced_by) : null],
      ]),
      h('div.actions', {}, actions(c, again)))));
}

/** What can be done with a card in its state. @param {any} c @param {(words: string) => Promise<void>} again */
function actions(c, again) {
  const works = c.state === 'active' || c.state === 'frozen';
  /** @type {[boolean, string, string, () => void][]} */
  const all = [
    [c.state === 'active', 'danger', 'freeze', () => change(c, 'freeze', again)],
    [c.state === 'frozen', 'second', 'unfreeze', () => change(c, 'unfreeze', again)],
    [c.state !== 'closed', 'second', 'top_up', () => topUp(c, again)],
    [c.state === 'issued', 'second', 'activation', () => code(c, 'activation-code', 'activation', again)],
    [works, 'second', 'rebind', () => code(c, 'rebind', 'rebind', again)],
    [works, 'second', 'pin_reset', () => code(c, 'pin-reset', 'pin_reset', again)],
    [works && !c.lost_at, 'second', 'lost', () => change(c, 'lost', again)],
    [works && !c.replaced_by, 'second', 'replace', () => replace(c, again)],
    [true, 'second', 'payments', () => ofCard(c.id)],
    [c.state !== 'closed', 'danger', 'close', () => change(c, 'close', again)],
  ];
  return all.filter(([can]) => can).map(([, kind, name, act]) => button(t('op.do.' + name), act, { kind }));
}

/** @param {any} c */
const which = (c) => h('p', {}, h('bdi', {}, c.label), ' ', c.card_account);

/** Freezes, unfreezes, closes or reports lost. @param {any} c @param {string} how @param {(words: string) => Promise<void>} again */
function change(c, how, again) {
  ask({ title: t('op.do.' + how), text: which(c), inputs: [note()], words: t('op.do.' + how), danger: how !== 'unfreeze' }, async (values) => {
    await post(`/cards/${c.id}/${how}`, values);
    await again(t('op.done'));
  });
}

/** Has a one-use code made. @param {any} c @param {string} path @param {string} name @param {(words: string) => Promise<void>} again */
function code(c, path, name, again) {
  ask({ title: t('op.do.' + name), text: which(c), inputs: [note()], words: t('op.make_code') }, async (values) => {
    tell(await post(`/cards/${c.id}/${path}`, values));
    await again(t('op.done'));
  });
}

/** Tells a code, this once. @param {any} got */
function tell(got) {
  once(t('op.code'), h('p.secret', {}, got.code),
    got.qr && h('img.qr', { src: 'data:image/svg+xml,' + encodeURIComponent(got.qr), alt: t('op.code_qr'), width: 256, height: 256 }), facts([
    [t('fact.card'), h('span', {}, h('bdi', {}, got.card.label), ' ', got.card.card_account)],
    [t('op.usable_from'), when(got.not_before)], [t('op.usable_until'), when(got.expires_at)],
  ]), got.sun && h('details', {}, h('summary', {}, t('op.sun_setup')), facts([
    ['UID', h('code', {}, got.sun.uid)], [t('op.sun_address'), h('code', {}, got.sun.url_template)],
    ...['application_key', 'meta_key', 'file_key', 'data_key', 'spare_key'].map((key, i) =>
      /** @type {[string, Node]} */ ([t('op.sun_key', { n: i }), h('code', {}, got.sun[key])])),
  ])));
}

/** How a card is known: by the number that is read from it, or by its UID if it proves itself. */
const identity = () => [
  line('account_number', t('op.number'), { inputmode: 'numeric', spellcheck: 'false', autocomplete: 'off', maxlength: 19 }, t('op.number_help')),
  line('uid', t('op.uid'), { spellcheck: 'false', autocapitalize: 'characters', maxlength: 14 }, t('op.uid_help')),
];

/** The body without what was left empty. @param {Record<string, string>} values */
function body({ uid, ...rest }) {
  return { ...Object.fromEntries(Object.entries(rest).filter(([name, value]) => value || name === 'label')), ...(uid ? { sun: { uid } } : {}) };
}

/** @param {(words: string) => Promise<void>} again */
function issue(again) {
  const inputs = [...identity(), line('label', t('op.label'), { maxlength: 64 }), line('currency', t('op.currency'), { value: 'CNY', maxlength: 3, required: true, autocapitalize: 'characters' }), note()];
  ask({ title: t('op.issue'), inputs, words: t('op.issue') }, async (values) => {
    tell(await post('/cards', body(values)));
    await again(t('op.done'));
  });
}

/** @param {any} c @param {(words: string) => Promise<void>} again */
function replace(c, again) {
  ask({ title: t('op.do.replace'), text: h('div', {}, which(c), h('p.quiet', {}, t('op.replace_text'))), inputs: [...identity(), note()], words: t('op.do.replace'), danger: true }, async (values) => {
    tell(await post(`/cards/${c.id}/replace`, body(values)));
    await again(t('op.done'));
  });
}

/** Puts money on a card's account. @param {any} c @param {(words: string) => Promise<void>} again */
function topUp(c, again) {
  const amount = line('amount', t('order.amount', { currency: c.currency }), { inputmode: 'decimal', required: true });
  ask({ title: t('op.do.top_up'), text: which(c), inputs: [amount, note()], words: t('op.do.top_up') }, async (values) => {
    const given = parse(values.amount, c.currency);
    if (!given) return refuse(amount);
    const { held_top_up: held } = await post(`/accounts/${encodeURIComponent(c.account)}/top-ups`, { amount: given, note: values.note });
    await again(t(held ? 'op.held_up' : 'op.topped_up', { amount: show(given) }));
  });
}

/** @param {import('/ui/ask.js').Input} input @returns {never} */
function refuse(input) {
  input.tell?.(t('order.bad_amount'));
  throw { words: t('order.bad_amount') };
}
