import { encode } from 'uqr';
import type { Concert, Reservation, Show } from '../api/client';

// The code as the path of an SVG of `size` × `size`.
export function qrPath(text: string): { path: string; size: number } {
  const { data, size } = encode(text, { ecc: 'M', border: 2 });
  let path = '';
  data.forEach((row, y) => row.forEach((dark, x) => { if (dark) path += `M${x} ${y}h1v1h-1z`; }));
  return { path, size };
}

const escape = (text: string) => text.replace(/[\\;,]/g, (c) => `\\${c}`).replace(/\n/g, '\\n');
const stamp = (time: string) => new Date(time).toISOString().replace(/[-:]|\.\d+/g, '');

// A line of an iCalendar file has at most 75 bytes (RFC 5545, section 3.1).
function fold(line: string): string {
  const parts: string[] = [];
  let part = '';
  let bytes = 0;
  for (const c of line) {
    const more = new TextEncoder().encode(c).length;
    if (bytes + more > 74) {
      parts.push(part);
      part = '';
      bytes = 0;
    }
    part += c;
    bytes += more;
  }
  return [...parts, part].join('\r\n ');
}

// How long a show takes is not known, so the event has a beginning alone.
export function calendar(reservation: Reservation, show: Show, concert: Concert): string {
  return [
    'BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//Boxoffice//Tickets//EN', 'BEGIN:VEVENT',
    `UID:${reservation.id}@boxoffice`, `DTSTAMP:${stamp(reservation.updated_at)}`, `DTSTART:${stamp(show.starts_at)}`,
    `SUMMARY:${escape(concert.title)}`, `LOCATION:${escape(concert.venue)}`,
    `DESCRIPTION:${escape(reservation.seats.map((seat) => seat.label).join(', '))}`,
    'END:VEVENT', 'END:VCALENDAR', '',
  ].map(fold).join('\r\n');
}
