import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { api, fetchAdminConcerts, Problem, type Schemas } from '../api/client';
import { useCommand } from '../api/command';
import { nameIn, ProblemNote } from '../parts';
import { useText } from '../text';
import { timeOf } from './times';
import { useWords } from './words';

// The categories that a plan names, to ask for their prices; whether the plan is right is the server's to say.
function categoriesOf(text: string): string[] {
  try {
    const plan = JSON.parse(text) as { categories?: { name?: unknown }[] };
    return (plan.categories ?? []).map((one) => String(one.name));
  } catch {
    const [head = '', ...lines] = text.split(/\r?\n/);
    const at = head.toLowerCase().split(',').findIndex((name) => name.trim() === 'category');
    const names = lines.map((line) => line.split(',')[at]?.trim().replace(/^"|"$/g, '') ?? '');
    return at < 0 ? [] : [...new Set(names.filter(Boolean))].slice(0, 40);
  }
}

function usePlan() {
  const [text, setText] = useState('');
  const [prices, setPrices] = useState<Record<string, number>>({});
  async function read(file: File | undefined) {
    const read = (await file?.text()) ?? '';
    setText(read);
    setPrices(Object.fromEntries(categoriesOf(read).map((name) => [name, 50_000])));
  }
  const isJson = text.trimStart().startsWith('{');
  return { plan: isJson ? { seating_plan: text } : { seating_csv: text }, given: text !== '', prices, setPrices, read };
}

// A draft: its page shows what buyers will see.
export function ImportPage() {
  const w = useWords();
  const { language } = useText();
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const concerts = useQuery({ queryKey: ['admin-concerts'], queryFn: fetchAdminConcerts });
  const [concert, setConcert] = useState('');
  const [named, setNamed] = useState({ title: '', artist: '', venue: '' });
  const [startsAt, setStartsAt] = useState('');
  const { plan, given, prices, setPrices, read } = usePlan();
  const [addConcert, addShow] = [useCommand(), useCommand()];
  const add = useMutation({
    mutationFn: async () => {
      const id = concert || (await addConcert(named, (key) => api.POST('/v1/admin/concerts', { params: { header: { 'Idempotency-Key': key } }, body: named }))).id;
      setConcert(id);
      const body = { concert_id: id, starts_at: timeOf(startsAt), currency: 'KRW', draft: true, prices, ...plan };
      return addShow(body, (key) => api.POST('/v1/admin/shows', { params: { header: { 'Idempotency-Key': key } }, body: body as Schemas['NewShow'] }));
    },
    async onSuccess(show) {
      await queries.invalidateQueries({ queryKey: ['admin-concerts'] });
      navigate(`/operator/shows/${show.id}`);
    },
  });
  // What the server found wrong with the plan names its line.
  const refused = add.error instanceof Problem && add.error.status === 422 ? add.error : null;
  return (
    <>
      <title>{`${w.newShow} – Boxoffice`}</title>
      <h1>{w.newShow}</h1>
      <form className="panel" onSubmit={(event) => { event.preventDefault(); add.mutate(); }}>
        <label>
          {w.concert}
          <select value={concert} onChange={(event) => setConcert(event.target.value)}>
            <option value="">{w.newConcert}</option>
            {concerts.data?.map((one) => <option key={one.id} value={one.id}>{nameIn(language, one.title)[0]}</option>)}
          </select>
        </label>
        {concert === '' && (
          <div className="row">
            {([['title', w.concertTitle], ['artist', w.artist], ['venue', w.venue]] as const).map(([key, label]) => (
              <label key={key}>{label}<input required={key === 'title'} maxLength={200} value={named[key]} onChange={(event) => setNamed({ ...named, [key]: event.target.value })} /></label>
            ))}
          </div>
        )}
        <label>{w.startsAt}<input type="datetime-local" required value={startsAt} onChange={(event) => setStartsAt(event.target.value)} /></label>
        <label>{w.plan}<input type="file" required accept=".csv,.json,text/csv,application/json" onChange={(event) => void read(event.target.files?.[0])} /></label>
        {given && (
          <fieldset className="legend">
            <legend>{w.prices}</legend>
            {Object.entries(prices).map(([name, price]) => (
              <label key={name}>{name}<input type="number" min={0} required value={price} onChange={(event) => setPrices({ ...prices, [name]: Number(event.target.value) })} /></label>
            ))}
          </fieldset>
        )}
        <p><button type="submit" className="primary" disabled={add.isPending}>{w.import}</button></p>
        {refused ? <ProblemNote text={`${w.refused} ${refused.body.detail ?? refused.message}`} /> : <ProblemNote thrown={add.error} />}
      </form>
    </>
  );
}
