import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { Link } from 'wouter';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { api, fetchConcerts, fetchShow, ok } from '../api/client';
import { nameIn, ProblemNote } from '../parts';
import { useText } from '../text';
import { useWords } from './words';

const kEvery = 2_000;
const kKept = 900; // samples: half an hour

interface Sample { at: number; waiting: number; active: number; sold: number }

function Chart({ samples }: { samples: Sample[] }) {
  const w = useWords();
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const data = [samples.map((s) => s.at), samples.map((s) => s.waiting), samples.map((s) => s.active), samples.map((s) => s.sold)] as uPlot.AlignedData;
  useEffect(() => {
    const element = place.current!;
    const ink = getComputedStyle(element).getPropertyValue('--soft').trim();
    const axis = { stroke: ink, grid: { stroke: `${ink}33` }, ticks: { stroke: `${ink}33` } };
    plot.current = new uPlot({
      width: element.clientWidth, height: 230, scales: { x: { range: (_, from, until) => [from, Math.max(until, from + 60)] }, y: { range: { min: { pad: 0, soft: 0, mode: 1 }, max: { pad: 0.1, soft: 5, mode: 1 } } } },
      axes: [axis, axis],
      series: [{}, { label: w.waiting, stroke: '#e69f00', width: 2 }, { label: w.active, stroke: '#0072b2', width: 2, dash: [6, 3] }, { label: w.sold, stroke: '#009e73', width: 2, dash: [2, 3] }],
    }, data, element);
    const size = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: 230 }));
    size.observe(element);
    return () => {
      size.disconnect();
      plot.current?.destroy();
    };
  }, [w]);
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

// When it is sold out if it goes on selling as in the last minutes: null where that can't be told.
function minutesLeft(samples: Sample[], free: number): number | null {
  const [first, last] = [samples.at(-150) ?? samples[0], samples.at(-1)];
  if (!first || !last || last.at - first.at < 10 || last.sold <= first.sold) return null;
  return Math.ceil(free / ((last.sold - first.sold) / (last.at - first.at)) / 60);
}

function useHealth() {
  const every = { refetchInterval: 5_000 };
  const outbox = useQuery({ queryKey: ['outbox'], queryFn: () => ok(api.GET('/v1/admin/outbox')), ...every });
  const breakers = useQuery({ queryKey: ['breakers'], queryFn: () => ok(api.GET('/v1/admin/breakers')), ...every });
  const parked = useQuery({ queryKey: ['sagas', 'parked'], queryFn: () => ok(api.GET('/v1/admin/sagas', { params: { query: { status: 'parked', limit: 200 } } })), ...every });
  const verdict = useQuery({
    queryKey: ['audit'],
    queryFn: () => ok(api.GET('/v1/admin/audit')),
    retry: false,
    ...every,
  });
  return { outbox, breakers, parked, verdict };
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
  const ranking = useQuery({ queryKey: ['admin-ranking'], queryFn: () => ok(api.GET('/v1/admin/rankings', { params: { query: { by: 'bookings', window: 'all', limit: 200 } } })), refetchInterval: 5_000 });
  const [q, s] = [queue.data, show.data];
  useEffect(() => {
    if (!q || !s) return;
    setSamples((before) => [...before.slice(-kKept), { at: Date.now() / 1000, waiting: q.waiting, active: q.active, sold: s.sold }]);
  }, [queue.dataUpdatedAt, show.dataUpdatedAt]);
  const health = useHealth();
  const row = ranking.data?.items.find((one) => one.show_id === id);
  const pending = health.outbox.data?.items.reduce((sum, one) => sum + (one.pending ?? 0), 0) ?? 0;
  const oldest = Math.max(0, ...(health.outbox.data?.items.map((one) => one.oldest_age_s ?? 0) ?? []));
  const notClosed = health.breakers.data?.items.filter((one) => one.state !== 'closed') ?? [];
  const left = s ? minutesLeft(samples, s.free + s.held) : null;
  const parked = health.parked.data?.items.length ?? 0;
  const violations = health.verdict.data?.violations.length ?? 0;
  return (
    <>
      <ProblemNote thrown={queue.error ?? show.error} />
      {q && s && (
        <dl className="tiles">
          <Tile label={w.waiting} value={number(q.waiting)} note={q.state} />
          <Tile label={w.active} value={number(q.active)} note={w.ofCap(number(q.active_cap))} />
          <Tile label={w.admitted} value={number(q.admitted_per_s)} note={w.target(number(q.rate_per_s))} />
          <Tile label={w.held} value={number(s.held)} />
          <Tile label={w.sold} value={number(s.sold)} note={w.ofCapacity(number(s.capacity))} />
          <Tile label={w.revenue} value={money(row?.revenue ?? 0, s.currency)} />
          <Tile label={w.forecast} value={s.free + s.held === 0 ? w.soldOut : left === null ? '–' : w.minutes(left)} note={left === null && s.free + s.held > 0 ? w.forecastNone : undefined} />
          <Tile label={w.parked} value={number(parked)} tone={parked > 0 ? 'bad' : 'good'} />
          <Tile label={w.outbox} value={number(pending)} note={w.oldest(number(Math.round(oldest)))} />
          <Tile label={w.breakers} value={notClosed.length === 0 ? '0' : notClosed.map((one) => one.service).join(', ')} note={notClosed.length === 0 ? w.allClosed : undefined} tone={notClosed.length > 0 ? 'bad' : 'good'} />
          <Tile label={w.verdict} value={!health.verdict.data ? w.noVerdict : violations === 0 ? w.clean : w.dirty(violations)} tone={!health.verdict.data ? undefined : violations === 0 ? 'good' : 'bad'} />
        </dl>
      )}
      {parked > 0 && <p><Link className="button danger" href="/operator/sagas">{w.parked}: {parked}</Link></p>}
      <Chart samples={samples} />
    </>
  );
}

export function Dashboard() {
  const w = useWords();
  const { t, language } = useText();
  const concerts = useQuery({ queryKey: ['concerts'], queryFn: fetchConcerts });
  const [chosen, setChosen] = useState('');
  const shows = concerts.data?.flatMap((concert) => concert.shows.map((show) => ({ show, concert }))) ?? [];
  const id = chosen || shows.find(({ show }) => show.state === 'ON_SALE')?.show.id || shows[0]?.show.id;
  return (
    <>
      <title>{`${w.dashboard} – Boxoffice`}</title>
      <h1>{w.dashboard}</h1>
      <ProblemNote thrown={concerts.error} />
      <div className="row">
        <label>
          {w.show}
          <select value={id} onChange={(event) => setChosen(event.target.value)}>
            {shows.map(({ show, concert }) => <option key={show.id} value={show.id}>{show.id} · {nameIn(language, concert.title)[0]} · {t.state[show.state]}</option>)}
          </select>
        </label>
      </div>
      {id && <OnSale show={id} key={id} />}
    </>
  );
}
