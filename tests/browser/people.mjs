// What people do at their browsers, for the tests: whoever visits a system, and how they get about.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { person, seatPoint, signedIn, violations } from './system.mjs';

export function gather(system, browser) {
  const visit = (options) => person(browser, system.url, options);

  async function leave({ context, errors }) {
    await context.close();
    assert.deepEqual(errors, [], 'the console has errors');
  }

  async function seatsOf(show) {
    let answer;
    await until(async () => (answer = await fetch(`${system.url}/v1/shows/${show}/seats`)).ok, 'the seats to be told');
    return (await answer.json()).items;
  }

  async function fund(user, amount) {
    const call = await signedIn(system.url, user);
    await call('POST', '/v1/wallet/charges', { amount, currency: 'KRW' }, { 'Idempotency-Key': `fund-${user}` });
  }

  // Seats that somebody holds, made without a browser.
  async function holdSeat(user, show, count = 1) {
    const call = await signedIn(system.url, user);
    let turn = (await call('POST', `/v1/shows/${show}/queue`)).body;
    for (let tried = 0; turn.state !== 'ACTIVE' && tried < 600; ++tried) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      turn = (await call('GET', '/v1/queue', undefined, { 'X-Queue-Token': turn.token })).body;
    }
    const held = await call('POST', '/v1/reservations', { show_id: show, best_available: { count } }, { 'Idempotency-Key': `hold-${user}`, 'X-Queue-Token': turn.token });
    assert.equal(held.status, 201, JSON.stringify(held.body));
    return { call, held: held.body };
  }

  // A show of ten seats, tomorrow and for 1,000 minor units each unless `terms` say otherwise. Those of one title are of one concert.
  async function showOf(title, terms) {
    const operator = await signedIn(system.url, 'olga', 'operator');
    const concert = await operator('POST', '/v1/admin/concerts', { title, artist: '', venue: 'Hall' }, { 'Idempotency-Key': `concert-${encodeURIComponent(title)}` });
    const made = await operator('POST', '/v1/admin/shows', {
      concert_id: concert.body.id, starts_at: inDays(1), currency: 'KRW',
      grid: [{ name: 'A', rows: 2, seats_per_row: 5, category: 'R' }], prices: { R: 1_000 }, ...terms,
    }, { 'Idempotency-Key': randomUUID() });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    return made.body.id;
  }

  return { visit, leave, seatsOf, fund, holdSeat, showOf };
}

export const inDays = (days) => new Date(Date.now() + days * 86_400_000).toISOString();

// Waits until it holds. (Playwright's waitForFunction needs eval, which the pages' Content-Security-Policy forbids.)
export async function until(holds, what) {
  for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (await holds()) return;
    if (Date.now() > end) assert.fail(`waited in vain: ${what}`);
  }
}

const kTries = 5; // of one press, as boxoffice-sdk has it

// Of the first command to this address all answers are lost, though it is done. The keys with which it and the next ones come.
export async function loseFirstAnswers(page, address) {
  const keys = [];
  await page.route(address, async (route) => {
    keys.push(route.request().headers()['idempotency-key']);
    if (keys.length > kTries) return route.continue();
    await route.fetch();
    await route.fulfill({ status: 502, json: {} });
  });
  return keys;
}

export const areOneWish = (keys) => assert.deepEqual(keys, Array(kTries + 1).fill(keys[0]));

export async function isAccessible(page) {
  assert.deepEqual(await violations(page), [], page.url());
}

// From the show's page through the waiting room to the seats.
export async function enter(page, show) {
  await page.goto(`/waiting/${show}`);
  await page.waitForURL(/\/seats$/);
  await page.locator('.map canvas[data-view]').waitFor();
  await page.locator('.turn, .best').first().waitFor();
}

export async function clickSeat(page, seat) {
  const at = await seatPoint(page, seat);
  await page.mouse.click(at.x, at.y);
  await page.locator('.chips li', { hasText: seat.label }).waitFor();
}

// Presses Tab until what is wanted has the focus, as somebody without a mouse does.
export async function tabTo(page, wanted) {
  await wanted.waitFor();
  for (let i = 0; i < 150; ++i) {
    if (await wanted.evaluate((element) => element === document.activeElement).catch(() => false)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`the keyboard does not get to ${wanted}`);
}

// Two ways to do the same. What can't be done yet is waited for: a button that is disabled has no focus.
export const hands = {
  mouse: (page) => ({
    press: (role, name) => page.getByRole(role, { name, disabled: false }).first().click(),
    async write(role, name, text) {
      await page.getByRole(role, { name }).first().click();
      await page.keyboard.type(text);
    },
    choose: (label, option) => page.getByLabel(label).selectOption(option),
  }),
  keyboard: (page) => ({
    async press(role, name, key = 'Enter') {
      await tabTo(page, page.getByRole(role, { name, disabled: false }).first());
      await page.keyboard.press(key);
    },
    async write(role, name, text) {
      await tabTo(page, page.getByRole(role, { name }).first());
      await page.keyboard.type(text);
    },
    async choose(label, option) {
      await tabTo(page, page.getByLabel(label));
      await page.keyboard.type(option);
    },
  }),
};
