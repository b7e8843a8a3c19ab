// @ts-check
// Who is at the operator's page: a key that was made in this browser and cannot leave it. Everything is asked for with its
// token, which is kept in memory.
import { order, Problem, read, token } from '/ui/api.js';
import { button, field, h, notice } from '/ui/dom.js';
import { explain, t } from '/ui/words.js';

const bearer = () => token('operator');

/** Gets a token, which proves that the operator's key is known. */
export const signIn = bearer;

/** Whether an error says that nobody knows this browser's key. @param {any} e */
export const unknown = (e) => e instanceof Problem && e.code === 'invalid_client';

/** @param {string} path below /v1/admin @param {AbortSignal} [signal] @returns {Promise<any>} */
export const get = (path, signal) => read('/v1/admin' + path, { bearer, signal });

/** @param {string} path @param {any} body @returns {Promise<any>} */
export const post = (path, body) => order('/v1/admin' + path, body, bearer);

/** The bearer, for a stream of events. */
export { bearer };

/** A path with what is given of a query. @param {string} path @param {Record<string, string | undefined>} query */
export function where(path, query) {
  const given = Object.entries(query).filter(([, value]) => value);
  return given.length ? path + '?' + new URLSearchParams(/** @type {any} */ (given)) : path;
}

/** Anything that is asked before something is done. @typedef {{name: string, row: HTMLElement, value: () => any, tell?: (text: string) => void}} Input */

/** A line of text. @param {string} name @param {string} label @param {Record<string, any>} [attributes] @param {string} [help] @returns {Input} */
export function line(name, label, attributes = {}, help) {
  const { row, input, tell } = field(label, attributes, help);
  return { name, row, tell, value: () => input.value.trim() };
}

/** Why it is done, for the audit list. */
export const note = () => line('note', t('op.note'), { maxlength: 280, required: true }, t('op.note_help'));

/** One of several. @param {string} name @param {string} label @param {[string, string][]} options values and words @param {string} [chosen] @returns {Input} */
export function choice(name, label, options, chosen) {
  const id = 'f' + Math.random().toString(36).slice(2);
  const select = h('select', { id }, options.map(([value, words]) => h('option', { value, selected: value === chosen }, words)));
  return { name, row: h('div.field', {}, h('label', { for: id }, label), select), value: () => select.value };
}

/**
 * Asks for what an action needs in a dialog, and does it. What is refused is said in the dialog, which stays.
 * @param {{title: string, text?: Node | string, inputs: Input[], words: string, danger?: boolean}} what
 * @param {(values: Record<string, any>) => Promise<void>} act
 */
export function ask({ title, text, inputs, words, danger }, act) {
  const problem = h('div');
  const go = h(danger ? 'button.danger' : 'button.main', { type: 'submit' }, words);
  const close = () => { dialog.close(); dialog.remove(); };
  const id = 'd' + Math.random().toString(36).slice(2);
  const dialog = h('dialog.ask', { 'aria-labelledby': id, onclose: () => dialog.remove() },
    h('h2', { id }, title), text && (typeof text === 'string' ? h('p', {}, text) : text), problem,
    h('form', { onsubmit: async (/** @type {Event} */ e) => {
      e.preventDefault();
      if (go.getAttribute('aria-busy') === 'true') return;
      go.setAttribute('aria-busy', 'true');
      try {
        await act(Object.fromEntries(inputs.map((i) => [i.name, i.value()])));
        close();
      } catch (error) {
        problem.replaceChildren(notice('bad', explain(error)));
      } finally {
        go.removeAttribute('aria-busy');
      }
    } }, inputs.map((i) => i.row), go, button(t('pay.cancel'), close, { kind: 'plain' })));
  document.body.append(dialog);
  dialog.showModal();
}

/** Shows something that is told this once, until it is put away. @param {string} title @param {...any} children */
export function once(title, ...children) {
  const id = 'd' + Math.random().toString(36).slice(2);
  const dialog = h('dialog.ask', { 'aria-labelledby': id, oncancel: (/** @type {Event} */ e) => e.preventDefault() },
    h('h2', { id }, title), notice('note', t('op.once')), children, button(t('op.noted'), () => { dialog.close(); dialog.remove(); }));
  document.body.append(dialog);
  dialog.showModal();
}

/** A list that is read page by page. @param {(after: string) => Promise<{items: Node[], next?: string}>} more @param {HTMLElement} list */
export async function pages(more, list) {
  const place = h('div');
  const load = async (/** @type {string} */ after) => {
    const { items, next } = await more(after);
    list.append(...items);
    place.replaceChildren(...(next ? [button(t('op.more'), () => load(next), { kind: 'second' })] : []));
    if (!list.children.length) place.prepend(h('p.quiet', {}, t('op.none')));
  };
  await load('');
  return place;
}

/** How long something took. @param {number} ms @returns {string} */
export function took(ms) {
  const [n, unit] = ms < 1000 ? [ms, 'millisecond'] : ms < 90_000 ? [Math.round(ms / 100) / 10, 'second'] : [Math.round(ms / 6000) / 10, 'minute'];
  return new Intl.NumberFormat(document.documentElement.lang, { style: 'unit', unit, unitDisplay: 'short' }).format(n);
}

/** A long id, short: the whole is in its title, and what is copied. @param {string} id */
export const short = (id) => h('code', { title: id }, id.length > 16 ? id.slice(0, 12) + '…' : id);

/** The operators' names by their ids. @param {AbortSignal} signal */
export async function people(signal) {
  /** @type {Map<string, string>} */
  const names = new Map();
  for (let after = ''; ;) {
    const page = await get(where('/operators', { after }), signal);
    for (const o of page.operators) names.set(o.id, o.name);
    if (!(after = page.next)) return names;
  }
}
