// @ts-check
// The people who run the service: how somebody becomes one of them, what they sign in with, and who they are.
import { deviceLabel, order, pause, token } from '/ui/api.js';
import { ask, line, once } from '/ui/ask.js';
import { button, facts, h, icon, notice, screen } from '/ui/dom.js';
import { hasKey, key } from '/ui/key.js';
import { usable } from '/ui/signin.js';
import { explain, t, when } from '/ui/words.js';
import { addPasskey, get, note, pages, people, post, removePasskey, requested, self, session, short, unknown } from '/operator/session.js';

/** The invite that the address brought, which is taken out of it at once. */
function invited() {
  const [, invite = ''] = /^#invite=([\w.~-]{8,2000})$/.exec(location.hash) ?? [];
  if (invite) history.replaceState(null, '', location.pathname);
  return invite;
}

let invite = invited();

/** Whether somebody comes with an invite, and has to be asked for a name. */
export const isInvited = () => Boolean(invite);

/**
 * Nobody is signed in: with a passkey, an invite, or a key that another operator adds.
 * @param {() => Promise<void>} begin @param {Node} [said]
 */
export async function welcome(begin, said) {
  const passkeys = await usable();
  const known = passkeys && session.known.length > 0 && !invite;
  const trouble = h('div', { role: 'alert' });
  const wrong = (/** @type {any} */ e) => trouble.replaceChildren(notice('bad', explain(e)));
  const enter = button(t('signin.passkey'), () => session.enter().then(begin).catch(wrong), { kind: known ? 'main' : 'second', icon: 'key' });
  const enrolling = enrolForm(begin, wrong);
  const other = h('details', { ontoggle: async () => { if (!other.children[1]) other.append(await handOver(begin, wrong)); } }, h('summary', {}, t('op.by_key')));
  if (known) screen(t('op.sign_in'), said, h('p', {}, t('op.sign_in_text')), trouble, enter, h('details', {}, h('summary', {}, t('op.by_invite')), enrolling), other);
  else screen(t(invite ? 'op.enrol' : 'op.not_enrolled'), said, invite ? notice('good', t('op.invited')) : h('p', {}, t('op.not_enrolled_text')), trouble, enrolling,
    passkeys ? enter : notice('note', t('signin.unusable')), !invite && other);
}

/** @param {() => Promise<void>} begin @param {(e: any) => void} wrong */
function enrolForm(begin, wrong) {
  const name = line('name', t('op.your_name'), { required: true, maxlength: 64, autocomplete: 'name' }, t('op.your_name_help'));
  const given = line('invite', t('op.invite'), { required: true, type: 'password', autocomplete: 'off' }, t('op.invite_help'));
  return h('form', { onsubmit: async (/** @type {Event} */ e) => {
    e.preventDefault();
    try {
      const { jwk } = await key('operator');
      const made = await order('/v1/admin/operators', { name: name.value(), public_key: jwk }, async () => invite || given.value());
      invite = '';
      if (made.state === 'requested') return await wait(begin);
      await offer(begin);
    } catch (error) {
      wrong(error);
    }
  } }, name.row, !invite && given.row, h('button.main', { type: 'submit' }, t('op.enrol')));
}

/** The public half of this browser's key, to be added by an operator. @param {() => Promise<void>} begin @param {(e: any) => void} wrong */
async function handOver(begin, wrong) {
  const text = JSON.stringify((await key('operator')).jwk);
  const said = h('div', { 'aria-live': 'polite' });
  const shown = h('textarea.key_text', { id: 'jwk', readonly: true, rows: 4, spellcheck: 'false' });
  shown.value = text;
  return h('div.stack', {}, h('p', {}, t('op.by_key_text')), h('div.field', {}, h('label', { for: 'jwk' }, t('op.public_key')), shown), said,
    button(t('op.copy'), () => navigator.clipboard.writeText(text).then(() => said.replaceChildren(notice('good', t('op.copied'))), () => shown.select()), { kind: 'second' }),
    button(t('op.enter'), () => token('operator').then(() => offer(begin)).catch((e) => requested(e) ? wait(begin) : wrong(unknown(e) ? { words: t('op.not_yet') } : e)), { kind: 'second' }));
}

/** Waits until another operator has confirmed this one. @param {() => Promise<void>} begin */
export async function wait(begin) {
  const { id } = await key('operator');
  screen(t('op.waits'), h('div.mark', {}, icon('wait')), h('p', {}, t('op.waits_text')), facts([[t('op.your_id'), h('code', {}, id)]]));
  for (;;) {
    await pause(3000);
    try {
      await token('operator');
      return offer(begin);
    } catch (e) {
      if (!requested(e)) return welcome(begin, notice('bad', t('op.refused')));
    }
  }
}

/** Offers a passkey to somebody who is signed in by a key. @param {() => Promise<void>} begin */
async function offer(begin) {
  if (!await usable()) return begin();
  const trouble = h('div', { role: 'alert' });
  screen(t('op.passkey_offer'), h('div.mark.good', {}, icon('key')), h('p', {}, t('op.passkey_text')), trouble,
    button(t('op.passkey_make'), () => addPasskey(deviceLabel()).then(begin).catch((e) => trouble.replaceChildren(notice('bad', explain(e)))), { icon: 'key' }),
    button(t('me.not_now'), () => begin(), { kind: 'plain' }));
}

