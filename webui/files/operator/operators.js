// @ts-check
// The people who run the service: how this browser's key becomes one of theirs, and who they are.
import { order } from '/ui/api.js';
import { button, h, notice, screen } from '/ui/dom.js';
import { key } from '/ui/key.js';
import { explain, t, when } from '/ui/words.js';
import { ask, get, line, pages, post, short } from '/operator/session.js';

/** The public half of this browser's key, as it is handed over. */
const publicKey = async () => JSON.stringify((await key('operator')).jwk);

/**
 * Nobody knows this browser's key yet: it is shown, to be added by an operator, or enrolled as the first.
 * @param {() => Promise<void>} begin
 */
export async function enrol(begin) {
  const text = await publicKey();
  const said = h('div', { 'aria-live': 'polite' });
  const shown = h('textarea.key_text', { id: 'jwk', readonly: true, rows: 4, spellcheck: 'false' });
  shown.value = text;
  const first = [line('name', t('op.your_name'), { required: true, maxlength: 64 }),
    line('token', t('op.first_token'), { required: true, type: 'password', autocomplete: 'off' }, t('op.first_token_help'))];
  const form = h('form', { onsubmit: async (/** @type {Event} */ e) => {
    e.preventDefault();
    const [name, given] = first.map((i) => i.value());
    try {
      await order('/v1/admin/operators', { name, public_key: JSON.parse(text) }, async () => given);
      await begin();
    } catch (error) {
      said.replaceChildren(notice('bad', explain(error)));
    }
  } }, first.map((i) => i.row), h('button.second', { type: 'submit' }, t('op.enrol_first')));
  screen(t('op.not_enrolled'), h('p', {}, t('op.not_enrolled_text')), h('div.field', {}, h('label', { for: 'jwk' }, t('op.public_key')), shown),
    said, button(t('op.copy'), () => navigator.clipboard.writeText(text).then(() => said.replaceChildren(notice('good', t('op.copied'))), () => shown.select()), { kind: 'second' }),
    button(t('op.sign_in'), () => begin()), h('details', {}, h('summary', {}, t('op.first_operator')), form));
}

/** @type {import('/operator.js').Section} */
export async function operators(place, _, signal) {
  const again = (/** @type {string} */ words) => operators(place, _, signal).then(() => place.prepend(notice('good', words)));
  const me = (await key('operator')).id;
  const list = h('ul.items');
  const more = await pages(async (after) => {
    const page = await get('/operators' + (after && '?after=' + encodeURIComponent(after)), signal);
    return { items: page.operators.map((/** @type {any} */ o) => h('li.row', {}, h('span.what', {}, h('b', {}, h('bdi', {}, o.name)),
      o.id === me && h('span.quiet', {}, t('op.you'))), short(o.id), h('span.quiet', {}, when(o.created_at)))), next: page.next };
  }, list);
  place.replaceChildren(button(t('op.add_operator'), () => add(again), { kind: 'second' }), list, more);
}

/** @param {(words: string) => Promise<void>} again */
function add(again) {
  const inputs = [line('name', t('op.name'), { required: true, maxlength: 64 }),
    line('public_key', t('op.public_key'), { required: true, spellcheck: 'false', placeholder: '{"crv":"P-256",…}' }, t('op.public_key_help'))];
  ask({ title: t('op.add_operator'), inputs, words: t('op.add_operator') }, async (values) => {
    let public_key;
    try {
      public_key = JSON.parse(values.public_key);
    } catch {
      inputs[1].tell?.(t('op.bad_key'));
      throw { words: t('op.bad_key') };
    }
    await post('/operators', { name: values.name, public_key });
    await again(t('op.done'));
  });
}
