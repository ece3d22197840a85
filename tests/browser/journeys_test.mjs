// What happens to buyers in a real browser against a real system when it does not go straight: races, refusals, lost
// connections, holds that end. Run it by itself with `node journeys_test.mjs`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clickSeat, enter, gather, inDays, isAccessible, until } from './people.mjs';
import { demoShows, signedIn, startBrowser, startSystem } from './system.mjs';

let system;
let browser;
let shows;
let operator;
let visit, leave, seatsOf, fund, holdSeat, showOf; // people.mjs
let expiring; // somebody who holds a seat and does nothing, from the beginning

before(async () => {
  system = await startSystem();
  browser = await startBrowser();
  ({ visit, leave, seatsOf, fund, holdSeat, showOf } = gather(system, browser));
  shows = await demoShows(system.url);
  operator = await signedIn(system.url, 'olga', 'operator');
  // Holds end after a minute, the least that there is.
  const { held } = await holdSeat('slow', await showOf('Short', { hold_ttl_s: 60 }));
  expiring = await visit({ user: 'slow' });
  await expiring.page.goto(`/my/reservations/${held.id}`);
  await expiring.page.locator('.countdown').waitFor();
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

test('a concert says the lowest price that somebody can pay, in its currency', async () => {
  await showOf('Two Cities', { prices: { R: 2_000 } });
  await showOf('Two Cities', { starts_at: inDays(2), currency: 'USD', prices: { R: 600 } });
  const cheapest = await showOf('Two Cities', { starts_at: inDays(3), prices: { R: 500 } });
  assert.equal((await operator('POST', `/v1/admin/shows/${cheapest}/cancel`, { reason: 'storm' })).status, 202);
  const somebody = await visit({});
  const { page } = somebody;
  const lowest = page.locator('.card', { hasText: 'Two Cities' }).getByText('from ₩2,000', { exact: true });
  await until(async () => {
    await page.goto('/');
    await page.locator('.card').first().waitFor();
    return lowest.isVisible();
  }, 'the list, which is a second old at most, to say so');
  await leave(somebody);
});

test('two browsers race for a seat, and who loses is offered the nearest ones at once', async () => {
  const [first, second] = await Promise.all([visit({ user: 'race1' }), visit({ user: 'race2', allowed: [/409.*\/v1\/reservations/] })]);
  await Promise.all([enter(first.page, shows.hall.id), enter(second.page, shows.hall.id)]);
  const seat = (await seatsOf(shows.hall.id)).find((one) => one.state === 'free' && !one.accessible && !one.companion_of && one.category === 'S');
  await clickSeat(first.page, seat);
  await clickSeat(second.page, seat);
  await first.page.getByRole('button', { name: /^Hold these seats/ }).click();
  await first.page.locator('.countdown').waitFor();
  await second.page.getByRole('button', { name: /^Hold these seats/ }).click();
  await second.page.getByText(`${seat.label} has just gone.`).waitFor();
  await isAccessible(second.page);
  await second.page.getByRole('button', { name: 'Take these instead' }).click();
  await second.page.locator('.countdown').waitFor();
  await Promise.all([leave(first), leave(second)]);
});

test('a declined payment is undone: the money and the seats are back, and others see it live', async () => {
  await fund('dora', 400_000);
  const [buyer, watcher] = await Promise.all([visit({ user: 'dora', allowed: [/402.*\/confirm/] }), visit({})]);
  await enter(buyer.page, shows.club.id);
  await buyer.page.getByLabel('People').selectOption('1');
  await buyer.page.getByRole('button', { name: 'Hold the best seats' }).click();
  await buyer.page.locator('.countdown').waitFor();
  const label = await buyer.page.locator('tbody th').first().textContent();
  await watcher.page.goto(`/shows/${shows.club.id}/seats?view`);
  await watcher.page.getByRole('tab', { name: 'List' }).click();
  const seat = (await seatsOf(shows.club.id)).find((one) => one.label === label);
  await watcher.page.getByRole('button', { name: new RegExp(`^Row ${seat.row}`) }).click();
  const button = watcher.page.getByRole('group').getByRole('button', { name: new RegExp(`^${seat.number}, `) });
  await watcher.page.getByRole('button', { name: new RegExp(`^${seat.number}, .*in a basket`) }).waitFor();
  await buyer.page.getByText('Payment for trying out').click();
  await buyer.page.getByLabel('Answer of the provider').selectOption({ label: 'Decline' });
  await buyer.page.getByRole('button', { name: /^Pay/ }).click();
  await buyer.page.getByText(/payment was declined/).first().waitFor();
  await watcher.page.getByRole('button', { name: new RegExp(`^${seat.number}, .*, free`) }).waitFor();
  assert.equal(await button.count(), 1);
  const call = await signedIn(system.url, 'dora');
  assert.equal((await call('GET', '/v1/wallet')).body.balances[0].amount, 400_000);
  await Promise.all([leave(buyer), leave(watcher)]);
});

test('two wait, one reloads and loses the connection, and both see the operator pause, close and open the queue', async () => {
  const show = shows.stadium.id;
  // One person may choose at a time, and is; so whoever comes now waits.
  await operator('PATCH', `/v1/admin/shows/${show}/queue`, { state: 'OPEN', active_cap: 1 });
  const early = await signedIn(system.url, 'early1');
  let { body: turn } = await early('POST', `/v1/shows/${show}/queue`);
  await until(async () => {
    if (turn.state === 'WAITING') turn = (await early('GET', '/v1/queue', undefined, { 'X-Queue-Token': turn.token })).body;
    return turn.state === 'ACTIVE';
  }, 'the first to be let in');
  await (await signedIn(system.url, 'early2'))('POST', `/v1/shows/${show}/queue`);
  const [buyer, other, chief] = await Promise.all([visit({ user: 'waits', allowed: [/ERR_INTERNET_DISCONNECTED/] }), visit({ user: 'watches', language: 'ko' }), visit({ user: 'olga', role: 'operator' })]);
  const { page } = buyer;
  await page.goto(`/waiting/${show}`);
  await page.getByText('You are number 2 in line').waitFor();
  assert.equal(await page.getByText('Admission is paused').count(), 0);
  await isAccessible(page);
  await other.page.goto(`/waiting/${show}`);
  await other.page.getByText('대기 순서 3번').waitFor();
  await chief.page.goto('/operator/queues');
  const queue = chief.page.getByRole('region', { name: /Summer of Lights/ });
  await queue.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('Admission is paused').waitFor({ timeout: 90_000 });
  await other.page.getByText('입장이 잠시 멈췄습니다').waitFor({ timeout: 90_000 });
  await queue.getByText('Paused', { exact: true }).waitFor();
  await page.reload();
  await page.getByText('You are number 2 in line').waitFor();
  await buyer.context.setOffline(true);
  await page.getByText('The connection is lost').waitFor({ timeout: 90_000 });
  await buyer.context.setOffline(false);
  await page.getByText('The connection is lost').waitFor({ state: 'hidden' });
  assert.equal(await page.getByText('You are number 2 in line').count(), 1);
  // Nobody is promised a turn in a sale that is stopped, and whoever stays is called all the same if it goes on.
  await queue.getByRole('button', { name: 'Close', exact: true }).click();
  await page.getByText('The queue for this show is closed').waitFor({ timeout: 90_000 });
  await other.page.getByText('대기열이 닫혀').waitFor({ timeout: 90_000 });
  assert.equal(await page.locator('#eta').textContent(), '');
  await page.getByRole('link', { name: 'Back to the concert' }).waitFor();
  await isAccessible(page);
  await queue.getByLabel('Choosing at most').fill('1000');
  await queue.getByRole('button', { name: 'Save' }).click();
  await queue.getByText('Saved.').waitFor();
  await queue.getByRole('button', { name: 'Open', exact: true }).click();
  await Promise.all([page, other.page].map((one) => one.waitForURL(/\/seats$/, { timeout: 90_000 })));
  await Promise.all([leave(buyer), leave(other), leave(chief)]);
});

test('a sold-out show has a waitlist, and a cancelled one says so', async () => {
  const somebody = await visit({ user: 'late' });
  const { page } = somebody;
  await page.goto(`/concerts/${shows.soldOut.concert.id}`);
  await page.getByRole('button', { name: 'Tell me when seats come back' }).click();
  await page.getByText('You are the next on the waitlist.').waitFor();
  await isAccessible(page);
  // Whose place it is sees it, and what is offered there, also when others' seats are free.
  const concert = `**/v1/concerts/${shows.soldOut.concert.id}`;
  await page.route(concert, async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    await route.fulfill({ response, json: { ...body, shows: body.shows.map((show) => ({ ...show, state: 'ON_SALE', free: 5 })) } });
  });
  await page.reload();
  await page.getByText('5 seats free').first().waitFor();
  await page.getByText('You are the next on the waitlist.').waitFor();
  await page.unrouteAll({ behavior: 'wait' });
  await page.getByRole('button', { name: 'Leave the waitlist' }).click();
  await page.getByRole('button', { name: 'Leave the waitlist' }).waitFor({ state: 'hidden' });
  await page.reload();
  await page.getByRole('button', { name: 'Tell me when seats come back' }).waitFor();
  await page.goto(`/concerts/${shows.cancelled.concert.id}`);
  await page.getByText('This show is cancelled.').waitFor();
  await leave(somebody);
});

test('what is pressed again after its answer was lost is done once', async () => {
  const lost = { allowed: [/ERR_FAILED/] };
  const [payer, buyer] = await Promise.all([visit({ user: 'lost1', ...lost }), visit({ user: 'lost2', ...lost })]);
  // The server does it, and the page never hears of it.
  const lose = async ({ page }, path) => {
    const keys = [];
    page.on('request', (request) => request.method() === 'POST' && new URL(request.url()).pathname === path && keys.push(request.headers()['idempotency-key']));
    await page.route(`**${path}`, async (route) => {
      if (route.request().method() !== 'POST') return route.continue();
      await route.fetch();
      await route.abort();
    });
    return keys;
  };
  const twice = async ({ page }, path, button, done) => {
    await button.click();
    await page.getByText('There is no connection.').waitFor({ timeout: 90_000 });
    await page.unroute(`**${path}`);
    await button.click();
    await done.waitFor();
  };
  const topUp = async () => {
    const keys = await lose(payer, '/v1/wallet/charges');
    await payer.page.goto('/my/wallet');
    await payer.page.getByLabel('Amount').fill('5000');
    await twice(payer, '/v1/wallet/charges', payer.page.getByRole('button', { name: 'Top up ₩5,000' }), payer.page.getByText('₩5,000 is in the wallet now.'));
    assert.ok(keys.length > 1);
    assert.equal(new Set(keys).size, 1);
    const wallet = (await (await signedIn(system.url, 'lost1'))('GET', '/v1/wallet')).body;
    assert.deepEqual(wallet.balances.map((balance) => balance.amount), [5_000]);
    // What is asked for once more after that is another one.
    await payer.page.getByRole('button', { name: 'Top up ₩5,000' }).click();
    await payer.page.locator('.big', { hasText: '₩10,000' }).waitFor();
    assert.equal(new Set(keys).size, 2);
  };
  const holding = async () => {
    await enter(buyer.page, shows.club.id);
    const keys = await lose(buyer, '/v1/reservations');
    await buyer.page.getByLabel('People').selectOption('1');
    await twice(buyer, '/v1/reservations', buyer.page.getByRole('button', { name: 'Hold the best seats' }), buyer.page.locator('.countdown'));
    assert.ok(keys.length > 1);
    assert.equal(new Set(keys).size, 1);
    assert.equal((await (await signedIn(system.url, 'lost2'))('GET', '/v1/reservations')).body.items.length, 1);
  };
  await Promise.all([topUp(), holding()]);
  await Promise.all([leave(payer), leave(buyer)]);
});

test('a show in another currency is paid in that, cents and all', async () => {
  const { held } = await holdSeat('dollar', await showOf('Abroad', { currency: 'USD' }));
  const somebody = await visit({ user: 'dollar' });
  const { page } = somebody;
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByLabel('Amount ($)').fill('12.34');
  await page.getByRole('button', { name: 'Top up $12.34' }).click();
  await page.getByText('is missing').waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Pay $10.00' }).click();
  await page.getByRole('img', { name: 'QR code of this ticket' }).waitFor();
  const wallet = (await (await signedIn(system.url, 'dollar'))('GET', '/v1/wallet')).body;
  assert.deepEqual(wallet.balances, [{ currency: 'USD', amount: 234 }]);
  await leave(somebody);
});

test('a device whose clock is wrong by an hour has as much time to pay as any', async () => {
  await fund('clock', 400_000);
  for (const [user, wrong] of [['clock', 3_600_000], ['clock2', -3_600_000]]) {
    const somebody = await visit({ user });
    const { page } = somebody;
    await page.addInitScript((ms) => {
      const now = Date.now.bind(Date);
      Date.now = () => now() + ms;
    }, wrong);
    const { held } = await holdSeat(user, shows.club.id);
    await page.goto(`/my/reservations/${held.id}`);
    await page.getByRole('button', { name: /^Pay/ }).waitFor();
    const [min, s] = (await page.getByRole('timer').textContent()).split(':').map(Number);
    const left = (Date.parse(held.hold_expires_at) - Date.now()) / 1000;
    assert.ok(Math.abs(60 * min + s - left) < 30, `${min}:${s} where ${left} s are left`);
    if (user === 'clock') {
      await page.getByRole('button', { name: /^Pay/ }).click();
      await page.getByRole('img', { name: 'QR code of this ticket' }).waitFor();
    }
    await leave(somebody);
  }
});

test('a gateway whose clock is ahead takes nobody’s time to pay', async () => {
  await fund('ahead', 5_000);
  const { held } = await holdSeat('ahead', await showOf('Ahead', {}));
  const somebody = await visit({ user: 'ahead' });
  const { page } = somebody;
  let answers = 0;
  await page.route(`**/v1/reservations/${held.id}`, async (route) => {
    if (answers++ > 0) return route.continue();
    const response = await route.fetch();
    await route.fulfill({ json: await response.json(), headers: { date: new Date(Date.now() + 600_000).toUTCString() } });
  });
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByText('The time is over, or about to be.').waitFor();
  await page.getByRole('button', { name: 'Give the seats back' }).waitFor();
  await isAccessible(page);
  await page.getByRole('button', { name: /^Pay/ }).click();
  await page.getByRole('img', { name: 'QR code of this ticket' }).waitFor();
  await leave(somebody);
});

test('a seat that somebody else got is not chosen again with the next one', async () => {
  const somebody = await visit({ user: 'loser', allowed: [/409.*\/v1\/reservations/] });
  const { page } = somebody;
  await enter(page, shows.hall.id);
  const [lost, kept, next] = (await seatsOf(shows.hall.id)).filter((one) => one.state === 'free' && !one.accessible && !one.companion_of && one.category === 'S');
  await clickSeat(page, lost);
  await clickSeat(page, kept);
  const body = JSON.stringify({ status: 409, code: 'seats_taken', title: 'Taken', conflicts: [{ seat_no: lost.seat_no, label: lost.label }] });
  await page.route('**/v1/reservations', (route) => route.fulfill({ status: 409, contentType: 'application/problem+json', body }));
  await page.getByRole('button', { name: /^Hold these seats/ }).click();
  await page.getByText(`${lost.label} has just gone.`).waitFor();
  await clickSeat(page, next);
  assert.deepEqual(await page.locator('.chips li button').evaluateAll((buttons) => buttons.map((one) => one.getAttribute('aria-label'))),
    [kept, next].map((seat) => `Remove ${seat.label}`));
  await leave(somebody);
});

test('where one person may have one seat, the best one is asked for, and the waitlist for one', async () => {
  const somebody = await visit({ user: 'single' });
  const { page } = somebody;
  await page.route(`**/v1/shows/${shows.hall.id}`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), seat_limit: 1 } });
  });
  await enter(page, shows.hall.id);
  assert.deepEqual(await page.getByLabel('People').locator('option').allTextContents(), ['1']);
  await page.getByRole('button', { name: 'Hold the best seats' }).click();
  await page.locator('.countdown').waitFor();
  assert.equal(await page.locator('tbody th').count(), 1);
  await page.route(`**/v1/concerts/${shows.soldOut.concert.id}`, async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    await route.fulfill({ response, json: { ...body, shows: body.shows.map((show) => ({ ...show, seat_limit: 1 })) } });
  });
  await page.goto(`/concerts/${shows.soldOut.concert.id}`);
  const joined = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/waitlist'));
  await page.getByRole('button', { name: 'Tell me when seats come back' }).click();
  assert.equal((await joined).postDataJSON().count, 1);
  await page.getByRole('button', { name: 'Leave the waitlist' }).waitFor();
  await page.unrouteAll({ behavior: 'wait' });
  await leave(somebody);
});

