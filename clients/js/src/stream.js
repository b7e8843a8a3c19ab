// @ts-check
// Server-sent events, across breaks of the connection.
import { BadAnswer, Problem } from './errors.js';
import { backoff, pause, read } from './send.js';

const silence = 40_000; // milliseconds after which a stream counts as broken: the service sends something every 15 seconds
const maxStreamPause = 15_000;
const maxEvent = 256 << 10;

/**
 * Reads events after an id, and opens the stream again whenever it breaks. It ends with the signal, or with what the service refuses
 * for good.
 * @param {import('./send.js').Connection} to @param {{after?: string, signal?: AbortSignal}} options
 * @returns {AsyncGenerator<import('../types/client.js').StreamEvent, void, undefined>}
 */
export async function* stream(to, { after = '', signal } = {}) {
  const state = { last: after, retry: 0 };
  for (let failures = 1; ; failures++) {
    let wait = backoff(Math.min(failures, 7));
    const broken = new AbortController();
    const watchdog = { timer: setTimeout(() => broken.abort(), silence) };
    try {
      const response = await to.fetch(to.origin + '/v1/events', {
        headers: { Accept: 'text/event-stream, application/problem+json', Authorization: 'Bearer ' + to.key, ...(state.last && { 'Last-Event-ID': state.last }) },
        redirect: 'manual', cache: 'no-store', credentials: 'omit', signal: signal ? AbortSignal.any([signal, broken.signal]) : broken.signal,
      });
      if (!response.ok || !response.body) await read(response);
      if (!response.body || !response.headers.get('Content-Type')?.startsWith('text/event-stream')) throw new BadAnswer('not a stream of events');
      for await (const event of events(response.body, state, () => {
        clearTimeout(watchdog.timer);
        watchdog.timer = setTimeout(() => broken.abort(), silence);
      })) {
        failures = 0;
        yield event;
      }
    } catch (e) {
      if (signal?.aborted) throw signal.reason;
      if (e instanceof BadAnswer) throw e;
      if (e instanceof Problem) {
        if (e.status < 500 && e.status !== 429) throw e;
        wait = Math.max(wait, e.retryAfter * 1000);
      }
    } finally {
      clearTimeout(watchdog.timer);
      broken.abort(); // whoever stops listening leaves no connection behind
    }
    await pause(Math.min(Math.max(wait, state.retry), maxStreamPause), signal);
  }
}

/**
 * Reads the lines of the event stream format (WHATWG HTML §9.2.6).
 * @param {ReadableStream<Uint8Array>} body @param {{last: string, retry: number}} state @param {() => void} alive
 * @returns {AsyncGenerator<import('../types/client.js').StreamEvent, void, undefined>}
 */
async function* events(body, state, alive) {
  const reader = body.getReader(), decoder = new TextDecoder();
  let text = '', id = state.last, type = '', data = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    text += decoder.decode(value, { stream: true });
    if (text.length + data.length > maxEvent) throw new BadAnswer('an event that is too long');
    for (let end; (end = text.indexOf('\n')) >= 0; text = text.slice(end + 1)) {
      const line = text.slice(0, end).replace(/\r$/, '');
      if (line !== '') {
        const [, field, rest] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
        if (field === 'event') type = rest;
        if (field === 'data') data += (data && '\n') + rest;
        if (field === 'id' && !rest.includes('\0')) id = rest;
        if (field === 'retry' && /^\d+$/.test(rest)) state.retry = Number(rest);
        continue;
      }
      state.last = id;
      if (type === 'reset') yield { type: 'reset', id };
      else if (data) yield { ...parsed(data), id };
      type = data = '';
    }
  }
}

/** @param {string} data */
function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new BadAnswer('an event that cannot be understood');
  }
}
