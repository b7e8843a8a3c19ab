// @ts-check
// An order that a payee has made: what it consists of, and the digest of its terms, as the service makes it.
import { base64url, sha256 } from './key.js';
import { h } from './dom.js';
import { show } from './money.js';
import { t } from './words.js';

/**
 * What a payer agrees to by paying (docs/api.md, "Orders").
 * @typedef {{id: string, payee: string, amount: import('./money.js').Amount, reference: string, description: string,
 *   lines: {description: string, quantity: number, amount: number}[], tip: number, tax: number}} Terms
 */

/** The terms of an order as the service told it. @param {any} o @returns {Terms} */
export const termsOf = (o) => ({
  id: o.id, payee: o.payee.handle, amount: o.amount, reference: o.reference ?? '', description: o.description ?? '', lines: o.lines, tip: o.tip, tax: o.tax,
});

/** The digest that statement and receipt must have. @param {Terms} o */
export async function termsHash(o) {
  return base64url(await sha256(JSON.stringify({
    v: 'tapline-order/2', order: o.id, payee: o.payee, amount: { minor: o.amount.minor, currency: o.amount.currency },
    reference: o.reference, description: o.description,
    lines: o.lines.map((l) => ({ description: l.description, quantity: l.quantity, amount: l.amount })), tip: o.tip, tax: o.tax,
  })));
}

/** What it consists of, if it says so: a list that sums to the amount. @param {Terms | undefined} o */
export function linesOf(o) {
  if (!o || !o.lines.length && !o.tip && !o.tax) return undefined;
  const sum = (/** @type {number} */ minor) => h('span.sum', {}, show({ minor, currency: o.amount.currency }));
  return h('ul.lines', { 'aria-label': t('order.lines') },
    o.lines.map((l) => h('li', {}, h('bdi', {}, (l.quantity === 1 ? '' : l.quantity + ' × ') + l.description), sum(l.amount))),
    o.tip > 0 && h('li', {}, t('order.tip'), sum(o.tip)),
    o.tax > 0 && h('li', {}, t('order.tax'), sum(o.tax)));
}

/** A link that an order's payee has given, back to the payee: https, or on this machine. @param {string | undefined} to @param {string} words @param {string} kind */
export function backLink(to, words, kind) {
  if (!to || !/^https:\/\/|^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(\/|$)/.test(to)) return undefined;
  return h('a.button.' + kind, { href: to, rel: 'noreferrer' }, words);
}
