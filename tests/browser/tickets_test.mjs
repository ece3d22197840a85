// What a buyer reads of tickets, money and time, and that it is true. Run it by itself with `node tickets_test.mjs`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gather, inDays, isAccessible, until } from './people.mjs';
import { demoShows, signedIn, startBrowser, startSystem, wordsOf } from './system.mjs';

let system;
let browser;
let shows;
let operator;
let t;
let visit, leave, seatsOf, fund, holdSeat, showOf; // people.mjs

before(async () => {
  system = await startSystem();
  browser = await startBrowser();
  ({ visit, leave, seatsOf, fund, holdSeat, showOf } = gather(system, browser));
  shows = await demoShows(system.url);
  operator = await signedIn(system.url, 'olga', 'operator');
  t = await wordsOf('en');
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

async function buySeats(user, terms = {}, count = 1) {
  await fund(user, 5_000);
  const show = await showOf(user, terms);
  const { call, held } = await holdSeat(user, show, count);
  assert.equal((await call('POST', `/v1/reservations/${held.id}/confirm`, {}, { 'Idempotency-Key': `pay-${user}` })).status, 200);
  return { call, held, show };
}

// In another window of the same browser.
async function signInBeside(context, user) {
  const other = await context.newPage();
  await other.goto('/sign-in');
  await other.getByLabel('Name').fill(user);
  await other.getByRole('button', { name: 'Sign in', exact: true }).click();
  await other.waitForURL((url) => url.pathname === '/');
  return other;
}

// A try that is refused before it holds a seat.
async function beRefused(user) {
  const show = await showOf(user, { grid: [{ name: 'A', rows: 1, seats_per_row: 3, category: 'R' }] });
  assert.equal((await operator('PATCH', `/v1/admin/shows/${show}/queue`, { state: 'OFF' })).status, 200);
  const call = await signedIn(system.url, user);
  let asked;
  await until(async () => {
    asked = await call('POST', '/v1/reservations', { show_id: show, best_available: { count: 4 } }, { 'Idempotency-Key': `refused-${user}` });
    return asked.body.code !== 'queue_token_missing';
  }, 'the gateway to hear that there is no queue');
  assert.deepEqual([asked.status, asked.body.code], [409, 'not_enough_seats']);
  const [refused] = (await call('GET', '/v1/reservations')).body.items;
  assert.deepEqual(refused.seats, []);
  return { call, show, refused };
}

test('a try that was refused is no ticket, and breaks no page', async () => {
  const { call, show, refused } = await beRefused('unlucky');
  const [somebody, chief] = await Promise.all([visit({ user: 'unlucky' }), visit({ user: 'olga', role: 'operator' })]);
  const { page } = somebody;
  await page.goto('/my/reservations');
  await page.getByText(t.noTickets).waitFor();
  await page.goto(`/my/reservations/${refused.id}`);
  await page.getByText(t.errors.not_enough_seats).waitFor();
  await isAccessible(page);
  await chief.page.goto(`/operator/sagas/${refused.id}`);
  await chief.page.getByRole('heading', { name: 'unlucky' }).waitFor();
  const held = await call('POST', '/v1/reservations', { show_id: show, best_available: { count: 1 } }, { 'Idempotency-Key': 'lucky' });
  assert.equal(held.status, 201);
  await page.goto('/my/reservations');
  await page.locator('.tickets li').waitFor();
  assert.equal(await page.locator('.tickets li').count(), 1);
  await Promise.all([leave(somebody), leave(chief)]);
});

test('tickets are found behind a whole page of refusals', async () => {
  const { call, show, refused } = await beRefused('stubborn');
  const held = (await call('POST', '/v1/reservations', { show_id: show, best_available: { count: 1 } }, { 'Idempotency-Key': 'got' })).body;
  const somebody = await visit({ user: 'stubborn' });
  const { page } = somebody;
  await page.route('**/v1/reservations?*', (route) =>
    route.fulfill({ json: new URL(route.request().url()).searchParams.has('cursor') ? { items: [held], next_cursor: null } : { items: [refused], next_cursor: 'more' } }));
  await page.goto('/my/reservations');
  await page.locator('.tickets li', { hasText: held.seats[0].label }).waitFor();
  assert.equal(await page.getByText(t.noTickets).count(), 0);
  await leave(somebody);
});

test('a currency has the decimals of ISO 4217, whatever the browser thinks', async () => {
  const call = await signedIn(system.url, 'traveller');
  for (const [currency, amount] of [['HUF', 123_456], ['JPY', 1_234], ['KWD', 1_234_567], ['RSD', 123_456]]) {
    const charged = await call('POST', '/v1/wallet/charges', { amount, currency }, { 'Idempotency-Key': currency });
    assert.ok(charged.status < 300, JSON.stringify(charged.body));
  }
  const somebody = await visit({ user: 'traveller' });
  const { page } = somebody;
  await page.goto('/my/wallet');
  await page.locator('.big').first().waitFor();
  const told = (await page.locator('.big').allTextContents()).map((text) => text.replace(/\s/g, ' ')).sort();
  assert.deepEqual(told, ['HUF 1,234.56', 'KWD 1,234.567', 'RSD 1,234.56', '¥1,234']);
  await page.getByLabel('Currency').selectOption('RSD');
  await page.getByLabel(/^Amount/).fill('1.50');
  const asked = page.waitForRequest((request) => request.url().endsWith('/v1/wallet/charges'));
  await page.getByRole('button', { name: /^Top up/ }).click();
  assert.deepEqual((await asked).postDataJSON(), { amount: 150, currency: 'RSD' });
  await page.locator('.big', { hasText: '1,236.06' }).waitFor();
  await leave(somebody);
});

test('a double click on a top-up is one, also once the first was answered, and so is Enter that is held down', async () => {
  const somebody = await visit({ user: 'heavy' });
  const { page } = somebody;
  const keys = new Set();
  page.on('request', (request) => request.url().endsWith('/v1/wallet/charges') && keys.add(request.headers()['idempotency-key']));
  await page.goto('/my/wallet');
  const amount = page.getByLabel(/^Amount/);
  await amount.fill('5000');
  const topUp = page.getByRole('button', { name: /^Top up/ });
  const isThere = async (balance) => {
    await page.locator('.big', { hasText: balance }).waitFor();
    await until(() => topUp.isEnabled(), 'the button to count again');
  };
  await topUp.click();
  await isThere('₩5,000');
  await topUp.dispatchEvent('click', { detail: 2 });
  await amount.focus();
  await page.keyboard.down('Enter');
  await isThere('₩10,000');
  for (let i = 0; i < 9; ++i) await page.keyboard.down('Enter');
  await page.keyboard.up('Enter');
  await topUp.click();
  await isThere('₩15,000');
  assert.equal(keys.size, 3);
  await leave(somebody);
});

test('a page in another window is the other one’s as soon as somebody else signs in', async () => {
  await fund('before', 1_000);
  const somebody = await visit({ user: 'before', allowed: [/401.*\/v1\/wallet/] });
  const { page, context } = somebody;
  await page.goto('/my/wallet');
  await page.locator('.big', { hasText: '₩1,000' }).waitFor();
  await page.evaluate(() => { window.ofTheFirst = true; });
  const other = await signInBeside(context, 'afterwards');
  await page.getByRole('button', { name: 'Sign out' }).getByText('afterwards').waitFor();
  await page.getByText(t.walletEmpty).waitFor();
  await until(() => page.evaluate(() => !('ofTheFirst' in window)).catch(() => false), 'nothing of the first one to be left');
  await other.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('link', { name: 'Sign in' }).first().waitFor();
  await leave(somebody);
});

test('a page that was not told so is read anew when it is looked at again', async () => {
  await fund('first', 1_000);
  const somebody = await visit({ user: 'first' });
  const { page, context } = somebody;
  await context.addInitScript(() => { BroadcastChannel.prototype.postMessage = () => {}; });
  await page.goto('/my/wallet');
  await page.locator('.big', { hasText: '₩1,000' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).getByText('first').waitFor();
  await page.evaluate(() => { window.ofTheFirst = true; });
  await signInBeside(context, 'second');
  // On coming back, after what is known has aged.
  await until(async () => {
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))).catch(() => {});
    return (await page.getByRole('button', { name: 'Sign out' }).getByText('second').count().catch(() => 0)) === 1;
  }, 'the page to be the other one’s');
  await page.getByText('There is nothing in it yet.').waitFor();
  // Also what is not on the page now, and would be shown again before it is read anew.
  await until(() => page.evaluate(() => !('ofTheFirst' in window)).catch(() => false), 'nothing of the first one to be left');
  await leave(somebody);
});

