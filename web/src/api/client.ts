import { createBoxoffice, ok, type Schemas } from 'boxoffice-sdk';

export { command, isSettled, ok, Problem, type Schemas } from 'boxoffice-sdk';
export type Concert = Schemas['Concert'];
export type Show = Schemas['Show'];
export type Seat = Schemas['Seat'];
export type SeatState = Schemas['SeatState'];
export type Reservation = Schemas['Reservation'];
export type SeatOffer = Schemas['SeatOffer'];

// When the page's own clock, which nobody sets, began by the server's. An answer is never older than its `Date` says, so the
// greatest is the nearest: one from a cache, or a slow one, says less.
let began: number | undefined;

function noteClock(answer: Response): Response {
  const said = Date.parse(answer.headers.get('Date') ?? '') - performance.now();
  if (said > (began ?? -Infinity)) began = said;
  return answer;
}

// The server's time: a device's clock may be wrong by minutes.
export const serverNow = () => (began === undefined ? Date.now() : began + performance.now());

export const kMaxSeats = 8; // of one reservation, and of one place on a waitlist

// Longer than a gateway takes for anything but an audit, whose verdict the console reads later: an import has 30 s.
const kAnswerMs = 45_000;

// What ends a request on a connection that is half dead, which would hang for minutes. A browser that knows no such signal waits
// for that.
export const deadline = (): AbortSignal | undefined => AbortSignal.timeout?.(kAnswerMs);

export const api = createBoxoffice({ baseUrl: '/', fetch: async (request) => noteClock(await fetch(request, { signal: deadline() })) });

// How far it is counted who is before a place on a waitlist: so many, or more.
export const kMaxBefore = 1_000;

// What useInfiniteQuery is told of a list that comes in pages.
export const kPages = {
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page: { next_cursor: string | null }) => page.next_cursor ?? undefined,
};

// Of all pages.
async function everyOne<T>(read: (query: { limit: number; cursor?: string }) => Promise<{ items: T[]; next_cursor: string | null }>): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | null = null;
  do {
    const page = await read(cursor ? { limit: 200, cursor } : { limit: 200 });
    all.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return all;
}
export const fetchConcerts = () => everyOne((query) => ok(api.GET('/v1/concerts', { params: { query } })));
// With a show that has not begun.
export const fetchUpcomingConcerts = () => everyOne((query) => ok(api.GET('/v1/concerts', { params: { query: { ...query, when: 'upcoming' } } })));
// With drafts.
export const fetchAdminConcerts = () => everyOne((query) => ok(api.GET('/v1/admin/concerts', { params: { query } })));
export const fetchConcert = (concert: string) => ok(api.GET('/v1/concerts/{concert}', { params: { path: { concert } } }));
export const fetchShow = (show: string) => ok(api.GET('/v1/shows/{show}', { params: { path: { show } } }));
export const fetchReservation = (reservation: string) =>
  ok(api.GET('/v1/reservations/{reservation}', { params: { path: { reservation } } }));
// null: there is none yet.
export const fetchVerdict = async (): Promise<Schemas['AuditReport'] | null> => (await ok(api.GET('/v1/admin/audit'))) ?? null;
export const fetchWallet = () => ok(api.GET('/v1/wallet'));
