import { Tab, TabList, TabPanel, TabProvider } from '@ariakit/react';
import type { ReactNode } from 'react';
import type { Problem, Show } from '../api/client';
import { SeatCanvas } from '../map/canvas';
import { SeatList } from '../map/list';
import type { SeatModel, State } from '../map/model';
import { kNoSeats, ProblemNote } from '../parts';
import { useText } from '../text';
import { useWords } from './words';

interface Choosing {
  show: Show;
  model: SeatModel;
  version: number;
  chosen: ReadonlySet<number>;
  lost: ReadonlySet<number>;
  onToggle: (seat: number) => void;
  onBox?: (seats: number[]) => void;
  onMany?: (seats: number[]) => void;
  takes?: (state: State) => boolean;
  children?: ReactNode; // beside the tabs
}

// The seats of a show on the map, and the same in a list.
export function Chooser({ show, model, version, chosen, lost, onToggle, onBox, onMany, takes, children }: Choosing) {
  const { t } = useText();
  return (
    <TabProvider defaultSelectedId="map">
      <div className="row bar">
        <TabList className="segments" aria-label={t.viewLabel}><Tab id="map">{t.map}</Tab><Tab id="list">{t.list}</Tab></TabList>
        {children}
      </div>
      <TabPanel tabId="map">
        <SeatCanvas model={model} version={version} show={show} chosen={chosen} hidden={kNoSeats} marked={kNoSeats} lost={lost} onToggle={onToggle} onBox={onBox} />
      </TabPanel>
      <TabPanel tabId="list">
        <SeatList model={model} version={version} currency={show.currency} chosen={chosen} hidden={kNoSeats} disabled={false} onToggle={onToggle} onMany={onMany} takes={takes} />
      </TabPanel>
    </TabProvider>
  );
}

export function Conflicts({ problem, some, onLeaveOut }: { problem: Problem; some: boolean; onLeaveOut: (seats: number[]) => void }) {
  const w = useWords();
  const conflicts = problem.body.conflicts ?? [];
  return (
    <ProblemNote text={w.inTheWay(conflicts.slice(0, 8).map((one) => `${one.label} (${w.conflictReason[one.reason] ?? one.reason})`).join(', '), conflicts.length, some)}>
      <button type="button" onClick={() => onLeaveOut(conflicts.map((one) => one.seat_no - 1))}>{w.leaveOut}</button>
    </ProblemNote>
  );
}
