// @ts-check
// Tables for other programs: RFC 4180, with nothing in them that a spreadsheet would take for a formula.
import { h } from '/ui/dom.js';

/** One cell. A text that a spreadsheet would run is set apart by an apostrophe. @param {string} text */
export function cell(text) {
  const safe = /^\s*[=+\-@\t\r＝＋－＠]/.test(text) ? "'" + text : text;
  return /[",\r\n]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
}

/** The table. It begins with a mark by which spreadsheets know UTF-8. @param {string[]} heading @param {string[][]} rows */
export const table = (heading, rows) => '\ufeff' + [heading, ...rows].map((row) => row.map(cell).join(',') + '\r\n').join('');

/** Gives a table to the user as a file. @param {string} name @param {string} text */
export function save(name, text) {
  const link = h('a', { href: URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