test('whoever looks at a ticket whose seat is exchanged is told which it is now', async () => {
  const { held, show } = await buySeats('moved');
  const [before] = held.seats;
  const after = (await seatsOf(show)).find((seat) => seat.state === 'free');
  const somebody = await visit({ user: 'moved' });
  const { page } = somebody;
  // A minute passes at once.
  await page.addInitScript(() => {
    const every = window.setInterval.bind(window);
    window.setInterval = (run, ms, ...more) => every(run, ms === 60_000 ? 200 : ms, ...more);
  });
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByRole('img', { name: t.ticketQr }).waitFor();
  const moved = await operator('POST', `/v1/admin/reservations/${held.id}/move`, { from: [before.seat_no], to: [after.seat_no], reason: 'cameras' }, { 'Idempotency-Key': 'move' });
  assert.ok(moved.status < 300, JSON.stringify(moved.body));
  await page.getByText(t.moved(before.label, after.label, ''), { exact: true }).waitFor();
  assert.deepEqual(await page.locator('.ticket tbody th').allTextContents(), [after.label]);
  await isAccessible(page);
  // One that costs less.
  await page.route(`**/v1/reservations/${held.id}`, async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    await route.fulfill({ response, json: { ...body, returned: { ...body.returned, amount: 200 } } });
  });
  await page.getByText(t.moved(before.label, after.label, '₩200'), { exact: true }).waitFor();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await leave(somebody);
});

