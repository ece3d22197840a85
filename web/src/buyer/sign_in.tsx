import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ok } from '../api/client';
import { ProblemNote } from '../parts';
import { useSession } from '../session';
import { useText } from '../text';

const kSomebody = ['alice', 'bob', 'mina', 'jun'];

// Only a path of ours: a link can't send anybody elsewhere after signing in.
function nextPath(): string {
  const next = new URLSearchParams(location.search).get('next') ?? '/';
  return /^\/(?![/\\])/.test(next) ? next : '/';
}

export function SignInPage() {
  const { t } = useText();
  const queries = useQueryClient();
  const { session } = useSession();
  const [name, setName] = useState('');
  const [role, setRole] = useState<'buyer' | 'operator'>('buyer');
  const signIn = useMutation({
    mutationFn: (who: { user: string; role: 'buyer' | 'operator' }) => ok(api.POST('/v1/session/development', { body: who })),
    onSuccess() {
      queries.clear();
      // The waiting room is another page, so this one is left.
      location.assign(nextPath());
    },
  });
  return (
    <section className="narrow">
      <title>{`${t.signIn} – Boxoffice`}</title>
      <h1>{t.signInTitle}</h1>
      {nextPath() !== '/' && <p>{t.signInNeeded}</p>}
      {session?.sign_in === 'none' && <ProblemNote text={t.signInNone} />}
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
              <input required pattern="[A-Za-z0-9._@\-]{1,64}" value={name} onChange={(event) => setName(event.target.value)} autoComplete="username" autoCapitalize="none" />
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
