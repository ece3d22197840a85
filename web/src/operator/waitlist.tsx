import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { api, kMaxBefore, kPages, ok, type Schemas, type Show } from '../api/client';
import { ProblemNote } from '../parts';
import { useText } from '../text';
import { useWords } from './words';

type Entry = Schemas['AdminWaitlistEntry'];

function Row({ entry, show }: { entry: Entry; show: Show }) {
  const w = useWords();
  const { money, number, time } = useText();
  const wish = [entry.section, entry.category, entry.max_price !== null && w.atMost(money(entry.max_price, show.currency))].filter(Boolean).join(' · ');
  return (
    <tr>
      <td>{number(entry.place)}</td>
      <td><Link href={`/operator/sagas?q=${encodeURIComponent(`user:${entry.user_id}`)}`}>{entry.user_id}</Link></td>
      <td>{number(entry.count)}</td><td>{wish || w.anySeats}</td>
      <td>
        <span className={`state ${entry.state}`}>{w.waitState[entry.state]}</span>
        {entry.state === 'WAITING' && <> {w.beforeIt(number(entry.before), entry.before >= kMaxBefore)}</>}
        {entry.ended_because && <> {w.endedBecause[entry.ended_because] ?? entry.ended_because}</>}
      </td>
      <td>{entry.reservation_id && <Link href={`/operator/sagas/${entry.reservation_id}`}><code>{entry.reservation_id}</code></Link>}{entry.offered_until && <><br />{w.offeredUntil(time(entry.offered_until))}</>}</td>
      <td>{time(entry.joined_at)}</td>
    </tr>
  );
}

// Who waits for seats of a show that come back, and what they were offered.
export function Waitlist({ show }: { show: Show }) {
  const w = useWords();
  const { t } = useText();
  const [state, setState] = useState<'open' | 'all'>('open');
  const list = useInfiniteQuery({
    queryKey: ['admin-waitlist', show.id, state],
    ...kPages,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/admin/shows/{show}/waitlist', { params: { path: { show: show.id }, query: { limit: 50, state, ...(pageParam && { cursor: pageParam }) } } })),
    refetchInterval: 10_000,
  });
  const rows = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section className="panel" aria-label={t.waitlist}>
      <div className="row bar">
        <h2>{t.waitlist}</h2>
        <label className="check"><input type="checkbox" checked={state === 'all'} onChange={(event) => setState(event.target.checked ? 'all' : 'open')} />{w.alsoEnded}</label>
      </div>
      <ProblemNote thrown={list.error} />
      {list.data && rows.length === 0 && <p role="status">{w.waitlistNone}</p>}
      {rows.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label={w.waitlistRows}>
          <table>
            <thead><tr><th>{w.placeNo}</th><th>{w.user}</th><th>{w.seats}</th><th>{w.wish}</th><th>{w.state}</th><th>{w.offer}</th><th>{w.joined}</th></tr></thead>
            <tbody>{rows.map((entry) => <Row key={entry.place} entry={entry} show={show} />)}</tbody>
          </table>
        </div>
      )}
      {list.hasNextPage && <button type="button" onClick={() => void list.fetchNextPage()}>{t.more}</button>}
    </section>
  );
}
