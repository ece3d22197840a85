// What people do at their browsers, for the tests: whoever visits a system, and how they get about.
import assert from 'node:assert/strict';
import { person, seatPoint, signedIn, violations } from './system.mjs';

export function gather(system, browser) {
  const visit = (options) => person(browser, system.url, options);

  async function leave({ context, errors }) {
    await context.close();
    assert.deepEqual(errors, [], 'the console has errors');
  }

  async function seatsOf(show) {
    return (await (await fetch(`${system.url}/v1/shows/${show}/seats`)).json()).items;
  }

  async function fund(user, amount) {
    const call = await signedIn(system.url, user);
    await call('POST', '/v1/wallet/charges', { amount, currency: 'KRW' }, { 'Idempotency-Key': `fund-${user}` });
  }

  // Seats that somebody holds, made without a browser.
  async function holdSeat(user, show) {
    const call = await signedIn(system.url, user);
    let turn = (await call('POST', `/v1/shows/${show}/queue`)).body;
    for (let tried = 0; turn.state !== 'ACTIVE' && tried < 100; ++tried) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      turn = (await call('GET', '/v1/queue', undefined, { 'X-Queue-Token': turn.token })).body;
    }
    const held = await call('POST', '/v1/reservations', { show_id: show, best_available: { count: 1 } }, { 'Idempotency-Key': `hold-${user}`, 'X-Queue-Token': turn.token });
    assert.equal(held.status, 201, JSON.stringify(held.body));
    return { call, held: held.body };
  }

  return { visit, leave, seatsOf, fund, holdSeat };
}

// Waits until it holds. (Playwright's waitForFunction needs eval, which the pages' Content-Security-Policy forbids.)
export async function until(holds, what) {
  for (const end = Date.now() + 20_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (await holds()) return;
    if (Date.now() > end) assert.fail(`waited in vain: ${what}`);
  }
}

// Of the commands to this address the first is done, and its answer lost. The keys with which they come.
export async function loseFirstAnswer(page, address) {
  const keys = [];
  await page.route(address, async (route) => {
    keys.push(route.request().headers()['idempotency-key']);
    if (keys.length > 1) return route.continue();
    await route.fetch();
    await route.fulfill({ status: 502, json: {} });
  });
  return keys;
}

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
