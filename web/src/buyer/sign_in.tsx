import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ok } from '../api/client';
import { ProblemNote } from '../parts';
import { useSession } from '../session';
import { useText } from '../text';

const kSomebody = ['alice', 'bob', 'mina', 'jun'];

// Only a page of ours: a link can't send anybody elsewhere after signing in. It is read as the browser will read it, which leaves out
// tabs and takes a backslash for a slash.
function nextPath(): string {
  const next = new URLSearchParams(location.search).get('next') ?? '/';
  let url: URL;
  try {
    url = new URL(next, location.origin); // not every browser has URL.canParse
  } catch {
    return '/';
  }
  // "/.//elsewhere" is a path of ours here, and another site where the path alone is read.
  return url.origin === location.origin && !url.pathname.startsWith('//') ? url.pathname + url.search + url.hash : '/';
}

export function SignInPage() {
  const { t } = useText();
  const { session } = useSession();
  const [name, setName] = useState('');
  const [role, setRole] = useState<'buyer' | 'operator'>('buyer');
  const signIn = useMutation({
    mutationFn: (who: { user: string; role: 'buyer' | 'operator' }) => ok(api.POST('/v1/session/development', { body: who })),
    // The waiting room is another page, so this one is left, and what it has read with it.
    onSuccess: () => location.assign(nextPath()),
  });
  const problem = new URLSearchParams(location.search).get('problem');
  const provider = session?.sign_in === 'oidc';
  return (
    <section className="narrow">
      <title>{`${t.signIn} – Boxoffice`}</title>
      <h1>{provider ? t.signIn : t.signInTitle}</h1>
      {problem && <ProblemNote text={t.errors[Object.hasOwn(t.errors, problem) ? problem : 'default']} />}
      {nextPath() !== '/' && <p>{t.signInNeeded}</p>}
      {session?.sign_in === 'none' && <ProblemNote text={t.signInNone} />}
      {/* Another page altogether: the gateway leads to the provider, and back to the page that was wanted. */}
      {provider && <p><a className="button primary" href={`/v1/session/oidc?next=${encodeURIComponent(nextPath())}`}>{t.signInProvider}</a></p>}
      {session?.sign_in === 'development' && (
        <>
          <p className="soft">{t.signInHow}</p>
          <div className="grid">
            {kSomebody.map((user) => (
              <button type="button" key={user} onClick={() => signIn.mutate({ user, role: 'buyer' })}>
                {user} <small>{t.signInBuyer}</small>
              </button>
            ))}
            <button type="button" onClick={() => signIn.mutate({ user: 'olga', role: 'operator' })}>
              olga <small>{t.signInOperator}</small>
            </button>
          </div>
          <form className="panel" onSubmit={(event) => { event.preventDefault(); signIn.mutate({ user: name, role }); }}>
            <label>
              {t.signInName}
              <input required pattern="(?!\.{1,2}$)[A-Za-z0-9._@\-]{1,64}" value={name} onChange={(event) => setName(event.target.value)} autoComplete="username" autoCapitalize="none" />
            </label>
            <label>
              {t.signInRole}
              <select value={role} onChange={(event) => setRole(event.target.value as typeof role)}>
                <option value="buyer">{t.signInBuyer}</option>
                <option value="operator">{t.signInOperator}</option>
              </select>
            </label>
            <button type="submit" className="primary" disabled={signIn.isPending}>{t.signIn}</button>
          </form>
          <ProblemNote thrown={signIn.error} />
        </>
      )}
    </section>
  );
}
