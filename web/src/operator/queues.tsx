import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, fetchConcerts, ok, type Schemas } from '../api/client';
import { nameIn, ProblemNote } from '../parts';
import { useText } from '../text';
import { useWords } from './words';

function QueuePanel({ queue, name }: { queue: Schemas['Queue']; name: string }) {
  const w = useWords();
  const { number, time } = useText();
  const queries = useQueryClient();
  const [rate, setRate] = useState(String(queue.rate_per_s));
  const [cap, setCap] = useState(String(queue.active_cap));
  const change = useMutation({
    mutationFn: (body: Schemas['QueueChange']) => ok(api.PATCH('/v1/admin/shows/{show}/queue', { params: { path: { show: queue.show_id } }, body })),
    onSettled: () => queries.invalidateQueries({ queryKey: ['admin-queues'] }),
  });
  return (
    <section className="panel" aria-label={name}>
      <h2>{name} <span className={`state ${queue.state}`}>{queue.state}</span></h2>
      <p className="soft">{w.waiting} {number(queue.waiting)} · {w.active} {number(queue.active)} · {w.admitted} {number(queue.admitted_per_s)}{queue.opens_at && ` · ${time(queue.opens_at)}`}</p>
      <form className="row" onSubmit={(event) => { event.preventDefault(); change.mutate({ rate_per_s: Number(rate), active_cap: Number(cap) }); }}>
        <label>{w.rate}<input type="number" min={0.1} max={100000} step="any" required value={rate} onChange={(event) => setRate(event.target.value)} /></label>
        <label>{w.cap}<input type="number" min={1} max={1000000} required value={cap} onChange={(event) => setCap(event.target.value)} /></label>
        <button type="submit">{w.save}</button>
        {queue.state !== 'OPEN' && <button type="button" className="primary" onClick={() => change.mutate({ state: 'OPEN' })}>{w.open}</button>}
        {queue.state === 'OPEN' && <button type="button" className="primary" onClick={() => change.mutate({ state: 'PAUSED' })}>{w.pause}</button>}
        {queue.state !== 'CLOSED' && <button type="button" onClick={() => change.mutate({ state: 'CLOSED' })}>{w.closeQueue}</button>}
      </form>
      {queue.draw && (
        <details>
          <summary>{w.draw}</summary>
          <dl className="facts">
            <dt>{w.commitment}</dt><dd><code>{queue.draw.commitment}</code></dd>
            <dt>{w.seed}</dt><dd><code>{queue.draw.seed ?? w.notDrawn}</code></dd>
          </dl>
        </details>
      )}
      {change.isSuccess && <p role="status">{w.saved}</p>}
      <ProblemNote thrown={change.error} />
    </section>
  );
}

export function QueuesPage() {
  const w = useWords();
  const { language } = useText();
  const concerts = useQuery({ queryKey: ['concerts'], queryFn: fetchConcerts });
  const queues = useQuery({ queryKey: ['admin-queues'], queryFn: () => ok(api.GET('/v1/admin/queues')), refetchInterval: 2_000 });
  const nameOf = (id: string) => nameIn(language, concerts.data?.find((one) => one.shows.some((show) => show.id === id))?.title ?? '')[0];
  return (
    <>
      <title>{`${w.queues} – Boxoffice`}</title>
      <h1>{w.queues}</h1>
      <ProblemNote thrown={queues.error} />
      {queues.data?.items.map((queue) => <QueuePanel queue={queue} name={`${queue.show_id} · ${nameOf(queue.show_id)}`} key={queue.show_id} />)}
    </>
  );
}
