// @ts-check
// The page: elements made of text only, so that no text of a stranger is ever read as markup; one place that screen
// readers are told of changes by; and the parts that all pages share.
import { service } from './api.js';
import { language, languages, speak, t } from './words.js';

/** @typedef {Node | string | false | null | undefined} Child */

/**
 * An element. Attributes that begin with "on" are listeners; a boolean sets or leaves out.
 * @param {string} tag name, then classes after points @param {Record<string, any>} [attributes] @param {...(Child | Child[])} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(key, String(value));
  }
  element.append(.../** @type {any[]} */ (children.flat().filter((c) => c || c === '')));
  return element;
}

const svg = 'http://www.w3.org/2000/svg';

/** An icon, drawn by paths of a 24 by 24 grid. @param {string} name one of icons @param {string} [label] */
export function icon(name, label) {
  const element = document.createElementNS(svg, 'svg');
  element.setAttribute('viewBox', '0 0 24 24');
  element.setAttribute('class', 'icon');
  if (label) {
    element.setAttribute('role', 'img');
    element.setAttribute('aria-label', label);
  } else element.setAttribute('aria-hidden', 'true');
  for (const d of icons[name]) {
    const path = document.createElementNS(svg, 'path');
    path.setAttribute('d', d);
    element.append(path);
  }
  return element;
}

/** @type {Record<string, string[]>} */
const icons = {
  tap: ['M3 7h11a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z', 'M3 11h13', 'M18.5 8.5a5 5 0 0 1 0 7', 'M20.8 6a8.5 8.5 0 0 1 0 12'],
  done: ['M4 12.5l5 5L20 6.5'],
  stop: ['M6 6l12 12', 'M18 6L6 18'],
  lock: ['M6 11h12v9H6z', 'M8.5 11V8a3.5 3.5 0 0 1 7 0v3'],
  wait: ['M12 3a9 9 0 1 0 9 9', 'M12 7v5l3 2'],
  back: ['M20 5H9l-6 7 6 7h11z', 'M12 9l5 6', 'M17 9l-5 6'],
  phone: ['M7 2.5h10v19H7z', 'M10.5 18.5h3'],
  code: ['M4 4h6v6H4z', 'M14 4h6v6h-6z', 'M4 14h6v6H4z', 'M14 14h3v3', 'M20 14v6h-6'],
  key: ['M12 12a4.5 4.5 0 1 1-9 0a4.5 4.5 0 0 1 9 0', 'M12 12h9v4', 'M17 12v3'],
};

/** The place that says aloud what changed. */
const announcer = h('div', { class: 'unseen', 'aria-live': 'polite', role: 'status' });

/** Tells a screen reader. @param {string} text */
export function announce(text) {
  announcer.textContent = '';
  requestAnimationFrame(() => { announcer.textContent = text; });
}

/** The part of the page that changes. @type {any} */
let main;

/**
 * Makes the frame of a page.
 * @param {string} title of the page @param {{links?: Record<string, string>}} [options] hrefs by words
 */
export function frame(title, { links = {} } = {}) {
  document.title = title + ' · tapline';
  const others = Object.entries(languages).filter(([code]) => code !== language);
  main = h('main', { id: 'main', tabindex: -1 });
  const test = h('p.test', { hidden: true }, t('test.mark'));
  service().then(({ environment }) => { test.hidden = environment !== 'test'; }, () => {}); // whoever needs it is told that it is away
  document.body.replaceChildren(
    h('header', {}, h('div.top', {},
      h('a.brand', { href: '/' }, icon('tap'), 'tapline'),
      h('nav', { 'aria-label': t('nav.pages') }, Object.entries(links).map(([words, href]) => h('a', { href, 'aria-current': location.pathname === href && 'page' }, words))),
      h('div.tools', {}, others.map(([code, name]) => h('button.plain', { type: 'button', lang: code, onclick: () => speak(code) }, name)))), test),
    main, announcer);
  return main;
}

/**
 * Shows a screen: a heading, which gets the focus unless there is a pad to type on, and what is below it.
 * @param {string} heading @param {...(Child | Child[])} children
 */
export function screen(heading, ...children) {
  const title = h('h1', { tabindex: -1 }, heading);
  main.replaceChildren(title, .../** @type {any[]} */ (children.flat().filter(Boolean)));
  main.scrollTop = 0;
  scrollTo(0, 0);
  (main.querySelector('.pad') ?? title).focus({ preventScroll: true });
  announce(heading);
  return main;
}