/** @type {import('/operator.js').Section} */
export async function operators(place, _, signal) {
  const again = (/** @type {string} */ words) => operators(place, _, signal).then(() => place.prepend(notice('good', words)));
  const [me, names, passkeys, keyed] = await Promise.all([self(), people(signal), usable(), hasKey('operator')]);
  const list = h('ul.items');
  const more = await pages(async (after) => {
    const page = await get('/operators' + (after && '?before=' + encodeURIComponent(after)), signal);
    return { items: page.operators.map((/** @type {any} */ o) => person(o, me.owner, names, again)), next: page.next };
  }, list);
  const making = button(t('op.passkey_make'), () => ask({ title: t('op.passkey_make'), text: keyed ? t('op.passkey_text') : undefined,
    inputs: [line('label', t('me.label'), { value: deviceLabel(), maxlength: 64, required: true })], words: t('op.passkey_make'), icon: 'key' },
  async ({ label }) => { await addPasskey(label); await again(t('op.passkey_made')); }), { kind: 'second', icon: 'key' });
  place.replaceChildren(h('div.actions.lead', {}, button(t('op.invite_new'), () => inviting(again)), button(t('op.add_operator'), () => add(again), { kind: 'second' })), list, more,
    h('h2', {}, t('op.your_passkeys')), me.passkeys.length ? h('ul.items', {}, me.passkeys.map((k) => passkey(k, again))) : h('p.quiet', {}, t(keyed ? 'op.no_passkeys' : 'op.none')),
    passkeys ? making : notice('note', t('signin.unusable')));
}

/** One operator. @param {any} o @param {string} me @param {Map<string, string>} names @param {(words: string) => Promise<void>} again */
function person(o, me, names, again) {
  const name = (/** @type {string} */ id) => h('bdi', {}, names.get(id) ?? id);
  const decide = (/** @type {string} */ how, /** @type {boolean} */ danger) => ask({ title: t('op.person.' + how), text: h('p', {}, h('b', {}, h('bdi', {}, o.name)), ' ', short(o.id)),
    inputs: [note()], words: t('op.person.' + how), danger }, async (values) => {
    await post(`/operators/${encodeURIComponent(o.id)}/${how === 'confirm' ? 'confirm' : 'remove'}`, values);
    await again(t('op.done'));
  });
  return h('li.row', {}, h('span.what', {}, h('span', {}, h('b', {}, h('bdi', {}, o.name)), ' ', o.id === me && h('span.quiet', {}, t('op.you'))), h('span.quiet', {}, short(o.id))),
    h('span.what.quiet', {}, h('span', {}, when(o.removed_at ?? o.created_at)), o.enrolled_by && h('span', {}, t('op.enrolled_by'), ' ', name(o.enrolled_by), o.confirmed_by && [', ', t('op.confirmed_by'), ' ', name(o.confirmed_by)])),
    h('span.badge' + (o.state === 'active' ? '.active' : o.state === 'removed' ? '.closed' : ''), {}, t('op.person_is.' + o.state)),
    h('span.actions', {}, o.state === 'requested' && o.enrolled_by !== me && button(t('op.person.confirm'), () => decide('confirm', false)),
      o.state === 'requested' && button(t('op.person.refuse'), () => decide('refuse', true), { kind: 'danger' }),
      o.state === 'active' && o.id !== me && button(t('op.person.remove'), () => decide('remove', true), { kind: 'danger' })));
}

/** One of one's own passkeys. @param {any} k @param {(words: string) => Promise<void>} again */
function passkey(k, again) {
  return h('li.row', {}, h('span.what', {}, h('b', {}, h('bdi', {}, k.label)), h('span.quiet', {}, t('me.made'), ' ', when(k.created_at), ' · ', t('me.used'), ' ', k.used_at ? when(k.used_at) : t('me.never')),
    k.synced && h('span.quiet', {}, t('me.synced'))),
  k.current ? h('span.badge.active', {}, t('op.passkey_current'))
    : h('span.actions', {}, button(t('me.remove'), () => ask({ title: t('me.remove_passkey'), text: h('p', {}, h('b', {}, h('bdi', {}, k.label))), inputs: [], words: t('me.remove'), danger: true },
      async () => { await removePasskey(k.credential); await again(t('me.passkey_removed')); }), { kind: 'danger' })));
}

/** @param {(words: string) => Promise<void>} again */
function inviting(again) {
  ask({ title: t('op.invite_new'), text: t('op.invite_text'), inputs: [note()], words: t('op.invite_new') }, async (values) => {
    const got = await post('/invites', values);
    const address = `${location.origin}/operator#invite=${got.invite}`;
    const said = h('p.quiet', { role: 'status' });
    once(t('op.invite_made'), h('p', {}, t('op.invite_made_text', { time: when(got.expires_at) })), h('p.secret.long', { tabindex: 0 }, address),
      button(t('op.copy'), async () => { await navigator.clipboard.writeText(address); said.textContent = t('op.copied'); }, { kind: 'second' }), said);
    await again(t('op.done'));
  });
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
