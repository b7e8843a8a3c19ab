// @ts-check
// Who is at the operator's page: somebody with a passkey, or a key that was made in this browser and cannot leave it. Everything
// is asked for with a token, which is kept in memory.
import { order, Problem, read, token } from '/ui/api.js';
import { line } from '/ui/ask.js';
import { button, h } from '/ui/dom.js';
import { forgetKey, hasKey, newID } from '/ui/key.js';
import { Session } from '/ui/signin.js';
import { t } from '/ui/words.js';

/** Sessions of a passkey. */
export const session = new Session('operator');

/** The token: the passkey's, or the key's if this browser has one. It asks for the passkey when that session is over. */
export const bearer = Object.assign(async () => session.token ?? (!session.entered && await hasKey('operator') ? token('operator') : session.bearer()), { over: (/** @type {string} */ used) => session.over(used) });

/** Whether an error says that nobody knows this browser's key. @param {any} e */
export const unknown = (e) => e instanceof Problem && e.code === 'invalid_client';

/** Whether an error says that another operator has to confirm this one. @param {any} e */
export const requested = (e) => e instanceof Problem && e.code === 'unauthorized_client';

/** @param {string} path below /v1/admin @param {AbortSignal} [signal] @returns {Promise<any>} */
export const get = (path, signal) => read('/v1/admin' + path, { bearer, signal });

/** @param {string} path @param {any} body @returns {Promise<any>} */
export const post = (path, body, id = newID()) => order('/v1/admin' + path, body, bearer, id);

/** Who is signed in, and with which passkeys they can. @returns {Promise<{owner: string, name: string, passkeys: any[]}>} */
export const self = () => read('/v1/sign-in-passkeys', { bearer });

/**
 * Makes a passkey for whoever is signed in. From then on it signs in here: the key, which signs for whoever sits at this computer,
 * is forgotten. @param {string} label
 */
export async function addPasskey(label) {
  const now = await bearer();
  await session.register(label, async () => now);
  if (!session.token) session.hold(now, 240); // a key's token lasts five minutes
  await forgetKey('operator');
}

/** Removes one of the passkeys. @param {string} credential */
export async function removePasskey(credential) {
  await order('/v1/sign-in-passkeys/remove', { credential }, bearer);
  session.forget(credential);
}

/** A path with what is given of a query. @param {string} path @param {Record<string, string | undefined>} query */
export function where(path, query) {
  const given = Object.entries(query).filter(([, value]) => value);
  return given.length ? path + '?' + new URLSearchParams(/** @type {any} */ (given)) : path;
}

/** Why it is done, for the audit list. */
export const note = () => line('note', t('op.note'), { maxlength: 280, required: true }, t('op.note_help'));

/** A list that is read page by page. @param {(after: string) => Promise<{items: Node[], next?: string}>} more @param {HTMLElement} list */
export async function pages(more, list) {
  const place = h('div');
  const load = async (/** @type {string} */ after) => {
    const { items, next } = await more(after);
    list.append(...items);
    place.replaceChildren(...(next ? [button(t('op.more'), () => load(next), { kind: 'second' })] : []));
    if (!list.children.length) place.prepend(h('p.quiet', {}, t('op.none')));
  };
  await load('');
  return place;
}

/** How long something took. @param {number} ms @returns {string} */
export function took(ms) {
  const [n, unit] = ms < 1000 ? [ms, 'millisecond'] : ms < 90_000 ? [Math.round(ms / 100) / 10, 'second'] : [Math.round(ms / 6000) / 10, 'minute'];
  return new Intl.NumberFormat(document.documentElement.lang, { style: 'unit', unit, unitDisplay: 'short' }).format(n);
}

/** A long id, short: the whole is in its title, and what is copied. @param {string} id */
export const short = (id) => h('code', { title: id }, id.length > 16 ? id.slice(0, 12) + '…' : id);

/** The operators' names by their ids. @param {AbortSignal} signal */
export async function people(signal) {
  /** @type {Map<string, string>} */
  const names = new Map();
  for (let after = ''; ;) {
    const page = await get(where('/operators', { before: after }), signal);
    for (const o of page.operators) names.set(o.id, o.name);
    if (!(after = page.next)) return names;
  }
}
