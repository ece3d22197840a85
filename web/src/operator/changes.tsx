import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ok, Problem, type Schemas } from '../api/client';
import { useCommand } from '../api/command';
import { useLiveSeats } from '../map/live';
import { State } from '../map/model';
import { kNoSeats, ProblemNote, useFocusKept, Which } from '../parts';
import { useText } from '../text';
import { Chooser, Conflicts } from './chooser';
import { Confirmed } from './confirmed';
import { useWords } from './words';

type AdminReservation = Schemas['AdminReservation'];
type Cancellation = Schemas['AdminCancellation'];
type NewMove = Schemas['NewMove'];

function useChanges({ id, show_id }: AdminReservation) {
  const queries = useQueryClient();
  const [cancelling, moving] = [useCommand(), useCommand()];
  const onSettled = () => void Promise.all([['admin-reservation', id], ['admin-reservations'], ['payments', id], ['admin-show', show_id]].map((queryKey) => queries.invalidateQueries({ queryKey })));
  const params = (key: string) => ({ params: { path: { reservation: id }, header: { 'Idempotency-Key': key } } });
  const cancel = useMutation({
    mutationFn: (body: Cancellation) => cancelling(body, (key) => api.POST('/v1/admin/reservations/{reservation}/cancel', { ...params(key), body })),
    onSettled,
  });
  const move = useMutation({
    mutationFn: (body: NewMove) => moving(body, (key) => api.POST('/v1/admin/reservations/{reservation}/move', { ...params(key), body })),
    onSettled,
  });
  return { cancel, move };
}

type Commands = ReturnType<typeof useChanges>;

function Cancel({ reservation, cancel }: { reservation: AdminReservation } & Pick<Commands, 'cancel'>) {
  const w = useWords();
  const { t, money } = useText();
  const [open, setOpen] = useState(false);
  const [kept, setKept] = useState(kNoSeats);
  const { seats, currency } = reservation;
  const isPaid = reservation.state === 'CONFIRMED';
  const back = seats.filter((seat) => !kept.has(seat.seat_no));
  const amount = back.reduce((sum, seat) => sum + seat.price, 0);
  function begin() {
    setKept(kNoSeats);
    cancel.reset();
    setOpen(true);
  }
  function yes(reason: string) {
    const some = back.length < seats.length ? { seats: back.map((seat) => seat.seat_no) } : {};
    // Whoever was told that nothing has been paid cancels no ticket.
    cancel.mutate({ reason, ...some, ...(!isPaid && { only_held: true }) }, { onSuccess: () => setOpen(false) });
  }
  return (
    <>
      <button type="button" className="danger" onClick={begin}>{w.cancelReservation}</button>
      {!open && <ProblemNote thrown={cancel.error} />}
      <Confirmed title={w.cancelReservationTitle} yes={w.cancelReservationYes} danger open={open} pending={cancel.isPending || back.length === 0} onClose={() => setOpen(false)} onYes={yes}>
        {/* What is held is given up together only. */}
        {isPaid && seats.length > 1 && <Which legend={t.cancelWhich} seats={seats} kept={kept} onKeep={setKept} />}
        <p role="status">{isPaid ? w.cancelReservationHow(money(amount, currency)) : w.releaseHow}</p>
        <ProblemNote thrown={cancel.error} />
      </Confirmed>
    </>
  );
}

// What an operator keeps back, an operator may give to this buyer.
const isNobodys = (state: State) => state === State.free || state === State.blocked;

