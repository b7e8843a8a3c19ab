// @ts-check
// The passkeys that stand for the till's API key, so that nobody has to type it again.
import { deviceLabel, order as write, read } from '/ui/api.js';
import { ask, line } from '/ui/ask.js';
import { button, h, notice } from '/ui/dom.js';
import { usable } from '/ui/signin.js';
import { explain, t, when } from '/ui/words.js';

/**
 * A part of the desk that lists them when it is opened.
 * @param {import('/ui/signin.js').Session} session @param {import('/ui/api.js').Bearer} bearer
 */
export function passkeys(session, bearer) {
  const place = h('div.stack');
  const draw = async (/** @type {Node[]} */ ...said) => {
    try {
      const { passkeys: list } = await read('/v1/sign-in-passkeys', { bearer });
      place.replaceChildren(...said, h('p', {}, t('till.passkey_text')), list.length ? h('ul.items', {}, list.map(one)) : '',
        await usable() ? button(t('op.passkey_make'), make, { kind: 'second', icon: 'key' }) : notice('note', t('signin.unusable')));
    } catch (e) {
      place.replaceChildren(notice('bad', explain(e)));
    }
  };
  const one = (/** @type {any} */ k) => h('li.row', {}, h('span.what', {}, h('b', {}, h('bdi', {}, k.label)),
    h('span.quiet', {}, t('me.made'), ' ', when(k.created_at), ' · ', t('me.used'), ' ', k.used_at ? when(k.used_at) : t('me.never'))),
  k.current ? h('span.badge.active', {}, t('op.passkey_current')) : button(t('me.remove'), () => ask({ title: t('me.remove_passkey'), text: h('p', {}, h('b', {}, h('bdi', {}, k.label))), inputs: [], words: t('me.remove'), danger: true }, async () => {
    await write('/v1/sign-in-passkeys/remove', { credential: k.credential }, bearer);
    session.forget(k.credential);
    await draw(notice('good', t('me.passkey_removed')));
  }), { kind: 'danger' }));
  const make = () => ask({ title: t('op.passkey_make'), text: t('till.passkey_text'),
    inputs: [line('label', t('me.label'), { value: deviceLabel(), maxlength: 64, required: true })], words: t('op.passkey_make'), icon: 'key' }, async ({ label }) => {
    await session.register(label, bearer);
    await draw(notice('good', t('op.passkey_made')));
  });
  const element = h('details', { ontoggle: () => { if (element.open) draw(); } }, h('summary', {}, t('till.passkeys')), place);
  return element;
}
