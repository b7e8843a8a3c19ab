// @ts-check
// The approve page, on the device of the card: what somebody wants to pay with it on another device, and the answer to it.
// What is shown is read from the statement's exact text; whoever approves types the digits of the other screen, or taps the
// same card here.
import { device, Offline, Problem, read, service, write } from '/ui/api.js';
import { announce, button, countdown, field, frame, h, icon, notice, screen } from '/ui/dom.js';
import { keepLive } from '/ui/live.js';
import { show, total } from '/ui/money.js';
import { second, statementCard } from '/ui/statement.js';
import { tapping } from '/ui/ways.js';
import { duration, explain, t, when } from '/ui/words.js';
import { canScan, scan } from '/approve/scan.js';
import { seen, tellWords, waking } from '/approve/wake.js';

/** @typedef {any} Request a payment that waits, with what its statement says in "said", or why that cannot be in "wrong" */

/** What waits, the oldest first. @type {Request[]} */
let waiting = [];
/** The cards that this device is the device of. @type {any[]} */
let cards = [];
/** The request that is looked at: what is typed for it must not be lost when something else changes. @type {Request | undefined} */
let shown;
/** The tap that came with the address, used by whichever request its user approves. @type {any} */
let brought;
/** What became of requests that ended elsewhere. @type {string[]} */
let news = [];
/** Those that were decided here. @type {Set<string>} */
const decided = new Set();
/** @type {() => void} */
let refresh = () => {};
/** What was drawn where nothing is being decided: the same is not drawn again, or it would take the focus. */
let drawn = '';
/** The worker, where the browser has such. @type {Promise<ServiceWorkerRegistration | undefined>} */
let worker = Promise.resolve(undefined);
/** Whether this device is woken: made once, so that what it says is not lost when something else changes. @type {any} */
let wake;
/** Whether this browser reads codes with the camera. */
let scans = false;
/** Stops whatever waits for a card or a code. */
let stopTap = () => {};

const address = '/approve-worker.js';
/** The worker's address, which the content policy has vouched for where the browser has Trusted Types. @type {string} */
// @ts-ignore: not in the type library
const script = globalThis.trustedTypes?.createPolicy('tapline-worker', { createScriptURL: () => address }).createScriptURL('') ?? address;

const status = h('p.live', { role: 'status' });
const others = h('div');
const hows = { live: 'approve.live', asking: 'approve.asking', lost: 'approve.lost' };

if (location.pathname === '/approve') start();

/** Opens the page, with a tap that the user has made to approve, if there is one. @param {any} [tap] */
export async function start(tap) {
  brought = tap;
  frame(t('approve.title'), { links: { [t('nav.me')]: '/me', [t('nav.approve')]: '/approve' } });
  screen(t('pay.loading'));
  worker = Promise.resolve(navigator.serviceWorker?.register(script, { scope: '/approve', updateViaCache: 'none' })
    .then(() => navigator.serviceWorker.getRegistration('/approve'))).catch(() => undefined); // it can do without
  tellWords().catch(() => {});
  scans = await canScan();
  refresh = keepLive({ read: look, told, failed: fail, signal: new AbortController().signal });
}

/** Says how the page hears of changes. @param {import('/ui/live.js').How} how */
function told(how) {
  status.className = 'live ' + how;
  status.textContent = t(hows[how]);
  if (how !== 'live' && !drawn) screen(t('lost.title'), status);
}

/** Looks what waits. @param {AbortSignal} signal */
async function look(signal) {
  const [{ payments }, list, { id }] = await Promise.all([
    read('/v1/payments?role=approver&state=approval_required', { signal }), read('/v1/cards', { signal }), device(),
  ]);
  const before = waiting;
  cards = list.cards.filter((/** @type {any} */ c) => c.associated_device === id);
  worker.then((w) => w && seen(w)).catch(() => {});
  waiting = payments.filter((/** @type {any} */ p) => p.statement).reverse().map(said);
  for (const old of before) {
    if (!decided.has(old.id) && !waiting.some((p) => p.id === old.id)) await missed(old, signal);
  }
  if (waiting.some((p) => p.next.expires_in < 2)) setTimeout(refresh, 1500); // it is about to end
  draw();
}

