import { useRef } from 'react';
import { command, Problem } from './client';

type Run<T> = Parameters<typeof command<T>>[0];

// Whether it is certain that nothing was done. What is left out says nothing of an earlier try whose answer was lost.
const isRefused = (thrown: unknown) =>
  thrown instanceof Problem && thrown.status >= 400 && thrown.status < 500 && ![401, 408, 429].includes(thrown.status) && thrown.code !== 'idempotency_key_running';

// A command that a person may press again after its answer was lost: the same wish then has the same Idempotency-Key, until
// it is known what became of it.
export function useCommand() {
  const open = useRef<{ asked: string; key: string } | null>(null);
  return async <T>(wish: unknown, run: Run<T>): Promise<T> => {
    const asked = JSON.stringify(wish);
    const kept = open.current?.asked === asked ? open.current.key : undefined;
    try {
      const done = await command<T>((key) => {
        open.current = { asked, key };
        return run(key);
      }, kept);
      open.current = null;
      return done;
    } catch (thrown) {
      if (isRefused(thrown)) open.current = null;
      throw thrown;
    }
  };
}
