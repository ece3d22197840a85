import { Dialog, DialogDismiss, DialogHeading } from '@ariakit/react';
import { useState, type ReactNode } from 'react';
import { useWords } from './words';

interface Confirmation { yes: string; danger?: boolean; pending: boolean; onYes: (reason: string) => void; children: ReactNode }

function ReasonForm({ yes, danger, pending, onYes, children }: Confirmation) {
  const w = useWords();
  const [reason, setReason] = useState('');
  const blocked = pending || reason.trim() === '';
  return (
    <form onSubmit={(event) => { event.preventDefault(); if (!blocked) onYes(reason.trim()); }}>
      {children}
      <label>{w.reason}<input required maxLength={160} value={reason} onChange={(event) => setReason(event.target.value)} /></label>
      <div className="row">
        <button type="submit" className={danger ? 'danger' : 'primary'} disabled={blocked}>{yes}</button>
        <DialogDismiss>{w.leave}</DialogDismiss>
      </div>
    </form>
  );
}

// What is to be done is said once more, and why is asked for, each time anew.
export function Confirmed({ title, open, onClose, ...asked }: { title: string; open: boolean; onClose: () => void } & Confirmation) {
  return (
    <Dialog open={open} onClose={onClose} backdrop={<div className="backdrop" />} className="dialog" unmountOnHide>
      <DialogHeading>{title}</DialogHeading>
      <ReasonForm {...asked} />
    </Dialog>
  );
}
