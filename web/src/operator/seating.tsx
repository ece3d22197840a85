import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { api, ok, Problem, type Show } from '../api/client';
import { Swatch } from '../map/swatch';
import { useLiveSeats } from '../map/live';
import { type SeatModel } from '../map/model';
import { kStates } from '../map/rows';
import { kNoSeats, ProblemNote } from '../parts';
import { useText } from '../text';
import { Chooser, Conflicts } from './chooser';
import { Contingents } from './contingents';
import { timeOf } from './times';
import { useWords } from './words';

const kMaxNamed = 5_000; // seats that one request may name
const kChannel = /^[a-z0-9_\-]{1,50}$/;

type Action = 'block' | 'release' | 'price' | 'channel' | 'unchannel';

interface Asked { action: Action; seats: number[]; reason: string; price: number; channel: string; until: string }

// What stopped a change, and how many seats it had changed before.
class Stopped extends Error {
  constructor(readonly why: unknown, readonly changed: number) {
    super(String(why));
  }
}

function changeSome(show: string, { action, seats, reason, price, channel, until }: Asked) {
  const params = { params: { path: { show } } };
  const named = { reason, seats: seats.map((i) => i + 1) };
  if (action === 'block') return ok<unknown>(api.POST('/v1/admin/shows/{show}/blocks', { ...params, body: named }));
  if (action === 'release') return ok<unknown>(api.POST('/v1/admin/shows/{show}/blocks/release', { ...params, body: named }));
  if (action === 'channel') return ok<unknown>(api.POST('/v1/admin/shows/{show}/contingents', { ...params, body: { ...named, channel, ...(until && { until: timeOf(until) }) } }));
  if (action === 'unchannel') return ok<unknown>(api.POST('/v1/admin/shows/{show}/contingents/release', { ...params, body: named }));
  return ok<unknown>(api.POST('/v1/admin/shows/{show}/prices', { ...params, body: { ...named, price } }));
}

// One request for each so many seats: all or none holds for each of them.
async function change(show: string, asked: Asked) {
  for (let i = 0; i < asked.seats.length; i += kMaxNamed) {
    try {
      await changeSome(show, { ...asked, seats: asked.seats.slice(i, i + kMaxNamed) });
    } catch (why) {
      throw new Stopped(why, i);
    }
  }
}

function Chosen({ model, chosen, version }: { model: SeatModel; chosen: ReadonlySet<number>; version: number }) {
  const { t, number } = useText();
  const w = useWords();
  const words = [t.seatFree, t.seatHeld, t.seatSold, t.seatBlocked];
  // States change in place, hence the version.
  const counts = useMemo(() => kStates.map((_, state) => [...chosen].filter((i) => model.state[i] === state).length), [chosen, model, version]);
  const parts = counts.flatMap((n, state) => (n > 0 ? [`${number(n)} ${words[state]}`] : []));
  return <p role="status">{chosen.size === 0 ? w.chooseSeats : `${t.chosen(chosen.size)}: ${parts.join(', ')}`}</p>;
}

function useChange(show: Show, done: (seats: number[]) => void, reload: () => Promise<void>) {
  const queries = useQueryClient();
  return useMutation<void, Stopped, Asked>({
    mutationFn: (asked) => change(show.id, asked),
    onSuccess: (_, { seats }) => done(seats),
    onError: ({ changed }, { seats }) => done(seats.slice(0, changed)),
    onSettled() {
      void reload();
      return Promise.all(['admin-show', 'blocks', 'price-changes', 'contingents'].map((key) => queries.invalidateQueries({ queryKey: [key, show.id] })));
    },
  });
}