test('who could not be signed out, or taken off the line, is told so; and who has left stays out', async () => {
  const somebody = await visit({ user: 'leaver', allowed: [/ERR_FAILED/, /503.*\/v1\/queue/] });
  const { page } = somebody;
  const deletes = (answer) => (route) => (route.request().method() === 'DELETE' ? answer(route) : route.continue());
  await page.route('**/v1/session', deletes((route) => route.abort()));
  await page.goto('/');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('alert').getByText('There is no connection.').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  const asked = [];
  page.on('request', (request) => request.url().endsWith('/queue') && request.method() !== 'GET' && asked.push(request.method()));
  await page.route('**/v1/queue', deletes((route) => route.fulfill({ status: 503 })));
  // The time for which a second press counts is over when the test says so.
  await page.addInitScript(() => {
    const later = window.setTimeout.bind(window);
    window.setTimeout = (run, ms, ...more) => {
      if (ms !== 7_500) return later(run, ms, ...more);
      window.passTime = run;
      return -1;
    };
  });
  await page.goto(`/waiting/${shows.drawn.id}`);
  await page.locator('#place:not(:empty)').waitFor();
  const [line, sure] = ['Leave the line', 'Really leave? You will lose your place'].map((name) => page.getByRole('button', { name }));
  await line.dblclick();
  await sure.waitFor();
  await isAccessible(page);
  await page.evaluate(() => window.passTime());
  await line.click();
  await sure.blur();
  await line.click();
  await sure.click();
  await page.getByText('you are still in line').waitFor();
  await page.unroute('**/v1/queue');
  await line.click();
  await sure.click();
  await page.getByText('You have left the line.').waitFor();
  await page.evaluate(() => window.dispatchEvent(new Event('online')));
  await page.getByRole('link', { name: 'Back to the concert' }).waitFor();
  assert.deepEqual(asked, ['POST', 'DELETE', 'DELETE']);
  await leave(somebody);
});

