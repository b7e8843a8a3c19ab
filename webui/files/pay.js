// @ts-check
// The payer's page: order, tap, review, Send, authentication, confirmation, waiting, result. It also is what opens when
// a card's own address is tapped (/t). Where the payment is, the service says; a reload comes back to it.
import { device, newer, Offline, Problem, read, service, write } from '/ui/api.js';
import { newID } from '/ui/key.js';
import { announce, button, countdown, facts, field, frame, h, icon, notice, pinPad, screen } from '/ui/dom.js';
import { feeOf, parse, show, total } from '/ui/money.js';
import { confirm as byPasskey } from '/ui/passkey.js';
import { backLink, linesOf, termsOf } from '/ui/order.js';
import { receiptCard } from '/ui/receipt.js';
import { Differs, first, statementCard, sum } from '/ui/statement.js';
import * as cards from '/ui/tap.js';
import { tapping } from '/ui/ways.js';
import { duration, explain, t, when } from '/ui/words.js';

/** @typedef {import('/ui/statement.js').Asked} Asked */
/** @typedef {{id?: string, template?: string, tip?: string, payee: string, minor?: number, text?: string, number: string, description: string}} Order what the address asks for */

const kept = {
  order: 'tapline.order', // not sent yet: holds no card
  payment: 'tapline.payment', // sent: what was asked for, to compare with; over: when it ended, or 0
};

/**
 * How long an order is kept that was not sent: what somebody's link has asked for must not turn up at a later tap. A payment that
 * ended is shown as long, too, so that who reloads its page does not pay again.
 */
const orderLife = 15 * 60_000;

/** @param {string} key */
const load = (key) => JSON.parse(localStorage.getItem(key) ?? 'null');
/** @param {string} key @param {any} value */
const save = (key, value) => localStorage.setItem(key, JSON.stringify(value));
/** @param {string} key */
const forget = (key) => localStorage.removeItem(key);
/** @param {Order} order */
const keep = (order) => save(kept.order, { order, at: Date.now() });
/** @returns {Order | undefined} the order that was kept, unless that is long ago */
function keptOrder() {
  const { order, at } = load(kept.order) ?? {};
  return Math.abs(Date.now() - at) < orderLife ? order : undefined;
}

cards.readerFromAddress();
/** The tap that came with the address, if any: taken before anything else runs. */
const brought = cards.fromAddress();

// A phone that opens a card's own address in the tab that shows it already does not load the page anew.
addEventListener('hashchange', () => { if (location.hash) location.reload(); });

frame(t('pay.title'), { links: { [t('nav.me')]: '/me', [t('nav.approve')]: '/approve' } });
if (brought && cards.waiting()) location.replace('/me#' + brought.tap.sun); // the cardholder's page asked for this tap
else start().catch(fail);

async function start() {
  const asked = orderOfAddress();
  let under = load(kept.payment);
  if (under?.over && (brought || asked && !same(asked, under.order) || Math.abs(Date.now() - under.over) > orderLife)) {
    forget(kept.payment);
    under = undefined;
  }
  if (under && (!asked || same(asked, under.order))) return resume(under);
  if (under) return another(under, asked);
  const order = asked ?? keptOrder();
  if (!order) return brought ? identify(brought) : noOrder();
  keep(order);
  await begin(order);
}

/** Whether two orders ask for the same. @param {Order} a @param {Order} b */
function same(a, b) {
  return /** @type {const} */ (['id', 'template', 'tip', 'payee', 'text', 'number', 'description']).every((k) => (a[k] ?? '') === (b[k] ?? ''));
}

