// What the SDK does where answers are lost, or say "not now": against a gateway that is made up, so that each of them comes for
// certain. Run it by itself with `node sdk_test.mjs`.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { before, mock, test } from 'node:test';

const web = new URL('../../web/', import.meta.url).pathname;
let sdk;

before(async () => {
  let build;
  try {
    ({ build } = createRequire(join(web, 'sdk/package.json'))('esbuild'));
  } catch {
    console.error('skipped: the web app, whose packages these are, is not there');
    process.exit(77);
  }
  const made = await build({ entryPoints: [join(web, 'sdk/src/index.ts')], bundle: true, format: 'esm', write: false, logLevel: 'error' });
  sdk = await import(`data:text/javascript,${encodeURIComponent(made.outputFiles[0].text)}`);
});

const json = (status, body, headers = {}) => new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });
const problem = (status, code, headers) => json(status, { type: '', title: code, status, code }, headers);
const lost = () => Promise.reject(new TypeError('fetch failed'));

// A gateway that gives these answers, one after the other, and the last one ever after.
function gateway(...answers) {
  const asked = [];
  const fetch = (request) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)];
    asked.push({ at: Date.now(), request, method: request.method, path: new URL(request.url).pathname, key: request.headers.get('Idempotency-Key') });
    return Promise.resolve(answer(request));
  };
  return { asked, boxoffice: sdk.createBoxoffice({ baseUrl: 'http://gateway.test', fetch }) };
}

// Time passes as fast as somebody waits for it.
async function hurried(run) {
  const setTimeoutOf = globalThis.setTimeout;
  const waits = [];
  mock.method(globalThis, 'setTimeout', (then, ms) => (waits.push(ms), setTimeoutOf(then, 0)));
  try {
    return { done: await run().then((value) => ({ value }), (thrown) => ({ thrown })), waits };
  } finally {
    mock.restoreAll();
  }
}

const charge = (boxoffice) => (key) =>
  boxoffice.POST('/v1/wallet/charges', { params: { header: { 'Idempotency-Key': key } }, body: { amount: 5, currency: 'KRW' } });
const charged = () => json(201, { entry_id: 'e', amount: 5, currency: 'KRW', balance: 5 });

test('a command whose outcome is not known is repeated under one key, whoever lost the answer', async () => {
  const answers = [lost, () => new Response('<h1>Bad gateway</h1>', { status: 502 }), () => problem(500, 'internal_error'), () => problem(409, 'idempotency_key_running'), charged];
  const { asked, boxoffice } = gateway(...answers);
  const { done } = await hurried(() => sdk.command(charge(boxoffice)));
  assert.equal(done.value.balance, 5);
  assert.equal(asked.length, 5);
  assert.equal(new Set(asked.map(({ key }) => key)).size, 1);
});

test('a command gives up after five tries, and goes on under the key that it was given', async () => {
  const { asked, boxoffice } = gateway(...Array(5).fill(lost), charged);
  const first = await hurried(() => sdk.command(charge(boxoffice), 'written-down'));
  assert.equal(first.done.thrown.code, 'offline');
  assert.equal(asked.length, 5);
  const second = await hurried(() => sdk.command(charge(boxoffice), 'written-down'));
  assert.equal(second.done.value.balance, 5);
  assert.deepEqual([...new Set(asked.map(({ key }) => key))], ['written-down']);
});

test('what the token function throws is told as it is, and nothing was sent', async () => {
  const { asked, boxoffice } = gateway(charged);
  const why = Object.assign(new Error('the identity provider is away'), { status: 503 });
  const signedOut = sdk.createBoxoffice({ baseUrl: 'http://gateway.test', fetch: () => assert.fail('sent'), token: () => Promise.reject(why) });
  const { done } = await hurried(() => sdk.command(charge(signedOut)));
  assert.equal(done.thrown, why);
  // Without `ok` it is the cause of an error that says so.
  await assert.rejects(signedOut.GET('/v1/wallet'), (thrown) => thrown instanceof Error && thrown.cause === why && thrown.message.includes('`token`'));
  assert.equal((await sdk.command(charge(boxoffice))).balance, 5);
  assert.equal(asked.length, 1);
});

test('a command that is refused is not repeated', async () => {
  for (const [status, code] of [[402, 'balance_too_low'], [409, 'session_busy'], [422, 'daily_limit'], [429, 'rate_limited']]) {
    const { asked, boxoffice } = gateway(() => problem(status, code), charged);
    const { done } = await hurried(() => sdk.command(charge(boxoffice)));
    assert.equal(done.thrown.code, code);
    assert.equal(asked.length, 1);
  }
});

test('a 429 after a lost answer is not taken for a refusal', async () => {
  const { asked, boxoffice } = gateway(lost, () => problem(429, 'rate_limited', { 'Retry-After': '7' }), charged);
  const { done, waits } = await hurried(() => sdk.command(charge(boxoffice)));
  assert.equal(done.value?.balance, 5, String(done.thrown));
  assert.equal(asked.length, 3);
  assert.equal(new Set(asked.map(({ key }) => key)).size, 1);
  assert.ok(waits[1] >= 7_000, `${waits}`);
});

