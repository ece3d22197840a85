import { useCallback, useEffect, useRef, useState } from 'react';
import { api, ok, Problem, type Schemas } from '../api/client';
import { pauseMs } from '../api/pause';

// Whether the viewer may buy now: "unknown" while nobody was asked or there is no answer yet, "none" where that was refused, "free"
// where the show has no queue, "done" where seats were bought with the place.
export interface Turn {
  state: 'unknown' | 'none' | 'free' | 'active' | 'over' | 'done';
  token: string;
  endsAt: string | null;
  thrown: unknown;
  // Asks at once, where that would be done later.
  join: () => Promise<void>;
  // What a hold was refused with, which may be about the turn.
  refused: (thrown: unknown) => void;
}

// Whether there may be an answer the next time.
const mayPass = ({ status }: Problem) => status === 0 || status === 429 || status >= 500;

const kStates = { ACTIVE: 'active', COMPLETED: 'done', EXPIRED: 'over' } as const;
const kOver = ['session_not_active', 'queue_token_expired', 'queue_token_unknown', 'queue_closed'];

// Joining is idempotent: whoever comes from the waiting room gets the session that was given there, and nobody keeps a
// token anywhere but in memory. It is repeated until there is an answer, as the turn runs meanwhile.
export function useTurn(show: string, enabled: boolean): Turn {
  const [turn, setTurn] = useState<Omit<Turn, 'join' | 'refused'>>({ state: 'unknown', token: '', endsAt: null, thrown: undefined });
  const token = useRef('');
  const again = useRef<ReturnType<typeof setTimeout>>(undefined);
  const refusals = useRef(0); // in a row
  const gone = useRef(false); // from the seats: what comes then leads nobody away from where they are

  useEffect(() => {
    gone.current = false;
    return () => { gone.current = true; };
  }, []);

  const take = useCallback((session: Schemas['QueueSession']) => {
    if (gone.current) return;
    // Whoever had a place when the queue was taken away buys as everybody does now, without a token.
    if (session.queue_state === 'OFF') return setTurn({ state: 'free', token: '', endsAt: null, thrown: undefined });
    if (session.state === 'WAITING') return location.replace(`/waiting/${show}`);
    // With the word in it that its holder is in, buying goes on even while the queue can't be asked.
    token.current = session.token;
    setTurn({ state: kStates[session.state], token: session.admission ?? session.token, endsAt: session.expires_at, thrown: undefined });
  }, [show]);

  const join: () => Promise<void> = useCallback(async () => {
    clearTimeout(again.current);
    try {
      take(await ok(api.POST('/v1/shows/{show}/queue', { params: { path: { show } } })));
      refusals.current = 0;
    } catch (thrown) {
      if (gone.current) return;
      const problem = thrown instanceof Problem ? thrown : undefined;
      if (problem?.code === 'queue_off') return setTurn({ state: 'free', token: '', endsAt: null, thrown: undefined });
      const isRefused = problem === undefined || !mayPass(problem);
      setTurn((before) => ({ ...before, state: isRefused && before.state === 'unknown' ? 'none' : before.state, thrown }));
      if (isRefused) return;
      clearTimeout(again.current); // of an ask that went on beside this one
      again.current = setTimeout(() => void join(), pauseMs(refusals.current++, problem.retryAfterMs));
    }
  }, [show, take]);

  const refused = useCallback((thrown: unknown) => {
    if (!(thrown instanceof Problem)) return;
    const { code, body } = thrown;
    if (kOver.includes(code)) setTurn((before) => ({ ...before, state: body.queue_state === 'COMPLETED' ? 'done' : 'over' }));
    // The show has a queue by now, or none, somebody else has signed in, or keys were changed: joining tells, and gives the place
    // that is there.
    else if (code.startsWith('queue_token') || code === 'queue_off') void join();
  }, [join]);

  useEffect(() => {
    if (!enabled) return;
    void join();
    return () => clearTimeout(again.current);
  }, [enabled, join]);

  // Being there renews the turn, up to its bound.
  useEffect(() => {
    if (turn.state !== 'active') return;
    const timer = setInterval(async () => {
      try {
        take(await ok(api.GET('/v1/queue', { params: { header: { 'X-Queue-Token': token.current } } })));
      } catch (thrown) {
        refused(thrown);
      }
    }, 20_000);
    return () => clearInterval(timer);
  }, [turn.state, take, refused]);

  return { ...turn, join, refused };
}