/**
 * A button that is busy while what it does goes on, so that it is not done twice.
 * @param {string} words @param {(e: Event) => any} act @param {{kind?: string, icon?: string}} [look]
 */
export function button(words, act, { kind = 'main', icon: name } = {}) {
  const element = h('button.' + kind, { type: 'button', onclick: async (/** @type {Event} */ e) => {
    if (element.getAttribute('aria-busy') === 'true') return;
    element.setAttribute('aria-busy', 'true');
    try {
      await act(e);
    } finally {
      element.removeAttribute('aria-busy');
    }
  } }, name && icon(name), words);
  return element;
}

/** A list of facts. @param {[string, Child][]} rows */
export const facts = (rows) => h('dl.facts', {}, rows.filter(([, value]) => value).map(([name, value]) =>
  h('div', {}, h('dt', {}, name), h('dd', {}, value))));

/** A message of some kind. @param {'bad' | 'good' | 'note'} kind @param {...Child} children */
export const notice = (kind, ...children) => h('div.notice.' + kind, { role: kind === 'bad' ? 'alert' : undefined }, ...children);

/**
 * A field with its label, and a place for what is wrong with it.
 * @param {string} label @param {Record<string, any>} attributes of the input @param {string} [help]
 */
export function field(label, attributes, help) {
  const id = 'f' + Math.random().toString(36).slice(2);
  const input = h('input', { id, 'aria-describedby': id + 'h', autocomplete: 'off', ...attributes });
  const wrong = h('p.wrong', { id: id + 'h' }, help ?? '');
  return { row: h('div.field', {}, h('label', { for: id }, label), input, wrong), input,
    /** Says what is wrong, or nothing. @param {string} text */
    tell(text) {
      wrong.textContent = text || (help ?? '');
      wrong.classList.toggle('bad', Boolean(text));
      input.setAttribute('aria-invalid', String(Boolean(text)));
      if (text) { input.focus(); announce(text); }
    } };
}

/**
 * Counts down to a time, in the words of a key with {time}; gives its element and a way to stop.
 * @param {number} seconds @param {(left: number) => string} words @param {() => void} [over]
 */
export function countdown(seconds, words, over) {
  const end = performance.now() + seconds * 1000;
  const element = h('p.left', { role: 'timer' });
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    element.textContent = words(left);
    if (!element.isConnected && started) return clearInterval(timer);
    started = started || element.isConnected;
    if (left === 0) { clearInterval(timer); over?.(); }
  };
  let started = false;
  const timer = setInterval(tick, 1000);
  tick();
  return element;
}

/**
 * A pad for a PIN: large keys for thumbs, a keyboard as well, and nothing that shows or keeps the digits.
 * @param {(pin: string) => Promise<void>} enter gets the PIN, which is forgotten at once
 * @param {{least?: number, words?: string}} [options]
 */
export function pinPad(enter, { least = 4, words = t('pin.enter') } = {}) {
  let pin = '';
  const dots = h('div.dots', { 'aria-hidden': 'true' });
  const count = h('p.unseen', { 'aria-live': 'polite' });
  const draw = () => {
    dots.replaceChildren(...Array.from({ length: Math.max(least, pin.length) }, (_, i) => h(i < pin.length ? 'i.on' : 'i')));
    count.textContent = t('pin.count', { n: pin.length });
    ok.toggleAttribute('disabled', pin.length < least);
  };
  const press = (/** @type {string} */ d) => { if (pin.length < 12) pin += d; draw(); };
  const back = () => { pin = pin.slice(0, -1); draw(); };
  const ok = button(words, async () => {
    const given = pin;
    pin = '';
    draw();
    await enter(given);
  });
  const keys = [...'123456789', '', '0', 'back'].map((k) => k === '' ? h('span')
    : k === 'back' ? h('button.key', { type: 'button', 'aria-label': t('pin.back'), onclick: back }, icon('back'))
    : h('button.key', { type: 'button', onclick: () => press(k) }, k));
  const pad = h('div.pad', { role: 'group', 'aria-label': t('pin.pad'), tabindex: 0, onkeydown: (/** @type {KeyboardEvent} */ e) => {
    if (/^\d$/.test(e.key)) press(e.key);
    else if (e.key === 'Backspace') back();
    else if (e.key === 'Enter' && e.target === pad && pin.length >= least) ok.click();
    else return;
    e.preventDefault();
  } }, dots, count, h('div.keys', {}, keys), ok);
  draw();
  return pad;
}
