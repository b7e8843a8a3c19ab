// @ts-check
// The card's passkeys: to pay with one gesture in place of the PIN and a confirmation.
import { read, write } from '/ui/api.js';
import { button, facts, field, h, icon, notice, screen } from '/ui/dom.js';
import { available, register } from '/ui/passkey.js';
import { explain, t, when } from '/ui/words.js';
import { back, sure, withPIN } from '/me/ask.js';
import { expect } from '/me/news.js';

/** @typedef {import('/me.js').Here} Here */

/** What a passkey made here is called at first: as this device. @param {Here} here */
const named = ({ card, device }) => card.devices?.find((d) => d.id === device)?.label || t('passkey.user');

/** Makes a passkey. The browser is asked before the PIN is sent, because it wants the press that brought us here. @param {Here} here @param {string} label @param {string} pin */
async function add(here, label, pin) {
  expect('passkey_added', here.card.id);
  await register(here.card, label, pin);
}

/**
 * Offers a passkey for a card that this device was just bound to.
 * @param {Here} here @param {Node} said @param {string} [pin] the PIN that was just chosen; it is not kept beyond this screen
 */
export async function offer(here, said, pin) {
  if (!await available()) return here.home(said);
  const make = async (/** @type {string} */ given) => {
    await add(here, named(here), given);
    await here.home(notice('good', t('me.passkey_added')));
  };
  const trouble = h('div', { role: 'alert' });
  screen(t('me.passkey_offer'), said, h('div.mark.good', {}, icon('key')), h('p', {}, t('me.passkey_text')), trouble,
    button(t('me.passkey_make'), async () => {
      if (pin === undefined) return withPIN(here, t('me.passkey_make'), make);
      await make(pin).catch((e) => trouble.replaceChildren(notice('bad', explain(e))));
    }, { icon: 'key' }),
    button(t('me.not_now'), () => here.home(said), { kind: 'plain' }));
}

/** Lists the passkeys. @param {Here} here @param {Node} [said] */
export async function passkeys(here, said) {
  let list;
  try {
    list = (await read(`/v1/cards/${here.card.id}/passkeys`)).passkeys;
  } catch (e) {
    return here.home(notice('bad', explain(e)));
  }
  const own = here.card.associated_device === here.device;
  screen(t('me.do.passkeys'), said, h('p', {}, t('me.passkey_text')), list.length ? h('ul.stack', {}, list.map((/** @type {any} */ k) => one(here, k, own))) : h('p.quiet', {}, t('me.no_passkeys')),
    own && (await available() ? adding(here) : notice('note', t('me.passkey_unavailable'))), back(here));
}

/** @param {Here} here @param {any} k @param {boolean} own */
function one(here, k, own) {
  return h('li.panel', {}, h('h2', {}, h('bdi', {}, k.label)), facts([
    [t('me.made'), when(k.created_at)], [t('me.used'), k.used_at ? when(k.used_at) : t('me.never')],
  ]), k.synced && h('p.quiet', {}, t('me.synced')), !k.usable && notice('note', t('me.unusable')),
  own && button(t('me.remove'), () => sure(here, t('me.remove_passkey'), t('me.remove_text', { label: k.label }), t('me.remove'), async () => {
    expect('passkey_removed', here.card.id);
    await write(`/v1/cards/${here.card.id}/passkeys/remove`, 'unpasskey', { card: here.card.id, credential: k.credential });
    await passkeys(here, notice('good', t('me.passkey_removed')));
  }), { kind: 'second' }));
}

/** @param {Here} here */
function adding(here) {
  const label = field(t('me.label'), { value: named(here), maxlength: 64, required: true });
  return h('form', { onsubmit: (/** @type {Event} */ e) => {
    e.preventDefault();
    withPIN(here, t('me.passkey_make'), async (pin) => {
      await add(here, label.input.value.trim(), pin);
      await passkeys(here, notice('good', t('me.passkey_added')));
    });
  } }, label.row, h('button.main', { type: 'submit' }, icon('key'), t('me.passkey_make')));
}
