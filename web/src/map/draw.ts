// Drawing the map: one pass over what is in view, one path for each kind of seat.
import type { SeatModel } from './model';
import { State } from './model';

export interface View {
  scale: number; // pixels per unit of the plan
  x: number; // of the plan's origin, in pixels
  y: number;
}

export interface Look {
  ink: string;
  soft: string;
  back: string;
  accent: string;
}

// Okabe and Ito's colours, which people with any colour vision tell apart; shapes say the same again.
const kColors = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#d55e00', '#56b4e9'];
// On each of them, a number that can be read: 4.5 to 1 at least.
const kNumbers = ['#fff', '#14101f', '#14101f', '#14101f', '#14101f', '#14101f'];
const kShapes = 6;
// Seats nearer than this are not drawn one by one: their sections are.
export const kOverview = 3.4; // pixels from seat to seat

const kManyRings = 500;

export const colorOf = (category: number) => kColors[category % kColors.length]!;

// A seat's shape with radius r around a point; each category has its own.
export function shape(path: CanvasRenderingContext2D | Path2D, category: number, x: number, y: number, r: number) {
  const polygon = (corners: number, turn: number, size: number) => {
    for (let i = 0; i < corners; ++i) {
      const a = turn + (i * 2 * Math.PI) / corners;
      if (i === 0) path.moveTo(x + size * Math.cos(a), y + size * Math.sin(a));
      else path.lineTo(x + size * Math.cos(a), y + size * Math.sin(a));
    }
    path.closePath();
  };
  switch (category % kShapes) {
    case 0:
      path.moveTo(x + r, y);
      path.arc(x, y, r, 0, 2 * Math.PI);
      break;
    case 1:
      path.rect(x - r * 0.88, y - r * 0.88, r * 1.76, r * 1.76);
      break;
    case 2:
      polygon(3, -Math.PI / 2, r * 1.2);
      break;
    case 3:
      polygon(4, 0, r * 1.2);
      break;
    case 4:
      polygon(6, 0, r * 1.08);
      break;
    default:
      polygon(3, Math.PI / 2, r * 1.2);
  }
}

export interface Drawing {
  model: SeatModel;
  view: View;
  width: number;
  height: number;
  chosen: ReadonlySet<number>;
  hidden: ReadonlySet<number>; // categories that the filter leaves out
  marked: ReadonlySet<number>; // seats of an offer
  lost: ReadonlySet<number>; // seats that somebody else got
  stage: { x: number; y: number } | null;
  words: { stage: string; free: (n: number) => string };
  look: Look;
}

function drawSections(c: CanvasRenderingContext2D, d: Drawing) {
  const { view, model, look } = d;
  for (const section of model.sections.values()) {
    const { free, category } = model.freeAmong(section.seats, d.hidden);
    c.beginPath();
    section.hull.forEach(([x, y], i) => (i === 0 ? c.moveTo(x * view.scale + view.x, y * view.scale + view.y) : c.lineTo(x * view.scale + view.x, y * view.scale + view.y)));
    c.closePath();
    c.fillStyle = category === undefined ? look.soft : colorOf(category);
    c.globalAlpha = category === undefined ? 0.22 : 0.35 + (0.55 * free) / section.seats.length;
    c.fill();
    c.globalAlpha = 1;
    c.strokeStyle = look.back;
    c.lineWidth = 1.5;
    c.stroke();
    const width = (section.maxX - section.minX) * view.scale;
    const x = ((section.minX + section.maxX) / 2) * view.scale + view.x;
    const y = ((section.minY + section.maxY) / 2) * view.scale + view.y;
    label(c, section.name, x, y - (width > 70 ? 7 : 0), Math.max(9, Math.min(15, width / 4)), width, look);
    if (width > 70) label(c, d.words.free(free), x, y + 9, 11, width, look);
  }
}

// Legible on every colour: ink with a rim of the background.
function label(c: CanvasRenderingContext2D, text: string, x: number, y: number, size: number, width: number, look: Look) {
  if (width < 18) return;
  c.font = `600 ${size}px system-ui, sans-serif`;
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  if (c.measureText(text).width > width * 1.15) return;
  c.lineJoin = 'round';
  c.lineWidth = 4;
  c.strokeStyle = look.back;
  c.strokeText(text, x, y);
  c.fillStyle = look.ink;
  c.fillText(text, x, y);
}

