import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { api, fetchConcerts, fetchShow, fetchUpcomingConcerts, fetchVerdict, ok, serverNow, type Schemas } from '../api/client';
import { nameIn, ProblemNote } from '../parts';
import { useText } from '../text';
import { fetchCounts, lately, type Counts } from './metrics';
import { useWords } from './words';

const kEvery = 2_000;
const kRanked = 200; // shows, the most that can be asked for
const kKept = 900; // samples: half an hour

interface Sample { at: number; waiting: number; active: number; sold: number }

function Chart({ samples }: { samples: Sample[] }) {
  const w = useWords();
  const { language } = useText();
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const data = [samples.map((s) => s.at), samples.map((s) => s.waiting), samples.map((s) => s.active), samples.map((s) => s.sold)] as uPlot.AlignedData;
  useEffect(() => {
    const element = place.current!;
    const ink = getComputedStyle(element).getPropertyValue('--soft').trim();
    const clock = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
    const ofDay = (s: number) => clock.format(new Date(s * 1000));
    // Always a minute at least, and never without a time: a chart of nothing would begin in 1970, and one of a single sample last for years.
    const range = (chart: uPlot, from: number | null, until: number | null): [number, number] => {
      const begin = from ?? serverNow() / 1000;
      return [begin, Math.max(chart.data[0]!.length > 1 && until !== null ? until : begin, begin + 60)];
    };
    const axis = { stroke: ink, grid: { stroke: `${ink}33` }, ticks: { stroke: `${ink}33` } };
    plot.current = new uPlot({
      width: element.clientWidth, height: 230, scales: { x: { range: range as uPlot.Range.Function }, y: { range: { min: { pad: 0, soft: 0, mode: 1 }, max: { pad: 0.1, soft: 5, mode: 1 } } } },
      axes: [{ ...axis, space: 80, values: (_, ticks) => ticks.map(ofDay) }, axis],
      series: [{ label: w.at, value: (_, s) => (s === null ? '–' : ofDay(s)) }, { label: w.waiting, stroke: '#e69f00', width: 2 }, { label: w.active, stroke: '#0072b2', width: 2, dash: [6, 3] }, { label: w.sold, stroke: '#009e73', width: 2, dash: [2, 3] }],
    }, data, element);
    const size = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: 230 }));
    size.observe(element);
    return () => {
      size.disconnect();
      plot.current?.destroy();
    };
  }, [w, language]);
  useEffect(() => {
    plot.current?.setData(data);
  }, [samples]);
  return (
    <figure className="panel">
      <div ref={place} className="chart" />
      <figcaption className="soft">{w.chart}</figcaption>
    </figure>
  );
}

const kForecast = 300; // seconds that it looks back

// Seats sold a minute of late; null: it has not looked for long enough.
function pace(samples: Sample[]): number | null {
  const last = samples.at(-1);
  const first = last && samples.find((one) => one.at >= last.at - kForecast);
  if (!first || last.at - first.at < 10) return null;
  return Math.max(0, (60 * (last.sold - first.sold)) / (last.at - first.at));
}

// What can't be asked any more is not known, whatever it said before.
const known = <T,>(query: { data: T | undefined; error: unknown }) => (query.error ? undefined : query.data);

function useHealth() {
  const every = { refetchInterval: 5_000 };
  const outbox = useQuery({ queryKey: ['outbox'], queryFn: () => ok(api.GET('/v1/admin/outbox')), ...every });
  const breakers = useQuery({ queryKey: ['breakers'], queryFn: () => ok(api.GET('/v1/admin/breakers')), ...every });
  const parked = useQuery({ queryKey: ['sagas', 'parked'], queryFn: () => ok(api.GET('/v1/admin/sagas', { params: { query: { status: 'parked', limit: 200 } } })), ...every });
  const verdict = useQuery({ queryKey: ['audit'], queryFn: fetchVerdict, ...every });
  const error = outbox.error ?? breakers.error ?? parked.error ?? verdict.error;
  return { outbox: known(outbox)?.items, breakers: known(breakers)?.items, parked: known(parked), verdict: known(verdict), error };
}

// Whom calls don't get through to, or not all: a breaker is not closed, or of all replicas none is reached. That one of several is
// not says nothing: the queue's stand by.
function notThere(rows: Schemas['Breaker'][]) {
  const servicesOf = (some: Schemas['Breaker'][]) => [...new Set(some.map((one) => one.service))];
  const unreached = rows.filter((row) => !rows.some((one) => one.client === row.client && one.reachable));
  return { notClosed: servicesOf(rows.filter((row) => row.state !== 'closed' || unreached.includes(row))), unreached: servicesOf(unreached) };
}

