// What is offered to whoever connects to Boxoffice, as he would use it: the SDK and the examples of web/sdk are typechecked and run,
// those of examples/ are run, and what the relay sends is judged by the public libraries. Run it by itself with
// `node examples_test.mjs`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { demoShows, freePort, root, signedIn, startSystem } from '../browser/system.mjs';

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

// Passes on whatever is asked, but for what `instead` answers for a request about reservations: {status, headers, body}, or null for
// a connection that breaks. `pass` gives the system's answer. `keys` has the key of each reservation that was asked for, `tokens` its
// queue token, and `admissions` what the queue gave to whoever was let in.
async function between(instead) {
  const [keys, tokens, admissions] = [[], [], []];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const headers = Object.fromEntries(['authorization', 'content-type', 'idempotency-key', 'x-queue-token'].filter((name) => request.headers[name]).map((name) => [name, request.headers[name]]));
    const pass = async () => {
      const answer = await fetch(system.url + request.url, { method: request.method, headers, body: parts.length > 0 ? Buffer.concat(parts) : undefined });
      return { status: answer.status, headers: { 'Content-Type': answer.headers.get('content-type') ?? 'text/plain' }, body: await answer.text() };
    };
    const about = request.url.startsWith('/v1/reservations');
    if (request.method === 'POST' && request.url === '/v1/reservations') {
      keys.push(request.headers['idempotency-key']);
      tokens.push(request.headers['x-queue-token']);
    }
    const answer = about ? await instead(request.method, pass) : await pass();
    const admission = /"admission":"([^"]+)"/.exec(answer?.body)?.[1];
    if (admission) admissions.push(admission);
    if (answer) response.writeHead(answer.status, answer.headers).end(answer.body);
    else response.destroy();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { keys, tokens, admissions, url: `http://127.0.0.1:${server.address().port}`, close: () => new Promise((resolve) => server.close(resolve)) };
}

const refusal = (status, code, more = {}) => ({ status, headers: { 'Content-Type': 'application/problem+json', 'Retry-After': '1' }, body: JSON.stringify({ code, ...more }) });

// The first sale, with curl, by way of such a proxy: what it said, which is one line if it ended well, and under which keys.
async function saleBetween(user, instead) {
  const proxy = await between(instead);
  try {
    const { code, out, err } = await run(join(root, 'examples/first_sale.sh'), [], { TOKEN: await tokenOf(user), BOXOFFICE_URL: proxy.url });
    if (code === 0) assert.equal(out.trim().split('\n').length, 1, out);
    return { code, said: code === 0 ? JSON.parse(out) : undefined, err, keys: proxy.keys };
  } finally {
    await proxy.close();
  }
}

test('what is reserved with is the admission, which holds also while the queue can’t be asked', async () => {
  const programs = [['node', await compiled('first_sale.ts')], ['node', await compiled('two_steps.ts')], [join(root, 'examples/first_sale.sh')]];
  for (const [i, [command, ...args]] of programs.entries()) {
    const proxy = await between((method, pass) => pass());
    try {
      await runWell(command, args, { TOKEN: await tokenOf(`let-in-${i}`), BOXOFFICE_URL: proxy.url });
      assert.ok(proxy.tokens.length > 0 && proxy.tokens.every((token) => proxy.admissions.includes(token)), `${command} ${args}`);
    } finally {
      await proxy.close();
    }
  }
});

test('a reservation that is shed is asked for again, with curl, and the answer is that of the last try alone', async () => {
  let shed = 0;
  const { said, err, keys } = await saleBetween('ivy', (method, pass) => (++shed === 1 ? refusal(503, 'overloaded', { state: 'CONFIRMING' }) : pass()));
  assert.equal(said?.state, 'CONFIRMED', err);
  assert.ok(keys.length > 1);
});

test('a reservation whose answer is lost is asked for again, with curl', async () => {
  let bought;
  const { said, err, keys } = await saleBetween('jon', async (method, pass) => {
    const answer = await pass();
    if (bought || answer.status >= 300) return answer;
    bought = JSON.parse(answer.body).id;
    return null;
  });
  assert.equal(said?.state, 'CONFIRMED', err);
  assert.equal(said.reservation, bought);
  assert.ok(keys.length > 1);
  assert.equal(new Set(keys).size, 1);
});

test('a reservation that still runs under its key is asked for again, with curl', async () => {
  let running = 0;
  const { said, err, keys } = await saleBetween('kim', (method, pass) => (++running === 1 ? refusal(409, 'idempotency_key_running') : pass()));
  assert.equal(said?.state, 'CONFIRMED', err);
  assert.ok(keys.length > 1);
  assert.equal(new Set(keys).size, 1);
});

