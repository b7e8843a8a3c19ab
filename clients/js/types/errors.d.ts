/** The service has refused. `code` says why, for programs. */
export class Problem extends Error {
    /**
     * @param {number} status @param {Partial<import('../types/client.js').Schemas['Problem']>} body
     */
    constructor(status: number, body: Partial<import("../types/client.js").Schemas["Problem"]>);
    /** HTTP status. */
    status: number;
    /** Listed in the API's reference. @type {import('../types/client.js').ProblemCode | 'unexpected_answer'} */
    code: import("../types/client.js").ProblemCode | "unexpected_answer";
    /** The field at fault. */
    field: string | undefined;
    /** Whether the same request may work later. */
    retryable: boolean;
    /** Seconds to wait before that. */
    retryAfter: number;
    /** What the thing that it is about is now. */
    state: string | undefined;
    /** By which the operator finds it in the log. */
    traceID: string | undefined;
}
/** The service could not be reached: nothing has been done. */
export class NotSent extends Error {
}
/** No answer came: it may or may not have been done. The same write with the same idempotency key is done once. */
export class NoAnswer extends Error {
    /** @param {string} message @param {{cause?: unknown, idempotencyKey?: string}} [more] */
    constructor(message: string, more?: {
        cause?: unknown;
        idempotencyKey?: string;
    });
    /** Of the write. */
    idempotencyKey: string | undefined;
}
/** The service answers something else than the API promises, or it is not the one that was meant. */
export class BadAnswer extends Error {
}
