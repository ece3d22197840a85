import createClient from 'openapi-fetch';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];
export type Concert = Schemas['Concert'];
export type Show = Schemas['Show'];
export type Seat = Schemas['Seat'];
export type SeatState = Schemas['SeatState'];
export type Reservation = Schemas['Reservation'];
export type SeatOffer = Schemas['SeatOffer'];

export const api = createClient<paths>({ baseUrl: '/' });

// What the interface refused, with its stable code; code "offline" where there was no answer at all.
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly body: Partial<Schemas['Problem']> = {},
  ) {
    super(body.title ?? code);
  }
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

// The answer's body, or a thrown Problem.
export async function ok<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch {
    throw new Problem(0, 'offline');
  }
  if (answer.response.ok) return answer.data as T;
  const body = (answer.error ?? {}) as Partial<Schemas['Problem']>;
  throw new Problem(answer.response.status, body.code ?? 'internal_error', body);
}

const kTries = 5;

// A command with one key for all tries: what is not known is asked again, so nothing happens twice.
export async function command<T>(run: (key: string) => Promise<Answer<T>>): Promise<T> {
  const key = crypto.randomUUID();
  for (let tried = 1; ; ++tried) {
    try {
      return await ok(run(key));
    } catch (thrown) {
      const problem = thrown as Problem;
      const again = problem.status === 0 || problem.status === 503 || problem.code === 'idempotency_key_running';
      if (!again || tried === kTries) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, 400 * 2 ** tried * (0.5 + Math.random() / 2)));
    }
  }
}

const kUnsettled: Reservation['state'][] = ['CONFIRMING', 'COMPENSATING', 'CANCELLING'];
export const isSettled = (reservation: Reservation) =>
  !kUnsettled.includes(reservation.state) && !(reservation.state === 'HELD' && reservation.hold_expires_at === null);

export const fetchConcerts = async (): Promise<Concert[]> => {
  const all: Concert[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await ok(api.GET('/v1/concerts', { params: { query: cursor ? { limit: 200, cursor } : { limit: 200 } } }));
    all.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return all;
};
export const fetchConcert = (concert: string) => ok(api.GET('/v1/concerts/{concert}', { params: { path: { concert } } }));
export const fetchShow = (show: string) => ok(api.GET('/v1/shows/{show}', { params: { path: { show } } }));
export const fetchReservation = (reservation: string) =>
  ok(api.GET('/v1/reservations/{reservation}', { params: { path: { reservation } } }));
export const fetchWallet = () => ok(api.GET('/v1/wallet'));
