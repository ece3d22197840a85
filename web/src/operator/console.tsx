import { Link, Route, Switch, useLocation } from 'wouter';
import { ProblemNote } from '../parts';
import { Problem } from '../api/client';
import { useSession } from '../session';
import { AuditPage } from './audit';
import './console.css';
import { Dashboard } from './dashboard';
import { QueuesPage } from './queues';
import { SagaPage, SagasPage } from './sagas';
import { ShowsPage } from './shows';
import { useWords } from './words';

export default function Console() {
  const w = useWords();
  const { session } = useSession();
  const [path] = useLocation();
  if (session && session.role !== 'operator') return <ProblemNote thrown={new Problem(session.user ? 403 : 401, session.user ? 'operator_required' : 'jwt_missing')} />;
  const pages: [string, string][] = [['/operator', w.dashboard], ['/operator/queues', w.queues], ['/operator/sagas', w.sagas], ['/operator/shows', w.shows], ['/operator/audit', w.audit]];
  return (
    <div className="console">
      <nav className="segments" aria-label={w.title}>
        {pages.map(([href, label]) => (
          <Link key={href} href={href} className="button" aria-current={(href === '/operator' ? path === href : path.startsWith(href)) ? 'page' : undefined}>
            {label}
          </Link>
        ))}
      </nav>
      <Switch>
        <Route path="/operator" component={Dashboard} />
        <Route path="/operator/queues" component={QueuesPage} />
        <Route path="/operator/sagas" component={SagasPage} />
        <Route path="/operator/sagas/:id">{({ id }) => <SagaPage id={id} key={id} />}</Route>
        <Route path="/operator/shows" component={ShowsPage} />
        <Route path="/operator/audit" component={AuditPage} />
      </Switch>
    </div>
  );
}
