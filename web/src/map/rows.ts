// A seat map by rows, as the interface describes it (SeatMap), seat by seat.
import type { Schemas } from '../api/client';

// As they are numbered in `states`.
export const kStates: Schemas['SeatState'][] = ['free', 'held', 'sold', 'blocked'];

// Two bits a seat, low bits first, in base64url.
export function statesOf(text: string, seats: number): Uint8Array {
  const bytes = Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  const states = new Uint8Array(seats);
  for (let i = 0; i < seats; ++i) states[i] = (bytes[i >> 2]! >> ((i & 3) * 2)) & 3;
  return states;
}

export function seatsOf(map: Schemas['SeatMap']): Schemas['Seat'][] {
  const { rows, exceptions } = map;
  const states = statesOf(map.states, rows.seats.reduce((sum, seats) => sum + seats, 0));
  const seats: Schemas['Seat'][] = [];
  rows.seats.forEach((size, r) => {
    const section = map.sections[rows.section[r]!]!;
    const row = rows.name[r]!;
    const place = (axis: 'x' | 'y', i: number) => {
      const first = rows[axis][r];
      return first == null ? exceptions[axis][r]![i]! : Math.floor(first + i * rows[`d${axis}`][r]! + 0.5);
    };
    for (let i = 0; i < size; ++i) {
      const first = rows.number[r];
      const number = first == null ? exceptions.number[r]![i]! : String(first + i);
      const { category, price } = map.prices[rows.price[r] ?? exceptions.price[r]![i]!]!;
      const state = kStates[states[seats.length]!]!;
      seats.push({
        seat_no: seats.length + 1, label: `${section} ${row}-${number}`, section, row, number, category, price,
        x: place('x', i), y: place('y', i), state,
      });
    }
  });
  for (const seat_no of map.accessible) seats[seat_no - 1]!.accessible = true;
  for (const [seat_no, of] of map.companions) seats[seat_no! - 1]!.companion_of = of!;
  return seats;
}
