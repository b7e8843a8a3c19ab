// @ts-check
// The service, as this browser's device talks to it: signed writes, reads with a token that is kept in memory only, and
// events. Everything here is the public API (docs/api.md).
import { key, newID, noteRegistered, sign } from './key.js';

/** A refusal by the service (RFC 9457). Its code has words in every catalogue. */
export class Problem extends Error {
  /** @param {any} body */
  constructor(body) {
    super(body.code);
    this.code = /** @type {string} */ (body.code);
    this.status = /** @type {number} */ (body.status);
    this.field = /** @type {string | undefined} */ (body.field);
    this.retryable = /** @type {boolean} */ (body.retryable);
    this.attemptsLeft = /** @type {number | undefined} */ (body.attempts_left);
    this.retryAfter = /** @type {number} */ (body.retry_after ?? 0);
    this.state = /** @type {string | undefined} */ (body.state);
    this.trace = /** @type {string} */ (body.trace_id ?? '');
  }
}

/** No answer came: whether the service did what was asked is not known until it is asked. */
export class Offline extends Error {}

/**
 * Aborts when the page is left. A page that the browser keeps for the button "back" would keep its connections, of which there are
 * six for all pages of a service; one that comes back asks anew where things are.
 */
const left = new AbortController();
addEventListener('pagehide', () => left.abort());
addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });

/** @param {AbortSignal | null} [signal] */
const orLeft = (signal) => signal ? AbortSignal.any([signal, left.signal]) : left.signal;

/** @param {number} ms @param {AbortSignal} [signal] */
export const pause = (ms, signal) => new Promise((done, failed) => {
  const timer = setTimeout(done, ms);
  signal?.addEventListener('abort', () => { clearTimeout(timer); failed(signal.reason); }, { once: true });
});

/**
 * One request. Throws a Problem for a refusal and Offline where no answer came.
 * @param {string} path @param {RequestInit} [init]
 */
