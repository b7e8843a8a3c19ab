// @ts-check
// Passkeys: one gesture that authenticates and confirms (docs/api.md, "Passkeys"). Where the browser has Secure Payment
// Confirmation, it draws amount and payee itself.
import { base64url, bytesOf, newID } from './key.js';
import { service, write } from './api.js';
import { plain, total } from './money.js';
import { t } from './words.js';

const utf8 = new TextEncoder();

/** @param {string} text */
const digest = (text) => crypto.subtle.digest('SHA-256', utf8.encode(text));

/** Whether this browser has an authenticator of its own. */
export const available = async () => Boolean(globalThis.PublicKeyCredential) &&
  await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable().catch(() => false);

/** Whether this browser draws payments itself. */
export async function hasDialog() {
  if (!globalThis.PaymentRequest) return false;
  try {
    // @ts-ignore: not in the type library yet
    if (PaymentRequest.securePaymentConfirmationAvailability) {
      // @ts-ignore
      return await PaymentRequest.securePaymentConfirmationAvailability() === 'available';
    }
  } catch { /* not here */ }
  return false;
}

/** @param {any} credential @returns {object} as the service takes it */
export function answerOf({ rawId, response }) {
  return {
    credential: base64url(rawId), client_data: base64url(response.clientDataJSON),
    authenticator_data: base64url(response.authenticatorData), signature: base64url(response.signature),
    ...(response.userHandle?.byteLength ? { user_handle: base64url(response.userHandle) } : {}),
  };
}

/**
 * Has the user confirm a statement with one of the payment's passkeys.
 * @param {string} text the statement @param {any} statement the same, read @param {string[]} ids
 */
export async function confirm(text, statement, ids) {
  const challenge = await digest('tapline-confirm/1\n' + text);
  const { passkey_host: rpId } = await service();
  if (await hasDialog()) {
    try {
      return answerOf((await dialog(challenge, rpId, statement, ids)).details);
    } catch (e) {
      if (/** @type {any} */ (e)?.name !== 'NotSupportedError') throw e;
    }
  }
  const allowCredentials = ids.map((id) => ({ type: /** @type {const} */ ('public-key'), id: bytesOf(id) }));
  return answerOf(await navigator.credentials.get({ publicKey: { challenge, rpId, allowCredentials, userVerification: 'required', timeout: 100_000 } }));
}

/**
 * The browser's own dialog (Secure Payment Confirmation §4).
 * @param {ArrayBuffer} challenge @param {string} rpId @param {any} s @param {string[]} ids
 */
async function dialog(challenge, rpId, s, ids) {
  const request = new PaymentRequest([{
    supportedMethods: 'secure-payment-confirmation',
    data: {
      challenge, rpId, credentialIds: ids.map(bytesOf), payeeName: s.payee_name, timeout: 100_000,
      instrument: { displayName: [s.card_label, s.card_account].filter(Boolean).join(' '), icon: location.origin + '/ui/icon.svg' },
    },
  }], { total: { label: s.payee_name, amount: { value: plain(total(s)), currency: s.amount.currency } } });
  const response = await request.show();
  await response.complete('success');
  return response;
}

/**
 * Makes a passkey for a card and registers it.
 * @param {{id: string, label: string}} card @param {string} label @param {string} pin
 */
export async function register(card, label, pin) {
  const id = newID();
  const { passkey_host: rpId } = await service();
  const made = /** @type {any} */ (await navigator.credentials.create({
    publicKey: {
      challenge: await digest(`tapline-passkey/1\n${card.id}\n${id}`),
      rp: { id: rpId, name: 'tapline' },
      user: { id: utf8.encode(card.id), name: card.label || card.id, displayName: card.label || t('passkey.user') },
      pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: 'public-key', alg })),
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required', authenticatorAttachment: 'platform' },
      attestation: 'none',
      // @ts-ignore: Secure Payment Confirmation §3: may be used in the browser's payment dialog
      extensions: { payment: { isPayment: true } },
    },
  }));
  return write(`/v1/cards/${card.id}/passkeys`, 'passkey', {
    card: card.id, pin, label,
    passkey: { client_data: base64url(made.response.clientDataJSON), attestation_object: base64url(made.response.attestationObject) },
  }, id);
}