/** @returns {Order | undefined} */
function orderOfAddress() {
  const [, id] = /^\/pay\/(ord_[\w-]{22,60})$/.exec(location.pathname) ?? [];
  if (id) return { id, payee: '', number: '', description: '' };
  const query = new URLSearchParams(location.search);
  const [, template] = /^\/pay\/(tpl_[\w-]{22,60})$/.exec(location.pathname) ?? [];
  if (template) return { template, tip: query.get('tip') ?? undefined, text: query.get('amount') ?? undefined, payee: '', number: '', description: '' };
  const payee = query.get('payee');
  if (!payee) return undefined;
  return { payee, text: query.get('amount') ?? undefined, number: query.get('order') ?? '', description: query.get('description') ?? '' };
}

/** There is nothing to pay. */
function noOrder() {
  const payee = field(t('order.payee'), { placeholder: 'books@shop', autocapitalize: 'none', spellcheck: 'false', required: true });
  const what = field(t('order.what'), { maxlength: 140 });
  const go = h('form', { onsubmit: (/** @type {Event} */ e) => {
    e.preventDefault();
    const query = { payee: payee.input.value.trim(), ...(what.input.value.trim() && { description: what.input.value.trim() }) };
    if (query.payee) location.assign('/pay?' + new URLSearchParams(query));
  } }, payee.row, what.row, h('button.main', { type: 'submit' }, t('order.next')));
  screen(t('order.none'), h('p', {}, t('order.none_text')), go);
}

/** The address asks for another payment than the one under way. @param {any} under @param {Order | undefined} asked */
async function another(under, asked) {
  screen(t('pay.another'), h('p', {}, t('pay.another_text', { payee: under.asked.payee.name, amount: show(total(under.asked)) })),
    button(t('pay.continue'), () => resume(under)),
    button(t('pay.abandon'), async () => {
      try {
        await write(`/v1/payments/${under.asked.id}/cancel`, 'cancellation', { payment: under.asked.id });
      } catch (e) {
        if (!(e instanceof Problem)) return lost(() => another(under, asked));
      }
      forget(kept.payment);
      await afresh(/** @type {Order} */ (asked));
    }, { kind: 'second' }));
}

/** Begins an order that nothing was sent for yet. @param {Order} order */
function afresh(order) {
  keep(order);
  return begin(order).catch(fail);
}

/** Looks the payee up: this is all that leaves the device before Send. @param {Order} order */
async function begin(order) {
  screen(t('pay.loading'), h('p.quiet', {}, t('pay.looking_up')));
  if (order.id) return placed(order, await read('/v1/orders/' + order.id));
  if (order.template) return standing(order, await read('/v1/order-templates/' + order.template));
  const payee = await read('/v1/payees/' + encodeURIComponent(order.payee));
  const amount = order.text === undefined ? undefined : parse(order.text, payee.currency);
  const draft = { order, payee, amount, details: { number: clean(order.number), description: clean(order.description) } };
  if (!amount) return askAmount(draft);
  return draft && (brought ? review(draft, take()) : tap(draft));
}

/** Shows an order that its payee has made, if it can still be paid here. @param {Order} order @param {any} o @returns {Promise<void>} */
async function placed(order, o) {
  const terms = termsOf(o), payee = o.payee;
  const details = { number: terms.reference, description: terms.description };
  if (o.payment) { // this device's own
    /** @type {Asked} */
    const asked = { id: o.payment, ...asks(o), payee, order: details, terms };
    return resume({ order, asked });
  }
  const draft = { order, payee, amount: o.amount, details, terms, back: o.cancel_url };
  if (o.state === 'open') return brought && !used ? review(draft, take()) : tap(draft);
  forget(kept.order);
  const look = button(t('order.look'), () => begin(order).catch(fail), { kind: 'second' });
  screen(t('order.is.' + o.state), h('div.mark', {}, icon(o.state === 'claimed' ? 'wait' : o.state === 'paid' ? 'done' : 'stop')), summary(draft),
    h('p', {}, t('order.is_text.' + o.state)), o.state === 'claimed' && look, backLink(o.cancel_url, t('order.back'), 'second'));
  if (o.state === 'claimed') setTimeout(() => { if (look.isConnected) begin(order).catch(fail); }, 5000);
}

