import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, ok, Problem } from '../api/client';
import { ProblemNote } from '../parts';
import { useText } from '../text';
import { useWords } from './words';

export function AuditPage() {
  const w = useWords();
  const { number, time } = useText();
  const queries = useQueryClient();
  const verdict = useQuery({ queryKey: ['audit'], queryFn: () => ok(api.GET('/v1/admin/audit')), retry: false });
  const letters = useQuery({ queryKey: ['dead-letters'], queryFn: () => ok(api.GET('/v1/admin/dead-letters', { params: { query: { limit: 200 } } })), refetchInterval: 5_000 });
  const run = useMutation({ mutationFn: () => ok(api.POST('/v1/admin/audit')), onSuccess: (report) => queries.setQueryData(['audit'], report) });
  const replay = useMutation({
    mutationFn: (id: string) => ok(api.POST('/v1/admin/dead-letters/{dead_letter}/replay', { params: { path: { dead_letter: id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: ['dead-letters'] }),
  });
  const report = verdict.data;
  const notRun = verdict.error instanceof Problem && verdict.error.code === 'audit_not_run';
  return (
    <>
      <title>{`${w.audit} – Boxoffice`}</title>
      <h1>{w.audit}</h1>
      <div className="row">
        <button type="button" className="primary" disabled={run.isPending} onClick={() => run.mutate()}>{run.isPending ? w.running : w.runAudit}</button>
        {report && <span className={`state ${report.ok ? 'OPEN' : 'FAILED'}`} role="status">{report.ok ? w.clean : w.dirty(report.violations.length)}</span>}
      </div>
      {notRun && !report && <p>{w.noVerdict}</p>}
      <ProblemNote thrown={notRun ? null : (verdict.error ?? run.error ?? replay.error ?? letters.error)} />
      {report && (
        <section className="panel">
          <h2>{w.checked}</h2>
          <dl className="facts">
            {Object.entries(report.checked as Record<string, unknown>).map(([name, value]) => (
              <div key={name} className="hidden-row"><dt>{name}</dt><dd>{typeof value === 'number' ? number(value) : JSON.stringify(value)}</dd></div>
            ))}
          </dl>
          <h2>{w.violations}</h2>
          {report.violations.length === 0 ? <p>{w.none}</p> : report.violations.map((one, i) => <p key={i}><code>{JSON.stringify(one)}</code></p>)}
        </section>
      )}
      <section className="panel">
        <h2>{w.deadLetters}</h2>
        {letters.data?.items.length === 0 && <p>{w.none}</p>}
        {letters.data?.items.map((letter) => (
          <p key={letter.id} className="row">
            <span>{letter.group} · {letter.event_type} · {letter.error.code} {letter.error.detail} · {time(letter.parked_at)}</span>
            <button type="button" onClick={() => replay.mutate(letter.id)}>{w.replay}</button>
          </p>
        ))}
      </section>
    </>
  );
}
