import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ok, type Show } from '../api/client';
import { ProblemNote } from '../parts';
import { useText } from '../text';
import { Confirmed } from './confirmed';
import { useWords } from './words';

function Release({ show, channel, onDone }: { show: Show; channel: string; onDone: () => Promise<void> }) {
  const w = useWords();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const release = useMutation({
    mutationFn: (reason: string) => ok(api.POST('/v1/admin/shows/{show}/contingents/release', { params: { path: { show: show.id } }, body: { channel, reason } })),
    onSuccess: () => setOpen(false),
    onSettled() {
      void onDone();
      for (const key of ['contingents', 'admin-show', 'blocks']) void queries.invalidateQueries({ queryKey: [key, show.id] });
    },
  });
  return (
    <>
      <button type="button" className="small" onClick={() => { release.reset(); setOpen(true); }}>{w.giveChannel(channel)}</button>
      {!open && <ProblemNote thrown={release.error} />}
      <Confirmed title={w.giveChannelTitle(channel)} yes={w.giveChannelYes} open={open} pending={release.isPending} onClose={() => setOpen(false)} onYes={release.mutate}>
        <p>{w.giveChannelHow}</p>
        <ProblemNote thrown={release.error} />
      </Confirmed>
    </>
  );
}

// The seats that are kept for the buyers of a channel, by channel. They are assigned where seats are chosen.
export function Contingents({ show, onDone }: { show: Show; onDone: () => Promise<void> }) {
  const w = useWords();
  const { number, time } = useText();
  const { data, error } = useQuery({ queryKey: ['contingents', show.id], queryFn: () => ok(api.GET('/v1/admin/shows/{show}/contingents', { params: { path: { show: show.id } } })), refetchInterval: 10_000 });
  return (
    <section className="panel" aria-label={w.channels}>
      <h2>{w.channels}</h2>
      <ProblemNote thrown={error} />
      {data && data.items.length === 0 && <p>{w.channelsNone}</p>}
      {data && data.items.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label={w.channelRows}>
          <table>
            <thead><tr><th>{w.channel}</th><th>{w.seats}</th><th>{w.freeSeats}</th><th>{w.nextUntil}</th><th></th></tr></thead>
            <tbody>
              {data.items.map((one) => (
                <tr key={one.channel}>
                  <th scope="row">{one.channel}</th><td>{number(one.capacity)}</td><td>{number(one.free)}</td><td>{one.next_until ? time(one.next_until) : '–'}</td>
                  <td><Release show={show} channel={one.channel} onDone={onDone} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
