import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { api, kPages, ok, Problem, type Schemas } from '../api/client';
import { useCommand } from '../api/command';
import { ProblemNote } from '../parts';
import { useText } from '../text';
import { Pressed } from './pressed';
import { timeOf } from './times';
import { useWords } from './words';

type Wallet = Schemas['AdminWallet'];

// The router leaves an @ as it is escaped, and users may have one.
export const walletHref = (user: string) => `/operator/wallets/${encodeURIComponent(user).replaceAll('%40', '@')}`;

const pathOf = (user: string) => ({ path: { user } });

// What moves a balance changes all that is shown of the wallet.
function useReread(user: string) {
  const queries = useQueryClient();
  return () => Promise.all(['admin-wallet', 'admin-entries', 'statement'].map((key) => queries.invalidateQueries({ queryKey: [key, user] })));
}

function Freeze({ wallet }: { wallet: Wallet }) {
  const w = useWords();
  const [reason, setReason] = useState('');
  const reread = useReread(wallet.user_id);
  const isFrozen = wallet.state === 'FROZEN';
  const change = useMutation({
    mutationFn: (to: 'freeze' | 'unfreeze') => ok(api.POST(`/v1/admin/wallets/{user}/${to}`, { params: pathOf(wallet.user_id), body: { reason: reason.trim() } })),
    onSuccess: () => setReason(''),
    onSettled: reread,
  });
  const blocked = reason.trim() === '' || change.isPending;
  return (
    <form className="panel row" aria-label={isFrozen ? w.unfreeze : w.freeze} onSubmit={(event) => { event.preventDefault(); if (!blocked) change.mutate(isFrozen ? 'unfreeze' : 'freeze'); }}>
      <label>{w.reason}<input required maxLength={160} value={reason} onChange={(event) => setReason(event.target.value)} /></label>
      <button type="submit" className={isFrozen ? 'primary' : 'danger'} disabled={blocked}>{isFrozen ? w.unfreeze : w.freeze}</button>
      <p className="soft">{w.freezeHow}</p>
      {change.isSuccess && <p role="status">{w.done}</p>}
      <ProblemNote thrown={change.error} />
    </form>
  );
}

function Adjust({ wallet }: { wallet: Wallet }) {
  const w = useWords();
  const { t, money, unit: unitOf } = useText();
  const [typed, setTyped] = useState('');
  const [currency, setCurrency] = useState(wallet.balances[0]?.currency ?? 'KRW');
  const [reason, setReason] = useState('');
  const unit = /^[A-Z]{3}$/.test(currency) ? unitOf(currency) : NaN; // NaN: not a currency
  const amount = Math.round(Number(typed) * unit);
  const reread = useReread(wallet.user_id);
  const command = useCommand();
  const adjust = useMutation({
    mutationFn: () => {
      const body = { amount, currency, reason: reason.trim() };
      return command(body, (key) => api.POST('/v1/admin/wallets/{user}/adjustments', { params: { ...pathOf(wallet.user_id), header: { 'Idempotency-Key': key } }, body }));
    },
    onSuccess: () => setTyped(''),
    onSettled: () => void reread(),
  });
  const blocked = !amount || reason.trim() === '' || adjust.isPending;
  const short = adjust.error instanceof Problem && adjust.error.code === 'balance_too_low' ? w.adjustShort : undefined;
  return (
    <section className="panel" aria-label={w.adjust}>
      <h2>{w.adjust}</h2>
      <div className="row">
        <label>{w.adjustAmount}<input type="number" step={1 / (unit || 1)} value={typed} onChange={(event) => setTyped(event.target.value)} /></label>
        <label>{w.currency}<input size={4} maxLength={3} value={currency} onChange={(event) => setCurrency(event.target.value.toUpperCase())} /></label>
        <label>{w.reason}<input maxLength={160} value={reason} onChange={(event) => setReason(event.target.value)} /></label>
        <Pressed label={w.adjustGo} sureLabel={amount ? w.adjustSure(money(amount, currency)) : w.adjustGo} className="primary" disabled={blocked} onPress={() => adjust.mutate()} />
      </div>
      {adjust.data && <p role="status">{t.toppedUp(money(adjust.data.balance, adjust.data.currency))}</p>}
      <ProblemNote thrown={adjust.error} text={short} />
    </section>
  );
}

interface Period { currency: string; from: string; until: string }

function Sums({ user, asked }: { user: string; asked: Period }) {
  const w = useWords();
  const { t, money, number } = useText();
  const { data, error } = useQuery({
    queryKey: ['statement', user, asked],
    queryFn: () => {
      const query = { currency: asked.currency, ...(asked.from && { from: timeOf(asked.from) }), ...(asked.until && { until: timeOf(asked.until) }) };
      return ok(api.GET('/v1/admin/wallets/{user}/statement', { params: { ...pathOf(user), query } }));
    },
  });
  if (!data) return <ProblemNote thrown={error} />;
  return (
    <table>
      <tbody>
        <tr><th scope="row">{w.openingBalance}</th><td></td><td>{money(data.opening_balance, data.currency)}</td></tr>
        {data.sums.map((sum) => <tr key={sum.kind}><th scope="row">{t.entryKind[sum.kind]}</th><td>{w.movements(number(sum.entries))}</td><td>{money(sum.amount, data.currency)}</td></tr>)}
      </tbody>
      <tfoot><tr><th scope="row">{w.closingBalance}</th><td></td><td>{money(data.closing_balance, data.currency)}</td></tr></tfoot>
    </table>
  );
}

