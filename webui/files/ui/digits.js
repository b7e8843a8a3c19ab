// @ts-check
// The digits that one screen shows and the other is told, as a code for its camera: with a mark of the payment that they are
// for, so that those of another payment take no try.
import { sha256 } from './key.js';

/** @param {string} payment its id @returns {Promise<string>} */
async function markOf(payment) {
  return [...new Uint8Array(await sha256('tapline-digits/1\n' + payment)).slice(0, 4)].map((b) => b.toString(16).padStart(2, '0')).join('').toUpperCase();
}

/** What is shown as a code. @param {string} payment @param {string} code */
export const toCamera = async (payment, code) => `TL:${code}:${await markOf(payment)}`;

/**
 * The digits that a camera saw, if they are for the payment.
 * @param {string} payment @param {string} text @returns {Promise<string>} empty if it is another code, or another payment's
 */
export async function fromCamera(payment, text) {
  const [, code, mark] = /^TL:(\d{2,6}):([0-9A-F]{8})$/.exec(text) ?? [];
  return code && mark === await markOf(payment) ? code : '';
}
