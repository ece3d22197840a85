// Where pages of buyers go on after what they asked for was refused, or their place or their page has changed meanwhile. Run it by itself with `node refusals_test.mjs`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clickSeat, enter, gather, isAccessible, until } from './people.mjs';
import { demoShows, signedIn, startBrowser, startSystem } from './system.mjs';

let system;
let browser;
let shows;
let operator;
let visit, leave, seatsOf, fund, holdSeat, showOf; // people.mjs

before(async () => {
  system = await startSystem();
  browser = await startBrowser();
  ({ visit, leave, seatsOf, fund, holdSeat, showOf } = gather(system, browser));
  shows = await demoShows(system.url);
  operator = await signedIn(system.url, 'olga', 'operator');
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

const refusal = (status, code, more = {}) => ({ status, contentType: 'application/problem+json', body: JSON.stringify({ type: '', title: code, status, code, ...more }) });
const isPost = (route) => route.request().method() === 'POST';

// What this address is POSTed is refused, so many times.
async function refuse(page, address, answer, times = Infinity) {
  await page.route(address, (route) => (isPost(route) && times-- > 0 ? route.fulfill(answer) : route.fallback()));
}

test('a page whose script is gone says so, leaves the others be, and is there when it is loaded again', async () => {
  const somebody = await visit({ allowed: [/ERR_FAILED/, /dynamically imported module/, /Boundary/] });
  const { page } = somebody;
  await page.goto(`/concerts/${shows.hall.concert.id}`);
  await page.route('**/assets/seats_page-*', (route) => route.abort());
  await page.getByRole('link', { name: 'Look at the seats' }).first().click();
  await page.getByRole('alert').getByText('This page can’t be shown.').waitFor();
  await isAccessible(page);
  await page.getByRole('link', { name: 'Concerts', exact: true }).click();
  await page.locator('.card').first().waitFor();
  await page.goBack();
  await page.unroute('**/assets/seats_page-*');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.locator('.map canvas[data-view]').waitFor();
  await leave(somebody);
});

// The pauses before a page is loaded again pass at once, and are noted.
const hurry = (page) =>
  page.addInitScript(() => {
    const later = window.setTimeout.bind(window);
    window.pauses = [];
    window.setTimeout = (run, ms, ...more) => {
      if (document.getElementById('late')?.hidden !== false) return later(run, ms, ...more);
      window.pauses.push(ms);
      return later(run, 20, ...more);
    };
  });

test('a page that is asked of one release and its script of another is loaded again until both are of one', async () => {
  for (const [path, ready] of [['/', '.card'], [`/waiting/${shows.hall.id}`, '#title:not(:empty), .map canvas[data-view]']]) {
    const somebody = await visit({ user: 'upgraded', allowed: [/404.*\/assets\//, /MIME type/] });
    const { page } = somebody;
    let loads = 0;
    page.on('request', (request) => (loads += request.isNavigationRequest() && new URL(request.url()).pathname === path ? 1 : 0));
    await hurry(page);
    await page.route('**/assets/*', (route) => (loads <= 2 ? route.fulfill({ status: 404, json: { code: 'route_not_found' } }) : route.continue()));
    await page.goto(path);
    await page.locator(ready).first().waitFor();
    assert.equal(loads, 3, path);
    await leave(somebody);
  }
});

test('a page whose script stays away is loaded again a bounded number of times, and then has a link', async () => {
  const somebody = await visit({ allowed: [/404.*\/assets\//, /MIME type/] });
  const { page } = somebody;
  let loads = 0;
  page.on('request', (request) => (loads += request.isNavigationRequest() ? 1 : 0));
  await hurry(page);
  await page.route('**/assets/*.js', (route) => route.fulfill({ status: 404, json: { code: 'route_not_found' } }));
  await page.goto('/');
  const kLoads = 9; // the first, and eight tries
  const hasGivenUp = () => page.evaluate(() => !document.getElementById('late').hidden && window.pauses.length === 0).catch(() => false);
  await until(async () => loads === kLoads && (await hasGivenUp()), 'the tries to end');
  await page.getByRole('status').getByText('There is a newer release').waitFor();
  await isAccessible(page);
  await page.unroute('**/assets/*.js');
  await page.getByRole('link', { name: 'Load it now' }).click();
  await page.locator('.card').first().waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0, 'the next time it is tried as often');
  await leave(somebody);
});

test('a place whose token counts no more is asked for again, and nobody is sent to sign in or left waiting', async () => {
  await operator('PATCH', `/v1/admin/shows/${shows.stadium.id}/queue`, { state: 'PAUSED' });
  for (const [status, code] of [[403, 'queue_token_wrong_user'], [401, 'queue_token_signature']]) {
    const somebody = await visit({ user: `token${status}`, allowed: [/40[13].*\/v1\/queue/] });
    const { page } = somebody;
    let joined = 0;
    let asked = 0;
    page.on('request', (request) => (joined += request.method() === 'POST' && request.url().endsWith('/queue') ? 1 : 0));
    await page.route('**/v1/queue', (route) => (asked++ === 0 ? route.fulfill(refusal(status, code)) : route.continue()));
    // Whoever waits is told to ask at once.
    await page.route(`**/v1/shows/${shows.stadium.id}/queue`, async (route) => {
      if (!isPost(route)) return route.continue();
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), refresh_interval_s: 1 } });
    });
    await page.goto(`/waiting/${shows.stadium.id}`);
    await until(() => joined === 2 && asked > 1, 'the place to be asked for again, and kept');
    assert.match(page.url(), /\/waiting\//);
    assert.equal(await page.getByText('Very many people').count(), 0);
    await leave(somebody);
  }
});

test('whoever waits when the queue is taken away goes to the seats, and holds some', async () => {
  const show = await showOf('Unqueued', {});
  await operator('PATCH', `/v1/admin/shows/${show}/queue`, { state: 'PAUSED' });
  const somebody = await visit({ user: 'unqueued' });
  const { page } = somebody;
  await page.goto(`/waiting/${show}`);
  await page.getByText('Admission is paused').waitFor();
  assert.equal((await operator('PATCH', `/v1/admin/shows/${show}/queue`, { state: 'OFF' })).status, 200);
  await page.waitForURL(/\/seats$/);
  await page.getByRole('button', { name: 'Hold the best seats' }).click();
  await page.locator('.countdown').waitFor();
  await leave(somebody);
});

test('near the front, where the place changes every second, a screen reader is not given each', async () => {
  const somebody = await visit({ user: 'listener' });
  const { page } = somebody;
  let position = 9;
  await page.addInitScript(() => {
    window.read = [];
    window.shown = [];
    document.addEventListener('DOMContentLoaded', () => {
      const place = document.getElementById('place');
      new MutationObserver(() => {
        window.shown.push(place.textContent);
        if (place.closest('[aria-live]')?.getAttribute('aria-live') === 'polite') window.read.push(place.textContent);
      }).observe(place, { childList: true });
    });
  });
  const answer = async (route) => {
    if (!isPost(route) && !route.request().url().endsWith('/v1/queue')) return route.continue();
    return route.fulfill({
      json: { show_id: shows.stadium.id, token: 't', state: 'WAITING', position: position > 5 ? position-- : 5, eta_s: 9, refresh_interval_s: 1, number: 9, place: 0, queue_state: 'OPEN', opens_at: null, expires_at: null, admission: null },
    });
  };
  await page.route('**/v1/queue', answer);
  await page.route(`**/v1/shows/${shows.stadium.id}/queue`, answer);
  await page.goto(`/waiting/${shows.stadium.id}`);
  await page.getByText('You are number 5 in line').waitFor();
  const { read, shown } = await page.evaluate(() => ({ read: window.read, shown: window.shown }));
  assert.ok(shown.length >= 5, shown.join());
  assert.deepEqual(read, ['You are number 9 in line']);
  assert.equal(await page.locator('#lead').getAttribute('aria-live'), 'polite');
  await leave(somebody);
});

test('a hold that is refused as the turn is over leads back to the line at once', async () => {
  const somebody = await visit({ user: 'overdue', allowed: [/409.*\/v1\/reservations/] });
  const { page } = somebody;
  await enter(page, shows.hall.id);
  await refuse(page, '**/v1/reservations', refusal(409, 'queue_token_expired'));
  await page.getByRole('button', { name: 'Hold the best seats' }).click();
  await page.getByRole('heading', { name: 'Your turn is over' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'Take a place in line' }).first().getAttribute('href'), `/waiting/${shows.hall.id}`);
  await leave(somebody);
});

test('a place that has bought seats, perhaps on another device, leads to them, and is not said to have been slow', async () => {
  const isDone = async (page) => {
    const note = page.getByRole('alert').filter({ hasText: 'You have bought seats with this place' });
    await note.waitFor();
    assert.equal(await note.getByRole('link', { name: 'My tickets' }).getAttribute('href'), '/my/reservations');
    assert.equal(await note.getByRole('link', { name: 'Take a place in line' }).getAttribute('href'), `/waiting/${shows.hall.id}`);
    assert.equal(await page.getByText('had not chosen').count(), 0);
    await isAccessible(page);
  };
  const [refused, polled] = await Promise.all([visit({ user: 'done1', allowed: [/409.*\/v1\/reservations/] }), visit({ user: 'done2' })]);
  await enter(refused.page, shows.hall.id);
  await refuse(refused.page, '**/v1/reservations', refusal(409, 'session_not_active', { queue_state: 'COMPLETED' }));
  await refused.page.getByRole('button', { name: 'Hold the best seats' }).click();
  await isDone(refused.page);
  // Where nothing is pressed, asking now and then tells.
  await enter(polled.page, shows.hall.id);
  await polled.page.addInitScript(() => {
    const every = window.setInterval.bind(window);
    window.setInterval = (run, ms, ...more) => every(run, ms === 20_000 ? 200 : ms, ...more);
  });
  await polled.page.route('**/v1/queue', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), state: 'COMPLETED', admission: null } });
  });
  await polled.page.goto(`/shows/${shows.hall.id}/seats`);
  await isDone(polled.page);
  await polled.page.unrouteAll({ behavior: 'wait' });
  await Promise.all([leave(refused), leave(polled)]);
});

