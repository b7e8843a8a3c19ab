// @ts-check
// Amounts as people write them. Minor units are integers below 10^15, which a number holds exactly.
import { locale } from './words.js';

/** @typedef {{minor: number, currency: string}} Amount */

/** How many digits a currency has after the point (ISO 4217). @param {string} currency */
export const digits = (currency) =>
  new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;

/** The amount as digits with a point, such as 12.50, which Intl reads without rounding. @param {Amount} a */
export function plain({ minor, currency }) {
  const n = digits(currency);
  const text = String(Math.abs(minor)).padStart(n + 1, '0');
  return (minor < 0 ? '-' : '') + (n ? text.slice(0, -n) + '.' + text.slice(-n) : text);
}

/** The amount for people. @param {Amount} a */
export function show(a) {
  return new Intl.NumberFormat(locale, { style: 'currency', currency: a.currency }).format(/** @type {any} */ (plain(a)));
}

/**
 * Reads an amount that somebody typed: digits with at most one point or comma. Undefined if it is none or nothing.
 * @param {string} text @param {string} currency @returns {Amount | undefined}
 */
export function parse(text, currency) {
  const n = digits(currency);
  const [, whole, rest = ''] = /^\s*(\d{1,13})(?:[.,](\d*))?\s*$/.exec(text) ?? [];
  if (whole === undefined || rest.length > n) return undefined;
  const minor = Number(whole + rest.padEnd(n, '0'));
  return minor > 0 && minor <= 1e15 ? { minor, currency } : undefined;
}

/**
 * The fee that a payee's tariff makes of an amount (docs/api.md, "Fees"): the share, half a unit rounded up, and the fixed part, within
 * the bounds. Undefined for none.
 * @param {any} tariff @param {Amount | undefined} amount @returns {Amount | undefined}
 */
export function feeOf(tariff, amount) {
  if (!tariff || !amount) return undefined;
  const share = Number((BigInt(amount.minor) * BigInt(tariff.basis_points) + 5000n) / 10_000n);
  const fee = Math.min(Math.max(share + tariff.fixed, tariff.least ?? 0), tariff.most || Infinity);
  return fee ? { minor: fee, currency: amount.currency } : undefined;
}

/** What the payer pays: the amount, and the fee where there is one. @param {{amount: Amount, fee?: Amount}} p @returns {Amount} */
export const total = ({ amount, fee }) => ({ minor: amount.minor + (fee?.minor ?? 0), currency: amount.currency });
