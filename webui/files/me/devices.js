// @ts-check
// The devices of a card: what they are called, which one approves, and how another becomes that one.
import { read, rename, write } from '/ui/api.js';
import { announce, button, facts, field, h, notice, screen } from '/ui/dom.js';
import { explain, t, when } from '/ui/words.js';
import { activate } from '/me/activate.js';
import { back, sure, withPIN } from '/me/ask.js';
import { expect } from '/me/news.js';

/** @typedef {import('/me.js').Here} Here */

/** Lists them. @param {Here} here @param {Node} [said] */
export async function devices(here, said) {
  const { card, device } = here, own = card.associated_device === device;
  let keys;
  try {
    keys = (await read(`/v1/cards/${card.id}/passkeys`)).passkeys;
  } catch (e) {
    return here.home(notice('bad', explain(e)));
  }
  screen(t('me.do.devices'), said, h('p', {}, t('me.devices_text')), h('ul.stack', {}, (card.devices ?? []).map((d) => h('li.panel', {},
    h('div.row', {}, h('h2', {}, h('bdi', {}, d.label)), d.id === card.associated_device && h('span.badge.active', {}, t('me.associated'))),
    d.id === device && h('p.quiet', {}, t('me.this_device')),
    facts([
      [t('me.bound_at'), when(d.bound_at)], [t('me.used'), d.used_at ? when(d.used_at) : t('me.never')],
      [t('me.do.passkeys'), keys.filter((/** @type {any} */ k) => k.device === d.id).map((/** @type {any} */ k) => k.label).join(', ')],
      [t('me.id'), h('code', {}, d.id)],
    ]),
    d.id === device ? naming(here, d.label) : own && removing(here, d)))),
  own && card.state === 'active' && handing(here),
  !own && card.state !== 'closed' && button(t('me.associate'), () => joining(here), { kind: 'second', icon: 'phone' }), back(here));
}

/** Ends what a device is to the card. @param {Here} here @param {{id: string, label: string}} d */
const removing = (here, d) => button(t('me.remove_device'), () => withPIN(here, t('me.remove_device_title', { label: `${d.label} …${d.id.slice(-6)}` }), async (pin) => {
  expect('device_removed', here.card.id);
  const card = await write(`/v1/cards/${here.card.id}/devices/remove`, 'undevice', { card: here.card.id, device: d.id, pin });
  await devices({ ...here, card }, notice('good', t('me.device_removed')));
}, { text: t('me.remove_device_text') }), { kind: 'second' });

/** Gives this device another name. @param {Here} here @param {string} now */
function naming(here, now) {
  const label = field(t('me.label'), { value: now, maxlength: 64, required: true });
  return h('details', {}, h('summary', {}, t('me.rename')), h('form', { onsubmit: async (/** @type {Event} */ e) => {
    e.preventDefault();
    try {
      await rename(label.input.value.trim());
      await devices({ ...here, card: await read('/v1/cards/' + here.card.id) }, notice('good', t('me.renamed')));
    } catch (/** @type {any} */ e) {
      label.tell(e?.field === 'label' ? t('problem.text_not_shown') : explain(e));
    }
  } }, label.row, h('button.second', { type: 'submit' }, t('me.rename'))));
}

/** Makes another device the associated one. Its id is typed or pasted, never taken from a link. @param {Here} here */
function handing(here) {
  const id = field(t('me.new_device'), { spellcheck: 'false', autocapitalize: 'none', maxlength: 64 }, t('me.new_device_help'));
  return h('details', {}, h('summary', {}, t('me.hand_over')), h('form', { onsubmit: (/** @type {Event} */ e) => {
    e.preventDefault();
    const given = id.input.value.trim();
    if (!/^[A-Za-z0-9_-]{43}$/.test(given) || given === here.device) return id.tell(t('me.bad_id'));
    sure(here, t('me.hand_over'), t('me.hand_over_text', { id: given }), t('me.hand_over_do'), async () => {
      expect('bound', here.card.id);
      await write(`/v1/cards/${here.card.id}/associated-device`, 'rebind', { card: here.card.id, new_device: given });
      await here.home(notice('good', t('me.handed_over')));
    });
  } }, id.row, h('button.second', { type: 'submit' }, t('order.next'))));
}

/** How this device becomes the associated one. @param {{card?: any, device: string, home: Here['home'], wait: Here['wait']}} here */
export function joining(here) {
  const copy = button(t('me.copy'), async () => {
    await navigator.clipboard.writeText(here.device).then(() => announce(t('me.copied')), () => getSelection()?.selectAllChildren(id));
  }, { kind: 'second' });
  const id = h('p.id', {}, h('code', {}, here.device));
  const panel = h('section.panel', {}, h('h2', {}, t('me.from_old')), h('p', {}, t('me.from_old_text')), id, copy, h('p.quiet', { role: 'status' }, t('me.waiting')));
  screen(t('me.associate'), panel,
    h('section.panel', {}, h('h2', {}, t('me.from_operator')), h('p', {}, t('me.from_operator_text')), button(t('me.have_code'), () => activate(here.home, {}), { kind: 'second', icon: 'key' })), back(here));
  here.wait(panel, here.card?.id);
}
