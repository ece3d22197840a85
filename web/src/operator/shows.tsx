import { Dialog, DialogDismiss, DialogHeading } from '@ariakit/react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { api, fetchAdminConcerts, ok, type Schemas } from '../api/client';
import { nameIn, ProblemNote } from '../parts';
import { useText } from '../text';
import { useWords } from './words';

const kNames = ['title', 'artist', 'venue'] as const;

function Rename({ concert }: { concert: Schemas['Concert'] }) {
  const w = useWords();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const save = useMutation({
    // What was not changed is not sent, so that two operators don't undo each other's work.
    mutationFn: (form: FormData) => {
      const body: Schemas['ConcertChange'] = {};
      for (const name of kNames) if (String(form.get(name)) !== concert[name]) body[name] = String(form.get(name));
      return ok(api.PATCH('/v1/admin/concerts/{concert}', { params: { path: { concert: concert.id } }, body }));
    },
    async onSuccess() {
      await Promise.all([['concerts'], ['concert', concert.id], ['admin-concerts']].map((queryKey) => queries.invalidateQueries({ queryKey })));
      setOpen(false);
    },
  });
  const labels = { title: w.concertTitle, artist: w.artist, venue: w.venue };
  return (
    <>
      <button type="button" className="small" onClick={() => { save.reset(); setOpen(true); }}>{w.rename}</button>
      {!open && <ProblemNote thrown={save.error} />}
      <Dialog open={open} onClose={() => setOpen(false)} backdrop={<div className="backdrop" />} className="dialog" unmountOnHide>
        <DialogHeading>{w.renameTitle}</DialogHeading>
        <p>{w.renameHow}</p>
        <form onSubmit={(event) => { event.preventDefault(); save.mutate(new FormData(event.currentTarget)); }}>
          {kNames.map((name) => <label key={name}>{labels[name]}<input name={name} required={name === 'title'} maxLength={200} defaultValue={concert[name]} /></label>)}
          <ProblemNote thrown={save.error} />
          <div className="row">
            <button type="submit" className="primary" disabled={save.isPending}>{w.save}</button>
            <DialogDismiss>{w.leave}</DialogDismiss>
          </div>
        </form>
      </Dialog>
    </>
  );
}

export function ShowsPage() {
  const w = useWords();
  const { t, language, time, number } = useText();
  const concerts = useQuery({ queryKey: ['admin-concerts'], queryFn: fetchAdminConcerts, refetchInterval: 10_000 });
  return (
    <>
      <title>{`${w.shows} – Boxoffice`}</title>
      <h1>{w.shows}</h1>
      <p><Link className="button primary" href="/operator/shows/new">{w.newShow}</Link></p>
      <ProblemNote thrown={concerts.error} />
      {concerts.data?.map((concert) => (
        <section className="panel" key={concert.id} aria-label={nameIn(language, concert.title)[0]}>
          <div className="row bar">
            <h2>{nameIn(language, concert.title)[0]}</h2>
            <Rename concert={concert} />
          </div>
          <p className="soft">{[concert.artist, concert.venue].filter(Boolean).map((one) => nameIn(language, one)[0]).join(' · ')}</p>
          <ul className="plain">
            {concert.shows.map((show) => (
              <li key={show.id}>
                <Link href={`/operator/shows/${show.id}`}>{w.show} {show.id}: {time(show.starts_at)}</Link>
                <span className={`state ${show.state}`}>{t.state[show.state]}</span>
                <span className="soft">{w.seatCounts(number(show.free), number(show.held), number(show.sold), number(show.blocked), number(show.capacity))}</span>
              </li>
            ))}
          </ul>
          {concert.shows.length === 0 && <p>{w.none}</p>}
        </section>
      ))}
    </>
  );
}
