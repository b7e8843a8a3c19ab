// @ts-check
// The device: a P-256 key pair that is made in this browser, cannot leave it, and signs all that the browser writes
// (RFC 7515, ES256). Its id is the RFC 7638 thumbprint of its public key.

const store = 'keys';

/** @typedef {{keys: CryptoKeyPair, jwk: {crv: string, kty: string, x: string, y: string}, id: string, registered: string}} Device */

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((done, failed) => {
    const asked = indexedDB.open('tapline', 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(store);
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => failed(asked.error);
  });
}

/**
 * Runs one operation on the key store.
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(s: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>}
 */
async function run(mode, act) {
  const db = await open();
  try {
    return await new Promise((done, failed) => {
      const tx = db.transaction(store, mode);
      const asked = act(tx.objectStore(store));
      tx.oncomplete = () => done(asked.result);
      tx.onabort = tx.onerror = () => failed(tx.error);
    });
  } finally {
    db.close();
  }
}

const utf8 = new TextEncoder();

/** @param {ArrayBuffer | Uint8Array} bytes */
export function base64url(bytes) {
  let text = '';
  for (const b of new Uint8Array(bytes)) text += String.fromCharCode(b);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** @param {string} text base64url */
export function bytesOf(text) {
  const raw = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

/** @param {string} text @returns {Promise<ArrayBuffer>} */
export const sha256 = (text) => crypto.subtle.digest('SHA-256', utf8.encode(text));

// base64url's alphabet in the order of its bytes.
const rising = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';

/** A fresh id for a message: 48 bits of the time, so that the service keeps what is made at one time in one place, and 80 random bits. */
export function newID() {
  let id = base64url(crypto.getRandomValues(new Uint8Array(10)));
  for (let ms = Date.now(), i = 0; i < 8; i++, ms = Math.floor(ms / 64)) id = rising[ms % 64] + id;
  return id;
}

/** @returns {Promise<Device>} a new key pair, whose private half nobody can read */
async function make() {
  const keys = /** @type {CryptoKeyPair} */ (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']));
  const { crv, kty, x, y } = /** @type {any} */ (await crypto.subtle.exportKey('jwk', keys.publicKey));
  const jwk = { crv, kty, x, y }; // RFC 7638 §3.2: these members, in this order
  return { keys, jwk, id: base64url(await sha256(JSON.stringify(jwk))), registered: '' };
}

/** @type {Map<string, Promise<Device>>} */
const known = new Map();

/**
 * This browser's key of a kind, made if there is none. Two tabs that make one at the same time get the same.
 * @param {'device' | 'operator'} kind
 * @returns {Promise<Device>}
 */
export function key(kind = 'device') {
  let found = known.get(kind);
  if (!found) known.set(kind, found = find(kind));
  return found;
}

/** @param {string} kind @returns {Promise<Device>} */
async function find(kind) {
  const found = await run('readonly', (s) => s.get(kind));
  if (found) return found;
  const made = await make();
  try {
    await run('readwrite', (s) => s.add(made, kind));
    return made;
  } catch {
    return run('readonly', (s) => s.get(kind)); // another tab was first
  }
}

/** Whether this browser has a key of a kind. @param {string} kind */
export const hasKey = (kind) => run('readonly', (s) => s.getKey(kind)).then(Boolean);

/** Forgets a key, for ever. @param {string} kind */
export async function forgetKey(kind) {
  known.delete(kind);
  await run('readwrite', (s) => s.delete(kind));
}

/**
 * Notes that the service knows the device.
 * @param {Device} device @param {string} audience
 */
export async function noteRegistered(device, audience) {
  device.registered = audience;
  await run('readwrite', (s) => s.put(device, 'device'));
}

/**
 * Signs claims as a compact JWS.
 * @param {Device} device @param {string} typ @param {object} claims
 */
export async function sign(device, typ, claims) {
  const header = { alg: 'ES256', typ, kid: device.id, ...(typ === 'tapline-device+jws' ? { jwk: device.jwk } : {}) };
  const signed = [header, claims].map((part) => base64url(utf8.encode(JSON.stringify(part)))).join('.');
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, device.keys.privateKey, utf8.encode(signed));
  return signed + '.' + base64url(signature);
}
