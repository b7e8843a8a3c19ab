// @ts-check
// What a person is shown and confirms: read from the statement's exact text, and compared with what this device asked
// for before it is shown. docs/api.md, "Statements".
import { base64url, sha256 } from './key.js';
import { plain, show } from './money.js';
import { facts, h, notice } from './dom.js';
import { termsHash } from './order.js';
import { duration, t } from './words.js';

/**
 * What this device asked for.
 * @typedef {{id: string, amount: import('./money.js').Amount, payee: {handle: string, name: string, account: string},
 *   order: {number: string, description: string}, terms?: import('./order.js').Terms, card?: string, rehearsal?: boolean}} Asked
 */

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
 * @param {import('./money.js').Amount} amount @param {boolean | undefined} rehearsal
 */
const amountText = (amount, rehearsal) => (rehearsal ? 'REHEARSAL, no money moves: ' : '') + `${plain(amount)} ${amount.currency}`;

/** The form that a statement has. @param {boolean | undefined} rehearsal */
const version = (rehearsal) => rehearsal ? 'tapline-rehearsal/1' : 'tapline-statement/1';

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
    v: s.v === version(asked.rehearsal),
    role: s.role === 'first',
    amount: s.amount.minor === asked.amount.minor && s.amount.currency === asked.amount.currency &&
      s.amount_text === amountText(asked.amount, asked.rehearsal),
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
    v: s.v === version(view.rehearsal),
    role: s.role === 'second',
    amount: s.amount.minor === view.amount.minor && s.amount.currency === view.amount.currency &&
      s.amount_text === amountText(view.amount, view.rehearsal),
    payee_handle: s.payee_handle === view.payee.handle,
    payee_name: s.payee_name === view.payee.name,
    card_account: s.card_account === view.card_account,
    rehearsal: Boolean(s.rehearsal) === Boolean(view.rehearsal),
  });
  return s;
}

/** The statement for people. @param {any} s */
export function statementCard(s) {
  return h('section.statement', { 'aria-label': t('statement.title') },
    s.rehearsal && notice('note', t('statement.rehearsal')),
    s.payee_account_changed && notice('bad', t('statement.moved')),
    h('p.amount', {}, show(s.amount)),
    facts([
      [t('fact.payee'), h('span', {}, h('b', {}, h('bdi', {}, s.payee_name)), ' ', h('bdi.quiet', {}, s.payee_handle))],
      [t('fact.payee_account'), h('bdi', {}, s.payee_account)],
      [t('fact.card'), h('span', {}, h('bdi', {}, s.card_account), s.card_label && ' ', s.card_label && h('bdi.quiet', {}, s.card_label))],
      [t('fact.order'), (s.order_number || s.order_description) && h('bdi', {}, [s.order_number, s.order_description].filter(Boolean).join(' · '))],
      [t('fact.undo'), s.undo_seconds && t('statement.undo', { time: duration(s.undo_seconds) })],
      [t('fact.device'), s.role === 'second' && h('bdi', {}, s.initiating_device_label)],
    ]));
}
