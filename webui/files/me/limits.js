// @ts-check
// What the holder wants of payments with the card: the least that they need, and limits of their own.
import { field, h, screen } from '/ui/dom.js';
import { parse, plain } from '/ui/money.js';
import { t } from '/ui/words.js';
import { back, withPIN } from '/me/ask.js';
import { act } from '/me/stops.js';

/** @typedef {import('/me.js').Here} Here */

const levels = ['tap', 'authenticate', 'confirm', 'approve'];
const sums = ['payment', 'day_sum', 'month_sum'], counts = ['day_count', 'month_count'];

/** Shows the form, filled with what holds now. @param {Here} here */
export function limits(here) {
  const { currency, level = 'tap', rules = {} } = here.card;
  const options = levels.map((one) => h('label.option', {}, h('input', { type: 'radio', name: 'level', value: one, checked: one === level }),
    h('span', {}, h('b', {}, t('me.level.' + one)), h('span.quiet', {}, t('me.level_text.' + one)))));
  const sum = (/** @type {string} */ name, /** @type {number | undefined} */ minor, /** @type {string} */ help) =>
    field(t('me.limit.' + name), { inputmode: 'decimal', value: minor ? plain({ minor, currency }) : '' }, help && t(help));
  const fields = Object.fromEntries([
    ...sums.map((name) => [name, sum(name, rules.limits?.[name], '')]),
    ...counts.map((name) => [name, field(t('me.limit.' + name), { inputmode: 'numeric', value: rules.limits?.[name] || '' })]),
  ]);
  const known = sum('known', rules.known_payees, 'me.limit.known_help');
  const zone = rules.night?.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const from = field(t('me.limit.from'), { type: 'time', value: rules.night?.from ?? '' });
  const until = field(t('me.limit.until'), { type: 'time', value: rules.night?.until ?? '' }, t('me.limit.zone', { zone }));
  const all = [...Object.values(fields), known, from, until];

  /** What was typed as rules, or nothing after telling what is wrong. */
  const typed = () => {
    all.forEach((one) => one.tell(''));
    const amount = (/** @type {typeof known} */ one) => one.input.value.trim() ? parse(one.input.value, currency)?.minor : 0;
    const number = (/** @type {typeof known} */ one) => /^\s*([1-9]\d{0,8})?\s*$/.test(one.input.value) ? Number(one.input.value) : undefined;
    const own = Object.fromEntries([...sums.map((name) => [name, amount(fields[name])]), ...counts.map((name) => [name, number(fields[name])])]);
    const least = amount(known);
    const wrong = [...sums, ...counts].find((name) => own[name] === undefined);
    if (wrong) return fields[wrong].tell(t(sums.includes(wrong) ? 'me.limit.amount' : 'me.limit.number'));
    if (least === undefined) return known.tell(t('me.limit.amount'));
    if (from.input.value === until.input.value && from.input.value || !from.input.value !== !until.input.value) return until.tell(t('me.limit.night'));
    return { limits: own, known_payees: least, ...(from.input.value && { night: { from: from.input.value, until: until.input.value, zone } }) };
  };
  const form = h('form', { novalidate: true, onsubmit: (/** @type {Event} */ e) => {
    e.preventDefault();
    const own = typed();
    if (!own) return;
    const chosen = String(new FormData(form).get('level'));
    withPIN(here, t('me.do.limits'), (pin) => act(here, 'limits_changed', 'limits', 'limits', { level: chosen, rules: own, pin }, 'me.did.limits'),
      { text: t('me.level.' + chosen) });
  } }, h('fieldset', {}, h('legend', {}, t('me.limits_text')), options),
    h('details', { open: Object.keys(rules).length > 0 }, h('summary', {}, t('me.limit.own')), h('div.stack', {}, h('p.quiet', {}, t('me.limit.own_text')), all.map((one) => one.row))),
    h('button.main', { type: 'submit' }, t('order.next')));
  screen(t('me.do.limits'), form, h('p.quiet', {}, t('me.limits_more')), back(here));
}