test('what a command throws after a lost answer is unknown, and has the key to go on by', async () => {
  const refused = [() => problem(401, 'jwt_expired'), () => problem(402, 'balance_too_low'), lost];
  for (const later of refused) {
    const { asked, boxoffice } = gateway(lost, later);
    const { done } = await hurried(() => sdk.command(charge(boxoffice)));
    assert.equal(done.thrown.unknown, true, done.thrown.code);
    assert.equal(done.thrown.key, asked[0].key);
    assert.equal(new Set(asked.map(({ key }) => key)).size, 1);
  }
  const { boxoffice } = gateway(() => problem(401, 'jwt_expired')); // with no try before it, it is certain that nothing was done
  const { done } = await hurried(() => sdk.command(charge(boxoffice)));
  assert.deepEqual([done.thrown.unknown, done.thrown.key], [false, undefined]);
});

test('nobody asks again before Retry-After', async () => {
  const { boxoffice } = gateway(() => problem(503, 'overloaded', { 'Retry-After': '7' }), charged);
  const { waits } = await hurried(() => sdk.command(charge(boxoffice)));
  assert.equal(waits.length, 1);
  assert.ok(waits[0] >= 7_000, `${waits}`);
});

const session = (state, refresh_interval_s = 3) => json(200, { show_id: '7', token: 'token', state, position: 1, refresh_interval_s });

test('whoever waits in a queue stays in it when requests are shed or lost', async () => {
  const { asked, boxoffice } = gateway(
    () => problem(503, 'overloaded'), () => session('WAITING'), lost, () => problem(429, 'rate_limited', { 'Retry-After': '2' }), () => problem(503, 'unavailable'),
    () => session('WAITING'), () => session('ACTIVE'));
  const { done } = await hurried(() => sdk.untilActive(boxoffice, '7'));
  assert.equal(done.value?.state, 'ACTIVE', String(done.thrown));
  assert.deepEqual(asked.map(({ method }) => method).join(' '), 'POST POST GET GET GET GET GET');
});

test('whoever waits when the queue is taken away is told queue_off, and waits no longer', async () => {
  const off = () => json(200, { show_id: '7', token: 'token', state: 'WAITING', position: 1, refresh_interval_s: 3, queue_state: 'OFF' });
  for (const [answers, asks] of [[[off, off], 1], [[() => session('WAITING'), off, off], 2]]) {
    const { asked, boxoffice } = gateway(...answers, () => session('ACTIVE'));
    const { done } = await hurried(() => sdk.untilActive(boxoffice, '7'));
    assert.equal(done.thrown?.code, 'queue_off');
    assert.equal(asked.length, asks);
  }
});

test('a place that was lost is session_over, whichever way it is told', async () => {
  for (const told of [() => session('EXPIRED'), () => problem(409, 'queue_token_expired'), () => problem(409, 'queue_token_unknown')]) {
    const { boxoffice } = gateway(() => session('WAITING'), told);
    const { done } = await hurried(() => sdk.untilActive(boxoffice, '7'));
    assert.equal(done.thrown.code, 'session_over');
  }
});

test('a reservation whose money is not decided is asked for past lost answers, and never as decided', async () => {
  const of = (state) => ({ id: 'r', state, hold_expires_at: null });
  const { asked, boxoffice } = gateway(lost, () => problem(503, 'unavailable'), () => json(200, of('COMPENSATING')), () => json(200, of('FAILED')));
  const { done } = await hurried(() => sdk.untilSettled(boxoffice, of('CONFIRMING')));
  assert.equal(done.value?.state, 'FAILED', String(done.thrown));
  assert.equal(asked.length, 4);
});

test('whoever stops waiting does not wait for the next time to ask', async () => {
  const { asked, boxoffice } = gateway(() => session('WAITING', 3_600));
  const stop = new AbortController();
  const waiting = sdk.untilActive(boxoffice, '7', stop.signal);
  while (asked.length === 0) await new Promise(setImmediate);
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  assert.equal(asked.length, 1);
  const aborted = sdk.untilActive(boxoffice, '7', AbortSignal.abort(new Error('before')));
  await assert.rejects(aborted, /before/);
  assert.equal(asked.length, 1);
});

test('whoever stops waiting does not wait for an answer that does not come', async () => {
  const never = ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new TypeError('fetch failed'))));
  const inQueue = (boxoffice, signal) => sdk.untilActive(boxoffice, '7', signal);
  const paying = (boxoffice, signal) => sdk.untilSettled(boxoffice, { id: 'r', state: 'CONFIRMING', hold_expires_at: null }, signal);
  for (const [answers, wait] of [[[never], inQueue], [[() => session('WAITING'), never], inQueue], [[never], paying], [[lost, lost, lost, lost, never], paying]]) {
    const { asked, boxoffice } = gateway(...answers);
    const stop = new AbortController();
    const { done } = await hurried(async () => {
      const waiting = wait(boxoffice, stop.signal);
      while (asked.length < answers.length) await new Promise(setImmediate);
      stop.abort(new Error('enough'));
      return waiting;
    });
    assert.equal(done.thrown?.message, 'enough');
    assert.equal(asked.length, answers.length);
  }
});
