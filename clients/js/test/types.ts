// Is only checked by tsc: what a program in TypeScript may write, and what it may not.
import { connect, Problem, verifyWebhook, type ProblemCode } from 'tapline';

const tapline = connect({ url: 'https://pay.example', key: 'tapline_live_x' });

export async function sell(): Promise<string> {
  const order = await tapline.makeOrder({ amount: { minor: 1250, currency: 'CNY' }, reference: '1042', lines: [{ description: 'Book', quantity: 1, amount: 1250 }] }, { idempotencyKey: 'sale-1' });
  // @ts-expect-error: a misspelt field
  await tapline.makeOrder({ amount: { minor: 1250, currency: 'CNY' }, referenze: '1042' });
  // @ts-expect-error: an order has an amount
  await tapline.makeOrder({ reference: '1042' });
  // @ts-expect-error: an id is needed
  await tapline.getOrder();
  // @ts-expect-error: there is no such state
  await tapline.listOrders({ state: 'payed' });
  // @ts-expect-error: the operation is for operators
  await tapline.topUp({});
  const state: 'open' | 'claimed' | 'paid' | 'cancelled' | 'expired' = order.state;
  for await (const o of tapline.each.listOrders({ state: 'paid' })) sum += o.amount.minor;
  // @ts-expect-error: it has no pages
  tapline.each.getSelf();
  const table: string = await tapline.getOwnReport({ format: 'csv' });
  const closing: number = (await tapline.getOwnReport({ currency: 'CNY' })).closing;
  const self = await tapline.getSelf();
  for await (const event of tapline.events({ after: '7' })) if (event.type !== 'reset') return event.id;
  return state + table + closing + self.payee.handle;
}
let sum = 0;

export const isClosed = (e: unknown) => e instanceof Problem && e.code === 'order_closed';
// @ts-expect-error: no such code
export const isClosing = (e: unknown) => e instanceof Problem && e.code === 'order_closing';
export const code: ProblemCode = 'busy';

export const id = async (request: Request) => (await verifyWebhook(new Uint8Array(await request.arrayBuffer()), request.headers, ['whsec_a', 'whpk_b'])).data.id;
