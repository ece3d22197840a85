import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { api, ok } from '../api/client';
import { nameIn, ProblemNote } from '../parts';
import { useText } from '../text';
import { useWords } from './words';

export function ShowsPage() {
  const w = useWords();
  const { t, language, time, number } = useText();
  const concerts = useQuery({ queryKey: ['admin-concerts'], queryFn: () => ok(api.GET('/v1/admin/concerts', { params: { query: { limit: 200 } } })), refetchInterval: 10_000 });
  return (
    <>
      <title>{`${w.shows} – Boxoffice`}</title>
      <h1>{w.shows}</h1>
      <p><Link className="button primary" href="/operator/shows/new">{w.newShow}</Link></p>
      <ProblemNote thrown={concerts.error} />
      {concerts.data?.items.map((concert) => (
        <section className="panel" key={concert.id} aria-label={nameIn(language, concert.title)[0]}>
          <h2>{nameIn(language, concert.title)[0]}</h2>
          <p className="soft">{[concert.artist, concert.venue].filter(Boolean).map((one) => nameIn(language, one)[0]).join(' · ')}</p>
          <ul className="plain">
            {concert.shows.map((show) => (
              <li key={show.id}>
                <Link href={`/operator/shows/${show.id}`}>{w.show} {show.id}: {time(show.starts_at)}</Link>
                <span className={`state ${show.state}`}>{t.state[show.state]}</span>
                <span className="soft">{w.seatCounts(number(show.free), number(show.held), number(show.sold), number(show.blocked), number(show.capacity))}</span>
              </li>
            ))}
          </ul>
          {concert.shows.length === 0 && <p>{w.none}</p>}
        </section>
      ))}
    </>
  );
}
