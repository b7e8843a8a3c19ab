// @ts-check
// Having this device woken while no page is open (Web Push). The browser makes the subscription, the service is told of it,
// and the worker of this page shows that something waits, in words that tell nothing more.
import { read, service, write } from '/ui/api.js';
import { announce, button, h, notice } from '/ui/dom.js';
import { base64url, bytesOf } from '/ui/key.js';
import { explain, locale, t } from '/ui/words.js';

/** Where the worker finds the words that it shows, which it cannot know otherwise. */
const told = { cache: 'tapline-approve-1', path: '/approve/words' };

const can = 'serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis;

/** Keeps the words for the worker, in the language that is chosen. */
export async function tellWords() {
  if (!('caches' in globalThis)) return;
  const words = { lang: locale, kinds: Object.fromEntries(['approve', 'debit', 'card'].map((kind) => [kind, [t('wake.' + kind), t('wake.text_' + kind)]])) };
  await (await caches.open(told.cache)).put(told.path, new Response(JSON.stringify(words)));
}

/** Takes away what was shown while nobody looked. @param {ServiceWorkerRegistration} worker */
export async function seen(worker) {
  for (const shown of await worker.getNotifications?.() ?? []) shown.close();
}

/**
 * What the browser and the service say of each other: whether this device is woken, and where.
 * @param {ServiceWorkerRegistration} worker
 */
async function look(worker) {
  const [own, theirs, { key }] = await Promise.all([worker.pushManager.getSubscription(), read('/v1/push-subscription'), read('/v1/push-key')]);
  return { own, theirs, key };
}

/**
 * Subscribes, and tells the service.
 * @param {ServiceWorkerRegistration} worker @param {string} key of the service @param {boolean} debits
 */
async function subscribe(worker, key, debits) {
  const own = await worker.pushManager.getSubscription();
  if (own && base64url(own.options.applicationServerKey ?? new ArrayBuffer(0)) !== key) await own.unsubscribe(); // of a key before
  const made = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytesOf(key) });
  const part = (/** @type {PushEncryptionKeyName} */ name) => base64url(made.getKey(name) ?? new ArrayBuffer(0));
  return write('/v1/push-subscription', 'push', { endpoint: made.endpoint, p256dh: part('p256dh'), auth: part('auth'), key, debits });
}

/** A switch. @param {string} words @param {boolean} on @param {(on: boolean) => Promise<any>} set */
function toggle(words, on, set) {
  const element = button(words, () => set(!on), { kind: 'switch' });
  element.setAttribute('role', 'switch');
  element.setAttribute('aria-checked', String(on));
  return element;
}

/**
 * The switch to have this device woken, and what it is set to.
 * @param {Promise<ServiceWorkerRegistration | undefined>} registered
 */
export function waking(registered) {
  const panel = h('section.panel', { 'aria-label': t('wake.title') });
  const say = (/** @type {any[]} */ ...children) => panel.replaceChildren(h('h2', {}, t('wake.title')), ...children.filter(Boolean));
  const trouble = h('div', { role: 'alert' });
  /** @param {(worker: ServiceWorkerRegistration) => Promise<any>} act @param {string} [words] */
  const change = async (act, words) => {
    trouble.replaceChildren();
    try {
      const worker = await registered;
      if (worker) await act(worker);
      await draw();
      if (words) announce(words);
    } catch (/** @type {any} */ e) {
      const own = e?.code || e?.words || e instanceof TypeError;
      trouble.replaceChildren(notice('bad', own ? explain(e) : t('wake.failed')));
    }
  };
  const on = () => change(async (worker) => {
    if (await Notification.requestPermission() !== 'granted') return; // said by draw
    await subscribe(worker, (await read('/v1/push-key')).key, true);
  }, t('wake.is_on'));
  const off = () => change(async (worker) => {
    await write('/v1/push-subscription/remove', 'unpush', {});
    await (await worker.pushManager.getSubscription())?.unsubscribe();
  }, t('wake.is_off'));
  const debits = (/** @type {boolean} */ wanted) => change(async (worker) => subscribe(worker, (await read('/v1/push-key')).key, wanted));
  const draw = async () => {
    const worker = can ? await registered : undefined;
    if (!worker?.pushManager) return say(h('p', {}, t(/iPhone|iPad/.test(navigator.userAgent) ? 'wake.home_screen' : 'wake.cannot')));
    const { own, theirs, key } = await look(worker);
    const granted = Notification.permission === 'granted';
    if (Notification.permission === 'denied') {
      return say(h('p', {}, t('wake.denied')), theirs.active && toggle(t('wake.switch'), true, off), trouble);
    }
    let { active } = theirs;
    if (own && granted && (!active || theirs.endpoint !== own.endpoint || theirs.key !== key)) { // the service lost it, or has a new key
      active = (await subscribe(worker, key, theirs.active ? theirs.debits : true)).active;
    }
    const isOn = Boolean(own && granted && active);
    say(toggle(t('wake.switch'), isOn, isOn ? off : on), h('p.quiet', {}, t(isOn ? 'wake.on_text' : 'wake.off_text')),
      isOn && toggle(t('wake.debits'), theirs.active ? theirs.debits : true, debits), trouble);
  };
  say(h('p.quiet', {}, t('pay.loading')));
  service().then(draw).catch((e) => say(notice('bad', explain(e))));
  return panel;
}