/** A request with what its statement says. @param {any} view @returns {Request} */
function said(view) {
  const until = performance.now() + view.next.expires_in * 1000;
  try {
    return { ...view, until, said: second(view.statement, view) };
  } catch (wrong) {
    return { ...view, until, wrong };
  }
}

/** A request is gone: tells why. @param {Request} old @param {AbortSignal} signal */
async function missed(old, signal) {
  const now = await read('/v1/payments/' + old.id, { signal }).catch((e) => { if (!(e instanceof Problem)) throw e; });
  const what = t('approve.of', { amount: show(total(old)), payee: old.payee.name });
  const why = now ? t(gone[now.reason] ?? gone[now.state] ?? 'end.reason.' + (now.reason || now.state)) : t('problem.unknown_payment');
  if (shown?.id === old.id) return ended(t('approve.over'), old, why);
  news = [...news, what + ' ' + why].slice(-3);
  announce(what + ' ' + why);
}

/** Why a request is gone, for whoever was asked. @type {Record<string, string>} */
const gone = {
  settled: 'approve.gone.settled', rehearsed: 'approve.gone.settled', payer: 'approve.gone.cancelled', payee: 'end.reason.payee',
  approver: 'approve.gone.declined', timed_out: 'approve.gone.expired', wrong_code: 'end.reason.wrong_code',
};

/** What the page shows where nothing is being decided. */
function draw() {
  others.replaceChildren(...(waiting.length > 1 ? [button(t('approve.several', { n: waiting.length }), choose, { kind: 'plain' })] : []));
  if (shown) return;
  if (content() === drawn) return;
  drawn = content();
  if (waiting.length === 1) return ask(waiting[0]);
  if (waiting.length > 1) return choose();
  if (cards.length === 0) {
    return screen(t('approve.none'), h('div.mark', {}, icon('phone')), h('p', {}, t('approve.none_text')), h('a.button.main', { href: '/me' }, t('approve.to_me')));
  }
  screen(t('approve.nothing'), status, h('div.mark.calm', {}, icon('wait')), elsewhere(), brought && notice('note', t('approve.tap_for_nothing')),
    h('p', {}, t('approve.nothing_text')),
    h('ul.cards', {}, cards.map((c) => h('li.panel', {}, h('span.what', {}, h('b', {}, h('bdi', {}, c.label)),
      h('span.quiet', {}, h('bdi', {}, c.card_account), c.state === 'frozen' && ' · ' + t('approve.frozen')))))), wake ??= waking(worker), install());
}

/** What there is to draw. */
const content = () => JSON.stringify([waiting.map((p) => p.id), cards, news]);

/** What ended elsewhere. */
const elsewhere = () => news.map((text) => notice('note', text));

/** Several wait. */
function choose() {
  stopTap();
  shown = undefined;
  drawn = content();
  screen(t('approve.several', { n: waiting.length }), status, elsewhere(), h('ul.requests', {}, waiting.map((p) => h('li', {}, row(p)))));
}

/** One of several. @param {Request} p */
function row(p) {
  const open = button('', () => ask(p), { kind: 'second' });
  open.append(h('span.what', {}, h('b', {}, show(total(p))), h('bdi', {}, p.payee.name)),
    h('span.quiet', {}, h('bdi', {}, p.initiating_device_label), ' · ', when(p.instructed_at)));
  return open;
}