// What the platforms have not got yet, and what they will not get by itself. One page of each is enough to tell.
function useRelay() {
  const query = useQuery({
    queryKey: ['relay-lag'],
    refetchInterval: 5_000,
    async queryFn() {
      const of = (state: 'pending' | 'dead') => ok(api.GET('/v1/admin/relay/deliveries', { params: { query: { state, limit: 200 } } }));
      const [pending, dead] = await Promise.all([of('pending'), of('dead')]);
      return { pending, dead };
    },
  });
  const data = known(query);
  if (!data) return null;
  const { pending, dead } = data;
  const oldest = pending.items.at(-1);
  return {
    pending: `${pending.items.length}${pending.next_cursor ? '+' : ''}`,
    // They come newest first: of more than a page the oldest one is not there.
    age: pending.next_cursor ? null : oldest ? (serverNow() - Date.parse(oldest.created_at)) / 1000 : 0,
    dead: `${dead.items.length}${dead.next_cursor ? '+' : ''}`,
    anyDead: dead.items.length > 0,
  };
}

// Over the last half minute.
function useLately() {
  const looks = useRef<Counts[]>([]);
  const query = useQuery({
    queryKey: ['counts'],
    refetchInterval: 5_000,
    async queryFn() {
      looks.current = [...looks.current.slice(-5), await fetchCounts()];
      return lately(looks.current);
    },
  });
  return known(query) ?? null;
}

function Tile({ label, value, note, tone }: { label: string; value: string; note?: string; tone?: 'good' | 'bad' }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd className={tone}>{value}</dd>
      {note && <dd className="note">{note}</dd>}
    </div>
  );
}

function OnSale({ show: id }: { show: string }) {
  const w = useWords();
  const { money, number } = useText();
  const [samples, setSamples] = useState<Sample[]>([]);
  const queue = useQuery({ queryKey: ['admin-queue', id], queryFn: () => ok(api.GET('/v1/admin/shows/{show}/queue', { params: { path: { show: id } } })), refetchInterval: kEvery });
  const show = useQuery({ queryKey: ['show', id], queryFn: () => fetchShow(id), refetchInterval: kEvery });
  const ranking = useQuery({ queryKey: ['admin-ranking'], queryFn: () => ok(api.GET('/v1/admin/rankings', { params: { query: { by: 'bookings', window: 'all', limit: kRanked } } })), refetchInterval: 5_000 });
  const [q, s] = [known(queue), known(show)];
  useEffect(() => {
    if (!q || !s) return;
    setSamples((before) => [...before.slice(-kKept), { at: serverNow() / 1000, waiting: q.waiting, active: q.active, sold: s.sold }]);
  }, [queue.dataUpdatedAt, show.dataUpdatedAt]);
  const health = useHealth();
  const ranked = known(ranking)?.items;
  const row = ranked?.find((one) => one.show_id === id);
  const { outbox, parked, verdict } = health;
  const pending = outbox?.reduce((sum, one) => sum + (one.pending ?? 0), 0);
  const oldest = Math.max(0, ...(outbox?.map((one) => one.oldest_age_s ?? 0) ?? []));
  const silent = outbox?.filter((one) => one.problem !== null).map((one) => one.service) ?? [];
  const calls = health.breakers && notThere(health.breakers);
  const perMinute = pace(samples);
  const isSoldOut = s?.free === 0 && s.held === 0;
  const left = s && perMinute ? Math.ceil((s.free + s.held) / perMinute) : null;
  const relay = useRelay();
  const process = useLately();
  const ofWhom = process && !process.whole ? ` (${w.thisGateway})` : '';
  const parkedCount = parked ? number(parked.items.length) + (parked.next_cursor ? '+' : '') : '–';
  const anyParked = Boolean(parked?.items.length);
  // A show that is not ranked has earned nothing, unless it is past the last row.
  const earned = row ? row.revenue : ranked && ranked.length < kRanked ? 0 : null;
  const violations = verdict?.violations.length ?? 0;
  return (
    <>
      <ProblemNote thrown={queue.error ?? show.error ?? ranking.error ?? health.error} />
      {queue.data && show.data && (
        <dl className="tiles">
          <Tile label={w.waiting} value={q ? number(q.waiting) : '–'} note={q && w.queueState[q.state]} />
          <Tile label={w.active} value={q ? number(q.active) : '–'} note={q && w.ofCap(number(q.active_cap))} />
          <Tile label={w.admitted} value={q ? number(q.admitted_per_s) : '–'} note={q && w.target(number(q.rate_per_s))} />
          <Tile label={w.held} value={s ? number(s.held) : '–'} />
          <Tile label={w.sold} value={s ? number(s.sold) : '–'} note={s && w.ofCapacity(number(s.capacity))} />
          <Tile label={w.revenue} value={earned === null || !s ? '–' : money(earned, s.currency)} />
          <Tile label={w.forecast} value={isSoldOut ? w.soldOut : left === null ? '–' : w.minutes(left)} note={isSoldOut || !s ? undefined : perMinute === null ? w.forecastNone : w.pace(number(Math.round(perMinute * 10) / 10))} />
          <Tile label={w.parked} value={parkedCount} tone={!parked ? undefined : anyParked ? 'bad' : 'good'} />
          <Tile label={w.outbox} value={pending === undefined ? '–' : number(pending) + (silent.length > 0 ? '+' : '')} note={outbox && [w.oldest(number(Math.round(oldest))), ...(silent.length > 0 ? [w.noAnswerOf(silent.join(', '))] : [])].join(' · ')} tone={silent.length > 0 ? 'bad' : undefined} />
          <Tile label={w.breakers} value={!calls ? '–' : calls.notClosed.join(', ') || '0'} note={calls && (calls.notClosed.length === 0 ? w.allClosed : calls.unreached.length > 0 ? w.noAnswerOf(calls.unreached.join(', ')) : '') + ofWhom} tone={!calls ? undefined : calls.notClosed.length > 0 ? 'bad' : 'good'} />
          <Tile label={w.relayLag} value={relay?.pending ?? '–'} note={relay ? [...(relay.age === null ? [] : [w.oldest(number(Math.round(relay.age)))]), w.dead(relay.dead)].join(' · ') : undefined} tone={relay?.anyDead ? 'bad' : undefined} />
          <Tile label={w.errors} value={process ? number(Math.round(process.failedPerMinute)) : '–'} note={process ? w.requests(number(Math.round(process.perSecond)), number(Math.round(process.limitedPerMinute))) + ofWhom : undefined} tone={!process ? undefined : process.failedPerMinute > 0 ? 'bad' : 'good'} />
          <Tile label={w.batches} value={process?.batches[0] ? process.batches[0].mean.toFixed(1) : '–'} note={(process?.batches.map((one) => `${one.name} ${one.mean.toFixed(1)}`).join(', ') || w.batchesNone) + ofWhom} />
          <Tile label={w.verdict} value={verdict === undefined ? '–' : !verdict ? w.noVerdict : violations === 0 ? w.clean : w.dirty(violations)} tone={!verdict ? undefined : violations === 0 ? 'good' : 'bad'} />
        </dl>
      )}
      {ofWhom && <p className="soft">{w.oneGateway}</p>}
      {anyParked && <p><Link className="button danger" href="/operator/sagas">{w.parked}: {parkedCount}</Link></p>}
      <Chart samples={samples} />
    </>
  );
}

