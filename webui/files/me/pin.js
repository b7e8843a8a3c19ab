// @ts-check
// Changing the PIN.
import { write } from '/ui/api.js';
import { button, field, h, notice, pinPad, screen } from '/ui/dom.js';
import { explain, t } from '/ui/words.js';
import { back, choosePIN } from '/me/ask.js';
import { expect } from '/me/news.js';

/** @typedef {import('/me.js').Here} Here */

/** Changes the PIN: with the old one, or with an operator's code where that is forgotten. @param {Here} here */
export function changePIN(here) {
  const code = field(t('me.reset_code'), { autocapitalize: 'characters', spellcheck: 'false' }, t('me.reset_code_help'));
  screen(t('me.do.pin'), h('p.quiet', {}, t('me.old_pin')),
    pinPad((old) => Promise.resolve(choosePIN(here, (pin) => change(here, { old_pin: old, new_pin: pin }))), { words: t('order.next') }),
    h('details', {}, h('summary', {}, t('me.forgot_pin')), h('form', { onsubmit: (/** @type {Event} */ e) => {
      e.preventDefault();
      const reset = code.input.value.trim();
      if (!reset) return code.tell(t('problem.code_format'));
      choosePIN(here, (pin) => change(here, { reset_code: reset, new_pin: pin }));
    } }, code.row, h('button.second', { type: 'submit' }, t('me.use_code')))), back(here));
}

/** @param {Here} here @param {object} pins */
async function change(here, pins) {
  expect('pin_changed', here.card.id);
  try {
    await write(`/v1/cards/${here.card.id}/pin`, 'pin', { card: here.card.id, ...pins });
  } catch (e) {
    screen(t('me.do.pin'), notice('bad', explain(e)), button(t('error.again'), () => changePIN(here)), back(here)); // which of the two is wrong, the words say
    return;
  }
  await here.home(notice('good', t('me.pin_changed')));
}
