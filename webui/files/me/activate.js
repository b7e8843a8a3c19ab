// @ts-check
// Binding this device to a card: the operator's code, a tap, and a PIN where the card has none yet.
import { Offline, Problem, device, write } from '/ui/api.js';
import { newID } from '/ui/key.js';
import { button, field, h, notice, screen } from '/ui/dom.js';
import { canScan, scan } from '/ui/scan.js';
import { keepWaiting } from '/ui/tap.js';
import { tapping } from '/ui/ways.js';
import { explain, t } from '/ui/words.js';
import { choosePIN } from '/me/ask.js';
import { expect } from '/me/news.js';
import { offer } from '/me/passkeys.js';

/** @typedef {(said?: Node) => Promise<void>} Home */
/** @typedef {import('/ui/tap.js').Tap} Tap */

const symbols = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * A code without what people add to it, or nothing if it is mistyped: its last symbol checks the others
 * (docs/api.md, "Codes").
 * @param {string} typed
 */
function codeOf(typed) {
  const values = [...typed.toUpperCase().replace(/[- ]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1')].map((s) => symbols.indexOf(s));
  const double = (/** @type {number} */ c) => c & 16 ? c << 1 ^ 0b100101 : c << 1;
  const check = double(values.slice(0, 12).reduce((c, v) => double(c) ^ v, 0));
  return values.length === 13 && !values.includes(-1) && check === values[12] ? values.map((v) => symbols[v]).join('') : '';
}

/** Stops, and forgets the code. @param {Home} home @param {() => void} [stop] */
const cancel = (home, stop) => button(t('pay.cancel'), () => { stop?.(); keepWaiting(''); return home(); }, { kind: 'plain' });

/** The code in what a QR code says: a link, of which only the code counts, or the code alone. @param {string} text */
const codeIn = (text) => codeOf(/[#&]code=([^&]+)/.exec(text)?.[1] ?? text);

/**
 * Goes through the steps that are left.
 * @param {Home} home @param {{code?: string, tapped?: Tap, problem?: string, keeps?: boolean}} has what there is already; keeps
 *   says that the card is known to have a PIN, because it replaces another
 * @returns {Promise<void>}
 */
export async function activate(home, { code = '', tapped, problem, keeps = false } = {}) {
  if (!codeOf(code)) return askCode(home, { code, keeps, problem: code ? t('problem.code_format') : problem });
  if (problem) return askCode(home, { code, keeps, problem });
  keepWaiting(code);
  const then = (/** @type {Tap} */ found) => keeps ? bind(home, { code, tap: found.tap }) : askPIN(home, code, found);
  if (tapped) return then(tapped);
  const { element, stop } = await tapping(then);
  screen(t('me.tap_title'), h('p', {}, t('me.tap_text')), element,
    button(t('pay.cancel'), () => { stop(); keepWaiting(''); return home(); }, { kind: 'plain' }));
}

/** @param {Home} home @param {{code: string, keeps: boolean, problem?: string}} has */
async function askCode(home, { code, keeps, problem }) {
  const scans = await canScan(), over = new AbortController();
  const place = h('div.stack', { role: 'status' });
  const look = button(t('me.scan'), async () => {
    place.replaceChildren(h('p.quiet', {}, t('me.scanning')));
    try {
      place.append(await scan(t('me.scanning'), (text) => {
        const found = codeIn(text);
        if (found) {
          over.abort();
          activate(home, { code: found, keeps });
        } else place.firstElementChild?.replaceWith(h('p', {}, t('me.no_code')));
        return found !== '';
      }, over.signal));
      look.hidden = true;
    } catch {
      place.replaceChildren(notice('note', t('me.no_camera')));
    }
  }, { kind: 'second', icon: 'phone' });
  const given = field(t('me.code'), { value: code, autocapitalize: 'characters', spellcheck: 'false', placeholder: 'XXXX-XXXX-XXXX-X', maxlength: 64 }, t('me.code_help'));
  screen(t('me.activate'), problem && notice('bad', problem), h('form', { onsubmit: (/** @type {Event} */ e) => {
    e.preventDefault();
    const typed = given.input.value.trim();
    if (!codeOf(typed)) return given.tell(t('problem.code_format'));
    over.abort();
    activate(home, { code: typed, keeps });
  } }, given.row, h('button.main', { type: 'submit' }, t('order.next'))), scans && look, place, cancel(home, () => over.abort()));
}

/** A new card gets a PIN; one that has a PIN keeps it. @param {Home} home @param {string} code @param {Tap} tapped */
function askPIN(home, code, tapped) {
  const stop = () => { keepWaiting(''); return home(); };
  choosePIN({ home: stop }, (pin) => bind(home, { code, tap: tapped.tap, pin }), {
    more: button(t('me.has_pin'), () => bind(home, { code, tap: tapped.tap }), { kind: 'second' }),
  });
}

/** @param {Home} home @param {{code: string, tap: any, pin?: string}} claims @param {string} [id] the same for one try */
async function bind(home, claims, id = newID()) {
  keepWaiting(''); // it serves once; if this page is reloaded now, the cards tell whether it did
  expect('bound');
  let card;
  try {
    card = await write('/v1/cards/activate', 'activation', claims, id);
  } catch (e) {
    if (e instanceof Problem && (e.code === 'pin_weak' || e.code === 'pin_format')) throw e; // before the tap was looked at
    if (e instanceof Offline) return void screen(t('lost.title'), notice('note', t('error.offline')), button(t('lost.again'), () => bind(home, claims, id)));
    return activate(home, { code: claims.code, problem: explain(e) });
  }
  await offer({ card, device: (await device()).id, home, wait() {} }, notice('good', t('me.bound')), claims.pin);
}
