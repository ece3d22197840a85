// Whether a draw was as it was announced: by the commitment that was published before it, and each number's place.
import type { Schemas } from './api/client';

type Draw = NonNullable<Schemas['QueueDraw']>;

const hex = (bytes: ArrayBuffer) => [...new Uint8Array(bytes)].map((one) => one.toString(16).padStart(2, '0')).join('');
const utf8 = new TextEncoder();

export async function seedIsCommitted(draw: Draw): Promise<boolean> {
  return draw.seed !== null && hex(await crypto.subtle.digest('SHA-256', utf8.encode(draw.seed))) === draw.commitment;
}

// The place that the draw gave to a number; 0: it was not drawn. As the contract says it: the numbers in the order of their
// HMACs.
export async function placeOf(draw: Draw, number: number): Promise<number> {
  if (draw.seed === null || number <= draw.first || number > draw.first + draw.entrants) return 0;
  const key = await crypto.subtle.importKey('raw', utf8.encode(draw.seed), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const tag = async (n: number) => hex(await crypto.subtle.sign('HMAC', key, utf8.encode(String(n))));
  const own = await tag(number);
  let before = 0;
  for (let n = draw.first + 1; n <= draw.first + draw.entrants; ++n) if ((await tag(n)) < own) ++before;
  return draw.first + before + 1;
}
