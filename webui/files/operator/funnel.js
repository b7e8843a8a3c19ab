// @ts-check
// How far payments come, and how long each step takes: as a plot, and as the table that says the same.
import { choice } from '/ui/ask.js';
import { h, notice } from '/ui/dom.js';
import { locale, t, when } from '/ui/words.js';
import { get, took, where } from '/operator/session.js';

const hours = { hour: 1, day: 24, week: 168, month: 720 };

/** @type {import('/operator.js').Section} */
export async function funnel(place, _, signal) {
  const shown = h('div.stack', { 'aria-live': 'polite' });
  const span = choice('span', t('op.span'), Object.keys(hours).map((name) => [name, t('op.span.' + name)]), 'day');
  const load = async () => {
    const from = new Date(Date.now() - hours[/** @type {keyof typeof hours} */ (span.value())] * 3600_000).toISOString();
    const f = await get(where('/funnel', { from }), signal);
    shown.replaceChildren(!f.complete && notice('note', t('op.incomplete', { time: when(f.from) })) || '', h('p', {}, t('op.counted', { n: number(f.instructed), decoys: number(f.decoys), rehearsals: number(f.rehearsals) })),
      h('div.plots', {}, plot(f), times(f)), table(f), h('h2', {}, t('op.outcomes')), outcomes(f));
  };
  span.row.addEventListener('change', () => { load().catch(() => {}); });
  place.replaceChildren(span.row, shown);
  await load();
}

/** @param {number} n */
const number = (n) => new Intl.NumberFormat(locale).format(n);

/** @param {number} part @param {number} of */
const share = (part, of) => of ? new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 }).format(part / of) : '–';

const svg = 'http://www.w3.org/2000/svg';

/** A part of a drawing. @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function draw(name, attributes, text) {
  const element = document.createElementNS(svg, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text) element.textContent = text;
  return element;
}

/** Bars of how many were asked and how many passed, one pair for each step. @param {any} f */
function plot(f) {
  const width = 460, high = 58, most = Math.max(1, f.instructed);
  const picture = draw('svg', { class: 'plot', viewBox: `0 0 ${width} ${(f.stages.length + 1) * high}`, role: 'img', 'aria-label': t('op.plot') });
  const bars = [{ stage: 'instructed', asked: f.instructed, passed: f.instructed }, ...f.stages];
  bars.forEach((s, i) => {
    const y = i * high, of = (/** @type {number} */ n) => Math.max(n ? 2 : 0, width * n / most);
    picture.append(draw('text', { x: 0, y: y + 17, class: 'label' }, t('op.stage.' + s.stage)),
      draw('text', { x: width, y: y + 17, class: 'label end' }, i ? `${number(s.passed)} / ${number(s.asked)} · ${share(s.passed, s.asked)}` : number(s.passed)),
      draw('rect', { x: 0, y: y + 25, width: of(s.asked), height: 22, rx: 4, class: 'reached' }),
      draw('rect', { x: 0, y: y + 25, width: of(s.passed), height: 22, rx: 4, class: 'passed' }));
  });
  return h('figure', {}, h('h2', {}, t('op.how_far')), picture, h('figcaption.legend.quiet', {}, h('span.passed', {}, t('op.passed')), h('span.reached', {}, t('op.not_passed'))));
}

/**
 * Bars of how long each step takes those who pass it: half of them no longer than the full part, 95 of 100 than the whole. Steps take
 * from milliseconds to minutes, so lengths are logarithmic, from a tenth of a second on. @param {any} f
 */
function times(f) {
  const width = 460, high = 58, least = 100;
  const passed = f.stages.filter((/** @type {any} */ s) => s.passed);
  const most = Math.max(10 * least, ...passed.map((/** @type {any} */ s) => s.p95_milliseconds));
  const to = (/** @type {number} */ ms) => Math.max(4, width * Math.log(Math.max(ms, least) / least) / Math.log(most / least));
  const picture = draw('svg', { class: 'plot', viewBox: `0 0 ${width} ${(f.stages.length + 1) * high}`, role: 'img', 'aria-label': t('op.times') });
  f.stages.forEach((/** @type {any} */ s, /** @type {number} */ i) => {
    const y = (i + 1) * high;
    picture.append(draw('text', { x: 0, y: y + 17, class: 'label' }, t('op.stage.' + s.stage)),
      draw('text', { x: width, y: y + 17, class: 'label end' }, s.passed ? `${took(s.median_milliseconds)} · ${took(s.p95_milliseconds)}` : '–'),
      draw('rect', { x: 0, y: y + 25, width, height: 22, rx: 4, class: 'ground' }));
    if (s.passed) picture.append(draw('rect', { x: 0, y: y + 25, width: to(s.p95_milliseconds), height: 22, rx: 4, class: 'reached' }),
      draw('rect', { x: 0, y: y + 25, width: to(s.median_milliseconds), height: 22, rx: 4, class: 'passed' }));
  });
  for (let ms = least; ms <= most; ms *= 10) {
    const x = width * Math.log(ms / least) / Math.log(most / least);
    picture.append(draw('line', { x1: x, x2: x, y1: high - 22, y2: (f.stages.length + 1) * high - 4, class: 'axis' }),
      draw('text', { x: Math.min(x, width - 2), y: high - 30, class: ms === least ? 'tick' : x > width - 40 ? 'tick end' : 'tick middle' }, took(ms)));
  }
  return h('figure', {}, h('h2', {}, t('op.times')), picture, h('figcaption.legend.quiet', {}, h('span.passed', {}, t('op.median')), h('span.reached', {}, t('op.p_most'))));
}

/** @param {any} f */
function table(f) {
  const cell = (/** @type {string} */ text) => h('td.number', {}, text);
  return h('div.scroll', { tabindex: 0, role: 'region', 'aria-label': t('op.section.funnel') }, h('table', {}, h('thead', {}, h('tr', {},
    ['op.stage', 'op.asked', 'op.passed', 'op.share', 'op.median', 'op.p_most'].map((key) => h('th', { scope: 'col' }, t(key))))),
  h('tbody', {}, f.stages.map((/** @type {any} */ s) => h('tr', {}, h('th', { scope: 'row' }, t('op.stage.' + s.stage)),
    cell(number(s.asked)), cell(number(s.passed)), cell(share(s.passed, s.asked)),
    cell(s.passed ? took(s.median_milliseconds) : '–'), cell(s.passed ? took(s.p95_milliseconds) : '–'))))));
}

/** @param {any} f */
function outcomes(f) {
  if (!f.outcomes.length) return h('p.quiet', {}, t('op.none'));
  return h('ul.items', {}, f.outcomes.map((/** @type {any} */ o) => h('li.row.outcome', {}, h('span.badge.' + o.state, {}, t('op.state.' + o.state)),
    h('span.what', {}, o.reason && t('op.reason.' + o.reason)), h('span.sum', {}, number(o.count)))));
}