function Exchange({ reservation, move }: { reservation: AdminReservation } & Pick<Commands, 'move'>) {
  const w = useWords();
  const { t } = useText();
  const { show_id } = reservation;
  const show = useQuery({ queryKey: ['admin-show', show_id], queryFn: () => ok(api.GET('/v1/admin/shows/{show}', { params: { path: { show: show_id } } })) });
  const { model, version, thrown, reload } = useLiveSeats(show_id);
  const [kept, setKept] = useState(kNoSeats);
  const [chosen, setChosen] = useState<number[]>([]); // in the order in which they take the places of the others
  const [open, setOpen] = useState(false);
  const unread = show.error ?? thrown;
  if (!show.data || !model) return unread ? <ProblemNote thrown={unread} retry={() => { void show.refetch(); void reload(); }} /> : <p className="loading">{t.loading}</p>;
  const from = reservation.seats.filter((seat) => !kept.has(seat.seat_no));
  const to = chosen.slice(0, from.length);
  const said = from.map((seat, i) => `${seat.label} → ${i < to.length ? model.seats[to[i]!]!.label : '…'}`).join(', ');
  const conflict = move.error instanceof Problem && move.error.code === 'seats_taken' ? move.error : null;
  const note = conflict ? <Conflicts problem={conflict} some={false} onLeaveOut={leaveOut} /> : <ProblemNote thrown={move.error} />;

  function leaveOut(seats: number[]) {
    move.reset();
    setOpen(false);
    setChosen(to.filter((seat) => !seats.includes(seat)));
  }
  function toggle(seat: number) {
    if (move.isPending) return;
    move.reset();
    if (to.includes(seat)) setChosen(to.filter((one) => one !== seat));
    else if (to.length < from.length && isNobodys(model!.state[seat]!)) setChosen([...to, seat]);
  }
  function yes(reason: string) {
    move.mutate({ from: from.map((seat) => seat.seat_no), to: to.map((seat) => seat + 1), reason }, { onSuccess: () => { setOpen(false); setChosen([]); setKept(kNoSeats); } });
  }
  return (
    <>
      <p className="soft">{w.moveHow}</p>
      {reservation.seats.length > 1 && <Which legend={w.moveWhich} seats={reservation.seats} kept={kept} onKeep={setKept} />}
      <Chooser show={show.data} model={model} version={version} chosen={new Set(to)} lost={kNoSeats} onToggle={toggle} takes={isNobodys} />
      <div className="row">
        <p role="status">{said}</p>
        <button type="button" className="primary" disabled={from.length === 0 || to.length < from.length || move.isPending} onClick={() => { move.reset(); setOpen(true); }}>{w.moveGo}</button>
      </div>
      {!open && note}
      <Confirmed title={w.moveTitle} yes={w.moveYes} open={open} pending={move.isPending} onClose={() => setOpen(false)} onYes={yes}>
        <p>{said}</p>
        {note}
      </Confirmed>
    </>
  );
}

// The map is fetched when somebody looks at it.
function Move(props: Parameters<typeof Exchange>[0]) {
  const w = useWords();
  const [open, setOpen] = useState(false);
  return (
    <details className="panel" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{w.moveSeats}</summary>
      {open && <Exchange {...props} />}
    </details>
  );
}

// A reservation is cancelled, or gets other seats, whatever its buyer may still do. While a saga of it runs, nothing else is begun.
export function Changes({ reservation }: { reservation: AdminReservation }) {
  const w = useWords();
  const { cancel, move } = useChanges(reservation);
  const isSettled = reservation.saga.status === 'done';
  const isPaid = reservation.state === 'CONFIRMED';
  const answer = cancel.data ?? move.data;
  // The page may be older than the answer for a moment.
  const said = answer !== undefined && reservation.version >= answer.version;
  useFocusKept(cancel.isPending || move.isPending ? undefined : [reservation.state, ...reservation.seats.map((seat) => seat.seat_no)].join());
  return (
    <>
      {said && (!isSettled || !reservation.failure) && <p role="status">{isSettled ? w.done : w.underWay}</p>}
      {/* What is being asked for stays, with what is answered to it. */}
      {((isSettled && (isPaid || reservation.state === 'HELD')) || cancel.isPending) && <div className="row"><Cancel reservation={reservation} cancel={cancel} /></div>}
      {isPaid && (isSettled || move.isPending) && <Move reservation={reservation} move={move} />}
    </>
  );
}
