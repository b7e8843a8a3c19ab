// @ts-check
// The cardholder's page: the cards that this device is or was bound to, what they paid, and all that their holder may do
// with them. Each thing to do has a module of its own in /me; this one shows the cards and leads to the others.
import { Offline, Problem, device, read } from '/ui/api.js';
import { button, facts, frame, h, icon, notice, screen } from '/ui/dom.js';
import { show } from '/ui/money.js';
import * as cards from '/ui/tap.js';
import { explain, t, when } from '/ui/words.js';
import { history } from '/me/history.js';
import { watch } from '/me/news.js';
import { freeze, lost, unfreeze } from '/me/stops.js';

/**
 * A card as the API shows it to a device.
 * @typedef {{id: string, card_account: string, label: string, state: string, currency: string, balance: number, available: number,
 *   level?: string, rules?: {limits?: Record<string, number>, night?: {from: string, until: string, zone: string}, known_payees?: number},
 *   associated_device?: string, devices?: any[], lost_at?: string, frozen_by_operator?: boolean,
 *   replaces?: string, replaced_by?: string}} Card
 */

/**
 * Where somebody is: with which card, on which device, how to come back, and how to wait until a card is bound to this device.
 * @typedef {{card: Card, device: string, home: (said?: Node) => Promise<void>, wait: (panel: HTMLElement, card?: string) => void}} Here
 */

const kept = 'tapline.card';

/** The code that the operator's link brought, taken out of the address at once. */
function codeFromAddress() {
  const code = new URLSearchParams(location.hash.slice(1)).get('code') ?? '';
  if (code) globalThis.history.replaceState(null, '', location.pathname + location.search);
  return code.slice(0, 64);
}

// What is not needed to show a card is loaded when it is asked for.
/** @param {Parameters<typeof import('/me/activate.js').activate>[1]} has */
const activate = (has) => import('/me/activate.js').then((m) => m.activate(home, has));
/** @param {Parameters<typeof import('/me/devices.js').joining>[0]} here */
const joining = (here) => import('/me/devices.js').then((m) => m.joining(here));
/** A press that shows what went wrong with it. @param {() => any} act */
const tried = (act) => async () => { try { await act(); } catch (e) { fail(e); } };

cards.readerFromAddress();
const code = codeFromAddress() || cards.waiting();
const brought = cards.fromAddress();

frame(t('me.title'), { links: { [t('nav.pay')]: '/pay', [t('nav.approve')]: '/approve' } });
const paid = history();
const news = watch({ changed, payment: paid.changed, again: () => { paid.load().catch(() => {}); return changed(); } });
begin().catch(fail);

async function begin() {
  screen(t('pay.loading'));
  await device(); // registers this browser at its first visit
  news.start();
  if (code) return activate({ code, tapped: brought });
  await home();
}

/** The cards that are shown: those that were replaced are not. @returns {Promise<Card[]>} */
async function mine() {
  const all = /** @type {Card[]} */ ((await read('/v1/cards')).cards);
  return all.filter((card) => !all.some((other) => other.id === card.replaced_by));
}

/**
 * What is on the screen, to be kept up to date: a card, or a place that waits for one to be bound to this device.
 * @type {{panel: HTMLElement, text: string, card?: string, waits: boolean} | undefined}
 */
let shown;

/** Shows the cards, or why they cannot be shown. @param {Node} [said] what was done */
const home = (said) => overview(said).catch(fail);

/** @param {Node} [said] */
async function overview(said) {
  const [list, { id }] = await Promise.all([mine(), device()]);
  if (!list.length) return none(id, said);
  const card = list.find((c) => c.id === localStorage.getItem(kept)) ?? list.find((c) => c.state === 'active') ?? list[0];
  const panel = h('div.stack');
  shown = { panel, text: '', card: card.id, waits: false };
  screen(t('me.title'), news.live, said, news.list, list.length > 1 && choice(list, card), panel, paid.element,
    button(t('me.add'), tried(() => activate({})), { kind: 'plain' }));
  draw(card, id);
  await paid.load();
}

/** @param {HTMLElement} panel @param {string} [card] which, any if left out */
const wait = (panel, card) => { shown = { panel, text: '', card, waits: true }; };

/** Which of the cards. @param {Card[]} list @param {Card} card */
function choice(list, card) {
  const select = h('select', { id: 'which', onchange: () => { localStorage.setItem(kept, select.value); return home(); } },
    list.map((c) => h('option', { value: c.id, selected: c === card }, `${c.label} ${c.card_account} – ${t('me.state.' + c.state)}`)));
  return h('div.field', {}, h('label', { for: 'which' }, t('me.which')), select);
}