test('a map that was opened just before the sale begins is bought from once it has begun', async () => {
  const somebody = await visit({ user: 'early' });
  const { page } = somebody;
  let begun = false;
  await page.route(`**/v1/shows/${shows.hall.id}`, async (route) => {
    const response = await route.fetch();
    const show = await response.json();
    const announced = { ...show, state: 'ANNOUNCED', on_sale_at: new Date(Date.now() + 1_000).toISOString() };
    await route.fulfill({ response, json: begun ? show : announced });
  });
  await page.goto(`/shows/${shows.hall.id}/seats`);
  await page.getByText('These seats can only be looked at now').waitFor();
  begun = true;
  await page.getByRole('button', { name: 'Hold the best seats' }).waitFor();
  await leave(somebody);
});

test('a hold that needs another token gets one, and whoever is signed in is not asked to sign in', async () => {
  const somebody = await visit({ user: 'retokened', allowed: [/401.*\/v1\/reservations/] });
  const { page } = somebody;
  await enter(page, shows.hall.id);
  await refuse(page, '**/v1/reservations', refusal(401, 'queue_token_missing'), 1);
  const joined = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/queue'));
  await page.getByRole('button', { name: 'Hold the best seats' }).click();
  await joined;
  const note = page.getByRole('alert').filter({ hasText: 'Your place in line is being looked up again.' });
  await note.waitFor();
  assert.equal(await note.getByRole('link', { name: 'Sign in' }).count(), 0);
  await page.getByRole('button', { name: 'Hold the best seats' }).click();
  await page.locator('.countdown').waitFor();
  await leave(somebody);
});