/** Asks about one request. @param {Request} p @param {string} [problem] */
function ask(p, problem) {
  stopTap();
  shown = p;
  drawn = ' ';
  const trouble = h('div', { role: 'alert' }, problem && notice('bad', problem));
  const deny = [
    button(t('approve.decline'), () => answer(p, 'decline', {}, trouble), { kind: 'second' }),
    button(t('approve.not_me'), () => notMe(p), { kind: 'danger' }),
  ];
  const time = countdown(Math.max(0, (p.until - performance.now()) / 1000), (left) => t('approve.time_left', { time: duration(left) }), () => refresh());
  if (p.wrong) return screen(t('approve.wrong'), status, others, notice('bad', explain(p.wrong)), trouble, h('div.beside', {}, deny), time);
  const means = h('div.means');
  screen(p.said.rehearsal ? t('statement.rehearsal') : t('approve.ask'), status, elsewhere(), others, statementCard(p.said),
    h('div.asked', {}, h('p.quiet', {}, t('approve.asked', { at: when(p.instructed_at) })), time), trouble, means, h('div.beside', {}, deny));
  if (brought) byBrought(p, means, trouble); else byCode(p, means, trouble);
}

/**
 * With the digits of the other screen, typed or seen by the camera: its user presses in either case.
 * @param {Request} p @param {HTMLElement} means @param {HTMLElement} trouble @param {string} [digits]
 */
function byCode(p, means, trouble, digits = '') {
  stopTap();
  const code = field(t('approve.code'), { inputmode: 'numeric', maxlength: 6, class: 'digits', value: digits }, t('approve.code_help'));
  const go = button(t('approve.approve', { amount: show(total(p.said)) }), async () => {
    const digits = code.input.value.replace(/\D/g, '');
    if (digits.length < 2) return code.tell(t('approve.code_missing'));
    code.tell('');
    await answer(p, 'approve', { code: digits }, trouble, (e) => { code.input.value = ''; code.tell(explain(e)); });
  }, { icon: 'done' });
  means.replaceChildren(h('form', { onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); go.click(); } }, code.row, go),
    scans && button(t('approve.scan'), () => byCamera(p, means, trouble), { kind: 'second', icon: 'code' }) || '',
    p.next.methods?.includes('tap') && button(t('approve.tap_instead'), () => byTap(p, means, trouble), { kind: 'second', icon: 'tap' }) || '');
}

/** With the digits that the camera sees on the other screen. @param {Request} p @param {HTMLElement} means @param {HTMLElement} trouble */
async function byCamera(p, means, trouble) {
  stopTap();
  trouble.replaceChildren();
  const over = new AbortController();
  stopTap = () => over.abort();
  const found = (/** @type {string} */ digits) => {
    over.abort();
    announce(t('approve.scanned'));
    byCode(p, means, trouble, digits);
  };
  try {
    means.replaceChildren(await scan(p.id, found, () => byCode(p, means, trouble), over.signal));
  } catch {
    byCode(p, means, trouble);
    trouble.replaceChildren(notice('bad', t('approve.no_camera')));
  }
}

/**
 * With the same card, tapped on this device while its user looks at the statement.
 * @param {Request} p @param {HTMLElement} means @param {HTMLElement} trouble @param {string} [problem]
 */
async function byTap(p, means, trouble, problem) {
  stopTap();
  const { element, stop } = await tapping(async ({ tap }) => {
    if (tap.account) return byTap(p, means, trouble, t('approve.no_proof'));
    await answer(p, 'approve', { tap }, trouble, (e) => byTap(p, means, trouble, explain(e)));
  }, problem, () => challenge(p));
  stopTap = stop;
  means.replaceChildren(h('p', {}, h('b', {}, t('approve.tap'))), element, button(t('approve.code_instead'), () => byCode(p, means, trouble), { kind: 'plain' }));
}

/** What a payment card is to sign, where the service can tell what it has signed. @param {Request} p */
async function challenge(p) {
  return (await service()).card_proofs ? write('/v1/tap-challenges', 'tap-challenge', { amount: total(p) }) : undefined;
}

/**
 * With a tap that was made before the statement was seen: it counts when its user presses.
 * @param {Request} p @param {HTMLElement} means @param {HTMLElement} trouble
 */
