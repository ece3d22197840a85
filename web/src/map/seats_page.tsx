import { Tab, TabList, TabPanel, TabProvider } from '@ariakit/react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { api, fetchConcert, fetchShow, kMaxSeats, Problem, serverNow, type SeatOffer, type Show } from '../api/client';
import { useCommand } from '../api/command';
import { kNoSeats, minutes, nameIn, ProblemNote, useSecondsUntil } from '../parts';
import { useSession } from '../session';
import { useText } from '../text';
import { SeatCanvas } from './canvas';
import { SeatList } from './list';
import { useLiveSeats } from './live';
import type { SeatModel } from './model';
import { State } from './model';
import { Swatch } from './swatch';
import { useTurn, type Turn } from './turn';

type Wish = { seats: number[] } | { best_available: { count: number; category?: string } };

function Legend({ model, currency, hidden, onFilter }: { model: SeatModel; currency: string; hidden: ReadonlySet<number>; onFilter: (category: number) => void }) {
  const { t, money } = useText();
  return (
    <fieldset className="legend">
      <legend>{t.priceFilter}</legend>
      {model.categories.map((category, i) => (
        <label key={i}>
          <input type="checkbox" checked={!hidden.has(i)} onChange={() => onFilter(i)} />
          <Swatch category={i} />
          {category.name} <b>{money(category.price, currency)}</b>
        </label>
      ))}
    </fieldset>
  );
}

// `busy`: something is being asked for, and nothing else can be; `asking`: what was asked for here.
function Best({ model, limit, busy, asking, onFind }: { model: SeatModel; limit: number; busy: boolean; asking: boolean; onFind: (wish: Wish) => void }) {
  const { t } = useText();
  const [wanted, setCount] = useState(2);
  const count = Math.min(wanted, limit);
  const [category, setCategory] = useState('');
  const names = [...new Set(model.categories.map((one) => one.name))];
  return (
    <form className="panel best" onSubmit={(event) => { event.preventDefault(); onFind({ best_available: category ? { count, category } : { count } }); }}>
      <h2>{t.bestTitle}</h2>
      <div className="row">
        <label>
          {t.party}
          <select value={count} onChange={(event) => setCount(Number(event.target.value))}>
            {Array.from({ length: limit }, (_, i) => <option key={i}>{i + 1}</option>)}
          </select>
        </label>
        <label>
          {t.category}
          <select value={category} onChange={(event) => setCategory(event.target.value)}>
            <option value="">{t.any}</option>
            {names.map((name) => <option key={name}>{name}</option>)}
          </select>
        </label>
        <button type="submit" className="primary" disabled={busy}>{asking ? t.holding : t.bestFind}</button>
      </div>
    </form>
  );
}

// Why these seats can't be had, and which can.
function Lost({ problem, show, busy, onTake, onOthers }: { problem: Problem; show: Show; busy: boolean; onTake: (offer: SeatOffer) => void; onOthers: () => void }) {
  const { t, money, problem: words } = useText();
  const offer = problem.body.alternative;
  const taken = problem.code === 'seats_taken';
  return (
    <div className="panel lost" role="alert">
      {taken && <h2>{t.taken}</h2>}
      <p>{taken ? t.takenAt((problem.body.conflicts ?? []).map((one) => one.label).join(', ')) : words(problem)}</p>
      {offer && (
        <>
          <p>{t.alternative}: <b>{offer.seats.map((seat) => seat.label).join(', ')}</b> · {money(offer.amount, show.currency)}</p>
          <button type="button" className="primary" disabled={busy} onClick={() => onTake(offer)}>{t.takeAlternative}</button>
        </>
      )}
      <button type="button" onClick={onOthers}>{t.chooseOthers}</button>
    </div>
  );
}

const kAtTheConcert = ['not_enough_seats', 'waitlist_first', 'show_not_on_sale', 'show_cancelled'];

// What was refused for another reason, and the page where one goes on.
function Refused({ thrown, show }: { thrown: unknown; show: Show }) {
  const { t } = useText();
  const code = thrown instanceof Problem ? thrown.code : '';
  return (
    <ProblemNote thrown={thrown}>
      {kAtTheConcert.includes(code) && <Link className="button" href={`/concerts/${show.concert_id}`}>{t.toConcert}</Link>}
      {(code === 'session_busy' || code === 'seat_limit') && <Link className="button" href="/my/reservations">{t.tickets}</Link>}
    </ProblemNote>
  );
}

