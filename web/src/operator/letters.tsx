import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, kPages, ok, type Schemas } from '../api/client';
import { ProblemNote } from '../parts';
import { useText } from '../text';
import { useWords } from './words';

function Letter({ letter }: { letter: Schemas['DeadLetter'] }) {
  const w = useWords();
  const { time } = useText();
  const queries = useQueryClient();
  const replay = useMutation({
    mutationFn: () => ok(api.POST('/v1/admin/dead-letters/{dead_letter}/replay', { params: { path: { dead_letter: letter.id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: ['dead-letters'] }),
  });
  return (
    <tr>
      <td>{time(letter.parked_at)}</td><td>{letter.group}</td><td>{letter.event_type}<br /><small>{letter.topic}</small></td><td><code>{letter.key}</code></td>
      <td><b>{letter.error.code}</b> {letter.error.detail}</td><td>{letter.attempts}</td>
      <td><button type="button" className="small" disabled={replay.isPending} onClick={() => replay.mutate()}>{w.replay}</button><ProblemNote thrown={replay.error} /></td>
    </tr>
  );
}

function Outbox() {
  const w = useWords();
  const { number } = useText();
  const { data, error } = useQuery({ queryKey: ['outbox'], queryFn: () => ok(api.GET('/v1/admin/outbox')), refetchInterval: 3_000 });
  return (
    <section className="panel">
      <h2>{w.outboxes}</h2>
      <ProblemNote thrown={error} />
      <div className="scroll" tabIndex={0} role="region" aria-label={w.outboxes}>
        <table>
          <thead><tr><th>{w.service}</th><th>{w.outbox}</th><th>{w.oldestAge}</th><th>{w.lastError}</th></tr></thead>
          <tbody>
            {data?.items.map((row) => (
              <tr key={row.service}><td>{row.service}</td><td>{row.pending === null ? '–' : number(row.pending)}</td><td>{row.oldest_age_s === null ? '–' : `${row.oldest_age_s.toFixed(1)} s`}</td><td>{row.problem ?? w.none}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

// What is on its way from the services to those who consume it, and what did not get there.
export function LettersPage() {
  const w = useWords();
  const { t } = useText();
  const letters = useInfiniteQuery({
    queryKey: ['dead-letters'],
    ...kPages,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/admin/dead-letters', { params: { query: { limit: 200, ...(pageParam && { cursor: pageParam }) } } })),
    // All pages are asked for again, and for each the bus is read from its start: so only while there is one.
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) > 1 ? false : 3_000),
  });
  const rows = letters.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <title>{`${w.events} – Boxoffice`}</title>
      <h1>{w.events}</h1>
      <Outbox />
      <section className="panel">
        <h2>{w.deadLetters}</h2>
        <p className="soft">{w.deadLettersHow}</p>
        <ProblemNote thrown={letters.error} />
        {letters.data && rows.length === 0 && <p>{w.deadLettersNone}</p>}
        {rows.length > 0 && (
          <div className="scroll" tabIndex={0} role="region" aria-label={w.deadLetters}>
            <table>
              <thead><tr><th>{w.at}</th><th>{w.consumer}</th><th>{w.event}</th><th>{w.key}</th><th>{w.lastError}</th><th>{w.tries}</th><th></th></tr></thead>
              <tbody>{rows.map((letter) => <Letter key={letter.id} letter={letter} />)}</tbody>
            </table>
          </div>
        )}
        {letters.hasNextPage && <button type="button" onClick={() => void letters.fetchNextPage()}>{t.more}</button>}
      </section>
    </>
  );
}
