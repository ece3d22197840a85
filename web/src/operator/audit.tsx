import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Link } from 'wouter';
import { api, fetchVerdict, ok, Problem, serverNow, type Schemas } from '../api/client';
import { ProblemNote } from '../parts';
import { useText } from '../text';
import { useWords } from './words';

type Report = Schemas['AuditReport'];
type Violation = Report['violations'][number];

const kShown = 20; // ids of one invariant; the rest is counted
const kUnanswered = [0, 502, 504]; // nobody's answer, or that of a proxy which waits no longer

// "reservation:0189…", "show:7", "user:mina": where an operator looks next.
function Id({ id }: { id: string }) {
  const [kind, value = ''] = id.split(/:(.*)/s);
  const show = value.split('/')[0];
  const href = kind === 'reservation' ? `/operator/sagas/${value}` : kind === 'user' ? `/operator/sagas?q=${encodeURIComponent(id)}` : kind === 'show' || kind === 'seat' ? `/operator/shows/${show}` : '';
  return href ? <Link href={href}>{id}</Link> : <span>{id}</span>;
}

// `judged`: nothing that it rests on may have been left unread.
function Invariant({ number: invariant, name, found, judged }: { number: number; name: string; found: Violation[]; judged: boolean }) {
  const w = useWords();
  const { number } = useText();
  return (
    <tr>
      <td>{invariant}</td>
      <th scope="row">{w.invariant[name] ?? name}<br /><small>{name}</small></th>
      <td>{found.length > 0 ? <span className="state FAILED">{number(found.length)}</span> : judged ? <span className="state OPEN">{w.holds}</span> : '–'}</td>
      <td>
        {found.slice(0, kShown).map((one, i) => (
          <p key={i}>{one.ids.map((id) => <span key={id}><Id id={id} /> </span>)}{one.detail}</p>
        ))}
        {found.length > kShown && <p>{w.andMore(found.length - kShown)}</p>}
      </td>
    </tr>
  );
}

function Verdict({ report }: { report: Report }) {
  const w = useWords();
  const { number, time } = useText();
  return (
    <>
      <p className="soft">{w.auditAt(time(report.at), (report.took_ms / 1000).toFixed(2))}</p>
      {report.unread?.map((what) => <p key={what}><span className="state FAILED">{w.unread}</span> {what}</p>)}
      <div className="scroll fits" tabIndex={0} role="region" aria-label={w.invariants}>
        <table>
          <thead><tr><th>#</th><th>{w.invariants}</th><th>{w.violations}</th><th>{w.who}</th></tr></thead>
          <tbody>
            {report.invariants.map((one) => <Invariant key={one.number} {...one} found={report.violations.filter((violation) => violation.invariant === one.number)} judged={!report.unread?.length} />)}
          </tbody>
        </table>
      </div>
      <section className="panel">
        <h2>{w.checked}</h2>
        <dl className="tiles small">
          {Object.entries(report.checked).map(([name, value]) => <div key={name}><dt>{w.counted[name] ?? name}</dt><dd>{number(value)}</dd></div>)}
        </dl>
      </section>
    </>
  );
}

export function AuditPage() {
  const w = useWords();
  const queries = useQueryClient();
  const verdict = useQuery({ queryKey: ['audit'], queryFn: fetchVerdict, refetchInterval: 10_000 });
  // Its variable is when it was asked for.
  const run = useMutation({ mutationFn: (_asked: number) => ok(api.POST('/v1/admin/audit')), onSuccess: (report) => queries.setQueryData(['audit'], report) });
  const report = verdict.data;
  // An audit may take longer than an answer is waited for, here or by a proxy. It goes on, and its verdict, or that of one as new, is
  // read in time; where nothing can be read, nobody knows whether it was ever begun.
  const goesOn = run.error instanceof Problem && kUnanswered.includes(run.error.status);
  const over = verdict.isError || (!!report && Date.parse(report.at) >= (run.variables ?? Infinity));
  const { reset } = run;
  useEffect(() => {
    if (goesOn && over) reset();
  }, [goesOn, over, reset]);
  const running = run.isPending || goesOn;
  return (
    <>
      <title>{`${w.audit} – Boxoffice`}</title>
      <h1>{w.audit}</h1>
      <div className="row">
        <button type="button" className="primary" disabled={running} onClick={() => run.mutate(serverNow())}>{running ? w.running : w.runAudit}</button>
        {report && <span className={`state ${report.ok ? 'OPEN' : 'FAILED'}`} role="status">{report.ok ? w.clean : w.dirty(report.violations.length)}</span>}
      </div>
      {report === null && <p>{w.noVerdict}</p>}
      <ProblemNote thrown={verdict.error ?? (goesOn ? null : run.error)} />
      {report && <Verdict report={report} />}
    </>
  );
}
