// Every page of the app, with something on it: who looks at it, and what is to be seen once it is ready.
import { createServer } from 'node:http';
import { demoShows, signedIn } from './system.mjs';

async function book(url, show, user, count, pay) {
  const call = await signedIn(url, user);
  let turn = (await call('POST', `/v1/shows/${show}/queue`)).body;
  for (let i = 0; turn.state === 'WAITING' && i < 300; ++i) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    turn = (await call('GET', '/v1/queue', null, { 'X-Queue-Token': turn.token })).body;
  }
  await call('POST', '/v1/wallet/charges', { amount: 900_000, currency: 'KRW' }, { 'Idempotency-Key': `charge-${user}` });
  const made = await call('POST', '/v1/reservations', { show_id: show, best_available: { count }, pay }, { 'Idempotency-Key': `${show}-${user}-${pay}`, 'X-Queue-Token': turn.token });
  return made.body;
}

// A show whose names are as long as names are, in a currency with cents.
async function longNames(operator) {
  const title = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft – A Night of Very Long Words And Names, The Return of the Seventeen-Piece Orchestra';
  const category = 'Kategorie mit einem sehr langen Namen, eingeschränkte Sicht';
  const { body: concert } = await operator('POST', '/v1/admin/concerts', { title, artist: 'Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch', venue: 'Elbphilharmonie' }, { 'Idempotency-Key': 'long-concert' });
  const made = await operator('POST', '/v1/admin/shows', {
    concert_id: concert.id, starts_at: new Date(Date.now() + 40 * 86_400_000).toISOString(), currency: 'EUR', grid: [{ name: 'A', rows: 3, seats_per_row: 10, category }], prices: { [category]: 123_456 },
  }, { 'Idempotency-Key': 'long-show' });
  if (made.status !== 201) throw new Error(JSON.stringify(made.body));
  return { id: made.body.id, concert };
}

// A platform that takes what it is sent, for the console to show.
async function startPlatform() {
  const server = createServer((request, response) => request.resume().on('end', () => response.writeHead(200).end()));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

// What startSystem is to be told.
export const kFlags = ['--target-allow-networks', '127.0.0.1'];

// Lets people buy, wait and get stuck. `pages` are [name, path, what is there when it is ready, role].
export async function furnish(url) {
  const platform = await startPlatform();
  const shows = await demoShows(url);
  const operator = await signedIn(url, 'olga', 'operator');
  for (const user of ['u1', 'u2', 'u3', 'u4']) await book(url, shows.hall.id, user, 4, true);
  // A hold that outlasts whoever looks at all pages.
  await operator('PATCH', `/v1/admin/shows/${shows.club.id}`, { hold_ttl_s: 1_800 });
  const paid = await book(url, shows.hall.id, 'mina', 2, true);
  const held = await book(url, shows.club.id, 'mina', 2, false);
  // Somebody who waits: the stadium is paused with people in line.
  await operator('PATCH', `/v1/admin/shows/${shows.stadium.id}/queue`, { state: 'PAUSED' });
  for (let i = 0; i < 12; ++i) await (await signedIn(url, `w${i}`))('POST', `/v1/shows/${shows.stadium.id}/queue`);
  // What an operator has to look at: a platform, seats that are kept back, a reservation that is stuck, audited books.
  await operator('POST', '/v1/admin/relay/targets', { url: `http://127.0.0.1:${platform.address().port}/events` }, { 'Idempotency-Key': 'target' });
  await operator('POST', `/v1/admin/shows/${shows.hall.id}/blocks`, { reason: 'cameras', seats: [901, 902, 903, 904] });
  await book(url, shows.hall.id, 'u5', 1, true);
  const stuck = await book(url, shows.hall.id, 'u6', 2, false);
  const confirming = (await signedIn(url, 'u6'))('POST', `/v1/reservations/${stuck.id}/confirm`, { payment_method: 'sandbox:late_approval' }, { 'Idempotency-Key': 'confirm' });
  for (let i = 0; i < 100 && (await operator('POST', `/v1/admin/sagas/${stuck.id}/park`, { reason: 'the provider is silent' })).status !== 200; ++i) await new Promise((resolve) => setTimeout(resolve, 50));
  await confirming;
  await operator('POST', '/v1/admin/audit');
  const long = await longNames(operator);
  const pages = [
    ['concerts', '/', 'h2'],
    ['concert', `/concerts/${shows.hall.concert.id}`, '.availability'],
    ['long-concert', `/concerts/${long.concert.id}`, '.availability'],
    ['long-seats', `/shows/${long.id}/seats`, '.best'],
    ['sold-out', `/concerts/${shows.soldOut.concert.id}`, '.waitlist form'],
    ['waiting', `/waiting/${shows.stadium.id}`, '#place:not(:empty)'],
    ['seats', `/shows/${shows.hall.id}/seats`, '.map canvas[data-view]'],
    ['stadium', `/shows/${shows.stadium.id}/seats?view`, '.map canvas[data-view]'],
    ['seat-list', `/shows/${shows.club.id}/seats?view`, '.map canvas[data-view]'],
    ['checkout', `/my/reservations/${held.id}`, '.countdown'],
    ['ticket', `/my/reservations/${paid.id}`, '.ticket'],
    ['tickets', '/my/reservations', '.tickets li'],
    ['wallet', '/my/wallet', '.entries li'],
    ['sign-in', '/sign-in', '.grid'],
    ['console', '/operator', '.tiles dd', 'operator'],
    ['console-queues', '/operator/queues', '.console section', 'operator'],
    ['console-sagas', '/operator/sagas', 'tbody tr', 'operator'],
    ['console-saga', `/operator/sagas/${stuck.id}`, '.took', 'operator'],
    ['console-reservation', `/operator/sagas/${paid.id}`, '.took', 'operator'],
    ['console-wallets', '/operator/wallets', '.console form', 'operator'],
    ['console-wallet', '/operator/wallets/mina', 'tbody tr', 'operator'],
    ['console-shows', '/operator/shows', '.plain li', 'operator'],
    ['console-import', '/operator/shows/new', '.console h1', 'operator'],
    ['console-show', `/operator/shows/${shows.hall.id}`, '.map canvas[data-view]', 'operator'],
    ['console-events', '/operator/events', 'tbody tr', 'operator'],
    ['console-relay', '/operator/relay', 'tbody tr', 'operator'],
    ['console-audit', '/operator/audit', 'tbody tr', 'operator'],
  ];
  return { shows, pages, close: () => platform.close() };
}
