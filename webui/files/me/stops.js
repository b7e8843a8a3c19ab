// @ts-check
// Stopping a card, and letting it go on.
import { write } from '/ui/api.js';
import { notice } from '/ui/dom.js';
import { explain, t } from '/ui/words.js';
import { sure, withPIN } from '/me/ask.js';
import { expect } from '/me/news.js';

/** @typedef {import('/me.js').Here} Here */

/** Does something to a card, and goes back to it. @param {Here} here @param {string} what of its events @param {string} path @param {string} typ @param {object} more @param {string} done */
export async function act(here, what, path, typ, more, done) {
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
