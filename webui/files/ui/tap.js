// @ts-check
// Reading a card, by whatever this device has: the address that a card wrote when the phone opened it, Web NFC, a reader
// on the desk, or the demo's cards. What is read stays in memory until the user says send.

import { pause } from './api.js';

/** What was read: what the service is sent, and the end of the number where it is known. @typedef {{tap: any, card?: string}} Tap */

/** The message that a card wrote into this page's address, which is cleared at once. @returns {Tap | undefined} */
export function fromAddress() {
  const message = location.hash.slice(1);
  const found = isMessage(message) ? { tap: { sun: message } } : undefined;
  if (message) history.replaceState(null, '', location.pathname + location.search);
  return found;
}

const errand = 'tapline.activation';

/**
 * What another page than the payer's waits for a tap with: the operator's code. It is kept for a quarter of an hour,
 * because a phone that cannot read cards itself opens a card's address in a tab of its own.
 * @returns {string} nothing if there is none
 */
export function waiting() {
  const { code, until } = JSON.parse(localStorage.getItem(errand) ?? '{}');
  if (code && Date.now() < until) return code;
  localStorage.removeItem(errand);
  return '';
}

/** Keeps the code, or forgets it. @param {string} code */
export function keepWaiting(code) {
  if (code) localStorage.setItem(errand, JSON.stringify({ code, until: Date.now() + 900_000 }));
  else localStorage.removeItem(errand);
}

/** Whether a text looks like what a card writes (docs/cards.md). @param {string} text */
const isMessage = (text) => /(^|&)(c|cmac)=[0-9A-Fa-f]{16}(&|$)/.test(text) && text.length <= 512;

/** Whether this browser reads cards itself. */
export const hasNFC = 'NDEFReader' in globalThis;

/**
 * Reads cards by Web NFC until the signal aborts.
 * @param {(t: Tap) => void} tapped @param {(key: string) => void} trouble words of what is wrong with a card
 * @param {AbortSignal} signal
 */
export async function nfc(tapped, trouble, signal) {
  // @ts-ignore: not in the type library
  const reader = new NDEFReader();
  reader.onreadingerror = () => trouble('tap.unreadable');
  reader.onreading = (/** @type {any} */ { message }) => {
    for (const record of message.records) {
      if (record.recordType !== 'url' && record.recordType !== 'absolute-url') continue;
      const address = new TextDecoder().decode(record.data);
      const text = address.includes('#') ? address.slice(address.indexOf('#') + 1) : address.slice(address.indexOf('?') + 1);
      if (isMessage(text)) return tapped({ tap: { sun: address.slice(0, 512) } });
    }
    trouble('tap.no_account');
  };
  await reader.scan({ signal });
}

const place = 'tapline.reader';

/** The reader that the user has named by its code, if any (docs/reader.md). @returns {{port: string, token: string} | undefined} */
export function reader() {
  // A link that somebody else made must not send the page to another host.
  const [, port, token] = /^([0-9]{1,5})\.([A-Z2-7]{26})$/.exec(sessionStorage.getItem(place) ?? '') ?? [];
  return port ? { port, token } : undefined;
}

/** Keeps the code that "tapline reader" shows, for this tab. @param {string} code @returns whether it is one */
export function useReader(code) {
  sessionStorage.setItem(place, code.trim());
  return reader() !== undefined;
}

/** Forgets the reader. */
export const forgetReader = () => sessionStorage.removeItem(place);

/** Takes a reader's code out of the address, where "tapline reader" puts it. */
export function readerFromAddress() {
  const code = new URLSearchParams(location.hash.slice(1)).get('reader');
  if (!code) return;
  history.replaceState(null, '', location.pathname + location.search);
  useReader(code);
}

/**
 * Waits for the next card on the reader, however long that takes.
 * @param {AbortSignal} signal @param {() => Promise<any>} [challenge] for payment cards that can prove themselves: asked for
 * anew each time, since it does not last
 * @returns {Promise<Tap>}
 */
export async function onReader(signal, challenge) {
  for (;;) {
    const { port, token } = reader() ?? {};
    const answer = await fetch(`http://127.0.0.1:${port}/v1/tap`, {
      method: 'POST', credentials: 'omit', redirect: 'error', signal,
      headers: { Authorization: 'Bearer ' + token, 'Content-Type': 'application/json' },
      body: JSON.stringify({ wait: 25, challenge: await challenge?.() }),
      // @ts-ignore: Local Network Access, lets the browser ask its user
      targetAddressSpace: 'loopback',
    });
    if (answer.status === 204) continue;
    const body = await answer.json().catch(() => ({}));
    if (answer.ok) return { tap: body.tap, card: body.last4 && '•••• ' + body.last4 };
    if (body.code !== 'busy' && answer.status !== 503) throw Object.assign(new Error(body.code), { reader: body.code });
    await pause(1000, signal);
  }
}

/** The demo's virtual cards. @returns {Promise<{id: string, label: string}[]>} none outside of a demo */
export async function demoCards() {
  const answer = await fetch('/demo/cards', { cache: 'no-store' }).catch(() => undefined);
  return answer?.ok ? (await answer.json()).cards : [];
}

/** Taps a card of the demo. @param {string} id @returns {Promise<Tap>} */
export async function demoTap(id) {
  const answer = await fetch('/demo/cards/' + encodeURIComponent(id) + '/taps', { method: 'POST' });
  return { tap: (await answer.json()).tap };
}
