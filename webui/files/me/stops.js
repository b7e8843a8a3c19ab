// @ts-check
// Stopping a card, letting it go on, and what payments with it need.
import { write } from '/ui/api.js';
import { h, notice, screen } from '/ui/dom.js';
import { explain, t } from '/ui/words.js';
import { back, sure, withPIN } from '/me/ask.js';
import { expect } from '/me/news.js';

/** @typedef {import('/me.js').Here} Here */

/** Does something to a card, and goes back to it. @param {Here} here @param {string} what of its events @param {string} path @param {string} typ @param {object} more @param {string} done */
async function act(here, what, path, typ, more, done) {
  expect(what, here.card.id);
  await write(`/v1/cards/${here.card.id}/${path}`, typ, { card: here.card.id, ...more });
  await here.home(notice('good', t(done)));
}

/** Freezes at once: whoever presses this is in a hurry, and can undo it. @param {Here} here */
export const freeze = (here) => act(here, 'frozen', 'freeze', 'freeze', {}, 'me.did.freeze')
  .catch((e) => here.home(notice('bad', explain(e))));

/** @param {Here} here */
export const unfreeze = (here) => withPIN(here, t('me.do.unfreeze'), (pin) => act(here, 'unfrozen', 'unfreeze', 'unfreeze', { pin }, 'me.did.unfreeze'));

/** Reports a card lost, which its holder cannot undo. @param {Here} here */
export const lost = (here) => sure(here, t('me.lost_title'), t('me.lost_text'), t('me.lost_report'),
  () => act(here, 'lost', 'lost', 'loss', {}, 'me.did.lost'));

const levels = ['tap', 'authenticate', 'confirm', 'approve'];

/** The least that payments with the card need. @param {Here} here */
export function limits(here) {
  const options = levels.map((level) => {
    const input = h('input', { type: 'radio', name: 'level', value: level, checked: level === (here.card.level ?? 'tap') });
    return h('label.option', {}, input, h('span', {}, h('b', {}, t('me.level.' + level)), h('span.quiet', {}, t('me.level_text.' + level))));
  });
  const form = h('form', { onsubmit: (/** @type {Event} */ e) => {
    e.preventDefault();
    const level = String(new FormData(form).get('level'));
    withPIN(here, t('me.do.limits'), (pin) => act(here, 'limits_changed', 'limits', 'limits', { level, pin }, 'me.did.limits'),
      { text: t('me.level.' + level) });
  } }, h('fieldset', {}, h('legend', {}, t('me.limits_text')), options), h('button.main', { type: 'submit' }, t('order.next')));
  screen(t('me.do.limits'), form, h('p.quiet', {}, t('me.limits_more')), back(here));
}