test('a ticket that was cancelled as a whole says what is back and what is kept, and if its show was cancelled, that', async () => {
  const { call, held } = await buySeats('whole', { cancel_fee_percent: 10 });
  assert.ok((await call('POST', `/v1/reservations/${held.id}/cancel`, {}, { 'Idempotency-Key': 'cancel-whole' })).status < 300);
  const drowned = await buySeats('drowned');
  assert.equal((await operator('POST', `/v1/admin/shows/${drowned.show}/cancel`, { reason: 'storm' })).status, 202);
  const [own, theirs] = await Promise.all([visit({ user: 'whole' }), visit({ user: 'drowned' })]);
  await own.page.goto(`/my/reservations/${held.id}`);
  await own.page.getByText(t.returned(held.seats[0].label, '₩900', '₩100'), { exact: true }).waitFor();
  await until(async () => (await drowned.call('GET', `/v1/reservations/${drowned.held.id}`)).body.state === 'CANCELLED', 'the show’s cancellation');
  await theirs.page.goto(`/my/reservations/${drowned.held.id}`);
  await theirs.page.getByText(`${t.errors.show_cancelled} ${t.returned(drowned.held.seats[0].label, '₩1,000', '')}`, { exact: true }).waitFor();
  await Promise.all([leave(own), leave(theirs)]);
});

test('whoever is signed out at the checkout is told so once, and who is not signed in is offered no top-up', async () => {
  const { held } = await holdSeat('gone', await showOf('Gone', {}));
  const somebody = await visit({ user: 'gone', allowed: [/401/] });
  const { page, context } = somebody;
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByText(t.missing('₩1,000')).waitFor();
  await context.clearCookies();
  const refused = page.waitForResponse((response) => response.url().endsWith('/v1/wallet') && response.status() === 401);
  await page.getByRole('button', { name: /^Pay/ }).click();
  await refused;
  await page.getByRole('alert').getByText(t.errors.jwt_missing).waitFor();
  await page.getByRole('button', { name: /^Pay/, disabled: false }).waitFor();
  assert.equal(await page.getByRole('alert').count(), 1);
  await page.goto('/my/wallet');
  await page.getByRole('alert').getByText(t.errors.jwt_missing).waitFor();
  await page.getByRole('alert').getByRole('link', { name: t.signIn }).waitFor();
  await page.locator('.preferences').getByRole('link', { name: t.signIn }).waitFor();
  assert.equal(await page.getByRole('button', { name: /^Top up/ }).count(), 0);
  await leave(somebody);
});

test('the keyboard is on the page still after a refused payment, a top-up, and joining and leaving a waitlist', async () => {
  const { held } = await holdSeat('typist', await showOf('Typist', {}));
  const somebody = await visit({ user: 'typist', allowed: [/402.*\/confirm/] });
  const { page } = somebody;
  const press = async (name, what) => {
    await page.getByRole('button', { name, disabled: false }).focus();
    await page.keyboard.press('Enter');
    await until(() => page.evaluate(() => document.activeElement?.id === 'content'), `the keyboard to be on the page after ${what}`);
  };
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByText(t.missing('₩1,000')).waitFor();
  await press(/^Pay/, 'a refused payment');
  await press(/^Top up/, 'a top-up');
  await page.goto('/my/wallet');
  await press(/^Top up/, 'another top-up');
  await page.goto(`/concerts/${shows.soldOut.concert.id}`);
  await press(t.waitlistJoin, 'joining');
  await page.getByText(/^You are the next on the waitlist\. \d seats?$/).waitFor();
  await press(t.waitlistLeave, 'leaving');
  await leave(somebody);
});

test('the last minute of a hold is announced, and the bar of what is held for longer is not full all the time', async () => {
  const { held } = await holdSeat('hasty', await showOf('Hasty', { hold_ttl_s: 60 }));
  const somebody = await visit({ user: 'hasty' });
  const { page } = somebody;
  await page.goto(`/my/reservations/${held.id}`);
  await page.locator('[role=status]', { hasText: t.lastMinute }).waitFor();
  await page.getByRole('timer', { name: t.timeLeft }).waitFor();
  await isAccessible(page);
  const now = Date.now();
  const offered = { ...held, updated_at: new Date(now).toISOString(), hold_expires_at: new Date(now + 1_200_000).toISOString() };
  await page.route(`**/v1/reservations/${held.id}`, (route) => route.fulfill({ json: offered }));
  await page.reload();
  const bar = page.getByRole('progressbar', { name: t.timeLeft });
  await bar.waitFor();
  assert.equal(Number(await bar.getAttribute('max')), 1_200);
  assert.equal(await page.getByText(t.lastMinute).count(), 0);
  await leave(somebody);
});

