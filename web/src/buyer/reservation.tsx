import { Dialog, DialogDismiss, DialogHeading } from '@ariakit/react';
import { useIsMutating, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { api, command, fetchConcert, fetchReservation, fetchShow, fetchWallet, isSettled, ok, Problem, type Concert, type Reservation, type Schemas, type Show } from '../api/client';
import { kNoSeats, minutes, nameIn, ProblemNote, useFocusKept, useOnePress, useSecondsUntil, Which } from '../parts';
import { useSession } from '../session';
import { useText } from '../text';
import { calendar, qrPath } from './ticket';
import { kTopUp, TopUp } from './wallet';

const kRefusedMs = 5_000; // at least, before what was refused is asked for again
const kPaidMs = 60_000; // an organizer may move seats, and cancel shows

// What the page itself says already, above what is asked for in it.
const unlessSignedOut = (thrown: unknown) => (thrown instanceof Problem && thrown.status === 401 ? undefined : thrown);

interface About {
  reservation: Reservation;
  show: Show;
  concert: Concert;
}

function useCommands(reservation: Reservation) {
  const queries = useQueryClient();
  const path = { reservation: reservation.id };
  const settled = {
    onSettled: () => Promise.all([['reservation', reservation.id], ['reservations'], ['wallet'], ['entries'], ['waitlist']].map((queryKey) => queries.invalidateQueries({ queryKey }))),
  };
  const confirm = useMutation({
    mutationFn: (method: string) =>
      command((key) => api.POST('/v1/reservations/{reservation}/confirm', { params: { path, header: { 'Idempotency-Key': key } }, body: method ? { payment_method: method } : {} })),
    ...settled,
  });
  const cancel = useMutation({
    mutationFn: (what: Schemas['Cancellation']) =>
      command((key) => api.POST('/v1/reservations/{reservation}/cancel', { params: { path, header: { 'Idempotency-Key': key } }, body: what })),
    ...settled,
  });
  return { confirm, cancel };
}

function WhenAndWhere({ show, concert }: Pick<About, 'show' | 'concert'>) {
  const { time, language } = useText();
  return (
    <>
      <p className="lead">{time(show.starts_at)}</p>
      <p>{nameIn(language, concert.venue)[0]}</p>
    </>
  );
}

function Seats({ reservation }: { reservation: Reservation }) {
  const { t, money } = useText();
  return (
    <table>
      <tbody>
        {reservation.seats.map((seat) => (
          <tr key={seat.seat_no}>
            <th scope="row">{seat.label}</th>
            <td>{money(seat.price, reservation.currency)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">{t.total}</th>
          <td>{money(reservation.amount, reservation.currency)}</td>
        </tr>
      </tfoot>
    </table>
  );
}

type Commands = ReturnType<typeof useCommands>;

function Checkout({ reservation, show, confirm, cancel }: Pick<About, 'reservation' | 'show'> & Commands) {
  const { t, money } = useText();
  const { session } = useSession();
  const queries = useQueryClient();
  const [method, setMethod] = useState('');
  const [pay, giveBack] = [useOnePress(), useOnePress()];
  const left = useSecondsUntil(reservation.hold_expires_at);
  const wallet = useQuery({ queryKey: ['wallet'], queryFn: fetchWallet });
  const balance = wallet.data?.balances.find((one) => one.currency === reservation.currency)?.amount ?? 0;
  const missing = wallet.data ? Math.max(0, reservation.amount - balance) : 0;
  const toppingUp = useIsMutating({ mutationKey: kTopUp }) > 0;
  // By clocks of which one may be wrong: what can be done stays for as long as the server says that it is held. What has been sent
  // in time is not over.
  const over = left === 0 && !confirm.isPending;
  const soon = left < 60;
  // Of an offer it is another time than of what one holds by oneself, and a refused payment may have begun it anew.
  const held = (Date.parse(reservation.hold_expires_at!) - Date.parse(reservation.updated_at)) / 1000;
  useFocusKept(wallet.data && String(missing));
  useEffect(() => {
    if (left === 0) void queries.invalidateQueries({ queryKey: ['reservation', reservation.id] });
  }, [left === 0]);
  return (
    <>
      <div className={`countdown ${soon ? 'soon' : ''}`}>
        <span>{t.timeLeft}</span>
        <b role="timer" aria-label={t.timeLeft}>{minutes(left)}</b>
        <progress max={Math.max(show.hold_ttl_s, held)} value={left} aria-label={t.timeLeft} />
      </div>
      <p className="soft" role="status">{over ? t.timeOver : `${soon ? `${t.lastMinute} ` : ''}${t.atTheEnd}`}</p>
      <Seats reservation={reservation} />
      <div className="panel">
        <p>{t.balance}: <b>{wallet.data ? money(balance, reservation.currency) : '…'}</b></p>
        {/* Whether the money is there is the server's to say when it is paid, so nobody waits for this, and what was read may be old. */}
        <ProblemNote thrown={unlessSignedOut(wallet.error)} retry={() => void wallet.refetch()} />
        {missing > 0 && (
          <>
            <p role="status">{t.missing(money(missing, reservation.currency))}</p>
            <TopUp key={missing} currency={reservation.currency} suggested={missing} onDone={() => { confirm.reset(); void queries.invalidateQueries({ queryKey: ['wallet'] }); }} />
          </>
        )}
        {session?.sign_in === 'development' && (
          <details>
            <summary>{t.testPayment}</summary>
            <p className="soft">{t.testPaymentHow}</p>
            <label>
              {t.paymentMethod}
              <select value={method} onChange={(event) => setMethod(event.target.value)}>
                <option value="">{t.paymentApprove}</option>
                <option value="sandbox:decline">{t.paymentDecline}</option>
              </select>
            </label>
          </details>
        )}
      </div>
      <div className="row">
        <button type="button" className="primary wide" disabled={toppingUp || confirm.isPending} onClick={() => pay(() => confirm.mutateAsync(method))}>
          {confirm.isPending ? t.paying : t.payNow(money(reservation.amount, reservation.currency))}
        </button>
        {/* Another page may have paid by now, and a ticket is not given back without asking. */}
        <button type="button" disabled={confirm.isPending || cancel.isPending} onClick={() => giveBack(() => cancel.mutateAsync({ only_held: true }))}>{t.giveBack}</button>
      </div>
    </>
  );
}

function Cancel({ reservation, cancel }: Pick<About, 'reservation'> & Pick<Commands, 'cancel'>) {
  const { t, money } = useText();
  const [open, setOpen] = useState(false);
  const [kept, setKept] = useState<ReadonlySet<number>>(kNoSeats);
  const press = useOnePress();
  const all = reservation.seats.map((seat) => seat.seat_no);
  const back = all.filter((seat) => !kept.has(seat));
  const some = back.length < all.length ? back : undefined;
  const quote = useQuery({
    queryKey: ['quote', reservation.id, back.join()],
    enabled: open && back.length > 0,
    queryFn: () =>
      ok(api.GET('/v1/reservations/{reservation}/cancellation', { params: { path: { reservation: reservation.id }, query: some ? { seats: some.join() } : {} } })),
  });
  const said = back.length > 0 ? quote.data : undefined;
  function begin() {
    setKept(kNoSeats);
    cancel.reset();
    setOpen(true);
  }
  return (
    <>
      <button type="button" onClick={begin}>{t.cancel}</button>
      {/* Whoever did not wait for the answer is told it, too. */}
      {!open && <ProblemNote thrown={cancel.error} />}
      <Dialog open={open} onClose={() => setOpen(false)} backdrop={<div className="backdrop" />} className="dialog">
        <DialogHeading>{t.cancelTitle}</DialogHeading>
        {all.length > 1 && <Which legend={t.cancelWhich} seats={reservation.seats} kept={kept} onKeep={setKept} />}
        {said && <p role="status">{said.fee > 0 ? t.cancelQuote(money(said.amount, said.currency), money(said.fee, said.currency)) : t.cancelFree(money(said.amount, said.currency))}</p>}
        <ProblemNote thrown={quote.error ?? cancel.error} />
        <div className="row">
          <button type="button" className="danger" disabled={!said || cancel.isPending} onClick={() => press(() => cancel.mutateAsync(some ? { seats: some } : {}).then(() => setOpen(false)))}>{t.cancelYes}</button>
          <DialogDismiss>{t.cancelNo}</DialogDismiss>
        </div>
      </Dialog>
    </>
  );
}

// What the last cancellation or move has given back; undefined: nothing was.
function useReturned({ returned, seats, saga, currency }: Reservation): string | undefined {
  const { t, money } = useText();
  if (!returned) return undefined;
  const labels = (some: Reservation['seats']) => some.map((seat) => seat.label).join(', ');
  const back = money(returned.amount, currency);
  if (saga.timeline.some(({ step }) => step === 'move-seats')) {
    // Before it is done the seats are the ones before.
    const isDone = returned.seats.some((seat) => !seats.some((one) => one.seat_no === seat.seat_no));
    return isDone ? t.moved(labels(returned.seats), labels(seats), returned.amount > 0 ? back : '') : undefined;
  }
  return t.returned(labels(returned.seats), back, returned.fee > 0 ? money(returned.fee, currency) : '');
}

function Ticket({ reservation, show, concert, cancel }: About & Pick<Commands, 'cancel'>) {
  const { t, language } = useText();
  const returned = useReturned(reservation);
  const qr = qrPath(`boxoffice:${reservation.id}`);
  function save() {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([calendar(reservation, show, concert)], { type: 'text/calendar' }));
    link.download = 'ticket.ics';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
  return (
    <>
      {returned && <p role="status">{returned}</p>}
      <article className="ticket" aria-label={t.ticketFor(nameIn(language, concert.title)[0])}>
        <div>
          <WhenAndWhere show={show} concert={concert} />
          <Seats reservation={reservation} />
        </div>
        <figure>
          <svg viewBox={`0 0 ${qr.size} ${qr.size}`} role="img" aria-label={t.ticketQr} shapeRendering="crispEdges">
            <rect width={qr.size} height={qr.size} fill="#fff" />
            <path d={qr.path} fill="#000" />
          </svg>
          <figcaption>{t.ticketShow}</figcaption>
        </figure>
      </article>
      <div className="row">
        <button type="button" className="primary" onClick={save}>{t.calendar}</button>
        <Cancel reservation={reservation} cancel={cancel} />
      </div>
    </>
  );
}

function Ended({ reservation, show }: Pick<About, 'reservation' | 'show'>) {
  const { t } = useText();
  const why = reservation.failure && t.errors[reservation.failure.code];
  const returned = useReturned(reservation);
  const isCancelled = show.state === 'CANCELLED' || reservation.failure?.code === 'show_cancelled';
  const said = {
    EXPIRED: t.expired,
    RELEASED: why ?? t.released,
    FAILED: why ?? t.failed,
    CANCELLED: [why, returned].filter(Boolean).join(' '),
  }[reservation.state as 'EXPIRED' | 'RELEASED' | 'FAILED' | 'CANCELLED'];
  return (
    <>
      <p role="status">{said ?? t.unsettled}</p>
      {reservation.seats.length > 0 && <Seats reservation={reservation} />}
      {said && !isCancelled && <Link className="button primary" href={`/shows/${show.id}/seats`}>{t.seatsAgain}</Link>}
    </>
  );
}

// Why it is still to be paid. Of a reservation that is not held any more, its state says all.
function NotPaid({ thrown, failure }: { thrown: unknown; failure: Reservation['failure'] | undefined }) {
  const { t } = useText();
  // In a show's grace time the seats stay, and whoever comes back to them is told why they are not paid.
  const code = thrown instanceof Problem ? thrown.code : failure?.code;
  return <ProblemNote thrown={thrown} text={code === 'payment_declined' ? t.declinedButHeld : undefined} />;
}

function Body(about: About) {
  const { t, language } = useText();
  const { reservation, concert } = about;
  const commands = useCommands(reservation);
  useFocusKept(`${reservation.state} ${commands.confirm.status}`);
  const title = nameIn(language, concert.title)[0];
  const held = reservation.state === 'HELD' && reservation.hold_expires_at !== null;
  return (
    <section className="narrow">
      <title>{`${held ? t.checkout : t.ticket} – ${title}`}</title>
      <span className={`state ${reservation.state}`} role="status">{t.reservationState[reservation.state]}</span>
      <h1>{title}</h1>
      {/* A ticket has it on itself. */}
      {reservation.state !== 'CONFIRMED' && <WhenAndWhere {...about} />}
      {held && <h2>{t.checkoutTitle}</h2>}
      {held && <Checkout {...about} {...commands} />}
      {reservation.state === 'CONFIRMED' && <Ticket {...about} cancel={commands.cancel} />}
      {!held && reservation.state !== 'CONFIRMED' && <Ended {...about} />}
      {held && !commands.confirm.isPending && <NotPaid thrown={unlessSignedOut(commands.confirm.error ?? commands.cancel.error)} failure={reservation.failure} />}
    </section>
  );
}

export default function ReservationPage({ id }: { id: string }) {
  const { t } = useText();
  // Often while its outcome is open, and while it is held, as its time may end; now and then once it is paid.
  const { data, error, refetch } = useQuery({
    queryKey: ['reservation', id],
    queryFn: () => fetchReservation(id),
    refetchInterval: ({ state: { data, error } }) => {
      if (!data) return false;
      const often = !isSettled(data) ? 700 : data.state === 'HELD' ? 5_000 : data.state === 'CONFIRMED' && kPaidMs;
      return often && error ? Math.max(kRefusedMs, error instanceof Problem ? error.retryAfterMs : 0) : often;
    },
  });
  const show = useQuery({ queryKey: ['show', data?.show_id], enabled: Boolean(data), queryFn: () => fetchShow(data!.show_id) });
  const concert = useQuery({ queryKey: ['concert', show.data?.concert_id], enabled: Boolean(show.data), queryFn: () => fetchConcert(show.data!.concert_id) });
  const thrown = error ?? show.error ?? concert.error;
  const again = () => [{ error, refetch }, show, concert].forEach((query) => query.error && void query.refetch());
  const note = <ProblemNote thrown={thrown} retry={again} />;
  if (!data || !show.data || !concert.data) return thrown ? note : <p className="loading">{t.loading}</p>;
  return (
    <>
      {note}
      <Body reservation={data} show={show.data} concert={concert.data} />
    </>
  );
}
