// What operators do at the console, in a real browser against a real system.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { areOneWish, gather, hands, isAccessible, loseFirstAnswers, until } from './people.mjs';
import { demoShows, seatPoint, signedIn, startBrowser, startSystem } from './system.mjs';

let system;
let browser;
let shows;
let operator;
let visit, leave, seatsOf, fund, holdSeat, showOf; // people.mjs
let platform; // a data platform that takes what it is sent, unless told otherwise

async function startPlatform() {
  const taken = [];
  const state = { status: 200, taken };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      taken.push({ headers: request.headers, body });
      response.writeHead(state.status, state.headers).end();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(state, { url: `http://127.0.0.1:${server.address().port}/events`, close: () => new Promise((resolve) => server.close(resolve)) });
}

before(async () => {
  platform = await startPlatform();
  system = await startSystem('--target-allow-networks', '127.0.0.1');
  browser = await startBrowser();
  shows = await demoShows(system.url);
  operator = await signedIn(system.url, 'olga', 'operator');
  ({ visit, leave, seatsOf, fund, holdSeat, showOf } = gather(system, browser));
  await fund('mina', 500_000);
  const { call, held } = await holdSeat('mina', shows.hall.id);
  assert.equal((await call('POST', `/v1/reservations/${held.id}/confirm`, {}, { 'Idempotency-Key': 'confirm-mina' })).status, 200);
});
after(async () => {
  await browser?.close();
  await system?.stop();
  await platform?.close();
});

const atConsole = (options = {}) => visit({ user: 'olga', role: 'operator', ...options });

test('an operator sees how the sale goes, and finds a reservation by its buyer, show, state and id', async () => {
  const chief = await atConsole();
  const { page } = chief;
  await page.goto('/operator');
  await page.getByLabel('Show').selectOption(shows.hall.id);
  const tile = (name) => page.locator('.tiles > div', { hasText: name }).locator('dd').first();
  await until(async () => (await tile('Sold').textContent()) === '1', 'the sold seat to be counted');
  await until(async () => /^₩[1-9]/.test(await tile('Revenue').textContent()), 'its revenue');
  await page.locator('.chart canvas').waitFor();
  await until(async () => (await tile('Server errors a minute').textContent()) === '0', 'the errors to be counted');
  await isAccessible(page);

  await page.getByRole('link', { name: 'Reservations' }).click();
  const look = async (text, state) => {
    await page.getByRole('searchbox').fill(text);
    await page.getByLabel('State').selectOption(state);
    await page.getByRole('button', { name: 'Search' }).click();
  };
  const found = page.locator('section', { has: page.getByRole('heading', { name: 'Found' }) }).locator('tbody tr');
  await look('mina', '');
  await until(async () => (await found.count()) === 1, 'one reservation of the buyer');
  await look(`show:${shows.hall.id}`, 'CONFIRMED');
  await until(async () => (await found.filter({ hasText: 'mina' }).count()) === 1, 'the reservation among those of the show that are confirmed');
  await look('mina', 'FAILED');
  await page.getByText('Nothing was found.').waitFor();
  await isAccessible(page);
  await look('mina', '');
  const id = await found.locator('code').first().textContent();
  await look(id, '');
  await page.waitForURL(new RegExp(`/operator/sagas/${id}$`));
  for (const step of ['hold-seats', 'debit-wallet', 'approve-payment', 'confirm-seats']) await page.getByRole('cell', { name: step }).waitFor();
  await page.getByText(/^APPROVED/).waitFor();
  await isAccessible(page);
  await leave(chief);
});

