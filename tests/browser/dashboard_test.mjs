// How a sale goes, as the console's first page shows it: what is not known there, or only in part, is not said to be well. Run it by
// itself with `node dashboard_test.mjs`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gather, isAccessible, until } from './people.mjs';
import { startBrowser, startSystem } from './system.mjs';

let system;
let browser;
let visit, leave; // people.mjs

before(async () => {
  system = await startSystem();
  browser = await startBrowser();
  ({ visit, leave } = gather(system, browser));
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

const atConsole = (options = {}) => visit({ user: 'olga', role: 'operator', ...options });
const tile = (page, name) => page.locator('.tiles > div', { hasText: name }).locator('dd').first();

test('a show that sells out stays the one that is looked at', async () => {
  const chief = await atConsole();
  const { page } = chief;
  let soldOut = '';
  await page.route('**/v1/concerts?*', async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    for (const show of body.items.flatMap((concert) => concert.shows)) if (show.id === soldOut) show.state = 'SOLD_OUT';
    await route.fulfill({ response, json: body });
  });
  await page.goto('/operator');
  const select = page.getByLabel('Show');
  await until(async () => (await select.inputValue()) !== '', 'a show');
  const first = await select.inputValue();
  assert.match(await select.locator(`option[value="${first}"]`).textContent(), /On sale$/);
  soldOut = first;
  // Shows are read anew when somebody comes back to the page, after what is known has aged.
  await until(async () => {
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange', { bubbles: true })));
    return /Sold out$/.test(await select.locator(`option[value="${first}"]`).textContent());
  }, 'the show to be sold out');
  assert.equal(await select.inputValue(), first);
  await page.unrouteAll({ behavior: 'wait' });
  await leave(chief);
});

test('past shows are there to choose from only if one wants', async () => {
  const chief = await atConsole();
  const { page } = chief;
  const asked = new Set();
  let past = '';
  await page.route('**/v1/concerts?*', async (route) => {
    asked.add(new URL(route.request().url()).searchParams.get('when'));
    const response = await route.fetch();
    const body = await response.json();
    const shows = body.items.flatMap((concert) => concert.shows);
    past ||= shows.at(-1).id;
    for (const show of shows) if (show.id === past) show.state = 'PAST';
    await route.fulfill({ response, json: body });
  });
  await page.goto('/operator');
  const select = page.getByLabel('Show');
  await until(async () => (await select.inputValue()) !== '', 'a show');
  assert.deepEqual([...asked], ['upcoming']);
  assert.equal(await select.locator(`option[value="${past}"]`).count(), 0);
  const chosen = await select.inputValue();
  await page.getByLabel('Past ones, too').check();
  await select.locator(`option[value="${past}"]`).waitFor({ state: 'attached' });
  assert.equal(await select.inputValue(), chosen);
  await page.unrouteAll({ behavior: 'wait' });
  await leave(chief);
});

test('of deliveries that are more than a page nobody is told the age of the oldest', async () => {
  const chief = await atConsole();
  const { page } = chief;
  let more = null;
  await page.route('**/v1/admin/relay/deliveries?*', (route) => {
    const items = new URL(route.request().url()).searchParams.get('state') === 'pending' ? [{ created_at: new Date(Date.now() - 60_000).toISOString() }] : [];
    return route.fulfill({ json: { items, next_cursor: items.length > 0 ? more : null } });
  });
  await page.goto('/operator');
  const waiting = page.locator('.tiles > div', { hasText: 'Deliveries to platforms that wait' });
  await waiting.getByText(/^the oldest \d+ s old · 0 dead$/).waitFor();
  more = 'more';
  await waiting.getByText('1+', { exact: true }).waitFor();
  await waiting.getByText('0 dead', { exact: true }).waitFor();
  await leave(chief);
});

test('what a show has earned is not said to be nothing while it is not known', async () => {
  const chief = await atConsole({ allowed: [/503.*\/v1\/admin\/rankings/] });
  const { page } = chief;
  let down = true;
  await page.route('**/v1/admin/rankings?*', (route) => (down ? route.fulfill({ status: 503, json: { code: 'unavailable' } }) : route.continue()));
  await page.goto('/operator');
  const revenue = tile(page, 'Revenue');
  await revenue.waitFor();
  assert.equal(await revenue.textContent(), '–');
  down = false;
  await until(async () => /^₩\d/.test(await revenue.textContent()), 'what it has earned');
  // Nor to be what it was a while ago.
  down = true;
  await until(async () => (await revenue.textContent()) === '–', 'it not to be known any more');
  await page.getByRole('alert').waitFor();
  await leave(chief);
});

test('numbers of a server that is silent are not shown as if they were known', async () => {
  const chief = await atConsole({ allowed: [/503.*\/v1\/(admin\/)?shows/] });
  const { page } = chief;
  await page.goto('/operator');
  for (const name of ['Choosing now', 'Held']) await until(async () => /^\d/.test(await tile(page, name).textContent()), `${name} to be known`);
  await page.route(/\/v1\/(admin\/)?shows\/\d+(\/queue)?$/, (route) => route.fulfill({ status: 503, json: { code: 'unavailable' } }));
  for (const name of ['Choosing now', 'Held']) await until(async () => (await tile(page, name).textContent()) === '–', `${name} not to be known any more`);
  await page.getByRole('alert').waitFor();
  await leave(chief);
});

test('the chart of a single sample is that of a minute', async () => {
  const chief = await atConsole();
  const { page } = chief;
  await page.addInitScript(() => {
    const { clearRect, fillText } = CanvasRenderingContext2D.prototype;
    window.drawn = [];
    CanvasRenderingContext2D.prototype.clearRect = function (...of) { window.drawn = []; return clearRect.apply(this, of); };
    CanvasRenderingContext2D.prototype.fillText = function (...of) { window.drawn.push(of[0]); return fillText.apply(this, of); };
  });
  // Each is answered once, and not again.
  const answered = new Set();
  await page.route(/\/v1\/(admin\/)?shows\/\d+(\/queue)?$/, async (route) => {
    const { pathname } = new URL(route.request().url());
    if (answered.has(pathname)) return;
    answered.add(pathname);
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), ...(pathname.endsWith('/queue') ? { waiting: 1_000 } : {}) } });
  });
  await page.goto('/operator');
  await until(() => page.evaluate(() => window.drawn.includes('1,000')), 'the sample to be drawn');
  const times = (await page.evaluate(() => window.drawn)).filter((one) => /^\d\d:\d\d:\d\d$/.test(one));
  assert.ok(times.length > 2, times.join());
  assert.equal(new Set(times).size, times.length, times.join());
  await leave(chief);
});

