import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { connect, NoAnswer, NotSent } from '../src/index.js';
import { key, price, tapline, url } from './world.js';

/** Has every pause over at once, and keeps how long it would have been. */
function withoutPauses(t) {
  const pauses = [];
  const real = globalThis.setTimeout;
  t.mock.method(globalThis, 'setTimeout', (f, ms, ...rest) => {
    const ours = new Error().stack.includes('/src/send.js');
    if (ours) pauses.push(ms);
    return real(f, ours ? 0 : ms, ...rest);
  });
  return pauses;
}

/** A client for whom a write goes as `fails` says: it gets the try's number, and how to send it on. */
function shaky(fails) {
  const keys = [];
  const client = connect({ url, key, fetch: async (to, init) => {
    if (init.method !== 'POST') return fetch(to, init);
    keys.push(init.headers['Idempotency-Key']);
    return fails(keys.length, () => fetch(to, init));
  } });
  return { client, keys };
}

const broken = (code) => Object.assign(new TypeError('fetch failed'), { cause: Object.assign(new Error(code), { code }) });
const problem = (status, body, headers = {}) =>
  new Response(JSON.stringify({ title: 'no', ...body }), { status, headers: { 'Content-Type': 'application/problem+json', ...headers } });

test('a write whose answers are lost is done once, under one key', async (t) => {
  withoutPauses(t);
  const { client, keys } = shaky(async (tried, go) => {
    const answer = await go();
    if (tried < 3) throw broken('ECONNRESET'); // it was done, and nobody knows
    assert.equal(answer.headers.get('Idempotent-Replayed'), 'true');
    return answer;
  });
  const order = await client.makeOrder({ amount: price, reference: 'once' });
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  assert.deepEqual((await tapline.listOrders({ reference: 'once' })).orders.map((o) => o.id), [order.id]);
});

test('who gives a key gets the same answer in another process', async () => {
  const idempotencyKey = 'sale-' + Math.random();
  const first = await tapline.makeOrder({ amount: price }, { idempotencyKey });
  const again = await connect({ url, key }).makeOrder({ amount: price }, { idempotencyKey });
  assert.equal(first.id, again.id);
  await assert.rejects(tapline.makeOrder({ amount: { ...price, minor: 1 } }, { idempotencyKey }), { code: 'idempotency_key_reused' });
});

const passing = [
  ['busy', () => problem(503, { code: 'busy', retry_after: 2 }), 2000],
  ['internal', () => problem(500, { code: 'internal' }), 125],
  ['in progress', () => problem(409, { code: 'in_progress', retry_after: 1 }), 1000],
  ['too many, by the header', () => problem(429, { code: 'too_many_requests' }, { 'Retry-After': '5' }), 5000],
  ['a proxy', () => new Response('<h1>proxy</h1>', { status: 502 }), 125],
];
for (const [name, answer, least] of passing) {
  test(`sent again: ${name}`, async (t) => {
    const pauses = withoutPauses(t);
    const { client, keys } = shaky((tried, go) => tried === 1 ? answer() : go());
    assert.equal((await client.makeOrder({ amount: price })).state, 'open');
    assert.equal(keys.length, 2);
    assert.equal(keys[0], keys[1]);
    assert(pauses[0] >= least && pauses[0] <= least + 400, `${pauses}`);
  });
}

const final = [
  ['malformed', 400, {}], ['order_closed', 409, {}], ['payee_balance', 422, {}], ['missing_scope', 403, {}],
  ['too_many_requests', 429, { retry_after: 60 }],
];
for (const [code, status, more] of final) {
  test(`not sent again: ${code}`, async () => {
    const { client, keys } = shaky(() => problem(status, { code, ...more }));
    await assert.rejects(client.makeOrder({ amount: price }), { name: 'Problem', code, status, retryAfter: more.retry_after ?? 0 });
    assert.equal(keys.length, 1);
  });
}

test('without any answer it is told whether the write may have been done', async (t) => {
  const pauses = withoutPauses(t);
  const lost = shaky(() => { throw broken('ECONNRESET'); });
  await assert.rejects(lost.client.makeOrder({ amount: price }), (e) => e instanceof NoAnswer && e.idempotencyKey === lost.keys[0] && e.cause.cause.code === 'ECONNRESET');
  assert.equal(lost.keys.length, 6);
  assert.equal(new Set(lost.keys).size, 1);
  pauses.forEach((ms, i) => assert(ms <= Math.min(250 * 2 ** i, 4000) && ms >= Math.min(250 * 2 ** i, 4000) / 2, `${pauses}`));
  assert.equal(pauses.length, 5);
  const unsent = shaky(() => { throw broken('ECONNREFUSED'); });
  await assert.rejects(unsent.client.makeOrder({ amount: price }), NotSent);
  const first = shaky((tried) => { throw broken(tried === 1 ? 'ECONNRESET' : 'ECONNREFUSED'); });
  await assert.rejects(first.client.makeOrder({ amount: price }), NoAnswer);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  await assert.rejects(connect({ url: `http://127.0.0.1:${port}`, key }).getSelf(), NotSent);
});

test('a write without a key is not sent again once it may have been done', async (t) => {
  withoutPauses(t);
  for (const [answer, tries] of [
    [() => { throw broken('ECONNRESET'); }, 1], [() => problem(500, { code: 'internal' }), 1],
    [() => problem(503, { code: 'busy', retry_after: 1 }), 6], [() => { throw broken('ECONNREFUSED'); }, 6],
  ]) {
    const { client, keys } = shaky(answer);
    await assert.rejects(client.forwardTestClock({ by: 60 }));
    assert.deepEqual([keys.length, keys[0]], [tries, undefined]);
  }
});

test('a certificate that is not good is not tried again, and a redirect is not followed', async (t) => {
  withoutPauses(t);
  const untrusted = shaky(() => { throw broken('DEPTH_ZERO_SELF_SIGNED_CERT'); });
  await assert.rejects(untrusted.client.makeOrder({ amount: price }), NotSent);
  assert.equal(untrusted.keys.length, 1);
  const elsewhere = shaky(() => new Response(null, { status: 307, headers: { Location: 'https://thief.example/v1/orders' } }));
  await assert.rejects(elsewhere.client.makeOrder({ amount: price }), { name: 'BadAnswer' });
  assert.equal(elsewhere.keys.length, 1);
});

test('a signal ends a call at once', async () => {
  const stop = AbortSignal.abort(new Error('enough'));
  await assert.rejects(tapline.getSelf({}, { signal: stop }), { message: 'enough' });
  const { client, keys } = shaky(() => problem(503, { code: 'busy', retry_after: 9 }));
  const began = Date.now();
  await assert.rejects(client.makeOrder({ amount: price }, { signal: AbortSignal.timeout(300) }), NoAnswer);
  assert(Date.now() - began < 5000 && keys.length === 1);
});

