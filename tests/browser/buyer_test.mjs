// The buyer's whole way, in each language by mouse and by keyboard alone: from the list of concerts over signing in, the
// waiting room, seats, a balance that is too low, paying and the ticket, to the money back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { enter, gather, hands, inDays, isAccessible, until } from './people.mjs';
import { demoShows, seatPoint, startBrowser, startSystem, wordsOf } from './system.mjs';

let system;
let browser;
let hall;
let cancelled;
let people;

before(async () => {
  system = await startSystem();
  browser = await startBrowser();
  ({ hall, cancelled } = await demoShows(system.url));
  people = gather(system, browser);
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

// Of "한국어 · English".
const nameIn = (language, name) => name.split(' · ')[language === 'ko' ? 0 : 1];

// Two free seats beside each other that nobody else of this file takes.
async function neighbours(nth) {
  const free = (await people.seatsOf(hall.id)).filter((seat) => seat.state === 'free' && !seat.accessible && !seat.companion_of);
  const byRow = new Map();
  for (const seat of free) {
    const row = `${seat.section}/${seat.row}`;
    byRow.set(row, [...(byRow.get(row) ?? []), seat]);
  }
  return [...byRow.values()].filter((row) => row.length > 8)[nth].slice(0, 2);
}

// What is paid for, or given back, is so of a day and a place.
async function saysWhenAndWhere(page, language) {
  await page.getByText(nameIn(language, hall.concert.venue), { exact: true }).waitFor();
  await page.getByText(/\b0?7:30/).waitFor();
}

const ways = {
  // On the map.
  async mouse(page, t, seats) {
    for (const seat of seats) {
      const at = await seatPoint(page, seat);
      await page.mouse.click(at.x, at.y);
    }
  },
  // In the list: section, row, seats.
  async keyboard(page, t, seats) {
    const { press } = hands.keyboard(page);
    await press('tab', t.map, 'ArrowRight');
    await press('button', new RegExp(`^${t.section(seats[0].section)}`));
    await press('button', new RegExp(`^${t.row(seats[0].row)} `));
    for (const seat of seats) await press('button', new RegExp(`^${seat.number}, .*${t.seatFree}`));
  },
};

async function buy(page, t, { language, input, user, seats }) {
  const { press, write } = hands[input](page);
  const title = nameIn(language, hall.concert.title);
  await page.goto('/');
  await page.getByRole('heading', { name: title }).waitFor();
  await write('searchbox', t.search, title);
  await until(async () => (await page.locator('.card').count()) === 1, 'one concert to be left');
  await isAccessible(page);
  await press('link', title);
  await page.locator('.availability').waitFor();
  await until(() => page.evaluate(() => document.activeElement?.id === 'content'), 'the keyboard to be at the top of the new page');
  await isAccessible(page);
  await press('link', t.buy);
  // Nobody is signed in yet, so that comes first and leads back.
  await page.waitForURL(/\/sign-in/);
  await isAccessible(page);
  await write('textbox', t.signInName, user);
  await press('button', new RegExp(`^${t.signIn}$`));
  await page.waitForURL(/\/shows\/\d+\/seats$/);
  await page.locator('.turn').waitFor();
  await ways[input](page, t, seats);
  await page.locator('.chips li').nth(1).waitFor();
  await isAccessible(page);
  await press('button', new RegExp(`^${t.hold}`));
  await page.locator('.countdown').waitFor();
  await saysWhenAndWhere(page, language);
}

async function pay(page, t, { input, user, price }) {
  const { press } = hands[input](page);
  const money = `₩${price.toLocaleString('en')}`;
  await page.getByText(t.missing(money)).waitFor();
  await isAccessible(page);
  await press('button', t.topUpBy(money));
  await page.getByText(t.missing(money)).waitFor({ state: 'hidden' });
  await press('button', t.payNow(money));
  await page.getByRole('img', { name: t.ticketQr }).waitFor();
  await isAccessible(page);
  const [calendar] = await Promise.all([page.waitForEvent('download'), press('button', t.calendar)]);
  assert.equal(calendar.suggestedFilename(), 'ticket.ics');
}

async function giveBack(page, t, { language, input, price }) {
  const { press } = hands[input](page);
  await press('button', t.cancel);
  await page.getByRole('dialog').waitFor();
  await isAccessible(page);
  await press('button', t.cancelYes);
  await page.locator('.state.CANCELLED').waitFor();
  await saysWhenAndWhere(page, language);
  await press('link', t.tickets);
  await page.locator('.tickets li').waitFor();
  await isAccessible(page);
  await press('link', t.wallet);
  await page.locator('.entries li', { hasText: t.entryKind.refund }).waitFor();
  assert.equal(await page.locator('.entries li').count(), 3);
  await page.locator('.entries li', { hasText: `-₩${price.toLocaleString('en')}` }).waitFor();
  await isAccessible(page);
}

let nth = 0;
for (const language of ['en', 'ko']) {
  for (const input of ['mouse', 'keyboard']) {
    test(`from a concert to the ticket and the money back, by ${input}, in ${language}`, async () => {
      const t = await wordsOf(language);
      const seats = await neighbours(nth++);
      const somebody = await people.visit({ language, colorScheme: language === 'ko' ? 'dark' : 'light' });
      // Who has the list needs no canvas.
      if (input === 'keyboard') await somebody.page.addInitScript(() => { HTMLCanvasElement.prototype.getContext = () => null; });
      const way = { language, input, seats, user: `${input}-${language}`, price: seats.reduce((sum, seat) => sum + seat.price, 0) };
      await buy(somebody.page, t, way);
      await pay(somebody.page, t, way);
      await giveBack(somebody.page, t, way);
      const isFree = async () => (await people.seatsOf(hall.id)).filter((seat) => seats.some((one) => one.seat_no === seat.seat_no)).every((seat) => seat.state === 'free');
      await until(isFree, 'both seats to be free');
      await people.leave(somebody);
    });
  }
}

test('by touch on a phone, a seat is tapped, held and given back', async () => {
  const t = await wordsOf('ko');
  const somebody = await people.visit({ user: 'finger', language: 'ko', viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const { page } = somebody;
  await page.goto(`/waiting/${hall.id}`);
  await page.locator('.turn').waitFor();
  await page.locator('.map canvas[data-view]').waitFor();
  const [seat] = await neighbours(nth++);
  // Where seats are too small to be hit, a tap goes nearer to their section.
  const canvas = page.locator('.map canvas');
  const before = await canvas.getAttribute('data-view');
  let at = await seatPoint(page, seat);
  await page.touchscreen.tap(at.x, at.y);
  await until(async () => (await canvas.getAttribute('data-view')) !== before, 'the map to go nearer');
  at = await seatPoint(page, seat);
  await page.touchscreen.tap(at.x, at.y);
  await page.locator('.chips li', { hasText: seat.label }).waitFor();
  await page.getByRole('button', { name: new RegExp(`^${t.hold}`) }).tap();
  await page.locator('.countdown').waitFor();
  await isAccessible(page);
  await page.getByRole('button', { name: t.giveBack }).tap();
  await page.locator('.state.RELEASED').waitFor();
  await people.leave(somebody);
});

test('a map to look at takes no choice', async () => {
  const t = await wordsOf('en');
  const somebody = await people.visit({ user: 'looker' });
  const { page } = somebody;
  await page.goto(`/shows/${hall.id}/seats?view`);
  await page.getByText(t.viewOnly).waitFor();
  await page.locator('.map canvas[data-view]').waitFor();
  const [seat] = await neighbours(0);
  const at = await seatPoint(page, seat);
  await page.mouse.click(at.x, at.y);
  const tip = page.locator('.tip', { hasText: seat.label });
  await tip.waitFor();
  assert.ok((await tip.textContent()).endsWith(t.seatFree), await tip.textContent());
  assert.equal(await page.locator('.chosen').count(), 0);
  await people.leave(somebody);
});

test('whoever has left the seats while a place was asked for is not taken to the line', async () => {
  const t = await wordsOf('en');
  const somebody = await people.visit({ user: 'leaver' });
  const { page } = somebody;
  await enter(page, hall.id);
  await page.getByRole('link', { name: t.tickets }).click();
  await page.getByText(t.noTickets).waitFor();
  const address = `**/v1/shows/${hall.id}/queue`;
  let join;
  await page.route(address, (route) => (route.request().method() === 'POST' ? (join = route) : route.continue()));
  const rooms = [];
  page.on('request', (request) => request.url().includes('/waiting/') && rooms.push(request.url()));
  await page.goBack();
  await until(() => join !== undefined, 'a place to be asked for');
  await page.goForward();
  await page.getByText(t.noTickets).waitFor();
  const json = { show_id: hall.id, token: 't', state: 'WAITING', position: 9, eta_s: 60, refresh_interval_s: 5, number: 9, place: 0, queue_state: 'OPEN', opens_at: null, expires_at: null, admission: null };
  const [answer] = await Promise.all([page.waitForResponse(address), join.fulfill({ json })]);
  await answer.finished();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  assert.deepEqual([new URL(page.url()).pathname, rooms], ['/my/reservations', []]);
  await people.leave(somebody);
});

test('what is held takes the place of the seats in the history, so that going back from it asks for no new place in line', async () => {
  const somebody = await people.visit({ user: 'back' });
  const { page } = somebody;
  await enter(page, hall.id);
  const pages = await page.evaluate(() => history.length);
  await page.getByRole('button', { name: 'Hold the best seats' }).click();
  await page.locator('.countdown').waitFor();
  assert.equal(await page.evaluate(() => history.length), pages);
  await people.leave(somebody);
});

test('a browser that lacks what is newer than ES2022 signs in, draws the map, and holds seats', async () => {
  const somebody = await people.visit({});
  const { page } = somebody;
  await page.addInitScript(() => {
    delete URL.canParse;
    delete CanvasRenderingContext2D.prototype.roundRect;
    delete AbortSignal.timeout;
  });
  const show = await people.showOf('Staged', { stage: { x: 2, y: -3 } });
  await page.goto(`/waiting/${show}`);
  await page.getByRole('button', { name: /^jun/ }).click();
  await page.waitForURL(/\/seats$/);
  await page.locator('.map canvas[data-view]').waitFor();
  assert.deepEqual(await page.evaluate(() => [typeof URL.canParse, typeof AbortSignal.timeout, 'roundRect' in CanvasRenderingContext2D.prototype]), ['undefined', 'undefined', false]);
  await page.getByRole('button', { name: 'Hold the best seats' }).click();
  await page.locator('.countdown').waitFor();
  await people.leave(somebody);
});

test('with more prices than a byte counts, a filter takes out the seats of its own', async () => {
  const t = await wordsOf('en');
  const lines = Array.from({ length: 257 }, (_, i) => `S${i},1,1,P${i}`);
  const prices = Object.fromEntries(lines.map((_, i) => [`P${i}`, 1_000]));
  const show = await people.showOf('Each its own', { grid: undefined, seating_csv: ['section,row,number,category', ...lines].join('\n'), prices });
  const seats = await people.seatsOf(show);
  const [first, last] = [seats[0], seats[256]];
  const somebody = await people.visit({});
  const { page } = somebody;
  await page.goto(`/shows/${show}/seats?view`);
  await page.getByRole('tab', { name: t.list }).click();
  const section = (seat) => page.getByText(t.section(seat.section), { exact: true });
  await section(first).waitFor();
  await page.getByRole('checkbox', { name: new RegExp(`^${first.category} `) }).uncheck();
  await section(first).waitFor({ state: 'hidden' });
  assert.equal(await section(last).count(), 1);
  await people.leave(somebody);
});

test('of a cancelled show nothing is free and nothing is live', async () => {
  const t = await wordsOf('en');
  const somebody = await people.visit({});
  const { page } = somebody;
  // The show is asked for beside its map: here its seats are followed before it is told that it is cancelled.
  const isStream = (request) => request.url().includes(`/v1/shows/${cancelled.id}/seats/events`);
  const ended = [];
  for (const how of ['requestfailed', 'requestfinished']) page.on(how, (request) => isStream(request) && ended.push(request));
  const followed = page.waitForRequest(isStream);
  await page.route(`**/v1/shows/${cancelled.id}`, (route) => followed.then(() => route.continue()));
  await page.goto(`/shows/${cancelled.id}/seats`);
  await page.getByText(t.errors.show_cancelled).waitFor();
  await until(() => ended.length === 1, 'the stream to end');
  assert.equal(await page.locator('.map, .live').count(), 0);
  await isAccessible(page);
  await people.leave(somebody);
});

test('the time to pay never begins with more than there is', async () => {
  const { held } = await people.holdSeat('counted', await people.showOf('Counted', {}));
  const somebody = await people.visit({ user: 'counted' });
  const { page } = somebody;
  await page.addInitScript(() => {
    window.timers = [];
    const note = () => window.timers.push(...[...document.querySelectorAll('[role=timer]')].map((one) => one.textContent));
    document.addEventListener('DOMContentLoaded', () => new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true }));
  });
  // The server's clock is told in whole seconds: here nine tenths of one are not told.
  const told = Math.ceil(Date.now() / 1_000) * 1_000 + 60_000;
  const body = { ...held, hold_expires_at: new Date(told + 300_900).toISOString() };
  await page.route(`**/v1/reservations/${held.id}`, (route) => route.fulfill({ json: body, headers: { date: new Date(told).toUTCString() } }));
  await page.goto(`/my/reservations/${held.id}`);
  await until(() => page.evaluate(() => window.timers.length > 0), 'the time to be told');
  const timers = await page.evaluate(() => window.timers);
  assert.ok(timers.every((one) => one <= '5:00'), timers.join());
  await people.leave(somebody);
});

test('a concert of many shows is a list of dates, each of which opens', async () => {
  let show;
  for (let day = 1; day <= 7; ++day) show = await people.showOf('Residency', { starts_at: inDays(5 * day) });
  const { concert_id } = await (await fetch(`${system.url}/v1/shows/${show}`)).json();
  const somebody = await people.visit({});
  const { page } = somebody;
  await page.goto(`/concerts/${concert_id}`);
  const dates = page.getByRole('button', { expanded: false });
  await until(async () => (await dates.count()) === 7, 'the dates');
  assert.equal(await page.locator('.panel.show').count(), 0);
  await isAccessible(page);
  await dates.nth(2).click();
  await page.getByRole('link', { name: 'Buy tickets' }).waitFor();
  assert.equal(await page.locator('.panel.show').count(), 1);
  await isAccessible(page);
  await people.leave(somebody);
});
