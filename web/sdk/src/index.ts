// Boxoffice's REST interface. Types are those of openapi/boxoffice.yaml (schema.ts is made from it), so a path, a field or a
// state that the contract does not have is an error of the compiler.
import createClient, { type Client } from 'openapi-fetch';
import type { components, paths } from './schema.js';

export type { components, paths } from './schema.js';
export type Schemas = components['schemas'];
export type Boxoffice = Client<paths>;

export interface Options {
  // Where the gateway is: "https://tickets.example", or "/" in a page that it serves.
  baseUrl: string;
  // The user's JWT, or what gives one when it is asked before each request. A page that has signed in by cookie has none.
  token?: string | (() => string | Promise<string>);
  fetch?: (request: Request) => Promise<Response>;
}

// What a request without `ok` rejects with where `token` threw; `cause` is what that threw.
class NoToken extends Error {
  constructor(why: unknown) {
    super('nothing was sent, as the `token` function of createBoxoffice threw', { cause: why });
  }
}
const ask = async (token: () => string | Promise<string>) => {
  try {
    return await token();
  } catch (why) {
    throw new NoToken(why);
  }
};

export function createBoxoffice({ baseUrl, token, fetch }: Options): Boxoffice {
  const client = createClient<paths>(fetch ? { baseUrl, fetch } : { baseUrl });
  if (token !== undefined) {
    client.use({
      async onRequest({ request }) {
        request.headers.set('Authorization', `Bearer ${typeof token === 'string' ? token : await ask(token)}`);
        return request;
      },
    });
  }
  return client;
}

// What the interface refused, with its stable code; code "offline" where there was no answer at all.
export class Problem extends Error {
  // Of a command: what became of an earlier try, or of this one, is not known, and this answer need not tell (a JWT and a rate limit
  // are looked at before the key is). The command under this `key` finds it out; under a new one it may be done twice. Of this call's
  // tries alone: whoever goes on under a key takes neither a 401 nor a 429 for a refusal.
  unknown = false;
  key?: string;

  constructor(
    readonly status: number,
    readonly code: string,
    readonly body: Partial<Schemas['Problem']> = {},
    readonly retryAfterMs = 0, // before which it says not to ask again
  ) {
    super(body.title ?? code);
  }
}

export interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

// The answer's body, or a thrown Problem; what `token` throws is thrown as it is.
export async function ok<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch (thrown) {
    if (thrown instanceof NoToken) throw thrown.cause;
    throw new Problem(0, 'offline');
  }
  if (answer.response.ok) return answer.data as T;
  const body = (answer.error ?? {}) as Partial<Schemas['Problem']>;
  throw new Problem(answer.response.status, body.code ?? 'internal_error', body, 1000 * (Number(answer.response.headers.get('Retry-After')) || 0));
}

const kTries = 5;
const kMaxPauseMs = 30_000;

// Rejects with the signal's reason as soon as that is aborted.
const pause = (ms: number, signal?: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });

// Whether it was done is not known: no answer, none of a proxy's, not now, still running.
const isUnknown = ({ status, code }: Problem) => status === 0 || status >= 500 || code === 'idempotency_key_running';

// What may be asked again without harm, as nothing comes of it twice.
const comesRight = (problem: Problem) => isUnknown(problem) || problem.status === 429;

// The answer, after as many tries as it takes, up to kTries in a row. What `ask` sends ends with the signal, too, if it is given it.
async function insist<T>(ask: () => Promise<Answer<T>>, again: (problem: Problem) => boolean, signal?: AbortSignal): Promise<T> {
  for (let tried = 1; ; ++tried) {
    signal?.throwIfAborted();
    try {
      return await ok(ask());
    } catch (thrown) {
      signal?.throwIfAborted(); // what that ends looks as if it had been lost
      if (!(thrown instanceof Problem) || !again(thrown) || tried === kTries) throw thrown;
      await pause(Math.min(kMaxPauseMs, thrown.retryAfterMs + 400 * 2 ** tried * (0.5 + Math.random() / 2)), signal);
    }
  }
}

// Unique among one user's keys of a day; nobody gains by guessing it. Pages without TLS and Node.js 18 have no randomUUID.
const newKey = (): string =>
  globalThis.crypto?.randomUUID?.() ?? `${Date.now().toString(36)}-${[1, 2, 3].map(() => Math.random().toString(36).slice(2)).join('')}`;

// A command with one Idempotency-Key for all tries: what is not known is asked again, so nothing happens twice. Whoever must
// survive a crash of his own gives a key that he has written down; whoever goes on after an `unknown` Problem gives its `key`.
export function command<T>(run: (key: string) => Promise<Answer<T>>, key = newKey()): Promise<T> {
  let unknown = false; // of any try so far: a 429 to a later one refuses that one alone
  const again = (problem: Problem) => {
    unknown ||= isUnknown(problem);
    return unknown && comesRight(problem);
  };
  return insist(() => run(key), again).catch((thrown: Problem) => {
    throw unknown ? Object.assign(thrown, { unknown, key }) : thrown;
  });
}

const kUnsettled: Schemas['ReservationState'][] = ['CONFIRMING', 'COMPENSATING', 'CANCELLING'];

// Whether a reservation stays as it is until somebody does something. Of those that don't, the money is not decided yet.
export const isSettled = (reservation: Schemas['Reservation']) =>
  !kUnsettled.includes(reservation.state) && !(reservation.state === 'HELD' && reservation.hold_expires_at === null);

// Asks until the reservation is settled, also past answers that say "not now"; whoever stops waiting aborts. Throws a Problem if
// it can't be asked.
export async function untilSettled(boxoffice: Boxoffice, reservation: Schemas['Reservation'], signal?: AbortSignal): Promise<Schemas['Reservation']> {
  let current = reservation;
  while (!isSettled(current)) {
    await pause(1000, signal);
    current = await insist(() => boxoffice.GET('/v1/reservations/{reservation}', { params: { path: { reservation: reservation.id } }, signal }), comesRight, signal);
  }
  return current;
}

const kLost = ['queue_token_expired', 'queue_token_unknown'];

// Joins a show's queue, or goes on where this user has a place, and asks as often as it is told to until it is this user's turn,
// also past answers that say "not now". What createReservation takes as X-Queue-Token is the answer's `admission`, which holds also while
// the queue can't be asked, and its `token` where there is none. Throws a Problem: of code queue_off where the show has no queue, or none
// any more, and session_over where the place was lost.
export async function untilActive(boxoffice: Boxoffice, show: string, signal?: AbortSignal): Promise<Schemas['QueueSession']> {
  let session = await insist(() => boxoffice.POST('/v1/shows/{show}/queue', { params: { path: { show } }, signal }), comesRight, signal);
  while (session.state === 'WAITING') {
    // Nobody is called any more, and everybody buys without a token.
    if (session.queue_state === 'OFF') throw new Problem(409, 'queue_off');
    await pause(session.refresh_interval_s * 1000, signal);
    const header = { 'X-Queue-Token': session.token };
    session = await insist(() => boxoffice.GET('/v1/queue', { params: { header }, signal }), comesRight, signal).catch((thrown: Problem) => {
      throw kLost.includes(thrown.code) ? new Problem(thrown.status, 'session_over', thrown.body) : thrown;
    });
  }
  if (session.state !== 'ACTIVE') throw new Problem(409, 'session_over');
  return session;
}
