// What is offered to whoever connects to Boxoffice, as he would use it: the SDK and the examples of web/sdk are typechecked and run,
// those of examples/ are run, and what the relay sends is judged by the public libraries. Run it by itself with
// `node examples_test.mjs`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { demoShows, root, signedIn, startSystem } from '../browser/system.mjs';

const sdk = join(root, 'web/sdk');
const require = createRequire(join(sdk, 'package.json'));
const { Webhook, WebhookVerificationError } = require('standardwebhooks');
const { HTTP } = require('cloudevents');
const kSeconds = 240; // much is compiled here, and the machine may have other things to do

let system;
let operator;
let folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'boxoffice-clients-'));
  system = await startSystem('--target-allow-networks', '127.0.0.1');
  operator = await signedIn(system.url, 'olga', 'operator');
});
after(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function tokenOf(user, role = 'buyer') {
  const answer = await fetch(`${system.url}/v1/session/development`, { method: 'POST', body: JSON.stringify({ user, role }) });
  return /boxoffice_session=([^;]+)/.exec(answer.headers.get('set-cookie'))[1];
}

// Runs to its end: {code, out, err}.
function run(command, args, env = {}) {
  const child = spawn(command, args, { env: { ...process.env, BOXOFFICE_URL: system.url, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: kSeconds * 1000 });
  const said = { out: '', err: '' };
  child.stdout.on('data', (part) => (said.out += part));
  child.stderr.on('data', (part) => (said.err += part));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...said })));
}

async function runWell(command, args, env) {
  const { code, out, err } = await run(command, args, env);
  assert.equal(code, 0, `${command} ${args.join(' ')}: ${out}${err}`);
  return out;
}

// An example in TypeScript as a program that Node.js runs, with what it imports.
async function compiled(name) {
  const outfile = join(folder, `${basename(name, '.ts')}.cjs`);
  await require('esbuild').build({ entryPoints: [join(sdk, 'examples', name)], bundle: true, platform: 'node', format: 'cjs', target: 'node18', outfile, logLevel: 'error' });
  return outfile;
}

async function until(what, condition) {
  for (const end = Date.now() + kSeconds * 1000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const found = await condition();
    if (found) return found;
  }
  assert.fail(`not within ${kSeconds} s: ${what}`);
}

// A port of 127.0.0.1 for a server that is started later, as src/testing/free_port.h takes one: below those that the kernel gives to
// outgoing connections; the UDP port of that number stays bound, by which other tests see that it is taken.
async function freePort() {
  for (let tries = 0; tries < 1000; ++tries) {
    const port = 10_100 + Math.floor(Math.random() * 20_000);
    const taken = createSocket('udp4').unref();
    try {
      taken.bind(port, '127.0.0.1');
      await once(taken, 'listening');
      const free = createServer().listen(port, '127.0.0.1');
      await once(free, 'listening');
      await new Promise((resolve) => free.close(resolve));
      return port;
    } catch {
      taken.close(); // it is somebody's: another one
    }
  }
  assert.fail('no port is free');
}

// A server of this test at an address of its own; `got` has each request with its raw body. `answer` says what comes back.
async function receiver(answer = () => 204) {
  const got = [];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    got.push({ headers: request.headers, body: Buffer.concat(parts).toString('utf8') });
    response.writeHead(answer(got.length)).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { got, url: `http://127.0.0.1:${server.address().port}/`, close: () => new Promise((resolve) => server.close(resolve)) };
}

async function makeTarget(url, types) {
  const made = await operator('POST', '/v1/admin/relay/targets', { url, event_types: types, payload: 'full' }, { 'Idempotency-Key': `target-${url}` });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body;
}

test('the examples in TypeScript are right by the types that the contract gives', async () => {
  await runWell('node', [require.resolve('typescript/bin/tsc'), '-p', join(sdk, 'examples/tsconfig.json')]);
});