function TurnNote({ turn, show }: { turn: Turn; show: string }) {
  const { t } = useText();
  const left = useSecondsUntil(turn.endsAt);
  if (turn.state === 'active') return <p className="turn">{t.turnEnds(minutes(left))}</p>;
  if (turn.state !== 'over' && turn.state !== 'done') return null;
  const isDone = turn.state === 'done';
  return (
    <div className="panel" role="alert">
      <h2>{isDone ? t.turnDone : t.turnOver}</h2>
      <p>{isDone ? t.turnDoneHow : t.turnOverHow}</p>
      <div className="row">
        {isDone && <Link className="button primary" href="/my/reservations">{t.tickets}</Link>}
        <a className={isDone ? 'button' : 'button primary'} href={`/waiting/${show}`}>{t.queueAgain}</a>
      </div>
    </div>
  );
}

function Chosen({ model, show, chosen, busy, asking, onHold, onRemove }: {
  model: SeatModel; show: Show; chosen: ReadonlySet<number>; busy: boolean; asking: boolean; onHold: () => void; onRemove: (seat: number) => void;
}) {
  const { t, money } = useText();
  const seats = [...chosen];
  const total = seats.reduce((sum, i) => sum + model.seats[i]!.price, 0);
  return (
    <section className="panel chosen" aria-live="polite" aria-label={t.chosen(seats.length)}>
      {seats.length === 0 && <p className="soft">{t.chooseHint}</p>}
      <ul className="chips">
        {seats.map((i) => (
          <li key={i}>
            {model.seats[i]!.label}
            <button type="button" aria-label={t.remove(model.seats[i]!.label)} onClick={() => onRemove(i)}>×</button>
          </li>
        ))}
      </ul>
      {seats.length > 0 && (
        <button type="button" className="primary wide" disabled={busy} onClick={onHold}>
          {asking ? t.holding : `${t.hold} · ${money(total, show.currency)}`}
        </button>
      )}
    </section>
  );
}

function useHold(show: Show, turn: Turn) {
  const [, navigate] = useLocation();
  const command = useCommand();
  return useMutation({
    mutationFn: (wish: Wish) =>
      command({ show: show.id, wish }, (key) =>
        api.POST('/v1/reservations', {
          params: { header: { 'Idempotency-Key': key, ...(turn.token ? { 'X-Queue-Token': turn.token } : {}) } },
          body: { show_id: show.id, ...wish } as never,
        }),
      ),
    // Going back leads before the seats: once these are paid, the seats' page would take a new place in line.
    onSuccess: (reservation) => navigate(`/my/reservations/${reservation.id}`, { replace: true }),
    onError: turn.refused,
  });
}

function Choosing({ model, version, connected, show, turn, may }: { model: SeatModel; version: number; connected: boolean; show: Show; turn: Turn; may: boolean }) {
  const { t } = useText();
  const [chosen, setChosen] = useState<ReadonlySet<number>>(kNoSeats);
  const [hidden, setHidden] = useState<ReadonlySet<number>>(kNoSeats);
  const [note, setNote] = useState('');
  const hold = useHold(show, turn);
  const lost = hold.error instanceof Problem && (hold.error.code === 'seats_taken' || hold.error.body.alternative) ? hold.error : null;
  const offered = useMemo(() => new Set(lost?.body.alternative?.seats.map((seat) => seat.seat_no - 1)), [lost]);
  // What would be left over alone is nobody else's.
  const gone = useMemo(() => new Set(lost?.code === 'seats_taken' ? lost.body.conflicts?.map((one) => one.seat_no - 1) : []), [lost]);
  const limit = Math.min(kMaxSeats, show.seat_limit);
  const asked = hold.isPending ? hold.variables : undefined;
  // Those that somebody else got are no longer one's own choice.
  const mine = useMemo(() => new Set([...chosen].filter((i) => !gone.has(i))), [chosen, gone]);

  function toggle(seat: number) {
    // What is only looked at is not chosen from, and what is being asked for can't be another wish meanwhile.
    if (!may || hold.isPending) return;
    setNote('');
    if (!mine.has(seat) && model.state[seat] !== State.free) return;
    const next = new Set(mine);
    if (!next.delete(seat)) next.add(seat);
    if (next.size > limit) return setNote(t.tooMany(limit));
    hold.reset();
    setChosen(next);
  }
  function ask(wish: Wish) {
    // Which seats are gone is forgotten with the answer that said so.
    setChosen(mine);
    hold.mutate(wish);
  }
  function take(offer: SeatOffer) {
    const seats = offer.seats.map((seat) => seat.seat_no);
    setChosen(new Set(seats.map((no) => no - 1)));
    hold.mutate({ seats });
  }
  function filter(category: number) {
    const next = new Set(hidden);
    if (!next.delete(category)) next.add(category);
    setHidden(next);
  }
  return (
    <div className="choosing">
      <TabProvider defaultSelectedId="map">
        <div className="choosing-main">
          <div className="row bar">
            <TabList className="segments" aria-label={t.viewLabel}>
              <Tab id="map">{t.map}</Tab>
              <Tab id="list">{t.list}</Tab>
            </TabList>
            <span className={`live ${connected ? 'on' : ''}`} role="status">{connected ? t.live : t.reconnecting}</span>
          </div>
          <TabPanel tabId="map">
            <SeatCanvas model={model} version={version} show={show} chosen={mine} hidden={hidden} marked={offered} lost={gone} onToggle={toggle} />
            <p className="states">
              <span>● {t.seatFree}</span> <span>○ {t.seatHeld}</span> <span>· {t.seatSold}</span> <span>✓ {t.seatMine}</span> <span>◎ {t.accessible}</span>
            </p>
          </TabPanel>
          <TabPanel tabId="list">
            <SeatList model={model} version={version} currency={show.currency} chosen={mine} hidden={hidden} disabled={!may} onToggle={toggle} />
          </TabPanel>
        </div>
      </TabProvider>
      <div className="choosing-side">
        <TurnNote turn={turn} show={show.id} />
        {lost && <Lost problem={lost} show={show} busy={hold.isPending} onTake={take} onOthers={() => { setChosen(mine); hold.reset(); }} />}
        {!lost && turn.state !== 'done' && <Refused thrown={hold.error} show={show} />}
        {note && <ProblemNote text={note} />}
        {may && <Chosen model={model} show={show} chosen={mine} busy={hold.isPending} asking={asked !== undefined && 'seats' in asked} onHold={() => ask({ seats: [...mine].map((i) => i + 1) })} onRemove={toggle} />}
        {may && <Best model={model} limit={limit} busy={hold.isPending} asking={asked !== undefined && 'best_available' in asked} onFind={ask} />}
        <Legend model={model} currency={show.currency} hidden={hidden} onFilter={filter} />
      </div>
    </div>
  );
}

