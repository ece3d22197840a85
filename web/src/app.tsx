import { useMutation, useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { Link, Route, Switch, useLocation } from 'wouter';
import type { Schemas } from './api/client';
import { ConcertPage } from './buyer/concert';
import { ConcertsPage, PastConcertsPage } from './buyer/concerts';
import { ReservationsPage } from './buyer/reservations';
import { SignInPage } from './buyer/sign_in';
import { WalletPage } from './buyer/wallet';
import { Boundary, ProblemNote } from './parts';
import { useSession } from './session';
import { firstLanguage, TextContext, textOf, useText, type Language } from './text';

// The map, a ticket's QR code and the console are fetched when somebody goes there.
const SeatsPage = lazy(() => import('./map/seats_page'));
const ReservationPage = lazy(() => import('./buyer/reservation'));
const Console = lazy(() => import('./operator/console'));

function usePreferences() {
  const [language, setLanguage] = useState<Language>(firstLanguage);
  const [theme, setTheme] = useState(() => localStorage.getItem('theme') ?? '');
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme;
  }, [theme]);
  const dark = theme === 'dark' || (theme === '' && matchMedia('(prefers-color-scheme: dark)').matches);
  return {
    language,
    dark,
    otherLanguage() {
      const other = language === 'ko' ? 'en' : 'ko';
      localStorage.setItem('language', other);
      setLanguage(other);
    },
    otherTheme() {
      localStorage.setItem('theme', dark ? 'light' : 'dark');
      setTheme(dark ? 'light' : 'dark');
    },
  };
}

function NavLink({ href, children }: { href: string; children: ReactNode }) {
  const [path] = useLocation();
  const here = href === '/' ? path === '/' || path.startsWith('/concerts') : path.startsWith(href);
  return (
    <Link href={href} aria-current={here ? 'page' : undefined}>
      {children}
    </Link>
  );
}

// A new page begins at its top, and so do the keyboard and a screen reader: what they were at is gone.
function PageChange() {
  const [path] = useLocation();
  const first = useRef(true);
  useEffect(() => {
    window.scrollTo(0, 0);
    if (!first.current) document.getElementById('content')?.focus({ preventScroll: true });
    first.current = false;
  }, [path]);
  return null;
}

// All tabs share one session: what this page has read is not for whoever has signed in, or out, in another one.
// A page that is read tells the others whose it is, and one that is somebody else's asks who is signed in by now.
function useSameUser(session: Schemas['Session'] | undefined) {
  const queries = useQueryClient();
  const who = session && `${session.role} ${session.user}`;
  const read = useRef<string>(undefined);
  useEffect(() => {
    if (session?.user === undefined) return;
    if (read.current !== undefined && read.current !== who) location.reload();
    // Nobody's page has nothing that is not everybody's.
    if (session.user !== null) read.current = who;
    const others = new BroadcastChannel('session');
    others.onmessage = ({ data }) => {
      if (data !== who) void queries.invalidateQueries({ queryKey: ['session'] });
    };
    others.postMessage(who);
    return () => others.close();
  }, [who, queries]);
}

function Pages() {
  const { t } = useText();
  return (
    <Switch>
      <Route path="/" component={ConcertsPage} />
      <Route path="/concerts/past" component={PastConcertsPage} />
      <Route path="/concerts/:id">{({ id }) => <ConcertPage id={id} />}</Route>
      <Route path="/shows/:id/seats">{({ id }) => <SeatsPage show={id} key={id} />}</Route>
      <Route path="/my/reservations" component={ReservationsPage} />
      <Route path="/my/reservations/:id">{({ id }) => <ReservationPage id={id} key={id} />}</Route>
      <Route path="/my/wallet" component={WalletPage} />
      <Route path="/sign-in" component={SignInPage} />
      <Route path="/operator/*?" component={Console} />
      <Route>
        <ProblemNote text={t.notFound} />
      </Route>
    </Switch>
  );
}

export function App() {
  const preferences = usePreferences();
  const { session, signOut } = useSession();
  useSameUser(session);
  const leave = useMutation({ mutationFn: signOut });
  const [path] = useLocation();
  const text = useMemo(() => textOf(preferences.language), [preferences.language]);
  const { t } = text;
  return (
    <TextContext.Provider value={text}>
      <PageChange />
      <a className="skip" href="#content">
        {t.skip}
      </a>
      <header className="top">
        <Link href="/" className="brand">
          Boxoffice
        </Link>
        <nav aria-label="Boxoffice">
          <NavLink href="/">{t.concerts}</NavLink>
          {session?.user && <NavLink href="/my/reservations">{t.tickets}</NavLink>}
          {session?.user && <NavLink href="/my/wallet">{t.wallet}</NavLink>}
          {session?.role === 'operator' && <NavLink href="/operator">{t.operator}</NavLink>}
        </nav>
        <div className="preferences">
          <button type="button" className="quiet" onClick={preferences.otherLanguage} lang={preferences.language === 'ko' ? 'en' : 'ko'}>
            {t.language}
          </button>
          <button type="button" className="quiet icon" onClick={preferences.otherTheme} aria-label={preferences.dark ? t.themeLight : t.themeDark}>
            {preferences.dark ? '☀' : '☾'}
          </button>
          {session?.user ? (
            <button type="button" className="quiet" disabled={leave.isPending} onClick={() => leave.mutate()}>
              {t.signOut} <span className="user">{session.user}</span>
            </button>
          ) : (
            session && (
              <Link className="button small" href={`/sign-in?next=${encodeURIComponent(path)}`}>
                {t.signIn}
              </Link>
            )
          )}
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        {/* Whoever leaves a device to others must know that he is still signed in. */}
        <ProblemNote thrown={leave.error} />
        <Boundary path={path}>
          <Suspense fallback={<p className="loading">{t.loading}</p>}>
            <Pages />
          </Suspense>
        </Boundary>
      </main>
    </TextContext.Provider>
  );
}