test('a field that the contract does not have is an error', async () => {
  const { code, out } = await run('node', [require.resolve('typescript/bin/tsc'), '-p', join(root, 'tests/clients/wrong')]);
  assert.notEqual(code, 0);
  const lines = out.split('\n').filter((line) => line.includes('error TS')).map((line) => /wrong\.ts\((\d+),/.exec(line)?.[1]);
  assert.deepEqual([...new Set(lines)], ['8', '11'], out);
});

test('the first sale, in TypeScript', async () => {
  const said = JSON.parse(await runWell('node', [await compiled('first_sale.ts')], { TOKEN: await tokenOf('ada') }));
  assert.equal(said.state, 'CONFIRMED');
  assert.equal(said.seats.length, 2);
});

test('hold, then pay or give back, in TypeScript', async () => {
  const program = await compiled('two_steps.ts');
  const paid = JSON.parse(await runWell('node', [program], { TOKEN: await tokenOf('bea') })); // whose wallet is empty at first
  assert.equal(paid.state, 'CONFIRMED');
  const cancelled = JSON.parse(await runWell('node', [program, 'cancel'], { TOKEN: await tokenOf('cyd') }));
  assert.equal(cancelled.state, 'RELEASED');
});

test('the first sale, with curl', async () => {
  const said = JSON.parse(await runWell(join(root, 'examples/first_sale.sh'), [], { TOKEN: await tokenOf('dan') }));
  assert.equal(said.state, 'CONFIRMED');
  assert.equal(said.seats.length, 2);
});

// Passes on whatever is asked, but for the first reservation, which is shed.
async function shedding() {
  let shed = 0;
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    if (request.method === 'POST' && request.url === '/v1/reservations' && ++shed === 1) {
      response.writeHead(503, { 'Content-Type': 'application/problem+json', 'Retry-After': '1' }).end('{"code":"overloaded","state":"CONFIRMING"}');
      return;
    }
    const headers = Object.fromEntries(['authorization', 'content-type', 'idempotency-key', 'x-queue-token'].filter((name) => request.headers[name]).map((name) => [name, request.headers[name]]));
    const answer = await fetch(system.url + request.url, { method: request.method, headers, body: parts.length > 0 ? Buffer.concat(parts) : undefined });
    response.writeHead(answer.status, { 'Content-Type': answer.headers.get('content-type') ?? 'text/plain' }).end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { asked: () => shed, url: `http://127.0.0.1:${server.address().port}`, close: () => new Promise((resolve) => server.close(resolve)) };
}

test('a reservation that is shed is asked for again, with curl, and the answer is that of the last try alone', async () => {
  const proxy = await shedding();
  try {
    const out = await runWell(join(root, 'examples/first_sale.sh'), [], { TOKEN: await tokenOf('ivy'), BOXOFFICE_URL: proxy.url });
    assert.ok(proxy.asked() > 1);
    assert.equal(out.trim().split('\n').length, 1, out);
    assert.equal(JSON.parse(out).state, 'CONFIRMED');
  } finally {
    await proxy.close();
  }
});

test('a show is put on sale, with curl, and once however often it is asked for', async () => {
  const token = { TOKEN: await tokenOf('olga', 'operator') };
  const first = JSON.parse(await runWell(join(root, 'examples/put_on_sale.sh'), ['Example night'], token));
  assert.deepEqual({ state: first.state, capacity: first.capacity }, { state: 'ON_SALE', capacity: 300 });
  assert.deepEqual(JSON.parse(await runWell(join(root, 'examples/put_on_sale.sh'), ['Example night'], token)), first);
  const refused = await run(join(root, 'examples/put_on_sale.sh'), ['Other night'], { TOKEN: await tokenOf('eve') });
  assert.notEqual(refused.code, 0);
});

test('seats are followed with curl while somebody buys', async () => {
  const { club } = await demoShows(system.url);
  const follower = spawn(join(root, 'examples/follow_seats.sh'), [club.id], { env: { ...process.env, BOXOFFICE_URL: system.url }, detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = [];
  createInterface({ input: follower.stdout }).on('line', (line) => lines.push(line));
  try {
    await until('the snapshot', () => lines.length > 0);
    const call = await signedIn(system.url, 'fay');
    const turn = await until('a turn', async () => {
      const place = (await call('POST', `/v1/shows/${club.id}/queue`)).body;
      return place.state === 'ACTIVE' && place;
    });
    const held = await call('POST', '/v1/reservations', { show_id: club.id, best_available: { count: 1 } }, { 'Idempotency-Key': 'follow', 'X-Queue-Token': turn.token });
    assert.equal(held.status, 201, JSON.stringify(held.body));
    await until('the change', () => lines.length > 1);
    for (const line of lines) JSON.parse(line);
  } finally {
    process.kill(-follower.pid, 'SIGTERM'); // the script and its curl: a group of their own
  }
});

test('the receiver in TypeScript verifies and reads what a sale sends, and the library refuses what was changed', async () => {
  const spy = await receiver();
  const target = await makeTarget(spy.url, ['reservation.confirmed']);
  // The port is known when the target is made, the secret when it has been: so it listens where another target will point.
  const port = await freePort();
  const { secret } = await makeTarget(`http://127.0.0.1:${port}/`, ['reservation.confirmed']);
  const child = spawn('node', [await compiled('webhook_receiver.ts')], { env: { ...process.env, PORT: String(port), WEBHOOK_SECRET: secret }, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  try {
    await until('it listens', () => lines.length > 0);
    const bought = JSON.parse(await runWell('node', [await compiled('first_sale.ts')], { TOKEN: await tokenOf('gus') }));
    const event = JSON.parse(await until('the event', () => lines[1]));
    assert.equal(event.type, 'reservation.confirmed');
    assert.equal(event.data.reservation_id, bought.reservation);

    const sent = await until('the same, to this test', () => spy.got[0]);
    const webhook = new Webhook(target.secret);
    assert.deepEqual(webhook.verify(sent.body, sent.headers), JSON.parse(sent.body));
    const forged = sent.body.replace(bought.reservation, bought.reservation.replace(/.$/, (last) => (last === '0' ? '1' : '0')));
    assert.throws(() => webhook.verify(forged, sent.headers), WebhookVerificationError);
    assert.throws(() => new Webhook(secret).verify(sent.body, sent.headers), WebhookVerificationError);
    const old = { ...sent.headers, 'webhook-timestamp': String(Number(sent.headers['webhook-timestamp']) - 3600) };
    assert.throws(() => webhook.verify(sent.body, old), WebhookVerificationError);
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers: { ...sent.headers, 'content-type': 'application/json' }, body: forged });
    assert.equal(answer.status, 401);
  } finally {
    child.kill('SIGTERM');
    await spy.close();
  }
});

test('whatever is sent is a CloudEvent to the public SDK, signed anew at each attempt', async () => {
  const spy = await receiver((count) => (count === 1 ? 500 : 204));
  const target = await makeTarget(spy.url, []);
  await runWell('node', [await compiled('first_sale.ts')], { TOKEN: await tokenOf('hal') });
  const topics = () => [...new Set(spy.got.map(({ headers }) => headers['ce-type'].split('.')[0]))].sort().join(' ');
  await until('an event of each topic', () => topics() === 'payment reservation seat wallet');
  await until('the one that was refused, again', () => spy.got.slice(1).some(({ headers }) => headers['webhook-id'] === spy.got[0].headers['webhook-id']));
  const webhook = new Webhook(target.secret);
  for (const { headers, body } of spy.got) {
    webhook.verify(body, headers);
    const event = HTTP.toEvent({ headers, body });
    event.validate();
    assert.equal(event.specversion, '1.0');
    assert.equal(event.id, headers['webhook-id']);
    assert.equal(event.type, event.data.type);
  }
  await spy.close();
});
