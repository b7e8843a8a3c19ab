// @ts-check
// Keeping what a page shows up to date: by the event stream; where that does not come through, by requests that each wait for
// the next event; and where those fail, too, by asking every few seconds. A page says when it is not live: what it shows may
// be old.
import { listen, Offline, pause, read as get } from './api.js';

/** How a page hears of changes: at once, by asking, or not at all. @typedef {'live' | 'asking' | 'lost'} How */

const askEvery = 4000; // ms
const patience = 3000; // ms
const silence = 40_000; // ms: the stream has a sign of life every 15 s

/**
 * Keeps something up to date until the signal aborts. read is never run twice at the same time.
 * @param {{read: (s: AbortSignal) => Promise<void>, told: (how: How) => void, failed: (e: any) => void, signal: AbortSignal,
 *   bearer?: import('./api.js').Bearer}} what
 * @returns {() => void} reads anew
 */
export function keepLive({ read, told, failed, signal, bearer }) {
  /** @type {How | ''} */
  let state = '';
  let up = false, sign = performance.now(), stream = new AbortController(), attempt = new AbortController();
  let reading = false, again = false, waits = false;
  const tell = (/** @type {How} */ now) => { if (now !== state) told(state = now); };
  const refresh = async () => {
    again = true;
    if (reading) return;
    reading = true;
    while (again && !signal.aborted) {
      again = false;
      attempt = new AbortController();
      const slow = setTimeout(() => { if (!up) tell('lost'); }, patience);
      try {
        await read(attempt.signal);
        if (up) tell('live'); else if (state || performance.now() - sign > askEvery) tell('asking');
      } catch (e) {
        if (attempt.signal.aborted) again = true;
        else if (e instanceof Offline) { tell('lost'); break; } else { failed(e); break; }
      } finally {
        clearTimeout(slow);
      }
    }
    reading = false;
  };
  const open = () => {
    stream.abort();
    stream = new AbortController();
    const { signal: ended } = stream;
    sign = performance.now();
    listen({ bearer, signal: ended, event: refresh, live: (is) => {
      if (ended.aborted) return;
      if (is) sign = performance.now();
      if (is && !up) { up = true; refresh(); } // what happened meanwhile
      if (!is && up) { up = false; tell('asking'); refresh(); }
    } });
  };
  const restart = () => { up = false; attempt.abort(); open(); refresh(); };
  const gone = () => { up = false; tell('lost'); };
  addEventListener('online', restart, { signal });
  addEventListener('offline', gone, { signal });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); }, { signal });
  signal.addEventListener('abort', () => { stream.abort(); attempt.abort(); }, { once: true });
  (async () => {
    while (!signal.aborted) {
      await pause(askEvery, signal).catch(() => {});
      if (signal.aborted) return;
      if (up && performance.now() - sign > silence) restart();
      else if (!up && !waits) refresh();
    }
  })();
  (async () => {
    for (let after = ''; !signal.aborted;) {
      try {
        if (!up) {
          const next = await get('/v1/events/next' + (after && '?wait=25&after=' + after), { bearer, signal });
          waits = !up;
          setTimeout(() => { if (waits && !up && !signal.aborted && state !== 'lost') tell('asking'); }, Math.max(0, sign + askEvery - performance.now()));
          if (after && (next.reset || next.events.length)) refresh();
          after = next.next;
          if (!after) throw new Error('no number');
          continue;
        }
      } catch { /* asking every few seconds is left */ }
      waits = false;
      after = '';
      await pause(askEvery / 2, signal).catch(() => {});
    }
  })();
  open();
  refresh();
  return refresh;
}
