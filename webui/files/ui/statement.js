// @ts-check
// What a person is shown and confirms: read from the statement's exact text, and compared with what this device asked
// for before it is shown. docs/api.md, "Statements".
import { base64url, sha256 } from './key.js';
import { plain, show, total } from './money.js';
import { facts, h, notice } from './dom.js';
import { termsHash } from './order.js';
import { duration, t } from './words.js';

/**
 * What this device asked for.
 * @typedef {{id: string, amount: import('./money.js').Amount, fee?: import('./money.js').Amount, payee: {handle: string, name: string, account: string},
 *   order: {number: string, description: string}, terms?: import('./order.js').Terms, card?: string, rehearsal?: boolean}} Asked
 */

/** What is paid. @typedef {{amount: import('./money.js').Amount, fee?: import('./money.js').Amount, rehearsal?: boolean}} Paid */

/** The service speaks of another payment than this device asked for. Nothing is to be confirmed then. */
export class Differs extends Error {
  /** @param {string} field */
  constructor(field) {
    super(field);
    this.words = t('error.differs', { field });
  }
}

/** @param {Record<string, boolean>} same by field */
function check(same) {
  for (const [field, is] of Object.entries(same)) if (!is) throw new Differs(field);
}

/**
 * The amount as a statement writes it. That of a rehearsal says what it is, so that nobody takes it for a payment's.
 * With a fee it says of what the sum consists.
 * @param {Paid} a
 */
function amountText(a) {
  const text = (/** @type {import('./money.js').Amount} */ of) => `${plain(of)} ${of.currency}`;
  return (a.rehearsal ? 'REHEARSAL, no money moves: ' : '') + text(total(a)) + (a.fee ? ` (${text(a.amount)} + ${text(a.fee)} fee)` : '');
}

/** The form that a statement has. @param {Paid} a */
const version = (a) => (a.rehearsal ? 'tapline-rehearsal/' : 'tapline-statement/') + (a.fee ? 2 : 1);

/** Whether two amounts are the same; none is like none. @param {import('./money.js').Amount | undefined} a @param {import('./money.js').Amount | undefined} b */
const same = (a, b) => a?.minor === b?.minor && a?.currency === b?.currency;

/** The digest of an order's terms, as the service makes it. @param {Asked} a */
async function orderHash(a) {
  if (a.terms) return termsHash(a.terms);
  return base64url(await sha256(JSON.stringify({
    v: 'tapline-order/1', number: a.order.number, description: a.order.description,
    amount: { minor: a.amount.minor, currency: a.amount.currency }, payee: a.payee.handle,
  })));
}

/** Whether an account is the one of which the end was shown. @param {string} account @param {string} shown */
const isAccount = (account, shown) => account === shown || shown.startsWith('•••• ') && account.endsWith(shown.slice(5));

/**
 * Reads a first statement and compares it, fact by fact, with what was asked for.
 * @param {string} text @param {Asked} asked @param {string} device
 */
export async function first(text, asked, device) {
  const s = JSON.parse(text);
  check({
    payment: s.payment === asked.id,
    v: s.v === version(asked),
    fee: same(s.fee, asked.fee) && same(s.total, asked.fee && total(asked)),
    role: s.role === 'first',
    amount: same(s.amount, asked.amount) && s.amount_text === amountText(asked),
    payee_handle: s.payee_handle === asked.payee.handle,
    payee_name: s.payee_name === asked.payee.name,
    payee_account: isAccount(s.payee_account, asked.payee.account),
    card_account: !asked.card || s.card_account === asked.card,
    initiating_device: s.initiating_device === device,
    order: (s.order ?? '') === (asked.terms?.id ?? ''),
    order_number: s.order_number === asked.order.number,
    order_description: s.order_description === asked.order.description,
    order_hash: s.order_hash === await orderHash(asked),
    rehearsal: Boolean(s.rehearsal) === Boolean(asked.rehearsal),
  });
  return s;
}

/**
 * Reads a second statement and compares it with what the service tells of the payment.
 * @param {string} text @param {any} view
 */
export function second(text, view) {
  const s = JSON.parse(text);
  check({
    payment: s.payment === view.id,
    v: s.v === version(view),
    fee: same(s.fee, view.fee) && same(s.total, view.fee && total(view)),
    role: s.role === 'second',
    amount: same(s.amount, view.amount) && s.amount_text === amountText(view),
    payee_handle: s.payee_handle === view.payee.handle,
    payee_name: s.payee_name === view.payee.name,
    card_account: s.card_account === view.card_account,
    rehearsal: Boolean(s.rehearsal) === Boolean(view.rehearsal),
  });
  return s;
}

/** What is paid, and of what it consists. @param {Paid} p */
export const sum = (p) => h('div', {}, h('p.amount', {}, show(total(p))), p.fee && h('p.quiet', {}, t('fee.line', { amount: show(p.amount), fee: show(p.fee) })));

/** The statement for people. @param {any} s */
export function statementCard(s) {
  return h('section.statement', { 'aria-label': t('statement.title') },
    s.rehearsal && notice('note', t('statement.rehearsal')),
    s.payee_account_changed && notice('bad', t('statement.moved')),
    sum(s),
    facts([
      [t('fact.payee'), h('span', {}, h('b', {}, h('bdi', {}, s.payee_name)), ' ', h('bdi.quiet', {}, s.payee_handle))],
      [t('fact.payee_account'), h('bdi.long', {}, s.payee_account)],
      [t('fact.card'), h('span', {}, h('bdi', {}, s.card_account), s.card_label && ' ', s.card_label && h('bdi.quiet', {}, s.card_label))],
      [t('fact.order'), (s.order_number || s.order_description) && h('bdi', {}, [s.order_number, s.order_description].filter(Boolean).join(' · '))],
      [t('fact.undo'), s.undo_seconds && t('statement.undo', { time: duration(s.undo_seconds) })],
      [t('fact.device'), s.role === 'second' && h('bdi', {}, s.initiating_device_label)],
    ]));
}
