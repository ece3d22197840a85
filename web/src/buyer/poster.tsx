// A poster for every concert, drawn from its id and title: the same concert always has the same one.
const kPalettes = [
  ['#2b1055', '#7597de', '#ffd166'],
  ['#0b3d3a', '#2ec4b6', '#ffe8d6'],
  ['#3d0814', '#e4572e', '#f7d488'],
  ['#10243e', '#4f9dde', '#f2a6c2'],
  ['#1b1b2f', '#e43f5a', '#f6e7cb'],
  ['#20301d', '#8cb369', '#f4e285'],
] as const;

function hash(text: string): number {
  let h = 2166136261;
  for (const c of text) h = Math.imul(h ^ c.codePointAt(0)!, 16777619);
  return h >>> 0;
}

function random(seed: number): () => number {
  let s = seed || 1;
  return () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return (s >>> 0) / 2 ** 32;
  };
}

type Colors = readonly [string, string, string];

function Rays({ next, colors }: { next: () => number; colors: Colors }) {
  const x = 60 + next() * 280;
  return (
    <>
      {Array.from({ length: 14 }, (_, i) => {
        const a = (i / 14) * Math.PI * 2 + next() * 0.2;
        const point = (d: number) => `${x + Math.cos(a + d) * 600},${190 + Math.sin(a + d) * 600}`;
        return <polygon key={i} points={`${x},190 ${point(-0.09)} ${point(0.09)}`} fill={colors[1]} opacity={0.25 + next() * 0.5} />;
      })}
      <circle cx={x} cy={190} r={54 + next() * 40} fill={colors[2]} />
    </>
  );
}

function Strings({ next, colors }: { next: () => number; colors: Colors }) {
  return (
    <>
      <circle cx={90 + next() * 220} cy={130 + next() * 60} r={70 + next() * 30} fill={colors[2]} opacity={0.9} />
      {Array.from({ length: 11 }, (_, i) => {
        const y = 130 + i * 22;
        return (
          <path key={i} d={`M-10 ${y} C 100 ${y - 90 * next()}, 220 ${y + 110 * next()}, 410 ${y - 30}`} fill="none" stroke={colors[1]} strokeWidth={2 + next() * 7} opacity={0.85} />
        );
      })}
    </>
  );
}

function Tiles({ next, colors }: { next: () => number; colors: Colors }) {
  return (
    <>
      {Array.from({ length: 30 }, (_, i) => {
        const x = (i % 5) * 80;
        const y = Math.floor(i / 5) * 80;
        const fill = next() < 0.3 ? colors[2] : colors[1];
        const turn = Math.floor(next() * 4) * 90;
        return (
          <path key={i} d="M0 0H80A80 80 0 0 1 0 80Z" fill={fill} opacity={0.35 + next() * 0.6} transform={`translate(${x} ${y}) rotate(${turn} 40 40)`} />
        );
      })}
    </>
  );
}

export function Poster({ id, title }: { id: string; title: string }) {
  const seed = hash(`${id}/${title}`);
  const next = random(seed);
  const colors = kPalettes[seed % kPalettes.length]!;
  const Art = [Rays, Strings, Tiles][(seed >>> 8) % 3]!;
  return (
    <svg className="poster" viewBox="0 0 400 400" preserveAspectRatio="xMidYMid slice" aria-hidden="true">
      <rect width="400" height="400" fill={colors[0]} />
      <Art next={next} colors={colors} />
    </svg>
  );
}
