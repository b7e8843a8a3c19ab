// A shop that sells one book, and is paid by tapline: a start for a shop of your own, in Node without a framework.
//
//   TAPLINE_API_KEY=tapline_test_… node examples/shop-js/shop.js --tapline http://127.0.0.1:8480
//
// It makes an order for each sale, shows the payment button, and hands over the book when tapline says that the order is paid. What
// the buyer's browser says is not asked. See docs/clients.md.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { connect, verifyWebhook } from '../../clients/js/src/index.js'; // in a shop of your own: from 'tapline'

const { values } = parseArgs({ options: {
  listen: { type: 'string', default: '127.0.0.1:8090' }, // on this machine only: there is no TLS
  tapline: { type: 'string', default: 'http://127.0.0.1:8480' },
} });
const origin = 'http://' + values.listen;
const tapline = connect({ url: values.tapline, key: process.env.TAPLINE_API_KEY ?? '' });

/** Is decided here, never by the browser. */
const price = { minor: 1250, currency: 'CNY' };
const book = 'The Book of Small Change';

/** Where a webhook endpoint leads to /hook, its secret; while that is rotated the old and the new one, with a comma between them. */
const secrets = process.env.TAPLINE_WEBHOOK_SECRET?.split(',') ?? [];
/** What was sent to buyers, which a real shop would keep in its database. @type {Set<string>} */
const sent = new Set();

/** The id of the order by sale; a real shop would keep that in its database. @type {Map<string, string>} */
const orders = new Map();

const files = {
  '/button.js': ['text/javascript', readFileSync(new URL('../../clients/js/button.js', import.meta.url))],
  '/page.js': ['text/javascript', readFileSync(new URL('page.js', import.meta.url))],
  '/shop.css': ['text/css', readFileSync(new URL('shop.css', import.meta.url))],
};

/** A page. Nothing runs in it but the two scripts, and its only picture is the code of tapline. */
const page = (response, status, body, lang) => response.writeHead(status, {
  'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store', 'Referrer-Policy': 'same-origin', 'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': `default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src ${new URL(values.tapline).origin}; ` +
    `form-action 'self' ${new URL(values.tapline).origin}; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'`,
}).end(`<!doctype html><html lang="${lang}"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/shop.css">
<title>${book}</title><script type="module" src="/button.js"></script><script type="module" src="/page.js"></script><main>${body}</main></html>`);

/** Makes the order of a sale. The sale is the idempotency key: who presses twice, or whose connection breaks, still has one order. */
async function buy(request, response) {
  const site = request.headers['sec-fetch-site'];
  if (site && site !== 'same-origin' && site !== 'none') return page(response, 403, '<h1>That is not for other pages</h1>', 'en');
  let form = '';
  for await (const part of request) if ((form += part).length > 1000) return request.destroy();
  const sale = new URLSearchParams(form).get('sale') ?? '';
  if (!/^[\w-]{22}$/.test(sale)) return page(response, 400, '<h1>Load the page again, and press the button</h1>', 'en');
  const here = `${origin}/sales/${sale}`;
  const order = await tapline.makeOrder({
    amount: price, reference: sale.slice(0, 8), description: book, lines: [{ description: book, quantity: 1, amount: price.minor }],
    expires_in: 3600, success_url: here, cancel_url: here,
  }, { idempotencyKey: sale });
  orders.set(sale, order.id);
  if (!request.headers.accept?.includes('application/json')) return response.writeHead(303, { Location: order.url }).end(); // without scripts
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify({ url: order.url, watch: `/sales/${sale}/state` }));
}

/** Where the buyer comes back to, and what the button watches. Anybody can type its address: only tapline knows whether it was paid. */
async function sold(response, sale, state, lang) {
  const id = orders.get(sale);
  if (!id) return page(response, 404, '<h1>There is no such sale</h1>', lang);
  const order = await tapline.getOrder({ id });
  if (state) return response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }).end(JSON.stringify({ state: order.state }));
  if (order.state === 'paid') return page(response, 200, `<h1>Thank you</h1><p>${book} was paid: <em>Take care of the pence.</em></p><p>Order ${order.reference}</p>`, lang);
  if (order.state === 'cancelled' || order.state === 'expired') return page(response, 200, '<h1>Not paid</h1><p><a href="/">Back to the shop</a></p>', lang);
  return page(response, 200, `<h1>Not paid yet</h1><tapline-pay order="${order.url}" watch="/sales/${sale}/state"></tapline-pay>`, lang);
}

/** A webhook: the book is sent to a buyer who has closed the page, too. It may come twice, and it only says what to ask for. */
async function hook(request, response) {
  const parts = [];
  let event, size = 0;
  for await (const part of request) {
    if ((size += part.length) > 64 << 10) return request.destroy();
    parts.push(part);
  }
  try {
    event = await verifyWebhook(Buffer.concat(parts), request.headers, secrets);
  } catch {
    return response.writeHead(400).end(); // anybody can post here
  }
  if (event.type === 'order.paid' && !event.data.test) {
    const order = await tapline.getOrder({ id: event.data.id });
    // The payee may take other orders as well, such as those of a template: only one that this shop has made, at its price, buys the book.
    const ours = [...orders.values()].includes(order.id) && order.amount.minor === price.minor && order.amount.currency === price.currency;
    if (ours && order.state === 'paid' && !sent.has(order.id)) {
      console.log('sent the book of order', order.reference);
      sent.add(order.id);
    }
  }
  response.writeHead(204).end();
}

const shelf = (lang) => `<h1 lang="en">${book}</h1><p>${lang === 'zh' ? '12.50 元，五分钟读完。' : '12.50 CNY, read in five minutes.'}</p>
<form method="post" action="/buy"><input type="hidden" name="sale" value="${randomBytes(16).toString('base64url')}">
<tapline-pay make="/buy"></tapline-pay><noscript><button>Buy and pay by card</button></noscript></form>
<p>${lang === 'zh' ? '<a href="/">English</a>' : '<a href="/?lang=zh" lang="zh">中文</a>'}</p>`;

await tapline.getSelf(); // the key and the address are tried before anybody wants to buy
createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', origin);
  const lang = searchParams.get('lang') === 'zh' ? 'zh' : 'en';
  const [, sale, state] = /^\/sales\/([\w-]{22})(\/state)?$/.exec(pathname) ?? [];
  try {
    if (request.method === 'POST' && pathname === '/buy') await buy(request, response);
    else if (request.method === 'POST' && pathname === '/hook' && secrets.length > 0) await hook(request, response);
    else if (request.method !== 'GET') page(response, 405, '<h1>Not here</h1>', lang);
    else if (pathname === '/') page(response, 200, shelf(lang), lang);
    else if (sale) await sold(response, sale, state, lang);
    else if (Object.hasOwn(files, pathname)) response.writeHead(200, { 'Content-Type': files[pathname][0] + '; charset=utf-8' }).end(files[pathname][1]);
    else page(response, 404, '<h1>Nothing is here</h1>', lang);
  } catch (e) {
    console.error(String(e));
    if (!response.headersSent) page(response, 502, '<h1>The shop cannot do this at the moment</h1><p>Load this page again before you pay.</p>', lang);
  }
}).listen(Number(values.listen.split(':').at(-1)), '127.0.0.1', () => console.log('the shop is open at', origin));