test('the books are audited rule by rule, and a violation leads to what it is about', async () => {
  const chief = await atConsole();
  const { page } = chief;
  await page.goto('/operator/audit');
  await page.getByRole('button', { name: 'Audit now' }).click();
  await page.getByText('Clean', { exact: true }).waitFor();
  assert.equal(await page.locator('tbody tr').count(), 14);
  assert.equal(await page.locator('tbody tr', { hasText: 'holds' }).count(), 14);
  await isAccessible(page);
  // No system is at hand whose books are wrong, so the answer is made up from a right one.
  const { body: report } = await operator('GET', '/v1/admin/audit');
  Object.assign(report, { ok: false, violations: [{ invariant: 4, name: 'seat_sold_once', ids: [`seat:${shows.hall.id}/12`, 'user:mina', 'user:1042'], detail: 'it is sold twice' }] });
  await page.route('**/v1/admin/audit', (route) => route.fulfill({ json: report }));
  await page.reload();
  const row = page.locator('tbody tr', { hasText: 'seat_sold_once' });
  await row.getByText('it is sold twice').waitFor();
  assert.equal(await page.locator('tbody tr', { hasText: 'holds' }).count(), 13);
  report.unread = ['timeout: wallet: Deadline Exceeded'];
  await page.reload();
  await page.getByText('timeout: wallet: Deadline Exceeded').waitFor();
  assert.equal(await page.locator('tbody .state.OPEN').count(), 0, 'what may not have been judged is not said to hold');
  await isAccessible(page);
  await Promise.all([page.waitForRequest(/\/reservations\?.*user_id=1042/), row.getByRole('link', { name: 'user:1042' }).click()]); // no show's number
  await page.goBack();
  await row.getByRole('link', { name: 'user:mina' }).click();
  await page.getByRole('cell', { name: 'mina', exact: true }).first().waitFor();
  await leave(chief);
});

// A box on the map around seats, drawn with the mouse.
async function box(page, seats) {
  const points = [];
  for (const seat of seats) points.push(await seatPoint(page, seat));
  const reach = 3;
  const [from, to] = [Math.min, Math.max].map((of, i) => ({ x: of(...points.map((one) => one.x)) + (i ? reach : -reach), y: of(...points.map((one) => one.y)) + (i ? reach : -reach) }));
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2);
  await page.mouse.move(to.x, to.y);
  await page.mouse.up();
}

test('seats are kept back by a box on the map, given back and priced in the list, and buyers see each at once', async () => {
  const show = shows.club.id;
  const row = (await seatsOf(show)).filter((seat) => seat.row === 'C');
  const stateOf = async () => [...new Set((await seatsOf(show)).filter((seat) => seat.row === 'C').map((seat) => seat.state))].join();
  const [chief, watcher] = await Promise.all([atConsole({ allowed: [/409.*\/v1\/admin\/shows/] }), visit({})]);
  const { page } = chief;
  await watcher.page.goto(`/shows/${show}/seats?view`);
  await watcher.page.getByRole('tab', { name: 'List' }).click();
  await watcher.page.getByRole('button', { name: /^Row C/ }).click();
  await page.goto('/operator/shows');
  await page.getByRole('link', { name: new RegExp(`^Show ${show}:`) }).click();
  await page.locator('.map canvas[data-view]').waitFor();
  await isAccessible(page);
  await page.getByLabel('Dragging draws a box').check();
  await box(page, row);
  await page.getByText(`${row.length} seats chosen: ${row.length} free`).waitFor();
  const seating = page.getByRole('region', { name: 'Seats', exact: true });
  await seating.getByLabel('Reason (recorded)').first().fill('cameras');
  await seating.getByRole('button', { name: 'Keep back from buyers' }).click();
  await until(async () => (await stateOf()) === 'blocked', 'the row to be blocked');
  await watcher.page.getByRole('button', { name: /^1, .*not for sale/ }).waitFor();
  await page.getByRole('cell', { name: 'cameras' }).waitFor();

  // The same by keyboard, and the other way round.
  const { press, write } = hands.keyboard(page);
  await press('tab', 'Map', 'ArrowRight');
  await press('button', /^Row C/);
  await press('button', 'Choose all of row C');
  await page.getByText(`${row.length} seats chosen: ${row.length} not for sale`).waitFor();
  await isAccessible(page);
  await press('button', 'Give to buyers again');
  await until(async () => (await stateOf()) === 'free', 'the row to be free again');
  await watcher.page.getByRole('button', { name: /^1, .*, free/ }).waitFor();
  await press('button', 'Choose all of row C');
  await write('spinbutton', /^Price \(₩\)/, '77000');
  await seating.getByRole('button', { name: 'Set the price', disabled: false }).first().waitFor();
  await page.keyboard.press('Enter'); // in the field, which sets the price and keeps nothing back
  await until(async () => (await seatsOf(show)).filter((seat) => seat.price === 77_000).length === row.length, 'the new price');
  await watcher.page.getByRole('button', { name: /^1, .*₩77,000/ }).waitFor();
  await page.getByRole('cell', { name: /₩77,000/ }).waitFor();
  assert.equal(await stateOf(), 'free');

  // What somebody has can't be kept back: it is named, and can be left out.
  const { held } = await holdSeat('in-the-way', show);
  const [taken] = held.seats;
  const free = (await seatsOf(show)).find((seat) => seat.state === 'free' && seat.row === 'E' && seat.seat_no !== taken.seat_no);
  await page.getByRole('tab', { name: 'Map' }).click();
  await page.getByLabel('Dragging draws a box').uncheck();
  for (const no of [taken.seat_no, free.seat_no]) {
    const at = await seatPoint(page, (await seatsOf(show)).find((seat) => seat.seat_no === no));
    await page.mouse.click(at.x, at.y);
  }
  await page.getByText(/^2 seats chosen/).waitFor();
  await seating.getByRole('button', { name: 'Keep back from buyers' }).click();
  await page.getByText(`Nothing was changed: ${taken.label} (held) can’t be.`).waitFor();
  await isAccessible(page);
  await page.getByRole('button', { name: 'Leave those out' }).click();
  await page.getByText('1 seat chosen: 1 free').waitFor();
  await Promise.all([leave(chief), leave(watcher)]);
});

