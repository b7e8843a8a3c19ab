/**
 * Returns the message of a request that came to a webhook endpoint, if whoever has the endpoint's keys sent it, and not long ago.
 * @param {string | Uint8Array} body of the request, byte for byte as it came
 * @param {Headers | Record<string, string | string[] | undefined>} headers of the request
 * @param {string | string[]} secrets whsec_…, which verifies signatures v1, or the public key whpk_…, which verifies v1a; while keys are rotated the old and the new one, any of which will do
 * @param {{tolerance?: number, now?: number}} [options] how many seconds the message's time may be from now, and now in milliseconds
 * @returns {Promise<WebhookMessage>}
 */
export function verifyWebhook(body: string | Uint8Array, headers: Headers | Record<string, string | string[] | undefined>, secrets: string | string[], { tolerance, now }?: {
    tolerance?: number;
    now?: number;
}): Promise<WebhookMessage>;
/** A message is not to be believed, or there is no secret to tell. */
export class WebhookError extends Error {
    /** @param {'secret' | 'header' | 'time' | 'signature'} reason @param {string} message */
    constructor(reason: "secret" | "header" | "time" | "signature", message: string);
    /** What is wrong: the secret given is none, the headers are missing or malformed, the time is not near, no signature is by this key. */
    reason: "time" | "secret" | "header" | "signature";
}
export type WebhookMessage = {
    /**
     * the same each time that the message comes: what was done for it need not be done again
     */
    id: string;
    /**
     * such as order.paid
     */
    type: string;
    timestamp: string;
    /**
     * what it is about, and no more: ask the service for the rest
     */
    data: {
        id: string;
        state?: string;
        version?: number;
        test?: boolean;
    };
};
