// @ts-check
// What operators are told as it happens, whether the service is well, and what operators did.
import { listen } from '/ui/api.js';
import { announce, h, notice } from '/ui/dom.js';
import { t, when } from '/ui/words.js';
import { bearer, get, pages, people, short } from '/operator/session.js';

/** What somebody should look at. */
const serious = ['skim_suspected', 'lost', 'top_up.requested', 'operator.requested', 'operator.enrolled', 'operator.removed', 'operator.passkey_added'];

/** @type {import('/operator.js').Section} */
export async function alarms(place, _, signal) {
  const list = h('ul.items.news');
  const lamp = h('p.live', { role: 'status' }, t('me.connecting'));
  const health = h('div');
  const more = await pages(async (after) => {
    const page = await get('/events' + (after && '?before=' + after), signal);
    return { items: page.events.map(told), next: page.next };
  }, list);
  place.replaceChildren(health, lamp, list, more);
  well(health, signal);
  let up = false;
  listen({ bearer, signal, event: (e) => {
    if (e.type === 'reset') return location.reload();
    list.prepend(told(e));
    announce(t('op.event.' + name(e)));
  }, live: (is) => {
    if (is === up) return;
    up = is;
    lamp.textContent = t(up ? 'me.live' : 'me.not_live');
    lamp.className = up ? 'live up' : 'live down';
  } });
}

/** @param {any} e */
const name = (e) => e.type.replace('card.', '');

/** @param {any} e */
const told = (e) => h(serious.includes(name(e)) ? 'li.alarm' : 'li', {}, h('div.row', {}, h('span.what', {}, h('b', {}, t('op.event.' + name(e))),
  h('span.quiet', {}, e.type.startsWith('card.') && t('fact.card') + ' ', short(e.subject))), h('span.quiet', {}, when(e.at))));

/** Asks again and again whether the service can work. @param {HTMLElement} place @param {AbortSignal} signal */
async function well(place, signal) {
  let was = '';
  while (!signal.aborted) {
    const text = await fetch('/readyz', { cache: 'no-store', credentials: 'omit', signal }).then(async (r) => r.ok ? 'ready' : (await r.text()).trim(), () => 'unreachable');
    if (signal.aborted) return;
    if (text !== was) place.replaceChildren(text === 'ready' ? notice('good', t('op.healthy')) : notice('bad', t('op.unhealthy', { text: text === 'unreachable' ? t('error.offline') : text })));
    was = text;
    await new Promise((done) => { setTimeout(done, 5000); });
  }
}

/** What operators did, newest first. @type {import('/operator.js').Section} */
export async function audit(place, _, signal) {
  const names = await people(signal);
  const rows = h('tbody');
  const more = await pages(async (after) => {
    const page = await get('/audit' + (after && '?before=' + after), signal);
    return { items: page.records.map((/** @type {any} */ a) => h('tr', {}, h('td', {}, when(a.at)), h('th', { scope: 'row' }, h('bdi', {}, names.get(a.operator) ?? a.operator)),
      h('td', {}, h('code', {}, a.action)), h('td', {}, short(a.subject)), h('td', {}, h('bdi', {}, a.note)))), next: page.next };
  }, rows);
  place.replaceChildren(h('div.scroll', { tabindex: 0, role: 'region', 'aria-label': t('op.section.audit') }, h('table', {}, h('thead', {}, h('tr', {},
    ['op.when', 'op.operator', 'op.action', 'op.subject', 'op.note'].map((key) => h('th', { scope: 'col' }, t(key))))), rows)), more);
}