/**
 * Shows what a payee's standing link asks for, and asks for what it leaves open. The order is made of it on Send.
 * @param {Order} order @param {any} o @returns {Promise<void>}
 */
async function standing(order, o) {
  const { payee, currency, lines, tax } = o;
  const at = (/** @type {number} */ minor) => ({ minor, currency });
  const base = o.minor ?? parse(order.text ?? '', currency)?.minor;
  const tip = o.tip && Number(order.tip) !== 0 ? parse(order.tip ?? '', currency)?.minor : 0;
  const badBase = !o.minor && !(base >= o.least && base <= o.most), badTip = tip === undefined || tip > base;
  const details = { number: '', description: o.description ?? '' };
  const terms = { id: '', payee: payee.handle, amount: at(base + (tip ?? 0)), reference: '', description: details.description, lines, tip: tip ?? 0, tax };
  const draft = { order, payee, amount: badBase ? undefined : terms.amount, details, terms };
  if (o.state !== 'active') return fail({ code: 'order_template_disabled' });
  if (!badBase && !badTip) return brought && !used ? review(draft, take()) : tap(draft);
  const most = t('order.bounds', { least: show(at(o.least ?? 0)), most: show(at(o.most ?? base)) });
  const given = !o.minor && field(t('order.amount', { currency }), { inputmode: 'decimal', required: true, value: order.text }, most);
  const added = o.tip && field(t('order.add_tip'), { inputmode: 'decimal', value: order.tip });
  if (given && order.text && badBase) given.tell(most);
  if (added && order.tip && !badBase && badTip) added.tell(t('order.bad_amount'));
  screen(t('pay.how_much'), summary(draft), h('form', { onsubmit: (/** @type {Event} */ e) => {
    e.preventDefault();
    Object.assign(order, given && { text: given.input.value.trim() }, added && { tip: added.input.value.trim() || '0' });
    keep(order);
    if (location.pathname !== '/t') history.replaceState(null, '', addressOf(order));
    standing(order, o).catch(fail);
  } }, given && given.row, added && added.row, h('button.main', { type: 'submit' }, t('order.next'))), unsent(draft));
}

/** Text as the service keeps it. @param {string} text */
const clean = (text) => text.normalize('NFC').trim();

let used = false;
/** The tap of the address, once. */
function take() {
  if (used || !brought) return undefined;
  used = true;
  return brought;
}

/** @param {any} draft */
function askAmount(draft) {
  const given = field(t('order.amount', { currency: draft.payee.currency }), { inputmode: 'decimal', required: true });
  screen(t('pay.how_much'), summary(draft), h('form', { onsubmit: (/** @type {Event} */ e) => {
    e.preventDefault();
    draft.amount = parse(given.input.value, draft.payee.currency);
    if (!draft.amount) return given.tell(t('order.bad_amount'));
    draft.order.text = given.input.value.trim();
    keep(draft.order);
    if (location.pathname !== '/t') history.replaceState(null, '', addressOf(draft.order)); // a reload comes back to what was typed
    const tapped = take();
    (tapped ? review(draft, tapped) : tap(draft)).catch(fail);
  } }, given.row, h('button.main', { type: 'submit' }, t('order.next'))), unsent(draft));
}

/** The address of an order that its payer makes. @param {Order} order */
const addressOf = (order) => (order.template ? `/pay/${order.template}?` : '/pay?') + new URLSearchParams(Object.entries(
  { payee: order.payee, amount: order.text ?? '', tip: order.tip ?? '', order: order.number, description: order.description }).filter(([, text]) => text));

/** Cancels what was not sent. @param {any} draft @param {() => void} [stop] */
const unsent = (draft, stop) => button(t('pay.cancel'), () => {
  stop?.();
  forget(kept.order);
  ended(t('end.cancelled'), t('end.nothing_sent'), draft.order, { back: draft.back });
}, { kind: 'plain' });

