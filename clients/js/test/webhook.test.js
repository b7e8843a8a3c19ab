import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { verifyWebhook } from '../src/webhook.js';
import { tapline } from './world.js';

/** A receiver on this machine, which keeps what comes. */
async function receiver(t) {
  const came = [];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    came.push({ headers: request.headers, body: Buffer.concat(parts) });
    server.emit('came');
    response.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const next = async () => {
    while (came.length === 0) await once(server, 'came');
    return came.shift();
  };
  return { url: `http://127.0.0.1:${server.address().port}/hook`, next };
}

test('what the service sends is believed, through a rotation, and nothing else', { timeout: 60_000 }, async (t) => {
  const { url, next } = await receiver(t);
  const old = await tapline.makeWebhookEndpoint({ url, types: ['payment.*'] });
  await tapline.testWebhookEndpoint({ id: old.id });
  const { headers, body } = await next();
  for (const secrets of [old.secret, old.public_key, [old.public_key, old.secret]]) {
    const message = await verifyWebhook(body, headers, secrets);
    assert.equal(message.id, headers['webhook-id']);
    assert.equal(message.data.test, true);
  }
  assert.equal((await verifyWebhook(body.toString(), new Headers(headers), old.secret)).id, headers['webhook-id']);

  const at = Number(headers['webhook-timestamp']) * 1000;
  for (const now of [at + 299_000, at - 299_000]) await verifyWebhook(body, headers, old.secret, { now });
  for (const now of [at + 301_000, at - 301_000]) await assert.rejects(verifyWebhook(body, headers, old.secret, { now }), { reason: 'time' });
  await verifyWebhook(body, headers, old.secret, { now: at + 301_000, tolerance: 600 });

  const forged = Buffer.from(body.toString().replace('"test":true', '"test":null'));
  const [v1, v1a] = headers['webhook-signature'].split(' ');
  for (const [what, reason, given, head, secret] of [
    ['another body', 'signature', forged, {}, [old.secret, old.public_key]],
    ['another id', 'signature', body, { 'webhook-id': 'whd_2' }, old.secret],
    ['another time', 'signature', body, { 'webhook-timestamp': String(at / 1000 - 1) }, old.secret],
    ['a signature of the other version', 'signature', body, { 'webhook-signature': v1a }, old.secret],
    ['its version taken for the other', 'signature', body, { 'webhook-signature': v1.replace('v1,', 'v1a,') }, old.public_key],
    ['no signature', 'header', body, { 'webhook-signature': undefined }, old.secret],
    ['two', 'header', body, { 'webhook-id': ['a', 'b'] }, old.secret],
    ['an id that could move the parts', 'header', body, { 'webhook-id': 'whd_2.1' }, old.secret],
    ['a time that is none', 'header', body, { 'webhook-timestamp': '1e9' }, old.secret],
    ['many signatures', 'header', body, { 'webhook-signature': Array(17).fill(v1).join(' ') }, old.secret],
    ['an empty secret', 'secret', body, {}, ''],
    ['an empty key', 'secret', body, {}, 'whsec_'],
    ['no secret', 'secret', body, {}, []],
    ['one that is none beside one', 'secret', body, {}, [old.secret, 'undefined']],
  ]) {
    await assert.rejects(verifyWebhook(given, { ...headers, ...head }, secret), { name: 'WebhookError', reason }, what);
  }

  const fresh = await tapline.rotateWebhookSecret({ id: old.id, overlap: 3600 });
  await tapline.testWebhookEndpoint({ id: old.id });
  const both = await next();
  for (const secret of [old.secret, fresh.secret, old.public_key, fresh.public_key]) await verifyWebhook(both.body, both.headers, secret);
  const ended = await tapline.rotateWebhookSecret({ id: old.id, overlap: 0 });
  await tapline.testWebhookEndpoint({ id: old.id });
  const after = await next();
  await verifyWebhook(after.body, after.headers, [fresh.secret, ended.secret]);
  await assert.rejects(verifyWebhook(after.body, after.headers, [old.secret, fresh.secret]), { reason: 'signature' });
  const log = [];
  for await (const delivery of tapline.each.listWebhookDeliveries({ id: old.id, limit: 2 })) log.push(delivery.state);
  assert.equal(log.length, 3);
});
