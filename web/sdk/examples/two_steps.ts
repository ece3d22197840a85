// Holds two seats while the buyer makes up his mind, shows until when, and then pays for them or, with the argument "cancel", gives
// them back.
import { command, createBoxoffice, ok, Problem, untilActive, untilSettled } from 'boxoffice-sdk';

async function main() {
  const boxoffice = createBoxoffice({ baseUrl: process.env.BOXOFFICE_URL ?? 'http://127.0.0.1:8080', token: process.env.TOKEN ?? '' });
  const concerts = await ok(boxoffice.GET('/v1/concerts', { params: { query: { when: 'upcoming', limit: 200 } } }));
  const show = concerts.items.flatMap((concert) => concert.shows).find((one) => one.state === 'ON_SALE');
  if (!show) throw new Error('no show is on sale');

  const turn = await untilActive(boxoffice, show.id);
  const header = (key: string) => ({ 'Idempotency-Key': key, 'X-Queue-Token': turn.admission ?? turn.token });
  const reserved = await command((key) =>
    boxoffice.POST('/v1/reservations', { params: { header: header(key) }, body: { show_id: show.id, best_available: { count: 2 } } }),
  );
  const held = await untilSettled(boxoffice, reserved); // 202: some service is slow; whether they are held is not decided yet
  if (held.state !== 'HELD') throw new Error(`no seats are held: ${held.state}`);
  console.error(`${held.seats.map((seat) => seat.label).join(', ')} are held until ${held.hold_expires_at}`);

  const path = { reservation: held.id };
  if (process.argv[2] === 'cancel') {
    const cancelled = await command((key) =>
      boxoffice.POST('/v1/reservations/{reservation}/cancel', { params: { path, header: { 'Idempotency-Key': key } }, body: { only_held: true } }),
    );
    console.log(JSON.stringify({ reservation: cancelled.id, state: (await untilSettled(boxoffice, cancelled)).state }));
    return;
  }
  const confirm = () =>
    command((key) => boxoffice.POST('/v1/reservations/{reservation}/confirm', { params: { path, header: header(key) } }));
  let paid;
  try {
    paid = await confirm();
  } catch (thrown) {
    // The seats stay held for the time that is left, so the wallet can be topped up.
    if (!(thrown instanceof Problem) || thrown.code !== 'balance_too_low') throw thrown;
    const body = { amount: held.amount, currency: held.currency };
    await command((key) => boxoffice.POST('/v1/wallet/charges', { params: { header: { 'Idempotency-Key': key } }, body }));
    paid = await confirm();
  }
  console.log(JSON.stringify({ reservation: paid.id, state: (await untilSettled(boxoffice, paid)).state }));
}

main().catch((thrown) => {
  console.error(thrown);
  process.exitCode = 1;
});
