// @ts-check
// Dialogs: what an action needs is asked over the page, and what is told once is shown until it is put away.
import { button, field, h, icon, notice } from './dom.js';
import { explain, t } from './words.js';

/** Anything that is asked before something is done. @typedef {{name: string, row: HTMLElement, value: () => any, tell?: (text: string) => void}} Input */

/** A line of text. @param {string} name @param {string} label @param {Record<string, any>} [attributes] @param {string} [help] @returns {Input} */
export function line(name, label, attributes = {}, help) {
  const { row, input, tell } = field(label, attributes, help);
  return { name, row, tell, value: () => input.value.trim() };
}

/** One of several. @param {string} name @param {string} label @param {[string, string][]} options values and words @param {string} [chosen] @returns {Input} */
export function choice(name, label, options, chosen) {
  const id = 'f' + Math.random().toString(36).slice(2);
  const select = h('select', { id }, options.map(([value, words]) => h('option', { value, selected: value === chosen }, words)));
  return { name, row: h('div.field', {}, h('label', { for: id }, label), select), value: () => select.value };
}

/**
 * Asks for what an action needs in a dialog, and does it. What is refused is said in the dialog, which stays.
 * @param {{title: string, text?: Node | string | (Node | string | false)[], inputs: Input[], words: string, danger?: boolean, icon?: string, cancelled?: () => void}} what
 * @param {(values: Record<string, any>) => Promise<void>} act
 */
export function ask({ title, text, inputs, words, danger, icon: name, cancelled }, act) {
  const problem = h('div');
  const go = h(danger ? 'button.danger' : 'button.main', { type: 'submit' }, name && icon(name), words);
  let done = false;
  const close = () => dialog.close();
  const id = 'd' + Math.random().toString(36).slice(2);
  const dialog = /** @type {HTMLDialogElement} */ (h('dialog.ask', { 'aria-labelledby': id, onclose: () => {
    dialog.remove();
    if (!done) cancelled?.();
  } },
    h('h2', { id }, title), (Array.isArray(text) ? text : [text]).map((part) => typeof part === 'string' ? h('p', {}, part) : part), problem,
    h('form', { onsubmit: async (/** @type {Event} */ e) => {
      e.preventDefault();
      if (go.getAttribute('aria-busy') === 'true') return;
      go.setAttribute('aria-busy', 'true');
      try {
        await act(Object.fromEntries(inputs.map((i) => [i.name, i.value()])));
        done = true;
        close();
      } catch (error) {
        problem.replaceChildren(notice('bad', explain(error)));
      } finally {
        go.removeAttribute('aria-busy');
      }
    } }, inputs.map((i) => i.row), go, button(t('pay.cancel'), close, { kind: 'plain' }))));
  document.body.append(dialog);
  dialog.showModal();
}

/** Shows something that is told this once, until it is put away. @param {string} title @param {...any} children */
export function once(title, ...children) {
  const id = 'd' + Math.random().toString(36).slice(2);
  const dialog = /** @type {HTMLDialogElement} */ (h('dialog.ask', { 'aria-labelledby': id, oncancel: (/** @type {Event} */ e) => e.preventDefault() },
    h('h2', { id }, title), notice('note', t('op.once')), children, button(t('op.noted'), () => { dialog.close(); dialog.remove(); })));
  document.body.append(dialog);
  dialog.showModal();
}