test('what becomes of seats while their map is read again is not missed, nor when the stream was refused', async () => {
  const show = shows.club.id;
  const chief = await atConsole({ allowed: [/503.*\/seats\/events/] });
  const { page } = chief;
  const streams = [];
  let refused = 1;
  await page.route(`**/shows/${show}/seats/events*`, (route) => {
    streams.push(new URL(route.request().url()).searchParams.get('from'));
    return refused-- > 0 ? route.fulfill({ status: 503 }) : route.continue();
  });
  // Each answer is as old as the first, as if it had been under way while the seats changed.
  let old;
  await page.route(`**/shows/${show}/seat-map`, async (route) => {
    old ??= await route.fetch().then(async (answer) => ({ headers: answer.headers(), body: await answer.body() }));
    await route.fulfill(old);
  });
  await page.goto(`/operator/shows/${show}`);
  await page.getByRole('tab', { name: 'List' }).click();
  await page.getByRole('button', { name: /^Row D/ }).click();
  await until(() => streams.length === 2, 'a stream after the one that was refused');
  const seating = page.getByRole('region', { name: 'Seats', exact: true });
  await seating.getByLabel('Reason (recorded)').first().fill('crane');
  for (const [action, state] of [['Keep back from buyers', 'not for sale'], ['Give to buyers again', 'free']]) {
    await page.getByRole('button', { name: 'Choose all of row D' }).click();
    await seating.getByRole('button', { name: action }).click();
    await page.getByRole('button', { name: new RegExp(`^1, .*${state}`) }).waitFor();
    await page.getByText('Choose seats').first().waitFor();
  }
  assert.deepEqual(new Set(streams), new Set([old.headers.etag]), 'streams go on from the map that was read');
  await leave(chief);
});

test('a show’s rules are changed, its deadline for cancelling is taken away, and a category has another price', async () => {
  assert.equal((await operator('PATCH', `/v1/admin/shows/${shows.hall.id}`, { cancel_deadline: shows.hall.show.starts_at })).status, 200);
  const chief = await atConsole();
  const { page } = chief;
  await page.goto(`/operator/shows/${shows.hall.id}`);
  await page.getByLabel('Held for (seconds)').fill('240');
  await page.getByLabel('Can be cancelled until').fill('');
  await page.getByRole('button', { name: 'Save' }).click();
  await until(async () => (await operator('GET', `/v1/admin/shows/${shows.hall.id}`)).body.hold_ttl_s === 240, 'the new rule');
  assert.equal((await operator('GET', `/v1/admin/shows/${shows.hall.id}`)).body.cancel_deadline, null);
  await page.getByRole('form', { name: 'Rules' }).getByText('Saved.').waitFor();
  await page.getByText('Price of a whole category').click();
  const form = page.locator('details', { hasText: 'Price of a whole category' });
  await form.getByLabel('Category').selectOption('S');
  await form.getByLabel(/^Price/).fill('123000');
  await form.getByLabel('Reason').fill('inflation');
  await form.getByRole('button', { name: 'Set the price' }).click();
  await form.getByText('Saved.').waitFor();
  const show = (await operator('GET', `/v1/admin/shows/${shows.hall.id}`)).body;
  assert.equal(show.price_categories.find((one) => one.name === 'S').price, 123_000);
  await page.getByRole('cell', { name: 'inflation' }).waitFor();
  await leave(chief);
});

