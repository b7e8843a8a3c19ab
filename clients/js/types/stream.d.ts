/**
 * Reads events after an id, and opens the stream again whenever it breaks. It ends with the signal, or with what the service refuses
 * for good.
 * @param {import('./send.js').Connection} to @param {{after?: string, signal?: AbortSignal}} options
 * @returns {AsyncGenerator<import('../types/client.js').StreamEvent, void, undefined>}
 */
export function stream(to: import("./send.js").Connection, { after, signal }?: {
    after?: string;
    signal?: AbortSignal;
}): AsyncGenerator<import("../types/client.js").StreamEvent, void, undefined>;