test('a waiting room whose show could not be read at first still leads to its concert', async () => {
  const show = await showOf('Unread', {});
  assert.equal((await operator('PATCH', `/v1/admin/shows/${show}/queue`, { state: 'CLOSED' })).status, 200);
  const { concert_id } = (await operator('GET', `/v1/shows/${show}`)).body;
  const somebody = await visit({ user: 'unread', allowed: [/(409|429|503).*\/v1\/shows/] });
  const { page } = somebody;
  const asked = [];
  await page.route(`**/v1/shows/${show}`, (route) => {
    asked.push(performance.now());
    return asked.length > 1 ? route.continue() : route.fulfill({ status: 503, headers: { 'retry-after': '3' }, json: { code: 'unavailable' } });
  });
  await page.goto(`/waiting/${show}`);
  await page.getByText('The queue for this show is closed.').waitFor();
  const back = page.getByRole('link', { name: 'Back to the concert' });
  await until(async () => (await back.getAttribute('href')) === `/concerts/${concert_id}`, 'the link to lead to the concert');
  assert.ok(asked[1] - asked[0] >= 2_950, `after ${asked[1] - asked[0]} ms`);
  // Nor is anybody left without what the draw is held to.
  let refusals = 1;
  await page.route(`**/v1/shows/${shows.drawn.id}/queue`, (route) => (route.request().method() === 'GET' && refusals-- > 0 ? route.fulfill({ status: 429, json: { code: 'rate_limited' } }) : route.continue()));
  await page.goto(`/waiting/${shows.drawn.id}`);
  await page.locator('#draw-hash:not(:empty)').waitFor({ state: 'attached' });
  assert.ok(refusals < 0, 'it was refused once');
  await leave(somebody);
});

