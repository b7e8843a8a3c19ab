// @ts-check
// The accounts of the books, and the payees behind some of them.
import { ask, line, once } from '/ui/ask.js';
import { button, h, notice } from '/ui/dom.js';
import { show } from '/ui/money.js';
import { t, when } from '/ui/words.js';
import { get, note, pages, people, post, self } from '/operator/session.js';

/** @type {import('/operator.js').Section} */
export async function accounts(place, _, signal) {
  const again = (/** @type {string} */ words) => accounts(place, _, signal).then(() => place.prepend(notice('good', words)));
  const rows = h('tbody'), payees = h('ul.items'), waiting = h('ul.items');
  const [{ owner: me }, names] = await Promise.all([self(), people(signal)]);
  const [more, morePayees, moreWaiting] = await Promise.all([
    pages(async (after) => {
      const page = await get('/accounts' + (after && '?before=' + encodeURIComponent(after)), signal);
      return { items: page.accounts.map(row), next: page.next };
    }, rows),
    pages(async (after) => {
      const page = await get('/payees' + (after && '?before=' + encodeURIComponent(after)), signal);
      return { items: page.payees.map(payee), next: page.next };
    }, payees),
    pages(async (after) => {
      const page = await get('/top-ups' + (after && '?before=' + encodeURIComponent(after)), signal);
      return { items: page.top_ups.map((/** @type {any} */ u) => held(u, me, names, again)), next: page.next };
    }, waiting),
  ]);
  place.replaceChildren(h('h2', {}, t('op.held_list')), waiting, moreWaiting,
    h('h2', {}, t('op.payees')), button(t('op.add_payee'), () => addPayee(again), { kind: 'second' }), payees, morePayees,
    h('h2', {}, t('op.books')), h('div.scroll', { tabindex: 0, role: 'region', 'aria-label': t('op.books') }, h('table', {}, h('thead', {}, h('tr', {},
      ['op.account', 'op.kind', 'op.balance', 'op.held', 'op.posted_in', 'op.posted_out'].map((key) => h('th', { scope: 'col' }, t(key))))), rows)), more);
}

/** @param {any} a */
function row(a) {
  const money = (/** @type {number} */ minor) => h('td.number', {}, show({ minor, currency: a.currency }));
  return h('tr', {}, h('th', { scope: 'row' }, h('code', {}, a.id)), h('td', {}, t('op.kind.' + a.kind)), money(a.balance), money(a.debits_pending), money(a.credits_posted), money(a.debits_posted));
}

/** @param {any} p */
const payee = (p) => h('li.row', {}, h('span.what', {}, h('b', {}, h('bdi', {}, p.name)), ' ', h('bdi.quiet', {}, p.handle)),
  h('span.quiet', {}, p.currency, p.rehearsals && ' · ' + t('op.rehearsals_on')), h('code', {}, p.account));

/** @param {(words: string) => Promise<void>} again */
function addPayee(again) {
  const inputs = [line('handle', t('op.handle'), { required: true, autocapitalize: 'none', spellcheck: 'false', placeholder: 'books@shop' }),
    line('name', t('op.payee_name'), { required: true, maxlength: 64 }, t('op.payee_name_help')),
    line('currency', t('op.currency'), { value: 'CNY', maxlength: 3, required: true, autocapitalize: 'characters' }), note()];
  ask({ title: t('op.add_payee'), inputs, words: t('op.add_payee') }, async (values) => {
    const made = await post('/payees', values);
    once(t('op.api_key'), h('p', {}, h('bdi', {}, made.name), ' ', h('bdi.quiet', {}, made.handle)), h('p.secret', {}, made.api_key));
    await again(t('op.done'));
  });
}

/** A top-up that waits for another operator. @param {any} u @param {string} me @param {Map<string, string>} names @param {(words: string) => Promise<void>} again */
function held(u, me, names, again) {
  const own = u.requested_by === me, over = u.state === 'expired';
  const decide = (/** @type {string} */ how) => ask({ title: t('op.' + how) + ' ' + show(u.amount), text: h('code', {}, u.account), inputs: [note()], words: t('op.' + how), danger: how === 'reject' }, async (values) => {
    await post(`/top-ups/${u.id}/${how}`, values);
    await again(t('op.done'));
  });
  return h('li.row', {}, h('span.sum', {}, show(u.amount)), h('span.what', {}, h('code', {}, u.account), h('bdi', {}, u.note),
    h('span.quiet', {}, h('bdi', {}, t('op.held_by', { name: names.get(u.requested_by) ?? u.requested_by })), ' · ', over ? t('op.held_over') : t('op.held_until', { time: when(u.expires_at) })),
    own && !over && h('span.quiet', {}, t('op.held_own'))),
  h('span.actions', {}, !own && !over && button(t('op.confirm'), () => decide('confirm')), button(t('op.reject'), () => decide('reject'), { kind: 'danger' })));
}
