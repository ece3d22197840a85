import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import Papa from 'papaparse';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { api, fetchAdminConcerts, Problem, type Schemas } from '../api/client';
import { useCommand } from '../api/command';
import { nameIn, ProblemNote } from '../parts';
import { useText } from '../text';
import { timeOf } from './times';
import { useWords } from './words';

const kMaxCategories = 1_000; // that the server takes prices of

// The categories that a plan names, to ask for their prices; whether the plan is right is the server's to say.
function categoriesOf(text: string): string[] {
  let names: string[];
  try {
    const plan = JSON.parse(text) as { categories?: { name?: unknown }[] };
    names = (plan.categories ?? []).map((one) => String(one.name));
  } catch {
    const [head = [], ...seats] = Papa.parse<string[]>(text, { delimiter: ',', skipEmptyLines: 'greedy' }).data;
    const at = head.findIndex((name) => name.trim() === 'category');
    names = seats.map((seat) => seat[at]?.trim() ?? '').filter(Boolean);
  }
  return [...new Set(names)].slice(0, kMaxCategories);
}

const kUtf8 = new TextDecoder('utf-8', { fatal: true });

// The first line that is not UTF-8 (UTF-16 is full of zeros); 0: all are.
function brokenLine(bytes: Uint8Array): number {
  for (let line = 1, from = 0; from < bytes.length; ++line) {
    const end = bytes.indexOf(10, from) + 1 || bytes.length;
    const one = bytes.subarray(from, end);
    if (one.includes(0)) return line;
    try {
      kUtf8.decode(one);
    } catch {
      return line;
    }
    from = end;
  }
  return 0;
}

function usePlan() {
  const [text, setText] = useState('');
  const [broken, setBroken] = useState(0);
  const [prices, setPrices] = useState<Record<string, number>>({});
  async function read(file: File | undefined) {
    const bytes = new Uint8Array((await file?.arrayBuffer()) ?? new ArrayBuffer(0));
    const line = brokenLine(bytes);
    const read = line > 0 ? '' : kUtf8.decode(bytes);
    setBroken(line);
    setText(read);
    setPrices(Object.fromEntries(categoriesOf(read).map((name) => [name, 50_000])));
  }
  const isJson = text.trimStart().startsWith('{');
  return { plan: isJson ? { seating_plan: text } : { seating_csv: text }, given: text !== '', broken, prices, setPrices, read };
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
  const { plan, given, broken, prices, setPrices, read } = usePlan();
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
        {broken > 0 && <ProblemNote text={w.notUtf8(broken)} />}
        {given && (
          <fieldset className="legend">
            <legend>{w.prices}</legend>
            {Object.entries(prices).map(([name, price]) => (
              <label key={name}>{name}<input type="number" min={0} required value={price} onChange={(event) => setPrices({ ...prices, [name]: Number(event.target.value) })} /></label>
            ))}
          </fieldset>
        )}
        <p><button type="submit" className="primary" disabled={add.isPending || broken > 0}>{w.import}</button></p>
        {refused ? <ProblemNote text={`${w.refused} ${refused.body.detail ?? refused.message}`} /> : <ProblemNote thrown={add.error} />}
      </form>
    </>
  );
}
