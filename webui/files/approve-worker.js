// @ts-check
// What the browser keeps running for the approve page. It keeps a copy of the page itself, for when there is no connection;
// nothing of the API passes through it. The network always comes first, so that a new release is seen at once. It is woken
// when something waits, and says so in words that tell nothing more: lock screens are for everybody to read.
const copies = 'tapline-approve-1';

/** @type {any} */
const worker = self;

worker.addEventListener('install', () => worker.skipWaiting());

worker.addEventListener('activate', (/** @type {any} */ e) => e.waitUntil((async () => {
  for (const name of await caches.keys()) {
    if (name.startsWith('tapline-approve-') && name !== copies) await caches.delete(name);
  }
  await worker.clients.claim();
})()));

/** Whether a path is the page or one of its parts. @param {string} path */
const isPage = (path) => /^\/(approve|approve\.js|approve\.webmanifest|(ui|words|approve)\/[a-z]+\.(js|css|svg))$/.test(path);

worker.addEventListener('fetch', (/** @type {any} */ e) => {
  const { origin, pathname } = new URL(e.request.url);
  if (e.request.method === 'GET' && origin === location.origin && isPage(pathname)) e.respondWith(page(e.request, pathname));
});

/** @param {Request} request @param {string} path */
async function page(request, path) {
  const kept = await caches.open(copies);
  try {
    const answer = await fetch(request);
    if (answer.ok) await kept.put(path, answer.clone());
    return answer;
  } catch (e) {
    const copy = await kept.match(path);
    if (copy) return copy;
    throw e;
  }
}

/** Words for when the page was never able to leave any. @type {any} */
const plain = { lang: 'en', kinds: { approve: ['tapline', 'Something waits for you. Open tapline to see it.'] } };

worker.addEventListener('push', (/** @type {any} */ e) => e.waitUntil(woken(e)));

/** Shows that something waits. @param {any} e */
async function woken(e) {
  let kind = 'approve';
  try { kind = String(e.data.json().wake); } catch { /* whatever it was, something waits */ }
  const pages = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  if (kind === 'approve' && pages.some((/** @type {any} */ p) => p.visibilityState === 'visible' && new URL(p.url).pathname === '/approve')) return; // it is on the screen
  const words = await (await caches.open(copies)).match('/approve/words').then((kept) => kept?.json()).catch(() => undefined) ?? plain;
  const [title, body] = words.kinds[kind] ?? words.kinds.approve;
  await worker.registration.showNotification(title, {
    body, lang: words.lang, tag: 'tapline-' + kind, renotify: true, requireInteraction: kind === 'approve', icon: '/ui/icon.svg', badge: '/ui/icon.svg',
    data: { to: kind === 'approve' ? '/approve' : '/me' },
  });
}

worker.addEventListener('notificationclick', (/** @type {any} */ e) => e.waitUntil((async () => {
  e.notification.close();
  const to = e.notification.data?.to === '/me' ? '/me' : '/approve';
  const pages = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const open = pages.find((/** @type {any} */ p) => new URL(p.url).pathname === to);
  if (open) await open.focus(); else await worker.clients.openWindow(to);
})()));
