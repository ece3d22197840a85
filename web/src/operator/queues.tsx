import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, fetchAdminConcerts, ok, type Schemas } from '../api/client';
import { placeOf, seedIsCommitted } from '../draw_proof';
import { nameIn, ProblemNote } from '../parts';
import { useText } from '../text';
import { Pressed } from './pressed';
import { localInput, timeOf } from './times';
import { useWords } from './words';

type Queue = Schemas['Queue'];

function useChange(show: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Schemas['QueueChange']) => ok(api.PATCH('/v1/admin/shows/{show}/queue', { params: { path: { show } }, body })),
    onSettled: () => queries.invalidateQueries({ queryKey: ['admin-queues'] }),
  });
}

// What was not changed is not sent, so that two operators don't undo each other's work.
function changesOf(queue: Queue, form: FormData): Schemas['QueueChange'] {
  const changes: Schemas['QueueChange'] = {};
  for (const key of ['rate_per_s', 'active_cap'] as const) if (Number(form.get(key)) !== queue[key]) changes[key] = Number(form.get(key));
  return changes;
}

// Anybody can do this by hand; here the browser does.
function Draw({ draw }: { draw: NonNullable<Queue['draw']> }) {
  const w = useWords();
  const { number, time } = useText();
  const [asked, setAsked] = useState('');
  // Of the number that it was worked out for alone: another one may be in the field by then.
  const place = useMutation({ mutationFn: (of: number) => placeOf(draw, of) });
  const isAsked = place.variables === Number(asked);
  const committed = useQuery({ queryKey: ['draw', draw.commitment, draw.seed], enabled: draw.seed !== null, staleTime: Infinity, retry: false, queryFn: () => seedIsCommitted(draw) });
  return (
    <details>
      <summary>{w.draw}</summary>
      <dl className="facts">
        <dt>{w.commitment}</dt><dd><code>{draw.commitment}</code></dd>
        <dt>{w.seed}</dt><dd><code>{draw.seed ?? w.notDrawn}</code></dd>
        <dt>{w.drawnAt}</dt><dd>{draw.drawn_at ? time(draw.drawn_at) : '–'}</dd>
        <dt>{w.entrants}</dt><dd>{number(draw.entrants)}</dd>
        <dt>{w.proof}</dt><dd>{draw.seed === null ? w.notDrawn : committed.error ? w.proofNotHere : committed.data === true ? `✓ ${w.proofHolds}` : committed.data === false ? `× ${w.proofFails}` : '…'}</dd>
      </dl>
      {draw.seed !== null && draw.entrants > 0 && (
        <form className="row" onSubmit={(event) => { event.preventDefault(); place.mutate(Number(asked)); }}>
          <label>{w.drawNumber}<input type="number" required min={draw.first + 1} max={draw.first + draw.entrants} value={asked} onChange={(event) => setAsked(event.target.value)} /></label>
          <button type="submit" disabled={isAsked && place.isPending}>{w.drawPlace}</button>
          {isAsked && <p role="status">{place.isPending ? '…' : place.data === undefined ? w.proofNotHere : w.drawPlaceIs(number(place.data))}</p>}
        </form>
      )}
    </details>
  );
}

// A queue that does not admit yet: drawn or first come, and opened by hand or at a time.
function Opening({ queue, change }: { queue: Queue; change: ReturnType<typeof useChange> }) {
  const w = useWords();
  const [at, setAt] = useState(localInput(queue.opens_at));
  const opensAt = at === '' ? null : timeOf(at);
  const isOpen = queue.state === 'OPEN';
  // What those who wait would feel at once.
  const pressed = { twice: isOpen || queue.waiting > 0, disabled: change.isPending };
  return (
    <details>
      <summary>{w.opening}</summary>
      <form className="row" onSubmit={(event) => { event.preventDefault(); if (!isOpen) change.mutate({ opens_at: opensAt }); }}>
        <label>{w.opensAt}<input type="datetime-local" disabled={isOpen} value={at} onChange={(event) => setAt(event.target.value)} /></label>
        <button type="submit" disabled={isOpen || change.isPending}>{at === '' ? w.openByHand : w.openThen}</button>
        {queue.draw === null && <Pressed label={w.beginDraw} sureLabel={w.beginDrawSure} {...pressed} onPress={() => change.mutate({ state: 'PREQUEUE', opens_at: opensAt })} />}
        {queue.state !== 'OFF' && <Pressed label={w.noQueue} sureLabel={w.noQueueSure} {...pressed} onPress={() => change.mutate({ state: 'OFF' })} />}
      </form>
      {isOpen && <p className="soft">{w.openAlready}</p>}
      <p className="soft">{w.drawHow}</p>
    </details>
  );
}

function QueuePanel({ queue, name }: { queue: Queue; name: string }) {
  const w = useWords();
  const { number, time } = useText();
  const [nothing, setNothing] = useState(false);
  const change = useChange(queue.show_id);
  // Whichever way a pre-queue ends, its places are drawn.
  const states = (state: Queue['state'], label: string, primary = false) => (
    <Pressed label={label} sureLabel={w.drawSure(label)} twice={queue.state === 'PREQUEUE'} className={primary ? 'primary' : ''} disabled={change.isPending} onPress={() => change.mutate({ state })} />
  );
  return (
    <section className="panel" aria-label={name}>
      <h2>{name} <span className={`state ${queue.state}`}>{w.queueState[queue.state]}</span></h2>
      <p className="soft">
        {w.waiting} {number(queue.waiting)} · {w.active} {number(queue.active)} · {w.admitted} {number(queue.admitted_per_s)} · {w.servedCounts(number(queue.completed), number(queue.expired), number(queue.left))}
        {queue.opens_at && ` · ${w.opensAt} ${time(queue.opens_at)}`}
      </p>
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          const changes = changesOf(queue, new FormData(event.currentTarget));
          change.reset();
          setNothing(Object.keys(changes).length === 0);
          if (Object.keys(changes).length > 0) change.mutate(changes);
        }}
      >
        {/* A new value begins a new field, beside which what is typed into the other one stays. */}
        <label>{w.rate}<input type="number" name="rate_per_s" min={0.1} max={100000} step="any" required defaultValue={queue.rate_per_s} key={queue.rate_per_s} /></label>
        <label>{w.cap}<input type="number" name="active_cap" min={1} max={1000000} required defaultValue={queue.active_cap} key={queue.active_cap} /></label>
        <button type="submit" disabled={change.isPending}>{w.save}</button>
        {queue.state !== 'OPEN' && states('OPEN', w.open, true)}
        {queue.state === 'OPEN' && states('PAUSED', w.pause, true)}
        {queue.state !== 'CLOSED' && states('CLOSED', w.closeQueue)}
      </form>
      <Opening queue={queue} change={change} key={queue.opens_at} />
      {queue.draw && <Draw draw={queue.draw} />}
      {change.isSuccess && <p role="status">{w.saved}</p>}
      {nothing && change.isIdle && <p role="status">{w.nothingChanged}</p>}
      <ProblemNote thrown={change.error} />
    </section>
  );
}

export function QueuesPage() {
  const w = useWords();
  const { language } = useText();
  const concerts = useQuery({ queryKey: ['admin-concerts'], queryFn: fetchAdminConcerts });
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
