import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation, useSearch } from 'wouter';
import { api, kPages, ok, type Schemas } from '../api/client';
import { ProblemNote } from '../parts';
import { useText } from '../text';
import { Changes } from './changes';
import { Payments, RefusedPayments } from './payments';
import { walletHref } from './wallets';
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
              <td>{w.sagaStatus[row.saga.status] ?? row.saga.status}</td><td>{row.saga.last_error}</td><td>{time(row.updated_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const kStates: AdminReservation['state'][] = ['HELD', 'CONFIRMING', 'CONFIRMED', 'COMPENSATING', 'FAILED', 'CANCELLING', 'CANCELLED', 'EXPIRED', 'RELEASED'];

interface Asked { text: string; state: string }

// "mina", "7", "user:7", "show:7": a number alone is a show's.
function queryOf({ text, state }: Asked) {
  const [, kind, value] = /^(?:(user|show):)?(.*)$/s.exec(text)!;
  const isShow = kind === 'show' || (kind !== 'user' && /^\d+$/.test(value!));
  return { limit: 50, ...(value && (isShow ? { show_id: value } : { user_id: value })), ...(state && { state: state as AdminReservation['state'] }) };
}

function Found({ asked }: { asked: Asked }) {
  const w = useWords();
  const { t } = useText();
  const found = useInfiniteQuery({
    queryKey: ['admin-reservations', asked.text, asked.state],
    ...kPages,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/admin/reservations', { params: { query: { ...queryOf(asked), ...(pageParam && { cursor: pageParam }) } } })),
  });
  const rows = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section>
      <h2>{w.found}</h2>
      <ProblemNote thrown={found.error} />
      {found.data && rows.length === 0 && !found.hasNextPage && <p role="status">{w.foundNone}</p>}
      {rows.length > 0 && <Rows rows={rows} />}
      {found.hasNextPage && <button type="button" onClick={() => void found.fetchNextPage()}>{t.more}</button>}
    </section>
  );
}

// What is searched for is in the address, so that it can be passed on.
export function SagasPage() {
  const w = useWords();
  const { t } = useText();
  const [, navigate] = useLocation();
  const search = new URLSearchParams(useSearch());
  const asked = { text: search.get('q') ?? '', state: search.get('state') ?? '' };
  const [text, setText] = useState(asked.text);
  const [state, setState] = useState(asked.state);
  const stuck = useInfiniteQuery({
    queryKey: ['sagas', 'not-ended'],
    ...kPages,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/admin/sagas', { params: { query: { limit: 200, ...(pageParam && { cursor: pageParam }) } } })),
    refetchInterval: 2_000,
  });
  const open = stuck.data?.pages.flatMap((page) => page.items) ?? [];
  function go() {
    const wanted = text.trim();
    if (!kUuid.test(wanted)) return navigate(`/operator/sagas?${new URLSearchParams({ ...(wanted && { q: wanted }), ...(state && { state }) })}`);
    // A saga's own id leads to its reservation, while it has not ended.
    const id = wanted.toLowerCase();
    navigate(`/operator/sagas/${open.find((one) => one.saga.id === id)?.id ?? id}`);
  }
  return (
    <>
      <title>{`${w.sagas} – Boxoffice`}</title>
      <h1>{w.sagas}</h1>
      <form className="row" role="search" onSubmit={(event) => { event.preventDefault(); go(); }}>
        <label>{w.search}<input type="search" value={text} onChange={(event) => setText(event.target.value)} /></label>
        <label>{w.state}<select value={state} onChange={(event) => setState(event.target.value)}><option value="">{t.any}</option>{kStates.map((one) => <option key={one} value={one}>{t.reservationState[one]}</option>)}</select></label>
        <button type="submit" className="primary">{w.searchGo}</button>
      </form>
      <ProblemNote thrown={stuck.error} />
      {(asked.text !== '' || asked.state !== '') && <Found asked={asked} />}
      <RefusedPayments />
      <section>
        <h2>{w.stuck}</h2>
        {stuck.data && open.length === 0 && <p>{w.stuckNone}</p>}
        {open.length > 0 && <Rows rows={open} />}
        {stuck.hasNextPage && <button type="button" onClick={() => void stuck.fetchNextPage()}>{t.more}</button>}
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

const kSlow = 1_000_000; // microseconds: the time-out of every step but a payment's

// How long each step took beside the longest one.
function Timeline({ entries }: { entries: AdminReservation['saga']['timeline'] }) {
  const w = useWords();
  const { clock } = useText();
  const longest = Math.max(1, ...entries.map((entry) => entry.duration_us));
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={w.timeline}>
      <table>
        <thead><tr><th>{w.at}</th><th>{w.step}</th><th>{w.outcome}</th><th>{w.took}</th><th>{w.detail}</th></tr></thead>
        <tbody>
          {entries.map((entry, i) => (
            <tr key={i}>
              <td>{clock(entry.at)}</td><td>{entry.undo ? `↶ ${w.undo} ` : ''}{entry.step}</td>
              <td><span className={`state ${entry.outcome === 'done' ? 'OPEN' : entry.outcome === 'unknown' ? 'HELD' : entry.outcome === 'refused' || entry.outcome === 'failed' ? 'FAILED' : ''}`}>{entry.outcome}</span></td>
              <td>
                {(entry.duration_us / 1000).toFixed(1)} ms
                <svg viewBox="0 0 100 4" preserveAspectRatio="none" className={`took ${entry.duration_us > kSlow ? 'slow' : ''}`} aria-hidden="true"><rect width={Math.max(1, (100 * entry.duration_us) / longest)} height="4" /></svg>
              </td>
              <td>{entry.detail}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function SagaPage({ id }: { id: string }) {
  const w = useWords();
  const { t, time, money } = useText();
  const { data, error } = useQuery({
    queryKey: ['admin-reservation', id],
    queryFn: () => ok(api.GET('/v1/admin/reservations/{reservation}', { params: { path: { reservation: id } } })),
    refetchInterval: 2_000,
  });
  if (!data) return error ? <ProblemNote thrown={error} /> : <p className="loading">{t.loading}</p>;
  const { saga } = data;
  const open = saga.status !== 'done';
  return (
    <>
      <title>{`${data.user_id} – Boxoffice`}</title>
      <h1><span className={`state ${data.state}`}>{t.reservationState[data.state]}</span> {data.user_id}</h1>
      {/* It could not be read again: what is typed stays. */}
      <ProblemNote thrown={error} />
      <dl className="facts panel">
        <dt>ID</dt><dd><code>{data.id}</code></dd>
        <dt>{w.show}</dt><dd><Link href={`/operator/shows/${data.show_id}`}>{data.show_id}</Link></dd>
        <dt>{w.user}</dt><dd><Link href={`/operator/sagas?q=${encodeURIComponent(`user:${data.user_id}`)}`}>{data.user_id}</Link> · <Link href={walletHref(data.user_id)}>{t.wallet}</Link></dd>
        <dt>{w.seats}</dt><dd>{data.seats.map((seat) => seat.label).join(', ')} · {money(data.amount, data.currency)}</dd>
        <dt>{w.status}</dt><dd><span className={`state ${saga.status}`}>{saga.kind}: {w.sagaStatus[saga.status] ?? saga.status}</span></dd>
        <dt>{w.tries}</dt><dd>{saga.tries} ({w.attempt(saga.attempt)})</dd>
        <dt>{w.lastError}</dt><dd>{saga.last_error || data.failure?.code || w.none}</dd>
        <dt>{w.nextRetry}</dt><dd>{saga.next_retry_at ? time(saga.next_retry_at) : '–'}</dd>
        <dt>{w.owner}</dt><dd>{saga.owner ? w.ownedBy(saga.owner, saga.epoch, saga.lease_until && time(saga.lease_until)) : '–'}</dd>
        <dt>{w.startedAt}</dt><dd>{saga.started_at ? time(saga.started_at) : '–'}</dd>
        {data.hold_expires_at && <><dt>{w.holdUntil}</dt><dd>{time(data.hold_expires_at)}</dd></>}
      </dl>
      {open && <Resolve reservation={data} />}
      <Changes reservation={data} />
      <h2>{w.timeline}</h2>
      <Timeline entries={saga.timeline} />
      <Payments reservation={id} />
    </>
  );
}
