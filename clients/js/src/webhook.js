// @ts-check
// Verifies webhooks as Standard Webhooks has them, with nothing but WebCrypto.

/** A message is not to be believed, or there is no secret to tell. */
export class WebhookError extends Error {
  name = 'WebhookError';
  /** @param {'secret' | 'header' | 'time' | 'signature'} reason @param {string} message */
  constructor(reason, message) {
    super(message);
    /** What is wrong: the secret given is none, the headers are missing or malformed, the time is not near, no signature is by this key. */
    this.reason = reason;
  }
}

const maxSignatures = 16;

/**
 * @typedef {object} WebhookMessage
 * @property {string} id the same each time that the message comes: what was done for it need not be done again
 * @property {string} type such as order.paid
 * @property {string} timestamp
 * @property {{id: string, state?: string, version?: number, test?: boolean}} data what it is about, and no more: ask the service for the rest
 */

/** @param {string} text @returns {Uint8Array<ArrayBuffer> | undefined} */
function fromBase64(text) {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return undefined;
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** How signatures of a version are checked with a secret. @param {string} secret */
async function checker(secret) {
  const raw = fromBase64(secret.replace(/^wh(sec|pk)_/, ''));
  if (secret.startsWith('whsec_') && raw && raw.length >= 24 && raw.length <= 64) {
    return { version: 'v1', algorithm: 'HMAC', key: await crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']) };
  }
  if (secret.startsWith('whpk_') && raw?.length === 32) {
    return { version: 'v1a', algorithm: 'Ed25519', key: await crypto.subtle.importKey('raw', raw, { name: 'Ed25519' }, false, ['verify']) };
  }
  throw new WebhookError('secret', 'neither a webhook secret (whsec_…) nor a public key (whpk_…)');
}

/** @param {any} headers @param {string} name @returns {string} */
function header(headers, name) {
  const value = typeof headers?.get === 'function' ? headers.get(name) : headers?.[name] ?? headers?.[name.replace(/(^|-)[a-z]/g, (c) => c.toUpperCase())];
  if (typeof value !== 'string') throw new WebhookError('header', `no header ${name}, or several`);
  return value;
}

/**
 * Returns the message of a request that came to a webhook endpoint, if whoever has the endpoint's keys sent it, and not long ago.
 * @param {string | Uint8Array} body of the request, byte for byte as it came
 * @param {Headers | Record<string, string | string[] | undefined>} headers of the request
 * @param {string | string[]} secrets whsec_…, which verifies signatures v1, or the public key whpk_…, which verifies v1a; while keys are rotated the old and the new one, any of which will do
 * @param {{tolerance?: number, now?: number}} [options] how many seconds the message's time may be from now, and now in milliseconds
 * @returns {Promise<WebhookMessage>}
 */
export async function verifyWebhook(body, headers, secrets, { tolerance = 300, now = Date.now() } = {}) {
  const checkers = await Promise.all([secrets].flat().map(checker)); // all have to be ones
  if (checkers.length === 0) throw new WebhookError('secret', 'no secret is given');
  const id = header(headers, 'webhook-id'), time = header(headers, 'webhook-timestamp'), given = header(headers, 'webhook-signature').split(' ');
  if (!/^[!-~]{1,256}$/.test(id) || id.includes('.') || !/^(0|[1-9]\d{0,11})$/.test(time) || given.length > maxSignatures) throw new WebhookError('header', 'malformed headers');
  if (!(Math.abs(now / 1000 - Number(time)) <= tolerance)) throw new WebhookError('time', 'the message\'s time is not near; it may be a copy of an old one');
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  const before = new TextEncoder().encode(`${id}.${time}.`);
  const signed = new Uint8Array(before.length + bytes.length);
  signed.set(before);
  signed.set(bytes, before.length);
  for (const text of given) {
    const [version, value] = text.split(/,(.*)/s);
    const signature = fromBase64(value ?? '');
    for (const c of checkers) {
      if (c.version === version && signature && await crypto.subtle.verify(c.algorithm, c.key, signature, signed)) return { id, ...message(bytes) };
    }
  }
  throw new WebhookError('signature', 'no signature of the message is by this key');
}

/** @param {Uint8Array} bytes */
function message(bytes) {
  const { type, timestamp, data } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  return { type, timestamp, data };
}
