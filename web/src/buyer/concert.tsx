import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { api, fetchConcert, kMaxBefore, kMaxSeats, ok, serverNow, type Schemas, type Show } from '../api/client';
import { Name, nameIn, ProblemNote, useFocusKept, useOnePress } from '../parts';
import { useSession } from '../session';
import { useText } from '../text';
import { Poster } from './poster';

function Availability({ show }: { show: Show }) {
  const { t, time } = useText();
  const part = (n: number) => (100 * n) / Math.max(1, show.capacity);
  const none = show.free === 0;
  return (
    <div className="availability">
      <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect width="100" height="4" className="sold" />
        <rect width={part(show.free + show.held)} height="4" className="held" />
        <rect width={part(show.free)} height="4" className="free" />
      </svg>
      <p>
        {!none && t.free(show.free)}
        {none && show.held === 0 && t.soldOut}
        {none && show.held > 0 && t.soldOutForNow(show.held)}
        {none && show.next_release_at && `; ${t.nextRelease(time(show.next_release_at))}`}
      </p>
    </div>
  );
}

const kPlaces = ['waitlist'];

// One's places on waitlists that lead to something. Asked often only by whoever has one.
function usePlaces() {
  const { session } = useSession();
  return useQuery({
    queryKey: kPlaces,
    enabled: Boolean(session?.user),
    refetchInterval: (query) => (query.state.data?.length ? 5_000 : false),
    // The list of all one's places has no 404 for whoever has none.
    queryFn: async () => {
      const list = await ok(api.GET('/v1/waitlist', { params: { query: { limit: 200, state: 'open' } } }));
      return list.items.filter((entry) => entry.state === 'WAITING' || entry.state === 'OFFERED');
    },
  });
}
type Places = ReturnType<typeof usePlaces>;

// `data`: this viewer's place of those; null where there is none, undefined while not known.
function Waitlist({ show, data, places }: { show: Show; data: Schemas['WaitlistEntry'] | null | undefined; places: Places }) {
  const { t } = useText();
  const queries = useQueryClient();
  const { session } = useSession();
  const [category, setCategory] = useState('');
  const seats = show.price_categories.find((one) => one.name === category)?.seats ?? show.capacity;
  const limit = Math.min(kMaxSeats, show.seat_limit, seats);
  const [wanted, setCount] = useState(2);
  const count = Math.min(wanted, limit);
  const press = useOnePress();
  const path = { params: { path: { show: show.id } } };
  const settled = { onSettled: () => queries.invalidateQueries({ queryKey: kPlaces }) };
  const join = useMutation({ mutationFn: () => ok(api.POST('/v1/shows/{show}/waitlist', { ...path, body: category ? { count, category } : { count } })), ...settled });
  const leave = useMutation({ mutationFn: () => ok(api.DELETE('/v1/shows/{show}/waitlist', path)), ...settled });
  useFocusKept(`${data?.state} ${join.status} ${leave.status}`);
  return (
    <section className="panel waitlist" aria-label={t.waitlist}>
      <p className="soft">{t.waitlistHow}</p>
      <ProblemNote thrown={places.error} retry={() => void places.refetch()} />
      {data?.state === 'OFFERED' && data.reservation_id && (
        <p role="status">
          {t.waitlistOffered} <Link className="button" href={`/my/reservations/${data.reservation_id}`}>{t.waitlistTake}</Link>
        </p>
      )}
      {data?.state === 'WAITING' && (
        <>
          <p role="status">{t.waitlistPlace(data.before, data.before >= kMaxBefore)} <span className="soft">{[t.seats(data.count), data.category].filter(Boolean).join(' · ')}</span></p>
          <button type="button" disabled={leave.isPending} onClick={() => press(() => leave.mutateAsync())}>{t.waitlistLeave}</button>
        </>
      )}
      {!data && session && !session.user && (
        <Link className="button" href={`/sign-in?next=${encodeURIComponent(location.pathname)}`}>{t.signIn}</Link>
      )}
      {data === null && (
        <form className="row" onSubmit={(event) => { event.preventDefault(); join.mutate(); }}>
          <label>
            {t.waitlistCount}
            <select value={count} onChange={(event) => setCount(Number(event.target.value))}>
              {Array.from({ length: limit }, (_, i) => <option key={i}>{i + 1}</option>)}
            </select>
          </label>
          <label>
            {t.waitlistCategory}
            <select value={category} onChange={(event) => setCategory(event.target.value)}>
              <option value="">{t.any}</option>
              {show.price_categories.map((one) => <option key={one.name}>{one.name}</option>)}
            </select>
          </label>
          <button type="submit" className="primary" disabled={join.isPending}>{t.waitlistJoin}</button>
        </form>
      )}
      <ProblemNote thrown={join.error ?? leave.error} />
    </section>
  );
}

