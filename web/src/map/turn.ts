import { useCallback, useEffect, useRef, useState } from 'react';
import { api, ok, Problem, type Schemas } from '../api/client';

// Whether the viewer may buy now: "none" while not known, "free" where the show has no queue.
export interface Turn {
  state: 'none' | 'free' | 'active' | 'over' | 'signed_out';
  token: string;
  endsAt: string | null;
  thrown: unknown;
  // What a hold was refused with, which may be about the turn.
  refused: (thrown: unknown) => void;
}

const kOver = ['session_not_active', 'queue_token_expired', 'queue_token_unknown', 'queue_closed'];

// Joining is idempotent: whoever comes from the waiting room gets the session that was given there, and nobody keeps a
// token anywhere but in memory.
export function useTurn(show: string, enabled: boolean): Turn {
  const [turn, setTurn] = useState<Omit<Turn, 'refused'>>({ state: 'none', token: '', endsAt: null, thrown: undefined });
  const token = useRef('');
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
    setTurn({ state: session.state === 'ACTIVE' ? 'active' : 'over', token: session.admission ?? session.token, endsAt: session.expires_at, thrown: undefined });
  }, [show]);

  const join = useCallback(async () => {
    try {
      take(await ok(api.POST('/v1/shows/{show}/queue', { params: { path: { show } } })));
    } catch (thrown) {
      const code = thrown instanceof Problem ? thrown.code : '';
      if (code === 'queue_off') setTurn({ state: 'free', token: '', endsAt: null, thrown: undefined });
      else setTurn((before) => ({ ...before, thrown }));
    }
  }, [show, take]);

  const refused = useCallback((thrown: unknown) => {
    const code = thrown instanceof Problem ? thrown.code : '';
    if (kOver.includes(code)) setTurn((before) => ({ ...before, state: 'over' }));
    // The show has a queue by now, or none, somebody else has signed in, or keys were changed: joining tells, and gives the place
    // that is there.
    else if (code.startsWith('queue_token') || code === 'queue_off') void join();
  }, [join]);

  useEffect(() => {
    if (enabled) void join();
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

  return { ...turn, refused };
}