/** The amount with the fee that the payer pays besides. @param {any} draft @returns {{amount: any, fee?: any}} */
const asks = ({ amount, payee }) => ({ amount, fee: feeOf(payee.fee, amount) });

/** What is to be paid. @param {any} draft */
function summary(draft) {
  return h('section.order', {},
    draft.amount && sum(asks(draft)),
    h('p.payee', {}, h('b', {}, h('bdi', {}, draft.payee.name)), ' ', h('bdi.quiet', {}, draft.payee.handle)),
    (draft.details.number || draft.details.description) &&
      h('p.quiet', {}, h('bdi', {}, [draft.details.number, draft.details.description].filter(Boolean).join(' · '))),
    linesOf(draft.terms));
}

/** Asks for the card. @param {any} draft @param {string} [problem] */
async function tap(draft, problem) {
  const { element, stop } = await tapping((found) => { review(draft, found).catch(fail); }, problem);
  const shown = screen(t('tap.title'), summary(draft), element, unsent(draft, stop));
  if (draft.terms?.id && (await service()).sandbox) {
    const { testCards } = await import('/ui/testcards.js');
    if (element.isConnected) shown.append(testCards(draft.terms.id, draft.payee.name, { begun: stop, again: () => begin(draft.order).catch(fail) }));
  }
}

/** Shows what will be sent. Nothing has been. @param {any} draft @param {any} tapped */
async function review(draft, tapped) {
  const id = 'pay_' + newID();
  screen(t('review.title'), summary(draft), facts([
    [t('fact.card'), tapped.card ?? t('review.card_read')],
    [t('fact.payee_account'), draft.payee.account],
  ]), h('p.quiet', {}, t('review.nothing_sent')),
  button(t('review.send', { amount: show(total(asks(draft))) }), () => send(draft, tapped, id), { icon: 'lock' }),
  button(t('review.other_card'), () => tap(draft), { kind: 'second' }), unsent(draft));
}

/** Sends the instruction. @param {any} draft @param {any} tapped @param {string} id @returns {Promise<void>} */
async function send(draft, tapped, id) {
  const from = await device();
  if (draft.order.template && !draft.terms.id) {
    try {
      const { template } = draft.order, { tip } = draft.terms;
      const made = await write(`/v1/order-templates/${template}/orders`, 'from-template', { template, amount: draft.amount, ...(tip && { tip }) });
      draft.terms.id = made.id; // all else is as it was shown
      draft.details.number = draft.terms.reference = made.reference;
    } catch (e) {
      if (e instanceof Problem) return fail(e);
      return lost(() => send(draft, tapped, id));
    }
  }
  const { number, description } = draft.details;
  const payee = { handle: draft.payee.handle, name: draft.payee.name, account: draft.payee.account };
  /** @type {Asked} */
  const asked = { id, ...asks(draft), payee, order: { number, description }, terms: draft.terms, card: tapped.card };
  const under = { order: draft.order, asked };
  save(kept.payment, under); // before it is sent: a payment that is under way is never forgotten
  let view;
  try {
    view = await write('/v1/payments', 'instruction', {
      device: from.id, amount: draft.amount, payee: payee.handle, tap: tapped.tap, ...(asked.fee && { fee: asked.fee.minor }),
      order: draft.terms ? { id: draft.terms.id } : { ...(number && { number }), ...(description && { description }) },
    }, id);
  } catch (e) {
    if (!(e instanceof Problem) || e.status >= 500 || unsure.includes(e.code)) return lost(() => arrived(draft, tapped, under), under);
    tapped.tap = undefined; // it is of no use
    forget(kept.payment);
    if (e.code === 'order_claimed' || e.code === 'order_closed') return begin(draft.order).catch(fail);
    if (e.code === 'tap_used' || e.code === 'activation_refused') return tap(draft, explain(e));
    return fail(e);
  }
  await sent(tapped, under, view);
}

/** Refusals of a message of which there may be a payment all the same. */
const unsure = ['in_progress', 'idempotency_key_reused', 'payment_exists'];