export function Dashboard() {
  const w = useWords();
  const { t, language } = useText();
  const [pastToo, setPastToo] = useState(false);
  const concerts = useQuery({ queryKey: ['concerts', pastToo ? 'all' : 'upcoming'], queryFn: pastToo ? fetchConcerts : fetchUpcomingConcerts });
  const [chosen, setChosen] = useState('');
  const all = concerts.data?.flatMap((concert) => concert.shows.map((show) => ({ show, concert }))) ?? [];
  const shows = all.filter(({ show }) => pastToo || show.state !== 'PAST' || show.id === chosen);
  const first = (shows.find(({ show }) => show.state === 'ON_SALE') ?? shows[0])?.show.id;
  // Whatever becomes of it: what sells out while somebody looks at it is looked at all the same.
  if (!chosen && first) setChosen(first);
  const id = chosen || first;
  return (
    <>
      <title>{`${w.dashboard} – Boxoffice`}</title>
      <h1>{w.dashboard}</h1>
      <ProblemNote thrown={concerts.error} />
      <div className="row">
        <label>
          {w.show}
          <select value={id} onChange={(event) => setChosen(event.target.value)}>
            {chosen && !shows.some(({ show }) => show.id === chosen) && <option value={chosen}>{chosen}</option>}
            {shows.map(({ show, concert }) => <option key={show.id} value={show.id}>{show.id} · {nameIn(language, concert.title)[0]} · {t.state[show.state]}</option>)}
          </select>
        </label>
        <label className="check"><input type="checkbox" checked={pastToo} onChange={(event) => setPastToo(event.target.checked)} />{w.pastToo}</label>
      </div>
      {id && <OnSale show={id} key={id} />}
    </>
  );
}
