import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { api, kPages, ok, type Schemas } from '../api/client';
import { ProblemNote, useFocusKept } from '../parts';
import { useText } from '../text';
import { Confirmed } from './confirmed';
import { useWords } from './words';

type Payment = Schemas['Payment'];

// What the provider refuses to give back of it, in parts and as a whole, and nobody has settled otherwise.
function refusedOf(payment: Payment) {
  const refused = payment.refunds.filter((part) => part.refusal && !part.done).map((part) => ({ code: part.refusal, amount: part.amount }));
  if (payment.refusal && payment.resolution === '') refused.push({ code: payment.refusal, amount: payment.amount - payment.refunded - payment.refunding });
  return refused;
}

function Refused({ payment }: { payment: Payment }) {
  const { money } = useText();
  return <>{refusedOf(payment).map(({ code, amount }, i) => <span key={i}>{money(amount, payment.currency)} <span className="state FAILED">{code}</span> </span>)}</>;
}

// Of all reservations. Where there is none, nothing is said: most systems never have one.
export function RefusedPayments() {
  const w = useWords();
  const { t, time } = useText();
  const refused = useInfiniteQuery({
    queryKey: ['payments', 'refused'],
    ...kPages,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/admin/payments', { params: { query: { status: 'refused', limit: 200, ...(pageParam && { cursor: pageParam }) } } })),
    refetchInterval: 5_000,
  });
  const rows = refused.data?.pages.flatMap((page) => page.items) ?? [];
  if (rows.length === 0) return <ProblemNote thrown={refused.error} />;
  return (
    <section>
      <h2>{w.refusedPayments}</h2>
      <p className="soft">{w.refusedPaymentsHow}</p>
      <ProblemNote thrown={refused.error} />
      <div className="scroll" tabIndex={0} role="region" aria-label={w.refusedPayments}>
        <table>
          <thead><tr><th>{w.reservation}</th><th>{w.user}</th><th>{w.notGivenBack}</th><th>{w.at}</th></tr></thead>
          <tbody>
            {rows.map((one) => (
              <tr key={one.id}>
                <td><Link href={`/operator/sagas/${one.reservation_id}`}><code>{one.reservation_id}</code></Link></td>
                <td>{one.user_id}</td><td><Refused payment={one} /></td><td>{time(one.updated_at)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {refused.hasNextPage && <button type="button" onClick={() => void refused.fetchNextPage()}>{t.more}</button>}
    </section>
  );
}

function SettleOutside({ payment }: { payment: Payment }) {
  const w = useWords();
  const { money } = useText();
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const path = { reservation: payment.reservation_id, attempt: payment.attempt };
  const settle = useMutation({
    mutationFn: (reason: string) => ok(api.POST('/v1/admin/reservations/{reservation}/payments/{attempt}/settle-outside', { params: { path }, body: { reason } })),
    onSettled: () => void queries.invalidateQueries({ queryKey: ['payments'] }),
  });
  const amount = refusedOf(payment).reduce((sum, one) => sum + one.amount, 0);
  return (
    <>
      <button type="button" className="danger" onClick={() => { settle.reset(); setOpen(true); }}>{w.settleOutside}</button>
      {!open && <ProblemNote thrown={settle.error} />}
      <Confirmed title={w.settleOutsideTitle} yes={w.settleOutsideYes} danger open={open} pending={settle.isPending} onClose={() => setOpen(false)} onYes={(reason) => settle.mutate(reason, { onSuccess: () => setOpen(false) })}>
        <p role="status">{w.settleOutsideHow(money(amount, payment.currency))}</p>
        <ProblemNote thrown={settle.error} />
      </Confirmed>
    </>
  );
}

// Of one reservation, with what became of each.
export function Payments({ reservation }: { reservation: string }) {
  const w = useWords();
  const { money, time } = useText();
  const { data } = useQuery({ queryKey: ['payments', reservation], queryFn: () => ok(api.GET('/v1/admin/reservations/{reservation}/payments', { params: { path: { reservation } } })), refetchInterval: 5_000 });
  useFocusKept(data?.items.map((one) => refusedOf(one).length).join());
  if (!data || data.items.length === 0) return null;
  return (
    <section className="panel" aria-label={w.payments}>
      <h2>{w.payments}</h2>
      <ul className="plain">
        {data.items.map((one) => (
          <li key={one.id}>
            <span className="state">{one.state}</span> {money(one.amount, one.currency)} · {time(one.updated_at)} {[one.resolution, one.provider_code, one.provider_reference].filter(Boolean).join(' · ')}
            {[one, ...one.refunds].filter((part) => part.settled_by).map((part, i) => <span key={i}>{w.settledBy(part.settled_by, part.settled_reason)}</span>)}
            {refusedOf(one).length > 0 && <><span>{w.notGivenBack}:</span><Refused payment={one} /><SettleOutside payment={one} /></>}
          </li>
        ))}
      </ul>
    </section>
  );
}
