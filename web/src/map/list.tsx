import { memo, useState } from 'react';
import { useText } from '../text';
import { State, type SeatModel, type Section } from './model';

interface Choosing {
  model: SeatModel;
  version: number;
  currency: string;
  chosen: ReadonlySet<number>;
  hidden: ReadonlySet<number>;
  disabled: boolean;
  onToggle: (seat: number) => void;
  // For operators: whole rows and sections at once, and seats in whatever state.
  onMany?: (seats: number[]) => void;
  // What else can be taken than what is free.
  takes?: (state: State) => boolean;
}

// All that the map does, for the keyboard and screen readers: section, row, seat. Only what is open is on the page, which
// would have 50,000 buttons otherwise.
export function SeatList(choosing: Choosing) {
  const { t } = useText();
  const { model, hidden } = choosing;
  const sections = [...model.sections.values()].filter((section) => section.seats.some((i) => !hidden.has(model.category[i]!)));
  const [open, setOpen] = useState(sections.length === 1 ? sections[0]!.name : '');
  return (
    <ul className="sections" aria-label={t.sections}>
      {sections.map((section) => (
        <li key={section.name}>
          <button type="button" aria-expanded={open === section.name} onClick={() => setOpen(open === section.name ? '' : section.name)}>
            <span>{t.section(section.name)}</span>
            <small>{t.free(model.freeIn(section.seats))}</small>
          </button>
          {open === section.name && <Whole of={t.section(section.name)} seats={section.seats} {...choosing} />}
          {open === section.name && <Rows section={section} {...choosing} />}
        </li>
      ))}
    </ul>
  );
}

function Rows({ section, ...choosing }: Choosing & { section: Section }) {
  const { t } = useText();
  const [open, setOpen] = useState('');
  return (
    <ul className="rows">
      {[...section.rows].map(([row, seats]) => (
        <li key={row}>
          <button type="button" aria-expanded={open === row} onClick={() => setOpen(open === row ? '' : row)}>
            <span>{t.row(row)}</span>
            <small>{t.free(choosing.model.freeIn(seats))}</small>
          </button>
          {open === row && <Whole of={t.row(row)} seats={seats} {...choosing} />}
          {open === row && <Row seats={seats} {...choosing} label={`${t.section(section.name)}, ${t.row(row)}`} />}
        </li>
      ))}
    </ul>
  );
}

function Whole({ of, seats, onMany }: Choosing & { of: string; seats: number[] }) {
  const { t } = useText();
  if (!onMany) return null;
  return <button type="button" className="small whole" onClick={() => onMany(seats)}>{t.chooseAll(of)}</button>;
}

const Row = memo(function Row({ seats, label, model, currency, chosen, hidden, disabled, onToggle, onMany, takes }: Choosing & { seats: number[]; label: string }) {
  const { t, money } = useText();
  const words = [t.seatFree, t.seatHeld, t.seatSold, t.seatBlocked];
  return (
    <div className="seats" role="group" aria-label={label}>
      {seats.filter((i) => !hidden.has(model.category[i]!)).map((i) => {
        const seat = model.seats[i]!;
        const mine = chosen.has(i);
        const free = model.state[i] === State.free;
        const may = !disabled && (free || mine || onMany !== undefined || takes?.(model.state[i]!) === true);
        const extra = `${seat.accessible ? `, ${t.accessible}` : ''}${seat.companion_of ? `, ${t.companion}` : ''}`;
        return (
          <button
            type="button" key={i} className={`seat ${mine ? 'mine' : free ? 'free' : 'gone'}`} aria-pressed={mine} aria-disabled={!may}
            aria-label={`${seat.number}, ${seat.category}, ${money(seat.price, currency)}, ${words[model.state[i]!]}${extra}`}
            onClick={() => { if (may) onToggle(i); }}
          >
            {seat.number}
          </button>
        );
      })}
    </div>
  );
});
