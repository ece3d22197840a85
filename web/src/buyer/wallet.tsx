import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, fetchUpcomingConcerts, fetchWallet, kPages, ok } from '../api/client';
import { useCommand } from '../api/command';
import { ProblemNote, useFocusKept } from '../parts';
import { useSession } from '../session';
import { useText } from '../text';

// By which others know that one is under way.
export const kTopUp = ['top-up'];

// A top-up in place, or where buyers don't top up by themselves, how else. `suggested`: so many minor units, as what is missing.
export function TopUp({ currency, suggested, onDone }: { currency: string; suggested: number; onDone?: () => void }) {
  const { t, money, symbol, unit: unitOf } = useText();
  const { session } = useSession();
  const queries = useQueryClient();
  const unit = unitOf(currency);
  const [typed, setTyped] = useState(String(suggested / unit));
  const amount = Math.round(Number(typed) * unit);
  const command = useCommand();
  const charge = useMutation({
    mutationKey: kTopUp,
    mutationFn: () =>
      command(amount, (key) => api.POST('/v1/wallet/charges', { params: { header: { 'Idempotency-Key': key } }, body: { amount, currency } })),
    async onSettled(_, thrown) {
      // Also after a failure, as it may have been done without an answer; which is not waited for.
      const read = Promise.all(['wallet', 'entries'].map((key) => queries.invalidateQueries({ queryKey: [key] })));
      if (thrown) return;
      await read;
      onDone?.();
    },
  });
  useFocusKept(charge.status);
  if (session?.self_service === false) return <p className="soft">{t.errors['self_service_off']}</p>;
  return (
    // A double click tops up once, and so does a key that is held down, also where the answer comes between.
    <form
      className="row topup"
      onSubmit={(event) => { event.preventDefault(); charge.mutate(); }}
      onKeyDown={(event) => { if (event.repeat && event.key === 'Enter') event.preventDefault(); }}
    >
      <label>
        {t.topUpAmount} ({symbol(currency)})
        <input type="number" inputMode={unit === 1 ? 'numeric' : 'decimal'} min={1 / unit} step={1 / unit} required value={typed} onChange={(event) => setTyped(event.target.value)} />
      </label>
      <button type="submit" className="primary" disabled={charge.isPending || amount < 1} onClick={(event) => { if (event.detail > 1) event.preventDefault(); }}>{t.topUpBy(money(amount, currency))}</button>
      {charge.data && <p role="status">{t.toppedUp(money(charge.data.balance, currency))}</p>}
      <ProblemNote thrown={charge.error} />
    </form>
  );
}

export function WalletPage() {
  const { t, money, time, unit } = useText();
  const wallet = useQuery({ queryKey: ['wallet'], queryFn: fetchWallet });
  const concerts = useQuery({ queryKey: ['concerts', 'upcoming'], queryFn: fetchUpcomingConcerts });
  const entries = useInfiniteQuery({
    queryKey: ['entries'],
    ...kPages,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/wallet/entries', { params: { query: { limit: 20, ...(pageParam ? { cursor: pageParam } : {}) } } })),
  });
  const rows = entries.data?.pages.flatMap((page) => page.items) ?? [];
  const balances = wallet.data?.balances ?? [];
  const { session } = useSession();
  const [chosen, setChosen] = useState('');
  const currency = chosen || (balances[0]?.currency ?? 'KRW');
  // What there is already, and what shows cost.
  const currencies = [...new Set([currency, ...balances.map((one) => one.currency), ...(concerts.data ?? []).flatMap((concert) => concert.shows.map((show) => show.currency))])].sort();
  return (
    <section className="narrow">
      <title>{`${t.wallet} – Boxoffice`}</title>
      <h1>{t.walletTitle}</h1>
      <ProblemNote thrown={wallet.error ?? entries.error} retry={() => { void wallet.refetch(); void entries.refetch(); }} />
      {session?.user !== null && <div className="panel">
        <p className="soft">{t.balance}</p>
        {wallet.data?.balances.length === 0 && <p>{t.walletEmpty}</p>}
        {balances.map((balance) => <p className="big" key={balance.currency}>{money(balance.amount, balance.currency)}</p>)}
        {currencies.length > 1 && session?.self_service !== false && (
          <label>
            {t.currency}
            <select value={currency} onChange={(event) => setChosen(event.target.value)}>
              {currencies.map((one) => <option key={one}>{one}</option>)}
            </select>
          </label>
        )}
        <TopUp key={currency} currency={currency} suggested={currency === 'KRW' ? 100_000 : 100 * unit(currency)} />
      </div>}
      <h2>{t.entries}</h2>
      {entries.data && rows.length === 0 && <p>{t.entriesEmpty}</p>}
      <ul className="entries">
        {rows.map((entry) => (
          <li key={entry.id}>
            <span>
              {t.entryKind[entry.kind]}
              <small>{time(entry.created_at)}</small>
            </span>
            <span className="amount">
              <b>{entry.amount > 0 ? '+' : ''}{money(entry.amount, entry.currency)}</b>
              <small>{t.balanceAfter} {money(entry.balance_after, entry.currency)}</small>
            </span>
          </li>
        ))}
      </ul>
      {entries.hasNextPage && <button type="button" onClick={() => void entries.fetchNextPage()}>{t.more}</button>}
    </section>
  );
}