test('a reservation that is refused is asked for once, with curl, and its key is told', async () => {
  const { code, err, keys } = await saleBetween('lea', () => refusal(409, 'seats_taken'));
  assert.notEqual(code, 0);
  assert.equal(keys.length, 1);
  assert.ok(err.includes('seats_taken') && err.includes(keys[0]), err);
});

test('a hold that is not decided at once is waited for', async () => {
  let asked = 0;
  const proxy = await between(async (method, pass) => {
    const answer = await pass();
    if (method === 'GET') ++asked;
    else if (answer.status === 201) return { ...answer, status: 202, body: JSON.stringify({ ...JSON.parse(answer.body), hold_expires_at: null }) };
    return answer;
  });
  try {
    const { code, out, err } = await run('node', [await compiled('two_steps.ts'), 'cancel'], { TOKEN: await tokenOf('mia'), BOXOFFICE_URL: proxy.url });
    assert.equal(code, 0, err);
    assert.match(err, /are held until \d{4}-/);
    assert.ok(asked > 0);
    assert.equal(JSON.parse(out).state, 'RELEASED');
  } finally {
    await proxy.close();
  }
});

test('a hold that comes to nothing is neither told as held nor paid for', async () => {
  const posts = [];
  const proxy = await between(async (method, pass) => {
    const answer = await pass();
    if (method === 'POST') posts.push(answer.status);
    return answer.status === 201 ? { ...answer, body: JSON.stringify({ ...JSON.parse(answer.body), state: 'RELEASED', hold_expires_at: null }) } : answer;
  });
  try {
    const { code, err } = await run('node', [await compiled('two_steps.ts')], { TOKEN: await tokenOf('ned'), BOXOFFICE_URL: proxy.url });
    assert.notEqual(code, 0);
    assert.match(err, /RELEASED/);
    assert.equal(posts.filter((status) => status < 400).length, 1, `${posts}`);
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

// The receiver in TypeScript, once it listens; `lines` are what it printed after that.
async function startReceiver(secret, port = 0) {
  const child = spawn('node', [await compiled('webhook_receiver.ts')], { env: { ...process.env, PORT: String(port), WEBHOOK_SECRET: secret }, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines = [];
  const said = { err: '' };
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.on('data', (part) => (said.err += part));
  await until('it listens', () => lines.length > 0 || child.exitCode !== null);
  const url = /^listening (.*)$/.exec(lines.shift())?.[1];
  assert.ok(url, said.err);
  return { child, lines, said, url };
}

test('the receiver in TypeScript verifies and reads what a sale sends, and the library refuses what was changed', async () => {
  const spy = await receiver();
  const target = await makeTarget(spy.url, ['reservation.confirmed']);
  // The port is known when the target is made, the secret when it has been: so it listens where another target will point.
  const port = await freePort();
  const { secret } = await makeTarget(`http://127.0.0.1:${port}/`, ['reservation.confirmed']);
  const { child, lines, url } = await startReceiver(secret, port);
  try {
    const bought = JSON.parse(await runWell('node', [await compiled('first_sale.ts')], { TOKEN: await tokenOf('gus') }));
    const event = JSON.parse(await until('the event', () => lines[0]));
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
    const answer = await fetch(url, { method: 'POST', headers: { ...sent.headers, 'content-type': 'application/json' }, body: forged });
    assert.equal(answer.status, 401);
  } finally {
    child.kill('SIGTERM');
    await spy.close();
  }
});

const kSecret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;

test('a sender that hangs up ends no receiver', async () => {
  const { child, said, url } = await startReceiver(kSecret);
  try {
    const sender = connect(Number(new URL(url).port), '127.0.0.1');
    sender.on('error', () => {}); // the receiver may hang up as well
    sender.write('POST / HTTP/1.1\r\nHost: receiver\r\nContent-Length: 100\r\n\r\nhalf of i', () => sender.destroy());
    await until('the receiver has seen it', () => said.err !== '' || child.exitCode !== null);
    assert.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 401);
    assert.equal(child.exitCode, null);
  } finally {
    child.kill('SIGTERM');
  }
});

test('a receiver takes no body past 1 MiB, and says so', async () => {
  const { child, url } = await startReceiver(kSecret);
  try {
    const statusOf = async (bytes) => (await fetch(url, { method: 'POST', body: Buffer.alloc(bytes, 32) })).status;
    assert.equal(await statusOf(1024 * 1024), 401); // it is read, but not signed
    assert.equal(await statusOf(1024 * 1024 + 1), 413);
  } finally {
    child.kill('SIGTERM');
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
