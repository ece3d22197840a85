import { useEffect, useRef } from 'react';
import { Link, Route, Switch, useLocation } from 'wouter';
import { ProblemNote } from '../parts';
import { Problem } from '../api/client';
import { useSession } from '../session';
import { useText } from '../text';
import { AuditPage } from './audit';
import './console.css';
import { Dashboard } from './dashboard';
import { ImportPage } from './import';
import { LettersPage } from './letters';
import { QueuesPage } from './queues';
import { RelayPage } from './relay';
import { SagaPage, SagasPage } from './sagas';
import { ShowPage } from './show';
import { ShowsPage } from './shows';
import { WalletsPage } from './wallets';
import { useWords } from './words';

export default function Console() {
  const w = useWords();
  const { t } = useText();
  const { session } = useSession();
  const [path] = useLocation();
  const nav = useRef<HTMLElement>(null);
  // On a phone they are wider than the screen: the one that is looked at is in sight.
  useEffect(() => {
    nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [path, session]);
  if (session && session.role !== 'operator') return <ProblemNote thrown={new Problem(session.user ? 403 : 401, session.user ? 'operator_required' : 'jwt_missing')} />;
  const pages: [string, string][] = [['/operator', w.dashboard], ['/operator/queues', w.queues], ['/operator/sagas', w.sagas], ['/operator/wallets', w.wallets], ['/operator/shows', w.shows], ['/operator/events', w.events], ['/operator/relay', w.relay], ['/operator/audit', w.audit]];
  return (
    <div className="console">
      <nav className="segments" aria-label={w.title} ref={nav}>
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
        <Route path="/operator/wallets">{() => <WalletsPage />}</Route>
        <Route path="/operator/wallets/:user">{({ user }) => <WalletsPage user={user} key={user} />}</Route>
        <Route path="/operator/shows" component={ShowsPage} />
        <Route path="/operator/shows/new" component={ImportPage} />
        <Route path="/operator/shows/:id">{({ id }) => <ShowPage id={id} key={id} />}</Route>
        <Route path="/operator/events" component={LettersPage} />
        <Route path="/operator/relay" component={RelayPage} />
        <Route path="/operator/audit" component={AuditPage} />
        <Route><ProblemNote text={t.notFound} /></Route>
      </Switch>
    </div>
  );
}