test('a turn that ended unseen says so, and takes no new place by itself', async () => {
  for (const then of ['EXPIRED', 'COMPLETED', 'ACTIVE']) {
    const somebody = await visit({ user: `unseen-${then}` });
    const { page } = somebody;
    await page.addInitScript(() => Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (window.isSeen ? 'visible' : 'hidden') }));
    let state = 'WAITING';
    let joined = 0;
    const answer = async (route) => {
      const isJoin = route.request().method() === 'POST';
      if (!isJoin && !route.request().url().endsWith('/v1/queue')) return route.continue();
      if (isJoin) ++joined;
      await route.fulfill({
        json: { show_id: shows.hall.id, token: 't', state, position: state === 'WAITING' ? 1 : 0, eta_s: 1, refresh_interval_s: 1, number: 1, place: 0, queue_state: 'OPEN', opens_at: null, expires_at: null, admission: null },
      });
      if (state === 'WAITING') state = 'ACTIVE';
    };
    for (const address of ['**/v1/queue', `**/v1/shows/${shows.hall.id}/queue`]) await page.route(address, answer);
    await page.goto(`/waiting/${shows.hall.id}`);
    await until(async () => (await page.title()).startsWith('★'), 'the turn');
    state = then;
    await page.evaluate(() => {
      window.isSeen = true;
      document.dispatchEvent(new Event('visibilitychange'));
    });
    if (then === 'ACTIVE') {
      await page.waitForURL(/\/seats$/);
    } else {
      await page.getByText(then === 'EXPIRED' ? 'Your place has ended' : 'You have bought seats with this place').waitFor();
      await page.getByRole('button', { name: 'Take a new place' }).waitFor();
      if (then === 'COMPLETED') assert.equal(await page.getByRole('link', { name: 'My tickets' }).getAttribute('href'), '/my/reservations');
      await isAccessible(page);
      assert.match(page.url(), /\/waiting\//);
      assert.equal(joined, 1);
    }
    await page.unrouteAll({ behavior: 'wait' });
    await leave(somebody);
  }
});