test('on a phone nothing covers the seats', async () => {
  const somebody = await visit({ viewport: { width: 320, height: 800 }, hasTouch: true, isMobile: true });
  const { page } = somebody;
  await page.goto(`/shows/${shows.club.id}/seats?view`);
  const canvas = page.locator('.map canvas[data-view]');
  await canvas.waitFor();
  const [map, zoom] = await Promise.all([canvas.boundingBox(), page.locator('.zoom').boundingBox()]);
  assert.ok(map.height > 200 && zoom.y >= map.y + map.height - 1, JSON.stringify([map, zoom]));
  await leave(somebody);
});

test('the waiting room says when a show is in the same words as its concert', async () => {
  const show = await showOf('Elsewhere', {});
  assert.equal((await operator('PATCH', `/v1/admin/shows/${show}/queue`, { state: 'PAUSED' })).status, 200);
  const { concert_id } = (await operator('GET', `/v1/shows/${show}`)).body;
  for (const language of ['en', 'ko']) {
    const somebody = await visit({ user: 'far', language, timezoneId: 'America/New_York' });
    const { page } = somebody;
    await page.goto(`/concerts/${concert_id}`);
    const when = await page.locator('.panel.show h2').textContent();
    assert.ok(when.includes((await wordsOf(language)).here), when);
    await page.goto(`/waiting/${show}`);
    await page.locator('#show', { hasText: when }).waitFor();
    await leave(somebody);
  }
});

test('what is not there leads on, and so does what is for operators', async () => {
  const somebody = await visit({ user: 'lost', allowed: [/404.*\/v1\/reservations/] });
  const { page } = somebody;
  await page.goto('/my/reservations/01890000-0000-7000-8000-000000000000');
  const note = page.getByRole('alert').filter({ hasText: t.errors.reservation_not_found });
  assert.equal(await note.getByRole('link', { name: t.tickets }).getAttribute('href'), '/my/reservations');
  assert.equal(await note.getByRole('button', { name: t.retry }).count(), 0);
  await page.goto('/operator');
  const refused = page.getByRole('alert').filter({ hasText: t.errors.operator_required });
  assert.equal(await refused.getByRole('link', { name: t.signIn }).getAttribute('href'), '/sign-in?next=%2Foperator');
  await leave(somebody);
});

test('a concert that is over stands among past ones alone, and a ticket for it is a ticket still', async () => {
  await buySeats('nostalgic', { starts_at: inDays(30 / 86_400) });
  const isListed = async (when) => (await (await fetch(`${system.url}/v1/concerts?limit=200&when=${when}`)).json()).items.some((one) => one.title === 'nostalgic');
  await until(() => isListed('past'), 'the show to begin');
  await until(async () => !(await isListed('upcoming')), 'the list of what is to come to be read again');
  const somebody = await visit({ user: 'nostalgic' });
  const { page } = somebody;
  await page.goto('/');
  await page.locator('.card').first().waitFor();
  assert.equal(await page.locator('.card', { hasText: 'nostalgic' }).count(), 0);
  await page.getByRole('link', { name: t.pastConcerts }).click();
  const past = page.locator('.card', { hasText: 'nostalgic' });
  await past.getByText(t.state.PAST).waitFor();
  assert.equal(await page.locator('.card .state.ON_SALE').count(), 0);
  await isAccessible(page);
  await past.getByRole('link').click();
  await page.waitForURL(/\/concerts\/\d+$/);
  await page.getByRole('heading', { name: 'nostalgic' }).waitFor();
  await page.goto('/my/reservations');
  await page.locator('.tickets li', { hasText: 'nostalgic' }).waitFor();
  await leave(somebody);
});

test('a concert whose tickets can’t be cancelled any more does not say that they can', async () => {
  const { concert } = shows.hall;
  const somebody = await visit({});
  const { page } = somebody;
  await page.route(`**/v1/concerts/${concert.id}`, async (route) => {
    const response = await route.fetch();
    const body = await response.json();
    await route.fulfill({ response, json: { ...body, shows: body.shows.map((show) => ({ ...show, cancel_deadline: '2024-01-01T00:00:00Z' })) } });
  });
  await page.goto(`/concerts/${concert.id}`);
  await page.getByText('could be cancelled until').first().waitFor();
  assert.equal(await page.getByText('can be cancelled until').count(), 0);
  await page.unrouteAll({ behavior: 'wait' });
  await leave(somebody);
});
