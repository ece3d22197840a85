// The seats of a show as the map and the list need them: flat arrays, kept up to date by the event stream.
import type { Schemas, SeatState } from '../api/client';
import { kStates, statesOf } from './rows';

export const enum State { free, held, sold, blocked }

export interface Section {
  name: string;
  seats: number[]; // indexes
  rows: Map<string, number[]>;
  minX: number; maxX: number; minY: number; maxY: number;
  hull: [number, number][]; // convex, in the plane of the plan
}

export interface Category {
  name: string;
  price: number;
}

function convexHull(points: [number, number][]): [number, number][] {
  points.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (ordered: [number, number][]) => {
    const chain: [number, number][] = [];
    for (const p of ordered) {
      while (chain.length > 1) {
        const [a, b] = chain.slice(-2) as [[number, number], [number, number]];
        if ((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) > 0) break;
        chain.pop();
      }
      chain.push(p);
    }
    chain.pop();
    return chain;
  };
  return [...half(points), ...half([...points].reverse())];
}

// The distance from a seat to the next one in its row, as the plan has it: half of them are at most so far.
function medianGap(seats: Schemas['Seat'][]): number {
  const gaps: number[] = [];
  const step = Math.max(1, Math.floor(seats.length / 2_000));
  for (let i = 1; i < seats.length; i += step) {
    const [a, b] = [seats[i - 1]!, seats[i]!];
    if (a.row === b.row && a.section === b.section) gaps.push(Math.hypot(a.x - b.x, a.y - b.y));
  }
  gaps.sort((a, b) => a - b);
  return gaps[gaps.length >> 1] || 1;
}

export class SeatModel {
  readonly seats: Schemas['Seat'][];
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly state: Uint8Array;
  readonly category: Uint32Array; // index in categories; each seat may have one of its own
  readonly categories: Category[] = [];
  readonly sections = new Map<string, Section>();
  readonly gap: number;
  readonly box = { minX: Infinity, maxX: -Infinity, minY: Infinity, maxY: -Infinity };
  readonly layoutVersion: number;
  private readonly grid = new Map<number, number[]>();
  private readonly cell: number;

  constructor(seats: Schemas['Seat'][], layoutVersion: number) {
    const n = seats.length;
    this.seats = seats;
    this.layoutVersion = layoutVersion;
    this.x = new Float64Array(n);
    this.y = new Float64Array(n);
    this.state = new Uint8Array(n);
    this.category = new Uint32Array(n);
    this.gap = medianGap(seats);
    this.cell = this.gap * 4;
    const known = new Map<string, number>();
    seats.forEach((seat, i) => {
      this.x[i] = seat.x;
      this.y[i] = seat.y;
      this.state[i] = kStates.indexOf(seat.state);
      const key = `${seat.category}/${seat.price}`;
      if (!known.has(key)) {
        known.set(key, this.categories.length);
        this.categories.push({ name: seat.category, price: seat.price });
      }
      this.category[i] = known.get(key)!;
      this.place(seat, i);
    });
    for (const section of this.sections.values()) section.hull = this.hullOf(section);
  }

  private place(seat: Schemas['Seat'], i: number) {
    let section = this.sections.get(seat.section);
    if (!section) {
      section = { name: seat.section, seats: [], rows: new Map(), minX: Infinity, maxX: -Infinity, minY: Infinity, maxY: -Infinity, hull: [] };
      this.sections.set(seat.section, section);
    }
    section.seats.push(i);
    const row = section.rows.get(seat.row);
    if (row) row.push(i);
    else section.rows.set(seat.row, [i]);
    for (const box of [section, this.box]) {
      box.minX = Math.min(box.minX, seat.x);
      box.maxX = Math.max(box.maxX, seat.x);
      box.minY = Math.min(box.minY, seat.y);
      box.maxY = Math.max(box.maxY, seat.y);
    }
    const key = this.keyOf(seat.x, seat.y);
    const cell = this.grid.get(key);
    if (cell) cell.push(i);
    else this.grid.set(key, [i]);
  }

  // Around the ends of the rows, wide enough for the seats themselves.
  private hullOf(section: Section): [number, number][] {
    const points: [number, number][] = [];
    const r = this.gap * 0.7;
    for (const row of section.rows.values()) {
      for (const i of [row[0]!, row.at(-1)!]) {
        for (const [dx, dy] of [[-r, -r], [r, -r], [-r, r], [r, r]] as const) points.push([this.x[i]! + dx, this.y[i]! + dy]);
      }
    }
    return convexHull(points);
  }

  private keyOf(x: number, y: number): number {
    return Math.floor(x / this.cell) * 100_003 + Math.floor(y / this.cell);
  }

  // The seats whose cells touch a rectangle.
  *within(minX: number, minY: number, maxX: number, maxY: number): Generator<number> {
    for (let cx = Math.floor(minX / this.cell); cx <= Math.floor(maxX / this.cell); ++cx) {
      for (let cy = Math.floor(minY / this.cell); cy <= Math.floor(maxY / this.cell); ++cy) {
        yield* this.grid.get(cx * 100_003 + cy) ?? [];
      }
    }
  }

  // The seat nearest to a point, at most `reach` away; -1: none.
  nearest(x: number, y: number, reach: number): number {
    let best = -1;
    let least = reach;
    for (const i of this.within(x - reach, y - reach, x + reach, y + reach)) {
      const distance = Math.hypot(this.x[i]! - x, this.y[i]! - y);
      if (distance <= least) [best, least] = [i, distance];
    }
    return best;
  }

  // Those whose middles are inside.
  inside(minX: number, minY: number, maxX: number, maxY: number): number[] {
    return [...this.within(minX, minY, maxX, maxY)].filter((i) => this.x[i]! >= minX && this.x[i]! <= maxX && this.y[i]! >= minY && this.y[i]! <= maxY);
  }

  freeIn(seats: number[]): number {
    let free = 0;
    for (const i of seats) if (this.state[i] === State.free) ++free;
    return free;
  }

  // Of those in no category that is left out: how many are free, and the category of most of these; undefined: none is.
  freeAmong(seats: number[], hidden: ReadonlySet<number>): { free: number; category: number | undefined } {
    const counts = this.categories.map(() => 0);
    for (const i of seats) if (this.state[i] === State.free) counts[this.category[i]!]! += 1;
    let free = 0;
    let category: number | undefined;
    counts.forEach((count, one) => {
      if (count === 0 || hidden.has(one)) return;
      free += count;
      if (category === undefined || count > counts[category]!) category = one;
    });
    return { free, category };
  }

  // The states of a snapshot.
  applySnapshot(states: string) {
    this.state.set(statesOf(states, this.state.length));
  }

  applyChanges(changes: { seat_no: number; state: SeatState }[]) {
    for (const change of changes) this.state[change.seat_no - 1] = kStates.indexOf(change.state);
  }
}
