// A system of its own for each test file, and a browser that looks at it. Nothing outlives the test.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const root = new URL('../../', import.meta.url).pathname;
export const program = process.env.BOXOFFICE_PROGRAM ?? join(root, 'build/release/bin/boxoffice');
const require = createRequire(join(root, 'web/package.json'));
const kSkipped = 77;
const kChromium = '/usr/bin/chromium';

function skip(why) {
  console.error(`skipped: ${why}`);
  process.exit(kSkipped);
}
if (!existsSync(kChromium)) skip('no Chromium');
if (!existsSync(join(root, 'build/web/index.html'))) skip('the web app is not built');

const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

// Starts `boxoffice up`; `stop` ends it, by its own process.
export async function startSystem(...flags) {
  const data = mkdtempSync(join(tmpdir(), 'boxoffice-browser-'));
  const child = spawn(program, ['up', '--port', '0', '--data', data, '--log-level', 'error', '--web-root', join(root, 'build/web'), ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise((resolve, reject) => {
    lines.on('line', (line) => line.startsWith('ready ') && resolve(line.slice(6)));
    ended.then((code) => reject(new Error(`boxoffice up ended with ${code}`)));
  });
  return { url, stop };
}

// A port of 127.0.0.1 for a server that is started later, as src/testing/free_port.h takes one: below those that the kernel gives to
// outgoing connections; the UDP port of that number stays bound, by which other tests see that it is taken.
export async function freePort() {
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
  throw new Error('no port is free');
}

// What a program may ask without a browser: with the development sign-in's cookie as a bearer token. What the gateway has waited for
// in vain (a 503 that took a second and more), as on a machine that stood still, is asked again for 20 s.
export async function signedIn(url, user, role = 'buyer') {
  const answer = await fetch(`${url}/v1/session/development`, { method: 'POST', body: JSON.stringify({ user, role }) });
  const token = /boxoffice_session=([^;]+)/.exec(answer.headers.get('set-cookie'))[1];
  const ask = async (method, path, body, headers) => {
    const response = await fetch(url + path, { method, body: body && JSON.stringify(body), headers: { Authorization: `Bearer ${token}`, ...headers } });
    const text = await response.text();
    return { status: response.status, body: text ? JSON.parse(text) : null };
  };
  return async (method, path, body, headers = {}) => {
    const began = Date.now();
    let answer = await ask(method, path, body, headers);
    if (answer.status !== 503 || Date.now() - began < 1_000) return answer;
    while ((answer.status === 503 || answer.body?.code === 'idempotency_key_running') && Date.now() - began < 20_000) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      answer = await ask(method, path, body, headers);
    }
    return answer;
  };
}

export async function startBrowser() {
  return chromium.launch({
    executablePath: kChromium,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    ignoreDefaultArgs: ['--disable-back-forward-cache'], // people's keep pages for the Back button
  });
}

// A person's browser: context, page, and what its console said. Errors that a test causes on purpose are allowed by a pattern.
export async function person(browser, url, { user, role = 'buyer', language = 'en', allowed = [], ...options } = {}) {
  const context = await browser.newContext({ baseURL: url, locale: language === 'ko' ? 'ko-KR' : 'en-GB', timezoneId: 'Asia/Seoul', viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(60_000);
  const errors = [];
  const page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    const said = `${message.text()} ${message.location().url}`;
    if (!allowed.some((pattern) => pattern.test(said))) errors.push(said);
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  if (user) {
    const answer = await context.request.post('/v1/session/development', { data: { user, role } });
    if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`);
  }
  return { context, page, errors };
}

// The app's own catalogue of a language, so that a test says what people read.
export async function wordsOf(language) {
  const source = readFileSync(join(root, `web/src/text/${language}.ts`), 'utf8');
  const { code } = require('esbuild').transformSync(source, { loader: 'ts', format: 'esm' });
  return (await import(`data:text/javascript,${encodeURIComponent(code)}`))[language];
}

// Serious violations of accessibility, as text; none is the wish. Of these rules alone, where some are given.
export async function violations(page, ...only) {
  // evaluate() is not under the page's Content-Security-Policy.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  const rules = only.length ? { runOnly: only } : { rules: { 'target-size': { enabled: true } } };
  const found = await page.evaluate(async (options) => (await window.axe.run(document, { resultTypes: ['violations'], ...options })).violations, rules);
  return found
    .filter((one) => one.impact === 'serious' || one.impact === 'critical')
    .map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`);
}

// The demo's shows by what is special about them.
export async function demoShows(url) {
  const concerts = (await (await fetch(`${url}/v1/concerts?limit=200`)).json()).items;
  const find = (wanted) => {
    const concert = concerts.find((one) => wanted(one.shows[0]));
    return { concert, show: concert.shows[0], id: concert.shows[0].id };
  };
  return {
    concerts,
    stadium: find((show) => show.capacity === 50_000),
    hall: find((show) => show.capacity === 2_000 && show.state === 'ON_SALE'),
    club: find((show) => show.capacity === 50 && show.state === 'ON_SALE'),
    drawn: { id: concerts.find((one) => one.title.includes('Winter Journey')).shows[0].id },
    soldOut: find((show) => show.state === 'SOLD_OUT'),
    cancelled: find((show) => show.state === 'CANCELLED'),
  };
}

// Where a seat is on the screen: the canvas tells its view.
export async function seatPoint(page, seat) {
  const canvas = page.locator('.map canvas');
  await canvas.scrollIntoViewIfNeeded();
  const [scale, x, y] = (await canvas.getAttribute('data-view')).split(' ').map(Number);
  const box = await canvas.boundingBox();
  return { x: box.x + seat.x * scale + x, y: box.y + seat.y * scale + y };
}
