/** The pause before the next try, half of it random. @param {number} tried @returns {number} milliseconds */
export function backoff(tried: number): number;
/**
 * Sends a request until it is answered: again after no answer, after 429 and 5xx, and while the same write is in progress; always
 * under the same idempotency key. Throws a Problem for a refusal.
 * @param {Connection} to @param {Request} request @returns {Promise<any>} what the service answers, as JSON or as text
 */
export function send(to: Connection, request: Request): Promise<any>;
/** @param {Response} response @returns {Promise<any>} */
export function read(response: Response): Promise<any>;
export function pause(ms: number, signal?: AbortSignal): Promise<void>;
export type Connection = {
    origin: string;
    key: string;
    fetch: typeof fetch;
};
export type Request = {
    method: string;
    /**
     * with its query
     */
    path: string;
    /**
     * JSON
     */
    body?: string | undefined;
    idempotencyKey?: string | undefined;
    /**
     * without the API key
     */
    anonymous?: boolean | undefined;
    /**
     * seconds that the service may keep it
     */
    wait?: number | undefined;
    signal?: AbortSignal | undefined;
};