test('seats that would leave one over alone are chosen still, and others are offered', async () => {
  const somebody = await visit({ user: 'orphan', allowed: [/409.*\/v1\/reservations/] });
  const { page } = somebody;
  await enter(page, shows.hall.id);
  const [seat, alone, other] = (await seatsOf(shows.hall.id)).filter((one) => one.state === 'free' && !one.accessible && !one.companion_of);
  await clickSeat(page, seat);
  const offer = { rung: 'row', seats: [{ seat_no: other.seat_no, label: other.label, price: other.price, category: other.category }], amount: other.price };
  await refuse(page, '**/v1/reservations', refusal(409, 'orphan_seat', { conflicts: [{ seat_no: alone.seat_no, label: alone.label, reason: 'orphan' }], alternative: offer }), 1);
  await page.getByRole('button', { name: /^Hold these seats/ }).click();
  await page.getByText('That would leave a single seat over.').waitFor();
  await page.locator('.chips li', { hasText: seat.label }).waitFor();
  await isAccessible(page);
  const asked = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/v1/reservations'));
  await page.getByRole('button', { name: 'Take these instead' }).click();
  assert.deepEqual((await asked).postDataJSON().seats, [other.seat_no]);
  await page.locator('.countdown').waitFor();
  await leave(somebody);
});