test('what is asked for without a connection fails at once, and is not done when there is one again', async () => {
  const show = await showOf('Stays On', { currency: 'USD' });
  const chief = await atConsole({ allowed: [/ERR_INTERNET_DISCONNECTED/] });
  const { page } = chief;
  await page.goto(`/operator/shows/${show}`);
  await page.getByLabel('Cancellation fee per seat (USD, minor units)').waitFor();
  await page.getByRole('button', { name: 'Cancel this show' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason').fill('storm');
  await chief.context.setOffline(true);
  await dialog.getByRole('button', { name: 'Cancel and pay back' }).click();
  await dialog.getByText('There is no connection.').waitFor();
  await dialog.getByRole('button', { name: 'Leave it' }).click();
  const read = page.waitForResponse((response) => response.url().endsWith(`/v1/admin/shows/${show}`) && response.ok());
  await chief.context.setOffline(false);
  await read;
  assert.equal((await operator('GET', `/v1/admin/shows/${show}`)).body.state, 'ON_SALE');
  await leave(chief);
});

test('a platform is added and tested, what it refuses is dead, and is sent again when it takes events again', async () => {
  const chief = await atConsole({ allowed: [/502.*\/secret/] });
  const { page } = chief;
  await page.goto('/operator/relay');
  await page.getByText('New platform').click();
  await page.getByLabel('URL').fill(platform.url);
  await isAccessible(page);
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByText('Its secret, shown only now:').waitFor();
  const target = page.getByRole('region', { name: platform.url });
  await target.getByRole('button', { name: 'Send a test' }).click();
  await target.getByText(/delivered\s+HTTP 200/).waitFor();
  assert.equal(platform.taken.filter((one) => one.body.includes('relay.test') || JSON.stringify(one.headers).includes('relay.test')).length, 1);
  // 410 says that nobody is there any more, which switches the platform off.
  platform.status = 410;
  await target.getByRole('button', { name: 'Send a test' }).click();
  await target.getByText('off', { exact: true }).waitFor();
  const log = page.getByRole('region', { name: 'Deliveries' });
  await log.getByRole('row', { name: /relay\.test.*dead.*HTTP 410/ }).waitFor();
  await isAccessible(page);
  platform.status = 200;
  await target.getByRole('button', { name: 'Switch on' }).click();
  await target.getByText('on', { exact: true }).waitFor();
  await target.getByRole('button', { name: 'Send all that it has not got now' }).click();
  await target.getByText(/^1 on their way/).waitFor();
  await until(async () => (await log.getByRole('row', { name: /relay\.test.*delivered/ }).count()) === 2, 'both to be delivered');
  await log.getByRole('button', { name: 'Body' }).first().click();
  await log.locator('pre').getByText(/relay\.test/).waitFor();
  // The answer is lost on its way: who presses again gets the secret that the platform has had since, not another one.
  const keys = await loseFirstAnswers(page, '**/v1/admin/relay/targets/*/secret');
  await target.getByRole('button', { name: 'New secret' }).click();
  await target.getByRole('alert').waitFor();
  await target.getByRole('button', { name: 'New secret' }).click();
  await target.getByText('Its secret, shown only now:').waitFor();
  areOneWish(keys);
  // One that asks to be left alone is said to, and until when.
  Object.assign(platform, { status: 503, headers: { 'Retry-After': '3600' } });
  await target.getByRole('button', { name: 'Send a test' }).click();
  await until(async () => (await operator('GET', '/v1/admin/relay/targets')).body.items[0].paused_until, 'the platform to be left alone');
  await page.reload();
  await target.getByText('it asked to be left alone until').waitFor();
  // What waits for a platform is dead once it is off: not by one press.
  await target.getByRole('button', { name: 'Switch off' }).click();
  await target.getByRole('button', { name: /^Really switch it off/ }).waitFor();
  await target.getByText('on', { exact: true }).waitFor();
  await target.getByRole('button', { name: /^Really switch it off/ }).click();
  await target.getByText('off', { exact: true }).waitFor();
  await target.getByRole('button', { name: 'Remove' }).dblclick();
  await target.getByRole('button', { name: 'Really remove it' }).click();
  await page.getByText('No platform gets events yet.').waitFor();
  await leave(chief);
});

test('a dead letter says who could not take it and why, and is replayed', async () => {
  const chief = await atConsole();
  const { page } = chief;
  // No consumer of a sound system fails, so the list is made up; where it is replayed to is looked at.
  const letter = { id: '7', group: 'ranking', topic: 'reservation', key: 'r1', event_id: 'e1', event_type: 'reservation.confirmed', error: { code: 'event_unreadable', detail: 'no ReservationEvent' }, attempts: 5, parked_at: new Date().toISOString() };
  const later = { ...letter, id: '8', key: 'r2', error: { code: 'event_malformed', detail: 'of the second page' } };
  let items = [letter];
  const replayed = [];
  let asked = 0;
  let outboxes = 0;
  page.on('request', (request) => { if (request.url().endsWith('/v1/admin/outbox')) ++outboxes; });
  await page.route('**/v1/admin/dead-letters?*', (route) => {
    ++asked;
    const second = new URL(route.request().url()).searchParams.get('cursor') === 'c1';
    return route.fulfill({ json: second ? { items: [later], next_cursor: null } : { items, next_cursor: items.length > 0 ? 'c1' : null } });
  });
  await page.route('**/v1/admin/dead-letters/*/replay', (route) => {
    replayed.push(new URL(route.request().url()).pathname);
    items = [];
    return route.fulfill({ status: 204 });
  });
  await page.goto('/operator/events');
  await page.getByRole('row', { name: /ranking.*reservation\.confirmed.*event_unreadable no ReservationEvent/ }).waitFor();
  await page.getByRole('button', { name: 'Show more' }).click();
  await page.getByRole('row', { name: /r2.*event_malformed of the second page/ }).waitFor();
  // The outboxes are asked for as often as the first page is alone: every page of letters is a read of the whole bus.
  const [askedOnce, outboxesThen] = [asked, outboxes];
  await isAccessible(page);
  await until(() => outboxes >= outboxesThen + 2, 'the outboxes to be asked for twice');
  assert.equal(asked, askedOnce, 'more than one page of dead letters is not asked for again by itself');
  await page.getByRole('row', { name: /event_unreadable/ }).getByRole('button', { name: 'Replay' }).click();
  await page.getByText('There is none: every event was taken.').waitFor();
  assert.deepEqual(replayed, ['/v1/admin/dead-letters/7/replay']);
  await leave(chief);
});

test('a draw is begun and opened, and its proof holds for everybody who took part', async () => {
  const show = await showOf('Drawn Night', {});
  await operator('PATCH', `/v1/admin/shows/${show}/queue`, { active_cap: 1 });
  const chief = await atConsole();
  const { page } = chief;
  await page.goto('/operator/queues');
  const queue = page.getByRole('region', { name: /Drawn Night/ });
  await queue.getByText('Opening and draw').click();
  // An open queue is not changed by one press.
  assert.equal(await queue.getByLabel('Opens').isDisabled(), true);
  // Nor by a key that is held down.
  await queue.getByRole('button', { name: 'Begin a draw', exact: true }).focus();
  for (let i = 0; i < 4; ++i) await page.keyboard.down('Enter');
  await page.keyboard.up('Enter');
  await queue.getByRole('button', { name: 'Really begin a draw' }).waitFor();
  await queue.getByText('Open', { exact: true }).first().waitFor();
  await queue.getByRole('button', { name: 'Really begin a draw' }).click();
  await queue.getByText('Before the draw').waitFor();
  const people = [];
  for (const user of ['lot1', 'lot2', 'lot3', 'lot4']) {
    const call = await signedIn(system.url, user);
    people.push({ call, turn: (await call('POST', `/v1/shows/${show}/queue`)).body });
  }
  // What each of them sees in the waiting room before it.
  const buyer = await visit({ user: 'lot1' });
  await buyer.page.goto(`/waiting/${show}`);
  await buyer.page.getByText('The sale has not begun.').waitFor();
  await isAccessible(buyer.page);
  await queue.getByText('Draw', { exact: true }).click();
  await queue.getByText('not drawn yet').first().waitFor();
  // There is one draw, and whatever ends the wait for it draws: not by one press.
  await queue.getByRole('button', { name: 'Close', exact: true }).click();
  await queue.getByRole('button', { name: 'Close: really draw the places now' }).waitFor();
  await queue.getByRole('button', { name: 'Open', exact: true }).click();
  await queue.getByText('Before the draw').waitFor();
  await queue.getByRole('button', { name: 'Open: really draw the places now' }).click();
  await queue.getByText('the seed is the one that was committed to').waitFor();
  await isAccessible(page);
  // One of them is called at once; the others know their places.
  let turn;
  await until(async () => {
    for (const one of people) {
      turn = (await one.call('GET', '/v1/queue', undefined, { 'X-Queue-Token': one.turn.token })).body;
      if (turn.place > 0) return true;
    }
    return false;
  }, 'somebody’s place');
  await queue.getByLabel('Number in the draw').fill(String(turn.number));
  await queue.getByRole('button', { name: 'Work out its place' }).click();
  await queue.getByText(`Place ${turn.place}`).waitFor();
  // What is worked out slowly is said of the number that it was asked of, and not of the one that is in the field by then.
  await page.evaluate(() => {
    const sign = SubtleCrypto.prototype.sign;
    window.signed = 0;
    const held = new Promise((resolve) => (window.passTime = resolve));
    SubtleCrypto.prototype.sign = async function (...of) {
      await held;
      return sign.apply(this, of).finally(() => ++window.signed);
    };
  });
  await queue.getByRole('button', { name: 'Work out its place' }).click();
  await queue.getByText(`Place ${turn.place}`).waitFor({ state: 'hidden' });
  await queue.getByLabel('Number in the draw').fill(String((turn.number % people.length) + 1));
  await page.evaluate(() => window.passTime());
  await until(() => page.evaluate((all) => window.signed === all, people.length + 1), 'the place to be worked out');
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  assert.equal(await queue.getByText(/^Place \d/).count(), 0);
  await queue.getByLabel('Number in the draw').fill(String(turn.number));
  await queue.getByText(`Place ${turn.place}`).waitFor();
  // Browsers give pages of plain HTTP no means to do so.
  await page.addInitScript(() => Object.defineProperty(Crypto.prototype, 'subtle', { get: () => undefined }));
  await page.reload();
  await queue.getByText('Draw', { exact: true }).click();
  await queue.getByText('can’t be worked out here').waitFor();
  await queue.getByLabel('Number in the draw').fill(String(turn.number));
  await queue.getByRole('button', { name: 'Work out its place' }).click();
  await queue.getByRole('status').getByText('can’t be worked out here').waitFor();
  await Promise.all([leave(chief), leave(buyer)]);
});

test('what one operator sets for a queue is not undone by another who saves something else', async () => {
  const show = shows.club.id;
  const read = async () => (await operator('GET', '/v1/admin/queues')).body.items.find((one) => one.show_id === show);
  const { rate_per_s: rate, active_cap: cap } = await read();
  const chief = await atConsole();
  const { page } = chief;
  await page.goto('/operator/queues');
  const queue = page.getByRole('region', { name: new RegExp(`^${show} ·`) });
  await queue.getByLabel('Choosing at most').fill(String(cap + 1));
  assert.equal((await operator('PATCH', `/v1/admin/shows/${show}/queue`, { rate_per_s: rate + 1 })).status, 200);
  await until(async () => Number(await queue.getByLabel('Admissions per second').inputValue()) === rate + 1, 'what the other one set');
  await queue.getByRole('button', { name: 'Save' }).click();
  await queue.getByText('Saved.').waitFor();
  const after = await read();
  assert.deepEqual([after.rate_per_s, after.active_cap], [rate + 1, cap + 1]);
  await leave(chief);
});

test('a stuck reservation is found from the dashboard and undone, with a reason that is kept', async () => {
  await fund('stuck', 500_000);
  const { call, held } = await holdSeat('stuck', shows.hall.id);
  // The provider gives no answer for seconds; meanwhile an operator sets the reservation aside.
  const paid = call('POST', `/v1/reservations/${held.id}/confirm`, { payment_method: 'sandbox:late_approval' }, { 'Idempotency-Key': 'confirm' });
  let parked;
  for (let tried = 0; parked?.status !== 200 && tried < 100; ++tried) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    parked = await operator('POST', `/v1/admin/sagas/${held.id}/park`, { reason: 'the provider is silent' });
  }
  assert.equal(parked.status, 200, JSON.stringify(parked.body));
  await paid;
  const chief = await atConsole();
  const { page } = chief;
  await page.goto('/operator');
  await page.getByRole('link', { name: /^Reservations that need you: 1/ }).click();
  await page.getByRole('link', { name: held.id }).click();
  await page.getByText('the provider is silent').first().waitFor();
  await isAccessible(page);
  await page.getByLabel('Reason (recorded)').fill('asked the provider: nothing was paid');
  await page.getByRole('button', { name: 'Undo it' }).click();
  await page.locator('h1 .state', { hasText: 'Not paid' }).waitFor({ timeout: 90_000 });
  await page.getByText('asked the provider: nothing was paid').first().waitFor();
  assert.equal((await call('GET', '/v1/wallet')).body.balances[0].amount, 500_000);
  await leave(chief);
});

test('an operator imports a seating plan, is told which line is wrong, looks at it, and publishes it', async () => {
  const chief = await atConsole({ allowed: [/(422|502).*\/v1\/admin\/shows/] });
  const { page } = chief;
  await page.goto('/operator/shows');
  await page.getByRole('link', { name: 'New show from a seating plan' }).click();
  await page.getByLabel('Title').fill('Imported Night');
  await page.getByLabel('Begins').fill(new Date(Date.now() + 9 * 86_400_000).toISOString().slice(0, 16));
  const seats = Array.from({ length: 12 }, (_, i) => `Floor,${1 + Math.floor(i / 6)},${1 + (i % 6)},Gold,${i % 6},${Math.floor(i / 6)}`);
  const csv = (lines) => ({ name: 'plan.csv', mimeType: 'text/csv', buffer: Buffer.from(['section,row,number,category,x,y', ...lines].join('\n')) });
  const file = page.getByLabel(/^Seating plan/);
  await file.setInputFiles(csv([...seats, 'Floor,3,1,Gold,here,3']));
  await page.getByLabel('Gold').fill('70000');
  await isAccessible(page);
  await page.getByRole('button', { name: 'Import as a draft' }).click();
  await page.getByText(/The plan was not taken:.*line 14/).waitFor();
  await file.setInputFiles(csv(seats));
  await page.getByLabel('Gold').fill('70000');
  // The answer is lost on its way: who presses again asks for the same, and not for a second show.
  const keys = await loseFirstAnswers(page, '**/v1/admin/shows');
  await page.getByRole('button', { name: 'Import as a draft' }).click();
  await page.getByText('That did not work.').waitFor();
  await page.getByRole('button', { name: 'Import as a draft' }).click();
  await page.getByText('Nobody does yet.').waitFor();
  areOneWish(keys);
  await page.getByText(/· 12 seats free/).waitFor();
  await page.locator('.map canvas[data-view]').waitFor();
  await isAccessible(page);
  const seen = async () => (await (await fetch(`${system.url}/v1/concerts?limit=200`)).json()).items.some((one) => one.title === 'Imported Night' && one.shows.length > 0);
  assert.equal(await seen(), false);
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.getByText('Published: buyers see it now.').waitFor();
  await until(seen, 'the buyers’ list, which is a second old at most, to have it');
  await leave(chief);
});

test('a plan’s quoted fields are read as the server reads them, and what is not UTF-8 is refused with its line', async () => {
  const chief = await atConsole();
  const { page } = chief;
  await page.goto('/operator/shows/new');
  const file = page.getByLabel(/^Seating plan/);
  const give = (...parts) => file.setInputFiles({ name: 'plan.csv', mimeType: 'text/csv', buffer: Buffer.concat(parts.map((part) => Buffer.from(part))) });
  const many = Array.from({ length: 45 }, (_, i) => `Floor,1,${i + 3},Tier ${i}`).join('\r\n');
  await give('\uFEFFsection,row,number,"category"\r\n"Upper, left",1,1,"Gold, ""near"""\r\nFloor,1,2,Silver\r\n', many);
  await page.getByLabel('Gold, "near"').fill('70000');
  await page.getByLabel('Silver').waitFor();
  await page.getByLabel('Tier 44').waitFor();
  assert.equal(await page.locator('fieldset.legend input').count(), 47);
  await give('section,row,number,category\n', [0xb0, 0xa1], ',1,1,Gold\n'); // CP949
  await page.getByText('not UTF-8: line 2').waitFor();
  assert.equal(await page.locator('fieldset.legend input').count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Import as a draft' }).isDisabled(), true);
  await isAccessible(page);
  await give('section,row,number,category\nFloor,1,1,Gold\n');
  await page.getByLabel('Gold').waitFor();
  await page.getByText('not UTF-8').waitFor({ state: 'hidden' });
  await leave(chief);
});

test('the seats of a draft that was cancelled are seen by operators, and buyers never hear of it', async () => {
  const show = await showOf('Never Announced', { draft: true });
  assert.ok((await operator('POST', `/v1/admin/shows/${show}/cancel`, { reason: 'no deal' })).status <= 202);
  let told;
  await until(async () => (told = (await operator('GET', `/v1/admin/shows/${show}`)).body).state === 'CANCELLED', 'the show to be cancelled');
  for (const path of [`shows/${show}`, `concerts/${told.concert_id}`]) assert.equal((await fetch(`${system.url}/v1/${path}`)).status, 404);
  const chief = await atConsole();
  const { page } = chief;
  await page.goto(`/operator/shows/${show}`);
  await page.locator('.map canvas[data-view]').waitFor();
  await leave(chief);
});

test('an operator renames a concert, and buyers read it by its new name', async () => {
  const chief = await atConsole({ allowed: [/422.*\/v1\/admin\/concerts/] });
  const { page } = chief;
  const { concert } = shows.club;
  await page.goto('/operator/shows');
  const panel = page.getByRole('region', { name: concert.title.split(' · ').find((one) => !/[가-힣]/.test(one)) });
  await panel.getByRole('button', { name: 'Rename' }).click();
  const dialog = page.getByRole('dialog', { name: 'What the concert is called' });
  await isAccessible(page);
  await dialog.getByLabel('Title').fill('Second Night · 두 번째 밤');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByRole('region', { name: 'Second Night' }).waitFor();
  const renamed = await (await fetch(`${system.url}/v1/concerts/${concert.id}`)).json();
  assert.deepEqual([renamed.title, renamed.artist, renamed.venue], ['Second Night · 두 번째 밤', concert.artist, concert.venue]);
  // What is too long for the server, though not for the field, which counts letters and not bytes.
  await page.getByRole('region', { name: 'Second Night' }).getByRole('button', { name: 'Rename' }).click();
  await dialog.getByLabel('Title').fill('밤'.repeat(100));
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByRole('alert').waitFor();
  await leave(chief);
});

test('what does not fit on a page of the interface is in the console all the same', async () => {
  const chief = await atConsole();
  const { page } = chief;
  const pageOf = (items, from, size, more) => ({ items: items.slice(from, from + size), next_cursor: more ? 'more' : null });
  const { body: concerts } = await operator('GET', '/v1/admin/concerts?limit=200');
  await page.route('**/v1/admin/concerts?*', (route) => {
    const first = !new URL(route.request().url()).searchParams.has('cursor');
    return route.fulfill({ json: first ? pageOf(concerts.items, 0, 1, true) : pageOf(concerts.items, 1, 200, false) });
  });
  await page.goto('/operator/shows');
  await until(async () => (await page.locator('section.panel').count()) === concerts.items.length, 'the concerts of both pages');
  await page.goto('/operator/shows/new');
  await until(async () => (await page.getByLabel('Concert').locator('option').count()) === concerts.items.length + 1, 'all of them to choose from');
  // Sagas that have not ended are made up from one that has.
  const { body: some } = await operator('GET', '/v1/admin/reservations?user_id=mina&limit=1');
  const sagas = [1, 2, 3].map((n) => ({ ...some.items[0], id: some.items[0].id.replace(/.$/, String(n)) }));
  await page.route('**/v1/admin/sagas?*', (route) => {
    const first = !new URL(route.request().url()).searchParams.has('cursor');
    return route.fulfill({ json: first ? pageOf(sagas, 0, 2, true) : pageOf(sagas, 2, 2, false) });
  });
  await page.goto('/operator/sagas');
  await until(async () => (await page.locator('tbody tr').count()) === 2, 'the first page');
  await page.getByRole('button', { name: 'Show more' }).click();
  await page.getByRole('link', { name: sagas[2].id }).waitFor();
  await page.getByRole('button', { name: 'Show more' }).waitFor({ state: 'hidden' });
  await leave(chief);
});
