// @ts-check
// The client of a payee's programs. What can be called is in operations.js, which is generated; how it is sent is in send.js.
import { BadAnswer, NoAnswer, NotSent } from './errors.js';
import { operations } from './operations.js';
import { send } from './send.js';
import { stream } from './stream.js';

export { BadAnswer, NoAnswer, NotSent, Problem } from './errors.js';
export { problemCodes } from './operations.js';
export { verifyWebhook, WebhookError } from './webhook.js';

/** @typedef {import('../types/client.js').Client} Client */
/** @typedef {import('../types/client.js').ClientOptions} ClientOptions */
/** @typedef {import('../types/client.js').CallOptions} CallOptions */
/** @typedef {import('../types/client.js').StreamEvent} StreamEvent */
/** @typedef {import('../types/client.js').Schemas} Schemas */
/** @typedef {import('../types/client.js').ProblemCode} ProblemCode */
/** @typedef {{method: string, path: string, query?: readonly string[], body?: boolean, unnamed?: boolean, list?: string}} Operation */

/** The service's origin. @param {string} address */
function originOf(address) {
  const url = new URL(address);
  const here = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && here)) throw new TypeError('url: https, or http on this machine: plain http shows the key to everybody on the way');
  if (url.pathname !== '/' || url.search || url.hash || url.username || url.password) throw new TypeError('url: scheme and host only, such as https://pay.example');
  return url.origin;
}

/**
 * Makes a client. Nothing is sent yet.
 * @param {ClientOptions} options @returns {Client}
 */
export function connect({ url, key, fetch = globalThis.fetch }) {
  /** @type {import('./send.js').Connection} */
  const to = { origin: originOf(url), key: String(key).trim(), fetch: (...args) => fetch(...args) };
  if (!/^[!-~]+$/.test(to.key)) throw new TypeError('key: there is no API key');
  /** @type {Promise<void> | undefined} */
  let known;
  /** The key is for the service that was asked, and not for one that calls itself another. @returns {Promise<void>} */
  const service = () => known ??= send(to, { method: 'GET', path: '/v1/service', anonymous: true }).then((s) => {
    if (!['live', 'test'].includes(s?.environment) || s.audience !== `${to.origin}/${s.environment}`) throw new BadAnswer(`the service calls itself ${s?.audience}, and was expected to be ${to.origin}`);
  }).catch((e) => {
    known = undefined;
    throw e instanceof NoAnswer ? new NotSent('the service cannot be reached', { cause: e.cause }) : e; // what was to be done was not sent yet
  });

  /** @param {Operation} operation @param {Record<string, any>} args @param {CallOptions} [options] */
  async function call(operation, args, options) {
    const named = operation.method !== 'GET' && !operation.unnamed;
    const idempotencyKey = named ? options?.idempotencyKey ?? crypto.randomUUID() : undefined; // before it is sent first, and never another
    if (named && !/^[!-~]{1,128}$/.test(String(idempotencyKey))) throw new TypeError('idempotencyKey: 1 to 128 visible ASCII characters');
    const request = asked(operation, args);
    options?.signal?.throwIfAborted();
    await service();
    return send(to, { ...request, idempotencyKey, wait: Number(args.wait) || 0, signal: options?.signal });
  }

  /** @param {string} name @param {Operation & {list: string}} operation @param {Record<string, any>} args @param {CallOptions} [options] */
  async function* each(name, operation, args, options) {
    for (let before = args.before; ;) {
      const page = await call(operation, { ...args, ...(before !== undefined && { before }) }, options);
      yield* page[operation.list] ?? [];
      if (!page.next) return;
      if (page.next === before) throw new BadAnswer(`${name}: a page is followed by itself`);
      before = page.next;
    }
  }

  /** @type {Record<string, unknown>} */
  const client = {}, lists = {};
  for (const [name, operation] of Object.entries(/** @type {Record<string, Operation>} */ (operations))) {
    client[name] = (/** @type {any} */ args = {}, /** @type {CallOptions | undefined} */ options) => call(operation, args, options);
    const { list } = operation;
    if (list) /** @type {any} */ (lists)[name] = (/** @type {any} */ args = {}, /** @type {CallOptions | undefined} */ options) => each(name, { ...operation, list }, args, options);
  }
  client.each = Object.freeze(lists);
  client.events = async function* (/** @type {any} */ options) {
    await service();
    yield* stream(to, options);
  };
  return /** @type {any} */ (Object.freeze(client));
}

/**
 * What is asked for with these arguments: some stand in the path, some in the query, and the rest is the body.
 * @param {Operation} operation @param {Record<string, any>} args @returns {{method: string, path: string, body?: string}}
 */
function asked({ method, path, query = [], body }, args) {
  const rest = { ...args };
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => {
    const value = rest[name];
    delete rest[name];
    if (typeof value !== 'string' || /^\.{0,2}$/.test(value)) throw new TypeError(`${name}: a text that is not empty`);
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams(); // its size is not known everywhere
  for (const name of query) {
    if (rest[name] !== undefined) search.set(name, String(rest[name]));
    delete rest[name];
  }
  const unknown = Object.keys(rest);
  if (!body && unknown.length > 0) throw new TypeError(`${unknown[0]}: there is no such argument`);
  const text = String(search);
  return { method, path: filled + (text && '?' + text), ...(body && { body: JSON.stringify(rest) }) };
}
