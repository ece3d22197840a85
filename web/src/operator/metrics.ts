// What the process that answers counts, by its metrics: what happened lately is the difference of two looks. It is the whole system
// where all services are in it, else one gateway of several, which know nothing of each other.
import { deadline, Problem } from '../api/client';

type Sample = { name: string; labels: Record<string, string>; value: number };

export interface Counts {
  at: number; // seconds, by the page's own clock
  process: number; // when it began, which tells it from another
  whole: boolean; // all services are in it
  requests: number;
  failed: number; // answered 5xx
  limited: number; // answered 429
  batches: Record<string, { sum: number; count: number }>; // commands and transactions of each service here
}

function parse(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const match = /^([a-z_]+)(?:\{([^}]*)\})? (\S+)$/.exec(line);
    if (!match) continue;
    const labels = Object.fromEntries([...(match[2] ?? '').matchAll(/([a-z_]+)="([^"]*)"/g)].map((pair) => [pair[1], pair[2]]));
    samples.push({ name: match[1]!, labels, value: Number(match[3]) });
  }
  return samples;
}

export async function fetchCounts(): Promise<Counts> {
  let text: string;
  try {
    const answer = await fetch('/v1/admin/metrics', { signal: deadline() });
    if (!answer.ok) throw new Problem(answer.status, 'default');
    text = await answer.text();
  } catch (thrown) {
    throw thrown instanceof Problem ? thrown : new Problem(0, 'offline');
  }
  const counts: Counts = { at: performance.now() / 1000, process: 0, whole: false, requests: 0, failed: 0, limited: 0, batches: {} };
  for (const { name, labels, value } of parse(text)) {
    if (name === 'process_start_time_seconds') counts.process = value;
    if (name === 'boxoffice_http_requests_total') {
      counts.requests += value;
      if (labels['status']?.startsWith('5')) counts.failed += value;
      if (labels['status'] === '429') counts.limited += value;
    }
    // In a process of its own the gateway has no executors: there it tells what it sends.
    const of = /^boxoffice_(?:batch_size|rpc_batch_size)_(sum|count)$/.exec(name);
    if (!of) continue;
    if (labels['executor']) counts.whole = true;
    const key = labels['executor'] ?? labels['client'] ?? '';
    const batch = (counts.batches[key] ??= { sum: 0, count: 0 });
    batch[of[1] as 'sum' | 'count'] += value;
  }
  return counts;
}

// Between the first of these looks that the same process answered, and the last; null: there is no such.
export function lately(looks: Counts[]) {
  const now = looks.at(-1)!;
  const before = looks.find((one) => one.process === now.process)!;
  const s = now.at - before.at;
  if (s <= 0) return null;
  const batches = Object.entries(now.batches).flatMap(([name, { sum, count }]) => {
    const then = before.batches[name] ?? { sum: 0, count: 0 };
    return count > then.count ? [{ name, mean: (sum - then.sum) / (count - then.count) }] : [];
  });
  return {
    whole: now.whole,
    perSecond: (now.requests - before.requests) / s,
    failedPerMinute: (60 * (now.failed - before.failed)) / s,
    limitedPerMinute: (60 * (now.limited - before.limited)) / s,
    batches: batches.sort((a, b) => b.mean - a.mean),
  };
}
