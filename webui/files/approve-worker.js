// @ts-check
// What the browser keeps running for the approve page. It keeps a copy of the page itself, for when there is no connection;
// nothing of the API passes through it. The network always comes first, so that a new release is seen at once.
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
const isPage = (path) => /^\/(approve|approve\.js|approve\.webmanifest|(ui|words)\/[a-z]+\.(js|css|svg))$/.test(path);

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