function ShowPanel({ show, places }: { show: Show; places: Places }) {
  const { t, time, money } = useText();
  const queue = useQuery({
    queryKey: ['queue', show.id],
    queryFn: () => ok(api.GET('/v1/shows/{show}/queue', { params: { path: { show: show.id } } })),
    enabled: show.state === 'ON_SALE' || show.state === 'ANNOUNCED',
    refetchInterval: 10_000, // a draw begins while somebody looks
  });
  const draw = queue.data?.state === 'PREQUEUE';
  const fee = [show.cancel_fee_per_seat > 0 && money(show.cancel_fee_per_seat, show.currency), show.cancel_fee_percent > 0 && `${show.cancel_fee_percent} %`].filter(Boolean).join(' + ');
  const soon = show.state === 'ANNOUNCED';
  const cancelUntil = show.cancel_deadline ?? show.starts_at;
  const place = places.data && (places.data.find((entry) => entry.show_id === show.id) ?? null);
  // Seats that are offered to somebody are theirs to see also when others are free.
  const waits = (show.state === 'ON_SALE' || show.state === 'SOLD_OUT') && (show.free === 0 || show.waitlist_first || Boolean(place));
  return (
    <article className="panel show">
      <header>
        <span className={`state ${show.state}`}>{t.state[show.state]}</span>
        <h2>{time(show.starts_at)}</h2>
        {soon && <p>{t.onSaleAt(time(show.on_sale_at))}</p>}
        {draw && queue.data?.opens_at && <p>{t.onSaleAt(time(queue.data.opens_at))}</p>}
      </header>
      {show.state !== 'CANCELLED' && show.state !== 'PAST' && <Availability show={show} />}
      {show.state === 'CANCELLED' && <p>{t.errors['show_cancelled']}</p>}
      <table>
        <caption className="hidden">{t.prices}</caption>
        <tbody>
          {show.price_categories.map((category) => (
            <tr key={category.name}>
              <th scope="row">{category.name}</th>
              <td>{money(category.price, show.currency)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="soft">
        {t.limits(show.seat_limit)} · {fee ? t.fee(fee) : t.feeNone} · {(Date.parse(cancelUntil) > serverNow() ? t.cancelUntil : t.cancelOver)(time(cancelUntil))}
      </p>
      <div className="row">
        {(show.state === 'ON_SALE' || (soon && draw)) && show.free + show.held > 0 && (
          <a className="button primary" href={`/waiting/${show.id}`}>{draw ? t.joinDraw : t.buy}</a>
        )}
        {show.state !== 'CANCELLED' && <Link className="button" href={`/shows/${show.id}/seats?view`}>{t.lookAtMap}</Link>}
      </div>
      {/* Before the sale it alone tells whether there is a draw to take part in. */}
      {soon && <ProblemNote thrown={queue.error} retry={() => void queue.refetch()} />}
      {waits && <Waitlist show={show} data={place} places={places} />}
    </article>
  );
}

const kAtOnce = 6; // shows that are on the page whole

// Of many shows only what is open is there whole: unless it was closed, also where one has a place on the waitlist, as what is offered
// there ends.
function Shows({ shows, places }: { shows: Show[]; places: Places }) {
  const { t, time, month } = useText();
  const [pressed, setPressed] = useState<Readonly<Record<string, boolean>>>({});
  if (shows.length <= kAtOnce) return shows.map((show) => <ShowPanel show={show} places={places} key={show.id} />);
  const months = new Map<string, Show[]>();
  for (const show of shows) {
    const name = month(show.starts_at);
    months.set(name, [...(months.get(name) ?? []), show]);
  }
  return [...months].map(([name, some]) => (
    <section key={name} aria-label={name}>
      <h2>{name}</h2>
      <ul className="sections dates">
        {some.map((show) => {
          const isOpen = pressed[show.id] ?? Boolean(places.data?.some((entry) => entry.show_id === show.id));
          return (
            <li key={show.id}>
              <button type="button" aria-expanded={isOpen} onClick={() => setPressed({ ...pressed, [show.id]: !isOpen })}>
                <span>{time(show.starts_at)}</span>
                <small>{t.state[show.state]}{show.state === 'ON_SALE' && ` · ${t.free(show.free)}`}</small>
              </button>
              {isOpen && <ShowPanel show={show} places={places} />}
            </li>
          );
        })}
      </ul>
    </section>
  ));
}

export function ConcertPage({ id }: { id: string }) {
  const { t, language } = useText();
  const { data, error, refetch } = useQuery({ queryKey: ['concert', id], queryFn: () => fetchConcert(id), refetchInterval: 10_000 });
  const places = usePlaces();
  const note = <ProblemNote thrown={error} retry={() => void refetch()} />;
  if (!data) return error ? note : <p className="loading">{t.loading}</p>;
  const [title, other] = nameIn(language, data.title);
  return (
    <>
      <title>{`${title} – Boxoffice`}</title>
      {note}
      <div className="hero">
        <Poster id={data.id} title={data.title} />
        <div>
          <h1>{title}</h1>
          {other && <p className="other">{other}</p>}
          <p className="lead"><Name of={data.artist} /></p>
          <p className="soft"><Name of={data.venue} /></p>
        </div>
      </div>
      <Shows shows={data.shows} places={places} />
    </>
  );
}
