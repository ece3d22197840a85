// What the compiler has to refuse: examples_test.mjs names the lines.
import { createBoxoffice, ok, untilSettled } from 'boxoffice-sdk';

const boxoffice = createBoxoffice({ baseUrl: '/' });

export async function wrong() {
  const header = { 'Idempotency-Key': 'key' };
  const made = await ok(boxoffice.POST('/v1/reservations', { params: { header }, body: { show_id: '1', best_available: { number: 2 } } }));
  const settled = await untilSettled(boxoffice, made);
  const right: boolean = settled.state === 'CONFIRMED';
  const never: boolean = settled.state === 'PAID';
  return right && never;
}