function byBrought(p, means, trouble) {
  const tap = brought;
  means.replaceChildren(notice('good', t('approve.tapped')),
    button(t('approve.approve', { amount: show(total(p.said)) }), () => {
      brought = undefined;
      return answer(p, 'approve', { tap }, trouble, (e) => ask(p, explain(e)));
    }, { icon: 'done' }),
    button(t('approve.code_instead'), () => { brought = undefined; byCode(p, means, trouble); }, { kind: 'plain' }));
}

/** "This wasn't me": says what it does, and asks once more. @param {Request} p */
function notMe(p) {
  stopTap();
  const trouble = h('div', { role: 'alert' });
  screen(t('approve.not_me_title'), status, h('p', {}, t('approve.not_me_text', { card: p.card_account })), trouble,
    button(t('approve.not_me_sure'), () => answer(p, 'not_me', {}, trouble), { kind: 'danger', icon: 'lock' }),
    button(t('approve.back'), () => ask(p), { kind: 'second' }));
}

/**
 * Sends an answer, and shows what came of it.
 * @param {Request} p @param {string} decision @param {any} proof @param {HTMLElement} trouble where to say what went wrong
 * @param {(e: Problem) => any} [retry] after a code or tap that does not count
 */
async function answer(p, decision, proof, trouble, retry) {
  trouble.replaceChildren();
  try {
    const statement = decision === 'approve' ? p.statement : '';
    const now = await write(`/v1/payments/${p.id}/approval`, 'approval', { payment: p.id, decision, statement, ...proof });
    decided.add(p.id);
    done(p, now, decision);
  } catch (e) {
    if (e instanceof Problem && retry && e.state === 'approval_required') return retry(e);
    if (e instanceof Problem && (e.state || e.status === 409)) { // it has ended, by this answer or otherwise
      const now = await read('/v1/payments/' + p.id).catch(() => ({ state: p.state }));
      if (now.state === p.state) return trouble.replaceChildren(notice('bad', explain(e)));
      decided.add(p.id);
      return ['settled', 'rehearsed'].includes(now.state) ? done(p, now, 'approve') : ended(t('approve.over'), p, explain(e));
    }
    trouble.replaceChildren(notice('bad', explain(e)));
    if (e instanceof Offline) refresh();
  }
}

/** The answer was taken. @param {Request} p @param {any} now @param {string} decision */
function done(p, now, decision) {
  stopTap();
  const words = decision === 'not_me' ? 'approve.done.not_me' : decision === 'decline' ? 'approve.done.declined'
    : now.state === 'rehearsed' ? 'approve.done.rehearsed' : 'approve.done.approved';
  const good = decision === 'approve';
  ended(good ? t('approve.approved') : t('approve.declined'), p, t(words), good);
}

/** A request is over. @param {string} heading @param {Request} p @param {string} text @param {boolean} [good] */
function ended(heading, p, text, good = false) {
  stopTap();
  shown = p;
  drawn = ' ';
  waiting = waiting.filter((other) => other.id !== p.id);
  screen(heading, h(good ? 'div.mark.good' : 'div.mark', {}, icon(good ? 'done' : 'stop')),
    h('section.order', {}, h('p.amount', {}, show(total(p))), h('p.payee', {}, h('b', {}, h('bdi', {}, p.payee.name)), ' ', h('bdi.quiet', {}, p.payee.handle)), h('p.quiet', {}, t('fact.card'), ' ', h('bdi', {}, p.card_account))),
    h('p', {}, text), button(t('approve.ok'), () => { shown = undefined; brought = undefined; news = []; draw(); refresh(); }));
}

/** @type {any} */
let installer;
addEventListener('beforeinstallprompt', (e) => { e.preventDefault(); installer = e; });

/** Offers to put the page among the phone's programs, where the browser lets it. */
const install = () => installer && button(t('approve.install'), async () => { await installer.prompt(); installer = undefined; }, { kind: 'second', icon: 'phone' });

/** @param {any} e */
function fail(e) {
  if (shown) return announce(explain(e));
  screen(t('error.title'), notice('bad', explain(e)), button(t('error.again'), () => location.reload()));
}