/** Goes on with a payment that the service has. @param {any} tapped @param {any} under @param {any} view */
async function sent(tapped, under, view) {
  tapped.tap = undefined;
  forget(kept.order);
  under.asked.card ??= view.card_account;
  save(kept.payment, under);
  await step(under, view, true).catch(fail);
}

/**
 * Asks what became of an instruction whose answer was lost. One that never arrived is sent once more under the same id, so
 * that it pays once, even if the first arrives late.
 * @param {any} draft @param {any} tapped @param {any} under @returns {Promise<void>}
 */
async function arrived(draft, tapped, under) {
  screen(t('pay.loading'));
  let view;
  try {
    view = await read('/v1/payments/' + under.asked.id);
  } catch (e) {
    if (e instanceof Problem && e.code === 'unknown_payment') return send(draft, tapped, under.asked.id);
    return lost(() => arrived(draft, tapped, under), under);
  }
  await sent(tapped, under, view);
}

/** The connection is gone; nothing is lost. @param {() => Promise<any>} again @param {any} [under] what may be cancelled */
function lost(again, under) {
  watching.abort();
  watching = new AbortController();
  const go = () => { watching.abort(); return again().catch(fail); };
  addEventListener('online', go, { signal: watching.signal });
  screen(t('lost.title'), notice('note', t('lost.text')), button(t('lost.again'), go), under && cancel(under));
}

/** Comes back to a payment that was sent. @param {any} under @returns {Promise<void>} */
async function resume(under) {
  screen(t('pay.loading'));
  try {
    await step(under, await read('/v1/payments/' + under.asked.id));
  } catch (e) {
    if (e instanceof Offline) return lost(() => resume(under), under.over ? undefined : under);
    if (!(e instanceof Problem) || e.code !== 'unknown_payment') throw e;
    forget(kept.payment); // it never arrived
    await afresh(under.order);
  }
}

/** @type {AbortController} */
let watching = new AbortController();

/**
 * Shows where a payment is, and what is to be done.
 * @param {any} under @param {any} view @param {boolean} [gesture] whether the user has just pressed Send
 */
async function step(under, view, gesture = false) {
  watching.abort();
  watching = new AbortController();
  const shown = view;
  const { action, methods = [] } = view.next;
  if (action !== 'done') follow(under, view, watching.signal);
  if (action === 'authenticate' && methods.includes('passkey')) return passkey(under, shown, gesture);
  if (action === 'authenticate') return pin(under, shown);
  if (action === 'confirm') return confirm(under, shown);
  if (action === 'wait_for_approval') return waiting(under, shown);
  if (action === 'undo') return undoable(under, shown);
  return result(under, shown);
}

/** Follows the payment: it may end or go on elsewhere. @param {any} under @param {any} view @param {AbortSignal} signal */
function follow(under, view, signal) {
  newer(under.asked.id, view.version, signal).then((next) => step(under, next), async (e) => {
    if (signal.aborted) return;
    if (!(e instanceof Offline)) return fail(e);
    announce(t('lost.text'));
    setTimeout(() => { if (!signal.aborted) follow(under, view, signal); }, 2000);
  });
}

/** What one can do until money moves. @param {any} under @param {string} [words] @param {string} [kind] */
const cancel = (under, words = 'pay.cancel', kind = 'plain') => button(t(words), async () => {
  watching.abort();
  try {
    await step(under, await write(`/v1/payments/${under.asked.id}/cancel`, 'cancellation', { payment: under.asked.id }));
  } catch (e) {
    if (e instanceof Offline) return lost(() => resume(under), under);
    if (!(e instanceof Problem) || e.code !== 'unknown_payment') return resume(under).catch(fail);
    forget(kept.payment); // it never arrived
    forget(kept.order);
    ended(t('end.cancelled'), t('end.nothing_sent'), under.order);
  }
}, { kind });

