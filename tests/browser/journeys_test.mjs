// What happens to buyers in a real browser against a real system when it does not go straight: races, refusals, lost
// connections, holds that end. Run it by itself with `node journeys_test.mjs`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clickSeat, enter, gather, isAccessible, until } from './people.mjs';
import { demoShows, signedIn, startBrowser, startSystem } from './system.mjs';

let system;
let browser;
let shows;
let operator;
let visit, leave, seatsOf, fund, holdSeat; // people.mjs
let expiring; // somebody who holds a seat and does nothing, from the beginning

// A show whose holds end after a minute, the least that there is.
async function showOfShortHolds() {
  const concert = await operator('POST', '/v1/admin/concerts', { title: 'Short Holds', artist: '', venue: 'Hall' }, { 'Idempotency-Key': 'concert' });
  const made = await operator('POST', '/v1/admin/shows', {
    concert_id: concert.body.id, starts_at: new Date(Date.now() + 86_400_000).toISOString(), currency: 'KRW', hold_ttl_s: 60,
    grid: [{ name: 'A', rows: 2, seats_per_row: 5, category: 'R' }], prices: { R: 1_000 },
  }, { 'Idempotency-Key': 'show' });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body.id;
}

before(async () => {
  system = await startSystem();
  browser = await startBrowser();
  ({ visit, leave, seatsOf, fund, holdSeat } = gather(system, browser));
  shows = await demoShows(system.url);
  operator = await signedIn(system.url, 'olga', 'operator');
  const { held } = await holdSeat('slow', await showOfShortHolds());
  expiring = await visit({ user: 'slow' });
  await expiring.page.goto(`/my/reservations/${held.id}`);
  await expiring.page.locator('.countdown').waitFor();
});
after(async () => {
  await browser?.close();
  await system?.stop();
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

test('two wait, one reloads and loses the connection, and both see the operator pause and open the queue', async () => {
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
  await page.getByText('Admission is paused').waitFor({ timeout: 40_000 });
  await other.page.getByText('입장이 잠시 멈췄습니다').waitFor({ timeout: 40_000 });
  await queue.getByText('Paused', { exact: true }).waitFor();
  await page.reload();
  await page.getByText('You are number 2 in line').waitFor();
  await buyer.context.setOffline(true);
  await page.getByText('The connection is lost').waitFor({ timeout: 40_000 });
  await buyer.context.setOffline(false);
  await page.getByText('The connection is lost').waitFor({ state: 'hidden' });
  assert.equal(await page.getByText('You are number 2 in line').count(), 1);
  await queue.getByLabel('Choosing at most').fill('1000');
  await queue.getByRole('button', { name: 'Save' }).click();
  await queue.getByText('Saved.').waitFor();
  await queue.getByRole('button', { name: 'Open', exact: true }).click();
  await Promise.all([page, other.page].map((one) => one.waitForURL(/\/seats$/, { timeout: 60_000 })));
  await Promise.all([leave(buyer), leave(other), leave(chief)]);
});

test('a sold-out show has a waitlist, and a cancelled one says so', async () => {
  const somebody = await visit({ user: 'late' });
  const { page } = somebody;
  await page.goto(`/concerts/${shows.soldOut.concert.id}`);
  await page.getByRole('button', { name: 'Tell me when seats come back' }).click();
  await page.getByText('You are the next on the waitlist.').waitFor();
  await isAccessible(page);
  await page.getByRole('button', { name: 'Leave the waitlist' }).click();
  await page.getByRole('button', { name: 'Tell me when seats come back' }).waitFor();
  await page.goto(`/concerts/${shows.cancelled.concert.id}`);
  await page.getByText('This show is cancelled.').waitFor();
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

// Last, as it takes a minute that the others have filled.
test('a hold that ends says so while one looks, and nothing is charged', async () => {
  await expiring.page.getByText('The time ran out, and nothing was charged.').waitFor({ timeout: 90_000 });
  await expiring.page.getByRole('link', { name: 'Choose seats again' }).waitFor();
  await isAccessible(expiring.page);
  await leave(expiring);
});