test('where seats go to the waitlist first, or are too few, the way leads to the concert’s page', async () => {
  const somebody = await visit({ user: 'toolate', allowed: [/409.*\/v1\/reservations/] });
  const { page } = somebody;
  for (const code of ['waitlist_first', 'not_enough_seats']) {
    await enter(page, shows.hall.id);
    await refuse(page, '**/v1/reservations', refusal(409, code), 1);
    await page.getByRole('button', { name: 'Hold the best seats' }).click();
    await page.getByRole('alert').getByRole('link', { name: 'To the concert’s page' }).click();
    await page.waitForURL(new RegExp(`/concerts/${shows.hall.concert.id}$`));
    await page.unrouteAll({ behavior: 'wait' });
  }
  await leave(somebody);
});

test('where one’s place on a waitlist can’t be looked up, that is said, and it can be tried again', async () => {
  const somebody = await visit({ user: 'unlisted', allowed: [/503.*\/v1\/waitlist/] });
  const { page } = somebody;
  let down = true;
  await page.route('**/v1/waitlist?*', (route) => (down ? route.fulfill(refusal(503, 'unavailable')) : route.continue()));
  await page.goto(`/concerts/${shows.soldOut.concert.id}`);
  const waitlist = page.getByRole('region', { name: 'Waitlist' });
  await waitlist.getByRole('alert').waitFor();
  await isAccessible(page);
  down = false;
  await waitlist.getByRole('button', { name: 'Try again' }).click();
  await waitlist.getByRole('button', { name: 'Tell me when seats come back' }).waitFor();
  assert.equal(await waitlist.getByRole('alert').count(), 0);
  await leave(somebody);
});

test('a ranking that can’t be had is not said to be empty', async () => {
  const somebody = await visit({ allowed: [/503.*\/v1\/rankings/] });
  const { page } = somebody;
  let asked = 0;
  let down = true;
  await page.route('**/v1/rankings?*', (route) => (++asked && down ? route.fulfill(refusal(503, 'unavailable')) : route.fulfill({ json: { items: [] } })));
  await page.goto('/');
  await page.locator('.ranking').waitFor();
  await until(() => asked > 1, 'the ranking to be asked for again');
  assert.equal(await page.getByText('Nobody has booked anything yet.').count(), 0);
  down = false;
  await page.reload();
  await page.getByText('Nobody has booked anything yet.').waitFor();
  await leave(somebody);
});

test('what is being asked for is not made another wish by a tap on the map', async () => {
  const somebody = await visit({ user: 'tapper' });
  const { page } = somebody;
  await enter(page, shows.hall.id);
  await page.getByRole('tab', { name: 'List' }).click();
  await page.getByRole('button', { name: /^Section/ }).first().click();
  await page.getByRole('button', { name: /^Row/ }).first().click();
  const free = page.getByRole('group', { name: /^Section.*Row/ }).getByRole('button', { name: /, free$/ });
  await free.first().click();
  let answer;
  const answered = new Promise((resolve) => (answer = resolve));
  const asked = [];
  await page.route('**/v1/reservations', async (route) => {
    asked.push(route.request().postDataJSON());
    await answered;
    await route.continue();
  });
  await page.getByRole('button', { name: /^Hold these seats/ }).click();
  await until(() => asked.length === 1, 'the seat to be asked for');
  await free.first().click();
  assert.equal(await page.locator('.chips li').count(), 1);
  // It says that it is, and nothing else does.
  assert.ok(await page.getByRole('button', { name: 'Holding the seats…' }).isDisabled());
  answer();
  await page.locator('.countdown').waitFor();
  assert.equal(asked.length, 1);
  await leave(somebody);
});

