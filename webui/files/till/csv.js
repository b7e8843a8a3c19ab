// @ts-check
// Orders as a table for other programs: RFC 4180, with nothing in it that a spreadsheet would take for a formula.
import { plain } from '/ui/money.js';

/** One cell. A text that a spreadsheet would run is set apart by an apostrophe. @param {string} text */
export function cell(text) {
  const safe = /^[=+\-@\t\r]/.test(text) ? "'" + text : text;
  return /[",\r\n]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
}

const heading = ['order', 'state', 'amount', 'currency', 'reference', 'description', 'made', 'ended', 'payment'];

/** The table. It begins with a mark by which spreadsheets know UTF-8. @param {any[]} orders */
export function table(orders) {
  const rows = orders.map((o) => [o.id, o.state, plain(o.amount), o.amount.currency, o.reference ?? '', o.description ?? '', o.created_at, o.ended_at ?? '', o.payment ?? '']);
  return '\ufeff' + [heading, ...rows].map((row) => row.map(cell).join(',') + '\r\n').join('');
}