// What becomes of the chosen seats, with the reason that is kept. Price and channel have forms of their own: Enter does what is beside.
function Actions({ show, chosen, commands }: { show: Show; chosen: ReadonlySet<number>; commands: ReturnType<typeof useChange> }) {
  const w = useWords();
  const [reason, setReason] = useState('');
  const [price, setPrice] = useState('');
  const [channel, setChannel] = useState('');
  const [until, setUntil] = useState('');
  const blocked = chosen.size === 0 || reason.trim() === '' || commands.isPending;
  const unpriced = blocked || price === '' || Number(price) < 0;
  const unnamed = blocked || !kChannel.test(channel);
  const run = (action: Action) => commands.mutate({ action, seats: [...chosen].sort((a, b) => a - b), reason: reason.trim(), price: Number(price), channel, until });
  return (
    <div className="row">
      <form onSubmit={(event) => { event.preventDefault(); if (!blocked) run('block'); }}>
        <label>{w.reason}<input required maxLength={160} value={reason} onChange={(event) => setReason(event.target.value)} /></label>
        <button type="submit" className="primary" disabled={blocked}>{w.block}</button>
        <button type="button" disabled={blocked} onClick={() => run('release')}>{w.unblock}</button>
      </form>
      <form onSubmit={(event) => { event.preventDefault(); if (!unpriced) run('price'); }}>
        <label>{w.priceOf(show.currency)}<input type="number" min={0} step={1} value={price} onChange={(event) => setPrice(event.target.value)} /></label>
        <button type="submit" disabled={unpriced}>{w.setPrice}</button>
      </form>
      <form onSubmit={(event) => { event.preventDefault(); if (!unnamed) run('channel'); }}>
        <label>{w.channelName}<input maxLength={50} pattern={kChannel.source} value={channel} onChange={(event) => setChannel(event.target.value)} /></label>
        <label>{w.keptUntil}<input type="datetime-local" value={until} onChange={(event) => setUntil(event.target.value)} /></label>
        <button type="submit" disabled={unnamed}>{w.keepForChannel}</button>
        <button type="button" disabled={blocked} onClick={() => run('unchannel')}>{w.unkeep}</button>
      </form>
    </div>
  );
}

function CategoryPrice({ show, onDone }: { show: Show; onDone: () => Promise<void> }) {
  const w = useWords();
  const queries = useQueryClient();
  const [category, setCategory] = useState(show.price_categories[0]?.name ?? '');
  const [price, setPrice] = useState('');
  const [reason, setReason] = useState('');
  const save = useMutation({
    mutationFn: () => ok(api.POST('/v1/admin/shows/{show}/prices', { params: { path: { show: show.id } }, body: { reason, categories: { [category]: Number(price) } } as never })),
    async onSuccess() {
      await Promise.all([onDone(), ...['admin-show', 'price-changes'].map((key) => queries.invalidateQueries({ queryKey: [key, show.id] }))]);
    },
  });
  return (
    <details>
      <summary>{w.categoryPrice}</summary>
      <form className="row" onSubmit={(event) => { event.preventDefault(); save.mutate(); }}>
        <label>{w.category}<select value={category} onChange={(event) => setCategory(event.target.value)}>{show.price_categories.map((one) => <option key={one.name}>{one.name}</option>)}</select></label>
        <label>{w.priceOf(show.currency)}<input type="number" min={0} step={1} required value={price} onChange={(event) => setPrice(event.target.value)} /></label>
        <label>{w.reason}<input required maxLength={160} value={reason} onChange={(event) => setReason(event.target.value)} /></label>
        <button type="submit" disabled={save.isPending}>{w.setPrice}</button>
      </form>
      {save.isSuccess && <p role="status">{w.saved}</p>}
      <ProblemNote thrown={save.error} />
    </details>
  );
}

// "1–3, 7": runs of numbers.
function runs(seats: number[]): string {
  const parts: [number, number][] = [];
  for (const seat of [...seats].sort((a, b) => a - b)) {
    const last = parts.at(-1);
    if (last && last[1] + 1 === seat) last[1] = seat;
    else parts.push([seat, seat]);
  }
  const said = parts.slice(0, 12).map(([a, b]) => (a === b ? `${a}` : `${a}–${b}`)).join(', ');
  return parts.length > 12 ? `${said}, …` : said;
}

