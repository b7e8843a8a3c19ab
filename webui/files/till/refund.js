// @ts-check
// What was given back of a payment, and giving it back: all that is left, or a part.
import { Offline, order as write, read } from '/ui/api.js';
import { ask, line } from '/ui/ask.js';
import { announce, button, h, notice } from '/ui/dom.js';
import { newID } from '/ui/key.js';
import { parse, plain, show } from '/ui/money.js';
import { explain, t, when } from '/ui/words.js';

/** @typedef {import('/ui/api.js').Bearer} Bearer */

/** What is left of a payment. @param {any} p @returns {import('/ui/money.js').Amount} */
export const left = (p) => ({ minor: p.amount.minor - (p.refunded?.minor ?? 0), currency: p.amount.currency });

/** How much of a payment was given back, in a word; nothing if none was. @param {any} p */
export const refundBadge = (p) => p.refunded && h('span.badge', {}, t(left(p).minor ? 'till.partly' : 'till.wholly'));

/**
 * The refunds of a settled payment, with a button where there is something left to give back.
 * @param {any} p the payment @param {{bearer: Bearer, may: boolean, changed?: (p: any) => void}} at
 */
export function refunds(p, { bearer, may, changed }) {
  const place = h('div.stack');
  const draw = async () => {
    /** @type {any[]} */
    let list = [];
    if (p.refunded) {
      try {
        list = (await read('/v1/refunds?limit=200&payment=' + p.id, { bearer })).refunds;
      } catch (e) {
        return place.replaceChildren(notice('bad', explain(e)));
      }
    }
    place.replaceChildren(...[
      list.length && h('section.given', { 'aria-label': t('till.given') }, h('h3', {}, t('till.given')), h('ul.lines', {}, list.map((r) => h('li', {},
        h('span', {}, when(r.refunded_at), r.reason && ' · ', r.reason && h('bdi', {}, r.reason)), h('span.sum', {}, show(r.amount)))),
      h('li', {}, h('b', {}, t('till.left')), h('b.sum', {}, show(left(p)))))),
      may && left(p).minor > 0 && button(t('till.refund'), () => give(), { kind: 'second' }),
    ].filter(Boolean));
  };
  const give = () => {
    const amount = line('amount', t('till.refund_amount', { currency: p.amount.currency }), { inputmode: 'decimal', required: true, value: plain(left(p)) }, t('till.refund_left', { amount: show(left(p)) }));
    const reason = line('reason', t('till.refund_reason'), { maxlength: 280 }, t('till.refund_reason_help'));
    let id = newID(), said = '';
    ask({ title: t('till.refund'), text: [h('p.amount', {}, show(p.amount)), h('p', {}, h('bdi', {}, [p.order?.number, p.order?.description].filter(Boolean).join(' · ')), ' ', h('span.quiet', {}, when(p.ended_at))), h('p', {}, t('till.refund_text'))],
      inputs: [amount, reason], words: t('till.refund_do'), danger: true }, async (values) => {
      const given = parse(values.amount, p.amount.currency);
      if (!given || given.minor > left(p).minor) {
        amount.tell?.(t(given ? 'problem.refund_exceeds' : 'order.bad_amount'));
        throw { words: t(given ? 'problem.refund_exceeds' : 'order.bad_amount') };
      }
      const body = { payment: p.id, amount: given, ...(values.reason && { reason: values.reason }) };
      if (said && said !== JSON.stringify(body)) id = newID(); // another refund, not the same again
      said = JSON.stringify(body);
      try {
        await write('/v1/refunds', body, bearer, id);
      } catch (e) {
        if (!(e instanceof Offline)) id = newID();
        throw e;
      }
      p = await read('/v1/payments/' + p.id, { bearer });
      announce(t('till.refunded', { amount: show(given) }));
      await draw();
      place.prepend(notice('good', t('till.refunded', { amount: show(given) })));
      changed?.(p);
    });
  };
  draw();
  return { element: place,
    /** Shows it as it is now. @param {any} now */
    update(now) {
      if (now.refunded?.minor === p.refunded?.minor) return;
      p = now;
      draw();
    } };
}
