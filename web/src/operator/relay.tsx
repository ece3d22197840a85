import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { api, kPages, ok, Problem, type Schemas } from '../api/client';
import { useCommand } from '../api/command';
import { ProblemNote } from '../parts';
import { useText } from '../text';
import { Pressed } from './pressed';
import { useWords } from './words';

type Target = Schemas['RelayTarget'];
type Delivery = Schemas['RelayDelivery'];

const kStates = ['', 'pending', 'delivered', 'dead'] as const;
const pathOf = (target: string) => ({ params: { path: { target } } });

// A secret is told once: whoever closes this has to make a new one.
function Secret({ target }: { target: Target | undefined }) {
  const w = useWords();
  if (!target?.secret) return null;
  return <p role="status" className="secret">{w.secretOnce} <code>{target.secret}</code></p>;
}

function NewTarget() {
  const w = useWords();
  const queries = useQueryClient();
  const command = useCommand();
  const add = useMutation({
    mutationFn: (body: Schemas['NewRelayTarget']) => command(body, (key) => api.POST('/v1/admin/relay/targets', { params: { header: { 'Idempotency-Key': key } }, body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['relay-targets'] }),
  });
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const types = String(form.get('types')).split(/[\s,]+/).filter(Boolean);
    add.mutate({ url: String(form.get('url')), event_types: types, payload: form.get('full') === null ? 'thin' : 'full', rate_per_s: Number(form.get('rate')) });
  }
  return (
    <details className="panel">
      <summary>{w.newTarget}</summary>
      <form onSubmit={submit}>
        <label>URL<input type="url" name="url" required maxLength={2048} placeholder="https://" /></label>
        <label>{w.eventTypes}<input name="types" placeholder="reservation.confirmed, reservation.cancelled" /></label>
        <label>{w.targetRate}<input type="number" name="rate" min={0} max={1000} step="any" defaultValue={0} required /></label>
        <label className="check"><input type="checkbox" name="full" />{w.payloadFull}</label>
        <div className="row"><button type="submit" className="primary" disabled={add.isPending}>{w.add}</button></div>
      </form>
      <Secret target={add.data} />
      {/* Why an address is refused is in the detail alone. */}
      <ProblemNote thrown={add.error}>{add.error instanceof Problem && add.error.body.detail && <small>{add.error.body.detail}</small>}</ProblemNote>
    </details>
  );
}

function useTarget(target: Target) {
  const queries = useQueryClient();
  const command = useCommand();
  const settled = { onSettled: () => Promise.all(['relay-targets', 'relay-deliveries'].map((key) => queries.invalidateQueries({ queryKey: [key] }))) };
  const toggle = useMutation({ mutationFn: () => ok(api.PATCH('/v1/admin/relay/targets/{target}', { ...pathOf(target.id), body: { enabled: !target.enabled } })), ...settled });
  const test = useMutation({ mutationFn: () => ok(api.POST('/v1/admin/relay/targets/{target}/test', pathOf(target.id))), ...settled });
  const remove = useMutation({ mutationFn: () => ok(api.DELETE('/v1/admin/relay/targets/{target}', pathOf(target.id))), ...settled });
  const replay = useMutation({ mutationFn: () => ok(api.POST('/v1/admin/relay/deliveries/replay', { body: { target_id: target.id } })), ...settled });
  const rotate = useMutation({
    mutationFn: () => command('rotate', (key) => api.POST('/v1/admin/relay/targets/{target}/secret', { params: { path: { target: target.id }, header: { 'Idempotency-Key': key } }, body: { keep_old_s: 86_400 } })),
    ...settled,
  });
  return { toggle, test, remove, replay, rotate };
}

// What came of a test is told by its delivery, which is about to be sent.
function Tested({ delivery: id }: { delivery: string }) {
  const w = useWords();
  const { data } = useQuery({
    queryKey: ['relay-delivery', id],
    queryFn: () => ok(api.GET('/v1/admin/relay/deliveries/{delivery}', { params: { path: { delivery: id } } })),
    refetchInterval: (query) => (query.state.data && query.state.data.state !== 'pending' ? false : 700),
  });
  if (!data) return null;
  return <p role="status">{w.testEvent}: <span className={`state ${data.state}`}>{w.deliveryState[data.state]}</span> {data.last_status > 0 && `HTTP ${data.last_status}`} {data.last_error}</p>;
}

function TargetPanel({ target, onLog }: { target: Target; onLog: () => void }) {
  const w = useWords();
  const { time } = useText();
  const { toggle, test, remove, replay, rotate } = useTarget(target);
  return (
    <section className="panel" aria-label={target.url}>
      <h2><span className={`state ${target.enabled ? 'OPEN' : 'FAILED'}`}>{target.enabled ? w.enabled : w.disabled}</span> {target.url}</h2>
      <p className="soft">
        {target.event_types.length > 0 ? target.event_types.join(', ') : w.allTypes} · {target.payload} · {target.rate_per_s > 0 ? w.perSecond(target.rate_per_s) : w.noBound}
        {target.disabled_reason && ` · ${target.disabled_reason}`}
        {target.old_secret_until && ` · ${w.oldSecretUntil(time(target.old_secret_until))}`}
        {target.paused_until && ` · ${w.pausedUntil(time(target.paused_until))}`}
      </p>
      <div className="row">
        <button type="button" className="primary" disabled={test.isPending || !target.enabled} onClick={() => test.mutate()}>{w.sendTest}</button>
        <button type="button" onClick={onLog}>{w.deliveries}</button>
        {/* What waits for a platform that is switched off is dead. */}
        <Pressed label={target.enabled ? w.disable : w.enable} sureLabel={w.disableSure} twice={target.enabled} disabled={toggle.isPending} onPress={() => toggle.mutate()} />
        <button type="button" disabled={replay.isPending || !target.enabled} onClick={() => replay.mutate()}>{w.replayDead}</button>
        <button type="button" disabled={rotate.isPending} onClick={() => rotate.mutate()}>{w.newSecret}</button>
        <Pressed label={w.remove} sureLabel={w.removeSure} disabled={remove.isPending} onPress={() => remove.mutate()} />
      </div>
      {test.data && <Tested delivery={test.data.id} />}
      {replay.data && <p role="status">{w.replayed(replay.data.pending, replay.data.more)}</p>}
      <Secret target={rotate.data} />
      <ProblemNote thrown={toggle.error ?? test.error ?? remove.error ?? replay.error ?? rotate.error} />
    </section>
  );
}

