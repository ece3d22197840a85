// What operators do at the console for single buyers: a reservation, a wallet, a place on a waitlist, seats kept for a channel.
// Run it by itself with `node desk_test.mjs`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { areOneWish, gather, hands, inDays, isAccessible, loseFirstAnswers, until } from './people.mjs';
import { signedIn, startBrowser, startSystem } from './system.mjs';

let system;
let browser;
let operator;
let visit, leave, seatsOf, fund, holdSeat, showOf; // people.mjs

before(async () => {
  system = await startSystem();
  browser = await startBrowser();
  ({ visit, leave, seatsOf, fund, holdSeat, showOf } = gather(system, browser));
  operator = await signedIn(system.url, 'olga', 'operator');
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

const atConsole = (options = {}) => visit({ user: 'olga', role: 'operator', ...options });

// Seats that somebody has paid for, of a show of their own.
async function buySeats(user, terms, count) {
  await fund(user, 5_000);
  const show = await showOf(user, terms);
  const { call, held } = await holdSeat(user, show, count);
  assert.equal((await call('POST', `/v1/reservations/${held.id}/confirm`, {}, { 'Idempotency-Key': `pay-${user}` })).status, 200);
  return { call, held, show };
}

// What is asked for in a dialog and refused when that is closed already is told on the page.
async function isToldOutside(page, dialog, address, yes, no) {
  let answer;
  const closed = new Promise((resolve) => (answer = resolve));
  await page.route(address, (route) => closed.then(() => route.fulfill({ status: 409, json: { code: 'reservation_state' } })));
  await dialog.getByRole('textbox').first().fill('too late');
  await dialog.getByRole('button', { name: yes }).click();
  await dialog.getByRole('button', { name: no }).click();
  await dialog.waitFor({ state: 'hidden' });
  answer();
  await page.getByRole('alert').getByText('This has changed meanwhile.').waitFor();
  await page.unroute(address);
}

const balanceOf = async (user) => (await operator('GET', `/v1/admin/wallets/${user}`)).body.balances[0].amount;
const reservationOf = async (id) => (await operator('GET', `/v1/admin/reservations/${id}`)).body;

test('a buyer’s seat is cancelled for them without the fee, once, and then the other one', async () => {
  const { held } = await buySeats('cara', { cancel_fee_percent: 10 }, 2);
  const [gone, kept] = held.seats;
  const chief = await atConsole({ allowed: [/502.*\/cancel/] });
  const { page } = chief;
  await page.goto(`/operator/sagas/${held.id}`);
  await page.getByRole('button', { name: 'Cancel this reservation' }).click();
  const dialog = page.getByRole('dialog', { name: 'Cancel it for its buyer?' });
  await dialog.getByText('₩2,000 is paid back').waitFor();
  await dialog.getByRole('checkbox', { name: kept.label }).uncheck();
  await dialog.getByText('₩1,000 is paid back').waitFor();
  const yes = dialog.getByRole('button', { name: 'Cancel it' });
  assert.ok(await yes.isDisabled(), 'without a reason');
  await dialog.getByLabel('Reason (recorded)').fill('a pillar');
  await isAccessible(page);
  // The first answers are lost on their way.
  const keys = [];
  await page.route('**/v1/admin/reservations/*/cancel', async (route) => {
    keys.push(route.request().headers()['idempotency-key']);
    if (keys.length > 2) return route.continue();
    await route.fetch();
    await route.fulfill({ status: 502, json: {} });
  });
  await yes.click();
  await dialog.waitFor({ state: 'hidden' });
  assert.deepEqual(keys, Array(3).fill(keys[0]));
  await page.getByText('Done.').waitFor();
  await page.getByText('olga: a pillar').waitFor();
  const half = await reservationOf(held.id);
  assert.deepEqual([half.state, half.fees, half.seats.map((seat) => seat.seat_no)], ['CONFIRMED', 0, [kept.seat_no]]);
  assert.equal(await balanceOf('cara'), 4_000);
  await until(async () => (await seatsOf(held.show_id)).find((seat) => seat.seat_no === gone.seat_no).state === 'free', 'the seat to be free');

  await page.getByRole('button', { name: 'Cancel this reservation' }).click();
  assert.equal(await dialog.getByRole('checkbox').count(), 0, 'of one seat there is nothing to choose');
  await dialog.getByLabel('Reason (recorded)').fill('another pillar');
  await yes.click();
  await page.locator('h1 .state', { hasText: 'Cancelled' }).waitFor();
  await page.getByRole('button', { name: 'Cancel this reservation' }).waitFor({ state: 'hidden' });
  await until(() => page.evaluate(() => document.activeElement?.id === 'content'), 'the keyboard to be on the page');
  assert.equal(await balanceOf('cara'), 5_000);
  await leave(chief);
});

test('what the provider refuses to give back is listed with its code, and settled outside with a reason that is kept', async () => {
  await fund('dora', 5_000);
  const { call, held } = await holdSeat('dora', await showOf('dora', {}), 1);
  assert.equal((await call('POST', `/v1/reservations/${held.id}/confirm`, { payment_method: 'sandbox:refund_refused' }, { 'Idempotency-Key': 'pay-dora' })).status, 200);
  assert.equal((await operator('POST', `/v1/admin/reservations/${held.id}/cancel`, { reason: 'ill' }, { 'Idempotency-Key': 'cancel-dora' })).status, 202);
  const chief = await atConsole({ allowed: [/409.*\/settle-outside/] });
  const { page } = chief;
  await page.goto('/operator/sagas');
  const list = page.getByRole('region', { name: 'Payments that the provider does not give back' });
  await list.getByRole('row', { name: /dora.*₩1,000 charge_disputed/ }).waitFor();
  await isAccessible(page);
  await list.getByRole('link', { name: held.id }).click();
  await page.locator('.facts').getByText(/refund_refused charge_disputed/).waitFor();
  const payments = page.getByRole('region', { name: 'Payments', exact: true });
  await payments.getByText('charge_disputed').waitFor();
  await payments.getByRole('button', { name: 'Settle outside' }).click();
  const dialog = page.getByRole('dialog', { name: 'Is it settled outside of the provider?' });
  await isToldOutside(page, dialog, '**/settle-outside', 'It is settled', 'Leave it');
  await payments.getByRole('button', { name: 'Settle outside' }).click();
  await dialog.getByText(/the bank has given ₩1,000 back/).waitFor();
  await dialog.getByLabel('Reason (recorded)').fill('charged back, case 4711');
  await isAccessible(page);
  await dialog.getByRole('button', { name: 'It is settled' }).click();
  await payments.getByText('Settled outside by olga: charged back, case 4711').waitFor();
  await payments.getByRole('button', { name: 'Settle outside' }).waitFor({ state: 'hidden' });
  await page.locator('h1 .state', { hasText: /^Cancelled$/ }).waitFor({ timeout: 90_000 }); // it is tried again by itself
  assert.equal(await balanceOf('dora'), 5_000);
  assert.deepEqual((await operator('GET', '/v1/admin/payments?status=refused')).body.items, []);
  await leave(chief);
});

test('seats that are held are given up together, and nothing is paid back', async () => {
  const { held } = await holdSeat('hugo', await showOf('hugo', {}), 2);
  const chief = await atConsole();
  const { page } = chief;
  await page.goto(`/operator/sagas/${held.id}`);
  await page.getByRole('button', { name: 'Cancel this reservation' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Nothing has been paid yet.').waitFor();
  assert.equal(await dialog.getByRole('checkbox').count(), 0);
  await dialog.getByLabel('Reason (recorded)').fill('asked by phone');
  await dialog.getByRole('button', { name: 'Cancel it' }).click();
  await page.locator('h1 .state', { hasText: 'Given back' }).waitFor();
  await leave(chief);
});

test('a hold that is paid while its dialog says that nothing has been is not cancelled by it', async () => {
  await fund('yuna', 5_000);
  const { call, held } = await holdSeat('yuna', await showOf('yuna', {}));
  const chief = await atConsole({ allowed: [/409.*\/cancel/] });
  const { page } = chief;
  await page.goto(`/operator/sagas/${held.id}`);
  await page.getByRole('button', { name: 'Cancel this reservation' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Nothing has been paid yet.').waitFor();
  // From here on the page is behind. It reads once at a time, so nothing that was read before is still to come.
  let behind = true;
  const reads = [];
  await page.route(`**/v1/admin/reservations/${held.id}`, (route) => (behind ? reads.push(route) : route.continue()));
  await until(() => reads.length > 0, 'the page to read anew');
  assert.equal((await call('POST', `/v1/reservations/${held.id}/confirm`, {}, { 'Idempotency-Key': 'pay-yuna' })).status, 200);
  await dialog.getByText('Nothing has been paid yet.').waitFor();
  await dialog.getByLabel('Reason (recorded)').fill('asked by phone');
  await dialog.getByRole('button', { name: 'Cancel it' }).click();
  await dialog.getByRole('alert').getByText('This has changed meanwhile.').waitFor();
  assert.equal((await reservationOf(held.id)).state, 'CONFIRMED');
  assert.equal(await balanceOf('yuna'), 4_000);
  behind = false;
  await Promise.all(reads.map((route) => route.continue()));
  await dialog.getByText('₩1,000 is paid back').waitFor();
  await leave(chief);
});

test('a refusal is said where it was asked for, and nothing is changed', async () => {
  const { held, show } = await buySeats('nora', {}, 1);
  const chief = await atConsole({ allowed: [/409.*\/(cancel|concerts)/] });
  const { page } = chief;
  await page.goto(`/operator/sagas/${held.id}`);
  await page.route('**/v1/admin/reservations/*/cancel', (route) => route.fulfill({ status: 409, contentType: 'application/problem+json', body: JSON.stringify({ type: '', title: '', status: 409, code: 'reservation_state' }) }));
  await page.getByRole('button', { name: 'Cancel this reservation' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Reason (recorded)').fill('too late');
  await dialog.getByRole('button', { name: 'Cancel it' }).click();
  await dialog.getByRole('alert').getByText('This has changed meanwhile.').waitFor();
  await dialog.getByRole('button', { name: 'Leave it' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.unrouteAll({ behavior: 'wait' });
  await page.getByRole('button', { name: 'Cancel this reservation' }).click();
  await isToldOutside(page, dialog, '**/v1/admin/reservations/*/cancel', 'Cancel it', 'Leave it');
  assert.equal((await reservationOf(held.id)).state, 'CONFIRMED');
  await page.goto(`/operator/shows/${show}`);
  await page.getByRole('button', { name: 'Cancel this show' }).click();
  await isToldOutside(page, dialog, '**/v1/admin/shows/*/cancel', 'Cancel and pay back', 'Leave it');
  await page.goto('/operator/shows');
  await page.getByRole('button', { name: 'Rename' }).first().click();
  await isToldOutside(page, dialog, '**/v1/admin/concerts/*', 'Save', 'Leave it');
  await leave(chief);
});

test('by keyboard a buyer’s seat is exchanged for one that is kept back, after one that somebody else has', async () => {
  const { held, show } = await buySeats('mo', {}, 2);
  const [from, stays] = held.seats;
  const free = (await seatsOf(show)).filter((seat) => seat.state === 'free');
  const [kept, contested] = free.filter((seat) => seat.row === free.at(-1).row);
  assert.equal((await operator('POST', `/v1/admin/shows/${show}/blocks`, { reason: 'cameras', seats: [kept.seat_no] })).status, 200);
  const chief = await atConsole({ allowed: [/409.*\/move/] });
  const { page } = chief;
  await page.goto(`/operator/sagas/${held.id}`);
  await page.getByText('Exchange seats', { exact: true }).click();
  await page.locator('.map canvas[data-view]').waitFor();
  const which = page.getByRole('group', { name: 'Which seats are exchanged?' });
  await which.getByRole('checkbox', { name: stays.label }).uncheck();
  await isAccessible(page);
  const { press } = hands.keyboard(page);
  await press('tab', 'Map', 'ArrowRight');
  await press('button', new RegExp(`^Row ${kept.row}`));
  const go = page.getByRole('button', { name: 'Exchange them' });
  assert.ok(await go.isDisabled());
  const seat = (one) => page.getByRole('button', { name: new RegExp(`^${one.number}, `) });
  const dialog = page.getByRole('dialog', { name: 'Exchange these seats?' });
  const ask = async (to) => {
    await page.getByText(`${from.label} → ${to.label}`).first().waitFor();
    await press('button', 'Exchange them');
    await dialog.getByText(`${from.label} → ${to.label}`).waitFor();
    await dialog.getByLabel('Reason (recorded)').fill('a wheelchair');
    await dialog.getByRole('button', { name: 'Exchange', exact: true }).click();
  };
  // The answer is made up: else nobody would see the seat as free that somebody has.
  await page.route('**/v1/admin/reservations/*/move', (route) =>
    route.fulfill({ status: 409, contentType: 'application/problem+json', body: JSON.stringify({ type: '', title: '', status: 409, code: 'seats_taken', conflicts: [{ seat_no: contested.seat_no, label: contested.label, reason: 'held' }] }) }));
  await seat(contested).click();
  await ask(contested);
  await dialog.getByText(`Nothing was changed: ${contested.label} (held) can’t be.`).waitFor();
  await isAccessible(page);
  await dialog.getByRole('button', { name: 'Leave those out' }).click();
  await page.getByText(`${from.label} → …`).first().waitFor();
  await page.unrouteAll({ behavior: 'wait' });

  await seat(kept).click();
  await ask(kept);
  await dialog.waitFor({ state: 'hidden' });
  await page.getByText('Done.').waitFor();
  await page.getByText('olga: a wheelchair').waitFor();
  const { state, seats } = await reservationOf(held.id);
  assert.deepEqual([state, seats.map((one) => one.seat_no).sort()], ['CONFIRMED', [stays.seat_no, kept.seat_no].sort()]);
  await until(async () => (await seatsOf(show)).find((one) => one.seat_no === from.seat_no).state === 'free', 'the seat to be free');
  await leave(chief);
});

test('a search whose first page is empty, and not the last one, is not said to have found nothing', async () => {
  const { held } = await holdSeat('paula', await showOf('paula', {}));
  const { body: last } = await operator('GET', '/v1/admin/reservations?user_id=paula');
  const chief = await atConsole();
  const { page } = chief;
  await page.route('**/v1/admin/reservations?*', (route) => route.fulfill({ json: new URL(route.request().url()).searchParams.has('cursor') ? last : { items: [], next_cursor: 'more' } }));
  await page.goto('/operator/sagas?q=paula');
  const found = page.locator('section', { has: page.getByRole('heading', { name: 'Found' }) });
  await found.getByRole('button', { name: 'Show more' }).waitFor();
  assert.equal(await found.getByRole('status').count(), 0);
  await found.getByRole('button', { name: 'Show more' }).click();
  await found.getByRole('link', { name: held.id }).waitFor();
  await leave(chief);
});

test('a wallet is looked up by its user, and tells what moved it and who did so', async () => {
  const { held } = await buySeats('wanda', {}, 2);
  const chief = await atConsole();
  const { page } = chief;
  await page.goto('/operator');
  await page.getByRole('link', { name: 'Wallets' }).click();
  await page.getByRole('searchbox', { name: 'User' }).fill('wanda');
  await isAccessible(page);
  await page.getByRole('button', { name: 'Search' }).click();
  await page.waitForURL(/\/operator\/wallets\/wanda$/);
  await page.locator('.big', { hasText: '₩3,000' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'This user’s reservations' }).getAttribute('href'), '/operator/sagas?q=user%3Awanda');
  const statement = page.getByRole('region', { name: 'Statement' });
  await statement.getByRole('row', { name: /^Top-up 1× ₩5,000/ }).waitFor();
  await statement.getByRole('row', { name: /^Tickets 1× -₩2,000/ }).waitFor();
  await statement.getByRole('row', { name: /^Balance after ₩3,000/ }).waitFor();
  // Of a time before the wallet was: nothing.
  await statement.getByLabel('Until').fill('2020-01-01T00:00');
  await statement.getByRole('row', { name: /^Balance after ₩0/ }).waitFor();
  assert.equal(await statement.getByRole('row', { name: /^Top-up/ }).count(), 0);
  await isAccessible(page);
  const entries = page.getByRole('region', { name: 'Movements' });
  await entries.getByRole('link', { name: held.id }).click();
  await page.waitForURL(new RegExp(`/operator/sagas/${held.id}$`));
  await page.locator('.facts').getByRole('link', { name: 'Wallet' }).click();
  await page.waitForURL(/\/operator\/wallets\/wanda$/);
  await leave(chief);
});

test('a balance is corrected once, by two presses and with a reason, and never below nothing', async () => {
  const user = 'rita@desk';
  await fund(user, 5_000);
  const chief = await atConsole({ allowed: [/(402|502).*\/adjustments/] });
  const { page } = chief;
  await page.goto('/operator/wallets');
  await page.getByRole('searchbox', { name: 'User' }).fill(user);
  await page.keyboard.press('Enter');
  const form = page.getByRole('region', { name: 'Correct the balance' });
  const go = form.getByRole('button', { name: 'Correct', exact: true });
  await form.getByLabel(/^Amount/).fill('-7000');
  assert.ok(await go.isDisabled(), 'without a reason');
  await form.getByLabel('Reason (recorded)').fill('paid twice at the desk');
  await go.click();
  await form.getByRole('button', { name: 'Really correct it by -₩7,000' }).click();
  await form.getByText('There is less than that in the wallet').waitFor();
  assert.equal(await balanceOf(user), 5_000);
  await isAccessible(page);
  await form.getByLabel(/^Amount/).fill('-1200');
  // The answer is lost on its way: who presses again asks for the same.
  const keys = await loseFirstAnswers(page, '**/v1/admin/wallets/*/adjustments');
  const correct = async () => {
    await go.click();
    await form.getByRole('button', { name: 'Really correct it by -₩1,200' }).click();
  };
  await correct();
  await form.getByText('That did not work.').waitFor();
  await correct();
  await form.getByText('₩3,800 is in the wallet now.').waitFor();
  areOneWish(keys);
  assert.equal(await balanceOf(user), 3_800);
  await page.getByRole('region', { name: 'Movements' }).getByRole('row', { name: /Correction -₩1,200 ₩3,800 olga paid twice at the desk/ }).waitFor();
  await leave(chief);
});

test('a wallet is frozen with a reason that is kept, pays for nothing then, and is unfrozen', async () => {
  await fund('fred', 5_000);
  const { call, held } = await holdSeat('fred', await showOf('fred', {}));
  const chief = await atConsole();
  const { page } = chief;
  await page.goto('/operator/wallets/fred');
  const change = async (name, reason) => {
    const form = page.getByRole('form', { name, exact: true });
    assert.ok(await form.getByRole('button', { name, exact: true }).isDisabled(), 'without a reason');
    await form.getByLabel('Reason (recorded)').fill(reason);
    await form.getByRole('button', { name, exact: true }).click();
    await page.getByText(new RegExp(`^By olga, .*: ${reason}$`)).waitFor();
  };
  await change('Freeze', 'a stolen card');
  await page.locator('.state', { hasText: 'Frozen' }).waitFor();
  await isAccessible(page);
  const pay = (key) => call('POST', `/v1/reservations/${held.id}/confirm`, {}, { 'Idempotency-Key': key });
  const refused = await pay('frozen');
  assert.equal(refused.body.code, 'wallet_frozen', JSON.stringify(refused));
  await change('Unfreeze', 'it was the owner');
  await page.locator('.state', { hasText: 'Active' }).waitFor();
  await leave(chief);
});

test('a name that no user can have is told so', async () => {
  const chief = await atConsole({ allowed: [/404.*\/v1\/admin\/wallets/] });
  const { page } = chief;
  await page.goto('/operator/wallets');
  await page.getByRole('searchbox', { name: 'User' }).fill('two words');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('No user has such a name.').waitFor();
  await leave(chief);
});

test('a waitlist tells who waits for what, who was offered which seats, and who waits no more', async () => {
  const { held, show } = await buySeats('lucky', {}, 1);
  const others = (await seatsOf(show)).map((seat) => seat.seat_no).filter((no) => no !== held.seats[0].seat_no);
  assert.equal((await operator('POST', `/v1/admin/shows/${show}/blocks`, { reason: 'all but one', seats: others })).status, 200);
  const [first, second] = await Promise.all(['first', 'second'].map((user) => signedIn(system.url, user)));
  for (const one of [first, second]) assert.equal((await one('POST', `/v1/shows/${show}/waitlist`, { count: 1, category: 'R' })).status, 200);
  const chief = await atConsole();
  const { page } = chief;
  await page.goto(`/operator/shows/${show}`);
  const list = page.getByRole('region', { name: 'Waitlist' });
  await list.getByRole('row', { name: /^1 first 1 R Waiting 0 before/ }).waitFor();
  await list.getByRole('row', { name: /^2 second 1 R Waiting 1 before/ }).waitFor();
  await isAccessible(page);
  assert.equal((await second('DELETE', `/v1/shows/${show}/waitlist`)).status, 200);
  await page.reload();
  await list.getByRole('row', { name: /^1 first/ }).waitFor();
  assert.equal(await list.getByRole('row', { name: /second/ }).count(), 0);
  await list.getByLabel('Also those who wait no more').check();
  await list.getByRole('row', { name: /^2 second 1 R Has left by themselves/ }).waitFor();
  // What comes back is offered to whoever waits.
  assert.equal((await operator('POST', `/v1/admin/reservations/${held.id}/cancel`, { reason: 'a seat comes back' }, { 'Idempotency-Key': 'comes-back' })).status, 200);
  await until(async () => (await first('GET', `/v1/shows/${show}/waitlist`)).body.state === 'OFFERED', 'the offer');
  await page.reload();
  const offered = list.getByRole('row', { name: /^1 first 1 R Has an offer/ });
  await offered.getByRole('link').last().click();
  await page.locator('h1 .state', { hasText: 'Held for you' }).waitFor();
  await page.getByRole('heading', { name: /first/ }).waitFor();
  await leave(chief);
});

test('seats are kept for a channel, and given to everybody again one by one and all at once', async () => {
  const show = await showOf('Fanclub', {});
  const row = (await seatsOf(show)).filter((seat, _, all) => seat.row === all[0].row);
  const states = async () => [...new Set((await seatsOf(show)).filter((seat) => seat.row === row[0].row).map((seat) => seat.state))].sort().join();
  const chief = await atConsole({ allowed: [/409.*\/contingents/] });
  const { page } = chief;
  await page.goto(`/operator/shows/${show}`);
  await page.getByRole('tab', { name: 'List' }).click();
  await page.getByRole('button', { name: new RegExp(`^Row ${row[0].row}`) }).click();
  await page.getByRole('button', { name: `Choose all of row ${row[0].row}` }).click();
  const seating = page.getByRole('region', { name: 'Seats', exact: true });
  const keep = seating.getByRole('button', { name: 'Keep for the channel' });
  await seating.getByLabel('Reason (recorded)').first().fill('for the fans');
  await seating.getByLabel(/^Channel/).fill('Fan Club');
  assert.ok(await keep.isDisabled(), 'by a name that no channel has');
  await seating.getByLabel(/^Channel/).fill('fanclub');
  await keep.click();
  const channels = page.getByRole('region', { name: 'Kept for channels' });
  await channels.getByRole('row', { name: new RegExp(`^fanclub ${row.length} ${row.length}`) }).waitFor();
  await until(async () => (await states()) === 'blocked', 'the row to be kept');
  await isAccessible(page);
  await page.getByRole('button', { name: new RegExp(`^${row[0].number}, `) }).click();
  await seating.getByRole('button', { name: 'No longer for a channel' }).click();
  await channels.getByRole('row', { name: new RegExp(`^fanclub ${row.length - 1} ${row.length - 1}`) }).waitFor();
  await until(async () => (await states()) === 'blocked,free', 'one of them to be free');
  await channels.getByRole('button', { name: 'Give fanclub to everybody' }).click();
  const dialog = page.getByRole('dialog', { name: 'Give the seats of fanclub to everybody?' });
  await isToldOutside(page, dialog, '**/contingents/release', 'Give them', 'Leave it');
  await channels.getByRole('button', { name: 'Give fanclub to everybody' }).click();
  await dialog.getByLabel('Reason (recorded)').fill('the fans are few');
  await isAccessible(page);
  await dialog.getByRole('button', { name: 'Give them' }).click();
  await channels.getByText('No seat is kept for the buyers of a channel.').waitFor();
  await until(async () => (await states()) === 'free', 'all of them to be free');
  await page.getByRole('cell', { name: 'the fans are few' }).waitFor();
  await leave(chief);
});

test('a sale whose end is taken away ends when the show begins, and none is left without a beginning', async () => {
  const show = await showOf('Endless', { sale_ends_at: inDays(0.5) });
  const chief = await atConsole();
  const { page } = chief;
  await page.goto(`/operator/shows/${show}`);
  await page.getByLabel('Sale ends').fill('');
  await page.getByRole('button', { name: 'Save' }).click();
  await until(async () => (await page.getByLabel('Sale ends').inputValue()) !== '', 'the form to be anew');
  const { body } = await operator('GET', `/v1/admin/shows/${show}`);
  assert.equal(body.sale_ends_at, body.starts_at);
  await page.getByLabel('Sale begins').fill('');
  assert.equal(await page.getByLabel('Sale begins').evaluate((input) => input.checkValidity()), false);
  await leave(chief);
});
