/**
 * Makes a client. Nothing is sent yet.
 * @param {ClientOptions} options @returns {Client}
 */
export function connect({ url, key, fetch }: ClientOptions): Client;
export { problemCodes } from "./operations.js";
export type Client = import("../types/client.js").Client;
export type ClientOptions = import("../types/client.js").ClientOptions;
export type CallOptions = import("../types/client.js").CallOptions;
export type StreamEvent = import("../types/client.js").StreamEvent;
export type Schemas = import("../types/client.js").Schemas;
export type ProblemCode = import("../types/client.js").ProblemCode;
export type Operation = {
    method: string;
    path: string;
    query?: readonly string[];
    body?: boolean;
    unnamed?: boolean;
    list?: string;
};
export { BadAnswer, NoAnswer, NotSent, Problem } from "./errors.js";
export { verifyWebhook, WebhookError } from "./webhook.js";