/** How long there is. @param {any} under @param {any} view */
const time = (under, view) => countdown(view.next.expires_in, (left) => t('pay.time_left', { time: duration(left) }), () => resume(under).catch(fail));

/** Does something to the payment, and shows where it is then. @param {any} under @param {() => Promise<any>} act */
async function act(under, act) {
  try {
    await step(under, await act());
  } catch (e) {
    if (e instanceof Offline) return lost(() => resume(under), under);
    if (e instanceof Differs) return fail(e);
    if (e instanceof Problem && e.code === 'wrong_pin' && e.state === 'authentication_required') return pin(under, await read('/v1/payments/' + under.asked.id), explain(e));
    if (e instanceof Problem && !e.state && e.status !== 409) throw e;
    await resume(under);
  }
}

/** @param {any} under @param {any} view @param {string} [problem] */
function pin(under, view, problem) {
  screen(t('pin.title'), payment(view), problem && notice('bad', problem), time(under, view),
    pinPad((given) => act(under, () => write(`/v1/payments/${under.asked.id}/authentication`, 'authentication', { payment: under.asked.id, pin: given }))
      .catch((e) => pin(under, view, explain(e)))),
    cancel(under));
}

/** One gesture: the statement, and a passkey over it. @param {any} under @param {any} view @param {boolean} gesture whether the user has just pressed Send */
async function passkey(under, view, gesture) {
  const statement = await first(view.statement, under.asked, (await device()).id);
  const trouble = h('div', { role: 'alert' });
  const ask = async () => {
    let answer;
    try {
      answer = await byPasskey(view.statement, statement, view.passkeys);
    } catch (e) {
      return trouble.replaceChildren(notice('note', t('passkey.not_now')));
    }
    await act(under, () => write(`/v1/payments/${under.asked.id}/confirmation`, 'confirmation',
      { payment: under.asked.id, decision: 'approve', statement: view.statement, passkey: answer })).catch((e) => trouble.replaceChildren(notice('bad', explain(e))));
  };
  screen(t('confirm.title'), statementCard(statement), linesOf(under.asked.terms), time(under, view), trouble,
    button(t('passkey.confirm', { amount: show(total(statement)) }), ask, { icon: 'key' }),
    button(t('passkey.use_pin'), () => pin(under, view), { kind: 'second' }), cancel(under));
  if (gesture && !statement.payee_account_changed) await ask(); // that is to be read first
}

/** @param {any} under @param {any} view */
async function confirm(under, view) {
  const statement = await first(view.statement, under.asked, (await device()).id);
  const decide = (/** @type {string} */ decision) => act(under, () => write(`/v1/payments/${under.asked.id}/confirmation`, 'confirmation',
    { payment: under.asked.id, decision, statement: decision === 'approve' ? view.statement : '' })).catch(fail);
  screen(t('confirm.title'), statementCard(statement), linesOf(under.asked.terms), time(under, view),
    button(t('confirm.approve', { amount: show(total(statement)) }), () => decide('approve'), { icon: 'done' }),
    button(t('confirm.decline'), () => decide('decline'), { kind: 'second' }), cancel(under));
}

/** The associated device is asked. @param {any} under @param {any} view */
async function waiting(under, view) {
  const { signal } = watching;
  const camera = await forCamera(under.asked.id, view.code).catch(() => undefined); // the digits do without
  if (signal.aborted) return; // it went on meanwhile
  screen(t('wait.title'), payment(view), h('p', {}, t('wait.text')),
    h('p.code', { 'aria-label': t('wait.code', { code: [...view.code].join(' ') }) }, view.code), camera, time(under, view), cancel(under));
  announce(t('wait.code', { code: [...view.code].join(' ') }));
}

/** What the other device's camera may read, loaded when it is needed. @param {string} id @param {string} code */
async function forCamera(id, code) {
  const [{ qr }, { toCamera }] = await Promise.all([import('/ui/qr.js'), import('/ui/digits.js')]);
  return qr(await toCamera(id, code), t('wait.qr'));
}