function drawSeats(c: CanvasRenderingContext2D, d: Drawing, step: number) {
  const { model, view, look } = d;
  const r = step * 0.36;
  const small = r < 2.6;
  const free = model.categories.map(() => [] as number[]);
  const held: number[] = [];
  const gone: number[] = [];
  const m = model.gap;
  for (const i of model.within(-view.x / view.scale - m, -view.y / view.scale - m, (d.width - view.x) / view.scale + m, (d.height - view.y) / view.scale + m)) {
    const category = model.category[i]!;
    if (d.hidden.has(category)) gone.push(i);
    else if (model.state[i] === State.free) free[category]!.push(i);
    else if (model.state[i] === State.held) held.push(i);
    else gone.push(i);
  }
  const X = (i: number) => model.x[i]! * view.scale + view.x;
  const Y = (i: number) => model.y[i]! * view.scale + view.y;
  free.forEach((seats, category) => {
    c.fillStyle = colorOf(category);
    if (small) {
      for (const i of seats) c.fillRect(X(i) - r, Y(i) - r, 2 * r, 2 * r);
      return;
    }
    c.beginPath();
    for (const i of seats) shape(c, category, X(i), Y(i), r);
    c.fill();
  });
  c.fillStyle = look.soft;
  c.globalAlpha = 0.45;
  for (const i of gone) c.fillRect(X(i) - r * 0.45, Y(i) - r * 0.45, r * 0.9, r * 0.9);
  c.globalAlpha = 1;
  c.strokeStyle = look.soft;
  c.lineWidth = Math.max(1, r * 0.22);
  c.beginPath();
  for (const i of held) shape(c, model.category[i]!, X(i), Y(i), r * 0.8);
  c.stroke();
  if (small) return;
  for (const i of free.flat()) {
    if (!model.seats[i]!.accessible) continue;
    c.strokeStyle = look.ink;
    c.lineWidth = Math.max(1.2, r * 0.2);
    c.beginPath();
    c.arc(X(i), Y(i), r * 1.35, 0, 2 * Math.PI);
    c.stroke();
  }
  if (step < 19) return;
  c.font = `600 ${Math.min(12, r)}px system-ui, sans-serif`;
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  free.forEach((seats, category) => {
    c.fillStyle = kNumbers[category % kNumbers.length]!;
    for (const i of seats) c.fillText(model.seats[i]!.number, X(i), Y(i) + 0.5);
  });
}

function ring(c: CanvasRenderingContext2D, d: Drawing, seats: ReadonlySet<number>, step: number, color: string, sign: string) {
  const r = Math.max(6, step * 0.44);
  // An operator may choose thousands: then they are dots, as signs would hide each other.
  if (seats.size > kManyRings) {
    const side = Math.max(2, step * 0.8);
    c.fillStyle = color;
    for (const i of seats) c.fillRect(d.model.x[i]! * d.view.scale + d.view.x - side / 2, d.model.y[i]! * d.view.scale + d.view.y - side / 2, side, side);
    return;
  }
  for (const i of seats) {
    const x = d.model.x[i]! * d.view.scale + d.view.x;
    const y = d.model.y[i]! * d.view.scale + d.view.y;
    c.beginPath();
    c.arc(x, y, r, 0, 2 * Math.PI);
    c.fillStyle = color;
    c.fill();
    c.lineWidth = 2;
    c.strokeStyle = d.look.back;
    c.stroke();
    c.font = `700 ${r * 1.2}px system-ui, sans-serif`;
    c.textAlign = 'center';
    c.textBaseline = 'middle';
    c.fillStyle = d.look.back;
    c.fillText(sign, x, y + 1);
  }
}

export function draw(c: CanvasRenderingContext2D, d: Drawing) {
  c.fillStyle = d.look.back;
  c.fillRect(0, 0, d.width, d.height);
  const step = d.model.gap * d.view.scale;
  if (d.stage) {
    const x = d.stage.x * d.view.scale + d.view.x;
    const y = d.stage.y * d.view.scale + d.view.y;
    const half = Math.max(26, Math.min(90, (d.model.box.maxX - d.model.box.minX) * d.view.scale * 0.14));
    c.fillStyle = d.look.ink;
    c.globalAlpha = 0.85;
    c.beginPath();
    if (c.roundRect) c.roundRect(x - half, y - 11, 2 * half, 22, 6);
    else c.rect(x - half, y - 11, 2 * half, 22); // older browsers have no other
    c.fill();
    c.globalAlpha = 1;
    c.fillStyle = d.look.back;
    c.font = '600 12px system-ui, sans-serif';
    c.textAlign = 'center';
    c.textBaseline = 'middle';
    c.fillText(d.words.stage, x, y + 0.5);
  }
  if (step < kOverview) drawSections(c, d);
  else drawSeats(c, d, step);
  ring(c, d, d.marked, step, '#009e73', '★');
  ring(c, d, d.lost, step, '#b3261e', '×');
  ring(c, d, d.chosen, step, d.look.accent, '✓');
}
