// @ts-check
// The way through a demo: who plays what, in which window, and how far it has come. "tapline demo" alone serves it.
import { call, pause } from '/ui/api.js';
import { announce, button, frame, h, icon, notice, screen } from '/ui/dom.js';
import { explain, t } from '/ui/words.js';

/** What the demo tells. @typedef {{activate: string, pay: string, key: string, invite: string, done: Record<string, boolean>}} Guide */

frame(t('demo.title'));

/** A link that opens another tab of this window. @param {string} words @param {string} href @param {boolean} main */
const open = (words, href, main) => h('a.button.' + (main ? 'main' : 'second'), { href, target: '_blank', rel: 'noopener' }, words);

/** A button that copies a text. @param {string} words @param {string} text */
function copy(words, text) {
  const said = h('span.quiet', { role: 'status' });
  return h('div.copy', {}, button(words, () => navigator.clipboard.writeText(text).then(() => { said.textContent = t('op.copied'); }, () => { said.textContent = text; }), { kind: 'second' }), said);
}

/** The steps: name, whether it is done, and what there is to press. @param {Guide} g @returns {[string, boolean, any[]][]} */
const steps = (g) => [
  ['activate', g.done.activated, [open(t('demo.activate.go'), g.activate, !g.done.activated)]],
  ['pay', g.done.instructed, [h('p', {}, h('a', { href: g.pay, target: '_blank', rel: 'noopener' }, h('bdi', {}, g.pay))), copy(t('till.copy'), g.pay)]],
  ['approve', g.done.settled, [open(t('demo.approve.go'), '/approve', g.done.instructed && !g.done.settled)]],
  ['refund', g.done.refunded, [h('p.secret', {}, g.key), copy(t('demo.refund.copy'), g.key), open(t('demo.refund.go'), '/till', g.done.settled && !g.done.refunded)]],
  ['read', !g.invite, [open(t(g.invite ? 'demo.read.go' : 'demo.read.again'), g.invite || '/operator', Boolean(g.invite) && g.done.refunded)]],
];

/** @param {Guide} g */
function draw(g) {
  const all = steps(g), next = all.findIndex(([, done]) => !done);
  screen(t('demo.heading'), next < 0 && notice('good', t('demo.over')), h('p', {}, t('demo.text')), h('ol.steps', {}, all.map(([name, done, parts], i) =>
    h('li.panel' + (i === next ? '.next' : ''), { 'aria-current': i === next && 'step' },
      h('div.row', {}, h('h2', {}, h('span.number', { 'aria-hidden': 'true' }, done ? icon('done') : String(i + 1)), t(`demo.${name}.title`)), done && h('span.badge.active', {}, t('demo.done'))),
      h('p', {}, t(`demo.${name}.text`)), parts))), h('p.quiet', {}, t('demo.more')));
}

/** Looks again and again how far it has come. */
async function follow() {
  for (let was = ''; ;) {
    try {
      const g = /** @type {Guide} */ (await call('/demo/guide'));
      const now = JSON.stringify(g);
      if (now !== was) {
        draw(g);
        if (was) announce(t('demo.progress'));
        was = now;
      }
    } catch (e) {
      if (!was) screen(t('error.title'), notice('bad', explain(e)));
    }
    await pause(1500);
  }
}

follow();
