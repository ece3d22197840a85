// Buys two seats of the first show that is on sale, as the user of TOKEN at BOXOFFICE_URL: waits for the turn, tops the wallet up,
// and pays in one step.
import { command, createBoxoffice, ok, untilActive, untilSettled } from 'boxoffice-sdk';

async function main() {
  const boxoffice = createBoxoffice({ baseUrl: process.env.BOXOFFICE_URL ?? 'http://127.0.0.1:8080', token: process.env.TOKEN ?? '' });
  const concerts = await ok(boxoffice.GET('/v1/concerts', { params: { query: { when: 'upcoming', limit: 200 } } }));
  const show = concerts.items.flatMap((concert) => concert.shows).find((one) => one.state === 'ON_SALE');
  if (!show) throw new Error('no show is on sale');

  const turn = await untilActive(boxoffice, show.id);
  const body = { amount: 1_000_000, currency: show.currency };
  await command((key) => boxoffice.POST('/v1/wallet/charges', { params: { header: { 'Idempotency-Key': key } }, body }));
  const reservation = await command((key) =>
    boxoffice.POST('/v1/reservations', {
      params: { header: { 'Idempotency-Key': key, 'X-Queue-Token': turn.admission ?? turn.token } },
      body: { show_id: show.id, best_available: { count: 2 }, pay: true },
    }),
  );
  const settled = await untilSettled(boxoffice, reservation);
  console.log(JSON.stringify({ reservation: settled.id, state: settled.state, seats: settled.seats.map((seat) => seat.label) }));
}

main().catch((thrown) => {
  console.error(thrown);
  process.exitCode = 1;
});
