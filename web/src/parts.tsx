import { Component, useEffect, useRef, useState, type ReactNode } from 'react';
import { Link } from 'wouter';
import { Problem, serverNow, type Reservation } from './api/client';
import { useText } from './text';

// What went wrong, and what to do next. A thrown Problem says it by its code.
export function ProblemNote({ thrown, text, retry, children }: { thrown?: unknown; text?: string; retry?: () => void; children?: ReactNode }) {
  const { t, problem } = useText();
  if (!thrown && !text) return null;
  const refused = thrown instanceof Problem ? thrown : undefined;
  return (
    <div className="problem" role="alert">
      <p>{text ?? problem(thrown)}</p>
      {/* What is not there is not there the next time either. */}
      {retry && refused?.status !== 404 && (
        <button type="button" onClick={retry}>
          {t.retry}
        </button>
      )}
      {/* A place in a queue that counts no more is no matter of who is signed in. */}
      {((refused?.status === 401 && !refused.code.startsWith('queue_token')) || refused?.code === 'operator_required') && (
        <Link className="button" href={`/sign-in?next=${encodeURIComponent(location.pathname)}`}>
          {t.signIn}
        </Link>
      )}
      {refused?.status === 404 && (
        <Link className="button" href={refused.code === 'reservation_not_found' ? '/my/reservations' : '/'}>
          {refused.code === 'reservation_not_found' ? t.tickets : t.concerts}
        </Link>
      )}
      {refused?.body.request_id && refused.status >= 500 && <small>{refused.body.request_id}</small>}
      {children}
    </div>
  );
}

function Broken() {
  const { t } = useText();
  return <ProblemNote text={t.broken} retry={() => location.reload()} />;
}

// A page that can't be drawn: most often its script is not there any more, as a newer release has taken its place.
export class Boundary extends Component<{ path: string; children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };
  static getDerivedStateFromError = () => ({ broken: true });
  // Another page may be sound.
  override componentDidUpdate(before: { path: string }) {
    if (this.state.broken && before.path !== this.props.path) this.setState({ broken: false });
  }
  override render() {
    return this.state.broken ? <Broken /> : this.props.children;
  }
}

// Of presses that come while the first is under way none counts: that a mutation is pending is told a moment after it began, in which a
// double click has its second one. What `run` fails with is its mutation's to say.
export function useOnePress(): (run: () => Promise<unknown>) => void {
  const busy = useRef(false);
  return (run) => {
    if (busy.current) return;
    busy.current = true;
    const done = () => { busy.current = false; };
    run().then(done, done);
  };
}

// Seconds until a time by the server's clock, once a second; 0 once it is over, and not before. That clock is told in whole seconds and
// so up to one behind: rounded down, nothing begins with more than there is.
export function useSecondsUntil(time: string | null | undefined): number {
  const left = () => {
    const s = time ? (Date.parse(time) - serverNow()) / 1000 : 0;
    return s > 0 ? Math.max(1, Math.floor(s)) : 0;
  };
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    const timer = setInterval(() => setSeconds(left()), 500);
    return () => clearInterval(timer);
  }, [time]);
  return seconds;
}

export const minutes = (s: number) => `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`;

// What had the keyboard has gone with the state that it was for: it goes on at the top of the page. undefined: not to be told now.
export function useFocusKept(state: string | undefined) {
  const before = useRef(state);
  useEffect(() => {
    if (state === undefined) return;
    if (before.current !== undefined && before.current !== state && document.activeElement === document.body) document.getElementById('content')?.focus({ preventScroll: true });
    before.current = state;
  }, [state]);
}

export const kNoSeats: ReadonlySet<number> = new Set();

// Of several seats some may be meant, and the others kept.
export function Which({ legend, seats, kept, onKeep }: { legend: string; seats: Reservation['seats']; kept: ReadonlySet<number>; onKeep: (kept: ReadonlySet<number>) => void }) {
  function toggle(seat: number) {
    const next = new Set(kept);
    if (!next.delete(seat)) next.add(seat);
    onKeep(next);
  }
  return (
    <fieldset className="legend">
      <legend>{legend}</legend>
      {seats.map((seat) => (
        <label key={seat.seat_no}>
          <input type="checkbox" checked={!kept.has(seat.seat_no)} onChange={() => toggle(seat.seat_no)} />
          {seat.label}
        </label>
      ))}
    </fieldset>
  );
}

// Concerts have their names in several languages with " · " between them: the viewer's comes first.
export function nameIn(language: string, name: string): [string, string | undefined] {
  const parts = name.split(' · ');
  if (parts.length !== 2) return [name, undefined];
  const [a, b] = parts as [string, string];
  const korean = /[가-힣]/;
  if (korean.test(a) === korean.test(b)) return [name, undefined];
  return korean.test(a) === (language === 'ko') ? [a, b] : [b, a];
}

export function Name({ of }: { of: string }) {
  const { language } = useText();
  return <>{nameIn(language, of)[0]}</>;
}
