// @ts-check
// Signing in with a passkey, as an operator or a payee (docs/api.md, "Signing in with a passkey"). What is kept here is which
// passkeys this browser has used; a session's token is in memory only.
import { call, order, read, service } from './api.js';
import { ask } from './ask.js';
import { base64url, bytesOf, sha256 } from './key.js';
import { answerOf } from './passkey.js';
import { t } from './words.js';

/** @typedef {import('./api.js').Bearer} Bearer */

/** Whether this browser can make and use passkeys here: it must know them, and the address must be a name. */
export async function usable() {
  const { passkey_host: host } = await service();
  return Boolean(globalThis.PublicKeyCredential) && host === location.hostname && !/^[\d.]+$|:/.test(host);
}

const challenge = () => call('/v1/sign-in-challenges', { method: 'POST' });

/** Whoever signs in at a page. It asks for the passkey when there is no session; what is on the screen stays. */
export class Session {
  /** @type {{text: string, until: number} | undefined} */
  #held;
  /** @type {Promise<string> | undefined} */
  #asking;

  /** @param {'operator' | 'payee'} kind */
  constructor(kind) {
    this.kind = kind;
    this.place = 'tapline.passkeys.' + kind;
    this.entered = false; // whether somebody has signed in on this page with a passkey
  }

  /** The passkeys that this browser has used. @returns {string[]} */
  get known() {
    try {
      return JSON.parse(localStorage.getItem(this.place) ?? '[]').filter((/** @type {any} */ id) => typeof id === 'string');
    } catch {
      return [];
    }
  }

  /** @param {string} id */
  #note(id) {
    localStorage.setItem(this.place, JSON.stringify([id, ...this.known.filter((other) => other !== id)].slice(0, 10)));
  }

  /** Forgets that this browser has used a passkey. @param {string} id */
  forget(id) {
    localStorage.setItem(this.place, JSON.stringify(this.known.filter((other) => other !== id)));
  }

  /** Takes a token for so many seconds. @param {string} text @param {number} seconds */
  hold(text, seconds) {
    this.#held = { text, until: performance.now() + seconds * 1000 };
    this.entered = true;
  }

  /** The token, if there is one. */
  get token() {
    return this.#held && performance.now() < this.#held.until ? this.#held.text : undefined;
  }

  /** Forgets the token: it is over, or its holder leaves. */
  leave() {
    this.#held = undefined;
  }

  /** Takes note that a token was refused; says whether a passkey may get a new one. @param {string} used */
  over(used) {
    if (this.#held?.text === used) this.leave();
    return this.entered;
  }

  /** Signs in with a passkey: one that this browser has used, or any that it finds. */
  async enter() {
    const { challenge: text, audience } = await challenge();
    const allowCredentials = this.known.map((id) => ({ type: /** @type {const} */ ('public-key'), id: bytesOf(id) }));
    const passkey = answerOf(await navigator.credentials.get({ publicKey: {
      challenge: await sha256(`tapline-${this.kind}-sign-in/1\n${audience}\n${text}`), rpId: (await service()).passkey_host,
      allowCredentials, userVerification: 'required', timeout: 100_000,
    } }));
    const got = await call('/v1/token', { method: 'POST', body: new URLSearchParams({
      grant_type: 'client_credentials', challenge: text, passkey: JSON.stringify(passkey),
    }) }).catch((e) => { throw e.code === 'invalid_client' ? { words: t('signin.refused') } : e; });
    this.#note(/** @type {any} */ (passkey).credential);
    this.hold(got.access_token, got.expires_in - 30);
  }

  /** The token, for which the passkey is asked if there is none: over what is on the screen, which stays. */
  async bearer() {
    return this.token ?? (this.#asking ??= this.#again().finally(() => { this.#asking = undefined; }));
  }

  /** @returns {Promise<string>} */
  #again() {
    return new Promise((done, failed) => ask({
      title: t('signin.over'), text: t('signin.over_text'), inputs: [], words: t('signin.passkey'), icon: 'key',
      cancelled: () => failed({ words: t('signin.over') }),
    }, async () => {
      await this.enter();
      done(/** @type {string} */ (this.token));
    }));
  }

  /**
   * Makes a passkey and registers it for whoever the bearer is.
   * @param {string} label @param {Bearer} bearer
   */
  async register(label, bearer) {
    const [{ challenge: text, audience }, { owner, name, passkeys }] = await Promise.all([challenge(), read('/v1/sign-in-passkeys', { bearer })]);
    const made = /** @type {any} */ (await navigator.credentials.create({ publicKey: {
      challenge: await sha256(`tapline-sign-in-passkey/1\n${audience}\n${owner}\n${text}`),
      rp: { id: (await service()).passkey_host, name: 'tapline' },
      user: { id: new TextEncoder().encode(owner), name: `${name} · ${t('signin.kind.' + this.kind)}`, displayName: name },
      pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: 'public-key', alg })),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      excludeCredentials: passkeys.map((/** @type {any} */ k) => ({ type: 'public-key', id: bytesOf(k.credential) })), attestation: 'none',
    } }).catch((e) => { throw e?.name === 'InvalidStateError' ? { words: t('problem.passkey_exists') } : e; }));
    const kept = await order('/v1/sign-in-passkeys', {
      challenge: text, label,
      passkey: { client_data: base64url(made.response.clientDataJSON), attestation_object: base64url(made.response.attestationObject) },
    }, bearer);
    this.#note(kept.credential);
    return kept;
  }
}
