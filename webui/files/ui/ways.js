// @ts-check
// Asking for a card, by all the ways in which this device reads one. The page around it says what the card is for.
import { button, field, h, icon, notice } from './dom.js';
import * as cards from './tap.js';
import { t } from './words.js';

/**
 * Waits for one tap. The element says how to tap and what goes wrong; the first card that is read is given on, and only
 * that one. Call stop when the page goes on without a card.
 * @param {(tapped: cards.Tap) => void} then @param {string} [problem] what was wrong with the tap before
 * @param {() => Promise<any>} [challenge] asks the service for what a payment card is to sign
 * @returns {Promise<{element: HTMLElement, stop: () => void}>}
 */
export async function tapping(then, problem, challenge) {
  const demo = await cards.demoCards();
  const over = new AbortController();
  /** @param {cards.Tap} found */
  const got = (found) => {
    if (over.signal.aborted) return;
    over.abort();
    then(found);
  };
  const trouble = h('div', { role: 'alert' }, problem && notice('bad', problem));
  const target = h('div.tapping', {}, icon('tap'));
  const say = (/** @type {string} */ key) => trouble.replaceChildren(notice('bad', t(key)));
  return {
    element: h('div.ways', {}, target, trouble, ways(demo, target, got, say, over.signal, challenge)),
    stop: () => over.abort(),
  };
}

/**
 * A card of the demo: pressed, or dragged to where cards are tapped.
 * @param {{id: string, label: string}} card @param {HTMLElement} target @param {(t: cards.Tap) => void} got
 */
function virtual(card, target, got) {
  const element = button(card.label, async () => got(await cards.demoTap(card.id)), { kind: 'card', icon: 'tap' });
  /** @type {{x: number, y: number} | undefined} */
  let from;
  let moved = false, there = false;
  element.onpointerdown = (/** @type {PointerEvent} */ e) => {
    from = { x: e.clientX, y: e.clientY };
    moved = there = false;
    element.setPointerCapture(e.pointerId);
  };
  element.onpointermove = (/** @type {PointerEvent} */ e) => {
    if (!from) return;
    const x = e.clientX - from.x, y = e.clientY - from.y, at = target.getBoundingClientRect();
    moved ||= Math.hypot(x, y) > 10;
    if (!moved) return;
    there = e.clientX > at.left && e.clientX < at.right && e.clientY > at.top && e.clientY < at.bottom;
    target.classList.toggle('near', there);
    element.animate({ transform: `translate(${x}px, ${y}px)` }, { duration: 1, fill: 'forwards' });
  };
  const end = (/** @type {boolean} */ drop) => {
    from = undefined;
    target.classList.remove('near');
    for (const a of element.getAnimations()) a.cancel();
    if (drop && moved && there) { moved = false; element.click(); } else setTimeout(() => { moved = false; });
  };
  element.onpointerup = () => end(true);
  element.onpointercancel = () => end(false);
  element.addEventListener('click', (/** @type {Event} */ e) => { // what was dropped elsewhere was not pressed
    if (moved) e.stopImmediatePropagation();
  }, true);
  return element;
}

/**
 * @param {{id: string, label: string}[]} demo @param {HTMLElement} target @param {(t: cards.Tap) => void} got
 * @param {(key: string) => void} say @param {AbortSignal} signal @param {() => Promise<any>} [challenge]
 */
function ways(demo, target, got, say, signal, challenge) {
  const way = h('div.ways');
  if (demo.length) {
    way.append(h('p.quiet', {}, t('tap.demo')), ...demo.map((card) => virtual(card, target, got)));
  }
  if (cards.hasNFC) {
    way.append(button(t('tap.nfc'), () => cards.nfc(got, say, signal).catch(() => say('tap.nfc_refused')), { icon: 'tap' }));
  } else if (!demo.length) way.append(h('p', {}, t(matchMedia('(pointer: coarse)').matches ? 'tap.phone' : 'tap.desktop')));
  if (!matchMedia('(pointer: coarse)').matches) way.append(readerWay(got, say, signal, challenge));
  return way;
}

/**
 * A reader on the desk.
 * @param {(t: cards.Tap) => void} got @param {(key: string) => void} say @param {AbortSignal} signal @param {() => Promise<any>} [challenge]
 */
function readerWay(got, say, signal, challenge) {
  const place = h('div');
  const wait = () => {
    place.replaceChildren(h('p', { role: 'status' }, t('reader.waiting')),
      button(t('reader.other'), () => { cards.forgetReader(); ask(); }, { kind: 'plain' }));
    cards.onReader(signal, challenge).then(got, (e) => {
      if (signal.aborted) return;
      const known = ['no_account', 'no_application', 'card_blocked', 'card_malformed'].includes(e?.reader);
      say(known ? 'tap.' + e.reader : 'reader.lost');
      if (known) wait(); else { cards.forgetReader(); ask(); }
    });
  };
  const ask = () => {
    const code = field(t('reader.code'), { autocapitalize: 'characters', spellcheck: 'false' }, t('reader.help'));
    place.replaceChildren(h('details', {}, h('summary', {}, t('reader.title')), h('form', { onsubmit: (/** @type {Event} */ e) => {
      e.preventDefault();
      if (cards.useReader(code.input.value)) wait(); else code.tell(t('reader.bad_code'));
    } }, code.row, h('button.second', { type: 'submit' }, t('reader.use')))));
  };
  if (cards.reader()) wait(); else ask();
  return place;
}