test('a draw that begins while one looks at the concert is offered without a reload', async () => {
  const show = await showOf('Soon', { on_sale_at: new Date(Date.now() + 3_600_000).toISOString() });
  const { concert_id } = (await operator('GET', `/v1/shows/${show}`)).body;
  const somebody = await visit({ allowed: [/503.*\/queue/] });
  const { page } = somebody;
  let down = true;
  await page.route(`**/v1/shows/${show}/queue`, (route) => (down ? route.fulfill({ status: 503, json: { code: 'unavailable' } }) : route.continue()));
  await page.goto(`/concerts/${concert_id}`);
  await page.getByRole('alert').getByRole('button', { name: 'Try again' }).click();
  down = false;
  await page.getByRole('alert').waitFor({ state: 'hidden' });
  const draw = page.getByRole('link', { name: 'Take part in the draw' });
  assert.equal(await draw.count(), 0);
  assert.equal((await operator('PATCH', `/v1/admin/shows/${show}/queue`, { state: 'PREQUEUE' })).status, 200);
  await draw.waitFor();
  await leave(somebody);
});

test('new prices are not fetched in the same moment by all who look at a show', async () => {
  const show = await showOf('Repriced', {});
  const somebody = await visit({});
  const { page } = somebody;
  await page.addInitScript(() => { Math.random = () => 0.999; });
  const maps = [];
  page.on('request', (request) => request.url().endsWith(`/v1/shows/${show}/seat-map`) && maps.push(performance.now()));
  await page.goto(`/shows/${show}/seats?view`);
  await page.getByText('Live', { exact: true }).waitFor();
  const changed = performance.now();
  assert.equal((await operator('POST', `/v1/admin/shows/${show}/prices`, { reason: 'inflation', categories: { R: 2_000 } })).status, 200);
  await page.locator('.legend').getByText('₩2,000').waitFor();
  assert.ok(maps[1] - changed >= 1_950, `after ${maps[1] - changed} ms`);
  await leave(somebody);
});

