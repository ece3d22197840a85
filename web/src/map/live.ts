import { useCallback, useEffect, useRef, useState } from 'react';
import type { Schemas } from '../api/client';
import { pauseMs } from '../api/pause';
import { fetchSeats } from './fetch';
import type { SeatModel } from './model';

export interface LiveSeats {
  model: SeatModel | undefined;
  version: number; // grows with every change, for whoever draws
  connected: boolean;
  thrown: unknown;
  reload: () => Promise<void>;
}

// All who look at a show hear of new prices in the same moment, and within this time they fetch its map.
const kSpreadMs = 2_000;

// The seats of a show, and what becomes of them. A map may be older than the newest event, so each has a stream of its own
// that goes on from it: nothing that happened meanwhile is missed, and nothing is undone. The browser's EventSource
// reconnects by itself, from the last event that it had, unless it was refused. A page that nobody sees has no stream, as a browser
// has few connections to one server for all its tabs. What operators alone look at (`still`) has none either: it changes by
// whoever looks at it. Without a `show` nothing is asked for.
export function useLiveSeats(show: string | undefined, still = false): LiveSeats {
  const [live, setLive] = useState<Omit<LiveSeats, 'reload'>>({ model: undefined, version: 0, connected: false, thrown: undefined });
  const again = useRef(async () => {});
  useEffect(() => {
    if (!show) return;
    let events: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let loads = 0; // only the newest counts
    let loaded: SeatModel | undefined;
    let at = ''; // what was read last: the map, or an event
    let refusals = 0; // of the map or its stream
    const set = (change: Partial<LiveSeats>) => setLive((before) => ({ ...before, ...change, version: before.version + 1 }));
    const stop = () => {
      ++loads;
      clearTimeout(timer);
      events?.close();
    };
    const follow = (model: SeatModel) => {
      events?.close();
      const stream = (events = new EventSource(`/v1/shows/${show}/seats/events?from=${encodeURIComponent(at)}`));
      let isOld = false; // prices have changed; what becomes of the seats is followed all the same
      const take = (event: MessageEvent<string>) => {
        const data = JSON.parse(event.data) as Partial<Schemas['SeatSnapshot'] & Schemas['SeatChanges']>;
        if (!isOld && data.layout_version! > model.layoutVersion) {
          isOld = true;
          loadIn(kSpreadMs * Math.random());
        }
        if (event.lastEventId) at = event.lastEventId;
        if (data.states !== undefined) model.applySnapshot(data.states);
        else model.applyChanges(data.changes ?? []);
        set({});
      };
      stream.onopen = () => {
        refusals = 0;
        set({ connected: true });
      };
      stream.onerror = () => {
        set({ connected: false });
        if (stream.readyState === EventSource.CLOSED) loadLater();
      };
      for (const name of ['snapshot', 'seats']) stream.addEventListener(name, take);
    };
    const loadIn = (ms: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => void load(), ms);
    };
    const loadLater = () => loadIn(pauseMs(refusals++));
    const load = (again.current = async () => {
      stop();
      const mine = loads;
      try {
        const { model, tag } = await fetchSeats(show, still ? '/v1/admin' : '/v1');
        if (mine !== loads) return;
        loaded = model;
        at = tag;
        set({ model, thrown: undefined });
        if (!still && !document.hidden) follow(model);
      } catch (thrown) {
        if (mine !== loads) return;
        // What is on the page stays, until it can be read anew.
        set(loaded ? { connected: false } : { thrown });
        if (loaded) loadLater();
      }
    });
    const look = () => {
      if (still || !loaded) return;
      if (!document.hidden) return follow(loaded);
      events?.close();
      set({ connected: false });
    };
    document.addEventListener('visibilitychange', look);
    void load();
    return () => {
      document.removeEventListener('visibilitychange', look);
      stop();
    };
  }, [show, still]);
  const reload = useCallback(() => again.current(), []);
  return { ...live, reload };
}