test('what is not known of the services is not said to be well', async () => {
  const chief = await atConsole({ allowed: [/503.*\/v1\/admin\/sagas/] });
  const { page } = chief;
  const parked = tile(page, 'Reservations that need you');
  const breaker = (service, replica, reachable) => ({ client: `gateway_${service}`, service, replica, reachable, leaving: false, state: 'closed', calls: 0, failed: 0, refused: 0, opened: 0, probes_in_ms: 0 });
  // One of the queue's replicas stands by, and both of the seats' are gone.
  const breakers = [breaker('queue', 'a:1', true), breaker('queue', 'a:2', false), breaker('seat', 'a:3', false), breaker('seat', 'a:4', false)];
  await page.route('**/v1/admin/breakers', (route) => route.fulfill({ json: { items: breakers, next_cursor: null } }));
  const outboxes = [{ service: 'seat', pending: null, oldest_age_s: null, problem: 'timeout' }, { service: 'wallet', pending: 3, oldest_age_s: 1, problem: null }];
  await page.route('**/v1/admin/outbox', (route) => route.fulfill({ json: { items: outboxes, next_cursor: null } }));
  await page.goto('/operator');
  await until(async () => (await tile(page, 'Breakers not closed').textContent()) === 'seat', 'the service that nobody reaches');
  assert.equal(await tile(page, 'Breakers not closed').getAttribute('class'), 'bad');
  await until(async () => (await tile(page, 'Events not published yet').textContent()) === '3+', 'the events of those who answer');
  assert.equal(await tile(page, 'Events not published yet').getAttribute('class'), 'bad');
  await until(async () => /^\d/.test(await parked.textContent()), 'what is parked');
  // What was known a moment ago is not known now.
  await page.route('**/v1/admin/sagas?*', (route) => route.fulfill({ status: 503, json: { code: 'unavailable' } }));
  await until(async () => (await parked.textContent()) === '–', 'what is parked not to be known');
  assert.equal(await parked.getAttribute('class'), null);
  await page.getByRole('alert').waitFor();
  await isAccessible(page);
  await leave(chief);
});