export async function call(path, init) {
  let answer;
  try {
    answer = await fetch(path, { cache: 'no-store', credentials: 'omit', redirect: 'error', ...init, signal: orLeft(init?.signal) });
  } catch (e) {
    if (init?.signal?.aborted) throw init.signal.reason;
    throw new Offline(String(e));
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  throw new Problem({ code: body.error ?? 'unreachable', retryable: answer.status >= 500, ...body, status: answer.status });
}

/** @type {Promise<any> | undefined} */
let asked;

/** What the service says of itself. */
export function service() {
  asked ??= call('/v1/service').catch((e) => { asked = undefined; throw e; });
  return asked;
}

const tries = 6;

/**
 * Repeats what may be repeated until it is answered.
 * @template T @param {() => Promise<T>} act @param {AbortSignal} [signal] @returns {Promise<T>}
 */
async function insist(act, signal) {
  for (let n = 1; ; n++) {
    try {
      return await act();
    } catch (e) {
      const again = e instanceof Offline || e instanceof Problem &&
        (e.status >= 500 || e.code === 'in_progress' || e.status === 429 && e.retryAfter <= 5);
      if (!again || n === tries) throw e;
      await pause(Math.random() * 250 * 2 ** n, signal);
    }
  }
}

/** The claims that every message has. @param {string} id */
async function common(id) {
  return { aud: (await service()).audience, iat: Math.floor(Date.now() / 1000), jti: id };
}

/** This device, which the service knows. */
export async function device() {
  const found = await key();
  const { audience } = await service();
  if (found.registered !== audience) {
    await post(found, '/v1/devices', 'tapline-device+jws', newID(), { label: deviceLabel() });
    await noteRegistered(found, audience);
  }
  return found;
}

/** Gives this device another name. @param {string} label */
export const rename = async (label) => post(await device(), '/v1/devices', 'tapline-device+jws', newID(), { label });

/** What this device is called until its user says otherwise. */
export function deviceLabel() {
  const agent = navigator.userAgent;
  const browser = /Edg\//.test(agent) ? 'Edge' : /Firefox\//.test(agent) ? 'Firefox' : /Chrome\//.test(agent) ? 'Chrome' : /Safari\//.test(agent) ? 'Safari' : 'Browser';
  const system = /Android/.test(agent) ? 'Android' : /iPhone|iPad/.test(agent) ? 'iOS' : /Mac OS/.test(agent) ? 'macOS' : /Windows/.test(agent) ? 'Windows' : /Linux/.test(agent) ? 'Linux' : '';
  return system ? `${browser}, ${system}` : browser;
}

/**
 * Sends a signed message until it is answered; the same bytes each time, so that it is done once.
 * @param {import('./key.js').Device} from @param {string} path @param {string} typ @param {string} id @param {object} claims
 */
async function post(from, path, typ, id, claims) {
  const body = await sign(from, typ, { ...await common(id), ...claims });
  return insist(() => call(path, { method: 'POST', body, headers: { 'Content-Type': 'application/jose' } }));
}

/**
 * A write of this device.
 * @param {string} path @param {string} typ such as 'confirmation' @param {object} claims @param {string} [id] the jti
 */
export async function write(path, typ, claims, id = newID()) {
  const from = await device();
  return post(from, path, `tapline-${typ}+jws`, id, claims).catch(async (e) => {
    // The service was set up anew, or forgot the device: it may be registered again and the message said again.
    if (!(e instanceof Problem) || e.code !== 'unknown_key') throw e;
    await noteRegistered(from, '');
    return post(await device(), path, `tapline-${typ}+jws`, id, claims);
  });
}

/** @type {Map<string, {text: string, until: number}>} tokens by the kind of key, in memory only */
const tokens = new Map();

/** A bearer token for reading. @param {'device' | 'operator'} kind */
export async function token(kind = 'device') {
  const had = tokens.get(kind);
  if (had && performance.now() < had.until) return had.text;
  const from = kind === 'device' ? await device() : await key(kind);
  const claims = await common(newID());
  const assertion = await sign(from, 'JWT', { ...claims, iss: from.id, sub: from.id, exp: claims.iat + 300 });
  const got = await insist(() => call('/v1/token', {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials', client_assertion: assertion,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    }),
  }));
  tokens.set(kind, { text: got.access_token, until: performance.now() + (got.expires_in - 30) * 1000 });
  return got.access_token;
}

/** Whoever asks: a function that gives a bearer, and one that is told that it is over and says whether there may be a new one. @typedef {(() => Promise<string>) & {over?: (used: string) => boolean}} Bearer */

/** Whether there may be a new bearer, after one was refused. @param {any} e @param {Bearer} bearer @param {string} used */
function renewed(e, bearer, used) {
  if (!(e instanceof Problem) || e.status !== 401) return false;
  if (bearer !== token) return bearer.over?.(used) ?? false;
  tokens.delete('device'); // it may be over before its time
  return true;
}

/**
 * Reads, as this device or as another bearer.
 * @param {string} path @param {{bearer?: Bearer, signal?: AbortSignal}} [how]
 */
export async function read(path, { bearer = token, signal } = {}) {
  let used = '';
  const get = async () => call(path, { signal, headers: { Authorization: 'Bearer ' + (used = await bearer()) } });
  return insist(() => get().catch((e) => {
    if (!renewed(e, bearer, used)) throw e;
    return get();
  }), signal);
}

/**
 * A write of a payee's key or an operator's token: JSON under an idempotency key.
 * @param {string} path @param {any} body @param {Bearer} bearer @param {string} [id]
 */
export async function order(path, body, bearer, id = newID()) {
  let used = '';
  const put = async () => call(path, {
    method: 'POST', headers: { Authorization: 'Bearer ' + (used = await bearer()), 'Idempotency-Key': id, 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return insist(() => put().catch((e) => {
    if (!renewed(e, bearer, used)) throw e;
    return put();
  }));
}

/**
 * Waits until a payment's version is above one that is known.
 * @param {string} id @param {number} after @param {AbortSignal} signal @param {Bearer} [bearer]
 */
export async function newer(id, after, signal, bearer) {
  for (;;) {
    const payment = await read(`/v1/payments/${id}?wait=25&after=${after}`, { signal, bearer });
    if (payment.version > after) return payment;
  }
}

/**
 * Listens to events until the signal aborts, resuming after each break. live is told whether the stream is up, and reached
 * the number up to which there is nothing more to be told: given as last another time, it is where to go on.
 * @param {{event: (e: any) => void, live: (up: boolean) => void, signal: AbortSignal, bearer?: Bearer,
 *   last?: string, reached?: (id: string) => void}} to
 */
export async function listen({ event, live, signal, bearer = token, last = '', reached }) {
  for (let n = 0, used = ''; !signal.aborted; n++) {
    try {
      await stream(used = await bearer(), last, signal, (got) => {
        n = 0;
        live(true);
        if (got.data) event(got.type === 'reset' ? { type: 'reset' } : JSON.parse(got.data));
        if (got.id) last = got.id;
        if (got.id) reached?.(last);
      });
    } catch (e) {
      if (signal.aborted) return;
      renewed(e, bearer, used);
    }
    live(false);
    await pause(Math.min(15_000, Math.random() * 500 * 2 ** n), signal).catch(() => {});
  }
}

/**
 * Reads one stream of server-sent events to its end (HTML Living Standard §9.2.6). An EventSource cannot send the token.
 * @param {string} bearer @param {string} last @param {AbortSignal} signal
 * @param {(e: {id: string, type: string, data: string}) => void} tell also of comments, as an empty event
 */
async function stream(bearer, last, signal, tell) {
  const headers = { Authorization: 'Bearer ' + bearer, ...(last ? { 'Last-Event-ID': last } : {}) };
  const answer = await fetch('/v1/events', { headers, signal: orLeft(signal), cache: 'no-store', credentials: 'omit' });
  if (!answer.ok || !answer.body) throw new Problem({ code: 'unreachable', ...await answer.json().catch(() => ({})), status: answer.status });
  tell({ id: '', type: '', data: '' }); // it is up
  let rest = '', now = { id: '', type: '', data: '' };
  for await (const chunk of lines(answer.body.getReader())) {
    rest += chunk;
    for (let end; (end = rest.indexOf('\n')) >= 0; rest = rest.slice(end + 1)) {
      const line = rest.slice(0, end).replace(/\r$/, '');
      const [, field, value] = /^([a-z]*): ?(.*)$/.exec(line) ?? [];
      if (field === 'id') now.id = value;
      if (field === 'event') now.type = value;
      if (field === 'data') now.data += value;
      if (line === '' || line.startsWith(':')) {
        tell(now);
        now = { id: '', type: '', data: '' };
      }
    }
  }
}

/** @param {ReadableStreamDefaultReader<Uint8Array>} reader */
async function* lines(reader) {
  const text = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield text.decode(value, { stream: true });
  }
}