// How the balance went through a period; one that is left open begins with the wallet, or ends now.
function Statement({ wallet }: { wallet: Wallet }) {
  const w = useWords();
  const [asked, setAsked] = useState<Period>({ currency: wallet.balances[0]!.currency, from: '', until: '' });
  const set = (change: Partial<Period>) => setAsked({ ...asked, ...change });
  return (
    <section className="panel" aria-label={w.statement}>
      <h2>{w.statement}</h2>
      <div className="row">
        <label>{w.currency}<select value={asked.currency} onChange={(event) => set({ currency: event.target.value })}>{wallet.balances.map((one) => <option key={one.currency}>{one.currency}</option>)}</select></label>
        <label>{w.fromTime}<input type="datetime-local" value={asked.from} onChange={(event) => set({ from: event.target.value })} /></label>
        <label>{w.untilTime}<input type="datetime-local" value={asked.until} onChange={(event) => set({ until: event.target.value })} /></label>
      </div>
      <Sums user={wallet.user_id} asked={asked} />
    </section>
  );
}

function Entries({ user }: { user: string }) {
  const w = useWords();
  const { t, money, time } = useText();
  const entries = useInfiniteQuery({
    queryKey: ['admin-entries', user],
    ...kPages,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/admin/wallets/{user}/entries', { params: { ...pathOf(user), query: { limit: 50, ...(pageParam && { cursor: pageParam }) } } })),
  });
  const rows = entries.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <section>
      <h2>{t.entries}</h2>
      <ProblemNote thrown={entries.error} />
      {entries.data && rows.length === 0 && <p>{t.entriesEmpty}</p>}
      {rows.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label={t.entries}>
          <table>
            <thead><tr><th>{w.at}</th><th>{w.what}</th><th>{w.amount}</th><th>{t.balanceAfter}</th><th>{w.reservation}</th><th>{w.operator}</th><th>{w.reasonGiven}</th></tr></thead>
            <tbody>
              {rows.map((entry) => (
                <tr key={entry.id}>
                  <td>{time(entry.created_at)}</td><td>{t.entryKind[entry.kind]}</td><td>{money(entry.amount, entry.currency)}</td><td>{money(entry.balance_after, entry.currency)}</td>
                  <td>{entry.reservation_id && <Link href={`/operator/sagas/${entry.reservation_id}`}><code>{entry.reservation_id}</code></Link>}</td>
                  <td>{entry.operator_id}</td><td>{entry.reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {entries.hasNextPage && <button type="button" onClick={() => void entries.fetchNextPage()}>{t.more}</button>}
    </section>
  );
}

function WalletOf({ user }: { user: string }) {
  const w = useWords();
  const { t, money, time } = useText();
  const { data: wallet, error } = useQuery({ queryKey: ['admin-wallet', user], queryFn: () => ok(api.GET('/v1/admin/wallets/{user}', { params: pathOf(user) })), refetchInterval: 10_000 });
  if (!wallet) return error ? <ProblemNote thrown={error} /> : <p className="loading">{t.loading}</p>;
  return (
    <>
      <h2><span className={`state ${wallet.state}`} role="status">{w.walletState[wallet.state]}</span> {user}</h2>
      {/* It could not be read again: what is typed stays. */}
      <ProblemNote thrown={error} />
      {wallet.state_changed_at && <p>{w.stateChanged(wallet.state_operator_id, time(wallet.state_changed_at), wallet.state_reason)}</p>}
      <section className="panel" aria-label={t.balance}>
        <p className="soft">{t.balance}</p>
        {wallet.balances.length === 0 && <p>{w.walletNone}</p>}
        {wallet.balances.map((one) => <p className="big" key={one.currency}>{money(one.amount, one.currency)}</p>)}
        <Link className="button" href={`/operator/sagas?q=${encodeURIComponent(`user:${user}`)}`}>{w.usersReservations}</Link>
      </section>
      <Adjust wallet={wallet} />
      {wallet.state !== 'CLOSED' && <Freeze wallet={wallet} />}
      {wallet.balances.length > 0 && <Statement wallet={wallet} />}
      <Entries user={user} />
    </>
  );
}

// Whose wallet it is stands in the address, so that it can be passed on.
export function WalletsPage({ user = '' }: { user?: string }) {
  const w = useWords();
  const [, navigate] = useLocation();
  const [text, setText] = useState(user);
  const wanted = text.trim();
  return (
    <>
      <title>{`${user || w.wallets} – Boxoffice`}</title>
      <h1>{w.wallets}</h1>
      <form className="row" role="search" onSubmit={(event) => { event.preventDefault(); if (wanted) navigate(walletHref(wanted)); }}>
        <label>{w.user}<input type="search" required maxLength={64} value={text} onChange={(event) => setText(event.target.value)} /></label>
        <button type="submit" className="primary">{w.searchGo}</button>
      </form>
      {user ? <WalletOf user={user} /> : <p className="soft">{w.walletsHow}</p>}
    </>
  );
}