/** Something about a card changed: its balance, its state, its devices. Only what is shown differently is drawn. */
async function changed() {
  const was = shown;
  if (!was?.panel.isConnected) return;
  const [list, { id }] = await Promise.all([mine(), device()]);
  if (was !== shown || !was.panel.isConnected) return;
  const card = list.find((c) => c.id === was.card);
  if (!was.waits) return card ? draw(card, id) : home();
  if (was.card ? card?.associated_device === id : list.length) await home(notice('good', t('me.now_associated')));
}

/** Draws a card. @param {Card} card @param {string} id of this device */
function draw(card, id) {
  const text = JSON.stringify(card);
  if (!shown || shown.text === text) return;
  shown.text = text;
  const focussed = document.activeElement?.getAttribute('data-do');
  /** @type {Here} */
  const here = { card, device: id, home, wait };
  shown.panel.replaceChildren(account(card), ...troubles(here), actions(here));
  if (focussed) /** @type {HTMLElement | null} */ (shown.panel.querySelector(`[data-do="${focussed}"]`))?.focus();
}

/** What is on the card's account. @param {Card} card */
function account(card) {
  const amount = (/** @type {number} */ minor) => show({ minor, currency: card.currency });
  return h('section.panel', { 'aria-label': t('me.card') },
    h('div.row', {}, h('h2', {}, h('bdi', {}, card.label), ' ', h('span.quiet', {}, card.card_account)), h('span.badge.' + card.state, {}, t('me.state.' + card.state))),
    h('p.quiet', {}, t('me.available')), h('p.amount', {}, amount(card.available)),
    card.balance !== card.available && facts([[t('me.balance'), amount(card.balance)], [t('me.held'), amount(card.balance - card.available)]]));
}

/** What is to be known before anything is done with the card. @param {Here} here */
function troubles(here) {
  const { card } = here, own = card.associated_device === here.device;
  const found = [];
  if (card.lost_at) found.push(notice('bad', t('me.lost_since', { time: when(card.lost_at) })));
  else if (card.state === 'frozen') found.push(notice('note', t(card.frozen_by_operator ? 'me.frozen_by_operator' : own ? 'me.frozen' : 'me.frozen_other')));
  if (card.state === 'closed') found.push(notice('note', t('me.closed')));
  if (card.state === 'issued') found.push(notice('note', t('me.issued')), button(t('me.activate'), tried(() => activate({ keeps: Boolean(card.associated_device) })), { icon: 'tap' }));
  if (!own && card.state !== 'closed') found.push(notice('note', t('me.not_associated')), button(t('me.associate'), tried(() => joining(here)), { kind: 'second', icon: 'phone' }));
  return found;
}

/** What can be done. @param {Here} here */
function actions(here) {
  const { card } = here, own = card.associated_device === here.device;
  const works = card.state === 'active' || card.state === 'frozen';
  /** @type {[boolean, string, (here: Here) => any, any][]} */
  const all = [
    [card.state === 'active', 'freeze', freeze, { kind: 'danger', icon: 'stop' }],
    [own && card.state === 'frozen' && !card.lost_at && !card.frozen_by_operator, 'unfreeze', unfreeze, { icon: 'lock' }],
    [own && works, 'pin', (at) => import('/me/pin.js').then((m) => m.changePIN(at)), { kind: 'second' }],
    [own && works, 'limits', (at) => import('/me/limits.js').then((m) => m.limits(at)), { kind: 'second' }],
    [works, 'passkeys', (at) => import('/me/passkeys.js').then((m) => m.passkeys(at)), { kind: 'second' }],
    [true, 'devices', (at) => import('/me/devices.js').then((m) => m.devices(at)), { kind: 'second' }],
    [own && works && !card.lost_at, 'lost', lost, { kind: 'second' }],
  ];
  return h('div.actions', {}, all.filter(([can]) => can).map(([, name, act, look]) => {
    const element = button(t('me.do.' + name), tried(() => act(here)), look);
    element.dataset.do = name;
    return element;
  }));
}

/** This device has no card yet. @param {string} id @param {Node} [said] */
function none(id, said) {
  const text = h('p', {}, t('me.none_text'));
  screen(t('me.none'), said, news.list, text,
    button(t('me.have_code'), tried(() => activate({})), { icon: 'key' }),
    button(t('me.have_device'), tried(() => joining({ device: id, home, wait })), { kind: 'second', icon: 'phone' }), paid.element);
  wait(text);
  return paid.load();
}

/** @param {any} e */
function fail(e) {
  const again = e instanceof Offline || e instanceof Problem;
  screen(t('error.title'), h('div.mark', {}, icon('stop')), notice('bad', explain(e)), button(t('error.again'), () => again ? home() : location.reload()));
}
