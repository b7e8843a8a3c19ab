// @ts-check
// The payee's page: makes orders, shows their codes, sees them paid, and gives money back. It has an API key, or a passkey that
// stands for one; either is in memory only.
import { newID } from '/ui/key.js';
import { Offline, order as write, Problem, read } from '/ui/api.js';
import { announce, button, facts, field, frame, h, icon, notice, screen } from '/ui/dom.js';
import { keepLive } from '/ui/live.js';
import { show } from '/ui/money.js';
import { linesOf, termsOf } from '/ui/order.js';
import { explain, t, when } from '/ui/words.js';
import { Session, usable } from '/ui/signin.js';
import { orders, paidWith, today } from '/till/history.js';
import { keypad } from '/till/keypad.js';
import { passkeys } from '/till/passkeys.js';
import { payments } from '/till/payments.js';

const session = new Session('payee');
let key = '';
/** @type {import('/ui/api.js').Bearer} the API key, or what a passkey of it got */
const bearer = Object.assign(async () => key || session.bearer(), { over: (/** @type {string} */ used) => !key && session.over(used) });

/** @type {any} who signed in: name, handle and currency */
let payee;
/** @type {string[]} what the key may do */
let scopes = [];
/** Which list the desk shows. @type {'payments' | 'orders'} */
let listed = 'payments';
/** @type {AbortController} what keeps the screen up to date */
let watching = new AbortController();

frame(t('till.title'));
signIn().catch(fail);

/** @param {any} e */
function fail(e) {
  watching.abort();
  if (e instanceof Problem && (e.status === 401 || e.status === 403)) return leave(explain(e));
  screen(t('error.title'), notice('bad', explain(e)), button(t('error.again'), () => enter().catch(fail)));
}

/** Asks for a passkey or the key. @param {string} [problem] */
async function signIn(problem) {
  const passkeys = await usable(), known = passkeys && session.known.length > 0;
  const trouble = h('div', { role: 'alert' }, problem && notice('bad', problem));
  const given = field(t('till.key'), { type: 'password', autocapitalize: 'none', spellcheck: 'false', required: true }, t('till.key_help'));
  const form = h('form', { onsubmit: (/** @type {Event} */ e) => {
    e.preventDefault();
    if (!/^tapline_(live|test)_[0-9A-Za-z]{49}$/.test(given.input.value.trim())) return given.tell(t('till.no_key'));
    key = given.input.value.trim();
    given.input.value = '';
    enter().catch(fail);
  } }, given.row, h(known ? 'button.second' : 'button.main', { type: 'submit' }, t('till.enter')));
  const gesture = passkeys && button(t('signin.passkey'), () => session.enter().then(enter).catch((e) => trouble.replaceChildren(notice('bad', explain(e)))), { kind: known ? 'main' : 'second', icon: 'key' });
  screen(t('till.sign_in'), trouble, known && gesture, known ? h('details', {}, h('summary', {}, t('till.by_key')), form) : form, !known && gesture);
}

/** Forgets the key. @param {string} [problem] */
function leave(problem) {
  watching.abort();
  key = '';
  session.leave();
  session.entered = false;
  history.replaceState(null, '', location.pathname);
  signIn(problem).catch(fail);
}

/** Signs in, and shows the order of the address or the desk. */
async function enter() {
  const handed = handedOver();
  screen(t('pay.loading'));
  const self = await read('/v1/payee', { bearer });
  payee = self.payee;
  scopes = self.api_key.scopes;
  if (!handed) return desk();
  const found = await read('/v1/orders/' + handed, { bearer }).catch((e) => { if (e instanceof Problem && e.code === 'unknown_order') return undefined; throw e; });
  return found ? watch(found) : desk();
}

/** The order that the address names. */
const handedOver = () => /^#(ord_[\w-]{22,60})$/.exec(location.hash)?.[1];

/**
 * Keeps the screen up to date, and says how.
 * @param {(signal: AbortSignal) => Promise<void>} refresh
 */
function live(refresh) {
  watching.abort();
  watching = new AbortController();
  const place = h('p.live', { role: 'status' });
  keepLive({ bearer, read: refresh, failed: fail, signal: watching.signal, told: (how) => {
    place.className = 'live' + (how === 'live' ? ' up' : ' ' + how);
    place.textContent = t(how === 'live' ? 'till.live' : how === 'asking' ? 'till.asking' : 'till.lost');
  } });
  return place;
}

