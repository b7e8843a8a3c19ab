// @ts-check
// In a sandbox: cards that play parts, to pay an order with in place of a tap. No other service has them, and no page elsewhere
// loads this.
import { call, token } from './api.js';
import { button, facts, h, icon, screen } from './dom.js';
import { backLink } from './order.js';
import { explain, t } from './words.js';

/** What test cards do, as the service calls it. */
const parts = ['approves', 'declines', 'expires', 'slow', 'wrong_pin', 'frozen', 'insufficient_funds'];

/**
 * Buttons that have a test card pay an order.
 * @param {string} order @param {string} payee its name @param {{begun: () => void, again: () => void}} page what is told that nothing will be tapped, and what shows the order anew
 */
export function testCards(order, payee, { begun, again }) {
  const wrong = h('p.wrong.bad', { role: 'alert' });
  /** @param {string} behaviour */
  const pay = async (behaviour) => {
    try {
      const paid = await call('/v1/test/payments', {
        method: 'POST', body: JSON.stringify({ order, behaviour }),
        headers: { 'Content-Type': 'application/json', Authorization: 'Bearer ' + await token() },
      });
      begun();
      played(paid, payee, again);
    } catch (e) {
      wrong.textContent = explain(e);
    }
  };
  return h('details.test-cards', {}, h('summary', {}, t('test.title')), h('div.panel', {}, h('p.quiet', {}, t('test.help')),
    parts.map((part) => button(t('test.card.' + part), () => pay(part), { kind: 'second' })), wrong));
}

/** Shows what has become of the payment, in the service's own words: those who read it write programs. @param {any} paid @param {string} payee @param {() => void} again */
function played(paid, payee, again) {
  const good = paid.state === 'settled' || paid.state === 'undoable';
  const waits = paid.state === 'approval_required';
  screen(t('test.done'), h(good ? 'div.mark.good' : 'div.mark', {}, icon(good ? 'done' : waits ? 'wait' : 'stop')), facts([
    [t('test.state'), h('code', {}, paid.state)],
    [t('test.reason'), paid.reason && h('code', {}, paid.reason)],
    [t('test.refused'), paid.problems.length > 0 && h('code', {}, paid.problems.join(', '))],
    [t('fact.payment'), h('code', {}, paid.payment)],
  ]), backLink(paid.success_url, t('order.success', { payee }), 'main'), !good && button(t('test.again'), again, { kind: 'second' }));
}
