import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Link } from 'wouter';
import { api, fetchConcert, fetchShow, isSettled, kPages, ok, type Reservation } from '../api/client';
import { Name, ProblemNote } from '../parts';
import { useText } from '../text';
import { Poster } from './poster';

// Of whatever show: most tickets that somebody has are of some that are over.
function Ticket({ row }: { row: Reservation }) {
  const { t, money, time } = useText();
  const { data: show } = useQuery({ queryKey: ['show', row.show_id], queryFn: () => fetchShow(row.show_id) });
  const { data: concert } = useQuery({ queryKey: ['concert', show?.concert_id], enabled: Boolean(show), queryFn: () => fetchConcert(show!.concert_id) });
  return (
    <li className="panel">
      {concert && <Poster id={concert.id} title={concert.title} />}
      <div>
        <span className={`state ${row.state}`}>{t.reservationState[row.state]}</span>
        <h2>
          <Link href={`/my/reservations/${row.id}`}>{concert ? <Name of={concert.title} /> : row.show_id}</Link>
        </h2>
        {show && <p>{time(show.starts_at)}</p>}
        {row.seats.length > 0 && <p className="soft">{row.seats.map((seat) => seat.label).join(', ')} · {money(row.amount, row.currency)}</p>}
      </div>
    </li>
  );
}

export function ReservationsPage() {
  const { t } = useText();
  const { data, error, refetch, hasNextPage, fetchNextPage } = useInfiniteQuery({
    queryKey: ['reservations'],
    ...kPages,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/reservations', { params: { query: { limit: 20, ...(pageParam ? { cursor: pageParam } : {}) } } })),
  });
  // What was refused before it held a seat is no ticket. Its own page says why.
  const rows = data?.pages.flatMap((page) => page.items).filter((row) => row.seats.length > 0 || !isSettled(row)) ?? [];
  const sought = rows.length === 0 && hasNextPage;
  useEffect(() => {
    if (sought) void fetchNextPage();
  }, [sought, data]);
  return (
    <section className="narrow">
      <title>{`${t.tickets} – Boxoffice`}</title>
      <h1>{t.tickets}</h1>
      <ProblemNote thrown={error} retry={() => void refetch()} />
      {data && rows.length === 0 && !hasNextPage && (
        <p>
          {t.noTickets} <Link className="button" href="/">{t.findConcert}</Link>
        </p>
      )}
      <ul className="tickets">
        {rows.map((row) => (
          <Ticket row={row} key={row.id} />
        ))}
      </ul>
      {hasNextPage && <button type="button" onClick={() => void fetchNextPage()}>{t.more}</button>}
    </section>
  );
}
