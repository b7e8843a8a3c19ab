// @ts-check
// Receipts: signed by the service, verified here with its public keys, to look at and to keep.
import { read, service } from './api.js';
import { bytesOf } from './key.js';
import { button, facts, h, notice } from './dom.js';
import { show } from './money.js';
import { explain, t, when } from './words.js';

/**
 * Verifies a receipt (RFC 7515, ES256) with the keys that the service publishes.
 * @param {string} jws @returns {Promise<any>} what it says, undefined if it is not genuine
 */
export async function verify(jws) {
  const { keys } = await (await fetch('/.well-known/jwks.json')).json();
  const said = await signed(jws, keys).catch(() => undefined); // no JWS, or no key
  const { audience, environment } = await service();
  return said && audience === said.iss + '/' + environment && environment === said.environment ? said : undefined;
}

/** @param {string} jws @param {any[]} keys @returns {Promise<any>} what one of the keys has signed */
async function signed(jws, keys) {
  const [header, payload, signature] = jws.split('.');
  const { alg, kid, typ } = JSON.parse(new TextDecoder().decode(bytesOf(header)));
  const found = keys.find((k) => k.kid === kid && k.kty === 'EC' && k.crv === 'P-256');
  if (!found || alg !== 'ES256' || typ !== 'tapline-receipt+jws') return undefined;
  const key = await crypto.subtle.importKey('jwk', { kty: found.kty, crv: found.crv, x: found.x, y: found.y },
    { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify']);
  const good = await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, bytesOf(signature), new TextEncoder().encode(header + '.' + payload));
  return good ? JSON.parse(new TextDecoder().decode(bytesOf(payload))) : undefined;
}

/**
 * The receipt of a settled payment.
 * @param {string} id @param {import('./api.js').Bearer} [bearer]
 */
export async function receiptCard(id, bearer) {
  try {
    const { receipt } = await read(`/v1/payments/${id}/receipt`, { bearer });
    const said = await verify(receipt);
    if (!said || said.payment !== id) return notice('bad', t('receipt.not_genuine'));
    const link = h('a.button.second', { href: URL.createObjectURL(new Blob([receipt + '\n'], { type: 'application/jose' })), download: id + '.jws' }, t('receipt.download'));
    return h('section.receipt', { 'aria-label': t('receipt.title') }, h('h2', {}, t('receipt.title')), facts([
      [t('fact.amount'), show(said.amount)],
      [t('fact.fee'), said.fee && show(said.fee)],
      [t('fact.payee_fee'), said.payee_fee && show(said.payee_fee)],
      [t('fact.payee'), h('span', {}, h('bdi', {}, said.payee_name), ' ', h('bdi.quiet', {}, said.payee_handle))],
      [t('fact.payee_account'), h('bdi.long', {}, said.payee_account)],
      [t('fact.card'), said.card_account],
      [t('fact.order'), said.order_number && h('bdi', {}, said.order_number)],
      [t('fact.settled'), when(said.settled_at, true)],
      [t('fact.payment'), h('code', {}, said.payment)],
    ]), said.environment === 'test' && notice('note', t('receipt.test')), h('p.quiet', {}, t('receipt.genuine')), link);
  } catch (e) {
    return h('div', {}, notice('bad', explain(e)), button(t('error.again'), () => location.reload(), { kind: 'second' }));
  }
}