/** All was given, and it can be undone yet: it is paid by itself. @param {any} under @param {any} view */
function undoable(under, view) {
  screen(t('undo.title'), h('div.mark.good', {}, icon('done')), payment(view), h('p', {}, t('undo.text')), time(under, view), cancel(under, 'undo.undo', 'second'));
}

/** What of a payment is shown at every step. @param {any} view */
const payment = (view) => h('section.order', {}, sum(view),
  h('p.payee', {}, h('b', {}, h('bdi', {}, view.payee.name)), ' ', h('bdi.quiet', {}, view.payee.handle)), h('p.quiet', {}, t('fact.card'), ' ', h('bdi', {}, view.card_account)));

/** @param {any} under @param {any} view */
async function result(under, view) {
  forget(kept.order);
  save(kept.payment, { order: under.order, asked: { id: under.asked.id }, over: under.over || Date.now() });
  const to = await links(under);
  if (view.state !== 'settled') {
    return ended(t('end.' + view.state), t('end.reason.' + (view.reason || view.state)), under.order, { view, back: to.cancel_url });
  }
  screen(t('end.settled'), h('div.mark.good', {}, icon('done')), payment(view),
    h('p.quiet', {}, when(view.ended_at)), backLink(to.success_url, t('order.success', { payee: view.payee.name }), 'main'), receipt(view),
    under.over && !under.order.id && again(under.order, 'end.pay_again'),
    button(t('end.done'), () => { forget(kept.payment); location.assign('/pay'); }, { kind: 'plain' }));
}

/** Begins the same order anew. @param {Order} order @param {'end.again' | 'end.pay_again'} words */
const again = (order, words) => button(t(words), () => {
  forget(kept.payment);
  return afresh(order);
}, { kind: 'second' });

/** Where the payee of an order would have the payer go. @param {any} under @returns {Promise<{success_url?: string, cancel_url?: string}>} */
const links = async (under) => under.order?.id ? read('/v1/orders/' + under.order.id).catch(() => ({})) : {};

/** The receipt: to look at, to keep. @param {any} view */
function receipt(view) {
  const place = h('div');
  place.append(button(t('receipt.show'), async () => place.replaceChildren(await receiptCard(view.id)), { kind: 'second' }));
  return place;
}

/**
 * It has ended, and nothing was paid.
 * @param {string} heading @param {string} text @param {Order} order @param {{view?: any, back?: string}} [more] back to the payee
 */
function ended(heading, text, order, { view, back } = {}) {
  screen(heading, h('div.mark', {}, icon('stop')), view && payment(view), h('p', {}, text),
    again(order, 'end.again'), backLink(back, t('order.back'), 'second'));
}

/** A card was tapped, and nothing is to be paid. @param {cards.Tap} tapped */
async function identify(tapped) {
  screen(t('pay.loading'));
  const { payments } = await read('/v1/payments?role=approver&state=approval_required&limit=1');
  if (payments.length > 0) { // the tap is for what waits here to be approved
    const { start: approve } = await import('/approve.js');
    history.replaceState(null, '', '/approve');
    return approve(tapped.tap);
  }
  const card = await write('/v1/taps', 'tap', { tap: tapped.tap }).finally(() => { tapped.tap = undefined; });
  screen(t('card.title'), facts([
    [t('fact.card'), h('span', {}, card.card_account, ' ', card.card && h('bdi.quiet', {}, card.card.label))],
    [t('card.proof'), t(card.assurance === 'authentic' ? 'card.authentic' : 'card.identified')],
  ]), h('a.button.main', { href: '/pay' }, t('card.pay')), h('a.button.second', { href: '/me' }, t('card.mine')));
}

/** @param {any} e */
function fail(e) {
  watching.abort();
  const under = load(kept.payment);
  screen(t('error.title'), notice('bad', explain(e)), button(t('error.again'), () => location.reload()), under && !under.over && cancel(under));
}
