// @ts-check
// The devices of a card: what they are called, which one approves, and how another becomes that one.
import { read, rename, write } from '/ui/api.js';
import { announce, button, facts, field, h, notice, screen } from '/ui/dom.js';
import { explain, t, when } from '/ui/words.js';
import { activate } from '/me/activate.js';
import { back, sure } from '/me/ask.js';
import { expect } from '/me/news.js';

/** @typedef {import('/me.js').Here} Here */

/** Lists them. @param {Here} here @param {Node} [said] */
export function devices(here, said) {
  const { card, device } = here, own = card.associated_device === device;
  screen(t('me.do.devices'), said, h('p', {}, t('me.devices_text')), h('ul.stack', {}, (card.devices ?? []).map((d) => h('li.panel', {},
    h('div.row', {}, h('h2', {}, h('bdi', {}, d.label)), d.id === card.associated_device && h('span.badge.active', {}, t('me.associated'))),
    d.id === device && h('p.quiet', {}, t('me.this_device')),
    facts([[t('me.bound_at'), when(d.bound_at)], [t('me.id'), h('code', {}, d.id)]]),
    d.id === device && naming(here, d.label)))),
  own && card.state === 'active' && handing(here),
  !own && card.state !== 'closed' && button(t('me.associate'), () => joining(here), { kind: 'second', icon: 'phone' }), back(here));
}

/** Gives this device another name. @param {Here} here @param {string} now */
function naming(here, now) {
  const label = field(t('me.label'), { value: now, maxlength: 64, required: true });
  return h('details', {}, h('summary', {}, t('me.rename')), h('form', { onsubmit: async (/** @type {Event} */ e) => {
    e.preventDefault();
    try {
      await rename(label.input.value.trim());
      devices({ ...here, card: await read('/v1/cards/' + here.card.id) }, notice('good', t('me.renamed')));
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