/** Where orders are made and found. */
function desk() {
  history.replaceState(null, '', location.pathname);
  const may = scopes.includes('refunds'), reads = scopes.includes('read');
  const sold = today(bearer, payee.currency);
  const lists = { payments: payments({ bearer, may }), orders: orders({ bearer, may, currency: payee.currency, open: watch }) };
  const list = h('div');
  const tabs = /** @type {const} */ (['payments', 'orders']).map((name) => h('button.second', { type: 'button', onclick: () => choose(name) }, t('till.list.' + name)));
  const choose = (/** @type {'payments' | 'orders'} */ name) => {
    listed = name;
    list.replaceChildren(lists[name].element);
    tabs.forEach((tab, i) => tab.setAttribute('aria-pressed', String(['payments', 'orders'][i] === name)));
    lists[name].refresh().catch(fail);
  };
  screen(scopes.includes('orders') ? t('till.new') : t('till.title'), h('p.payee', {}, h('b', {}, h('bdi', {}, payee.name)), ' ', h('bdi.quiet', {}, payee.handle)),
    scopes.includes('orders') && asking(),
    reads ? [sold.element, h('section.stack', { 'aria-labelledby': 'history' }, h('h2', { id: 'history' }, t('till.history')), h('div.tabs', { role: 'group', 'aria-labelledby': 'history' }, tabs), list),
      live(async (signal) => { await Promise.all([sold.refresh(signal), lists[listed].refresh(signal)]); })] : notice('note', t('problem.missing_scope')),
    passkeys(session, bearer), button(t('till.leave'), () => leave(), { kind: 'plain' }));
  if (reads) choose(listed);
}

/** The parts with which an order is made. */
function asking() {
  /** @type {import('/ui/money.js').Amount | undefined} */
  let amount;
  let id = newID(); // of this order, however often it is sent
  const description = field(t('till.description'), { maxlength: 280 }), reference = field(t('till.reference'), { maxlength: 64 });
  const trouble = h('div', { role: 'alert' });
  const words = document.createTextNode('');
  const make = button('', async () => {
    try {
      const text = description.input.value.trim(), number = reference.input.value.trim();
      watch(await write('/v1/orders', { amount, ...(text && { description: text }), ...(number && { reference: number }) }, bearer, id));
    } catch (e) {
      if (e instanceof Problem && e.status === 401) return fail(e);
      if (!(e instanceof Offline)) id = newID();
      trouble.replaceChildren(notice('bad', explain(e)));
    }
  });
  make.append(words);
  const pad = keypad(payee.currency, (now) => {
    if (amount?.minor !== now?.minor) id = newID();
    amount = now;
    words.data = now ? t('till.make', { amount: show(now) }) : t('till.make_none');
    make.toggleAttribute('disabled', !now);
  });
  for (const f of [description, reference]) f.input.addEventListener('input', () => { id = newID(); });
  return [pad, description.row, reference.row, trouble, make];
}

/** Shows an order until it has ended. @param {any} o */
function watch(o) {
  history.replaceState(null, '', '#' + o.id);
  const state = h('p', { role: 'status' }), place = h('div.stack');
  let shown = 0;
  const draw = () => {
    if (o.version <= shown) return;
    shown = o.version;
    const words = t('till.state.' + o.state);
    state.replaceChildren(h('span.badge' + (o.state === 'paid' ? '.active' : ''), {}, words));
    announce(words);
    place.replaceChildren(...(o.state === 'open' || o.state === 'claimed' ? waiting(o) : over(o)));
  };
  const again = (/** @type {any} */ now) => { if (now.version > o.version) o = now; draw(); };
  const told = live(async (signal) => again(await read('/v1/orders/' + o.id, { bearer, signal })));
  screen(show(o.amount), state,
    (o.reference || o.description) && h('p', {}, h('bdi', {}, [o.reference, o.description].filter(Boolean).join(' · '))), linesOf(termsOf(o)), place, told,
    button(t('till.next'), () => desk(), { kind: 'second' }));
  draw();
}

/** What the payer is shown, and what can be done until it is paid. @param {any} o */
function waiting(o) {
  const said = h('p.quiet', { role: 'status' });
  const trouble = h('div', { role: 'alert' });
  const id = newID();
  return [
    h('p', {}, t('till.scan')), h('img.qr', { src: `/pay/${o.id}/qr.svg`, alt: t('till.qr'), width: 256, height: 256 }),
    h('a', { href: o.url, target: '_blank', rel: 'noreferrer' }, h('bdi', {}, o.url)),
    button(t('till.copy'), async () => { await navigator.clipboard.writeText(o.url); said.textContent = t('till.copied'); }, { kind: 'second' }), said, trouble,
    button(t('till.cancel'), async () => {
      try {
        watch(await write(`/v1/orders/${o.id}/cancel`, undefined, bearer, id));
      } catch (e) {
        if (e instanceof Problem && e.status === 401) return fail(e);
        trouble.replaceChildren(notice('bad', explain(e)));
      }
    }, { kind: 'danger' }),
  ];
}

/** What became of it. @param {any} o */
function over(o) {
  if (o.state !== 'paid') return [h('div.mark', {}, icon('stop'))];
  const place = h('div.stack');
  place.append(button(t('till.receipt'), async () => place.replaceChildren(await paidWith(o.payment, { bearer, may: scopes.includes('refunds') })), { kind: 'second' }));
  return [h('div.mark.good', {}, icon('done')), facts([[t('fact.settled'), when(o.ended_at)], [t('fact.payment'), h('code', {}, o.payment)]]), place];
}