test('what is being asked for says so, until there is an answer', async () => {
  const somebody = await visit({ user: 'asker', allowed: [/409.*\/v1\/reservations/] });
  const { page } = somebody;
  await enter(page, shows.hall.id);
  let answer;
  const answered = new Promise((resolve) => (answer = resolve));
  await page.route('**/v1/reservations', (route) => answered.then(() => route.fulfill(refusal(409, 'not_enough_seats'))));
  await page.getByRole('button', { name: 'Hold the best seats' }).click();
  assert.ok(await page.getByRole('button', { name: 'Holding the seats…' }).isDisabled());
  answer();
  await page.getByRole('button', { name: 'Hold the best seats' }).waitFor();
  await leave(somebody);
});

test('a declined payment in a show’s grace time says that the seats stay, and they can be paid for', async () => {
  await fund('grace', 5_000);
  const { held } = await holdSeat('grace', await showOf('Patient', { grace_s: 600 }));
  const somebody = await visit({ user: 'grace', allowed: [/402.*\/confirm/] });
  const { page } = somebody;
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByText('Payment for trying out').click();
  await page.getByLabel('Answer of the provider').selectOption({ label: 'Decline' });
  await page.getByRole('button', { name: /^Pay/ }).click();
  await page.getByText('The seats stay held: try again').waitFor();
  assert.equal(await page.getByText('choose seats again').count(), 0);
  await page.locator('.countdown').waitFor();
  await page.reload();
  await page.getByText('The seats stay held: try again').waitFor();
  await page.getByRole('button', { name: /^Pay/ }).click();
  await page.getByRole('img', { name: 'QR code of this ticket' }).waitFor();
  await leave(somebody);
});

test('a payment whose answer was lost shows the ticket alone, and the keyboard is at the top of it', async () => {
  await fund('unheard', 5_000);
  const { held } = await holdSeat('unheard', await showOf('Unheard', {}));
  const somebody = await visit({ user: 'unheard', allowed: [/502.*\/confirm/] });
  const { page } = somebody;
  let tries = 0;
  let reads = 0;
  page.on('requestfinished', (request) => (reads += request.method() === 'GET' && request.url().endsWith(held.id) ? 1 : 0));
  await page.route('**/confirm', async (route) => {
    ++tries;
    await route.fetch();
    await route.fulfill({ status: 502, json: {} });
  });
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByRole('button', { name: /^Pay/ }).click();
  await page.getByRole('img', { name: 'QR code of this ticket' }).waitFor();
  await until(() => page.evaluate(() => document.activeElement?.id === 'content'), 'the keyboard to be on the page');
  await page.locator('[role=status]', { hasText: /^Paid$/ }).waitFor();
  // When it gives up, the reservation is read once more, and then it has failed.
  const before = reads;
  await until(() => tries === 5 && reads > before, 'the command to give up');
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  assert.equal(await page.getByRole('alert').count(), 0);
  await leave(somebody);
});

test('a hold that another page has paid for is not given back by one that is behind', async () => {
  await fund('behind', 5_000);
  const { call, held } = await holdSeat('behind', await showOf('Behind', { cancel_fee_percent: 10 }));
  const somebody = await visit({ user: 'behind', allowed: [/409.*\/cancel/] });
  const { page } = somebody;
  let behind = true;
  await page.route(`**/v1/reservations/${held.id}`, (route) => (behind ? route.fulfill({ json: held }) : route.continue()));
  await page.route('**/cancel', (route) => {
    behind = false;
    return route.continue();
  });
  await page.goto(`/my/reservations/${held.id}`);
  await page.locator('.countdown').waitFor();
  assert.equal((await call('POST', `/v1/reservations/${held.id}/confirm`, {}, { 'Idempotency-Key': 'pay-behind' })).status, 200);
  await page.getByRole('button', { name: 'Give the seats back' }).click();
  await page.getByRole('img', { name: 'QR code of this ticket' }).waitFor();
  assert.equal((await call('GET', `/v1/reservations/${held.id}`)).body.state, 'CONFIRMED');
  await leave(somebody);
});

