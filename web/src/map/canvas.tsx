import { useCallback, useEffect, useRef, useState, type PointerEvent as ReactPointerEvent } from 'react';
import type { Show } from '../api/client';
import { useText } from '../text';
import { draw, kOverview, type View } from './draw';
import type { SeatModel } from './model';

interface Box { minX: number; maxX: number; minY: number; maxY: number }

const kTap = 7; // pixels that a finger may slip

function lookOf(element: HTMLElement) {
  const style = getComputedStyle(element);
  const get = (name: string) => style.getPropertyValue(name).trim();
  return { ink: get('--ink'), soft: get('--soft'), back: get('--card'), accent: get('--accent') };
}

export function SeatCanvas({ model, version, show, chosen, hidden, marked, lost, onToggle, onBox }: {
  model: SeatModel;
  version: number;
  show: Show;
  chosen: ReadonlySet<number>;
  hidden: ReadonlySet<number>;
  marked: ReadonlySet<number>;
  lost: ReadonlySet<number>;
  onToggle: (seat: number) => void;
  // Where it is given, one finger or the mouse draws a box around seats instead of moving the map.
  onBox?: (seats: number[]) => void;
}) {
  const text = useText();
  const { t, number } = text;
  const canvas = useRef<HTMLCanvasElement>(null);
  const view = useRef<View>({ scale: 0, x: 0, y: 0 });
  const pointers = useRef(new Map<number, { x: number; y: number }>());
  const moved = useRef(0);
  const frame = useRef(0);
  const [hover, setHover] = useState<{ seat: number; x: number; y: number } | null>(null);
  const [box, setBox] = useState<Box | null>(null);
  const began = useRef({ x: 0, y: 0 });
  const paint = useRef(() => {});

  paint.current = () => {
    frame.current = 0;
    const c = canvas.current;
    if (!c || view.current.scale === 0) return;
    const ratio = Math.min(2, devicePixelRatio);
    const context = c.getContext('2d', { alpha: false });
    if (!context) return; // a browser without canvas has the list
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw(context, {
      model, view: view.current, width: c.clientWidth, height: c.clientHeight, chosen, hidden, marked, lost,
      stage: show.stage as { x: number; y: number } | null, words: { stage: t.stage, free: number }, look: lookOf(c),
    });
    const { scale, x, y } = view.current;
    c.dataset['view'] = `${scale} ${x} ${y}`;
  };
  // At most once a frame, however many pointers and seats move.
  const redraw = useCallback(() => {
    if (frame.current === 0) frame.current = requestAnimationFrame(() => paint.current());
  }, []);

  const fit = useCallback((box: Box) => {
    const c = canvas.current!;
    const pad = 3 * model.gap;
    const scale = Math.min(c.clientWidth / (box.maxX - box.minX + 2 * pad), c.clientHeight / (box.maxY - box.minY + 2 * pad), 34 / model.gap);
    view.current = { scale, x: c.clientWidth / 2 - (scale * (box.minX + box.maxX)) / 2, y: c.clientHeight / 2 - (scale * (box.minY + box.maxY)) / 2 };
    redraw();
  }, [model, redraw]);

  const whole = useCallback(() => {
    const box = { ...model.box };
    if (show.stage) {
      const { x, y } = show.stage as { x: number; y: number };
      box.minX = Math.min(box.minX, x);
      box.maxX = Math.max(box.maxX, x);
      box.minY = Math.min(box.minY, y);
      box.maxY = Math.max(box.maxY, y);
    }
    fit(box);
  }, [fit, model, show.stage]);

  const zoom = useCallback((factor: number, x?: number, y?: number) => {
    const c = canvas.current!;
    const [px, py] = [x ?? c.clientWidth / 2, y ?? c.clientHeight / 2];
    const old = view.current;
    const scale = Math.min(60 / model.gap, Math.max(0.3 / model.gap, old.scale * factor));
    const by = scale / old.scale;
    view.current = { scale, x: px - (px - old.x) * by, y: py - (py - old.y) * by };
    redraw();
  }, [model, redraw]);

  useEffect(() => {
    const c = canvas.current!;
    const size = new ResizeObserver(() => {
      const ratio = Math.min(2, devicePixelRatio);
      c.width = c.clientWidth * ratio;
      c.height = c.clientHeight * ratio;
      if (view.current.scale === 0) whole();
      // A canvas that changed its size is empty: at once, so that it does not flicker.
      else paint.current();
    });
    size.observe(c);
    // React's own wheel listener can't keep the page from scrolling.
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * 0.0016), event.offsetX, event.offsetY);
    };
    c.addEventListener('wheel', wheel, { passive: false });
    return () => {
      size.disconnect();
      c.removeEventListener('wheel', wheel);
    };
  }, [whole, zoom]);

  // Somebody else's seats, an offer, a theme: whatever is new is drawn.
  useEffect(redraw, [redraw, version, chosen, hidden, marked, lost]);
  useEffect(() => {
    const observer = new MutationObserver(redraw);
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    return () => observer.disconnect();
  }, [redraw]);
  // An offer that is out of view would not be seen.
  useEffect(() => {
    const seats = [...marked];
    if (seats.length === 0) return;
    const xs = seats.map((i) => model.x[i]!);
    const ys = seats.map((i) => model.y[i]!);
    const around = 8 * model.gap;
    fit({ minX: Math.min(...xs) - around, maxX: Math.max(...xs) + around, minY: Math.min(...ys) - around, maxY: Math.max(...ys) + around });
  }, [marked, fit, model]);

  const at = (event: ReactPointerEvent) => ({ x: event.nativeEvent.offsetX, y: event.nativeEvent.offsetY });
  const seatAt = (x: number, y: number) => {
    const { scale, x: ox, y: oy } = view.current;
    if (model.gap * scale < kOverview) return -1;
    return model.nearest((x - ox) / scale, (y - oy) / scale, Math.max(model.gap * 0.6, 12 / scale));
  };

  function down(event: ReactPointerEvent<HTMLCanvasElement>) {
    event.currentTarget.setPointerCapture(event.pointerId);
    if (pointers.current.size === 0) [moved.current, began.current] = [0, at(event)];
    pointers.current.set(event.pointerId, at(event));
  }

  function move(event: ReactPointerEvent) {
    const now = at(event);
    const before = pointers.current.get(event.pointerId);
    if (!before) {
      const seat = seatAt(now.x, now.y);
      setHover(seat < 0 ? null : { seat, ...now });
      return;
    }
    const others = [...pointers.current].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
    moved.current += Math.hypot(now.x - before.x, now.y - before.y);
    if (others.length > 0) {
      const other = others[0]!;
      const factor = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
      setBox(null);
      zoom(factor, (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else if (moved.current > kTap && onBox) {
      const { x, y } = began.current;
      setHover(null);
      setBox({ minX: Math.min(x, now.x), maxX: Math.max(x, now.x), minY: Math.min(y, now.y), maxY: Math.max(y, now.y) });
    } else if (moved.current > kTap) {
      view.current = { ...view.current, x: view.current.x + now.x - before.x, y: view.current.y + now.y - before.y };
      setHover(null);
      redraw();
    }
    pointers.current.set(event.pointerId, now);
  }

  function up(event: ReactPointerEvent) {
    const pressed = pointers.current.delete(event.pointerId);
    if (box && onBox) {
      const { scale, x: ox, y: oy } = view.current;
      if (event.type !== 'pointercancel') onBox(model.inside((box.minX - ox) / scale, (box.minY - oy) / scale, (box.maxX - ox) / scale, (box.maxY - oy) / scale));
      setBox(null);
      return;
    }
    if (!pressed || event.type === 'pointercancel' || moved.current > kTap || pointers.current.size > 0) return;
    const { x, y } = at(event);
    const seat = seatAt(x, y);
    if (seat >= 0) {
      setHover({ seat, x, y });
      onToggle(seat);
      return;
    }
    const { scale, x: ox, y: oy } = view.current;
    if (model.gap * scale >= kOverview) return;
    const [px, py] = [(x - ox) / scale, (y - oy) / scale];
    const r = model.gap * 0.7; // a seat has a size
    const section = [...model.sections.values()].find((one) => px >= one.minX - r && px <= one.maxX + r && py >= one.minY - r && py <= one.maxY + r);
    if (section) fit(section);
  }

  const seat = hover && model.seats[hover.seat];
  const stateWords = [t.seatFree, t.seatHeld, t.seatSold, t.seatBlocked];
  return (
    <div className="map">
      <canvas ref={canvas} role="img" aria-label={t.mapLabel} onPointerDown={down} onPointerMove={move} onPointerUp={up} onPointerCancel={up} onPointerLeave={() => setHover(null)} />
      {seat && hover && (
        <div className="tip" style={{ left: Math.min(hover.x, (canvas.current?.clientWidth ?? 0) - 150), top: hover.y + 14 }}>
          <b>{seat.label}</b>
          <span>{seat.category} · {text.money(seat.price, show.currency)}</span>
          <span>{chosen.has(hover.seat) ? t.seatMine : stateWords[model.state[hover.seat]!]}{seat.accessible && ` · ${t.accessible}`}{seat.companion_of && ` · ${t.companion}`}</span>
        </div>
      )}
      {box && <div className="box" style={{ left: box.minX, top: box.minY, width: box.maxX - box.minX, height: box.maxY - box.minY }} />}
      <div className="zoom">
        <button type="button" onClick={() => zoom(1.6)} aria-label={t.zoomIn}>+</button>
        <button type="button" onClick={() => zoom(1 / 1.6)} aria-label={t.zoomOut}>−</button>
        <button type="button" onClick={whole}>{t.zoomAll}</button>
      </div>
    </div>
  );
}
