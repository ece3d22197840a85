import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { api, ok, type Schemas } from '../api/client';
import { ProblemNote } from '../parts';
import { useText } from '../text';
import { useWords } from './words';

type AdminReservation = Schemas['AdminReservation'];

const kUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function Rows({ rows }: { rows: AdminReservation[] }) {
  const w = useWords();
  const { t, time } = useText();
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={w.sagas}>
      <table>
        <thead><tr><th>ID</th><th>{w.user}</th><th>{w.show}</th><th>{w.state}</th><th>{w.status}</th><th>{w.lastError}</th><th>{w.at}</th></tr></thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td><Link href={`/operator/sagas/${row.id}`}><code>{row.id}</code></Link></td>
              <td>{row.user_id}</td><td>{row.show_id}</td>
              <td><span className={`state ${row.state}`}>{t.reservationState[row.state]}</span></td>
              <td>{row.saga.status}</td><td>{row.saga.last_error}</td><td>{time(row.updated_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function SagasPage() {
  const w = useWords();
  const [, navigate] = useLocation();
  const [text, setText] = useState('');
  const [asked, setAsked] = useState('');
  const stuck = useQuery({ queryKey: ['sagas'], queryFn: () => ok(api.GET('/v1/admin/sagas', { params: { query: { limit: 200 } } })), refetchInterval: 2_000 });
  const found = useQuery({
    queryKey: ['admin-reservations', asked],
    enabled: asked !== '',
    queryFn: () => ok(api.GET('/v1/admin/reservations', { params: { query: /^\d+$/.test(asked) ? { show_id: asked, limit: 50 } : { user_id: asked, limit: 50 } } })),
  });
  return (
    <>
      <title>{`${w.sagas} – Boxoffice`}</title>
      <h1>{w.sagas}</h1>
      <form className="row" role="search" onSubmit={(event) => { event.preventDefault(); const wanted = text.trim(); if (kUuid.test(wanted)) navigate(`/operator/sagas/${wanted}`); else setAsked(wanted); }}>
        <label>{w.search}<input type="search" value={text} onChange={(event) => setText(event.target.value)} /></label>
        <button type="submit" className="primary">{w.searchGo}</button>
      </form>
      <ProblemNote thrown={stuck.error ?? found.error} />
      {found.data && <section><h2>{w.found}</h2>{found.data.items.length > 0 ? <Rows rows={found.data.items} /> : <p role="status">{w.foundNone}</p>}</section>}
      <section>
        <h2>{w.stuck}</h2>
        {stuck.data?.items.length === 0 && <p>{w.stuckNone}</p>}
        {stuck.data && stuck.data.items.length > 0 && <Rows rows={stuck.data.items} />}
      </section>
    </>
  );
}

function Resolve({ reservation }: { reservation: AdminReservation }) {
  const w = useWords();
  const queries = useQueryClient();
  const [reason, setReason] = useState('');
  const resolve = useMutation({
    mutationFn: (action: 'retry' | 'undo' | 'park') => ok(api.POST(`/v1/admin/sagas/{reservation}/${action}`, { params: { path: { reservation: reservation.id } }, body: { reason } })),
    onSettled: () => Promise.all([['admin-reservation', reservation.id], ['sagas']].map((queryKey) => queries.invalidateQueries({ queryKey }))),
  });
  const blocked = reason.trim() === '' || resolve.isPending;
  return (
    <form className="panel row" onSubmit={(event) => { event.preventDefault(); if (!blocked) resolve.mutate('retry'); }}>
      <label>{w.reason}<input required maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} /></label>
      <button type="submit" className="primary" disabled={blocked}>{w.retry}</button>
      <button type="button" className="danger" disabled={blocked} onClick={() => resolve.mutate('undo')}>{w.forceUndo}</button>
      <button type="button" disabled={blocked} onClick={() => resolve.mutate('park')}>{w.park}</button>
      {resolve.isSuccess && <p role="status">{w.done}</p>}
      <ProblemNote thrown={resolve.error} />
    </form>
  );
}

export function SagaPage({ id }: { id: string }) {
  const w = useWords();
  const { t, time, money, clock } = useText();
  const { data, error } = useQuery({
    queryKey: ['admin-reservation', id],
    queryFn: () => ok(api.GET('/v1/admin/reservations/{reservation}', { params: { path: { reservation: id } } })),
    refetchInterval: 2_000,
  });
  if (error) return <ProblemNote thrown={error} />;
  if (!data) return <p className="loading">{t.loading}</p>;
  const { saga } = data;
  const open = saga.status === 'running' || saga.status === 'parked' || saga.status === 'waiting';
  return (
    <>
      <title>{`${data.user_id} – Boxoffice`}</title>
      <h1><span className={`state ${data.state}`}>{t.reservationState[data.state]}</span> {data.user_id}</h1>
      <dl className="facts panel">
        <dt>ID</dt><dd><code>{data.id}</code></dd>
        <dt>{w.show}</dt><dd>{data.show_id}</dd>
        <dt>{w.seats}</dt><dd>{data.seats.map((seat) => seat.label).join(', ')} · {money(data.amount, data.currency)}</dd>
        <dt>{w.status}</dt><dd><span className={`state ${saga.status}`}>{saga.kind}: {saga.status}</span></dd>
        <dt>{w.tries}</dt><dd>{saga.tries}</dd>
        <dt>{w.lastError}</dt><dd>{saga.last_error || data.failure?.code || w.none}</dd>
        <dt>{w.nextRetry}</dt><dd>{saga.next_retry_at ? time(saga.next_retry_at) : '–'}</dd>
        <dt>{w.owner}</dt><dd>{saga.owner || '–'} ({saga.epoch})</dd>
      </dl>
      {open && <Resolve reservation={data} />}
      <div className="scroll" tabIndex={0} role="region" aria-label={w.step}>
        <table>
          <thead><tr><th>{w.at}</th><th>{w.step}</th><th>{w.outcome}</th><th>{w.took}</th><th></th></tr></thead>
          <tbody>
            {saga.timeline.map((entry, i) => (
              <tr key={i}>
                <td>{clock(entry.at)}</td><td>{entry.undo ? `${w.undo} ` : ''}{entry.step}</td><td>{entry.outcome}</td>
                <td>{(entry.duration_us / 1000).toFixed(1)} ms</td><td>{entry.detail}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
