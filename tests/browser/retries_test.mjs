// When pages ask again what was refused or lost, and for how long they wait for an answer. Run it by itself with `node retries_test.mjs`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { enter, gather, isAccessible, until } from './people.mjs';
import { demoShows, signedIn, startBrowser, startSystem } from './system.mjs';

let system;
let browser;
let shows;
let operator;
let visit, leave, showOf; // people.mjs

before(async () => {
  system = await startSystem();
  browser = await startBrowser();
  ({ visit, leave, showOf } = gather(system, browser));
  shows = await demoShows(system.url);
  operator = await signedIn(system.url, 'olga', 'operator');
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

// The time that an answer may take is noted, and passes when the test says so.
const holdDeadlines = (page) =>
  page.addInitScript(() => {
    const open = [];
    window.deadlines = [];
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      window.deadlines.push(ms);
      open.push(controller);
      return controller.signal;
    };
    window.passDeadlines = () => open.splice(0).forEach((one) => one.abort(new DOMException('no answer', 'TimeoutError')));
  });
const deadlinesOf = (page) => page.evaluate(() => [...new Set(window.deadlines)]);

test('a poll that nobody answers is asked again', async () => {
  const show = await showOf('Halfdead', {});
  await operator('PATCH', `/v1/admin/shows/${show}/queue`, { state: 'PAUSED' });
  const somebody = await visit({ user: 'halfdead' });
  const { page } = somebody;
  await holdDeadlines(page);
  let asked = 0;
  await page.route('**/v1/queue', (route) => (++asked > 1 ? route.continue() : undefined));
  await page.goto(`/waiting/${show}`);
  await until(() => asked === 1, 'the place to be asked for');
  await page.evaluate(() => window.passDeadlines());
  await until(() => asked > 1, 'it to be asked for again');
  await page.getByText('The connection is lost').waitFor({ state: 'hidden' });
  await page.getByText('You are next').waitFor();
  assert.deepEqual(await deadlinesOf(page), [15_000]);
  await leave(somebody);
});

test('a poll that stays refused is asked ever less often, in minutes whatever a proxy says, and anew after an answer', async () => {
  const show = shows.stadium.id;
  const somebody = await visit({ user: 'refused', allowed: [/503.*\/v1\/queue/] });
  const { page } = somebody;
  // Pauses of a second and more pass at once, and are noted; what is left to chance is in the middle.
  await page.addInitScript(() => {
    const later = window.setTimeout.bind(window);
    window.pauses = [];
    Math.random = () => 0.5;
    window.setTimeout = (run, ms, ...more) => {
      if (!(ms >= 900)) return later(run, ms, ...more);
      window.pauses.push(ms);
      return later(run, 20, ...more);
    };
  });
  let place = { show_id: show, token: 't', state: 'WAITING', position: 5, eta_s: 9, refresh_interval_s: 1, number: 9, place: 0, queue_state: 'OPEN', opens_at: null, expires_at: null, admission: null };
  let told = '1';
  let answers = 0;
  const poll = (route) => (answers-- > 0 ? route.fulfill({ json: place }) : route.fulfill({ status: 503, headers: { 'retry-after': told } }));
  await page.route('**/v1/queue', poll);
  await page.route(`**/v1/shows/${show}/queue`, (route) => (route.request().method() === 'POST' ? route.fulfill({ json: place }) : route.continue()));
  await page.goto(`/waiting/${show}`);
  const pauses = () => page.evaluate(() => window.pauses);
  await until(async () => (await pauses()).length >= 8, 'a long pause');
  assert.deepEqual((await pauses()).slice(0, 8), [1_000, 1_500, 3_000, 6_000, 12_000, 24_000, 30_000, 30_000]);
  told = '600';
  await until(async () => (await pauses()).some((ms) => ms > 30_000), 'what a proxy says');
  told = '1';
  answers = 1;
  const after = async () => (await pauses()).slice((await pauses()).lastIndexOf(1_000) + 1);
  await until(async () => answers < 0 && (await pauses()).lastIndexOf(1_000) > 0 && (await after()).length > 1, 'a refusal after an answer');
  assert.deepEqual((await after()).slice(0, 2), [1_500, 3_000]);
  assert.ok((await pauses()).every((ms) => ms <= 120_000));
  place = { ...place, state: 'EXPIRED' };
  answers = 1;
  await page.getByText('Your place has ended').waitFor();
  await leave(somebody);
});

test('what a page asks for and nobody answers is asked for again, or can be', async () => {
  const somebody = await visit({ user: 'unanswered' });
  const { page } = somebody;
  await holdDeadlines(page);
  let asked = 0;
  const onlyLater = (route) => (++asked > 1 ? route.continue() : undefined);
  await page.route('**/v1/wallet', onlyLater);
  await page.goto('/my/wallet');
  await until(() => asked === 1, 'the wallet to be asked for');
  await page.evaluate(() => window.passDeadlines());
  await page.getByText('There is nothing in it yet.').waitFor();
  assert.deepEqual(await deadlinesOf(page), [45_000]);
  asked = 0;
  await page.route(`**/v1/shows/${shows.club.id}/seat-map`, onlyLater);
  await page.goto(`/shows/${shows.club.id}/seats?view`);
  await until(() => asked === 1, 'the map to be asked for');
  await page.evaluate(() => window.passDeadlines());
  await page.getByRole('alert').getByText('There is no connection.').waitFor();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.locator('.map canvas[data-view]').waitFor();
  await leave(somebody);
});

test('whoever is let in, and whose place can’t be had at first, holds seats without pressing for it', async () => {
  const refused = (retryAfter) => (route) => route.fulfill({ status: 503, headers: { 'retry-after': retryAfter }, json: { code: 'unavailable' } });
  const place = `**/v1/shows/${shows.hall.id}/queue`;
  for (const [i, [address, method, answer, isPressed]] of [
    [place, 'POST', refused('1')],
    [place, 'POST', (route) => route.abort()],
    [place, 'POST', refused('60'), true], // before which whoever presses may ask, too
    ['**/v1/session', 'GET', refused('60'), true],
  ].entries()) {
    const somebody = await visit({ user: `letin${i}`, allowed: [/503.*\/v1\//, /ERR_FAILED/] });
    const { page } = somebody;
    await enter(page, shows.hall.id);
    await page.addInitScript(() => {
      new MutationObserver(() => {
        if (document.body?.textContent.includes('can only be looked at')) window.isSaidToLook = true;
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    let isDown = true;
    await page.route(address, (route) => (isDown && route.request().method() === method ? answer(route) : route.fallback()));
    await page.goto(`/shows/${shows.hall.id}/seats`);
    await page.getByText('Your turn is being looked up…').waitFor();
    await page.getByRole('alert').waitFor();
    await isAccessible(page);
    isDown = false;
    if (isPressed) await page.getByRole('alert').getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('button', { name: 'Hold the best seats' }).waitFor();
    assert.equal(await page.getByRole('alert').count(), 0);
    assert.equal(await page.evaluate(() => window.isSaidToLook), undefined);
    await page.unrouteAll({ behavior: 'wait' });
    await leave(somebody);
  }
});

test('a stream that stays refused is asked for ever less often', async () => {
  const somebody = await visit({ allowed: [/503.*\/seats\/events/] });
  const { page } = somebody;
  let refused = 0;
  await page.route(`**/v1/shows/${shows.club.id}/seats/events*`, (route) => {
    ++refused;
    return route.fulfill({ status: 503 });
  });
  // Pauses of a second and more pass at once, and are noted.
  await page.addInitScript(() => {
    const later = window.setTimeout.bind(window);
    window.pauses = [];
    window.setTimeout = (run, ms, ...more) => {
      if (ms < 900 || ms > 60_000) return later(run, ms, ...more);
      window.pauses.push(ms);
      return later(run, 20, ...more);
    };
  });
  await page.goto(`/shows/${shows.club.id}/seats?view`);
  // 20 s to twice as much: the longest.
  await until(() => page.evaluate(() => window.pauses.some((ms) => ms > 20_000)), 'a long pause');
  assert.ok(refused >= 4, `after ${refused} refusals`);
  assert.ok(await page.evaluate(() => window.pauses.every((ms) => ms <= 40_000)));
  await leave(somebody);
});

test('what was refused for now is read again no sooner than it says, and not by all at once', async () => {
  const somebody = await visit({ user: 'told', allowed: [/503.*\/v1\/wallet/] });
  const { page } = somebody;
  await page.addInitScript(() => { Math.random = () => 0.999; });
  const asked = [];
  await page.route('**/v1/wallet', (route) => {
    asked.push(performance.now());
    return asked.length > 1 ? route.continue() : route.fulfill({ status: 503, headers: { 'retry-after': '3' }, json: { code: 'unavailable' } });
  });
  await page.goto('/my/wallet');
  await page.getByText('There is nothing in it yet.').waitFor();
  assert.ok(asked[1] - asked[0] >= 5_900, `after ${asked[1] - asked[0]} ms`); // twice that, by this chance
  await page.unroute('**/v1/wallet');
  await page.route('**/v1/wallet', (route) => route.fulfill({ status: 503, headers: { 'retry-after': '60' }, json: { code: 'unavailable' } }));
  await page.reload();
  await page.getByRole('alert').waitFor({ timeout: 30_000 }); // rather than a page that waits for minutes
  await leave(somebody);
});

test('an audit that takes longer than its answer is waited for goes on, and its verdict is read', async () => {
  await operator('POST', '/v1/admin/audit');
  const { body: report } = await operator('GET', '/v1/admin/audit');
  report.at = new Date(Date.now() - 60_000).toISOString();
  const chief = await visit({ user: 'olga', role: 'operator', allowed: [/50[24].*\/v1\/admin\/audit/] });
  const { page } = chief;
  await holdDeadlines(page);
  let asked = 0;
  let read = 0;
  let proxy; // what it answers by itself
  await page.route('**/v1/admin/audit', (route) => {
    if (route.request().method() === 'GET') {
      ++read;
      return proxy === 502 ? route.fulfill({ status: 502, body: '' }) : route.fulfill({ json: report });
    }
    ++asked;
    return proxy ? route.fulfill({ status: proxy, body: '' }) : undefined;
  });
  await page.goto('/operator/audit');
  const button = page.getByRole('button', { name: /^Audit/ });
  const problem = page.getByRole('alert');
  for (proxy of [undefined, 504]) {
    asked = 0;
    await button.click();
    const clicked = Date.now();
    await until(() => asked === 1, 'an audit to be asked for');
    if (!proxy) await page.evaluate(() => window.passDeadlines());
    const before = read;
    await until(() => read > before + 1, 'the last verdict, which began before, to be read'); // one may have been asked for earlier
    assert.equal(await button.textContent(), 'Auditing…');
    assert.ok(await button.isDisabled());
    assert.equal(await problem.count(), 0, 'of what goes on nothing is told to be wrong');
    report.at = new Date(clicked).toISOString();
    await until(() => button.isEnabled(), 'the verdict of one that began since');
    assert.equal(await problem.count(), 0);
  }
  proxy = 502; // for the verdict, too
  await button.click();
  await problem.waitFor();
  await until(() => button.isEnabled(), 'it to be asked for again');
  await leave(chief);
});
