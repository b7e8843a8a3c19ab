// @ts-check

/** The service has refused. `code` says why, for programs. */
export class Problem extends Error {
  name = 'Problem';
  /**
   * @param {number} status @param {Partial<import('../types/client.js').Schemas['Problem']>} body
   */
  constructor(status, body) {
    super(`${body.title ?? 'refused'}${body.field ? ': ' + body.field : ''} (${body.code ?? status})`);
    /** HTTP status. */
    this.status = status;
    /** Listed in the API's reference. @type {import('../types/client.js').ProblemCode | 'unexpected_answer'} */
    this.code = /** @type {any} */ (body.code ?? 'unexpected_answer');
    /** The field at fault. */
    this.field = body.field;
    /** Whether the same request may work later. */
    this.retryable = body.retryable ?? false;
    /** Seconds to wait before that. */
    this.retryAfter = body.retry_after ?? 0;
    /** What the thing that it is about is now. */
    this.state = body.state;
    /** By which the operator finds it in the log. */
    this.traceID = body.trace_id;
  }
}

/** The service could not be reached: nothing has been done. */
export class NotSent extends Error {
  name = 'NotSent';
}

/** No answer came: it may or may not have been done. The same write with the same idempotency key is done once. */
export class NoAnswer extends Error {
  name = 'NoAnswer';
  /** @param {string} message @param {{cause?: unknown, idempotencyKey?: string}} [more] */
  constructor(message, more) {
    super(message, more);
    /** Of the write. */
    this.idempotencyKey = more?.idempotencyKey;
  }
}

/** The service answers something else than the API promises, or it is not the one that was meant. */
export class BadAnswer extends Error {
  name = 'BadAnswer';
}
