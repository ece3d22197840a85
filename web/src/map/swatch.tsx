import { useMemo } from 'react';
import { colorOf, shape } from './draw';

export function Swatch({ category }: { category: number }) {
  // The shape as an SVG path, from the very function that draws it on the canvas.
  const path = useMemo(() => {
    const parts: string[] = [];
    const pen = {
      moveTo: (x: number, y: number) => void parts.push(`M${x} ${y}`),
      lineTo: (x: number, y: number) => void parts.push(`L${x} ${y}`),
      closePath: () => void parts.push('Z'),
      rect: (x: number, y: number, w: number, h: number) => void parts.push(`M${x} ${y}h${w}v${h}h${-w}Z`),
      arc: (x: number, y: number, r: number) => void parts.push(`M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`),
    };
    shape(pen as unknown as Path2D, category, 10, 10, 7);
    return parts.join('');
  }, [category]);
  return (
    <svg viewBox="0 0 20 20" className="swatch" aria-hidden="true">
      <path d={path} fill={colorOf(category)} />
    </svg>
  );
}
