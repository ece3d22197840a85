import { useCallback, useEffect, useRef, useState } from 'react';
import type { Schemas } from '../api/client';
import { fetchSeats } from './fetch';
import type { SeatModel } from './model';

export interface LiveSeats {
  model: SeatModel | undefined;
  version: number; // grows with every change, for whoever draws
  connected: boolean;
  thrown: unknown;
  reload: () => Promise<void>;
}

// The seats of a show, and what becomes of them. The browser's EventSource reconnects by itself, and a stream begins with
// a snapshot, so nothing that happened meanwhile is missed. A draft has no stream: it changes by whoever looks at it.
export function useLiveSeats(show: string, draft = false): LiveSeats {
  const [live, setLive] = useState<Omit<LiveSeats, 'reload'>>({ model: undefined, version: 0, connected: false, thrown: undefined });
  const model = useRef<SeatModel>(undefined);
  const again = useRef(async () => {});
  useEffect(() => {
    let events: EventSource | undefined;
    let gone = false;
    const set = (change: Partial<LiveSeats>) => !gone && setLive((before) => ({ ...before, ...change, version: before.version + 1 }));
    const load = (again.current = async () => {
      model.current = await fetchSeats(show, draft ? '/v1/admin' : '/v1');
      set({ model: model.current, thrown: undefined });
    });
    const take = async (data: Partial<Schemas['SeatSnapshot'] & Schemas['SeatChanges']>) => {
      // Prices have changed.
      if (data.layout_version! > model.current!.layoutVersion) await load();
      else if (data.states !== undefined) model.current!.applySnapshot(data.states);
      else model.current!.applyChanges(data.changes ?? []);
      set({});
    };
    load().then(() => {
      if (gone || draft) return;
      events = new EventSource(`/v1/shows/${show}/seats/events`);
      events.onopen = () => set({ connected: true });
      events.onerror = () => set({ connected: false });
      for (const name of ['snapshot', 'seats']) events.addEventListener(name, (event) => void take(JSON.parse((event as MessageEvent<string>).data)));
    }, (thrown: unknown) => set({ thrown }));
    return () => {
      gone = true;
      events?.close();
    };
  }, [show, draft]);
  const reload = useCallback(() => again.current(), []);
  return { ...live, reload };
}
