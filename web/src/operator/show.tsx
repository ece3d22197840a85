import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { api, fetchAdminConcerts, ok, type Schemas, type Show } from '../api/client';
import { nameIn, ProblemNote } from '../parts';
import { useText } from '../text';
import { Confirmed } from './confirmed';
import { Seating } from './seating';
import { localInput, timeOf } from './times';
import { Waitlist } from './waitlist';
import { useWords } from './words';

const kTimes = ['on_sale_at', 'sale_ends_at', 'cancel_deadline'] as const;
const kNumbers = [['seat_limit', 1, 1000], ['hold_ttl_s', 60, 1800], ['grace_s', 0, 1800], ['cancel_fee_per_seat', 0, undefined], ['cancel_fee_percent', 0, 100]] as const;

const pathOf = (show: string) => ({ params: { path: { show } } });

// What was not changed is not sent, so that two operators don't undo each other's work.
function changesOf(show: Show, form: FormData): Schemas['ShowChange'] {
  const changes: Schemas['ShowChange'] = {};
  for (const key of kTimes) {
    const value = String(form.get(key) ?? '');
    if (value === localInput(show[key])) continue;
    // Without a time of its own, it is when the show begins.
    if (value !== '') changes[key] = timeOf(value);
    else if (key === 'cancel_deadline') changes[key] = null;
    else changes[key] = show.starts_at;
  }
  for (const [key] of kNumbers) if (Number(form.get(key)) !== show[key]) changes[key] = Number(form.get(key));
  if ((form.get('orphan_rule') !== null) !== show.orphan_rule) changes.orphan_rule = !show.orphan_rule;
  return changes;
}

function useSave(show: Show) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Schemas['ShowChange']) => ok(api.PATCH('/v1/admin/shows/{show}', { ...pathOf(show.id), body })),
    onSuccess: (changed) => queries.setQueryData(['admin-show', show.id], changed),
  });
}

// New rules begin a new form: what is typed lives in the page alone. That they were saved outlives the form.
function Rules({ show }: { show: Show }) {
  const save = useSave(show);
  return <RulesForm show={show} save={save} key={kTimes.map((key) => show[key]).join() + kNumbers.map(([key]) => show[key]).join() + String(show.orphan_rule)} />;
}

function RulesForm({ show, save }: { show: Show; save: ReturnType<typeof useSave> }) {
  const w = useWords();
  const [nothing, setNothing] = useState(false);
  return (
    <form
      className="panel" aria-label={w.rules}
      onSubmit={(event) => {
        event.preventDefault();
        const changes = changesOf(show, new FormData(event.currentTarget));
        save.reset();
        setNothing(Object.keys(changes).length === 0);
        if (Object.keys(changes).length > 0) save.mutate(changes);
      }}
    >
      <h2>{w.rules}</h2>
      <div className="fields">
        {kTimes.map((key) => <label key={key}>{w.rule[key]}<input type="datetime-local" name={key} required={key === 'on_sale_at'} defaultValue={localInput(show[key])} /></label>)}
        {kNumbers.map(([key, min, max]) => <label key={key}>{key === 'cancel_fee_per_seat' ? w.feeOf(show.currency) : w.rule[key]}<input type="number" name={key} required min={min} max={max} step={1} defaultValue={show[key]} /></label>)}
        <label className="check"><input type="checkbox" name="orphan_rule" defaultChecked={show.orphan_rule} />{w.rule.orphan_rule}</label>
      </div>
      <div className="row">
        <button type="submit" className="primary" disabled={save.isPending}>{w.save}</button>
        {save.isSuccess && <p role="status">{w.saved}</p>}
        {nothing && <p role="status">{w.nothingChanged}</p>}
      </div>
      <ProblemNote thrown={save.error} />
    </form>
  );
}