function Row({ delivery, url }: { delivery: Delivery; url: string }) {
  const w = useWords();
  const { time, clock } = useText();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const path = { params: { path: { delivery: delivery.id } } };
  const body = useQuery({ queryKey: ['relay-delivery', delivery.id], enabled: open, queryFn: () => ok(api.GET('/v1/admin/relay/deliveries/{delivery}', path)) });
  const again = useMutation({
    mutationFn: () => ok(api.POST('/v1/admin/relay/deliveries/{delivery}/replay', path)),
    onSettled: () => queries.invalidateQueries({ queryKey: ['relay-deliveries'] }),
  });
  return (
    <>
      <tr>
        <td>{time(delivery.created_at)}</td><td>{delivery.event_type}</td><td>{url}</td>
        <td><span className={`state ${delivery.state}`}>{w.deliveryState[delivery.state]}</span></td>
        <td>{delivery.attempts}</td><td>{delivery.last_status > 0 && `HTTP ${delivery.last_status}`} {delivery.last_error}</td>
        <td>{delivery.next_attempt_at ? clock(delivery.next_attempt_at) : '–'}</td>
        <td className="row">
          <button type="button" className="small" aria-expanded={open} onClick={() => setOpen(!open)}>{w.body}</button>
          {delivery.state === 'dead' && <button type="button" className="small" disabled={again.isPending} onClick={() => again.mutate()}>{w.replay}</button>}
        </td>
      </tr>
      {(open || again.error) && <tr><td colSpan={8}><ProblemNote thrown={again.error ?? body.error} />{open && <pre>{body.data?.body}</pre>}</td></tr>}
    </>
  );
}

function Deliveries({ targets, chosen, onChoose }: { targets: Target[]; chosen: string; onChoose: (target: string) => void }) {
  const w = useWords();
  const { t } = useText();
  const [state, setState] = useState<(typeof kStates)[number]>('');
  const log = useInfiniteQuery({
    queryKey: ['relay-deliveries', chosen, state],
    ...kPages,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/admin/relay/deliveries', { params: { query: { limit: 50, ...(chosen && { target_id: chosen }), ...(state && { state }), ...(pageParam && { cursor: pageParam }) } } })),
    refetchInterval: 3_000,
  });
  const rows = log.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section>
      <h2 id="deliveries">{w.deliveries}</h2>
      <div className="row">
        <label>{w.platform}<select value={chosen} onChange={(event) => onChoose(event.target.value)}><option value="">{t.any}</option>{targets.map((one) => <option key={one.id} value={one.id}>{one.url}</option>)}</select></label>
        <label>{w.state}<select value={state} onChange={(event) => setState(event.target.value as typeof state)}>{kStates.map((one) => <option key={one} value={one}>{one === '' ? t.any : w.deliveryState[one]}</option>)}</select></label>
      </div>
      <ProblemNote thrown={log.error} />
      {log.data && rows.length === 0 && <p>{w.deliveriesNone}</p>}
      {rows.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-labelledby="deliveries">
          <table>
            <thead><tr><th>{w.at}</th><th>{w.event}</th><th>{w.platform}</th><th>{w.state}</th><th>{w.tries}</th><th>{w.answer}</th><th>{w.nextRetry}</th><th></th></tr></thead>
            <tbody>{rows.map((one) => <Row key={one.id} delivery={one} url={targets.find((target) => target.id === one.target_id)?.url ?? one.target_id} />)}</tbody>
          </table>
        </div>
      )}
      {log.hasNextPage && <button type="button" onClick={() => void log.fetchNextPage()}>{t.more}</button>}
    </section>
  );
}

export function RelayPage() {
  const w = useWords();
  const [chosen, setChosen] = useState('');
  const targets = useQuery({ queryKey: ['relay-targets'], queryFn: () => ok(api.GET('/v1/admin/relay/targets', { params: { query: { limit: 200 } } })), refetchInterval: 10_000 });
  const all = targets.data?.items ?? [];
  return (
    <>
      <title>{`${w.relay} – Boxoffice`}</title>
      <h1>{w.relay}</h1>
      <p className="soft">{w.relayHow}</p>
      <NewTarget />
      <ProblemNote thrown={targets.error} />
      {targets.data && all.length === 0 && <p>{w.targetsNone}</p>}
      {all.map((target) => <TargetPanel key={target.id} target={target} onLog={() => { setChosen(target.id); document.getElementById('deliveries')?.scrollIntoView(); }} />)}
      <Deliveries targets={all} chosen={chosen} onChoose={setChosen} />
    </>
  );
}
