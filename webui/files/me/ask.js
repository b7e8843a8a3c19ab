// @ts-check
// What the cardholder is asked before something is done: a PIN, a new PIN, or whether it is really meant.
import { button, h, notice, pinPad, screen } from '/ui/dom.js';
import { explain, t } from '/ui/words.js';

/** @typedef {{home: (said?: Node) => Promise<void>}} Back */

/** Goes back to the cards without doing anything. @param {Back} here */
export const back = (here) => button(t('me.back'), () => here.home(), { kind: 'plain' });

/**
 * Asks for the card's PIN and does something with it; what is refused is explained, and the PIN asked for again.
 * @param {Back} here @param {string} title @param {(pin: string) => Promise<void>} act
 * @param {{text?: string, problem?: string}} [say]
 */
export function withPIN(here, title, act, { text, problem } = {}) {
  screen(title, text && h('p', {}, text), problem && notice('bad', problem), h('p.quiet', {}, t('me.pin_now')),
    pinPad((pin) => act(pin).catch((e) => withPIN(here, title, act, { text, problem: explain(e) }))), back(here));
}

/** Whether a PIN is one of those that the service refuses: one digit again and again, or a run. @param {string} pin */
function weak(pin) {
  const step = (Number(pin[1]) - Number(pin[0]) + 10) % 10;
  return [0, 1, 9].includes(step) && [...pin].slice(1).every((d, i) => (Number(d) - Number(pin[i]) + 10) % 10 === step);
}

/**
 * Has a new PIN typed twice.
 * @param {Back} here @param {(pin: string) => Promise<void>} then
 * @param {{problem?: string, more?: Node}} [say] what was wrong before, and what else there is to do
 */
export function choosePIN(here, then, { problem, more } = {}) {
  const again = (/** @type {string} */ words) => choosePIN(here, then, { problem: words, more });
  screen(t('me.choose_pin'), h('p', {}, t('me.choose_pin_text')), problem && notice('bad', problem), pinPad(async (first) => {
    if (weak(first)) return again(t('problem.pin_weak'));
    screen(t('me.repeat_pin'), pinPad(async (second) => {
      if (second !== first) return again(t('me.pins_differ'));
      await then(second).catch((e) => again(explain(e)));
    }, { words: t('me.set_pin') }), back(here));
  }), more, back(here));
}

/**
 * Asks whether something is meant, and does it.
 * @param {Back} here @param {string} title @param {string} text @param {string} words of the button
 * @param {() => Promise<void>} act @param {string} [problem]
 */
export function sure(here, title, text, words, act, problem) {
  screen(title, problem && notice('bad', problem), text.split('\n').map((p) => h('p', {}, p)),
    button(words, () => act().catch((e) => sure(here, title, text, words, act, explain(e))), { kind: 'danger' }), back(here));
}
