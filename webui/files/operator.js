// @ts-check
// The operator's page: payments and their steps, cards and accounts, how far payments come, alarms, and what operators did.
// What is shown is in the address after "#", so that going back and reloading work. Each section has a module in /operator.
import { Problem } from '/ui/api.js';
import { announce, button, frame, h, notice, screen } from '/ui/dom.js';
import { hasKey } from '/ui/key.js';
import { explain, t } from '/ui/words.js';
import { cards } from '/operator/cards.js';
import { accounts } from '/operator/accounts.js';
import { funnel } from '/operator/funnel.js';
import { isInvited, operators, wait, welcome } from '/operator/operators.js';
import { payment, payments } from '/operator/payments.js';
import { bearer, requested, session, unknown } from '/operator/session.js';
import { alarms, audit } from '/operator/watch.js';

/** A section: its content, and what it needs to stop when another one is shown. @typedef {(place: HTMLElement, rest: string, signal: AbortSignal) => Promise<void>} Section */

/** @type {Record<string, Section>} */
const sections = { payments, cards, accounts, funnel, alarms, audit, operators };

frame(t('op.title')).classList.add('wide');
addEventListener('hashchange', () => { show().catch(fail); });
begin().catch(fail);

async function begin() {
  if (isInvited() || !session.token && !await hasKey('operator')) return welcome(begin);
  try {
    await bearer();
  } catch (e) {
    if (requested(e)) return wait(begin);
    if (unknown(e)) return welcome(begin);
    throw e;
  }
  await show();
}

/** @type {AbortController} */
let shown = new AbortController();

/** Shows what the address names. */
async function show() {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  const [asked, rest = ''] = decodeURIComponent(location.hash.slice(1)).split('/', 2);
  const name = asked in sections ? asked : 'payments';
  const place = h('div.stack', { 'aria-busy': 'true' }, h('p.quiet', {}, t('pay.loading')));
  screen(t('op.section.' + name), navigation(name), place);
  const section = name === 'payments' && rest ? payment : sections[name];
  try {
    await section(place, rest, signal);
    if (!signal.aborted) announce(t('op.section.' + name));
  } catch (e) {
    if (signal.aborted) return;
    if (e instanceof Problem && e.status === 401) {
      session.leave();
      return begin();
    }
    place.replaceChildren(notice('bad', explain(e)), button(t('error.again'), () => show(), { kind: 'second' }));
  } finally {
    place.removeAttribute('aria-busy');
  }
}

/** @param {string} current */
const navigation = (current) => h('nav', { class: 'sections', 'aria-label': t('op.sections') }, Object.keys(sections).map((name) =>
  h('a', { href: '#' + name, 'aria-current': name === current && 'page' }, t('op.section.' + name))));

/** @param {any} e */
function fail(e) {
  screen(t('error.title'), notice('bad', explain(e)), button(t('error.again'), () => begin().catch(fail)));
}