test('a reservation whose outcome is open is asked for no sooner than a refusal says', async () => {
  const { held } = await holdSeat('often', await showOf('Often', {}));
  const somebody = await visit({ user: 'often', allowed: [/429.*\/v1\/reservations/] });
  const { page } = somebody;
  const asked = [];
  await page.route(`**/v1/reservations/${held.id}`, (route) => {
    asked.push(performance.now());
    if (asked.length === 1) return route.fulfill({ json: { ...held, hold_expires_at: null } });
    return asked.length > 2 ? route.continue() : route.fulfill({ status: 429, headers: { 'retry-after': '7' }, json: { code: 'rate_limited' } });
  });
  await page.goto(`/my/reservations/${held.id}`);
  await page.locator('.countdown').waitFor();
  assert.ok(asked[2] - asked[1] >= 6_950, `after ${asked[2] - asked[1]} ms`);
  await leave(somebody);
});

test('pages on a phone are accessible in both themes', async () => {
  await fund('ada', 10_000);
  for (const colorScheme of ['light', 'dark']) {
    const somebody = await visit({ user: 'ada', colorScheme, viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    for (const [path, ready] of [['/', '.card'], [`/shows/${shows.hall.id}/seats?view`, '.map canvas[data-view]'], ['/my/wallet', '.entries li'],
      [`/waiting/${shows.drawn.id}`, '#place:not(:empty)'], [`/concerts/${shows.soldOut.concert.id}`, '.waitlist form'], ['/sign-in', '.grid'], ['/my/nowhere', '.problem']]) {
      await somebody.page.goto(path);
      await somebody.page.locator(ready).first().waitFor();
      await isAccessible(somebody.page);
      const wide = await somebody.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${path} is ${wide} pixels wider than the phone`);
    }
    await leave(somebody);
  }
});

test('a price filter on a phone leaves what is free in sight', async () => {
  const somebody = await visit({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const { page } = somebody;
  await page.goto(`/shows/${shows.hall.id}/seats?view`);
  const canvas = page.locator('.map canvas[data-view]');
  await canvas.waitFor();
  // A section whose seats are too small to be drawn one by one: three categories, of which VIP, which is blue, has the fewest.
  const { x, y } = (await seatsOf(shows.hall.id)).find((seat) => seat.section === 'Stalls Left' && seat.row === 'F' && seat.number === '8');
  const blueness = () => canvas.evaluate((element, [seatX, seatY]) => {
    const [scale, left, top] = element.dataset.view.split(' ').map(Number);
    const ratio = element.width / element.clientWidth;
    const [red, , blue] = element.getContext('2d').getImageData((seatX * scale + left) * ratio, (seatY * scale + top) * ratio, 1, 1).data;
    return blue - red;
  }, [x, y]);
  for (const name of [/^R /, /^S /, /^A /]) await page.getByRole('checkbox', { name }).uncheck();
  await until(async () => (await blueness()) > 40, 'the free VIP seats to be in sight');
  await page.getByRole('checkbox', { name: /^VIP / }).uncheck();
  await until(async () => Math.abs(await blueness()) < 20, 'the section to fade');
  await leave(somebody);
});

test('of two seats one is given back, for what is said before, and the other stays paid', async () => {
  await fund('half', 5_000);
  const show = await showOf('Half', { cancel_fee_percent: 10 });
  const { call, held } = await holdSeat('half', show, 2);
  assert.equal((await call('POST', `/v1/reservations/${held.id}/confirm`, {}, { 'Idempotency-Key': 'pay-half' })).status, 200);
  const [gone, kept] = held.seats;
  const somebody = await visit({ user: 'half' });
  const { page } = somebody;
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByRole('button', { name: 'Cancel and get the money back' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('You get ₩1,800 back').waitFor();
  await dialog.getByRole('checkbox', { name: kept.label }).uncheck();
  await dialog.getByText('You get ₩900 back').waitFor();
  await isAccessible(page);
  await dialog.getByRole('checkbox', { name: gone.label }).uncheck();
  assert.ok(await dialog.getByRole('button', { name: 'Yes, cancel' }).isDisabled());
  await dialog.getByRole('checkbox', { name: gone.label }).check();
  await dialog.getByRole('button', { name: 'Yes, cancel', disabled: false }).click();
  await page.getByText(`Of what you paid for ${gone.label}, ₩900 is back in your wallet; ₩100 is kept as the fee.`).waitFor();
  await page.getByRole('img', { name: 'QR code of this ticket' }).waitFor();
  assert.deepEqual(await page.locator('.ticket tbody th').allTextContents(), [kept.label]);
  const { body } = await call('GET', `/v1/reservations/${held.id}`);
  assert.deepEqual([body.state, body.seats.map((seat) => seat.seat_no), body.fees], ['CONFIRMED', [kept.seat_no], 100]);
  await leave(somebody);
});

test('a second press on what is under way counts for nothing', async () => {
  await fund('twice', 5_000);
  const { call, held } = await holdSeat('twice', await showOf('Twice', { cancel_fee_percent: 10 }), 2);
  assert.equal((await call('POST', `/v1/reservations/${held.id}/confirm`, {}, { 'Idempotency-Key': 'pay-twice' })).status, 200);
  const somebody = await visit({ user: 'twice' });
  const { page } = somebody;
  const cancels = new Set();
  let leaves = 0;
  page.on('request', (request) => {
    if (request.url().endsWith('/cancel')) cancels.add(request.headers()['idempotency-key']);
    leaves += request.method() === 'DELETE' ? 1 : 0;
  });
  // Before the page can be drawn anew.
  const pressTwice = (button) => button.evaluate((element) => { element.click(); element.click(); });
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByRole('button', { name: 'Cancel and get the money back' }).click();
  const dialog = page.getByRole('dialog');
  const [gone, kept] = held.seats;
  await dialog.getByRole('checkbox', { name: kept.label }).uncheck();
  await dialog.getByText('You get ₩900 back').waitFor();
  await pressTwice(dialog.getByRole('button', { name: 'Yes, cancel', disabled: false }));
  await dialog.waitFor({ state: 'hidden' });
  await page.getByText(`Of what you paid for ${gone.label}, ₩900 is back in your wallet; ₩100 is kept as the fee.`).waitFor();
  assert.equal(cancels.size, 1);
  assert.equal(await page.getByRole('alert').count(), 0);
  await call('POST', `/v1/shows/${shows.soldOut.id}/waitlist`, { count: 1 });
  await page.goto(`/concerts/${shows.soldOut.concert.id}`);
  await pressTwice(page.getByRole('button', { name: 'Leave the waitlist' }));
  await page.getByRole('button', { name: 'Tell me when seats come back' }).waitFor();
  assert.equal(leaves, 1);
  assert.equal(await page.getByRole('alert').count(), 0);
  await leave(somebody);
});

test('currencies that share a sign are told apart, and each can be topped up', async () => {
  const call = await signedIn(system.url, 'changer');
  for (const [currency, amount] of [['CAD', 500], ['USD', 700]]) await call('POST', '/v1/wallet/charges', { amount, currency }, { 'Idempotency-Key': `fund-${currency}` });
  const somebody = await visit({ user: 'changer' });
  const { page } = somebody;
  await page.goto('/my/wallet');
  await page.locator('.big').first().waitFor();
  assert.deepEqual((await page.locator('.big').allTextContents()).sort(), ['$7.00', 'CA$5.00']);
  await page.getByLabel('Currency').selectOption('USD');
  await page.getByLabel('Amount ($)').fill('1.50');
  await page.getByRole('button', { name: 'Top up $1.50' }).click();
  await page.locator('.big', { hasText: /^\$8\.50$/ }).waitFor();
  await leave(somebody);
});

// Last, as it takes a minute that the others have filled.
test('a hold that ends says so while one looks, and nothing is charged', async () => {
  await expiring.page.getByText('The time ran out, and nothing was charged.').waitFor({ timeout: 90_000 });
  await expiring.page.getByRole('link', { name: 'Choose seats again' }).waitFor();
  assert.equal(await expiring.page.getByRole('button', { name: /^(Pay|Give the seats back)/ }).count(), 0);
  await isAccessible(expiring.page);
  await leave(expiring);
});
