// What can be called, made of the types of the OpenAPI document. Written by hand; schema.d.ts beside it is generated.
import type { components, operations as all } from './schema.js';
import type { operations as table, problemCodes } from './operations.js';

/** The forms of what goes over the wire, by the names that the API's reference gives them. */
export type Schemas = components['schemas'];

/** A code of a refusal. */
export type ProblemCode = (typeof problemCodes)[number];

/** What can be called, by the name that the API's reference gives it. */
export type OperationName = keyof typeof table;

type Path<O> = O extends { parameters: { path: infer P } } ? P : {};
type Query<O> = O extends { parameters: { query?: infer Q } } ? (Q extends undefined ? {} : NonNullable<Q>) : {};
type Body<O> = O extends { requestBody: { content: { 'application/json': infer B } } } ? B : {};
type Contents<O> = O extends { responses: infer R } ? { [S in keyof R]: R[S] extends { content: infer C } ? C : never }[keyof R] : never;

/** What an operation takes: what stands in its path, its query and its body, in one object. */
export type Arguments<N extends OperationName> = Path<all[N]> & Query<all[N]> & Body<all[N]>;

/** What an operation answers. */
export type Answer<N extends OperationName> = Contents<all[N]> extends { 'application/json': infer A } ? A : never;

/** How a call is made. */
export interface CallOptions {
  /** Names a write. The same key has one effect and one answer, whoever sends it again, and whenever. One is made if none is given. */
  idempotencyKey?: string;
  /** Ends the call. A write that was sent by then may have been done: it ends with NoAnswer. */
  signal?: AbortSignal;
}

type Json<N extends OperationName> = {} extends Arguments<N>
  ? (args?: Arguments<N>, options?: CallOptions) => Promise<Answer<N>>
  : (args: Arguments<N>, options?: CallOptions) => Promise<Answer<N>>;

/** In another format than JSON, an operation answers a text. */
type Text<N extends OperationName> = (args: Arguments<N> & { format: 'csv' | 'camt.053' }, options?: CallOptions) => Promise<string>;

type Method<N extends OperationName> = 'format' extends keyof Query<all[N]> ? Text<N> & Json<N> : Json<N>;

/** Operations whose answers come in pages. */
export type ListName = { [N in OperationName]: (typeof table)[N] extends { list: string } ? N : never }[OperationName];

type Item<N extends ListName> = (typeof table)[N] extends { list: infer L } ? L extends keyof Answer<N> ? NonNullable<Answer<N>[L]> extends (infer I)[] ? I : never : never : never;

type Each<N extends ListName> = {} extends Arguments<N>
  ? (args?: Arguments<N>, options?: CallOptions) => AsyncGenerator<Item<N>, void, undefined>
  : (args: Arguments<N>, options?: CallOptions) => AsyncGenerator<Item<N>, void, undefined>;

/** An event of the stream: `reset` says that events were lost, and that what is of interest is to be read anew. */
export type StreamEvent = (Schemas['Event'] & { id: string }) | { type: 'reset'; id: string };

/** The service, for one payee. */
export type Client = { readonly [N in OperationName]: Method<N> } & {
  /** Lists page by page: `for await (const order of tapline.each.listOrders({ state: 'paid' }))`. */
  readonly each: { readonly [N in ListName]: Each<N> };
  /** The payee's events, from now on or after an id, across breaks of the connection. They only wake: ask for the thing itself. */
  events(options?: { after?: string; signal?: AbortSignal }): AsyncGenerator<StreamEvent, void, undefined>;
};

/** Whom to talk to, and as whom. */
export interface ClientOptions {
  /** The service's origin, such as https://pay.example; plain http only on this machine. */
  url: string;
  /** The payee's API key, tapline_live_… or tapline_test_…: a secret. It does not belong into a page. */
  key: string;
  /** In place of the global fetch. */
  fetch?: typeof fetch;
}