function Cancellation({ show }: { show: Show }) {
  const w = useWords();
  const { money, number } = useText();
  const { data } = useQuery({
    queryKey: ['show-cancellation', show.id],
    queryFn: () => ok(api.GET('/v1/admin/shows/{show}/cancellation', pathOf(show.id))),
    refetchInterval: (query) => (query.state.data?.state === 'running' ? 2_000 : false),
  });
  if (!data) return null;
  return (
    <section className="panel" aria-label={w.cancellation}>
      <h2>{w.cancellation} <span className="state">{w.cancellationState[data.state]}</span></h2>
      <progress value={data.refunded + data.released} max={Math.max(1, data.total)} />
      <p role="status">{w.cancellationProgress(number(data.refunded), number(data.released), number(data.waiting), number(data.parked))}</p>
      <p>{data.refunded_amounts.map((one) => money(one.amount, one.currency)).join(', ')} {data.reason} {data.last_error}</p>
    </section>
  );
}

function CancelShow({ show }: { show: Show }) {
  const w = useWords();
  const { number } = useText();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const cancel = useMutation({
    mutationFn: (reason: string) => ok(api.POST('/v1/admin/shows/{show}/cancel', { ...pathOf(show.id), body: { reason } })),
    onSuccess: () => setOpen(false),
    onSettled: () => Promise.all(['admin-show', 'show-cancellation'].map((key) => queries.invalidateQueries({ queryKey: [key, show.id] }))),
  });
  return (
    <>
      <button type="button" className="danger" onClick={() => { cancel.reset(); setOpen(true); }}>{w.cancelShow}</button>
      {!open && <ProblemNote thrown={cancel.error} />}
      <Confirmed title={w.cancelShowTitle} yes={w.cancelShowYes} danger open={open} pending={cancel.isPending} onClose={() => setOpen(false)} onYes={cancel.mutate}>
        <p>{w.cancelShowHow(number(show.sold), number(show.held))}</p>
        <ProblemNote thrown={cancel.error} />
      </Confirmed>
    </>
  );
}

function Publish({ show }: { show: Show }) {
  const w = useWords();
  const queries = useQueryClient();
  const publish = useMutation({
    mutationFn: () => ok(api.POST('/v1/admin/shows/{show}/publish', pathOf(show.id))),
    onSettled: () => Promise.all([['concerts'], ['admin-concerts'], ['admin-show', show.id]].map((queryKey) => queries.invalidateQueries({ queryKey }))),
  });
  return (
    <>
      {show.state === 'DRAFT' && <button type="button" className="primary" disabled={publish.isPending} onClick={() => publish.mutate()}>{w.publish}</button>}
      {publish.isSuccess && <p role="status">{w.published}</p>}
      <ProblemNote thrown={publish.error} />
    </>
  );
}

export function ShowPage({ id }: { id: string }) {
  const w = useWords();
  const { t, time, number, language } = useText();
  const { data: show, error } = useQuery({ queryKey: ['admin-show', id], queryFn: () => ok(api.GET('/v1/admin/shows/{show}', pathOf(id))), refetchInterval: 10_000 });
  const concerts = useQuery({ queryKey: ['admin-concerts'], queryFn: fetchAdminConcerts });
  if (!show) return error ? <ProblemNote thrown={error} /> : <p className="loading">{t.loading}</p>;
  const concert = concerts.data?.find((one) => one.id === show.concert_id);
  const title = nameIn(language, concert?.title ?? '')[0];
  return (
    <>
      <title>{`${title} ${id} – Boxoffice`}</title>
      <h1><span className={`state ${show.state}`}>{t.state[show.state]}</span> {title}</h1>
      {/* It could not be read again: what is typed stays. */}
      <ProblemNote thrown={error} />
      <p>{w.show} {id} · {time(show.starts_at)} · {w.seatCounts(number(show.free), number(show.held), number(show.sold), number(show.blocked), number(show.capacity))}</p>
      {show.state === 'DRAFT' && <p role="status">{w.preview}</p>}
      <div className="row">
        <Publish show={show} />
        {show.state !== 'CANCELLED' && show.state !== 'PAST' && show.state !== 'DRAFT' && <CancelShow show={show} />}
        <Link className="button" href={`/operator/sagas?q=${id}`}>{w.itsReservations}</Link>
      </div>
      {show.state === 'CANCELLED' && <Cancellation show={show} />}
      <Rules show={show} />
      <Seating show={show} />
      {show.state !== 'DRAFT' && <Waitlist show={show} />}
    </>
  );
}
