// @ts-check
// Words for people, in the language of the browser or the one that they chose. Each language is one catalogue.

/** Where they are: only the pages of operators and payees, and the one that leads through a demo, are told the words that only those use. */
const place = /^\/(operator|till|demo)\b/.test(location.pathname) ? '/words/staff/' : '/words/';

/** @type {Record<string, () => Promise<{words: Record<string, string>}>>} */
const catalogues = { en: () => import(`${place}en.js`), zh: () => import(`${place}zh.js`) };

/** The languages there are, each in its own words. */
export const languages = { en: 'English', zh: '简体中文' };

const chosen = localStorage.getItem('tapline.language');

/** The language that is shown. */
export const language = chosen && chosen in languages ? chosen
  : navigator.languages.map((l) => l.slice(0, 2).toLowerCase()).find((l) => l in languages) ?? 'en';

/** Its tag for documents and number formats (BCP 47). */
export const locale = language === 'zh' ? 'zh-CN' : navigator.languages.find((l) => l.startsWith('en')) ?? 'en';

document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';

const { words } = await catalogues[language]();

/**
 * The words of a key, with {name} replaced by what is given. Only text: what it is put into must not read markup.
 * @param {string} key @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const text = words[key];
  if (text === undefined) throw new Error('no words for ' + key); // a test finds these
  return text.replace(/\{(\w+)\}/g, (_, name) => isolated(String(values[name])));
}

/** A value in a sentence. One that is written from right to left is isolated, so that it does not move what is beside it (Unicode UAX #9 §2.4.2). @param {string} value */
const isolated = (value) => /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(value) ? '\u2068' + value + '\u2069' : value;

/** Whether there are words for a key. @param {string} key */
export const has = (key) => key in words;

/** Shows everything in another language. @param {string} to */
export function speak(to) {
  localStorage.setItem('tapline.language', to);
  location.reload();
}

/**
 * What to tell a person of an error: what happened and what to do.
 * @param {any} e
 */
export function explain(e) {
  if (e?.name === 'NotAllowedError' || e?.name === 'AbortError') return t('error.not_allowed');
  if (e?.code && has('problem.' + e.code)) {
    let text = t('problem.' + e.code);
    if (e.attemptsLeft !== undefined) text += ' ' + (e.attemptsLeft === 1 ? t('error.one_try') : t('error.tries', { n: e.attemptsLeft }));
    if (e.retryAfter > 0) text += ' ' + t('error.wait', { time: duration(e.retryAfter) });
    return text;
  }
  if (e?.words) return e.words;
  return e?.code ? t('error.code', { code: e.code, trace: e.trace }) : t('error.offline');
}

/** A length of time, given in seconds. @param {number} seconds */
export function duration(seconds) {
  const [n, unit] = seconds < 90 ? [Math.ceil(seconds), 'second'] : seconds < 5400 ? [Math.ceil(seconds / 60), 'minute'] : [Math.ceil(seconds / 3600), 'hour'];
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' }).format(n);
}

/** A time of day, with the date unless it is today. What is kept has it then, too. @param {string | Date} at @param {boolean} [dated] */
export function when(at, dated = false) {
  const time = new Date(at);
  const today = !dated && time.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(locale, today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' }).format(time);
}