test('money that comes in meanwhile can be paid with, and until then the seats stay held', async () => {
  const { held } = await holdSeat('poor', await showOf('Meanwhile', {}));
  const somebody = await visit({ user: 'poor', allowed: [/402.*\/confirm/] });
  const { page } = somebody;
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByText('₩1,000 is missing.').waitFor();
  await page.getByRole('button', { name: /^Pay/ }).click();
  await page.getByText('The balance is too low.').waitFor();
  // Of which this page hears nothing.
  await fund('poor', 5_000);
  await page.getByRole('button', { name: /^Pay/ }).click();
  await page.getByRole('img', { name: 'QR code of this ticket' }).waitFor();
  await leave(somebody);
});

test('seats that were given back by a show’s cancellation are told so, and lead to no seats of it', async () => {
  const show = await showOf('Drowned', {});
  const { held } = await holdSeat('wet', show);
  const somebody = await visit({ user: 'wet' });
  const { page } = somebody;
  await operator('POST', `/v1/admin/shows/${show}/cancel`, { reason: 'storm' });
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByText('This show is cancelled.').waitFor();
  assert.equal(await page.getByRole('link', { name: 'Choose seats again' }).count(), 0);
  await leave(somebody);
});

test('a page that nobody sees has no stream, and catches up when it is seen', async () => {
  const show = await showOf('Unseen', {});
  const somebody = await visit({});
  const { page } = somebody;
  const streams = [];
  const ended = [];
  const isStream = (request) => request.url().includes(`/v1/shows/${show}/seats/events`);
  page.on('request', (request) => isStream(request) && streams.push(new URL(request.url()).searchParams.get('from')));
  for (const how of ['requestfailed', 'requestfinished']) page.on(how, (request) => isStream(request) && ended.push(request));
  await page.goto(`/shows/${show}/seats?view`);
  await page.getByRole('tab', { name: 'List' }).click();
  await page.getByText('Live', { exact: true }).waitFor();
  const see = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await see(true);
  await until(() => ended.length === 1, 'the stream to end');
  const { held } = await holdSeat('unseen', show);
  assert.equal(streams.length, 1);
  await see(false);
  await page.getByText('Live', { exact: true }).waitFor();
  const seat = (await seatsOf(show)).find((one) => one.seat_no === held.seats[0].seat_no);
  await page.getByRole('button', { name: new RegExp(`^Row ${seat.row}`) }).click();
  await page.getByRole('button', { name: new RegExp(`^${seat.number}, .*in a basket`) }).waitFor();
  assert.equal(streams.length, 2);
  assert.ok(streams[1]);
  await leave(somebody);
});

test('where buyers do not top up by themselves, the wallet says who does', async () => {
  const somebody = await visit({ user: 'penniless' });
  const { page } = somebody;
  await page.route('**/v1/session', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), self_service: false } });
  });
  await page.goto('/my/wallet');
  await page.getByText('put into the wallet by the box office').waitFor();
  assert.equal(await page.getByRole('button', { name: /^Top up/ }).count(), 0);
  await isAccessible(page);
  await leave(somebody);
});

test('a cancellation that is refused after its dialog was closed is told all the same', async () => {
  await fund('closer', 5_000);
  const { call, held } = await holdSeat('closer', await showOf('Closer', {}));
  assert.equal((await call('POST', `/v1/reservations/${held.id}/confirm`, {}, { 'Idempotency-Key': 'pay-closer' })).status, 200);
  const somebody = await visit({ user: 'closer', allowed: [/409.*\/cancel/] });
  const { page } = somebody;
  let answer;
  const closed = new Promise((resolve) => (answer = resolve));
  await page.route('**/cancel', (route) => closed.then(() => route.fulfill(refusal(409, 'cancel_deadline_passed'))));
  await page.goto(`/my/reservations/${held.id}`);
  await page.getByRole('button', { name: 'Cancel and get the money back' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Yes, cancel', disabled: false }).click();
  await dialog.getByRole('button', { name: 'Keep it' }).click();
  await dialog.waitFor({ state: 'hidden' });
  answer();
  await page.getByRole('alert').getByText('It is too late to cancel this ticket.').waitFor();
  await leave(somebody);
});
