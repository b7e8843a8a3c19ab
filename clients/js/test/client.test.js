import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, Problem, problemCodes } from '../src/index.js';
import { key, pay, price, tapline, url } from './world.js';

test('an order is made, paid, and a part of it given back', async () => {
  const made = await tapline.makeOrder({ amount: price, reference: '1042', description: 'Two books' });
  assert.equal(made.state, 'open');
  assert.equal(made.url, `${url}/pay/${made.id}`);
  await pay(made.id);
  const order = await tapline.getOrder({ id: made.id });
  assert.equal(order.state, 'paid');
  const payment = await tapline.getPayment({ id: order.payment, after: 0, wait: 5 });
  assert.equal(payment.state, 'settled');
  assert.match((await tapline.getReceipt({ id: payment.id })).receipt, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  const refund = await tapline.makeRefund({ payment: payment.id, amount: { ...price, minor: 250 }, reason: 'a torn page' });
  assert.deepEqual([refund.refunded.minor, refund.payment_amount.minor], [250, 1250]);
  assert.deepEqual((await tapline.listRefunds({ payment: payment.id })).refunds.map((r) => r.id), [refund.id]);
  const { expanded } = await tapline.getPayment({ id: payment.id, expand: ['order', 'refunds'] });
  assert.deepEqual([expanded.order.id, expanded.refunds[0].id], [made.id, refund.id]);
  const report = await tapline.getOwnReport({ currency: 'CNY' });
  assert.equal(report.closing, 1000);
  assert.match(await tapline.getOwnReport({ format: 'csv' }), /^\w+,.*\r?\n/);
});

test('lists go on over pages', async () => {
  const made = [];
  for (let i = 0; i < 5; i++) made.push((await tapline.makeOrder({ amount: { ...price, minor: 50 }, reference: 'stall' })).id);
  const found = [];
  for await (const order of tapline.each.listOrders({ reference: 'stall', limit: 2 })) found.push(order.id);
  assert.deepEqual(found, made.reverse());
  const oldest = [];
  for await (const order of tapline.each.listOrders({ reference: 'stall', sort: 'oldest', limit: 2 })) oldest.push(order.id);
  assert.deepEqual(oldest, made.toReversed());
  for await (const order of tapline.each.listOrders({ reference: 'stall', limit: 2 })) {
    assert.equal(order.id, made[0]);
    break; // and nothing more is asked for
  }
});

test('a list does not go round for ever', async () => {
  const round = connect({ url, key, fetch: async (to, init) => {
    const answer = await fetch(to, init);
    return String(to).includes('/v1/orders') ? Response.json({ ...await answer.json(), next: '1' }) : answer;
  } });
  const all = async () => { for await (const order of round.each.listOrders({ limit: 1 })) assert(order.id); };
  await assert.rejects(all, { name: 'BadAnswer' });
});

test('a template is kept and ended', async () => {
  const made = await tapline.makeOrderTemplate({ currency: 'CNY', minor: 300, description: 'A coffee' });
  assert((await tapline.listOrderTemplates()).templates.some((t) => t.id === made.id));
  assert.equal((await tapline.disableOrderTemplate({ id: made.id })).state, 'disabled');
});

test('refusals have a code', async () => {
  const order = await tapline.makeOrder({ amount: price });
  await tapline.cancelOrder({ id: order.id });
  await assert.rejects(tapline.cancelOrder({ id: order.id }), (e) => e instanceof Problem && e.code === 'order_closed' && e.status === 409 && !e.retryable);
  await assert.rejects(tapline.getOrder({ id: 'ord_x' }), { code: 'unknown_order' });
  await assert.rejects(tapline.makeOrder({ amount: { minor: -1, currency: 'CNY' } }), { name: 'Problem', status: 400, field: /amount/ });
  await assert.rejects(connect({ url, key: 'tapline_test_x' }).getSelf(), { code: 'invalid_token' });
  assert(problemCodes.includes('order_closed'));
});

test('arguments that do not exist, or lead elsewhere, are not sent', async () => {
  await assert.rejects(tapline.getOrder({ id: '..' }), TypeError);
  await assert.rejects(tapline.getOrder({}), TypeError);
  await assert.rejects(tapline.getSelf({ hello: 1 }), TypeError);
  await assert.rejects(tapline.makeOrder({ amount: { minor: 1250n, currency: 'CNY' } }), TypeError);
  for (const idempotencyKey of ['', 'é', 'a b', 'a\r\nx-evil: 1', 'x'.repeat(129)]) await assert.rejects(tapline.makeOrder({ amount: price }, { idempotencyKey }), TypeError);
  for (const bad of ['http://pay.example', 'https://pay.example/v1', 'https://a:b@pay.example', 'ftp://pay.example', 'x']) {
    assert.throws(() => connect({ url: bad, key }), TypeError, bad);
  }
  assert.throws(() => connect({ url, key: ' ' }), TypeError);
});

test('a key goes to no service that calls itself another one', async () => {
  const seen = [];
  const elsewhere = connect({ url: url.replace('127.0.0.1', 'localhost'), key, fetch: (to, init) => { seen.push(init.headers.Authorization); return fetch(to, init); } });
  await assert.rejects(elsewhere.getSelf(), { name: 'BadAnswer' });
  assert.deepEqual(seen, [undefined]);
});

test('events come after an id, and on a connection that breaks', { timeout: 30_000 }, async () => {
  const { next } = await tapline.nextEvents();
  let opened = 0;
  const asked = [];
  const shaky = connect({ url, key, fetch: async (to, init) => {
    if (!String(to).endsWith('/v1/events')) return fetch(to, init);
    asked.push(init.headers['Last-Event-ID']);
    if (++opened === 1) throw new TypeError('fetch failed');
    const answer = await fetch(to, init);
    if (opened > 2) return answer;
    const reader = answer.body.getReader(); // breaks off in the middle of what comes after its first event
    let told = false;
    return new Response(new ReadableStream({ async pull(c) {
      const { value } = await reader.read();
      if (told) return c.error(new Error('broken'));
      told = new TextDecoder().decode(value).includes('data:');
      c.enqueue(value);
    } }), answer);
  } });
  const seen = [];
  const first = await tapline.makeOrder({ amount: price });
  for await (const event of shaky.events({ after: next })) {
    if (event.subject !== first.id) continue; // other tests run beside this one
    seen.push([event.type, event.subject]);
    if (seen.length === 1) await tapline.cancelOrder({ id: first.id });
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, [['order.open', first.id], ['order.cancelled', first.id]]);
  assert(opened >= 3 && asked[0] === next && Number(asked[2]) > Number(next), `${asked}`);
  const listed = await tapline.nextEvents({ after: next });
  assert.deepEqual(listed.events.filter((e) => e.subject === first.id).map((e) => e.type), ['order.open', 'order.cancelled']);
});

test('a stream ends with its signal, and with a refusal', async () => {
  const stop = new AbortController();
  const events = tapline.events({ signal: stop.signal });
  const next = events.next();
  setTimeout(() => stop.abort(new Error('enough')), 100);
  await assert.rejects(next, { message: 'enough' });
  await assert.rejects(connect({ url, key: 'tapline_test_x' }).events().next(), { code: 'invalid_token' });
});
