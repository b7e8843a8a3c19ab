// The service that the tests talk to: clients/js_test.go starts it, and everything of it is real.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { connect } from '../src/index.js';

const { TAPLINE_URL: url, TAPLINE_API_KEY: key, TAPLINE_BIN: program, TAPLINE_DIR: cwd } = process.env;
assert(url && key && program && cwd, 'there is no service to talk to; run: go test ./clients');

export { url, key };
export const tapline = connect({ url, key });
export const price = { minor: 1250, currency: 'CNY' };

/** Runs a command of tapline. @param {...string} args */
export const run = (...args) => promisify(execFile)(program, args, { cwd });

/** Pays an order with the cardholder's card. @param {string} id */
export const pay = (id) => run('pay', '--order-id', id, '--account-file', 'number', '--pin-file', 'pin', '--yes');