export default function SeatsPage({ show: id }: { show: string }) {
  const { t, time, language } = useText();
  const { session, ...asked } = useSession();
  const looking = new URLSearchParams(location.search).has('view');
  const show = useQuery({
    queryKey: ['show', id],
    queryFn: () => fetchShow(id),
    // Whoever is let in when the sale begins may be here a moment before it has.
    refetchInterval: ({ state: { data } }) => (data?.state === 'ANNOUNCED' && Date.parse(data.on_sale_at) - serverNow() < 60_000 ? 1_000 : false),
  });
  const concert = useQuery({ queryKey: ['concert', show.data?.concert_id], enabled: Boolean(show.data), queryFn: () => fetchConcert(show.data!.concert_id) });
  const onSale = show.data?.state === 'ON_SALE';
  const isCancelled = show.data?.state === 'CANCELLED';
  // No seat of a cancelled show is free, whatever its map says. Any other show's map is asked for beside the show, not after it.
  const live = useLiveSeats(isCancelled ? undefined : id);
  const wants = !looking && onSale;
  const turn = useTurn(id, wants && Boolean(session?.user));
  const isAsking = wants && session?.user !== null && turn.state === 'unknown';
  const isThere = isCancelled || live.model;
  const thrown = show.error ?? live.thrown;
  // What is on the page stays when it can't be read anew.
  if (thrown && !(show.data && isThere)) return <ProblemNote thrown={thrown} retry={() => location.reload()} />;
  if (!show.data || !isThere) return <p className="loading">{t.loading}</p>;
  const may = turn.state === 'free' || turn.state === 'active';
  const title = concert.data ? nameIn(language, concert.data.title)[0] : t.seatsTitle;
  return (
    <section className="seats-page">
      <title>{`${t.seatsTitle} – ${title}`}</title>
      <header>
        <h1>{title}</h1>
        <p className="soft">{time(show.data.starts_at)}</p>
        {isAsking && <p>{t.turnAsked}</p>}
        {!isAsking && (isCancelled || turn.state === 'unknown' || turn.state === 'none') && (
          <p>
            {isCancelled ? t.errors['show_cancelled'] : t.viewOnly}{' '}
            {onSale && <a className="button small" href={`/waiting/${id}`}>{t.queueAgain}</a>}
            {concert.data && !onSale && <Link className="button small" href={`/concerts/${concert.data.id}`}>{t.back}</Link>}
          </p>
        )}
        {isAsking && <ProblemNote thrown={asked.thrown} retry={asked.retry} />}
        <ProblemNote thrown={turn.thrown} retry={() => void turn.join()} />
        <ProblemNote thrown={show.error} retry={() => void show.refetch()} />
      </header>
      {!isCancelled && live.model && <Choosing model={live.model} version={live.version} connected={live.connected} show={show.data} turn={turn} may={may} />}
    </section>
  );
}
