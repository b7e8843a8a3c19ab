// @ts-check
// An amount, typed with large keys or a keyboard.
import { h, icon } from '/ui/dom.js';
import { digits, parse, show } from '/ui/money.js';
import { t } from '/ui/words.js';

/**
 * @param {string} currency @param {(amount: import('/ui/money.js').Amount | undefined) => void} changed
 */
export function keypad(currency, changed) {
  let text = '';
  const after = digits(currency);
  const typed = h('p.amount.typed', { 'aria-live': 'polite' });
  const draw = () => {
    const amount = parse(text, currency);
    typed.textContent = amount && !text.endsWith('.') ? show(amount) : text || show({ minor: 0, currency });
    changed(amount);
  };
  const press = (/** @type {string} */ key) => {
    if (key === 'back') text = text.slice(0, -1);
    else if (key === '.') text += after && !text.includes('.') ? text ? '.' : '0.' : '';
    else if (text.split('.')[1]?.length !== after && text.length < 13) text = (text === '0' ? '' : text) + key;
    draw();
  };
  const keys = [...'123456789', after ? '.' : '', '0', 'back'].map((k) => k === '' ? h('span')
    : h('button.key', { type: 'button', 'aria-label': k === 'back' ? t('till.back') : k === '.' ? t('till.point') : undefined, onclick: () => press(k) }, k === 'back' ? icon('back') : k));
  const pad = h('div.pad', { role: 'group', 'aria-label': t('till.amount', { currency }), tabindex: 0, onkeydown: (/** @type {KeyboardEvent} */ e) => {
    if (/^\d$/.test(e.key)) press(e.key);
    else if (e.key === '.' || e.key === ',') press('.');
    else if (e.key === 'Backspace') press('back');
    else return;
    e.preventDefault();
  } }, typed, h('div.keys', {}, keys));
  draw();
  return pad;
}
