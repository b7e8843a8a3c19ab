// @ts-check
// One request to the service, sent until it is answered.
import { BadAnswer, NoAnswer, NotSent, Problem } from './errors.js';

const maxTries = 6;
const firstPause = 250; // milliseconds, the longest before the second try; each further one doubles, up to
const maxPause = 4000;
const maxRetryAfter = 10; // seconds that the service may ask for; what takes longer is for the caller to decide
const answerTimeout = 20_000; // milliseconds, besides what the service was asked to wait

/**
 * @typedef {object} Connection
 * @property {string} origin
 * @property {string} key
 * @property {typeof fetch} fetch
 */

/**
 * @typedef {object} Request
 * @property {string} method
 * @property {string} path with its query
 * @property {string} [body] JSON
 * @property {string} [idempotencyKey]
 * @property {boolean} [anonymous] without the API key
 * @property {number} [wait] seconds that the service may keep it
 * @property {AbortSignal} [signal]
 */

/** @param {number} ms @param {AbortSignal} [signal] @returns {Promise<void>} */
export const pause = (ms, signal) => new Promise((done, failed) => {
  if (signal?.aborted) return failed(signal.reason);
  const end = () => { clearTimeout(timer); failed(signal?.reason); };
  const timer = setTimeout(() => { signal?.removeEventListener('abort', end); done(); }, ms);
  signal?.addEventListener('abort', end, { once: true });
});

/** The pause before the next try, half of it random. @param {number} tried @returns {number} milliseconds */
export function backoff(tried) {
  const most = Math.min(firstPause * 2 ** (tried - 1), maxPause);
  return most / 2 + Math.random() * most / 2;
}

/** Errors of Node that say that there was no connection for a request, and those that say that it was not to be trusted. */
const unsent = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/;
const untrusted = /CERT|SIGNATURE|^ERR_(TLS|SSL)/;

/** What a failed fetch means. Browsers do not tell whether a request has left. @param {unknown} e */
function failure(e) {
  const cause = /** @type {any} */ (e)?.cause;
  const code = String(cause?.code ?? cause?.errors?.[0]?.code ?? '');
  return { unsent: unsent.test(code) || untrusted.test(code), final: untrusted.test(code) };
}

/**
 * Sends a request until it is answered: again after no answer, after 429 and 5xx, and while the same write is in progress; always
 * under the same idempotency key. Throws a Problem for a refusal.
 * @param {Connection} to @param {Request} request @returns {Promise<any>} what the service answers, as JSON or as text
 */
export async function send(to, request) {
  const { signal, idempotencyKey } = request;
  let sent = false;
  for (let tried = 1; ; tried++) {
    let error, wait = backoff(tried), again = true;
    try {
      const response = await once(to, request);
      sent = true;
      return await read(response);
    } catch (e) {
      if (e instanceof BadAnswer) throw e;
      error = e;
      if (e instanceof Problem) {
        sent = true;
        const passing = e.status === 429 || e.status >= 500 || e.status === 409 && e.code.endsWith('in_progress');
        again = passing && e.retryAfter <= maxRetryAfter;
        wait = Math.max(wait, e.retryAfter * 1000 + Math.random() * firstPause);
        if (e.code === 'unexpected_answer' && e.status >= 500) error = new NoAnswer(e.message, { cause: e }); // a proxy's page
      } else {
        const found = failure(e);
        sent ||= !found.unsent;
        again = !found.final;
      }
      if (sent && request.method !== 'GET' && !idempotencyKey) { // it might be done twice
        again &&= e instanceof Problem && (e.status === 429 || e.code === 'busy');
      }
    }
    if (again && tried < maxTries && !signal?.aborted) {
      try {
        await pause(wait, signal);
        continue;
      } catch (e) {
        error = e;
      }
    }
    if (error instanceof Problem) throw error;
    if (signal?.aborted && (!sent || request.method === 'GET')) throw signal.reason;
    const cause = signal?.aborted ? signal.reason : error instanceof NoAnswer ? error.cause : error;
    throw sent ? new NoAnswer('the service did not answer', { cause, idempotencyKey }) : new NotSent('the service cannot be reached', { cause });
  }
}

/** @param {Connection} to @param {Request} request */
function once(to, request) {
  const limit = AbortSignal.timeout(answerTimeout + (request.wait ?? 0) * 1000);
  /** @type {Record<string, string>} */
  const headers = { Accept: 'application/json, application/problem+json' };
  if (!request.anonymous) headers.Authorization = 'Bearer ' + to.key;
  if (request.body !== undefined) headers['Content-Type'] = 'application/json';
  if (request.idempotencyKey) headers['Idempotency-Key'] = request.idempotencyKey;
  return to.fetch(to.origin + request.path, {
    method: request.method, headers, redirect: 'manual', cache: 'no-store', credentials: 'omit',
    ...(request.body !== undefined && { body: request.body }),
    signal: request.signal ? AbortSignal.any([request.signal, limit]) : limit,
  });
}

/** @param {Response} response @returns {Promise<any>} */
export async function read(response) {
  if (response.type === 'opaqueredirect' || response.status >= 300 && response.status < 400) throw new BadAnswer('the service redirects elsewhere, which is refused');
  const kind = (response.headers.get('Content-Type') ?? '').split(';')[0].trim();
  const text = await response.text();
  if (response.ok && kind !== 'application/json') return text;
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    if (response.ok) throw new BadAnswer('the service\'s answer cannot be understood'); // what it says is not repeated: it may hold a secret
  }
  if (response.ok) return body;
  if (kind !== 'application/problem+json' || typeof body?.code !== 'string') body = { title: 'status ' + response.status };
  const retryAfter = Number(body.retry_after ?? response.headers.get('Retry-After') ?? 0);
  throw new Problem(response.status, { ...body, retry_after: Number.isFinite(retryAfter) ? retryAfter : 0 });
}