function History({ show }: { show: Show }) {
  const w = useWords();
  const { time, money } = useText();
  const path = { params: { path: { show: show.id }, query: { limit: 20 } } };
  const blocks = useQuery({ queryKey: ['blocks', show.id], queryFn: () => ok(api.GET('/v1/admin/shows/{show}/blocks', path)) });
  const prices = useQuery({ queryKey: ['price-changes', show.id], queryFn: () => ok(api.GET('/v1/admin/shows/{show}/prices', path)) });
  const rows = [
    ...(blocks.data?.items ?? []).map((one) => ({ key: `b${one.id}`, at: one.at, what: w.blockAction[one.action], seats: one.seats, who: one.operator_id, reason: one.reason })),
    ...(prices.data?.items ?? []).map((one) => ({ key: `p${one.id}`, at: one.at, what: `${one.category ?? w.someSeats}: ${money(one.price, show.currency)}`, seats: one.seats, who: one.operator_id, reason: one.reason })),
  ].sort((a, b) => b.at.localeCompare(a.at));
  return (
    <section className="panel">
      <h2>{w.history}</h2>
      <ProblemNote thrown={blocks.error ?? prices.error} />
      {rows.length === 0 && <p>{w.none}</p>}
      {rows.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label={w.history}>
          <table>
            <thead><tr><th>{w.at}</th><th>{w.what}</th><th>{w.seats}</th><th>{w.user}</th><th>{w.reasonGiven}</th></tr></thead>
            <tbody>{rows.map((row) => <tr key={row.key}><td>{time(row.at)}</td><td>{row.what}</td><td>{runs(row.seats)}</td><td>{row.who}</td><td>{row.reason}</td></tr>)}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

// Seats are chosen by a box, a tap or in the list, and then kept back, given to buyers again, or priced.
export function Seating({ show }: { show: Show }) {
  const w = useWords();
  const { t, money, number } = useText();
  // Of a show that is cancelled, and of which nobody has a seat any more, buyers may never have heard.
  const still = show.state === 'DRAFT' || (show.state === 'CANCELLED' && show.held + show.sold === 0);
  const { model, version, thrown, reload } = useLiveSeats(show.id, still);
  const [chosen, setChosen] = useState<ReadonlySet<number>>(kNoSeats);
  const [boxing, setBoxing] = useState(false);
  const commands = useChange(show, leaveOut, reload);
  const why = commands.error?.why;
  const changed = commands.error?.changed ?? 0;
  const conflict = why instanceof Problem && why.code === 'seats_taken' ? why : null;
  const lost = useMemo(() => new Set(conflict?.body.conflicts?.map((one) => one.seat_no - 1)), [conflict]);

  function leaveOut(seats: number[]) {
    const out = new Set(seats);
    setChosen((before) => new Set([...before].filter((i) => !out.has(i))));
  }

  // All of them, or none of them if they were all chosen.
  function toggle(seats: number[]) {
    commands.reset();
    const next = new Set(chosen);
    const all = seats.every((i) => next.has(i));
    for (const i of seats) if (all) next.delete(i); else next.add(i);
    setChosen(next);
  }
  if (thrown) return <ProblemNote thrown={thrown} retry={() => void reload()} />;
  if (!model) return <p className="loading">{t.loading}</p>;
  return (
    <>
      <section className="panel seating" aria-label={w.seating}>
        <h2>{w.seating}</h2>
        <Chooser show={show} model={model} version={version} chosen={chosen} lost={lost} onToggle={(seat) => toggle([seat])} onMany={toggle} onBox={boxing ? toggle : undefined}>
          <label className="check"><input type="checkbox" checked={boxing} onChange={(event) => setBoxing(event.target.checked)} />{w.drawBox}</label>
        </Chooser>
        <ul className="prices">
          {model.categories.map((category, i) => <li key={i}><Swatch category={i} />{category.name} <b>{money(category.price, show.currency)}</b></li>)}
        </ul>
        <div className="row">
          <Chosen model={model} chosen={chosen} version={version} />
          {chosen.size > 0 && <button type="button" className="small" onClick={() => setChosen(kNoSeats)}>{t.clear}</button>}
        </div>
        <Actions show={show} chosen={chosen} commands={commands} />
        {commands.isSuccess && <p role="status">{w.done}</p>}
        {changed > 0 && <p role="status">{w.changedFirst(number(changed))}</p>}
        {conflict ? <Conflicts problem={conflict} some={changed > 0} onLeaveOut={(seats) => { commands.reset(); leaveOut(seats); }} /> : <ProblemNote thrown={why} />}
        <CategoryPrice show={show} onDone={reload} />
      </section>
      <Contingents show={show} onDone={reload} />
      <History show={show} />
    </>
  );
}
