import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { Link } from 'wouter';
import { api, fetchUpcomingConcerts, kPages, ok, type Concert } from '../api/client';
import { Name, nameIn, ProblemNote } from '../parts';
import { useText } from '../text';
import { Poster } from './poster';

type Filter = 'all' | 'on_sale' | 'soon';

// The show that says most about a concert: on sale before soon, soon before the rest.
function leading(concert: Concert) {
  const order = ['ON_SALE', 'ANNOUNCED', 'SOLD_OUT', 'PAST', 'CANCELLED', 'DRAFT'];
  return [...concert.shows].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || a.starts_at.localeCompare(b.starts_at))[0];
}

function Card({ concert }: { concert: Concert }) {
  const { t, money, time, language } = useText();
  const show = leading(concert);
  const [, other] = nameIn(language, concert.title);
  // Of shows that are where it is, as nobody pays the prices of the others; a show has its own currency.
  const alike = concert.shows.filter((one) => one.state === show?.state && one.currency === show.currency);
  const prices = alike.flatMap((one) => one.price_categories.map((category) => category.lowest_price));
  return (
    <li className="card">
      <Poster id={concert.id} title={concert.title} />
      <div className="card-text">
        {show && <span className={`state ${show.state}`}>{t.state[show.state]}</span>}
        <h2>
          <Link href={`/concerts/${concert.id}`}>
            <Name of={concert.title} />
          </Link>
        </h2>
        {other && <p className="other">{other}</p>}
        <p>
          <Name of={concert.artist} />
        </p>
        <p className="soft">
          <Name of={concert.venue} />
        </p>
        {show && <p className="soft">{time(show.starts_at)}</p>}
        {show && prices.length > 0 && <p className="price">{t.from(money(Math.min(...prices), show.currency))}</p>}
      </div>
    </li>
  );
}

function RankingStrip({ concerts }: { concerts: Concert[] }) {
  const { t } = useText();
  const { data } = useQuery({
    queryKey: ['ranking'],
    queryFn: () => ok(api.GET('/v1/rankings', { params: { query: { by: 'bookings', window: 'week', limit: 5 } } })),
    refetchInterval: 30_000,
  });
  const rows = (data?.items ?? []).flatMap((row) => {
    const concert = concerts.find((one) => one.shows.some((show) => show.id === row.show_id));
    return concert ? [{ row, concert }] : [];
  });
  if (data && data.items.length > 0 && rows.length === 0) return null; // what was booked is over
  return (
    <section className="ranking" aria-labelledby="ranking">
      <h2 id="ranking">{t.ranking}</h2>
      {data?.items.length === 0 && <p className="soft">{t.rankingEmpty}</p>}
      <ol>
        {rows.map(({ row, concert }) => (
          <li key={row.show_id}>
            <Link href={`/concerts/${concert.id}`}>
              <b>{row.rank}</b>
              <span>
                <Name of={concert.title} />
                <small>{t.bookings(row.bookings)}</small>
              </span>
            </Link>
          </li>
        ))}
      </ol>
    </section>
  );
}

export function ConcertsPage() {
  const { t } = useText();
  const [search, setSearch] = useState('');
  const [filter, setFilter] = useState<Filter>('all');
  const { data, error, refetch } = useQuery({ queryKey: ['concerts', 'upcoming'], queryFn: fetchUpcomingConcerts });
  const found = useMemo(() => {
    const words = search.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    return (data ?? []).filter((concert) => {
      const text = `${concert.title} ${concert.artist} ${concert.venue}`.toLocaleLowerCase();
      const state = { all: () => true, on_sale: (s: string) => s === 'ON_SALE', soon: (s: string) => s === 'ANNOUNCED' }[filter];
      return words.every((word) => text.includes(word)) && (filter === 'all' || concert.shows.some((show) => state(show.state)));
    });
  }, [data, search, filter]);
  const filters: [Filter, string][] = [['all', t.filterAll], ['on_sale', t.filterOnSale], ['soon', t.filterSoon]];
  return (
    <>
      <title>{`${t.concerts} – Boxoffice`}</title>
      <h1>{t.heading}</h1>
      <div className="search" role="search">
        <input type="search" value={search} onChange={(event) => setSearch(event.target.value)} placeholder={t.search} aria-label={t.search} />
        <div className="segments" role="group" aria-label={t.availability}>
          {filters.map(([key, label]) => (
            <button type="button" key={key} aria-pressed={filter === key} onClick={() => setFilter(key)}>
              {label}
            </button>
          ))}
        </div>
      </div>
      <ProblemNote thrown={error} retry={() => void refetch()} />
      {!data && !error && <p className="loading">{t.loading}</p>}
      {data && found.length === 0 && <p role="status">{t.nothingFound}</p>}
      <ul className="cards">
        {found.map((concert) => (
          <Card concert={concert} key={concert.id} />
        ))}
      </ul>
      <p>
        <Link href="/concerts/past">{t.pastConcerts}</Link>
      </p>
      {data && <RankingStrip concerts={data} />}
    </>
  );
}

export function PastConcertsPage() {
  const { t } = useText();
  const { data, error, refetch, hasNextPage, fetchNextPage } = useInfiniteQuery({
    queryKey: ['concerts', 'past'],
    ...kPages,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/concerts', { params: { query: { when: 'past', limit: 20, ...(pageParam ? { cursor: pageParam } : {}) } } })),
  });
  const past = data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <title>{`${t.pastConcerts} – Boxoffice`}</title>
      <h1>{t.pastConcerts}</h1>
      <ProblemNote thrown={error} retry={() => void refetch()} />
      {!data && !error && <p className="loading">{t.loading}</p>}
      {data && past.length === 0 && !hasNextPage && <p role="status">{t.noPastConcerts}</p>}
      <ul className="cards">
        {past.map((concert) => (
          <Card concert={concert} key={concert.id} />
        ))}
      </ul>
      {hasNextPage && <button type="button" onClick={() => void fetchNextPage()}>{t.more}</button>}
    </>
  );
}
